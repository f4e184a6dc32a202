"""Settings from TOML files and flags."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT

from percept.codecs import CODECS
from percept.degradations import DEGRADATIONS
from percept.embeddings import EMBEDDINGS
from percept.schema import PerceptError
from percept.settings import TABLES, Degrade, ExtractEmbeddings, fill, parse, read


def test_the_default_experiment_is_what_the_code_defaults_to() -> None:
    """experiments/default.toml and the dataclasses' defaults say the same."""
    for name, table in read(ROOT / "experiments" / "default.toml").items():
        assert table == TABLES[name](), name


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.toml")), ids=lambda p: p.name)
def test_every_experiment_can_be_read(path: Path) -> None:
    """All tables and keys of the shipped experiments are known."""
    assert read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[degrad]\nseed = 1", r"unknown table \[degrad\]; did you mean 'degrade'"),
        ("[degrade]\nsed = 1", r"unknown key 'sed' in \[degrade\]; did you mean 'seed'"),
        ("[degrade]\nseed = 'x'", r"\[degrade\]: .*--seed.*'x'"),
        ("[embed]\nweights = 'best'", r"\[embed\]: .*'best'.*pretrained"),
        ("degrade = 3", r"'degrade' must be a table"),
        ("[degrade", r"not valid TOML"),
    ],
)
def test_mistakes_in_a_file_are_told(tmp_path: Path, text: str, message: str) -> None:
    """A wrong table, key or value is an error in one line that names it and the nearest right one."""
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(PerceptError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A settings file that is not there is named."""
    with pytest.raises(PerceptError, match=r"cannot read the settings file .*none\.toml"):
        read(tmp_path / "none.toml")


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    """What a flag says replaces what the file says; the rest of the file stays."""
    path = tmp_path / "x.toml"
    path.write_text('[degrade]\nseed = 4\nconditions = ["noise:0.5"]\n[embed]\ntrust_weights = true\n')
    base = fill(ExtractEmbeddings(), read(path))
    settings = parse(ExtractEmbeddings, ["--seed", "9"], default=base, program="x")
    assert settings.degrade == Degrade(conditions=("noise:0.5",), seed=9)
    assert settings.embed.trust_weights is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sede", "3"], r"unknown flag '--sede'; did you mean '--seed'"),
        (["--seed", "x"], r"--seed.*'x'"),
        (["--weights", "best"], r"'best'.*--weights.*pretrained"),
        (["stray"], r"unknown flag 'stray'"),
    ],
)
def test_mistakes_in_flags_are_told(words: list[str], message: str) -> None:
    """A misspelt flag or an unusable value is an error in one line."""
    with pytest.raises(PerceptError, match=message) as caught:
        parse(ExtractEmbeddings, words, default=ExtractEmbeddings(), program="x")
    assert "\n" not in str(caught.value)


def test_the_full_experiment_lists_everything() -> None:
    """experiments/everything.toml names every degradation, codec and embedding; what needs a user's file is told."""
    path = ROOT / "experiments" / "everything.toml"
    tables = read(path)
    named = set(tables["degrade"].conditions)
    assert named == {*DEGRADATIONS.names(), *CODECS.names()} - {"impulse_response"}
    assert "--impulse-response" in path.read_text()
    assert set(tables["embed"].embeddings) == set(EMBEDDINGS.names())
    assert tables["score"].measures == ()
