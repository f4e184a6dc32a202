"""What the documentation says of the code is so."""

from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path
from types import ModuleType

import pandas as pd
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


def test_ratings_of_several_machines_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of docs/listening_test.md give the mean over listeners, one voice each, and its interval."""
    text = (ROOT / "docs" / "listening_test.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "ratings.csv").write_text(
        "reference,degraded,clip,condition,family,level,kind,mos,mos_ci95\n"
        "r.wav,a.wav,c,a,noise,1,,1,\nr.wav,b.wav,c,b,noise,2,,1,\n"
    )
    for name, ratings in (("first", ("a,80", "a,60", "b,20")), ("second", ("a,50", "anchor 3.5 kHz,0"))):
        (tmp_path / name).mkdir()
        lines = "".join(f"{name},c,{rating},2026\n" for rating in ratings)
        (tmp_path / name / "ratings_single.csv").write_text("rater,clip,condition,rating,when\n" + lines)
    exec(found[1], {})
    table = pd.read_csv("results/ratings_all.csv").set_index("condition")
    assert list(table["mos"]) == [60, 20] and list(table["degraded"]) == ["a.wav", "b.wav"]
    assert table["mos_ci95"]["a"] == pytest.approx(12.706 * 10, abs=0.01)  # s/√2 of 70 and 50 is 10
    assert math.isnan(table["mos_ci95"]["b"])
