"""Make the four bundled input clips and their table of transcripts.

Goal: give the project free, reproducible input of its own: two speech clips and two music clips
that differ in voice, texture, file format, sampling rate and channel count.

Needs three Debian packages besides numpy, soundfile and soxr:

    apt-get install flite fluidsynth fluid-soundfont-gm

Usage:

    python original_audio/make_clips.py [--output DIR] [--sound-font FILE]

Licence facts: the sentences are our own and the music is in the public domain (J. S. Bach,
L. van Beethoven), set as notes in this file. Flite and its CMU voices are free under a BSD-style
licence, the FluidR3 GM sound font (Frank Wen) under the MIT licence. Neither restricts what is made
with it, so the clips are our own renderings and carry this project's licence.

Nothing is random: two runs with the same package versions on the same machine give identical bytes.
Another version of flite, fluidsynth or the codecs, or another processor, may change the last bits.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile
import soxr
from midi import Part, broken_chords, midi_file, ode_parts
from ogg import with_fixed_serial
from shaping import ClipError, Samples, finish

PACKAGES = "flite fluidsynth fluid-soundfont-gm"
SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")

SPEECH_FADE_S = 0.05
MUSIC_FADE_S = 0.4
SYNTH_GAIN = 0.3


SPEECH_LICENCE = "our own text and rendering, under this project's licence; flite voice: BSD-style (CMU)"
MUSIC_LICENCE = "our own rendering, under this project's licence; piece: public domain; FluidR3 GM: MIT (Frank Wen)"


@dataclass(frozen=True)
class Speech:
    """A sentence spoken by a flite voice."""

    file: str
    rate_hz: int
    voice: str
    words: str

    @property
    def row(self) -> tuple[str, ...]:
        """The clip's line in the table of transcripts."""
        source = f"flite, voice cmu_us_{self.voice}"
        return Path(self.file).stem, self.file, "speech", self.words, source, SPEECH_LICENCE


@dataclass(frozen=True)
class Music:
    """A score played by fluidsynth; a width under 1 draws the two channels together."""

    file: str
    rate_hz: int
    title: str
    length_s: float
    beats_per_minute: float
    parts: tuple[Part, ...]
    width: float = 1.0

    @property
    def row(self) -> tuple[str, ...]:
        """The clip's line in the table of transcripts."""
        source = f"{self.title}; fluidsynth with the sound font FluidR3 GM"
        return Path(self.file).stem, self.file, "music", "", source, MUSIC_LICENCE


CLIPS: tuple[Speech | Music, ...] = (
    Speech(
        file="speech_slt.wav",
        rate_hz=16_000,
        voice="slt",
        words="A gull drops from the harbor wall, and every fishing boat below turns toward the light.",
    ),
    Speech(
        file="speech_rms.ogg",
        rate_hz=22_050,
        voice="rms",
        words="Count the seven chairs beside the window, then write the total in a blue book.",
    ),
    Music(
        file="music_piano.flac",
        rate_hz=48_000,
        title="J. S. Bach, Prelude in C major BWV 846, bars 1 and 2, piano",
        length_s=4.2,
        beats_per_minute=118,
        parts=(Part(0, 0, 64, broken_chords(("C4 E4 G4 C5 E5", "C4 D4 A4 D5 F5"))),),
        # The font's piano comes from a spaced pair, so wide that a mono mix would lose half of it.
        width=0.5,
    ),
    Music(
        file="music_ensemble.wav",
        rate_hz=44_100,
        title="L. van Beethoven, Ode to Joy (Symphony No. 9), opening, strings, brass and percussion",
        length_s=4.1,
        beats_per_minute=148,
        parts=ode_parts(),
    ),
)


def run_tool(command: Sequence[str | Path], made: Path) -> None:
    """Run a command that makes a file.

    Args:
        command: The program and its arguments.
        made: The file that must be there afterwards.

    Raises:
        ClipError: The command failed or made nothing.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # Both tools report some failures only by what they leave unwritten.
    if done.returncode or not made.is_file():
        message = " ".join((done.stderr or done.stdout).split()) or "no message"
        raise ClipError(f"{command[0]} failed with status {done.returncode}: {message}")


def read_samples(path: Path) -> tuple[Samples, int]:
    """Read a sound file as frames by channels, with its rate in Hz."""
    samples: Samples
    samples, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    return samples, int(rate_hz)


def speak(clip: Speech, folder: Path) -> Samples:
    """Speak a clip's words at the clip's rate, in one channel.

    Args:
        clip: What to say and in which voice.
        folder: Folder for temporary files.

    Returns:
        The samples, untrimmed.
    """
    path = folder / "speech.wav"
    run_tool(["flite", "-voice", clip.voice, "-t", clip.words, "-o", path], path)
    samples, rate_hz = read_samples(path)
    if rate_hz != clip.rate_hz:
        samples = soxr.resample(samples, rate_hz, clip.rate_hz, quality="VHQ")
    return samples


def play(clip: Music, folder: Path, sound_font: Path) -> Samples:
    """Play a clip's score at the clip's rate, in stereo.

    Args:
        clip: The score.
        folder: Folder for temporary files.
        sound_font: The sound font that plays it.

    Returns:
        The samples, untrimmed.
    """
    score, path = folder / "score.mid", folder / "music.wav"
    score.write_bytes(midi_file(clip.parts, clip.beats_per_minute))
    # Rendered as float because fluidsynth adds dither to 16-bit output.
    options = f"-n -i -q -C 0 -R 1 -g {SYNTH_GAIN} -r {clip.rate_hz} -T wav -O float -F".split()
    run_tool(["fluidsynth", *options, path, sound_font, score], path)
    samples = read_samples(path)[0]
    middle = samples.mean(axis=1, keepdims=True)
    narrowed: Samples = middle + clip.width * (samples - middle)
    return narrowed


def make_clip(clip: Speech | Music, output: Path, sound_font: Path) -> None:
    """Make one clip and write it in the format that its file name asks for.

    Args:
        clip: What to make.
        output: Folder to write to.
        sound_font: The sound font for music.
    """
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(clip, Speech):
            samples = finish(speak(clip, Path(folder)), clip.rate_hz, SPEECH_FADE_S)
        else:
            played = play(clip, Path(folder), sound_font)
            samples = finish(played, clip.rate_hz, MUSIC_FADE_S, clip.length_s)
    path = output / clip.file
    subtype = "VORBIS" if path.suffix == ".ogg" else "PCM_16"
    soundfile.write(path, samples, clip.rate_hz, subtype=subtype)
    if path.suffix == ".ogg":
        path.write_bytes(with_fixed_serial(path.read_bytes()))


def write_transcripts(output: Path) -> None:
    """Write the table that tells what each clip is, what it says and where it is from."""
    with (output / "transcripts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("clip", "file", "kind", "transcript", "source", "licence"))
        writer.writerows(clip.row for clip in CLIPS)


def is_sound_font(path: Path) -> bool:
    """Tell whether a file is there and starts as a SoundFont does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(12)
    return start[:4] == b"RIFF" and start[8:] == b"sfbk"


def check_tools(sound_font: Path) -> None:
    """Check that all that the clips need is installed.

    Args:
        sound_font: The sound font for music.

    Raises:
        ClipError: Something is missing.
    """
    missing = [tool for tool in ("flite", "fluidsynth") if shutil.which(tool) is None]
    # Given a file it cannot use, fluidsynth plays its default sound font instead.
    if not is_sound_font(sound_font):
        missing.append(f"a usable sound font {sound_font}")
    if missing:
        raise ClipError(f"missing {', '.join(missing)}; on Debian: apt-get install {PACKAGES}")
    listed = subprocess.run(["flite", "-lv"], capture_output=True, text=True, check=False).stdout.split()
    for clip in CLIPS:
        # Flite speaks in its default voice, without a word, where it lacks the one asked for.
        if isinstance(clip, Speech) and clip.voice not in listed:
            raise ClipError(f"this flite has no voice {clip.voice}; Debian's has it: apt-get install flite")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make all clips and their table.

    Args:
        arguments: Command-line arguments, those of the process by default.

    Returns:
        The exit status: 0, or 2 where a clip could not be made.
    """
    parser = argparse.ArgumentParser(description="Make the four bundled clips and transcripts.csv.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")
    parser.add_argument("--sound-font", type=Path, default=SOUND_FONT, help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        check_tools(options.sound_font)
        options.output.mkdir(parents=True, exist_ok=True)
        for clip in CLIPS:
            make_clip(clip, options.output, options.sound_font)
        write_transcripts(options.output)
    except (ClipError, OSError, soundfile.SoundFileError) as error:
        print(f"make_clips.py: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
