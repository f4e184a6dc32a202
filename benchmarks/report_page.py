"""Measures report.html: how large it is, and how soon a browser can use it.

    python -m benchmarks.report_page                       4 clips × 17 versions embedded, 200 × 17 linked
    python -m benchmarks.report_page --clips 50 --audio link

One JSON line a page: megabytes, seconds that the script took, milliseconds from opening the page until it can be used
(player, table, blind test), milliseconds that drawing the charts takes when one comes near them (shortest of three),
sounds and remarks. Needs what the page's tests need: CONTRIBUTING.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from percept import cli

RATE_HZ = 16000
SECONDS = 4.0
DEVIATIONS = np.geomspace(0.0005, 0.1, 17)
"""Of the noise: a family of as many versions as the default experiment has. Noise is what FLAC packs least."""
OPENINGS = 3
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--jobs", "1", "--quiet", "--measures", "snr", "si_sdr", "lsd", "--targets", "snr", "lsd", "--permutations", "100",
    "--resamples", "100",
)  # fmt: skip
PAGES = ((4, "embed"), (200, "link"))


def material(folder: Path, clips: int, seconds: float = SECONDS) -> Path:
    """Clips of swelling tones, and noisy versions of each, with the table that ``--pairs`` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    rows = []
    for number in range(clips):
        generator = np.random.default_rng(number)
        tone = 0.2 * np.sin(2 * np.pi * (200 + 3 * number) * t * (1 + t / seconds)) * (1 + np.sin(2 * np.pi * 3 * t))
        clean = tone + 0.01 * generator.standard_normal(t.size)
        soundfile.write(folder / f"{number}.wav", clean, RATE_HZ, subtype="PCM_16")
        for deviation in DEVIATIONS:
            name = f"{number}_{deviation:.5f}.wav"
            noisy = clean + deviation * generator.standard_normal(t.size)
            soundfile.write(folder / name, np.clip(noisy, -1, 1), RATE_HZ, subtype="PCM_16")
            rows.append(
                (f"{number}.wav", name, f"clip {number:03}", f"noise_{deviation:.5f}", "noise", f"{deviation:.5f}")
            )
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("reference", "degraded", "clip", "condition", "family", "level"), *rows])
    return folder / "pairs.csv"


def make(folder: Path, clips: int, audio: str, seconds: float = SECONDS) -> tuple[Path, float]:
    """A page of this many clips, and the seconds that ``analyze_results.py`` took."""
    pairs = material(folder / "audio", clips, seconds)
    started = time.perf_counter()
    results = folder / "results"
    status = cli.analyze_results([*FLAGS, "--pairs", str(pairs), "--results", str(results), "--report-audio", audio])
    if status:
        raise SystemExit(f"analyze_results.py ended with status {status}")
    return results / "report.html", time.perf_counter() - started


def chromium(play: Any) -> str:
    """Path of a Chromium: that of PERCEPT_CHROMIUM, the system's, or Playwright's own; "" where there is none."""
    found = os.environ.get("PERCEPT_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    found = found or play.chromium.executable_path
    return found if Path(found).is_file() else ""


def opened(page: Path) -> dict[str, Any]:
    """What a browser says of a page: milliseconds until it can be used and for its charts, and what it holds."""
    from playwright.sync_api import sync_playwright

    times: list[list[float]] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(play), args=["--no-sandbox"])
        for _ in range(OPENINGS):
            sight = browser.new_page(viewport={"width": 1920, "height": 1000})
            sight.goto(page.resolve().as_uri(), timeout=120_000)
            sight.wait_for_function("() => percept.ready > 0", timeout=120_000)
            sight.evaluate("() => { window.started = performance.now(); percept.charts(); }")
            times.append(sight.evaluate("() => [percept.ready, percept.drawn - started]"))
            facts: dict[str, Any] = sight.evaluate(
                "() => ({ sounds: percept.study.sounds.length, versions: percept.study.rows.length,"
                " lines: document.querySelectorAll('#values-table tbody tr').length,"
                " remarks: [...document.querySelectorAll('#listen > .note:not([hidden])')].map((n) => n.textContent) })"
            )
            sight.close()
        browser.close()
    ready, drawn = (round(min(found)) for found in zip(*times, strict=True))
    return {"ready_ms": ready, "drawn_ms": drawn, **facts}


def main() -> None:
    """Measure, and print a line a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, help="of 17 versions each; without it: the two pages above")
    parser.add_argument("--audio", choices=("embed", "link"), default="embed")
    chosen = parser.parse_args()
    for clips, audio in ((chosen.clips, chosen.audio),) if chosen.clips else PAGES:
        with tempfile.TemporaryDirectory() as place:
            page, seconds = make(Path(place), clips, audio)
            size = page.stat().st_size / 1e6
            told = {"clips": clips, "audio": audio, "megabytes": round(size, 2), "made_s": round(seconds, 1)}
            print(json.dumps({**told, **opened(page)}), flush=True)


if __name__ == "__main__":
    main()
