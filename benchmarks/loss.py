"""Which layer and distance follow PESQ and STOI, and what a loss costs: the tables of ``docs/perceptual_loss.md``.

    python -m benchmarks.loss --page docs/perceptual_loss.md
    python -m benchmarks.loss --pairs FOLDER/noise_study --page docs/perceptual_loss.md

The clips are the bundled speech, in the versions that are named below. `--pairs` takes another folder beside them, with
``<name>.wav`` and its versions ``<name>_degraded_<n>.wav``, as the published noise study left them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from examples import common
from examples.common import RATE_HZ
from percept import stats
from percept.codecs import CODECS
from percept.degradations import DEGRADATIONS
from percept.loss.distances import DISTANCES
from percept.loss.perceptual import PerceptualLoss
from percept.loss.terms import Loss
from percept.media import read_mono
from percept.schema import Clip

SPECS = ("logmel", "vggish", "openl3:hop=1", "cdpam")
TARGETS = ("pesq_wb", "stoi")
VERSIONS = {
    "noise_snr": (30, 20, 10, 0), "lowpass": (4000, 2000), "bit_depth": (8, 5), "clipping": (5, 20),
    "mp3": (32, 8), "opus": (24, 12, 6),
}  # fmt: skip
SECONDS = (1.0, 4.0)
TURNS = 2
DELAY_SAMPLES = 80

Pair = tuple[str, Tensor, Tensor]


def bundled() -> Iterator[Pair]:
    """Clip's name, clip and version, of the bundled speech."""
    for name in ("speech_slt", "speech_rms"):
        clean = common.speech(name)
        clip = Clip(clean.numpy(), RATE_HZ)
        for family, levels in VERSIONS.items():
            for level in levels:
                if family in CODECS:
                    samples = CODECS[family].code(clip, level).samples
                else:
                    samples = DEGRADATIONS[family].apply(clip, level, np.random.default_rng(0))
                yield name, clean, torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))


def given(folder: Path) -> Iterator[Pair]:
    """The pairs of a folder."""
    for path in sorted(folder.glob("*_degraded_*.wav")):
        name = path.stem.split("_degraded_")[0]
        reference, degraded = (read_mono(p) for p in (folder / f"{name}.wav", path))
        if reference.rate != RATE_HZ:
            raise SystemExit(f"{path.name} is at {reference.rate} Hz, not {RATE_HZ}")
        yield name, torch.from_numpy(reference.samples), torch.from_numpy(degraded.samples)


def distances(loss: PerceptualLoss, reference: Tensor, degraded: Tensor) -> dict[tuple[str, str], float]:
    """Every distance at every layer of one pair, in one pass."""
    found: dict[tuple[str, str], list[Tensor]] = {}
    embedder = loss.embedder
    with torch.no_grad():
        for pair in zip(*(embedder.stretches(w[None], RATE_HZ) for w in (reference, degraded)), strict=True):
            ours, theirs = (embedder.layers(embedder.cut(pieces)) for pieces in pair)
            for name in embedder.layer_names:
                for kind, distance in DISTANCES.items():
                    kept = distance.window(ours[name].float(), theirs[name].float())
                    found.setdefault((name, kind), []).append(kept)
        return {
            (name, kind): float(DISTANCES[kind].clip(torch.cat(kept)[None])) for (name, kind), kept in found.items()
        }


def study(pairs: Sequence[Pair]) -> str:
    """Correlations of every layer and distance, and of the baselines, with each target."""
    clips = np.array([name for name, _, _ in pairs])
    targets = [common.scores(reference, degraded, TARGETS) for _, reference, degraded in pairs]
    columns: dict[tuple[str, str, str], list[float]] = {}
    for spec in SPECS:
        loss = PerceptualLoss(spec, layers="all", rate=RATE_HZ)
        title = f"{loss.embedder.title}{'' if loss.trained else ' (untrained)'}"
        for _, reference, degraded in pairs:
            for (layer, kind), value in distances(loss, reference, degraded).items():
                columns.setdefault((title, layer, kind), []).append(value)
    rows = []
    for title, layer in dict.fromkeys((title, layer) for title, layer, _ in columns):
        cells = [_follows(columns[title, layer, kind], targets, clips) for kind in DISTANCES]
        rows.append([title, layer, *cells])
    for name in ("l1", "mrstft"):
        loss = common.loss_named(name)
        values = [float(loss(reference[None], degraded[None])) for _, reference, degraded in pairs]
        rows.append([common.title(name, loss), "", _follows(values, targets, clips), "", "", ""])
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(clips.tolist()))
    head = f"{len(pairs)} versions of {names}.\n\n"
    return head + common.table(["embedding", "layer", *DISTANCES], rows)


def faults() -> str:
    """What losses make of changes that listeners mind little, in units of what they make of noise at 20 dB."""
    clean = common.speech("speech_slt")
    delayed = torch.nn.functional.pad(clean, (DELAY_SAMPLES, 0))[: len(clean)]
    noisy = common.noisy(clean, 20, seed=0)
    rows = []
    for spec in (*SPECS, "mrstft"):
        made = {rate: _loss(spec, rate) for rate in (RATE_HZ, RATE_HZ // 2)}
        with torch.no_grad():
            unit = float(made[RATE_HZ](clean[None], noisy[None]))
            values = [float(made[RATE_HZ](clean[None], version[None])) / unit for version in (0.5 * clean, delayed)]
            wrong = float(made[RATE_HZ // 2](clean[None], noisy[None])) / unit
        name = spec if spec == "mrstft" else f"{made[RATE_HZ].embedder.title}{_control(made[RATE_HZ])}"
        rows.append([name, *(f"{value:.2f}" for value in values), "–" if spec == "mrstft" else f"{wrong:.2f}"])
    header = ["L1 distance", "half the level", f"{1000 * DELAY_SAMPLES / RATE_HZ:g} ms late", "noise, rate told wrong"]
    return common.table(header, rows)


def _loss(spec: str, rate: int) -> Loss:
    return common.loss_named(spec) if spec == "mrstft" else PerceptualLoss(spec, rate=rate)


def _control(loss: Loss) -> str:
    return "" if getattr(loss, "trained", True) else " (untrained)"


def _follows(values: Sequence[float], targets: Sequence[dict[str, float]], clips: np.ndarray) -> str:
    """Minus Spearman's correlation within clips with each target: 1 where the loss falls as quality rises."""
    from scipy.stats import rankdata

    cells = []
    for target in TARGETS:
        y = np.array([row[target] for row in targets])
        x = np.asarray(values)
        there = np.isfinite(x) & np.isfinite(y)
        centred = []
        for column in (x, y):
            out = np.empty(len(column))
            for clip in dict.fromkeys(clips.tolist()):
                own = there & (clips == clip)
                ranks = rankdata(column[own])
                out[own] = (ranks - ranks.mean()) / len(ranks)
            centred.append(out[there])
        cells.append(f"{-stats.correlation(*centred, 'pearson'):.2f}")
    return " / ".join(cells)


def cost(spec: str, seconds: float, checkpointing: bool) -> dict[str, float]:
    """Seconds of the forward pass alone and of both, and memory beyond the network, in this fresh process (Linux)."""
    loss = PerceptualLoss(spec, rate=RATE_HZ, checkpointing=checkpointing)
    clean = torch.zeros(1, round(RATE_HZ * seconds)).uniform_(-0.1, 0.1)
    noisy = (clean + 0.01 * torch.randn_like(clean)).requires_grad_()
    with torch.no_grad():
        loss(clean[:, :RATE_HZ], noisy[:, :RATE_HZ])
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    forwards, boths = [], []
    for _ in range(TURNS):
        started = time.perf_counter()
        with torch.no_grad():
            loss(clean, noisy)
        forwards.append(time.perf_counter() - started)
        started = time.perf_counter()
        loss(clean, noisy).backward()
        boths.append(time.perf_counter() - started)
    memory = (_status("VmHWM") - before) / 1024
    return {"forward": float(np.median(forwards)), "both": float(np.median(boths)), "mib": memory}


def _status(name: str) -> int:
    """A number of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def costs() -> str:
    """The table of costs, each in a process of its own."""
    rows = []
    for spec in ("logmel", "vggish", "openl3", "openl3:hop=0.5", "cdpam"):
        for seconds in SECONDS:
            for checkpointing in (False, True):
                words = ["--cost", spec, str(seconds), str(int(checkpointing))]
                command = [sys.executable, "-m", "benchmarks.loss", *words]
                done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=common.ROOT)
                found = json.loads(done.stdout.splitlines()[-1])
                rows.append(
                    [
                        f"`{spec}`",
                        f"{seconds:g}",
                        "yes" if checkpointing else "",
                        f"{found['forward'] / seconds:.2f}",
                        f"{found['both'] / seconds:.2f}",
                        f"{found['both'] / found['forward']:.2f}",
                        f"{found['mib']:.0f}",
                    ]
                )
    head = f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}; medians of {TURNS}.\n\n"
    columns = [
        "loss",
        "clip, s",
        "checkpointing",
        "forward alone, s per s",
        "forward and backward, s per s",
        "ratio",
        "MiB",
    ]
    return head + common.table(columns, rows)


def main() -> None:
    """Measure and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="folder with more pairs")
    parser.add_argument("--page", type=Path, help="page whose blocks are to be filled")
    parser.add_argument("--only", choices=("study", "more", "faults", "costs"), help="one of the tables")
    parser.add_argument("--cost", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*untrained weights are used.*")
    if chosen.cost:
        spec, seconds, checkpointing = chosen.cost
        print(json.dumps(cost(spec, float(seconds), bool(int(checkpointing)))))
        return
    tables: dict[str, Callable[[], str]] = {"study": lambda: study(list(bundled()))}
    if chosen.pairs:
        tables["more"] = lambda: study(list(given(chosen.pairs)))
    tables |= {"faults": faults, "costs": costs}
    for name, measure in tables.items():
        if chosen.only in (None, name):
            text = measure()
            print(text, flush=True)
            if chosen.page:
                common.fill(chosen.page, name, text)


if __name__ == "__main__":
    main()
