"""The benchmarks' command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
REPEATS, QUICK_REPEATS = 5, 2
CASES = ("openl3", "vggish", "scores", "whole", "startup", "ceilings", "ways", "profile", "growth", "memory")
ONCE = ("growth", "memory")
"""Cases that take so long that they are not repeated."""
BEFORE = "3043aeb"
"""The revision before the work on speed began."""


def parser() -> argparse.ArgumentParser:
    """Flags."""
    found = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    found.add_argument("--only", nargs="+", choices=CASES, default=CASES, metavar="CASE",
                       help=f"cases to measure; what the others gave before stays: {', '.join(CASES)}")  # fmt: skip
    found.add_argument("--quick", action="store_true", help="fewer clips and repetitions, for development")
    found.add_argument("--repeats", type=int, help=f"repetitions of everything ({REPEATS}; quick {QUICK_REPEATS})")
    found.add_argument("--clips", type=Path, help="folder with clips to use instead of the bundled speech")
    found.add_argument("--before", default=BEFORE, metavar="REVISION",
                       help="git revision to measure beside the present one (%(default)s); '' for none")  # fmt: skip
    found.add_argument("--bfloat16", action="store_true", help="measure bfloat16 even where it is only emulated")
    found.add_argument("--no-install", action="store_true", help="use the peers that are there, install none")
    found.add_argument("--page", action="store_true", help="write the page from the last results, measure nothing")
    found.add_argument("--results", type=Path, default=RESULTS, help="file for the results (%(default)s)")
    found.add_argument("--output", type=Path, default=PAGE, help="the page (%(default)s)")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure, keep the results, write the page; returns the exit status."""
    given = parser().parse_args(arguments)
    from benchmarks import page

    if not given.page:
        _measure(given)
    if not given.results.exists():
        print(f"there are no results in {given.results}", file=sys.stderr)
        return 2
    page.write(json.loads(given.results.read_text(encoding="utf-8")), given.output)
    print(f"→ {given.output}")
    return 0


def _measure(given: argparse.Namespace) -> None:
    """Measure the chosen cases, and keep each as soon as it is there."""
    from benchmarks import installing, machine
    from benchmarks.measuring import Failed

    peers = installing.install(allowed=not given.no_install)
    repeats = given.repeats or (QUICK_REPEATS if given.quick else REPEATS)
    old = json.loads(given.results.read_text(encoding="utf-8")) if given.results.exists() else {"cases": {}}
    with tempfile.TemporaryDirectory(prefix="percept-benchmarks-") as scratch:
        before, name = _before(given.before, Path(scratch) / "before")
        results = {
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "repeats": repeats, "quick": given.quick,
            "before": name, "machine": machine.facts(), "cases": old["cases"],
        }  # fmt: skip
        for case in given.only:
            print(case, flush=True)
            folder = Path(scratch) / case
            folder.mkdir()
            setting = _setting(given, folder, repeats, before, name, peers)
            measured = f"Measured {results['date']} at revision {results['machine']['revision']}"
            measured += "" if case in ONCE else f", {repeats} repetitions"
            measured += ", a quick run." if given.quick else "."
            try:
                found = _cases()[case](setting)
            except Failed as problem:
                found = {"failed": str(problem)}
                print(f"  failed: {problem}", flush=True)
            results["cases"][case] = {**found, "measured": measured}
            shutil.rmtree(folder, ignore_errors=True)
            temporary = given.results.with_suffix(".part")
            temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")
            temporary.replace(given.results)


def _before(revision: str, target: Path) -> tuple[Path | None, str]:
    from benchmarks.material import earlier
    from benchmarks.measuring import Failed

    if not revision:
        return None, "no earlier revision was asked for"
    try:
        return earlier(revision, target), revision
    except Failed as problem:
        return None, str(problem)


def _setting(given: argparse.Namespace, folder: Path, repeats: int, before: Path | None, name: str, *peers: Any) -> Any:
    from benchmarks.material import Setting, bundled

    originals = given.clips.absolute() if given.clips else bundled(folder / "originals")
    if given.quick and not given.clips:
        sorted(originals.iterdir())[0].unlink()
    return Setting(folder, originals, repeats, given.quick, before, name, *peers, force_bfloat16=given.bfloat16)


def _cases() -> dict[str, Callable[[Any], dict[str, Any]]]:
    from benchmarks.cases import ceilings, openl3, profile, scores, scripts, startup, vggish, ways, whole

    modules = {"openl3": openl3, "vggish": vggish, "scores": scores, "whole": whole, "startup": startup,
               "ceilings": ceilings, "ways": ways, "profile": profile}  # fmt: skip
    return {
        **{name: module.measure for name, module in modules.items()},
        "growth": scripts.growth,
        "memory": scripts.memory,
    }


if __name__ == "__main__":
    sys.exit(main())
