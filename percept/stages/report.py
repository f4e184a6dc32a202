"""Stage 3c: the results folder: tables, plots, the report in words, and how the run was made."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from percept import plots, report, runner
from percept.jobs import Job
from percept.schema import FAILURES_COLUMNS, Pair, PerceptError
from percept.settings import Report, Run
from percept.store import Manifest, Record, digest, key, write_text
from percept.study import Study

if TYPE_CHECKING:
    import pandas as pd

VERSION = 3
DEFAULT_RUN = Run()
DEFAULT_PAGE = Report()
PAGE = "report.html"
MANY_ROWS = 200_000
"""Rows of the long table beyond which it would cost more to hand them to other processes than to draw in this one."""
NAME = ("report", "study", "", "")
PACKAGES = (
    "numpy", "scipy", "pandas", "torch", "ncnn", "librosa", "soundfile", "soxr", "pesq", "pystoi", "pyloudnorm", "h5py",
    "matplotlib", "seaborn", "plotly", "jinja2", "joblib", "av", "transformers", "cdpam", "speechmos", "onnxruntime",
)  # fmt: skip


def study_key(scores: pd.DataFrame, failures: pd.DataFrame, *parts: Any) -> str:
    """A hash of everything that tables, plots and report are made from."""
    return key("report", VERSION, scores.to_csv(), failures.to_csv(), *parts)


def up_to_date(results: Path, wanted: str) -> bool:
    """Whether the folder holds, whole, the report of exactly this study."""
    record = Manifest(results).find(*NAME)
    if record is None or record.key != wanted:
        return False
    files: dict[str, str] = record.facts["files"]
    return all((results / name).is_file() and digest(results / name) == value for name, value in files.items())


def publish(
    study: Study,
    results: Path,
    wanted: str,
    run: Mapping[str, Any],
    *,
    how: Run = DEFAULT_RUN,
    pairs: Sequence[Pair] = (),
    page: Report = DEFAULT_PAGE,
) -> list[str]:
    """Write the results folder, and remove plots of an earlier study that this one does not have.

    Args:
        study: what to tell.
        results: the folder.
        wanted: `study_key`, noted so that an unchanged study is not written again.
        run: what goes to ``run.json`` beside versions and machine.
        how: how to run: plots are drawn in several processes.
        pairs: what the study is about, with the paths of its sounds.
        page: how to make the page.

    Returns:
        Names of the files written.

    Raises:
        PerceptError: the folder cannot be written.
    """
    manifest = Manifest(results).open()
    try:
        names = _tables(study, results)
        drawn, left_out = plots.draw(study, results, _spread(how) if len(study.scores) <= MANY_ROWS else map)
        names += [f"{stem}.{ending}" for stem in drawn for ending in ("png", "svg")]
        write_text(results / "analysis_report.txt", report.write(study, drawn, left_out))
        told = {**run, **_environment()}
        write_text(results / "run.json", json.dumps(told, indent=2, default=str) + "\n")
        audio, budget = page.report_audio, page.report_budget
        write_text(results / PAGE, report.page(study, pairs, results / PAGE, told, audio=audio, budget_mb=budget))
    except OSError as error:
        raise PerceptError(
            f"cannot write to {results}: {error.strerror}; free some space and start the same command again"
        ) from None
    names += ["analysis_report.txt", "run.json", PAGE]
    old = manifest.find(*NAME)
    for stale in set(old.facts["files"] if old else ()) - set(names):
        (results / stale).unlink(missing_ok=True)
    files = {name: digest(results / name) for name in names}
    manifest.append(Record(*NAME[:2], key=wanted, facts={"files": files}))
    return names


def _spread(how: Run) -> plots.Spread:
    """Draw in processes of this machine, whose folder it is."""
    here = replace(how, engine="local", scheduler="")

    def spread(draw: Callable[[str], Any], stems: list[str]) -> Iterable[Any]:
        """What `draw` gives for each stem, in order."""
        jobs = [Job(stem, draw, (stem,)) for stem in stems]
        return runner.values(jobs, here, title="draw").values()

    return spread


def failures(scores: pd.DataFrame, folders: Sequence[Path]) -> pd.DataFrame:
    """Every item of every stage that has no value, with its reason; columns `FAILURES_COLUMNS`.

    Args:
        scores: the long table.
        folders: of stages 1 and 2.
    """
    import pandas as pd

    # Manifests are in the order in which work was done, which another run does not repeat.
    rows = [row for folder in folders for row in sorted(_failed_records(Manifest(folder)))]
    for row in scores[scores["status"] != "ok"].to_dict("records"):
        rows.append(("score", row["item"], row["condition"], row["measure"], row["status"], row["reason"]))
    return pd.DataFrame(rows, columns=list(FAILURES_COLUMNS))


def _failed_records(manifest: Manifest) -> list[tuple[str, ...]]:
    """Failures among the items of the last runs; those of earlier settings or of removed clips are history."""
    planned = {
        stage: {tuple(item) for item in plan.items} if (plan := manifest.planned(stage)) else None
        for stage in ("convert", "degrade", "embed")
    }
    conditions = None if planned["degrade"] is None else {item[0] for item in planned["degrade"]}
    rows: list[tuple[str, ...]] = []
    for record in manifest.records():
        if record.status == "ok":
            continue
        if record.stage == "embed":
            current = planned["embed"] is None or (record.item, record.condition) in planned["embed"]
        else:
            clips = planned["convert"]
            gone = clips is not None and (record.item,) not in clips and manifest.find("convert", record.item)
            current = not gone and (record.stage != "degrade" or conditions is None or record.condition in conditions)
        if current:
            rows.append((record.stage, record.item, record.condition, record.measure, record.status, record.reason))
    return rows


def _tables(study: Study, results: Path) -> list[str]:
    wide = _wide(study)
    similarities = [m.name for m in study.measures if m.embedding and m.name.endswith("_similarity")]
    main = [n for n in similarities if not n.endswith(("_pooled_similarity", "_corrected_similarity"))]
    perceptual = [m.name for m in study.measures if m.group == "perceptual"]
    first = [*main, *(n for n in wide.columns if n not in main and n in {m.name for m in study.measures})]
    labels = [c for c in wide.columns if c not in first and c != "kind"]
    tables = {
        "evaluation_results.csv": wide[[*labels, *first, "kind"]],
        "measures.csv": study.scores,
        "correlations.csv": study.correlations,
        "comparisons.csv": study.comparisons,
        "monotonicity.csv": study.monotonicity,
        "perceptual_metrics_table.csv": wide[["clip", "condition", "level", *perceptual]],
        "similarity_metrics_table.csv": wide[["clip", "condition", "level", *main]],
        "failures.csv": study.failures,
    }
    if study.opinions is not None:
        tables["listening_test.csv"] = study.opinions
    for name, table in tables.items():
        write_text(results / name, table.to_csv(index=False, lineterminator="\n"))
    return list(tables)


def _wide(study: Study) -> pd.DataFrame:
    labels = ["item", "condition", "family", "level"]
    rows = study.scores[labels].drop_duplicates(["item", "condition"])
    units = {name: record.unit for name, record in study.families.items() if record}
    names = zip(rows["item"], rows["condition"], strict=True)
    rates = [study.bits_per_second.get(name, math.nan) for name in names]
    table = rows.assign(level_unit=[units.get(f, "") for f in rows["family"]], bits_per_second=rates)
    table["kind"] = [study.kinds.get(clip, "") for clip in rows["item"]]
    for measure in study.measures:
        own = study.scores[study.scores["measure"] == measure.name]
        table = table.merge(
            own[["item", "condition", "value"]].rename(columns={"value": measure.name}),
            on=["item", "condition"],
        )
    return table.rename(columns={"item": "clip"})


def _environment() -> dict[str, Any]:
    from percept import __version__

    versions = {name: metadata.version(name) for name in PACKAGES if _installed(name)}
    return {
        "versions": {"percept": __version__, "python": platform.python_version(), **versions},
        "git_revision": _git_revision(),
        "machine": {"system": platform.platform(), "processor": platform.machine()},
        "command": sys.argv,
    }


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _git_revision() -> str | None:
    """The commit of the source tree, or None where there is no repository or no git."""
    where = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(where), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
