"""Stage 1 on good and bad files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Script, chirp

from percept import dsp, media
from percept.store import Manifest, Record


def converted(folder: Path, clip: str) -> Record:
    record = Manifest(folder / "test_audio").find("convert", clip)
    assert record is not None
    return record


def put(folder: Path, name: str, samples: np.ndarray, rate: int, **options: str) -> Path:
    path = folder / "original_audio" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **options)
    return path


def test_formats_rates_and_channels(workplace: Path, scripts: dict[str, Script]) -> None:
    """FLAC, OGG, MP3 and 24-bit WAV of 8 to 200 kHz and one to eight channels become 16 kHz mono of equal length."""
    for name, rate, channels, options in (
        ("flac.flac", 48000, 2, {}),
        ("ogg.ogg", 22050, 1, {}),
        ("mp3.mp3", 44100, 2, {}),
        ("wide.wav", 200000, 1, {"subtype": "PCM_24"}),
        ("surround.wav", 8000, 8, {}),
    ):
        put(workplace, name, np.tile(chirp(1.0, rate=rate)[:, None], channels), rate, **options)
    assert scripts["convert"]() == 0
    for clip, channels in (("flac", 2), ("ogg", 1), ("mp3", 2), ("wide", 1), ("surround", 8), ("low", 1)):
        facts = converted(workplace, clip).facts
        audio, header = media.read(workplace / "test_audio" / f"{clip}_clean.wav")
        assert (header.rate, header.channels, header.subtype) == (16000, 1, "PCM_16")
        assert audio.samples.shape[-1] == pytest.approx(16000 * facts["source_seconds"], abs=1.5)
        assert facts["source_channels"] == channels and facts["loudness_lufs"] is not None


def test_sixteen_bit_clips_at_the_rate_pass_unchanged(workplace: Path, scripts: dict[str, Script]) -> None:
    """A 16 kHz mono PCM16 file keeps every sample."""
    scripts["convert"]()
    before, _ = soundfile.read(workplace / "original_audio" / "low.wav", dtype="int16")
    after, _ = soundfile.read(workplace / "test_audio" / "low_clean.wav", dtype="int16")
    assert np.array_equal(before, after)


def test_content_decides_and_not_the_ending(workplace: Path, scripts: dict[str, Script]) -> None:
    """An MP3 called .wav and a WAV called .txt are converted; a README beside them is passed over."""
    put(workplace, "x.mp3", chirp(), 16000).rename(workplace / "original_audio" / "masked.wav")
    put(workplace, "y.wav", chirp(), 16000).rename(workplace / "original_audio" / "odd.txt")
    (workplace / "original_audio" / "README.md").write_text("About these clips.")
    assert scripts["convert"]() == 0
    assert converted(workplace, "masked").facts["source_format"].startswith("MP3")
    assert converted(workplace, "odd").status == "ok"


def test_an_mp3_with_an_id3_header_called_wav(shared: Path, workplace: Path, scripts: dict[str, Script]) -> None:
    """The published noise study's recording is converted: an MP3 with an ID3 header under the name .wav."""
    assert scripts["convert"]("--input", str(shared / "data" / "noise_study" / "original")) == 0
    facts = converted(workplace, "test_audio").facts
    assert facts["source_format"] == "MP3 MPEG_LAYER_III" and facts["source_channels"] == 2
    assert facts["audio_seconds"] == pytest.approx(22.8, abs=0.05)


def test_one_stem_in_two_places(
    workplace: Path, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str]
) -> None:
    """Files of one stem get names of their own, and each is told."""
    put(workplace, "a/clip.wav", chirp(seed=1), 16000)
    put(workplace, "b/Clip.wav", chirp(seed=2), 16000)
    put(workplace, "clip.flac", chirp(seed=3), 16000)
    assert scripts["convert"]() == 0
    made = {path.name for path in (workplace / "test_audio").glob("*lip*_clean.wav")}
    assert made == {"a_clip_wav_clean.wav", "b_Clip_wav_clean.wav", "clip_flac_clean.wav"}
    told = capsys.readouterr()
    assert told.err.count("another file has the same stem") == 3 and "3 clips renamed" in told.out


def test_clipping_after_resampling_is_prevented_and_told(
    workplace: Path, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str]
) -> None:
    """A full-scale square wave overshoots when it is resampled: the clip is lowered, and that is said."""
    put(workplace, "square.wav", np.sign(np.sin(2 * np.pi * 500 * np.arange(44100) / 44100)), 44100)
    assert scripts["convert"]() == 0
    facts = converted(workplace, "square").facts
    assert facts["gain_db"] < -0.5 and facts["peak_db"] == pytest.approx(0, abs=0.001)
    audio, _ = soundfile.read(workplace / "test_audio" / "square_clean.wav")
    original, _ = soundfile.read(workplace / "original_audio" / "square.wav", dtype="float32")
    unclipped = dsp.resample(original, 44100, 16000) * 10 ** (facts["gain_db"] / 20)
    assert np.abs(audio - unclipped).max() < 1 / 32768
    assert "square was lowered by" in capsys.readouterr().err


BAD = {
    "empty.wav": (lambda p: p.write_bytes(b""), "the file is empty"),
    "text.wav": (lambda p: p.write_text("not audio"), "not audio that libsndfile reads"),
    "no_samples.wav": (lambda p: soundfile.write(p, np.zeros(0), 16000), "holds no samples"),
    "nan.wav": (lambda p: soundfile.write(p, np.full(9, np.nan), 16000, subtype="FLOAT"), "9 of 9 samples are not"),
    "cut.wav": (
        lambda p: (soundfile.write(p, np.zeros(999), 16000), os.truncate(p, 1000)),
        "truncated: its header promises 2042 bytes, 1000 are there",
    ),
    "cut.flac": (
        lambda p: (soundfile.write(p, chirp(), 16000), os.truncate(p, p.stat().st_size // 2)),
        "",
    ),
    "one_sample.wav": (lambda p: soundfile.write(p, np.ones(1) / 2, 192000), "too short: 1 samples at 192000 Hz"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_failed_rows(workplace: Path, scripts: dict[str, Script], name: str) -> None:
    """A file that cannot be used is a row with its reason and exit status 1; the other clips are made."""
    make, reason = BAD[name]
    make(workplace / "original_audio" / name)
    assert scripts["convert"]() == 1
    record = converted(workplace, Path(name).stem)
    assert record.status == "failed" and reason in record.reason and record.reason
    assert converted(workplace, "low").status == converted(workplace, "high").status == "ok"
    assert not list((workplace / "test_audio").glob(f"{Path(name).stem}_clean.wav"))


def test_an_unreadable_file_is_a_failed_row(workplace: Path, scripts: dict[str, Script]) -> None:
    """A file without read permission is a row that says so."""
    path = put(workplace, "locked.wav", chirp(), 16000)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    assert scripts["convert"]() == 1
    assert "Permission denied" in converted(workplace, "locked").reason


def test_the_lowest_sixteen_bit_value_is_no_clipping(workplace: Path, scripts: dict[str, Script]) -> None:
    """A file that reaches -1, as 16-bit audio may, keeps every sample and is not called lowered."""
    samples = (chirp() * 32768).astype(np.int16)
    samples[100] = -32768
    soundfile.write(workplace / "original_audio" / "low.wav", samples, 16000)
    assert scripts["convert"]() == 0
    after, _ = soundfile.read(workplace / "test_audio" / "low_clean.wav", dtype="int16")
    assert np.array_equal(samples, after) and converted(workplace, "low").facts["gain_db"] == 0


def test_a_name_that_is_no_utf8(workplace: Path, scripts: dict[str, Script]) -> None:
    """A file name in another encoding is converted under a name that tables can hold, and cached."""
    odd = os.fsdecode(b"caf\xe9")
    (workplace / "original_audio" / "low.wav").rename(workplace / "original_audio" / f"{odd}.wav")
    assert [scripts["convert"](), scripts["extract"](), scripts["analyze"]()] == [0, 0, 0]
    assert converted(workplace, "caf\ufffd").status == "ok"


def test_silence_is_converted_and_told(
    workplace: Path, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str]
) -> None:
    """A silent clip is no failure of the conversion, but it is mentioned; its level has no number."""
    put(workplace, "silent.wav", np.zeros(16000), 16000)
    assert scripts["convert"]() == 0
    assert "silent is silent" in capsys.readouterr().err
    facts = converted(workplace, "silent").facts
    assert facts["peak_db"] is None and facts["loudness_lufs"] is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input", "nowhere"], "the input nowhere does not exist"),
        (["--output", "original_audio"], "lies in the input folder, which is never written to"),
        (["--output", "original_audio/sub"], "lies in the input folder, which is never written to"),
        (["--jobs", "-2"], "--jobs -2 is out of range"),
        (["--rate", "16"], "--rate 16 is not a sample rate"),
        (["--ouput", "x"], "unknown flag '--ouput'; did you mean '--output'"),
    ],
)
def test_nothing_to_do_is_one_line_and_status_2(
    workplace: Path, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    """Where nothing can be done, one line on standard error says why."""
    assert scripts["convert"](*flags) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_the_input_folder_is_never_written_to(workplace: Path, scripts: dict[str, Script]) -> None:
    """After all is done, the input folder holds what it held."""
    before = {p: p.read_bytes() for p in (workplace / "original_audio").iterdir()}
    scripts["convert"]()
    scripts["extract"]()
    assert {p: p.read_bytes() for p in (workplace / "original_audio").iterdir()} == before


def test_manifest_lines_are_plain_json(workplace: Path, scripts: dict[str, Script]) -> None:
    """Each line of the manifest is one JSON object without NaN."""
    put(workplace, "silent.wav", np.zeros(16000), 16000)
    scripts["convert"]()

    def refuse(word: str) -> None:
        raise AssertionError(word)

    for line in (workplace / "test_audio" / "manifest.jsonl").read_text().splitlines():
        assert isinstance(json.loads(line, parse_constant=refuse), dict)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (b"clip,what\nlow,speech\n", "has no columns 'file' (or 'clip') and 'kind'"),
        (b"\xff\xfe\x00", "cannot be read, so the kinds of its clips are not known"),
    ],
)
def test_a_clips_table_that_cannot_be_used(
    table: bytes, told: str, workplace: Path, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told and passed over; the clips are converted, of unknown kind."""
    (workplace / "original_audio" / "transcripts.csv").write_bytes(table)
    assert scripts["convert"]() == 0
    assert told in capsys.readouterr().err
    assert converted(workplace, "low").facts["kind"] == ""


def test_kinds_come_from_the_nearest_table(
    workplace: Path, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str]
) -> None:
    """A table speaks of files below its folder too; the one beside a file comes first; of two words the first."""
    put(workplace, "deep/one.wav", chirp(), 16000)
    put(workplace, "deep/two.wav", chirp(seed=3), 16000)
    (workplace / "original_audio" / "transcripts.csv").write_text(
        "file,kind\nlow.wav,Speech\nlow.wav,music\ndeep/one.wav,music\ndeep/two.wav,music\n"
    )
    (workplace / "original_audio" / "deep" / "transcripts.csv").write_text("clip,kind\none,speech\n")
    assert scripts["convert"]() == 0
    found = {clip: converted(workplace, clip).facts["kind"] for clip in ("low", "high", "one", "two")}
    assert found == {"low": "speech", "high": "", "one": "speech", "two": "music"}
    assert "calls low.wav both speech and music; the first is taken" in capsys.readouterr().err
    assert scripts["convert"]("--input", "original_audio/low.wav", "--output", "other") == 0
    record = Manifest(workplace / "other").find("convert", "low")
    assert record is not None and record.facts["kind"] == "speech"
