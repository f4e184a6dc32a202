"""The scripts' command line: settings from file and flags, the stages in order, closing line and exit status.

Exit status: 0 all well; 1 finished, but some items failed; 2 nothing could be done; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from percept import settings as settings_
from percept.schema import PerceptError

NOTHING_DONE = 2
INTERRUPTED = 130


class Script(NamedTuple):
    """One of the scripts: its name, its settings, what it does, where its results lie, and what it does with them."""

    program: str
    kind: type
    work: Callable[[Any], Any]
    description: str
    outputs: Callable[[Any], str]
    afterwards: Callable[[Any], None] = lambda settings: None


def audio_conversion(arguments: Sequence[str] | None = None) -> int:
    """Run ``audio_conversion.py``; returns the exit status."""
    return _main(
        Script(
            "audio_conversion.py",
            settings_.AudioConversion,
            _convert,
            "Step 1 of 3. Convert audio of any format, rate and channel count to mono 16-bit WAV at one rate.\n\n"
            "Files are recognised by content. Results: <output>/<clip>_clean.wav and <output>/manifest.jsonl.\n\n"
            "Next: python extract_embeddings.py",
            lambda s: str(s.convert.output),
        ),
        arguments,
    )


def extract_embeddings(arguments: Sequence[str] | None = None) -> int:
    """Run ``extract_embeddings.py``; returns the exit status."""
    return _main(
        Script(
            "extract_embeddings.py",
            settings_.ExtractEmbeddings,
            _extract,
            "Step 2 of 3. Make degraded versions of every clip and describe each version by neural embeddings.\n\n"
            "Results: <input>/<clip>_<condition>.wav, and .npy files [frames, features], a folder an embedding. "
            "What is already there is not made again.\n\nExample: "
            "python extract_embeddings.py --conditions noise:0.001,0.01 bandwidth:4 --embeddings openl3 logmel\n\n"
            "Next: python analyze_results.py",
            lambda s: ", ".join(str(path) for path in _places(s)),
        ),
        arguments,
    )


def analyze_results(arguments: Sequence[str] | None = None) -> int:
    """Run ``analyze_results.py``; returns the exit status."""
    return _main(
        Script(
            "analyze_results.py",
            settings_.AnalyzeResults,
            _analyze,
            "Step 3 of 3. Score every version (PESQ, STOI, SI-SDR, embedding similarities ...), measure how well one "
            "number predicts another, and write tables, plots and a report.\n\n"
            "Results: <results>/analysis_report.txt is the first thing to read, <results>/report.html the page to look "
            "at and listen to.",
            lambda s: f"{s.score.results / 'analysis_report.txt'}, {s.score.results / 'report.html'}",
            _show,
        ),
        arguments,
    )


def _main(script: Script, arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    started = time.perf_counter()
    try:
        settings = _settings(script, words)
        if settings.run.version or settings.run.list:
            print(_version() if settings.run.version else _catalogue())
            return 0
        _check(settings)
        tally = script.work(settings)
    except PerceptError as error:
        print(f"{script.program}: error: {error}", file=sys.stderr)
        return NOTHING_DONE
    except BrokenPipeError:  # the reader of --help or --list has seen enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print(
            f"\n{script.program}: interrupted; what is finished is kept. Start the same command again to go on.",
            file=sys.stderr,
        )
        return INTERRUPTED
    from percept.runner import say

    notes = "".join(f"; {note}" for note in tally.notes)
    line = f"{script.program}: {tally} in {time.perf_counter() - started:.1f} s → {script.outputs(settings)}{notes}"
    if settings.run.quiet and tally.exit_status:
        print(line, file=sys.stderr)
    say(line, quiet=settings.run.quiet)
    script.afterwards(settings)
    return int(tally.exit_status)


def _check(settings: Any) -> None:
    """Refuse what no script can use."""
    from percept import engines

    engines.check(settings.run)
    seeds = [("seed", part.seed) for part in vars(settings).values() if hasattr(part, "seed")]
    for name, value in [("jobs", settings.run.jobs), *seeds]:
        if value < 0:
            raise PerceptError(f"--{name} {value} is out of range: expected a whole number from 0 up")


def _settings(script: Script, words: list[str]) -> Any:
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path)
    chosen = first.parse_known_args(words)[0].config if words[-1:] != ["--config"] else None
    base = script.kind()
    if chosen is not None or settings_.DEFAULT_CONFIG.is_file():
        base = settings_.fill(base, settings_.read(chosen or settings_.DEFAULT_CONFIG))
    return settings_.parse(script.kind, words, default=base, program=script.program, description=script.description)


def _convert(settings: settings_.AudioConversion) -> Any:
    from percept.stages.convert import convert

    return convert(settings.convert, settings.run)


def _places(settings: settings_.ExtractEmbeddings) -> list[Path]:
    from percept.stages._folders import embedding_folder

    names = [spec.partition(":")[0] for spec in settings.embed.embeddings]
    return [settings.degrade.input, *(embedding_folder(name, settings.embed) for name in names)]


def _extract(settings: settings_.ExtractEmbeddings) -> Any:
    from percept.stages.degrade import degrade
    from percept.stages.embed import embed

    degraded = degrade(settings.degrade, settings.run, networks=settings.embed)
    return degraded + embed(settings.embed, settings.run, audio=settings.degrade.input, seed=settings.degrade.seed)


def _analyze(settings: settings_.AnalyzeResults) -> Any:
    from percept.cli._analysis import analyze

    return analyze(settings)


def _show(settings: settings_.AnalyzeResults) -> None:
    """Serve the page, if that is asked for."""
    if settings.report.serve:
        from percept.cli._analysis import sounds
        from percept.cli._serve import serve

        serve(settings.score.results / "report.html", sounds(settings.score))


def _version() -> str:
    from percept import __version__

    return f"percept {__version__}"


def _catalogue() -> str:
    from percept.cli._catalogue import text

    return text()
