"""DNSMOS P.835: what listeners would say of speech, its noise and both, without the original to compare.

One network gives three ratings. It listens to windows of 9.01 s; a shorter clip is repeated, a longer one is heard in
windows that start every second, and all of it is heard: the authors' program loses the eighth and the following windows
to rounding (144159 samples instead of 144160), so clips of more than 16 s, and those that are longer than that once
repeated, may differ from it by some hundredths. The package `speechmos` carries the network and is not imported: what
is here of it is the file.

Reference:
    C. K. A. Reddy, V. Gopal and R. Cutler, DNSMOS P.835: A non-intrusive perceptual objective speech quality metric to
    evaluate noise suppressors, ICASSP 2022. ITU-T P.835 (2003).
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from percept.metrics import METRICS
from percept.metrics._remembered import remembered
from percept.records import Metric
from percept.schema import Array, Array64, Clip, Unscorable

RATE_HZ = 16000
WINDOW_S = 9.01
WINDOW_SAMPLES = 144160
MODEL_FILE = "dnsmos_models/sig_bak_ovr.onnx"
SHA256 = "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd"
LOWEST, HIGHEST = 1.0, 5.0
RATINGS = ("sig", "bak", "ovrl")
"""In the network's order."""
POLYNOMIALS = {
    "sig": (-0.08397278, 1.22083953, 0.0052439),
    "bak": (-0.13166888, 1.60915514, -0.39604546),
    "ovrl": (-0.06766283, 1.11546468, 0.04602535),
}
"""From the network's numbers to opinions: coefficients of x², x and 1, as published with the network."""


def rate(degraded: Clip) -> dict[str, float]:
    """The three ratings of a clip.

    Args:
        degraded: mono ``[T]`` at 16 kHz.

    Returns:
        Opinions from 1 to 5 under the names of `RATINGS`, the mean over windows.

    Raises:
        Unscorable: the clip is empty or silent, or the network is not installed.
    """
    if not degraded.samples.any():
        raise Unscorable("the degraded clip is silent" if degraded.samples.size else "there are no samples")
    opinions = _opinions(degraded.samples)
    return dict(zip(RATINGS, map(float, opinions), strict=True))


# The three ratings are three measures, asked for one after the other.
@remembered(100)
def _opinions(samples: Array) -> Array64:
    """Mean opinions ``[3]`` of samples ``[T]``."""
    heard = (_session().run(None, {"input_1": window[None]})[0][0] for window in _windows(samples))
    raw = np.array(list(heard), dtype=np.float64)
    return np.array([np.polyval(POLYNOMIALS[name], raw[:, i]).mean() for i, name in enumerate(RATINGS)])


def _windows(samples: Array) -> Iterator[Array]:
    """Windows of 9.01 s. As the authors mean it, the whole seconds of the clip decide how many."""
    while samples.size < WINDOW_SAMPLES:
        samples = np.concatenate([samples, samples])
    count = int(samples.size // RATE_HZ - WINDOW_S) + 1
    return (samples[i * RATE_HZ : i * RATE_HZ + WINDOW_SAMPLES] for i in range(count))


@functools.cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One pair a process: more threads would fight for the cores, and sum in another order.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(_model(), options, providers=["CPUExecutionProvider"])


def _model() -> bytes:
    found = importlib.util.find_spec("speechmos")
    paths = [Path(folder) / MODEL_FILE for folder in (found and found.submodule_search_locations) or []]
    content = next((path.read_bytes() for path in paths if path.is_file()), None)
    if content is None:
        raise Unscorable("DNSMOS: the package speechmos, which carries the network, is not installed")
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise Unscorable(f"DNSMOS: {MODEL_FILE} of the package speechmos is another network than version 0.0.1.1's")
    return content


def sig(reference: Clip, degraded: Clip) -> float:
    """How little the speech itself is distorted; see `rate`."""
    return rate(degraded)["sig"]


def bak(reference: Clip, degraded: Clip) -> float:
    """How little the background intrudes; see `rate`."""
    return rate(degraded)["bak"]


def ovrl(reference: Clip, degraded: Clip) -> float:
    """How good it is as a whole; see `rate`."""
    return rate(degraded)["ovrl"]


for _name, _compute, _words in (
    ("ovrl", ovrl, "overall quality"),
    ("sig", sig, "quality of the speech signal"),
    ("bak", bak, "freedom from background noise"),
):
    METRICS.add(
        Metric(
            name=f"dnsmos_{_name}",
            title=f"DNSMOS {_name.upper()}",
            summary=f"predicted opinion on {_words}, without a reference",
            citation="Reddy, Gopal and Cutler, ICASSP 2022",
            compute=_compute,
            unit="MOS",
            range=(LOWEST, HIGHEST),
            perfect=math.nan,  # an undegraded clip has whatever rating it has
            higher_is_better=True,
            group="perceptual",
            meant_for="speech",
            rate=RATE_HZ,
            needs_reference=False,
            licence="MIT (package speechmos, code and network)",
        )
    )
