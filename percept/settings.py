"""The settings of every stage: frozen dataclasses, from which the command line and the TOML reader are made.

Conventions:
    One dataclass a stage; a script's settings are the stages that it runs, plus `Run`.
    In a TOML file each stage has a table of its own: ``[convert]``, ``[degrade]``, ``[embed]``, ``[score]``,
    ``[correlate]``.
    Both routes go through the same parser (tyro), so that a file and a flag accept the same words.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from percept.registry import nearest
from percept.schema import PerceptError

Settings = TypeVar("Settings")

DEFAULT_CONFIG = Path("experiments/default.toml")


@dataclass(frozen=True)
class Convert:
    """Stage 1: any audio to mono clips of one rate."""

    input: Path = Path("original_audio")
    """Folder (searched with its sub-folders) or single file to convert; never written to."""
    output: Path = Path("test_audio")
    """Folder for the converted clips, <clip>_clean.wav."""
    rate: int = 16000
    """Sample rate of the converted clips in Hz; PESQ and VGGish want 16000."""


@dataclass(frozen=True)
class Degrade:
    """Stage 2a: degraded versions of every clip."""

    input: Path = Path("test_audio")
    """Folder with the converted clips; the degraded versions are put beside them."""
    conditions: tuple[str, ...] = ("noise", "bandwidth", "bit_depth", "mp3", "opus")
    """Degradations and codecs as NAME or NAME:LEVEL,LEVEL,... (--list tells names, units and default levels)."""
    impulse_response: Path | None = None
    """Audio file of a measured room or device, for the condition impulse_response."""
    normalise: Literal["none", "peak"] = "none"
    """peak: scale every degraded version to full scale, as the published noise study does."""
    seed: int = 0
    """Seed of every random number: noise, and the weights of untrained networks."""


@dataclass(frozen=True)
class Embed:
    """Stage 2b: embeddings of every version."""

    embeddings: tuple[str, ...] = ("openl3", "vggish")
    """Embeddings as NAME or NAME:OPTION=VALUE,... for example openl3:representation=mel128,size=6144."""
    openl3_dir: Path = Path("openl3_embeddings")
    """Folder for OpenL3's .npy files."""
    vggish_dir: Path = Path("vggish_embeddings")
    """Folder for VGGish's .npy files."""
    weights: Literal["auto", "pretrained", "untrained"] = "auto"
    """pretrained: insist on the official weights; untrained: seeded random weights, a control; auto: pretrained
    where they can be had, else the control, with a warning."""
    weights_dir: Path | None = None
    """Folder with official weight files; asked before $PERCEPT_WEIGHTS, the user cache and the download."""
    trust_weights: bool = False
    """Use weight files even if their digest is not the published one."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the networks run; auto takes a GPU if there is one."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Number format inside the networks; front ends always compute in double precision. tf32 (GPU) and bfloat16 are
    faster where the device has them; where it has not, float32 is used, and told."""


@dataclass(frozen=True)
class Score:
    """Stage 3a: every measure of every pair of reference and degraded version."""

    input: Path = Path("test_audio")
    """Folder with the clips and their degraded versions."""
    openl3_dir: Path = Path("openl3_embeddings")
    """Folder with OpenL3's .npy files."""
    vggish_dir: Path = Path("vggish_embeddings")
    """Folder with VGGish's .npy files."""
    results: Path = Path("results")
    """Folder for tables, plots and the report."""
    pairs: Path | None = None
    """CSV with columns reference, degraded (paths, relative to the file) and optionally clip, kind (speech, music),
    condition, family, level, mos, mos_ci95 and <embedding>_reference, <embedding>_degraded (.npy): analyse these
    instead of --input."""
    measures: tuple[str, ...] = ()
    """Measures of waveforms to compute (cdpam takes longest); none named: all (--list tells them). Embedding
    similarities follow from the embeddings of the last extract_embeddings.py run (or of --pairs)."""


@dataclass(frozen=True)
class Correlate:
    """Stage 3b: how well one measure follows another."""

    targets: tuple[str, ...] = ("pesq_wb", "stoi", "dnsmos_ovrl")
    """Measures that stand for the listener; numeric columns of --pairs (mos) join them."""
    resamples: int = 2000
    """Bootstrap resamples of whole clips, for the intervals; with 100 clips and over 1000 versions none are needed."""
    permutations: int = 4999
    """Permutations within clips, for p; with so many clips likewise."""
    confidence: float = 0.95
    """Confidence level of the intervals."""
    seed: int = 0
    """Seed of bootstrap and permutations."""


@dataclass(frozen=True)
class Report:
    """Stage 3c: the page to look at and listen to."""

    report_audio: Literal["embed", "link", "none"] = "embed"
    """Sounds of report.html: embedded in it, linked as files (open it with --serve then), or none."""
    report_budget: float = 25.0
    """Most megabytes that report.html takes; what does not fit is left out and told there."""
    serve: bool = False
    """When all is done, show report.html at an address of this machine (127.0.0.1) until Ctrl-C."""


@dataclass(frozen=True)
class Run:
    """How to run: the same flags for every script."""

    config: Path | None = None
    """TOML file with settings; a flag wins over it. Without it: experiments/default.toml, if that is there."""
    jobs: int = 0
    """Processes to work in; 0: one a processor core. A cluster uses all its workers, whatever this says."""
    engine: Literal["local", "dask"] = "local"
    """Where the work is done: in processes on this machine, or on an existing Dask cluster (docs/cluster.md)."""
    scheduler: str = ""
    """Address of the cluster's scheduler, such as tcp://node1:8786; for the engine dask."""
    quiet: bool = False
    """No progress bars, and no closing line unless something failed; warnings and errors stay."""
    list: bool = False
    """Print every choice (degradations, embeddings, measures) with its facts, and stop."""
    version: bool = False
    """Print the version, and stop."""


@dataclass(frozen=True)
class AudioConversion:
    """All settings of audio_conversion.py."""

    convert: Convert = field(default_factory=Convert)
    run: Run = field(default_factory=Run)


@dataclass(frozen=True)
class ExtractEmbeddings:
    """All settings of extract_embeddings.py."""

    degrade: Degrade = field(default_factory=Degrade)
    embed: Embed = field(default_factory=Embed)
    run: Run = field(default_factory=Run)


@dataclass(frozen=True)
class AnalyzeResults:
    """All settings of analyze_results.py."""

    score: Score = field(default_factory=Score)
    correlate: Correlate = field(default_factory=Correlate)
    report: Report = field(default_factory=Report)
    run: Run = field(default_factory=Run)


TABLES: dict[str, type] = {
    "convert": Convert, "degrade": Degrade, "embed": Embed, "score": Score, "correlate": Correlate,
    "report": Report, "run": Run,
}  # fmt: skip


def parse(
    kind: type[Settings], arguments: Sequence[str], *, default: Settings, program: str, description: str = ""
) -> Settings:
    """Settings of a script (or one table of a file) from command-line words.

    Args:
        kind: the dataclass to fill.
        arguments: words such as ``["--seed", "3"]``.
        default: values for what the words leave out.
        program: name in usage and messages.
        description: first text of ``--help``.

    Raises:
        PerceptError: unknown flag or unusable value, in one line; an unknown flag names the nearest known one.
    """
    import tyro

    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            settings, unknown = tyro.cli(
                kind,
                prog=program,
                description=description,
                args=list(arguments),
                default=default,
                return_unknown_args=True,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise PerceptError(_flat(messages.getvalue())) from None
    if unknown:
        flags = _flags(default)
        word = next((u for u in unknown if u.startswith("-")), unknown[0])
        hint = nearest(word.split("=")[0], flags)
        raise PerceptError(f"unknown flag '{word}'{hint}")
    return settings


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, each as a filled settings object.

    Raises:
        PerceptError: no such file, not TOML, an unknown table or key (with the nearest known one), a wrong value.
    """
    import tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PerceptError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PerceptError(f"{path} is not valid TOML: {error}") from None
    return {name: _table(path, name, table) for name, table in content.items()}


def fill(settings: Settings, tables: dict[str, Any]) -> Settings:
    """`settings` with the tables that a file gave put in their places."""
    from dataclasses import replace

    own = {f.name for f in fields(settings)}  # type: ignore[arg-type]
    return replace(settings, **{name: table for name, table in tables.items() if name in own})  # type: ignore[type-var]


def _table(path: Path, name: str, table: Any) -> Any:
    if name not in TABLES:
        raise PerceptError(f"{path}: unknown table [{name}]{nearest(name, TABLES)}")
    if not isinstance(table, dict):
        raise PerceptError(f"{path}: '{name}' must be a table: write [{name}] on a line of its own")
    kind = TABLES[name]
    known = [f.name for f in fields(kind)]
    words: list[str] = []
    for key, value in table.items():
        if key not in known:
            raise PerceptError(f"{path}: unknown key '{key}' in [{name}]{nearest(key, known)}")
        words += _words(key, value)
    try:
        return parse(kind, words, default=kind(), program=name)
    except PerceptError as error:
        raise PerceptError(f"{path}, [{name}]: {error}") from None


def _words(key: str, value: Any) -> list[str]:
    flag = f"--{key.replace('_', '-')}"
    if value is True:
        return [flag]
    if value is False:
        return []
    if isinstance(value, list):
        return [flag, *map(str, value)]
    return [flag, str(value)]


def _flags(settings: Any) -> list[str]:
    flags = []
    for f in fields(settings):
        value = getattr(settings, f.name)
        nested = hasattr(value, "__dataclass_fields__")
        flags += _flags(value) if nested else [f"--{f.name.replace('_', '-')}"]
    return [*flags, "--help"]


def _flat(text: str) -> str:
    """The words of tyro's framed message up to its first rule, in one line."""
    words: list[str] = []
    for line in text.splitlines()[1:]:
        inner = line.strip("│╭╮╰╯ ").strip()
        if set(inner) <= {"─"}:
            break
        words.append(inner)
    return " ".join(words) or text.strip()
