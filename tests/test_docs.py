"""What the documentation says of the code is so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT

from percept.embeddings import EMBEDDINGS
from percept.settings import TABLES, AnalyzeResults, AudioConversion, ExtractEmbeddings, _flags

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [p for p in (*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/*.md")) if ".venv" not in p.parts]


@pytest.fixture
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_tables", ROOT / "docs" / "write_tables.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_choices_are_those_of_the_registries(tables: ModuleType) -> None:
    """README.md holds what `make docs` would write."""
    assert tables.filled(README) == README


def test_flags_in_the_readme_exist() -> None:
    """Every flag that the README names is a flag of some script."""
    known = {flag for kind in (AudioConversion, ExtractEmbeddings, AnalyzeResults) for flag in _flags(kind())}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", README)) <= known | {"--install"}  # of xcode-select


def test_keys_in_the_experiments_and_stages_agree() -> None:
    """Each stage's settings are a table of the settings files, under the stage's name."""
    stages = {p.stem for p in (ROOT / "percept" / "stages").glob("[a-z]*.py")} - {"report"}
    assert stages <= set(TABLES)


def test_official_names_in_the_readme_are_those_the_code_looks_for() -> None:
    """The README names the weight files that the records ask for."""
    for record in EMBEDDINGS:
        for file in record.files(record.options()):
            pattern = file.name.replace("mel256", "<linear\\|mel128\\|mel256>").replace("music", "<music\\|env>")
            assert pattern in README and file.url.rsplit("/", 1)[0] in README, file.name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_that_pages_link_to_are_there(page: Path) -> None:
    """No page links to a file that does not exist."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("program", ["audio_conversion.py", "extract_embeddings.py", "analyze_results.py"])
def test_scripts_and_targets_in_the_readme_exist(program: str) -> None:
    """The README's commands name scripts and make targets that are there."""
    assert f"python {program}" in README and (ROOT / program).is_file()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
