"""The examples run, on a short budget, and write what they say; the page of the loss agrees with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

import percept
from examples import choose_rate, common, optimise_waveform, train_denoiser
from percept.embeddings import EMBEDDINGS
from percept.loss.distances import DISTANCES

PAGE = ROOT / "docs" / "perceptual_loss.md"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with a block for each example."""
    path = tmp_path / "page.md"
    blocks = [f"<!-- {name}: begin (x) -->\nold\n<!-- {name}: end -->\n" for name in ("optimise", "denoiser", "rate")]
    path.write_text("# Page\n" + "between\n".join(blocks), encoding="utf-8")
    return path


def test_optimise_waveform(tmp_path: Path, page: Path) -> None:
    """A loss falls as its waveform is optimised, STOI or PESQ rises, and clips, table and picture are there."""
    words = ["--losses", "mrstft", "logmel", "--steps", "12", "--every", "12", "--seconds", "1"]
    optimise_waveform.main([*words, "--output", str(tmp_path / "out"), "--page", str(page)])
    table = pd.read_csv(tmp_path / "out" / "steps.csv")
    ends = table.groupby("optimised_for").agg(["first", "last"])
    assert (ends["loss", "last"] < ends["loss", "first"]).all()
    assert (ends["stoi", "last"] > ends["stoi", "first"]).any() or (
        ends["pesq_wb", "last"] > ends["pesq_wb", "first"]
    ).any()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "reference.wav", "start.wav", "optimised_mrstft.wav", "optimised_logmel.wav", "steps.csv",
        "optimise_waveform.png", "optimise_waveform.svg",
    }  # fmt: skip
    text = page.read_text(encoding="utf-8")
    assert "| Log-mel L1 |" in text and text.count("old") == 2 and (tmp_path / "optimise_waveform.svg").exists()


def test_train_denoiser(tmp_path: Path, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every loss gets a row with an interval over seeds; two steps train nothing, and the table says what they give."""
    words = ["--terms", "logmel", "--seeds", "0", "1", "--steps", "2", "--output", str(tmp_path / "out")]
    train_denoiser.main([*words, "--page", str(page)])
    rows = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert list(rows["loss"].unique()) == ["none", "l1", "mrstft", "logmel"]
    assert len(rows) == 3 * 2 * (1 + 3) and rows[["pesq_wb", "stoi", "si_sdr"]].notna().all().all()
    assert "multi-resolution STFT and Log-mel L1" in capsys.readouterr().out
    assert re.search(r"\| waveform L1 \| [\d.]+ ± [\d.]+ \|", page.read_text(encoding="utf-8"))


def test_the_denoiser_learns() -> None:
    """Some steps of training bring the unseen voice nearer to its clean version than it came."""
    trained = pd.DataFrame(train_denoiser.judged(train_denoiser.train("mrstft", 0, 40), "mrstft", 0))
    before = pd.DataFrame(train_denoiser.judged(train_denoiser.nn.Identity(), "none", 0))
    assert trained["si_sdr"].mean() > before["si_sdr"].mean() + 1


def test_choose_rate(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The chosen rate is the lowest one under the threshold; with none under it, it says so."""
    choose_rate.main(["--rates", "6", "24", "64", "--like-noise", "20", "--page", str(page)])
    told = capsys.readouterr().out
    under = [line.split("|")[1].strip() for line in told.splitlines() if line.endswith("| yes |")]
    assert under and f"The lowest rate is {under[0]} kbit/s" in told
    assert told.strip() in page.read_text(encoding="utf-8")
    choose_rate.main(["--rates", "6", "--threshold", "0"])
    assert "No rate stays under it" in capsys.readouterr().out


def test_a_block_is_replaced_alone(page: Path) -> None:
    """What stands around a block stays."""
    common.fill(page, "rate", "new")
    text = page.read_text(encoding="utf-8")
    assert text.count("old") == 2 and "<!-- rate: begin (x) -->\n\nnew\n\n<!-- rate: end -->" in text


def test_the_page_names_what_there_is() -> None:
    """Distances, embeddings and arguments of the page are those of the code, and its blocks are written."""
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in [*DISTANCES, *EMBEDDINGS.names()])
    import inspect

    arguments = list(inspect.signature(percept.PerceptualLoss).parameters)
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)[: len(arguments)] == arguments
    for name in ("study", "more", "faults", "optimise", "denoiser", "rate", "costs"):
        block = text.split(f"<!-- {name}: begin")[1].split(f"<!-- {name}: end")[0]
        assert block.count("\n| ") >= 4, f"the block '{name}' is empty"
