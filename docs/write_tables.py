"""Writes the README's tables of choices from the registries: ``make docs``. A test compares the two."""

from __future__ import annotations

import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- choices: begin (make docs writes this) -->", "<!-- choices: end -->"

sys.path.insert(0, str(README.parent))


def filled(text: str) -> str:
    """The README with the present tables between its two marks."""
    from percept.cli._catalogue import markdown

    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{markdown()}\n\n{END}{after}"


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
