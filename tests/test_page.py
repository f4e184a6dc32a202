"""report.html without a browser: what it holds, what its budget leaves out, what it escapes, and its server."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import RATE_HZ, ROOT, Script, chirp
from test_plots import EMBEDDINGS, TWO_FAMILIES, make_study, small_study, where
from test_report import complete

from percept import report
from percept.cli._analysis import _digests
from percept.cli._serve import server
from percept.loudness import loudness
from percept.report import _page, _page_audio, _top
from percept.report._findings import followers
from percept.report._page_pictures import HEIGHT, WIDTH, outline, spectrogram
from percept.schema import Clip, Pair
from percept.settings import Score

HOSTILE = "</script><script>alert(1)</script>"
LEVELS = (0.001, 0.01)
RUN = {"versions": {"percept": "0"}, "text": HOSTILE}


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    """Two clips, one with a hostile name, in two noisy versions each."""
    found = []
    for seed, clip in enumerate((HOSTILE, "plain")):
        wave = chirp(0.6, seed=seed)
        soundfile.write(tmp_path / f"{seed}.wav", wave, RATE_HZ)
        for level in LEVELS:
            name = tmp_path / f"{seed}_{level}.wav"
            soundfile.write(name, wave + level * np.random.default_rng(seed).standard_normal(wave.size), RATE_HZ)
            found.append(Pair(clip, f"noise_{level}", "noise", level, tmp_path / f"{seed}.wav", name))
    return found


def made(pairs: list[Pair], place: Path, **options: Any) -> str:
    """The page of a synthetic study of these pairs."""
    study = make_study(list(dict.fromkeys(pair.clip for pair in pairs)), {"noise": LEVELS})
    return report.page(study, pairs, place / "report.html", RUN, **options)


def held(text: str) -> dict[str, Any]:
    """What the page's scripts know of the study."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_sounds_are_embedded_as_they_are(pairs: list[Pair], tmp_path: Path) -> None:
    """An embedded sound is FLAC whose samples are the file's, at the file's rate."""
    text = made(pairs, tmp_path)
    sounds = held(text)["sounds"]
    contents = re.findall(r'<script type="text/plain" id="sound-(\d+)">(.*?)</script>', text)
    assert [int(number) for number, _ in contents] == list(range(len(sounds))) == list(range(6))
    for (_, content), sound in zip(contents, sounds, strict=True):
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="int16")
        pair = next(p for p in pairs if p.clip == sound["clip"] and sound["condition"] in ("reference", p.condition))
        path = pair.reference if sound["condition"] == "reference" else pair.degraded
        assert path and rate == sound["rate"] == RATE_HZ
        expected = soundfile.read(path, dtype="float32")[0]
        assert np.abs(samples / 32768 - expected).max() <= 1 / 32768


def test_texts_from_outside_stay_text(pairs: list[Pair], tmp_path: Path) -> None:
    """A name that would end a script or start one stands nowhere as markup."""
    text = made(pairs, tmp_path)
    assert "<script>alert" not in text and "</script><script>a" not in text
    assert HOSTILE in {row["clip"] for row in held(text)["rows"]}  # as a JSON value, whole
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text  # as text, in run.json


def test_the_page_refers_to_nothing_outside(pairs: list[Pair], tmp_path: Path) -> None:
    """No address of another file or machine stands in a place where a browser would fetch it."""
    text = made(pairs, tmp_path)
    markup = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', markup)
    assert "default-src 'none'" in markup


def test_the_budget_is_kept_and_told(pairs: list[Pair], tmp_path: Path) -> None:
    """A page is no larger than its budget, says what that cost, and has a reference and a version of each clip."""
    whole = made(pairs, tmp_path)
    assert "left out: the page" not in whole
    size = len(whole.encode()) / _page_audio.MEGABYTE
    text = made(pairs, tmp_path, budget_mb=size - 0.03)
    sounds = held(text)["sounds"]
    assert len(text.encode()) <= (size - 0.03) * _page_audio.MEGABYTE and 4 <= len(sounds) < 6
    assert [sound["condition"] for sound in sounds[:4]] == ["reference", "noise_0.001"] * 2
    told = f"2 of 2 clips can be heard, and {6 - len(sounds)} of 4 versions are left out: the page&#39;s budget of"
    assert f"{told} {size - 0.03:g} MB is spent" in text


def test_every_embedded_reference_has_a_version(pairs: list[Pair], tmp_path: Path) -> None:
    """However small the budget: a reference alone can be compared with nothing, so it would be space lost."""
    seen = set()
    for budget in np.arange(0.005, 0.4, 0.02):
        sounds, _ = _page_audio.collect(pairs, tmp_path / "report.html", "embed", budget)
        clips = [sound.clip for sound in sounds if sound.condition == "reference"]
        assert set(clips) == {sound.clip for sound in sounds if sound.condition != "reference"}
        seen.add(len(clips))
    assert seen == {0, 1, 2}


def test_a_sound_that_does_not_pack_shuts_out_no_other(tmp_path: Path) -> None:
    """Where noise does not fit any more, a tone of the same length, which packs better, still may."""
    size = round(2 * RATE_HZ)
    noise = np.random.default_rng(0).uniform(-1, 1, size)
    tone = 0.1 * np.sin(np.arange(size) / 20)
    found = []
    for name, wave in {"clean": tone, "loud": noise, "quiet": 0.9 * tone}.items():
        soundfile.write(tmp_path / f"{name}.wav", wave, RATE_HZ)
        if name != "clean":
            found.append(Pair("plain", name, "noise", 0.001, tmp_path / "clean.wav", tmp_path / f"{name}.wav"))
    sounds, remarks = _page_audio.collect(found, tmp_path / "report.html", "embed", 0.15)
    assert [sound.condition for sound in sounds] == ["reference", "quiet"]
    assert remarks[0].startswith("1 of 1 clips can be heard, and 1 of 2 versions are left out")


def test_a_budget_that_holds_no_sound(pairs: list[Pair], tmp_path: Path) -> None:
    """With less than the page itself takes, no sound is there, the remark names the budget, and the rest is whole."""
    text = made(pairs, tmp_path, budget_mb=1)
    told = "0 of 2 clips can be heard, and 4 of 4 versions are left out: the page&#39;s budget of 1 MB"
    assert held(text)["sounds"] == [] and told in text
    assert len(held(text)["rows"]) == 4


def test_a_version_without_its_reference_is_left_out(pairs: list[Pair], tmp_path: Path) -> None:
    """Where a reference cannot be read, that is told, and its versions are not embedded: nothing to switch to."""
    (tmp_path / "1.wav").write_bytes(b"no sound")
    text = made(pairs, tmp_path)
    assert {sound["clip"] for sound in held(text)["sounds"]} == {HOSTILE}
    assert "1 sounds could not be read, the first: plain, reference" in text
    assert "2 of 4 versions are left out: they have no reference" in text


def test_linked_sounds_are_relative_to_the_page(pairs: list[Pair], tmp_path: Path) -> None:
    """--report-audio link embeds nothing, and its links lead from the page's folder to the files."""
    (tmp_path / "results").mkdir()
    text = made(pairs, tmp_path / "results", audio="link")
    sounds = held(text)["sounds"]
    assert len(sounds) == 6 and not any(sound["embedded"] for sound in sounds)
    assert all((tmp_path / "results" / sound["link"]).is_file() for sound in sounds)
    assert 'id="sound-0">' in text and "fLaC" not in text


def test_linked_pages_have_a_budget_too(pairs: list[Pair], tmp_path: Path) -> None:
    """What linked sounds' pictures would take beyond the budget is left out; the sounds themselves stay."""
    text = made(pairs, tmp_path, audio="link", budget_mb=1)
    sounds = held(text)["sounds"]
    assert len(sounds) == 6 and not any(sound["picture"] for sound in sounds)
    assert "6 of 6 linked sounds have no spectrogram" in text


def test_long_recordings_are_not_read_whole(pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound beyond the longest is left out without being decoded."""
    monkeypatch.setattr(_page_audio, "LONGEST_S", 0.5)
    monkeypatch.setattr("percept.media.read_mono", lambda path: pytest.fail(f"{path} was read"))
    assert "0 of 2 clips can be heard, and 4 of 4 versions are left out" in made(pairs, tmp_path)
    assert "6 of 6 linked sounds have no spectrogram" in made(pairs, tmp_path, audio="link")


def test_a_page_without_sounds_says_so(pairs: list[Pair], tmp_path: Path) -> None:
    """--report-audio none."""
    text = made(pairs, tmp_path, audio="none")
    assert held(text)["sounds"] == [] and "made without sounds" in text


def test_missing_values_keep_their_reason(pairs: list[Pair], tmp_path: Path) -> None:
    """A failed measure is a gap with its reason, on the row and in the count."""
    study = make_study(["plain"], {"noise": LEVELS})
    gone = (study.scores["measure"] == "stoi") & (study.scores["condition"] == "noise_0.01")
    study.scores.loc[gone, ["value", "status", "reason"]] = [np.nan, "failed", "too short for STOI"]
    data = held(report.page(study, pairs, tmp_path / "report.html", RUN))
    place = [measure["name"] for measure in data["measures"]].index("stoi")
    row = next(row for row in data["rows"] if row["condition"] == "noise_0.01")
    assert row["values"][place] is None and row["reasons"][str(place)] == "too short for STOI"


def test_infinite_values_are_told(pairs: list[Pair], tmp_path: Path) -> None:
    """A ratio to nothing is no number that a page's data can hold; it is a gap that says so."""
    study = make_study(["plain"], {"noise": LEVELS})
    study.scores.loc[(study.scores["measure"] == "snr") & (study.scores["condition"] == "noise_0.01"), "value"] = np.inf
    data = held(report.page(study, pairs, tmp_path / "report.html", RUN))
    place = [measure["name"] for measure in data["measures"]].index("snr")
    row = next(row for row in data["rows"] if row["condition"] == "noise_0.01")
    assert row["values"][place] is None and row["reasons"][str(place)] == "infinite"


def test_pictures_show_where_the_sound_is() -> None:
    """A tone is a bright line at its frequency, silence is dark; the outline reaches the samples' peaks."""
    from PIL import Image

    seconds = np.arange(RATE_HZ) / RATE_HZ
    tone = (0.5 * np.sin(2 * np.pi * 2000 * seconds) * (seconds > 0.5)).astype(np.float32)
    picture, _ = spectrogram(tone, RATE_HZ)
    shades = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L"), dtype=float)
    assert shades.shape == (HEIGHT, WIDTH)
    later = shades[:, 3 * WIDTH // 4]
    assert abs(1 - later.argmax() / HEIGHT - 2000 / (RATE_HZ / 2)) < 0.03
    assert shades[:, : WIDTH // 4].max() < later.max() / 4
    click = np.zeros(60 * RATE_HZ, dtype=np.float32)
    click[41 * RATE_HZ + 7] = 1  # shorter than a column is wide
    shades = np.asarray(Image.open(io.BytesIO(base64.b64decode(spectrogram(click, RATE_HZ)[0]))).convert("L"), float)
    assert shades.max(axis=0).argmax() == pytest.approx(41 / 60 * WIDTH, abs=1) and (shades.max(axis=0) > 200).any()
    ends = np.frombuffer(base64.b64decode(outline(tone)), dtype=np.int8)
    assert ends.max() == 64 and ends.min() == -64 and not ends[: ends.size // 3].any()


def test_two_pages_of_one_study_agree(pairs: list[Pair], tmp_path: Path) -> None:
    """The page holds no date and nothing that differs from run to run."""
    assert made(pairs, tmp_path) == made(pairs, tmp_path)


@pytest.mark.parametrize("audio", ["embed", "link"])
def test_ratings_can_know_a_sound_again(pairs: list[Pair], tmp_path: Path, audio: Any) -> None:
    """Every sound, reference or version, embedded or linked, has a digest of its file; the study has none."""

    def digests(text: str) -> dict[tuple[str, str], str]:
        return {(sound["clip"], sound["condition"]): sound["digest"] for sound in held(text)["sounds"]}

    found = digests(made(pairs, tmp_path, audio=audio))
    assert len(set(found.values())) == len(found) == 6
    for pair in pairs:
        for name, path in (("reference", pair.reference), (pair.condition, pair.degraded)):
            assert path and found[pair.clip, name] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    changed = pairs[-1].degraded
    assert changed
    soundfile.write(changed, chirp(0.6, seed=9), RATE_HZ)
    again = digests(made(pairs, tmp_path, audio=audio))
    assert [name for name in found if found[name] != again[name]] == [("plain", "noise_0.01")]
    assert "digest" not in held(made(pairs, tmp_path))


def test_levels_are_those_of_what_is_played(tmp_path: Path) -> None:
    """A version beyond full scale is clipped before it is embedded, and its loudness is that of the clipped one."""
    wave = chirp(1.0)
    for name, gain in (("clean", 1.0), ("loud", 8.0)):
        soundfile.write(tmp_path / f"{name}.wav", gain * wave / np.abs(wave).max(), RATE_HZ, subtype="FLOAT")
    pair = Pair("plain", "loud", "gain", 1, tmp_path / "clean.wav", tmp_path / "loud.wav")
    (_, loud), _ = _page_audio.collect([pair], tmp_path / "report.html", "embed", 25)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(loud.content)), dtype="float32")
    assert np.abs(samples).max() <= 1
    assert loud.facts["lufs"] == pytest.approx(loudness(Clip(samples[None], rate)), abs=0.02)


def test_scripts_read_all_that_the_page_tells_them(pairs: list[Pair], tmp_path: Path) -> None:
    """No name in the page's data is there for nothing."""
    data = held(made(pairs, tmp_path))
    rows = [data["rows"][0], data["measures"][0], data["sounds"][0], data["families"]["noise"], data["correlations"][0]]
    scripts = "\n".join(path.read_text("utf-8") for path in _page.ASSETS.glob("*.js"))
    names = {name for row in (data, *rows) for name in row}
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", scripts)] == []


def test_pairs_are_known_by_all_their_files(pairs: list[Pair], tmp_path: Path) -> None:
    """With --pairs, run.json has the digests of the table, of references and versions, and of embeddings."""
    paths = {}
    for name in ("pairs.csv", "a.npy", "b.npy"):
        paths[name] = tmp_path / name
        paths[name].write_text(name)
    whole = [replace(pair, embeddings={"logmel": (paths["a.npy"], paths["b.npy"])}) for pair in pairs]
    found = _digests(Score(pairs=paths["pairs.csv"]), whole)
    audio = [path for pair in pairs for path in (pair.reference, pair.degraded) if path]
    expected = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in [*paths.values(), *audio]}
    assert found == {str(path): digest for path, digest in expected.items()} and len(found) == 3 + 6


def test_the_top_has_a_sentence_a_target() -> None:
    """Best and worst follower with intervals, the embeddings and n; then what is reliable; six sentences at most."""
    study = complete(small_study(("a", "b", "c"), levels=TWO_FAMILIES, embeddings=EMBEDDINGS))
    shown, every = _top.leading(study)
    assert 3 <= len(shown) <= 6 < len(every)
    best = [line for line in shown if "followed best by" in line]
    assert len(best) == len(study.targets)
    for line, target in zip(best, map(study.measure, study.targets), strict=True):
        assert line.startswith(f"{target.title} (24 versions of 3 clips) is followed best by ")
        assert line.count("followed best by") == line.count("and least by") == 1
        assert len(re.findall(r"\[[^]]+\]", line)) == 4
        assert all(f"{title} similarity " in line for _, title in EMBEDDINGS)
        first, r = followers(study, target)[0]
        found = re.search(r"is followed best by (.+?), (\S+) \[(\S+), (\S+)\], and", line)
        assert found and found[1] == first.title and float(found[2]) == pytest.approx(r, abs=1e-3)
        assert float(found[3]) <= float(found[2]) <= float(found[4])
    assert sum("within every single degradation" in line.lower() for line in shown) == 1
    assert _top.how_to_read(study).startswith("Numbers are Spearman's r, positive where both agree on quality, in bra")


def test_the_top_says_why_nothing_can_be_told() -> None:
    """Of two clips p cannot be small, so there is no interval beside that verdict: it would contradict it."""
    study = complete(small_study(("a", "b"), levels=TWO_FAMILIES, embeddings=EMBEDDINGS))
    told = next(line for line in _top.leading(study)[0] if line.startswith("Which follows better"))
    assert "with 2 clips no difference can be told (p cannot fall below 0.5) for " in told
    assert "[" not in told and "this study cannot tell" not in told


def test_the_weights_stand_at_the_top(pairs: list[Pair], tmp_path: Path) -> None:
    """Pretrained ones too, with their identity."""
    study = replace(make_study(["plain"], {"noise": LEVELS}), facts={"Weights": "OpenL3, pretrained (0123abcd)"})
    text = report.page(study, pairs, tmp_path / "report.html", RUN)
    top = text[text.index("<main") : text.index('id="listen"')]
    assert "Weights: OpenL3, pretrained (0123abcd)." in top


def test_what_is_missing_is_told_by_kind() -> None:
    """Failed, not computed, and computed with a remark are three things; each has its number and its reason."""
    study = make_study(["plain"], {"noise": LEVELS})
    assert _top.left_out(study) == "Nothing failed."
    marks = where(study.scores, "stoi")
    study.scores.loc[marks, "reason"] = "made for speech; the clip is music"
    assert _top.left_out(study) == (
        f"Nothing failed; {len(marks)} values were computed but marked (made for speech; the clip is music)."
    )
    for number, (status, reason) in enumerate(
        (("failed", "too short"), ("skipped", "no audio"), ("skipped", "no audio"))
    ):
        study.failures.loc[number] = ["score", "plain", "noise_0.01", "lsd", status, reason]
    assert _top.left_out(study).startswith("1 item failed (too short); 2 values were not computed (no audio); ")
    assert _top.counts(study)[1:] == [("marked", "made for speech; the clip is music", 2), ("skipped", "no audio", 2)]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server of a page and one sound, and the folder."""
    (tmp_path / "results").mkdir()
    for name in ("results/report.html", "sound.wav", "secret.txt", "results/other.html"):
        (tmp_path / name).write_text(name)
    made, address = server(tmp_path / "results" / "report.html", [tmp_path / "sound.wav"])
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield address, tmp_path
    made.shutdown()
    thread.join()
    made.server_close()


def read(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=60) as answer:
        found: bytes = answer.read()
    return found


def test_the_server_gives_the_page_and_its_sounds(served: tuple[str, Path]) -> None:
    """On 127.0.0.1 alone, page and sound are there."""
    address, _ = served
    assert address.startswith("http://127.0.0.1:") and read(address) == b"results/report.html"
    assert read(address.replace("results/report.html", "sound.wav")) == b"sound.wav"


@pytest.mark.parametrize(
    "path", ["secret.txt", "results/other.html", "results/", "", "../secret.txt", "%2e%2e/secret.txt"]
)
def test_the_server_gives_nothing_else(served: tuple[str, Path], path: str) -> None:
    """Neither neighbours nor folders nor what lies above."""
    address, _ = served
    with pytest.raises(urllib.error.HTTPError) as caught:
        read(address.replace("results/report.html", path))
    caught.value.close()
    assert caught.value.code == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example:{}", 403), ("127.0.0.1.evil:{}", 403), ("evil.example", 403), ("", 403), ("localhost:evil", 403),
        ("localhost:{}", 200), ("localhost", 200), ("127.0.0.1", 200), ("LocalHost:{}", 200),
    ],
)  # fmt: skip
def test_the_server_answers_to_its_own_name(served: tuple[str, Path], host: str, status: int) -> None:
    """A name elsewhere that was turned to this machine is refused, so that no other page can read this one."""
    address, _ = served
    port = urllib.parse.urlsplit(address).port
    assert asked(address, host=host.format(port)).status == status


@dataclass
class Answer:
    """What a server said."""

    status: int
    heads: dict[str, str]
    content: bytes


def asked(address: str, path: str = "", *, method: str = "GET", **heads: str) -> Answer:
    """The server's answer to a request for this path, as it is written, with these heads."""
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        named = {name.replace("_", "-"): value for name, value in heads.items()}
        connection.request(method, path or parts.path, headers=named)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("wanted", "status", "told", "content"),
    [
        ("bytes=0-", 206, "bytes 0-8/9", b"sound.wav"),
        ("bytes=2-4", 206, "bytes 2-4/9", b"und"),
        ("bytes=6-99", 206, "bytes 6-8/9", b"wav"),
        ("bytes=-3", 206, "bytes 6-8/9", b"wav"),
        ("bytes=-99", 206, "bytes 0-8/9", b"sound.wav"),
        ("bytes=9-", 416, "bytes */9", b""),
        ("bytes=-0", 416, "bytes */9", b""),
        ("bytes=4-2", 200, None, b"sound.wav"),
        ("bytes=0-1,3-4", 200, None, b"sound.wav"),
        ("seconds=0-1", 200, None, b"sound.wav"),
        ("bytes=-", 200, None, b"sound.wav"),
    ],
)
def test_the_server_gives_parts(
    served: tuple[str, Path], wanted: str, status: int, told: str | None, content: bytes
) -> None:
    """Bytes from, to and from the end; 416 beyond the end; the whole where the range is none (RFC 9110, 14.1.2)."""
    address = served[0].replace("results/report.html", "sound.wav")
    found = asked(address, range=wanted)
    assert (found.status, found.heads.get("Content-Range"), found.content) == (status, told, content)
    assert found.heads["Content-Length"] == str(len(content))
    assert status == 416 or found.heads["Accept-Ranges"] == "bytes"
    head = asked(address, method="HEAD", range=wanted)
    assert head.status == status and head.content == b"" and head.heads["Content-Length"] == str(len(content))


def test_a_part_of_a_changed_sound_is_the_whole(served: tuple[str, Path]) -> None:
    """Who asks for a part of what was, by If-Range, is given all of what is."""
    address = served[0].replace("results/report.html", "sound.wav")
    modified = asked(address).heads["Last-Modified"]
    assert asked(address, range="bytes=0-1", if_range=modified).status == 206
    assert asked(address, range="bytes=0-1", if_range="Mon, 01 Jan 2001 00:00:00 GMT").content == b"sound.wav"


def test_the_server_says_nothing_of_odd_requests(served: tuple[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    """A path that no file can have is not found, and a browser that hangs up leaves no traceback."""
    address, folder = served
    assert asked(address, "/%00").status == 404
    (folder / "sound.wav").write_bytes(bytes(30_000_000))
    parts = urllib.parse.urlsplit(address)
    for _ in range(3):
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closes with a reset
            line.sendall(b"GET /sound.wav HTTP/1.1\r\nHost: localhost\r\n\r\n")
            line.recv(100)
    for thread in threading.enumerate():
        if "process_request" in thread.name:
            thread.join(60)
    assert capfd.readouterr().err == ""


def test_a_linked_results_folder_is_served(tmp_path: Path, pairs: list[Pair]) -> None:
    """Where results/ is a link to another place, the page's own links lead where they are written."""
    elsewhere = tmp_path / "far" / "away"
    elsewhere.mkdir(parents=True)
    (tmp_path / "results").symlink_to(elsewhere)
    page = tmp_path / "results" / "report.html"
    page.write_text(made(pairs, tmp_path / "results", audio="link"), encoding="utf-8")
    sounds = [path for pair in pairs for path in (pair.reference, pair.degraded) if path]
    running, address = server(page, sounds)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        assert b"<title>percept" in read(address)
        for sound in held(page.read_text("utf-8"))["sounds"]:
            assert read(urllib.parse.urljoin(address, urllib.parse.quote(sound["link"])))[:4] == b"RIFF"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def test_serve_until_interrupted(workplace: Path, scripts: dict[str, Script], monkeypatch: pytest.MonkeyPatch) -> None:
    """``analyze_results.py --serve`` prints an address that answers, and ends well at Ctrl-C."""
    monkeypatch.setattr("percept.plots.draw", lambda study, folder, spread: ({}, {}))
    scripts["convert"]()
    scripts["extract"]()
    flags = [
        "--jobs",
        "1",
        "--measures",
        "si_sdr",
        "--targets",
        "si_sdr",
        "--permutations",
        "100",
        "--resamples",
        "100",
    ]
    process = subprocess.Popen(
        [sys.executable, ROOT / "analyze_results.py", *flags, "--serve"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # where tests run with Ctrl-C switched off
    )  # fmt: skip
    assert process.stdout
    with process, process.stdout:
        address = next((found[0] for line in process.stdout if (found := re.findall(r"http://\S+", line))), "")
        assert address and b"<title>percept" in read(address)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_an_unchanged_page_is_not_made_again(
    all_three: Callable[[], list[int]],
    scripts: dict[str, Script],
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second run leaves the page, with its inputs' digests, alone; another way to hold the sounds makes it anew."""
    monkeypatch.setattr("percept.plots.draw", lambda study, folder, spread: ({}, {}))
    all_three()
    page = workplace / "results" / "report.html"
    before = page.stat().st_mtime_ns
    scripts["analyze"]()
    assert page.stat().st_mtime_ns == before
    digests = json.loads((workplace / "results" / "run.json").read_text("utf-8"))["digests"]
    assert digests == {
        f"original_audio/{name}.wav": hashlib.sha256(
            (workplace / f"original_audio/{name}.wav").read_bytes()
        ).hexdigest()
        for name in ("high", "low")
    }
    assert all(text in page.read_text("utf-8") for text in digests.values())
    scripts["analyze"]("--report-audio", "link")
    run = json.loads((workplace / "results" / "run.json").read_text("utf-8"))
    assert run["settings"]["report"] == {"report_audio": "link", "report_budget": 25.0}
    assert run["facts"]["Command 3"].endswith("--report-audio link")
    assert run["facts"]["Weights"].startswith("Log-mel")
    assert page.stat().st_mtime_ns != before and not any(s["embedded"] for s in held(page.read_text("utf-8"))["sounds"])
