"""The study as one page to look at and listen to: ``report.html``, a single file that asks no network for anything.

Contents: `page`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from percept.report import _page_audio, _page_data, _top
from percept.report._findings import caveats
from percept.schema import Pair
from percept.study import Study

ASSETS = Path(__file__).parent / "page"
SCRIPTS = ("core.js", "voices.js", "screen.js", "player.js", "table.js", "relations.js", "blind.js", "later.js")
CHARTS = "explore.js"


def page(
    study: Study,
    pairs: Sequence[Pair],
    place: Path,
    run: Mapping[str, Any],
    *,
    audio: _page_audio.Mode = "embed",
    budget_mb: float = 25.0,
) -> str:
    """The page's text.

    Texts from outside (names of clips, reasons) are escaped wherever they stand.

    Args:
        study: what to tell.
        pairs: what the study is about, with the paths of its sounds.
        place: where the page will lie: links are relative to it.
        run: what ``run.json`` holds.
        audio: see `percept.report._page_audio.collect`.
        budget_mb: likewise.
    """
    rendered = _renderer(study, _page_data.tables(study, pairs, place), run, audio)
    # What the page takes without a sound is measured, not guessed.
    taken = len(rendered([], []).encode())
    return rendered(*_page_audio.collect(pairs, place, audio, budget_mb, taken))


def _renderer(
    study: Study, tables: Mapping[str, Any], run: Mapping[str, Any], audio: _page_audio.Mode
) -> Callable[[list[_page_audio.Sound], list[str]], str]:
    """The page as a function of its sounds and of the remarks on them."""
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    template = environment.get_template("template.html")
    shown, more = _top.leading(study)
    told = {
        "title": _title(study),
        "study": study,
        "findings": shown,
        "more_findings": more,
        "caveats": [line.removeprefix("- ") for line in caveats(study)],
        "how_to_read": _top.how_to_read(study),
        "weights": study.facts.get("Weights", ""),
        "left_out": _top.left_out(study),
        "counts": _top.counts(study),
        "facts": dict(study.facts),
        "run": json.dumps(run, indent=2, default=str),
        "audio": audio,
        "style": (ASSETS / "style.css").read_text(encoding="utf-8"),
        "scripts": [(ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS],
        "charts": [get_plotlyjs(), (ASSETS / CHARTS).read_text(encoding="utf-8")],
        # A script in a page ends at the first such tag, wherever it stands.
        "safe": lambda text: text.replace("</script", "<\\/script"),
    }

    def rendered(sounds: list[_page_audio.Sound], remarks: list[str]) -> str:
        """The page with these sounds and remarks."""
        data = {**tables, "sounds": [sound.listed() for sound in sounds]}
        return template.render(told, data=data, contents=[sound.content for sound in sounds], remarks=remarks)

    return rendered


def _title(study: Study) -> str:
    titles = [study.measure(name).title for name in study.targets]
    last = " or ".join([", ".join(titles[:-1]), titles[-1]] if titles[1:] else titles)
    return f"Which measure follows {last}?" if titles else "What do the measures say?"
