"""What the measurements were made on: processor, memory, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGES = ("torch", "numpy", "scipy", "librosa", "soxr", "pesq", "pystoi", "ncnn", "torchvggish", "resampy")
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")
BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")
"""Processor flags that mean arithmetic in bfloat16."""


def facts() -> dict[str, Any]:
    """Processor, cores, memory, system, Python, packages, revision."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "instructions": instructions(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": memory,
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES if _installed(name)},
        "revision": revision(),
    }


def instructions() -> list[str]:
    """Those of `INSTRUCTIONS` that the processor has; empty where the system does not tell."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    flags = next((line.split() for line in lines if line.lower().startswith(("flags", "features"))), [])
    return [name for name in INSTRUCTIONS if name in flags]


def without_bfloat16() -> str:
    """Why bfloat16 is not measured here; empty if the processor has it or the system does not tell."""
    known = instructions()
    if not known or set(known) & set(BFLOAT16):
        return ""
    return (
        "not measured: this processor has no arithmetic in bfloat16 (AVX512-BF16 or AMX), so it would only emulate it"
    )


def revision() -> str:
    """The project's revision, marked where files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def _installed(name: str) -> bool:
    return any(True for _ in importlib.metadata.distributions(name=name))
