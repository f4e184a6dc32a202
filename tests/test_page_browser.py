"""report.html in a browser: it plays, switches, loops, filters, sorts, exports, is accessible, and asks no network.

Positions are compared on the audio clock: how fast this machine is plays no part.
"""

from __future__ import annotations

import base64
import csv
import importlib.util
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import ROOT
from test_plots import NOISE, make_study

from benchmarks import report_page
from percept import cli, report
from percept.cli._serve import server
from percept.schema import Array, Pair

pytestmark = pytest.mark.slow
"""All of them: a browser takes its time."""
HOSTILE = "<script>alert(1)<script> 100%41 #1?"
"""A clip's file name, of which an address would be another; file systems forbid the slash of a closing tag."""
EVIL = "</script><img src=x onerror=alert(1)>"
"""A clip's name in a table, where nothing is forbidden."""
CLIPS = ("music_piano", "speech_rms", "speech_slt")
CONDITIONS = ("noise:0.002,0.01,0.05", "bandwidth:2,6", "bit_depth:8,4")
QUICK = ("--jobs", "1", "--measures", "stoi", "si_sdr", "lsd", "--permutations", "100", "--resamples", "100")
GRAVE = {"serious", "critical"}
SWITCH_S = 0.05
"""Most that a switch may take, and that position may jump by."""
RECORD = """async () => {
  const code = `registerProcessor("tap", class extends AudioWorkletProcessor {
    process([[samples]]) { this.port.postMessage([currentFrame, samples ? samples.slice() : null]); return true; } })`;
  const context = percept.audio.ready();
  await context.audioWorklet.addModule("data:text/javascript," + encodeURIComponent(code));
  const tap = new AudioWorkletNode(context, "tap");
  window.taped = [];
  tap.port.onmessage = (event) => taped.push(event.data);
  percept.audio.output.connect(tap).connect(context.destination);
}"""
"""Keeps what the page sends to the loudspeakers, with the audio clock's frame numbers."""
PACK = """(samples) => {
  const bytes = new Uint8Array(samples.slice().buffer), parts = [];
  for (let i = 0; i < bytes.length; i += 1 << 15) parts.push(String.fromCharCode(...bytes.subarray(i, i + (1 << 15))));
  return btoa(parts.join(""));
}"""
"""Samples as base64: as a list of numbers they would take seconds to come over."""
TAPED = f"""() => {{
  const pack = {PACK};
  const first = taped[0][0], all = new Float32Array(taped.at(-1)[0] + 128 - first);
  for (const [frame, samples] of taped) if (samples) all.set(samples, frame - first);
  return {{ first, rate: percept.audio.context.sampleRate, bytes: pack(all) }};
}}"""
SWITCH = """async () => {
  const { player, audio } = percept;
  await player.play(true);
  while (player.position() < 0.6) await new Promise((go) => setTimeout(go, 5));
  const time = audio.context.currentTime, position = player.position();
  player.toggle();
  return { time, position, jump: player.position() - position - (audio.context.currentTime - time) };
}"""
"""Plays, and switches after half a second of the audio clock."""
BUFFER = f"""async ([clip, condition]) =>
  ({PACK})((await percept.audio.buffer(percept.sound(clip, condition))).getChannelData(0))"""


FILED = """() => {
  window.filed = [];
  const Player = window.Audio;
  window.Audio = function (...how) { const made = new Player(...how); filed.push(made); return made; };
}"""
"""Keeps the browser's own players that the page makes."""
SLOW = """(milliseconds) => {
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (...when) {
    start.apply(this, when);
    for (const until = performance.now() + milliseconds; performance.now() < until;);
  };
}"""
"""A machine that is busy between the start of one voice and the next."""
RATE_HZ = 16000


def tone(seconds: float, hertz: float = 300, rate: int = RATE_HZ) -> Array:
    """A tone that rises, so that every stretch of it is another."""
    t = np.arange(round(seconds * rate)) / rate
    return np.asarray(0.3 * np.sin(2 * np.pi * hertz * t * (1 + t / seconds)), dtype=np.float32)


def small_page(folder: Path, waves: dict[str, Array], rate: int = RATE_HZ, **options: Any) -> tuple[Path, list[Path]]:
    """A page of one clip of these versions, "reference" among them, with a synthetic study's values; its sounds."""
    paths = {name: folder / f"{name}.wav" for name in waves}
    for name, wave in waves.items():
        soundfile.write(paths[name], wave, rate, subtype="PCM_16")
    levels = tuple(0.001 * (number + 1) for number in range(len(waves) - 1))
    study = make_study(["plain"], {"noise": levels})
    names = [name for name in waves if name != "reference"]
    renamed = dict(zip(dict.fromkeys(study.scores["condition"]), names, strict=True))
    study.scores["condition"] = study.scores["condition"].map(renamed)
    pairs = [Pair("plain", name, "noise", level, paths["reference"], paths[name])
             for name, level in zip(names, levels, strict=True)]  # fmt: skip
    page = folder / "report.html"
    page.write_text(report.page(study, pairs, page, {}, **options), encoding="utf-8")
    return page, list(paths.values())


@contextmanager
def served(page: Path, sounds: Sequence[Path]) -> Iterator[str]:
    """The address of a page while it is served."""
    made, address = server(page, sounds)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield address
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def absent(reason: str) -> None:
    """Skip, but not in continuous integration: there a missing browser is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium: that of PERCEPT_CHROMIUM, the system's, or Playwright's own."""
    missing = [name for name in ("playwright", "axe_playwright_python") if importlib.util.find_spec(name) is None]
    if missing:
        absent(f"{' and '.join(missing)} not installed: pip install -r requirements-dev.txt")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = report_page.chromium(play)
        if not found:
            absent(
                f"no browser: PERCEPT_CHROMIUM names none, and none of {', '.join(report_page.BROWSERS)} is installed"
            )
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        made = play.chromium.launch(executable_path=found, args=arguments)
        yield made
        made.close()


@dataclass
class Sight:
    """A page that is open, and all that it complained of or asked for."""

    page: Any
    address: str
    linked: bool = False
    """Whether the page may ask for the sounds that lie beside it."""
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def run(self, script: str, value: Any = None) -> Any:
        """The value of a function in the page."""
        return self.page.evaluate(script, value)

    def until(self, condition: str, value: Any = None) -> None:
        """Wait until the page says so, however slow the machine."""
        self.page.wait_for_function(condition, arg=value, timeout=120_000)

    def abroad(self) -> list[str]:
        """What it asked for besides itself, and its sounds where they are linked."""
        near = ("data:", "blob:", *(("file:", "http://127.0.0.1:") if self.linked else ()))
        return [url for url in self.requests if url != self.address and not url.startswith(near)]

    def explore(self) -> None:
        """Go to the charts, and wait until they are drawn."""
        self.page.locator("#explore").scroll_into_view_if_needed()
        self.until("() => percept.drawn > 0")

    def download(self, button: str, place: Path) -> pd.DataFrame:
        """The table that a button saves, also kept at `place`."""
        with self.page.expect_download() as waited:
            self.page.click(button)
        waited.value.save_as(place)
        return pd.read_csv(place, keep_default_na=False, na_values=[""])


Look = Callable[..., Sight]


@pytest.fixture
def look(browser: Any) -> Iterator[Look]:
    """Opens pages in contexts of their own; at the end none has complained, and none has asked for another file."""
    opened: list[Sight] = []

    def look(address: str, *, scheme: str = "light", width: int = 1200, linked: bool = False, **options: Any) -> Sight:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        sight = Sight(context.new_page(), address, linked)
        opened.append(sight)
        sight.page.on("console", lambda m: sight.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        sight.page.on("pageerror", lambda error: sight.complaints.append(str(error)))
        sight.page.on("dialog", lambda dialog: sight.complaints.append(f"dialog: {dialog.message}"))
        sight.page.on("request", lambda request: sight.requests.append(request.url))
        sight.page.goto(address, wait_until="load")
        sight.until("() => percept.ready > 0")
        return sight

    yield look
    for sight in opened:
        sight.page.context.close()
    assert [sight.complaints for sight in opened if sight.complaints] == []
    assert [url for sight in opened for url in sight.abroad()] == []


@pytest.fixture(scope="module")
def study(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of the three scripts on bundled clips, one of them under a hostile name, to be in; plots have own tests."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "original_audio").mkdir()
    for clip in CLIPS:
        source = next((ROOT / "original_audio").glob(f"{clip}.*"))
        shutil.copy(source, folder / "original_audio")
    shutil.copy(source, folder / "original_audio" / f"{HOSTILE}{source.suffix}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("PERCEPT_WEIGHTS", raising=False)
        patch.setattr("percept.plots.draw", lambda study, folder, spread: ({}, {}))
        assert cli.audio_conversion(["--jobs", "1"]) == 0
        assert cli.extract_embeddings(["--jobs", "1", "--conditions", *CONDITIONS, "--embeddings", "logmel"]) == 0
        assert cli.analyze_results([*QUICK, "--targets", "stoi"]) == 0
        yield folder


@pytest.fixture(scope="module")
def address(study: Path) -> str:
    """Of the page of the study."""
    return (study / "results" / "report.html").as_uri()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to be in, and no plots: they have tests of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("percept.plots.draw", lambda study, folder, spread: ({}, {}))


def numbers(found: str) -> Array:
    """Samples that were packed in the page."""
    return np.frombuffer(base64.b64decode(found), dtype=np.float32)


def lag(heard: Array, expected: Array) -> tuple[int, float]:
    """By how many samples `heard` is late, and their correlation there."""
    size = 2 * heard.size
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(expected, size)), size)
    late = int(product.argmax())
    late -= size * (late > size // 2)
    ours, theirs = (heard[late:], expected[: heard.size - late]) if late >= 0 else (heard[:late], expected[-late:])
    return late, float(np.corrcoef(ours, theirs)[0, 1])


def level(samples: Array) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


# Listening


def test_it_switches_at_the_same_position(look: Look, address: str) -> None:
    """What is heard before the switch is the version, 50 ms later the reference, and the position has gone on."""
    sight = look(address, bypass_csp=True)  # the recorder is a script that the page would refuse
    clip, version = "speech_slt", "noise_0.05"
    sight.run(RECORD)
    sight.run("([clip, version]) => percept.player.select(clip, version)", [clip, version])
    switched = sight.run(SWITCH)
    assert abs(switched["jump"]) < 1e-9
    sight.until("(time) => percept.audio.context.currentTime > time + 0.6", switched["time"])
    taped = sight.run(TAPED)
    rate, heard = taped["rate"], numbers(taped["bytes"])
    at = round(switched["time"] * rate) - taped["first"]
    place = round(switched["position"] * rate)
    originals = {name: numbers(sight.run(BUFFER, [clip, name])) for name in (version, "reference")}
    third, gap = round(0.3 * rate), round(SWITCH_S * rate)
    for name, other, offset in ((version, "reference", -third), ("reference", version, gap)):
        part = heard[at + offset : at + offset + third]
        late, likeness = lag(part, originals[name][place + offset : place + offset + third])
        assert abs(late) < gap and likeness > 0.999, name
        assert lag(part, originals[other][place + offset : place + offset + third])[1] < likeness
    quiet = level(originals["reference"][place - gap : place + gap])
    assert min(map(level, np.array_split(heard[at - gap : at + gap], 10))) > 0.05 * quiet  # no gap


@pytest.mark.parametrize("busy_ms", [0, 15, 50])
def test_both_begin_at_one_sample(look: Look, address: str, busy_ms: int) -> None:
    """Reference and version lie upon each other to the sample, however long this machine is away between the two."""
    sight = look(address, bypass_csp=True)
    clip, version = "speech_slt", "bit_depth_8"
    sight.run(RECORD)
    sight.run("([clip, version]) => percept.player.select(clip, version)", [clip, version])
    for name in ("reference", version):
        sight.run(BUFFER, [clip, name])
    sight.run(SLOW, busy_ms)
    switched = sight.run(SWITCH)
    sight.until("(time) => percept.audio.context.currentTime > time + 0.6", switched["time"])
    taped = sight.run(TAPED)
    rate, heard = taped["rate"], numbers(taped["bytes"])
    at, place = round(switched["time"] * rate) - taped["first"], round(switched["position"] * rate)
    third, gap = round(0.3 * rate), round(SWITCH_S * rate)
    lates = []
    for name, offset in ((version, -third), ("reference", gap)):
        original = numbers(sight.run(BUFFER, [clip, name]))[place + offset : place + offset + third]
        late, likeness = lag(heard[at + offset : at + offset + third], original)
        assert likeness > 0.999
        lates.append(late)
    assert lates[0] == lates[1] and abs(lates[0]) <= 1


def test_the_position_goes_on_through_a_new_start(look: Look, address: str) -> None:
    """Where another version follows, position and sound go on; there is neither a gap nor a repeated stretch."""
    sight = look(address, bypass_csp=True)
    clip = "speech_slt"
    sight.run(RECORD)
    sight.run("(clip) => percept.player.select(clip, 'noise_0.002')", clip)
    sight.run(BUFFER, [clip, "bit_depth_8"])
    told = sight.run(
        """async () => {
          const { player, audio } = percept, soon = () => new Promise((go) => setTimeout(go, 2)), passed = [];
          const note = () => passed.push(audio.context.currentTime - player.position());
          await player.play(true);
          while (player.position() < 0.5) await soon();
          note();
          await player.select(player.state.clip, "bit_depth_8");
          const time = audio.context.currentTime, position = player.position();
          while (audio.context.currentTime < time + 0.1) { note(); await soon(); }
          while (audio.context.currentTime < time + 0.5) await soon();
          return { passed, time, position };
        }"""
    )
    assert np.ptp(told["passed"]) < 1e-6
    taped = sight.run(TAPED)
    rate, heard = taped["rate"], numbers(taped["bytes"])
    at, place = round(told["time"] * rate) - taped["first"], round(told["position"] * rate)
    around = round(0.2 * rate)
    original = numbers(sight.run(BUFFER, [clip, "reference"]))[place - around : place + around]
    late, likeness = lag(heard[at - around : at + around], original)
    assert abs(late) <= 1 and likeness > 0.99


def test_it_plays_and_pauses(look: Look, address: str) -> None:
    """Playing moves the position with the audio clock and names itself; a pause holds it."""
    sight = look(address)
    assert sight.page.inner_text("#play") == "Play" and sight.run("() => percept.player.position()") == 0
    sight.page.focus("#player")
    sight.page.keyboard.press(" ")
    sight.until("() => percept.player.position() > 0.2")
    assert sight.page.inner_text("#play") == "Pause"
    sight.page.click("#play")
    held = sight.run("() => percept.player.position()")
    later = sight.run(
        "async () => { await new Promise((go) => setTimeout(go, 200)); return percept.player.position(); }"
    )
    assert held == later > 0.2


def test_it_plays_to_the_end_and_begins_again(look: Look, address: str) -> None:
    """At the end it stops by itself, at the beginning."""
    sight = look(address)
    sight.run("() => percept.player.seek(percept.sound(percept.player.state.clip, 'reference').seconds - 0.3)")
    sight.page.click("#play")
    sight.until("() => !percept.player.state.playing")
    assert sight.run("() => percept.player.position()") == 0 and sight.page.inner_text("#play") == "Play"


def test_a_version_follows_a_version_at_the_same_position(look: Look, address: str) -> None:
    """Choosing another version while one plays goes on from where it was."""
    sight = look(address)
    sight.page.click("#play")
    sight.until("() => percept.player.position() > 0.3")
    before, after = sight.run(
        """async () => {
          const { player, audio } = percept, passed = () => audio.context.currentTime - player.position();
          const before = passed();
          await player.select(player.state.clip, "bit_depth_4");
          return [before, passed()];
        }"""
    )
    assert abs(after - before) < SWITCH_S
    assert sight.page.inner_text("#heard").endswith("bit_depth_4")


def choose(sight: Sight, start: int, end: int) -> None:
    """Take a version of a clip, and select a stretch of it, in thousandths."""
    sight.run("() => percept.player.select('speech_slt', 'bit_depth_8')")
    for name, value in (("from", start), ("to", end)):
        sight.page.locator(f"#{name}").fill(str(value))


def test_it_loops_the_selection(look: Look, address: str) -> None:
    """A loop stays within its stretch, and what is heard repeats with its length."""
    sight = look(address, bypass_csp=True)
    sight.run(RECORD)
    choose(sight, 200, 350)
    length = 0.15 * sight.run("() => percept.sound('speech_slt', 'reference').seconds")
    sight.page.keyboard.press("Tab")  # keys belong to the sliders while one has the focus
    sight.page.click("#loop")
    sight.page.click("#play")
    start = sight.run("() => percept.audio.context.currentTime")
    places = sight.run(
        "(until) => new Promise((done) => { const seen = []; const look = () => { seen.push(percept.player.position());"
        " if (percept.audio.context.currentTime < until) setTimeout(look, 20); else done(seen); }; look(); })",
        start + 0.4 + 3 * length,
    )
    assert length / 0.15 * 0.2 - 1e-6 <= min(places) and max(places) <= length / 0.15 * 0.35 + 1e-6
    assert np.sum(np.diff(places) < 0) >= 2
    taped = sight.run(TAPED)
    heard, period = numbers(taped["bytes"])[-round(2 * length * taped["rate"]) :], round(length * taped["rate"])
    late, likeness = lag(heard[period:], heard[:-period])
    assert abs(late) < 0.01 * taped["rate"] and likeness > 0.95


def test_a_seek_stays_within_the_loop(look: Look, address: str) -> None:
    """Beyond its end, or before its beginning, the loop begins anew, for the ear as for the eye."""
    sight = look(address, bypass_csp=True)
    sight.run(RECORD)
    choose(sight, 200, 500)
    sight.page.click("#loop")
    length = sight.run("() => percept.sound('speech_slt', 'reference').seconds")
    for share, expected in ((0.9, 0.2), (0.1, 0.2), (0.3, 0.3)):
        sight.run("(at) => percept.player.seek(at)", share * length)
        assert sight.run("() => percept.player.position()") == pytest.approx(expected * length)
    sight.page.click("#play")
    sight.until("() => percept.player.state.voices.length === 2")
    told = sight.run(
        """async (at) => {
          const { player, audio } = percept;
          await player.seek(at);
          while (audio.context.currentTime < player.state.started + 0.3) await new Promise((go) => setTimeout(go, 5));
          return { time: audio.context.currentTime, position: player.position() };
        }""",
        0.9 * length,
    )
    assert 0.2 * length < told["position"] < 0.5 * length
    taped = sight.run(TAPED)
    rate, heard = taped["rate"], numbers(taped["bytes"])
    at, place, part = round(told["time"] * rate) - taped["first"], round(told["position"] * rate), round(0.15 * rate)
    at, place = at - part, place - part  # the newest may not be taped yet
    original = numbers(sight.run(BUFFER, ["speech_slt", "bit_depth_8"]))[place - part : place]
    late, likeness = lag(heard[at - part : at], original)
    assert abs(late) <= 1 and likeness > 0.999


def test_the_position_slider_follows_and_speaks_seldom(look: Look, address: str) -> None:
    """With the focus it goes on, an arrow key starts from where it is, and its text changes once a second at most."""
    sight = look(address)
    sight.run("() => percept.player.loop(true)")
    sight.page.focus("#seek")
    sight.run(
        """() => {
          window.texts = [];
          const note = () => texts.push([performance.now(), document.getElementById("seek").ariaValueText]);
          new MutationObserver(note).observe(document.getElementById("seek"), { attributeFilter: ["aria-valuetext"] });
        }"""
    )
    sight.run("() => percept.player.play(true)")
    sight.until("() => texts.length >= 2 && percept.player.position() > 0.5")
    shown, at = sight.run(
        "() => { const { player, find } = percept; return [find('seek').value / 1000, player.position() /"
        " percept.sound(player.state.clip, 'reference').seconds]; }"
    )
    assert shown == pytest.approx(at, abs=0.1) and shown > 0.05
    times = [time for time, _ in sight.run("() => texts")]
    assert min(np.diff(times)) > 900
    sight.run("() => percept.player.play(false)")
    told = sight.run("() => percept.player.position()")
    assert sight.page.get_attribute("#seek", "aria-valuetext") == f"{told:.2f} s"
    sight.page.keyboard.press("ArrowRight")
    assert sight.run("() => percept.player.position()") == pytest.approx(told, abs=0.02)


def test_a_sound_that_is_not_there_does_not_play(look: Look, study: Path) -> None:
    """A version that the budget left out is not played as its reference; what was asked for, and why not, is told."""
    size = (study / "results" / "report.html").stat().st_size / 1e6
    flags = ["--report-budget", f"{size - 0.3:.2f}", "--results", "tight"]
    assert cli.analyze_results([*QUICK, "--targets", "stoi", *flags]) == 0
    sight = look((study / "tight" / "report.html").as_uri())
    missing = "() => percept.study.rows.filter((row) => !percept.sound(row.clip, row.condition))"
    row = sight.run(missing)[0]
    before = sight.page.inner_text("#heard")
    sight.explore()
    sight.run(
        "(version) => document.getElementById('scatter').emit('plotly_click', { points: [{ customdata: version }] })",
        [row["clip"], row["condition"]],
    )
    told = f"{row['condition']} of {row['clip']} is not on this page: what was left out, and why, stands under"
    assert sight.page.inner_text("#trouble").startswith(told)
    assert sight.page.inner_text("#scatter-told").startswith(told)
    assert sight.page.inner_text("#heard") == before and not sight.run("() => percept.player.state.playing")
    assert sight.page.locator("#versions [tabindex='0'][aria-checked='true']").count() == 1
    sight.page.fill("#filter", f"{row['clip']} {row['condition']}")
    assert sight.page.locator("#values-table tbody .sound").inner_text() == "–"
    sight.run("() => percept.player.select('nobody', 'nothing', true)")
    assert "neither is the reference of its clip" in sight.page.inner_text("#trouble")
    there = sight.run("() => percept.study.sounds.find((sound) => sound.condition !== 'reference')")
    sight.run("({ clip, condition }) => percept.player.select(clip, condition)", there)
    assert not sight.page.is_visible("#trouble")


def test_levels_that_cannot_be_matched(look: Look, tmp_path: Path) -> None:
    """Of a version without a loudness that is said beside the box, and of no other."""
    waves = {"reference": tone(1), "hiss": tone(1, 400), "silence": 0 * tone(1)}
    sight = look(small_page(tmp_path, waves)[0].as_uri())
    for name, unmatched in (("hiss", False), ("silence", True), ("hiss", False)):
        sight.page.click(f"#versions >> text={name}")
        assert sight.page.is_visible("#unmatched") == unmatched
    assert sight.page.locator("#unmatched").text_content() == "levels cannot be matched here"


@pytest.mark.parametrize("audio", ["link", "embed"])
def test_long_sounds_can_be_sought(look: Look, tmp_path: Path, audio: str) -> None:
    """Sounds over five minutes play, seek, switch and loop anywhere, undecoded, served or embedded."""
    rate, seconds = 8000, 305
    waves = {"reference": tone(seconds, 200, rate), "louder": 1.5 * tone(seconds, 200, rate)}
    page, sounds = small_page(tmp_path, waves, rate, audio=audio)
    with served(page, sounds) as address:
        sight = look(address, linked=True)
        sight.run(FILED)
        sight.page.click("#play")
        sight.until("() => percept.player.position() > 0.1")
        sight.run("() => percept.player.seek(250)")
        sight.until("() => percept.player.position() > 250.2")
        sight.until("() => filed.slice(-2).every((one) => one.currentTime > 250.2)")
        assert sight.run("() => percept.audio.kept.size") == 0
        sight.page.keyboard.press("x")
        assert sight.run("() => percept.player.gains()") == [1, 0]
        sight.run("() => { Object.assign(percept.player.state, { from: 100 / 305, to: 100.4 / 305 }); }")
        sight.run("() => percept.player.loop(true)")
        sight.until("() => percept.player.position() > 100.2 && percept.player.position() < 101")
        sight.until("() => percept.player.position() < 100.15")
        assert not sight.page.is_visible("#trouble")


def test_levels_are_matched_by_lowering(look: Look, address: str) -> None:
    """With matching, the louder of reference and version is turned down to the other, and nothing is turned up."""
    sight = look(address)
    sight.run("() => percept.player.select('speech_slt', 'noise_0.05')")
    sight.page.check("#match")
    sight.page.click("#play")
    lufs = sight.run("() => ['reference', 'noise_0.05'].map((name) => percept.sound('speech_slt', name).lufs)")
    assert lufs[1] > lufs[0]
    expected = 10 ** ((lufs[0] - lufs[1]) / 20)
    sight.until("(wanted) => Math.abs(percept.player.gains()[1] - wanted) < 1e-3", expected)
    sight.page.click("#ab")
    sight.until("() => Math.abs(percept.player.gains()[0] - 1) < 1e-3")


def test_keys_can_be_switched_off(look: Look, address: str) -> None:
    """Single letters act on the player only while the page is told to listen to them."""
    sight = look(address)
    sight.page.keyboard.press("x")
    assert sight.run("() => percept.player.state.reference")
    sight.page.uncheck("#keys")
    sight.page.keyboard.press("x")
    assert sight.run("() => percept.player.state.reference")


def test_the_measures_are_those_of_the_version(look: Look, address: str) -> None:
    """Also where the version was changed while the reference was heard."""
    sight = look(address)
    sight.page.keyboard.press("x")
    sight.page.click("#versions >> text=bit_depth_4")
    assert sight.page.inner_text("#values caption") == f"{HOSTILE}, bit_depth_4"
    assert sight.run("() => percept.player.state.reference")
    row = "percept.row(percept.player.state.clip, 'bit_depth_4').values[0]"
    assert sight.page.inner_text("#values td >> nth=0") == sight.run(f"() => percept.show({row})")


def test_play_of_a_version_plays_the_version(look: Look, address: str) -> None:
    """In the table and in the scatter, also while the reference plays."""
    sight = look(address)
    sight.page.fill("#filter", "bit_depth_4")
    sight.page.click("#play")
    sight.page.keyboard.press("x")
    sight.until("() => percept.player.state.voices.length === 2 && percept.player.state.reference")
    sight.page.locator("#values-table tbody button").last.click()
    sight.until("() => percept.player.gains()[1] > 0.99 && percept.player.gains()[0] < 0.01")
    assert sight.page.inner_text("#heard") == "speech_slt: bit_depth_4"


def test_versions_are_radio_buttons(look: Look, address: str) -> None:
    """Arrows go through the versions whether or not the keys of the page are on, and the focus goes along."""
    sight = look(address)
    sight.page.uncheck("#keys")
    names = sight.page.locator("#versions button").all_inner_texts()
    sight.page.locator("#versions button").first.focus()
    for key, place in (("ArrowDown", 1), ("ArrowRight", 2), ("ArrowUp", 1), ("ArrowLeft", 0), ("ArrowUp", -1)):
        sight.page.keyboard.press(key)
        assert sight.run("() => percept.player.state.condition") == names[place]
        assert sight.run("() => document.activeElement.dataset.condition") == names[place]
    assert sight.page.locator("#versions [aria-checked='true']").all_inner_texts() == [names[-1]]


def test_arrows_and_space_scroll_where_they_should(look: Look, address: str) -> None:
    """On a fresh page and in a scroll region they are the browser's; within the player they are the player's."""
    sight = look(address)
    first = sight.run("() => percept.player.state.condition")
    sight.page.keyboard.press("ArrowDown")
    sight.page.keyboard.press(" ")
    sight.until("() => scrollY > 0")
    sight.page.focus("#values")
    sight.page.keyboard.press("ArrowDown")
    assert sight.run("() => [percept.player.state.condition, percept.player.state.playing]") == [first, False]
    sight.page.focus("#player")
    sight.page.keyboard.press("ArrowDown")
    assert sight.run("() => percept.player.state.condition") != first
    before = sight.run("() => percept.player.position()")
    sight.page.keyboard.press("ArrowRight")
    assert sight.run("() => percept.player.position()") == pytest.approx(before + 0.5)


def test_sliders_speak_in_seconds(look: Look, address: str) -> None:
    """Position and selection are told as times, to all; without a selection nothing is said of one."""
    sight = look(address)
    length = sight.run("() => percept.sound(percept.player.state.clip, 'reference').seconds")
    assert sight.page.inner_text("#selected") == ""
    for name, share in (("from", 0.2), ("to", 0.35), ("seek", 0.3)):
        sight.page.locator(f"#{name}").fill(str(round(1000 * share)))
        assert sight.page.get_attribute(f"#{name}", "aria-valuetext") == f"{share * length:.2f} s"
    assert sight.page.inner_text("#selected") == f"selected {0.2 * length:.2f}–{0.35 * length:.2f} s"


def test_the_picture_shows_both_and_frames_what_is_heard(look: Look, address: str) -> None:
    """The frame's colour is around the version below, and after x around the reference above."""
    sight = look(address)
    framed = """(share) => {
      const canvas = document.getElementById("screen"), pen = new OffscreenCanvas(1, 1).getContext("2d");
      pen.drawImage(canvas, canvas.width - 2, Math.round(share * canvas.height), 1, 1, 0, 0, 1, 1);
      const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
      return r > 200 && g > 140 && b < 120; }"""
    assert [sight.run(framed, share) for share in (0.2, 0.7)] == [False, True]
    sight.page.keyboard.press("x")
    assert [sight.run(framed, share) for share in (0.2, 0.7)] == [True, False]


def test_nothing_is_drawn_in_vain(look: Look, address: str) -> None:
    """Charts are made when one comes near them, and frames are asked for only while something plays."""
    sight = look(address)
    assert not sight.run("() => percept.drawn") and not sight.run("() => percept.player.ticking")
    sight.page.click("#play")
    sight.until("() => percept.player.ticking && percept.player.position() > 0.1")
    sight.page.click("#play")
    sight.until("() => !percept.player.ticking")
    sight.explore()
    assert sight.page.locator("#scatter svg").count()


@pytest.fixture(scope="module")
def linked(study: Path) -> Path:
    """The same study with linked sounds, in a folder of its own."""
    assert cli.analyze_results([*QUICK, "--targets", "stoi", "--report-audio", "link", "--results", "linked"]) == 0
    return study / "linked" / "report.html"


def test_linked_sounds_play_from_a_server(look: Look, linked: Path, study: Path) -> None:
    """With --serve, linked files are decoded and switched as embedded ones are."""
    with served(linked, sorted((study / "test_audio").glob("*.wav"))) as address:
        sight = look(address, linked=True)
        assert sight.run("() => percept.player.state.clip") == HOSTILE
        sight.page.click("#play")
        sight.until("() => percept.player.position() > 0.2 && percept.player.gains()[1] > 0.99")
        sight.page.keyboard.press("x")
        sight.until("() => percept.player.gains()[0] > 0.99 && percept.player.gains()[1] < 0.01")
        assert not sight.page.is_visible("#trouble")


def test_linked_sounds_play_from_a_folder(look: Look, linked: Path) -> None:
    """Opened as a file, the page may not read its neighbours; the browser's own player does."""
    sight = look(linked.as_uri(), linked=True)
    sight.run(FILED)
    assert sight.run("() => percept.player.state.clip") == HOSTILE
    sight.page.click("#play")
    sight.until("() => percept.player.position() > 0.2")
    sight.page.click("#ab")
    assert sight.run("() => percept.player.gains()") == [1, 0]
    assert sight.run("() => filed.map((element) => element.muted)") == [False, True]
    sight.page.fill("#rater", "someone")
    sight.page.click("#begin")
    assert "--serve" in sight.page.inner_text("#blind-state")


# Looking


def test_a_hostile_name_is_text(look: Look, address: str, study: Path) -> None:
    """A clip called as a script shows as text everywhere; nothing of it runs."""
    sight = look(address)
    assert HOSTILE in sight.page.locator("#clip option").all_inner_texts()
    sight.page.fill("#filter", "alert(1)")
    assert set(sight.page.locator("#values-table tbody th").all_inner_texts()) == {HOSTILE}
    sight.explore()
    sight.page.select_option("#colour", "clip")
    assert HOSTILE in sight.page.locator("#scatter").text_content()
    rows = [["reference", "degraded", "clip", "condition", "family", "level"]]
    for number, noise in enumerate((0.002, 0.01, 0.05)):
        files = [study / "test_audio" / f"speech_slt_{name}.wav" for name in ("clean", f"noise_{noise}")]
        rows.append([*map(str, files), EVIL, f"{EVIL} {number}", f"noise {EVIL}", str(noise)])
    with (study / "evil.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    flags = [*QUICK, "--targets", "si_sdr", "--pairs", "evil.csv", "--results", "evil"]
    assert cli.analyze_results(flags) == 0
    sight = look((study / "evil" / "report.html").as_uri())
    assert set(sight.page.locator("#values-table tbody th").all_inner_texts()) == {EVIL}
    assert f"{EVIL} 2" in sight.page.locator("#versions").inner_text()
    sight.explore()
    for choice in ("clip", "family"):
        sight.page.select_option("#colour", choice)
    assert EVIL in sight.page.locator("#scatter").text_content()
    assert sight.page.locator("img[src='x']").count() == 0


def test_the_table_filters_sorts_and_exports(look: Look, address: str, tmp_path: Path) -> None:
    """Words narrow the table, a heading sorts it, both ways, and the CSV holds what is shown in that order."""
    sight = look(address)
    assert sight.page.inner_text("#shown") == "28 of 28 versions"
    sight.page.fill("#filter", "speech_slt noise")
    assert sight.page.inner_text("#shown") == "3 of 28 versions"
    sight.page.click("#values-table thead button:text-is('STOI')")
    assert sight.page.locator("th[aria-sort='ascending']").inner_text() == "STOI"
    rising = sight.download("#download", tmp_path / "rising.csv")
    assert list(rising["clip"]) == ["speech_slt"] * 3 and list(rising["stoi"]) == sorted(rising["stoi"])
    sight.page.click("#values-table thead button:text-is('STOI')")
    assert sight.page.locator("#values-table tbody td:nth-child(2)").all_inner_texts() == [
        "noise_0.002", "noise_0.01", "noise_0.05",
    ]  # fmt: skip
    sight.page.select_option("#columns", "all")
    falling = sight.download("#download", tmp_path / "falling.csv")
    measured = pd.read_csv("results/evaluation_results.csv").set_index(["clip", "condition"])
    for row in falling.to_dict("records"):
        for name in ("stoi", "si_sdr", "lsd", "logmel_similarity"):
            assert row[name] == pytest.approx(measured.loc[(row["clip"], row["condition"]), name], rel=1e-5)


POINT = """([clip, condition]) => {
  const chart = document.getElementById("scatter"), { xaxis, yaxis } = chart._fullLayout;
  const trace = chart.data.find((one) => one.customdata.some((own) => own[0] === clip && own[1] === condition));
  const place = trace.customdata.findIndex((own) => own[0] === clip && own[1] === condition);
  const box = chart.getBoundingClientRect();
  return [box.left + xaxis._offset + xaxis.d2p(trace.x[place]), box.top + yaxis._offset + yaxis.d2p(trace.y[place])];
}"""
"""Where on the screen a version's point is."""


def test_charts_show_the_study(look: Look, address: str) -> None:
    """The scatter holds each version once, a click plays it; correlations and curves have what the tables have."""
    sight = look(address)
    sight.explore()
    values = pd.read_csv("results/evaluation_results.csv").set_index(["clip", "condition"])
    points = sight.run(
        "() => document.getElementById('scatter').data.flatMap((trace) =>"
        " trace.customdata.map((version, i) => [...version, trace.x[i], trace.y[i]]))"
    )
    assert len(points) == 28 and len({tuple(point[:2]) for point in points}) == 28
    for clip, condition, x, y in points:
        measured = values.loc[(clip, condition)]
        assert [x, y] == pytest.approx([measured["logmel_similarity"], measured["stoi"]], rel=1e-5)
    sight.page.locator("#scatter").scroll_into_view_if_needed()
    # The worst of all lies alone, so that no other is clicked.
    worst = min((point for point in points if point[1] == "noise_0.05"), key=lambda point: point[3])[:2]
    x, y = sight.run(POINT, worst)
    sight.page.mouse.move(x - 30, y - 30)
    sight.page.mouse.move(x, y, steps=5)
    sight.page.locator("#scatter .hoverlayer .hovertext").wait_for()
    sight.page.mouse.click(x, y)
    sight.until("() => percept.player.state.playing && percept.player.position() > 0")
    assert sight.page.inner_text("#heard") == f"{worst[0]}: {worst[1]}"
    assert sight.page.inner_text("#scatter-told") == f"{worst[1]} of {worst[0]} plays."
    sight.page.select_option("#curve-family", "bit_depth")
    assert sight.run("() => document.getElementById('curves').data.length") == 5
    assert sight.run("() => document.getElementById('curves').data[0].x") == ["8", "4"]


def test_the_heat_map_has_the_correlations(look: Look, address: str) -> None:
    """Each cell, by the names of its row and column, is a row of correlations.csv, with interval and n."""
    sight = look(address)
    sight.explore()
    told = pd.read_csv("results/correlations.csv")
    for method in ("spearman", "pearson"):
        sight.page.select_option("#method", method)
        chart = sight.run("() => document.getElementById('heat').data[0]")
        measures = sight.run("() => Object.fromEntries(percept.study.measures.map((m) => [m.title, m.name]))")
        assert chart["x"] == ["STOI"]
        rows = told[(told["target"] == "stoi") & (told["scope"] == "pooled") & (told["method"] == method)]
        rows = rows.set_index("predictor")
        assert {measures[title.replace("<br>", " ")] for title in chart["y"]} == set(rows.index)
        for title, (r,), (text,), (more,) in zip(
            chart["y"], chart["z"], chart["text"], chart["customdata"], strict=True
        ):
            row = rows.loc[measures[title.replace("<br>", " ")]]
            expected = f"{row['r']:.2f} [{row['low']:.2f}, {row['high']:.2f}]".replace("-", "−")
            assert r == pytest.approx(row["r"], rel=1e-5) and text == expected
            assert more == f"{expected}<br>{row['n']} versions of {row['n_clips']} clips, pooled"


def test_a_mean_is_that_of_the_clips_that_count(look: Look, tmp_path: Path) -> None:
    """Of a measure made for speech that of the speech clips, else that of all, and only where all of them have one."""
    clips = {"first": "speech", "second": "speech", "tune": "music"}
    study = make_study(tuple(clips), {"noise": NOISE}, targets=("stoi",))
    measures = tuple(replace(m, meant_for="speech" if m.name == "stoi" else "") for m in study.measures)
    correlations = study.correlations.assign(scope="kind:speech")
    study = replace(study, kinds=clips, measures=measures, correlations=correlations)
    gone = (study.scores["item"] == "second") & (study.scores["level"] == NOISE[1])
    page = tmp_path / "report.html"
    expected = {}
    for name, own in (("stoi", ["first", "second"]), ("lsd", list(clips))):
        rows = study.scores[(study.scores["measure"] == name) & study.scores["item"].isin(own)]
        expected[name] = list(rows.groupby("level")["value"].mean())
    page.write_text(report.page(study, [], page, {}, audio="none"), encoding="utf-8")
    sight = look(page.as_uri())
    sight.explore()
    assert sight.run("() => document.getElementById('heat').data[0].x") == ["STOI (speech)"]
    mean = "() => document.getElementById('curves').data.at(-1).y"
    for measure, told in (
        ("stoi", "mean of 2 speech clips, as the measure was made for speech."),
        ("lsd", "mean of 3 clips."),
    ):
        sight.page.select_option("#curve-measure", measure)
        assert sight.run(mean) == pytest.approx(expected[measure], rel=1e-5)
        assert sight.page.inner_text("#curve-note").endswith(told)
    study.scores.loc[gone, ["value", "status", "reason"]] = [np.nan, "failed", "too short"]
    page.write_text(report.page(study, [], page, {}, audio="none"), encoding="utf-8")
    sight = look(page.as_uri())
    sight.explore()
    sight.page.select_option("#curve-measure", "stoi")
    assert [value is None for value in sight.run(mean)] == [False, True, False, False, False]
    assert sight.page.inner_text("#curve-note").endswith("at the 4 of 5 levels that all of them have.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1920])
def test_it_is_accessible_and_fits(look: Look, address: str, scheme: str, width: int) -> None:
    """Nothing serious or critical is found by axe, with the blind test open too; nothing sticks out sideways."""
    from axe_playwright_python.sync_playwright import Axe

    sight = look(address, scheme=scheme, width=width)
    sight.explore()
    sight.page.fill("#rater", "someone")
    sight.page.click("#begin")
    sight.page.wait_for_selector("#trial .trial-row input")
    sight.run("() => { for (const part of document.querySelectorAll('details')) part.open = true; }")
    found = Axe().run(sight.page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in GRAVE] == []
    assert sight.run("() => document.documentElement.scrollWidth") <= width


def test_correlations_can_be_read_as_a_table(look: Look, address: str, tmp_path: Path) -> None:
    """Each measure with each target: r, interval, n and adjusted p, as correlations.csv has them, and as a CSV."""
    sight = look(address)
    sight.page.click("#relations summary")
    told = pd.read_csv("results/correlations.csv").set_index(["predictor", "target", "scope", "method"])
    for method in ("spearman", "pearson"):
        sight.page.select_option("#method", method)
        shown = sight.page.locator("#relations-table tbody tr").all_inner_texts()
        table = sight.download("#download-relations", tmp_path / "relations.csv")
        assert len(table) == len(shown) > 2 and set(table["method"]) == {method}
        for row, text in zip(table.to_dict("records"), shown, strict=True):
            expected = told.loc[(row["measure"], row["target"], row["scope"], method)]
            for name in ("n", "r", "low", "high", "p_adjusted"):
                assert row[name] == pytest.approx(expected[name], rel=1e-5)
            assert f"{expected['r']:.3f}" in text and f"[{expected['low']:.3f}, {expected['high']:.3f}]" in text


def test_it_prints(look: Look, address: str) -> None:
    """On paper there are findings, charts and table in dark on white, and no controls."""
    sight = look(address, scheme="dark")
    sight.page.emulate_media(media="print")
    assert not sight.page.is_visible("#listen") and not sight.page.is_visible("#filter")
    assert sight.page.is_visible("#findings") and sight.page.is_visible("#scatter")
    assert sight.run("() => getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    sight.until("() => document.getElementById('scatter').layout.font.color === '#1c1c1c'")


def test_all_rows_are_printed(look: Look, tmp_path: Path, bare: None) -> None:
    """On paper there are all versions up to some hundreds, what is left out is told, and no column is cut off."""
    page, _ = report_page.make(tmp_path, 31, "none", seconds=0.3)
    sight = look(page.as_uri(), width=718)  # A4 with the browser's margins
    lines = sight.page.locator("#values-table tbody tr")
    assert lines.count() == 50 and not sight.page.is_visible("#printed")
    sight.page.emulate_media(media="print")
    sight.run("() => { dispatchEvent(new Event('beforeprint')); }")
    assert lines.count() == 500
    told = sight.page.inner_text("#printed")
    assert told == "500 of 527 versions, the first of 527; a CSV of the page has them all. Measures: targets."
    sight.run("() => { dispatchEvent(new Event('afterprint')); }")
    assert lines.count() == 50
    sight.page.emulate_media(media="screen")
    sight.page.fill("#filter", "clip 003")
    sight.page.emulate_media(media="print")
    sight.run("() => { dispatchEvent(new Event('beforeprint')); }")
    found = lines.count()
    assert 17 <= found < 50 and sight.page.locator("#shown").text_content() == f"{found} of 527 versions"
    told = f'{found} of 527 versions, those with "clip 003". Measures: targets.'
    assert sight.page.inner_text("#printed") == told


def test_a_printed_table_fits_its_paper(look: Look, address: str) -> None:
    """With its default columns, whatever clips are called; the column of sounds is none on paper."""
    sight = look(address, width=718)
    sight.page.emulate_media(media="print")
    assert sight.run("() => document.getElementById('values-table').getBoundingClientRect().right") <= 718
    assert sight.page.locator("#values-table .sound:visible").count() == 0
    assert sight.page.locator("#values-table .level:visible").count() > 0
    sight.page.select_option("#columns", "all", force=True)
    assert sight.run("() => document.getElementById('values-table').getBoundingClientRect().right") <= 718
    assert sight.page.pdf(format="A4").startswith(b"%PDF")


# The blind test


def take(sight: Sight, rater: str, rate: Callable[[str], int]) -> list[str]:
    """Take the blind test, by keyboard where a listener would; returns the conditions in the order they were shown."""
    sight.page.fill("#rater", rater)
    sight.page.fill("#at-once", "4")
    sight.page.click("#begin")
    seen, part = [], 0
    while True:
        part += 1
        sight.page.wait_for_selector(f"#trial h3:has-text('Part {part} of 8')")
        conditions = sight.run("() => percept.blind.trial.conditions")
        shown = sight.page.inner_html("#trial")
        assert not any(name in shown for name in conditions), "the versions have names"
        assert {"hidden reference", "anchor 3.5 kHz"} < set(conditions)
        sight.page.keyboard.press("2")
        assert sight.page.get_attribute("#trial button[data-number='2']", "aria-pressed") == "true"
        sliders = sight.page.locator("#trial input[type=range]")
        for place, name in enumerate(conditions):
            sliders.nth(place).focus()
            sight.page.keyboard.press("Home")
            sight.run("([place, value]) => { const slider = percept.blind.trial.sliders[place]; slider.value = value;"
                      " slider.dispatchEvent(new Event('input')); }", [place, rate(name)])  # fmt: skip
        seen += conditions
        sight.page.click("#next-trial")
        if part == 8:
            sight.until("() => document.getElementById('blind-state').textContent.startsWith('Done.')")
            return seen


def opinion(condition: str) -> int:
    """A listener who likes mild degradations better."""
    order = (
        "hidden reference", "noise_0.002", "bit_depth_8", "noise_0.01", "bandwidth_2", "bit_depth_4", "bandwidth_6",
        "noise_0.05", "anchor 3.5 kHz",
    )  # fmt: skip
    return 100 - 10 * order.index(condition)


def test_a_blind_test_is_taken_and_correlated(look: Look, address: str, study: Path) -> None:
    """Two listeners' ratings become the CSV that --pairs reads, and every measure is correlated with ``mos``."""
    sight = look(address)
    seen = take(sight, "first", opinion)
    sight.page.reload()
    sight.until("() => percept.ready > 0")
    assert sight.page.inner_text("#blind-state") == f"{len(seen)} ratings are kept in this browser."
    take(sight, "second", lambda condition: max(0, opinion(condition) - 10))
    table = sight.download("#export", study / "results" / "ratings.csv")
    assert len(table) == 28 and list(table["mos"]) == [opinion(c) - 5 for c in table["condition"]]
    assert table["mos_ci95"].to_numpy() == pytest.approx(12.706 * 5, abs=0.01)  # t of one degree of freedom, s/√2 = 5
    single = sight.download("#export-single", study / "results" / "ratings_single.csv")
    assert set(single["rater"]) == {"first", "second"} and len(single) == 2 * len(seen)
    assert set(single[single["condition"] == "hidden reference"]["rating"]) == {100, 90}
    flags = [*QUICK, "--targets", "stoi", "--pairs", "results/ratings.csv", "--results", "listened"]
    assert cli.analyze_results(flags) == 0
    found = pd.read_csv("listened/correlations.csv").set_index(["predictor", "target", "scope", "method"])
    for measure in ("stoi", "lsd", "logmel_similarity"):
        assert found.loc[(measure, "mos", "pooled", "spearman"), "n"] == 28
    assert found.loc[("lsd", "mos", "pooled", "spearman"), "r"] < -0.3
    assert "listeners" in Path("listened/analysis_report.txt").read_text("utf-8")


def test_every_version_has_to_be_rated(look: Look, address: str) -> None:
    """A part with an untouched slider does not end; Enter keeps a slider at 50."""
    sight = look(address)
    sight.page.fill("#rater", "someone")
    sight.page.click("#begin")
    sight.page.wait_for_selector("#next-trial")
    sight.page.click("#next-trial")
    assert sight.page.inner_text("#blind-state").startswith("Rate every version first")
    for slider in sight.page.locator("#trial input[type=range]").all():
        slider.press("Enter")
    sight.page.click("#next-trial")
    sight.page.wait_for_selector("#trial h3:has-text('Part 2')")
    kept = sight.run(
        "() => Object.values(localStorage).flatMap((text) => JSON.parse(text)).map(({ rating }) => rating)"
    )
    assert kept and set(kept) == {50}


def begin(sight: Sight, rater: str = "someone") -> None:
    """Begin the blind test as this listener."""
    sight.page.fill("#rater", rater)
    sight.page.click("#begin")
    sight.page.wait_for_selector("#next-trial")


def rate_part(sight: Sight, then: str) -> list[str]:
    """Leave every slider of a part at 50; returns the conditions, once the state or the heading says `then`."""
    conditions: list[str] = sight.run("() => percept.blind.trial.conditions")
    for slider in sight.page.locator("#trial input[type=range]").all():
        slider.press("Enter")
    sight.page.click("#next-trial")
    sight.until("(text) => document.getElementById('blind').innerText.includes(text)", then)
    return conditions


def test_a_rater_has_a_name(look: Look, address: str) -> None:
    """Without one the test does not begin, and says why."""
    sight = look(address)
    sight.page.click("#begin")
    assert sight.page.inner_text("#blind-state").startswith("Your name or number first")
    assert not sight.page.is_visible("#trial")


def test_a_reload_goes_on_where_the_rater_stopped(look: Look, address: str) -> None:
    """What a listener has rated is not asked again; another listener begins at the beginning."""
    sight = look(address)
    sight.page.fill("#at-once", "4")
    begin(sight)
    clip = sight.run("() => percept.blind.trial.clip")
    rated = {(clip, name) for name in rate_part(sight, "Part 2 of 8")}
    sight.page.reload()
    sight.until("() => percept.ready > 0")
    sight.page.fill("#at-once", "4")
    assert sight.page.inner_text("#plan").startswith("44 ratings in 8 parts")
    begin(sight)
    parts = "() => percept.blind.plan.flatMap(({ clip, conditions }) => conditions.map((name) => [clip, name]))"
    left = {tuple(one) for one in sight.run(parts)}
    versions = {one for one in rated if one[1] not in {"hidden reference", "anchor 3.5 kHz"}}
    assert len(versions) == 4 and not versions & left and len(sight.run(parts)) == 28 - 4 + 2 * 7
    begin(sight, "another")
    assert versions < {tuple(one) for one in sight.run(parts)}


def test_clips_and_versions_of_the_test_can_be_chosen(look: Look, address: str) -> None:
    """Only those that are ticked are asked, and the time that this takes is told."""
    sight = look(address)
    sight.page.click("summary:text-is('Clips and versions to rate')")
    for box in sight.page.locator("#choose-clip input").all()[1:]:
        box.uncheck()
    for box in sight.page.locator("#choose-version input").all()[2:]:
        box.uncheck()
    assert sight.page.inner_text("#plan").startswith("4 ratings in 1 parts: about ")
    begin(sight)
    wanted = sight.page.locator("#choose-version label").all_inner_texts()[:2]
    assert set(sight.run("() => percept.blind.trial.conditions")) == {*wanted, "hidden reference", "anchor 3.5 kHz"}


def test_ratings_survive_a_browser_that_keeps_nothing(look: Look, address: str, tmp_path: Path) -> None:
    """Where writing to the browser's store fails, ratings stay in memory, and the page says that they will be lost."""
    sight = look(address)
    sight.run("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    begin(sight)
    rated = rate_part(sight, "Part 2")
    assert sight.page.is_visible("#blind-trouble")
    sight.run("() => percept.player.play(true)")
    assert sight.page.is_visible("#blind-trouble")  # whatever the player has to say
    assert f"{len(rated)} ratings are lost when you leave this page" in sight.page.inner_text("#blind-state")
    assert len(sight.download("#export-single", tmp_path / "single.csv")) == len(rated)


def test_ratings_survive_a_new_page(look: Look, tmp_path: Path) -> None:
    """Those of versions that sound as before; of a changed one they rest, and "Forget" forgets those too."""
    waves = {"reference": tone(1), "first": tone(1, 310), "second": tone(1, 320)}
    page, _ = small_page(tmp_path, waves)
    sight = look(page.as_uri())
    begin(sight)
    assert len(rate_part(sight, "Done.")) == 4
    assert sight.page.inner_text("#blind-state").startswith("Done. 4 ratings are kept in this browser.")
    small_page(tmp_path, {**waves, "second": tone(1, 330), "third": tone(1, 340)}, audio="link")
    sight.linked = True
    sight.page.reload()
    sight.until("() => percept.ready > 0")
    told = "1 more are kept of versions that this page does not have, or that sound different now"
    assert sight.page.inner_text("#blind-state").startswith(f"3 ratings are kept in this browser. {told}")
    table = sight.download("#export", tmp_path / "ratings.csv")
    assert list(table["condition"]) == ["first"]
    sight.run("() => { window.confirm = () => true; }")
    sight.page.click("#forget")
    assert sight.page.inner_text("#blind-state") == "0 ratings are kept in this browser."
    assert sight.page.is_disabled("#forget") and sight.run("() => localStorage.length") == 0


def test_one_sound_at_a_time(look: Look, address: str) -> None:
    """The player silences the blind test and the other way round; the player's keys rest while a part is open."""
    sight = look(address)
    begin(sight)
    sight.page.keyboard.press("1")
    pressed = "#trial button[aria-pressed='true']"
    assert sight.page.locator(pressed).count() == 1
    sight.page.keyboard.press("x")
    assert not sight.run("() => percept.player.state.reference")
    sight.run("() => percept.player.loop(true)")  # a busy machine looks again only when a clip is over
    sight.page.locator("#values-table tbody button").first.click()
    sight.until("() => percept.player.state.playing")
    assert sight.page.locator(pressed).count() == 0
    sight.page.keyboard.press("2")
    assert sight.page.locator(pressed).count() == 1 and not sight.run("() => percept.player.state.playing")


def test_the_anchor_has_the_channels_of_the_reference(look: Look, address: str) -> None:
    """Linked files may have several; each is low-passed by itself."""
    sight = look(address)
    script = """async () => { const both = new AudioBuffer({ length: 8000, numberOfChannels: 2, sampleRate: 16000 });
      both.getChannelData(0).forEach((_, i, all) => { all[i] = Math.sin(i / 10); });
      const low = await percept.blind.anchored(both);
      return [0, 1].map((channel) => Math.max(...low.getChannelData(channel))); }"""
    left, right = sight.run(script)
    assert left == pytest.approx(1, abs=0.1) and right == 0


def test_sounds_are_kept_by_their_length(look: Look, address: str) -> None:
    """Decoded sounds are forgotten, the oldest first, once they are longer than the page may keep."""
    sight = look(address)
    script = """async () => { const { audio } = percept, some = [...percept.sounds.values()].slice(0, 4);
      audio.most = 2.5 * some[0].seconds;
      for (const sound of [some[0], some[1], some[0], some[2]]) await audio.buffer(sound);
      return [[...audio.kept.keys()], some.map((sound) => sound.index)]; }"""
    kept, asked = sight.run(script)
    assert kept == [asked[0], asked[2]]


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_the_anchor_is_that_of_the_standard(look: Look, address: str, rate: int) -> None:
    """ITU-R BS.1534-3: flat within 0.1 dB to 3.5 kHz, at least 25 dB less at 4 kHz and 50 dB at 4.5 kHz."""
    sight = look(address)
    taps = np.array(sight.run("(rate) => [...percept.blind.lowpass(rate)]", rate))
    response = np.abs(np.fft.rfft(taps, 1 << 16))
    gain = 20 * np.log10(np.maximum(response, 1e-9))
    hertz = np.fft.rfftfreq(1 << 16, 1 / rate)
    assert np.abs(gain[hertz <= 3500]).max() < 0.1
    assert gain[hertz >= 4000].max() < -25 and gain[hertz >= 4500].max() < -50
    np.testing.assert_array_equal(taps, taps[::-1])


def test_the_anchor_is_in_step_with_the_reference(look: Look, address: str) -> None:
    """The low-passed reference is not late, so that switching to it stays at the same position."""
    sight = look(address)
    script = f"""async () => {{ const sound = await percept.audio.buffer(percept.sound("speech_slt", "reference"));
      const low = await percept.blind.anchored(sound);
      return [sound, low].map((b) => ({PACK})(b.getChannelData(0))); }}"""
    sound, low = map(numbers, sight.run(script))
    late, likeness = lag(low, sound)
    assert late == 0 and likeness > 0.9 and low.size == sound.size


# Size


def test_the_usual_study_is_small_and_soon_usable(look: Look, tmp_path: Path, bare: None) -> None:
    """4 clips × 17 noisy versions, embedded whole, take less than 25 MB; one opening of three is below 2 s."""
    page, _ = report_page.make(tmp_path, 4, "embed")
    assert page.stat().st_size < 25e6
    sights = [look(page.as_uri()) for _ in range(report_page.OPENINGS)]
    assert sights[0].run("() => percept.study.sounds.length") == 4 * 18
    assert sights[0].page.locator("#listen > .note:visible").count() == 0  # nothing was left out
    assert min(sight.run("() => percept.ready") for sight in sights) < 2000


def test_a_large_study_opens(look: Look, tmp_path: Path, bare: None) -> None:
    """200 clips × 17 versions with linked sounds: the table is paged, can be searched, and sounds play."""
    page, _ = report_page.make(tmp_path, 200, "link", seconds=1.0)
    assert page.stat().st_size < 25e6
    sight = look(page.as_uri(), linked=True)
    lines = sight.page.locator("#values-table tbody tr")
    assert lines.count() == 50 and sight.page.inner_text("#page") == "page 1 of 68"
    sight.page.click("#next")
    assert sight.page.inner_text("#page") == "page 2 of 68"
    sight.page.fill("#filter", "clip 199")
    assert lines.count() == 17
    lines.last.get_by_role("button").click()
    sight.until("() => percept.player.state.clip === 'clip 199' && percept.player.position() > 0.1")
    sight.explore()
    assert sight.run("() => document.getElementById('scatter').data[0].x.length") == 3400
