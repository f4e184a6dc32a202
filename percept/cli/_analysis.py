"""Step 3 as a whole: score, correlate, publish."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

from percept import __version__
from percept.embeddings import EMBEDDINGS
from percept.metrics import METRICS
from percept.records import Family
from percept.runner import Tally
from percept.schema import Measure, Pair
from percept.settings import TABLES, AnalyzeResults, Score
from percept.stages import _pairs
from percept.stages import correlate as correlate_stage
from percept.stages import report as report_stage
from percept.stages._conditions import known
from percept.stages._folders import SCRIPTS, clips, planned_embeddings
from percept.stages.correlate import correlate
from percept.stages.score import Scored, score
from percept.store import Manifest, digest, plain
from percept.study import Study

CODER_FACTS = ("encoder", "pyav", "libavcodec", "libavformat", "lame", "libopus", "torch", "transformers", "weights")


def analyze(settings: AnalyzeResults) -> Tally:
    """Score what is not scored yet; correlate and write the results unless they are there already.

    Raises:
        PerceptError: nothing to analyse, unusable settings, or an unwritable results folder.
    """
    scored = score(settings.score, settings.run)
    results = settings.score.results
    failures = report_stage.failures(scored.table, _folders(settings))
    scored.tally.failed += _earlier(failures)
    notes, facts = _notes(settings, scored), _facts(settings, scored)
    wanted = report_stage.study_key(
        scored.table, failures, plain(settings.correlate), correlate_stage.VERSION, __version__, notes, facts,
        settings.report.report_audio, settings.report.report_budget,
    )  # fmt: skip
    if report_stage.up_to_date(results, wanted):
        scored.tally.notes.append("report unchanged")
        return scored.tally
    families = _families(scored.pairs)
    relations = correlate(scored.table, scored.measures, families, settings.correlate, settings.run, pairs=scored.pairs)
    study = Study(
        scores=scored.table,
        correlations=relations.correlations,
        comparisons=relations.comparisons,
        monotonicity=relations.monotonicity,
        failures=failures,
        measures=scored.measures,
        targets=relations.targets,
        families=families,
        notes=notes,
        facts=facts,
        confidence=settings.correlate.confidence,
        bits_per_second={
            (p.clip, p.condition): p.bits_per_second for p in scored.pairs if p.bits_per_second is not None
        },
        opinions=relations.opinions,
        kinds={p.clip: p.kind for p in scored.pairs if p.kind},
    )
    run = {
        "settings": {
            "score": plain(settings.score),
            "correlate": plain(settings.correlate),
            "report": _page_settings(settings),
            **_plans(settings),
        },
        "codecs": _coders(settings),
        "digests": _digests(settings.score, scored.pairs),
    }
    told = {**run, "facts": dict(facts), "notes": list(notes)}
    report_stage.publish(study, results, wanted, told, how=settings.run, pairs=scored.pairs, page=settings.report)
    return scored.tally


def sounds(settings: Score) -> list[Path]:
    """The audio of all pairs."""
    pairs, _ = _pairs.from_csv(settings.pairs) if settings.pairs else _pairs.from_folders(settings)
    return [path for pair in pairs for path in (pair.reference, pair.degraded) if path]


def _digests(settings: Score, pairs: Sequence[Pair]) -> dict[str, str]:
    """SHA-256 of what the study was made from: the clips as they came, or the pairs file and all that it names."""
    if not settings.pairs:
        made = [clip for clip in clips(Manifest(settings.input)) if clip.status == "ok"]
        # A clip that somebody put there has no source but itself.
        return {
            clip.facts.get("source", str(settings.input / clip.path)): clip.facts.get("source_digest", clip.digest)
            for clip in made
        }
    found = {}
    named = [path for pair in pairs for path in (pair.reference, pair.degraded, *chain(*pair.embeddings.values()))]
    for path in dict.fromkeys([settings.pairs, *filter(None, named)]):
        with suppress(OSError):  # a file that cannot be read is a failure with its reason already
            found[str(path)] = digest(path)
    return found


def _coders(settings: AnalyzeResults) -> dict[str, dict[str, str]]:
    """Encoder and library versions of every codec, as noted when it coded."""
    found: dict[str, dict[str, str]] = {}
    for record in Manifest(settings.score.input).records() if not settings.score.pairs else ():
        if record.stage == "degrade" and record.status == "ok" and "file_bits" in record.facts:
            facts = record.facts
            found[facts["family"]] = {name: facts[name] for name in CODER_FACTS if name in facts}
    return found


def _earlier(failures: Any) -> int:
    """Failures of stages 1 and 2, which no row of stage 3 counts."""
    return int(((failures["stage"] == "convert") & (failures["status"] == "failed")).sum())


def _families(pairs: Sequence[Pair]) -> dict[str, Family | None]:
    names = dict.fromkeys(pair.family for pair in pairs if pair.family)
    return {name: known(name) for name in names}


def _folders(settings: AnalyzeResults) -> list[Path]:
    """The folders of stages 1 and 2, whose failures belong in the report."""
    if settings.score.pairs:
        return []
    source = Manifest(settings.score.input)
    return [settings.score.input, *(folder for _, _, folder in planned_embeddings(source, settings.score))]


def _notes(settings: AnalyzeResults, scored: Scored) -> tuple[str, ...]:
    notes = []
    untrained = _untrained(scored.measures)
    if untrained:
        notes.append(
            f"UNTRAINED CONTROL: {' and '.join(untrained)} ran with seeded random weights, because the pretrained ones "
            "were not to be had or the control was asked for. What follows tells what the networks' structure alone "
            "does; it says nothing about the trained networks."
        )
    codecs = [record.title for record in _families(scored.pairs).values() if record and "(untrained)" in record.title]
    if codecs:
        notes.append(
            f"UNTRAINED CONTROL: {', '.join(codecs)} coded with seeded random weights; those versions are no "
            "examples of what the codec does."
        )
    notes += _notes_on_folders(settings)
    if not any(m.embedding for m in scored.measures):
        notes.append("No embeddings were found, so only classical measures are compared.")
    titles = {m.name: m.title for m in scored.measures}
    notes += [f"The target '{t}' was not measured, so nothing is judged by it." for t in settings.correlate.targets
              if t not in titles and t in METRICS]  # fmt: skip
    unknown = list(dict.fromkeys(pair.clip for pair in scored.pairs if not pair.kind))
    if unknown and any(pair.kind for pair in scored.pairs):
        notes.append(
            f"The kind of {len(unknown)} clips is not known ({', '.join(unknown[:3])}{', ...' if unknown[3:] else ''})"
            "; they take no part where speech or another kind is judged alone."
        )
    remarks = scored.table[(scored.table["status"] == "ok") & (scored.table["reason"] != "")]
    for reason, rows in remarks.groupby("reason", sort=False):
        about = ", ".join(titles[name] for name in dict.fromkeys(rows["measure"]))
        notes.append(f"{about}: {reason} ({len(rows)} values).")
    return tuple(notes)


def _notes_on_folders(settings: AnalyzeResults) -> list[str]:
    """What stages 1 and 2 have to say about their results."""
    notes = []
    for folder in _folders(settings)[1:]:
        made = next((r.facts for r in Manifest(folder).records() if r.status == "ok"), None)
        if made and not made["weights_verified"]:
            notes.append(
                f"The weights of {EMBEDDINGS[made['embedding']].title} ({made['weights_identity']}) are not known to "
                "be the official ones: no published digest fits the file."
            )
    plans = _plans(settings)
    if plans.get("degrade", {}).get("normalise") == "peak":
        notes.append(
            "Every degraded version was scaled to full scale (normalise = peak), so SNR, log-spectral distance and "
            "other measures that mind the level also see that change."
        )
    for record in Manifest(settings.score.input).records() if plans else []:
        if record.stage == "convert" and record.status == "ok" and record.facts.get("gain_db"):
            notes.append(f"{record.item} was lowered by {-record.facts['gain_db']:.2f} dB, as it would have clipped.")
    return notes


def _untrained(measures: Sequence[Measure]) -> list[str]:
    return list(dict.fromkeys(m.embedding for m in measures if m.embedding.endswith("(untrained)")))


def _facts(settings: AnalyzeResults, scored: Scored) -> dict[str, str]:
    facts: dict[str, str] = {}
    plans = _plans(settings)
    for program in dict.fromkeys(SCRIPTS.values()):
        tables = {stage: plans[stage] for stage, script in SCRIPTS.items() if script == program and stage in plans}
        if tables:
            facts[f"Command {len(facts) + 1}"] = f"python {program}{_flags(tables)}"
    own = {
        "score": plain(settings.score),
        "correlate": plain(settings.correlate),
        "report": _page_settings(settings),
    }
    facts[f"Command {len(facts) + 1}"] = f"python analyze_results.py{_flags(own)}"
    told = []
    for folder in _folders(settings)[1:]:
        made = next((r.facts for r in Manifest(folder).records() if r.status == "ok"), None)
        if made:
            which = f"{made['weights']} ({made['weights_identity']})"
            told.append(f"{EMBEDDINGS[made['embedding']].title}, {which}")
            facts[f"Embedding {made['embedding']}"] = f"{made['options']}; weights {which}; {made['precision']}"
    for name, coder in _coders(settings).items():
        record = known(name)
        if record and "weights" in coder:
            told.append(f"{record.title}, {coder['weights']}")
    if not told and any(measure.embedding for measure in scored.measures):
        told = ["not known, as the embeddings came with the pairs"]
    if told:
        facts["Weights"] = "; ".join(told)
    facts["Versions, machine, all settings"] = "run.json; every number's row: measures.csv"
    return facts


def _plans(settings: AnalyzeResults) -> dict[str, dict[str, Any]]:
    if settings.score.pairs:
        return {}
    manifest = Manifest(settings.score.input)
    return {stage: plan.settings for stage in SCRIPTS if (plan := manifest.planned(stage))}


def _page_settings(settings: AnalyzeResults) -> dict[str, Any]:
    """How the page is made; that it was served once does not belong to it."""
    return {name: value for name, value in plain(settings.report).items() if name != "serve"}


def _flags(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """The flags that give these settings, where they differ from the defaults."""
    words: list[str] = []
    for stage, values in tables.items():
        default = plain(TABLES[stage]())
        for field in fields(TABLES[stage]):
            value = values.get(field.name, default[field.name])
            if value == default[field.name]:
                continue
            words.append(f"--{field.name.replace('_', '-')}")
            if not isinstance(value, bool):
                words += map(str, value) if isinstance(value, list) else [str(value)]
    return "".join(" " + shlex.quote(word) for word in words)
