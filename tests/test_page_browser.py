"""report.html in a browser: it plays, switches, loops, filters, sorts, exports, is accessible, and asks no network.

Positions are compared on the audio clock: how fast this machine is plays no part.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from benchmarks import report_page
from percept import cli
from percept.cli._serve import server
from percept.schema import Array

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
TAPED = """() => {
  const first = taped[0][0], all = new Float32Array(taped.at(-1)[0] + 128 - first);
  for (const [frame, samples] of taped) if (samples) all.set(samples, frame - first);
  return { first, rate: percept.audio.context.sampleRate, bytes: [...new Uint8Array(all.buffer)] };
}"""
SWITCH = """async () => {
  const { player, audio } = percept;
  await player.play(true);
  while (player.position() < 0.6) await new Promise((go) => setTimeout(go, 5));
  const time = audio.context.currentTime, position = player.position();
  player.toggle();
  return { time, position, jump: player.position() - position - (audio.context.currentTime - time) };
}"""
"""Plays, and switches after half a second of the audio clock."""
BUFFER = """async ([clip, condition]) =>
  [...new Uint8Array((await percept.audio.buffer(percept.sound(clip, condition))).getChannelData(0).slice().buffer)]"""


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
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def run(self, script: str, value: Any = None) -> Any:
        """The value of a function in the page."""
        return self.page.evaluate(script, value)

    def until(self, condition: str, value: Any = None) -> None:
        """Wait until the page says so, however slow the machine."""
        self.page.wait_for_function(condition, arg=value, timeout=120_000)

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
    """Opens pages in contexts of their own; at the end none has complained, and none has asked the network."""
    opened: list[Sight] = []

    def look(address: str, *, scheme: str = "light", width: int = 1200, **options: Any) -> Sight:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        sight = Sight(context.new_page())
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
    local = ("file:", "data:", "blob:", "http://127.0.0.1:")
    assert [url for sight in opened for url in sight.requests if not url.startswith(local)] == []


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


def numbers(found: Sequence[int]) -> Array:
    """Samples from their bytes."""
    return np.frombuffer(bytes(found), dtype=np.float32)


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


def test_it_loops_the_selection(look: Look, address: str) -> None:
    """A loop stays within its stretch, and what is heard repeats with its length."""
    sight = look(address, bypass_csp=True)
    sight.run(RECORD)
    sight.run("() => percept.player.select('speech_slt', 'bit_depth_8')")
    for name, value in (("from", 200), ("to", 350)):
        sight.page.locator(f"#{name}").fill(str(value))
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
    made, address = server(linked, sorted((study / "test_audio").glob("*.wav")))
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        sight = look(address)
        assert sight.run("() => percept.player.state.clip") == HOSTILE
        sight.page.click("#play")
        sight.until("() => percept.player.position() > 0.2 && percept.player.gains()[1] > 0.99")
        sight.page.keyboard.press("x")
        sight.until("() => percept.player.gains()[0] > 0.99 && percept.player.gains()[1] < 0.01")
        assert not sight.page.is_visible("#trouble")
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def test_linked_sounds_play_from_a_folder(look: Look, linked: Path) -> None:
    """Opened as a file, the page may not read its neighbours; the browser's own player does."""
    sight = look(linked.as_uri())
    assert sight.run("() => percept.player.state.clip") == HOSTILE
    sight.page.click("#play")
    sight.until("() => percept.player.position() > 0.2")
    sight.page.click("#ab")
    assert sight.run("() => percept.player.gains()") == [1, 0]
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


def test_charts_show_the_study(look: Look, address: str) -> None:
    """The scatter holds each version once, a click plays it; correlations and curves have what the tables have."""
    sight = look(address)
    sight.explore()
    points = sight.run("() => document.getElementById('scatter').data.flatMap((trace) => trace.customdata)")
    assert len(points) == 28 and len({tuple(point) for point in points}) == 28
    point = "{ points: [{ customdata: ['speech_rms', 'bandwidth_6'] }] }"
    sight.run(f"() => document.getElementById('scatter').emit('plotly_click', {point})")
    sight.until("() => percept.player.state.playing && percept.player.position() > 0")
    assert sight.page.inner_text("#heard") == "speech_rms: bandwidth_6"
    told = pd.read_csv("results/correlations.csv").set_index(["predictor", "target", "scope", "method"])
    words = sight.run("() => document.getElementById('heat').data[0].text.flat()")
    scope = next(s for s in ("kind:speech", "pooled") if ("si_sdr", "stoi", s, "spearman") in told.index)
    assert f"{told.loc[('si_sdr', 'stoi', scope, 'spearman'), 'r']:.2f} [" in " ".join(words)
    sight.page.select_option("#curve-family", "bit_depth")
    assert sight.run("() => document.getElementById('curves').data.length") == 5
    assert sight.run("() => document.getElementById('curves').data[0].x") == ["8", "4"]


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
    assert sight.page.is_visible("#trouble")
    assert f"{len(rated)} ratings are lost when you leave this page" in sight.page.inner_text("#blind-state")
    assert len(sight.download("#export-single", tmp_path / "single.csv")) == len(rated)


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
    script = """async () => { const sound = await percept.audio.buffer(percept.sound("speech_slt", "reference"));
      const low = await percept.blind.anchored(sound);
      return [sound, low].map((b) => [...new Uint8Array(b.getChannelData(0).slice().buffer)]); }"""
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
    sight = look(page.as_uri())
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
