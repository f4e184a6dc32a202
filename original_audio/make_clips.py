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
import functools
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

Samples = npt.NDArray[np.float64]

PACKAGES = "flite fluidsynth fluid-soundfont-gm"
SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")

PEAK_DBFS = -3.0
ONSET_DB = -40.0
MARGIN_S = 0.05
SPEECH_FADE_S = 0.05
MUSIC_FADE_S = 0.4
SYNTH_GAIN = 0.3

TICKS_PER_BEAT = 480
TAIL_BEATS = 4
PERCUSSION_CHANNEL = 9
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

OGG_SERIAL = 1
OGG_POLYNOMIAL = 0x04C11DB7
OGG_HEADER_BYTES = 27

SPEECH_LICENCE = "our own text and rendering, under this project's licence; flite voice: BSD-style (CMU)"
MUSIC_LICENCE = "our own rendering, under this project's licence; piece: public domain; FluidR3 GM: MIT (Frank Wen)"


class ClipError(Exception):
    """A clip cannot be made; the message is one line for the user."""


@dataclass(frozen=True)
class Note:
    """One note of a score, its times counted in beats."""

    start_beats: float
    length_beats: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """One instrument: General MIDI program (from 0), pan (0 left to 127 right) and its notes."""

    channel: int
    program: int
    pan: int
    notes: tuple[Note, ...]


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


def pitch_number(name: str) -> int:
    """Return the MIDI number of a note name such as "C4" (60) or "F#3"."""
    return 12 * (int(name[-1]) + 1) + SEMITONES[name[0]] + name.count("#")


def line(names: str, velocity: int, length_beats: float = 0.9) -> tuple[Note, ...]:
    """Set one step per beat; a step is a chord joined by "+", or "-" for a rest.

    Args:
        names: Steps separated by spaces.
        velocity: MIDI velocity of the notes; each bar's first is a little louder.
        length_beats: Length of each note, under 1 for notes that are detached; the last one is held.

    Returns:
        The notes in order of time.
    """
    steps = names.split()
    notes = []
    for beat, step in enumerate(steps):
        held_beats = 2 * length_beats if beat == len(steps) - 1 else length_beats
        accented = min(127, velocity + (8 if beat % 4 == 0 else 0))
        for name in step.split("+") if step != "-" else []:
            notes.append(Note(beat, held_beats, pitch_number(name), accented))
    return tuple(notes)


def broken_chords(bars: Sequence[str]) -> tuple[Note, ...]:
    """Set each bar's five pitches as the prelude's figure, which is played twice in a bar.

    Args:
        bars: Five note names per bar, from low to high.

    Returns:
        The notes in order of time.
    """
    notes = []
    for half, names in enumerate(bar for bar in bars for _ in range(2)):
        pitches = [pitch_number(name) for name in names.split()]
        for step, voice in enumerate((0, 1, 2, 3, 4, 2, 3, 4)):
            start_beats = 2 * half + step / 4
            # The two lowest voices are tied through the figure in Bach's notation.
            length_beats = 2 - step / 4 if voice in (0, 1) else 0.25
            velocity = 84 if step == 0 else 66 + 3 * voice
            notes.append(Note(start_beats, length_beats, pitches[voice], velocity))
    return tuple(notes)


def percussion() -> tuple[Note, ...]:
    """Set a tambourine on the half beats, a crash at both ends and a snare roll before the last."""
    crash, snare, tambourine = 49, 38, 54
    notes = [Note(beat, 2, crash, 80) for beat in (0, 8)]
    notes += [Note(half / 2, 0.4, tambourine, 70 if half % 2 else 88) for half in range(16)]
    notes += [Note(7 + step / 8, 0.1, snare, 40 + 6 * step) for step in range(8)]
    return tuple(notes)


def ode_parts() -> tuple[Part, ...]:
    """Set the opening of the "Ode to Joy" theme in D major for strings, brass and percussion."""
    theme_high = "F#5 F#5 G5 A5 A5 G5 F#5 E5 D5"
    theme_low = "F#4 F#4 G4 A4 A4 G4 F#4 E4 D4"
    inner = "A3+D4 A3+D4 B3+D4 A3+D4 D4+F#4 B3+D4 A3+D4 A3+C#4 A3+D4+F#4"
    bass = "D3 D3 G2 D3 F#2 G2 A2 A2 D2"
    timpani = "D2 - - D2 - - A2 A2 D2"
    return (
        Part(0, 48, 24, line(theme_high, 92, 0.95)),
        Part(1, 61, 92, line(theme_low, 84, 0.8)),
        Part(2, 48, 64, line(inner, 78)),
        Part(3, 43, 112, line(bass, 96)),
        Part(4, 47, 44, line(timpani, 100)),
        Part(PERCUSSION_CHANNEL, 0, 64, percussion()),
    )


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


def variable_length(value: int) -> bytes:
    """Encode a number as a MIDI variable-length quantity."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | value & 0x7F)
    return bytes(reversed(groups))


def midi_events(parts: Sequence[Part]) -> list[tuple[int, bytes]]:
    """List the parts' MIDI messages with their times in ticks, in order of time."""
    events = []
    for part in parts:
        events.append((0, bytes([0xC0 | part.channel, part.program])))
        events.append((0, bytes([0xB0 | part.channel, 10, part.pan])))
        for note in part.notes:
            start = round(note.start_beats * TICKS_PER_BEAT)
            end = start + round(note.length_beats * TICKS_PER_BEAT)
            events.append((start, bytes([0x90 | part.channel, note.pitch, note.velocity])))
            events.append((end, bytes([0x80 | part.channel, note.pitch, 0])))
    # A repeated pitch must end before it starts anew, and instruments must be set before any note.
    rank = {0xB0: 0, 0xC0: 0, 0x80: 1, 0x90: 2}
    return sorted(events, key=lambda event: (event[0], rank[event[1][0] & 0xF0]))


def midi_file(parts: Sequence[Part], beats_per_minute: float) -> bytes:
    """Return a standard MIDI file (format 0) that plays the parts.

    Args:
        parts: The instruments and their notes.
        beats_per_minute: The tempo, the same throughout.

    Returns:
        The file's bytes.
    """
    beat_us = round(60e6 / beats_per_minute)
    track = b"\x00\xff\x51\x03" + beat_us.to_bytes(3, "big")
    last = 0
    for ticks, message in midi_events(parts):
        track += variable_length(ticks - last) + message
        last = ticks
    # The synthesiser stops at the end of the track: without a tail the last notes would be cut.
    track += variable_length(TAIL_BEATS * TICKS_PER_BEAT) + b"\xff\x2f\x00"
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_PER_BEAT)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + track


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


def sounding_range(samples: Samples, rate_hz: int) -> tuple[int, int]:
    """Return the first and last frame of the sound itself, with a short margin on both sides.

    Args:
        samples: Frames by channels.
        rate_hz: Their sampling rate.

    Returns:
        The first frame and the one after the last.

    Raises:
        ClipError: There is no sound.
    """
    level = np.abs(samples).max(axis=1)
    if not level.any():
        raise ClipError("the rendering is silent")
    loud = np.flatnonzero(level > level.max() * 10 ** (ONSET_DB / 20))
    margin = round(MARGIN_S * rate_hz)
    return max(0, int(loud[0]) - margin), min(len(samples), int(loud[-1]) + margin)


def finish(samples: Samples, rate_hz: int, fade_s: float, length_s: float | None = None) -> Samples:
    """Trim the silence around a sound, fade its end and set its peak level.

    Args:
        samples: Frames by channels.
        rate_hz: Their sampling rate.
        fade_s: Length of the fade at the end.
        length_s: Length to cut to, or None to end where the sound ends.

    Returns:
        The finished samples.
    """
    start, end = sounding_range(samples, rate_hz)
    if length_s is not None:
        end = start + round(length_s * rate_hz)
    cut = samples[start:end].copy()
    fade = round(fade_s * rate_hz)
    cut[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade))[:, np.newaxis] ** 2
    finished: Samples = cut * (10 ** (PEAK_DBFS / 20) / np.abs(cut).max())
    return finished


@functools.cache
def ogg_crc_table() -> tuple[int, ...]:
    """Return the 256 steps of the checksum that Ogg pages carry."""
    table = []
    for value in range(256):
        register = value << 24
        for _ in range(8):
            register = (register << 1) ^ (OGG_POLYNOMIAL if register & 0x80000000 else 0)
        table.append(register & 0xFFFFFFFF)
    return tuple(table)


def ogg_crc(page: bytes) -> int:
    """Return the checksum of an Ogg page whose checksum field is zero."""
    table, register = ogg_crc_table(), 0
    for value in page:
        register = (register << 8 & 0xFFFFFFFF) ^ table[register >> 24 ^ value]
    return register


def with_fixed_serial(data: bytes) -> bytes:
    """Give every page of an Ogg file the same stream serial, which the encoder draws at random.

    Args:
        data: The bytes of an Ogg file with one stream.

    Returns:
        The same stream under a constant serial.
    """
    fixed, at = b"", 0
    while at < len(data):
        segments = data[at + OGG_HEADER_BYTES - 1]
        table_end = at + OGG_HEADER_BYTES + segments
        end = table_end + sum(data[at + OGG_HEADER_BYTES : table_end])
        page = bytearray(data[at:end])
        page[14:18] = OGG_SERIAL.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = ogg_crc(bytes(page)).to_bytes(4, "little")
        fixed += page
        at = end
    return fixed


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
