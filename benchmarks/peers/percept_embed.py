"""percept's stage 2 through its command line, in a process that lives on: its worker processes stay warm."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to embed.

    Args:
        job: "audio": folder that stage 1 and 2a filled (a copy of it is used); "conditions"; "embedding": its
            specification; "precision".
    """
    from percept import cli

    audio = Path("audio").absolute()
    shutil.copytree(job["audio"], audio)
    name = job["embedding"].partition(":")[0]

    def run(target: Path) -> dict[str, Any]:
        words = ["--input", str(audio), "--conditions", *job["conditions"], "--embeddings", job["embedding"]]
        words += [f"--{name}-dir", str(target), "--weights", "untrained", "--device", "cpu", "--quiet"]
        words += ["--precision", job["precision"]] if job["precision"] != "float32" else []
        status = cli.extract_embeddings(words)
        if status:
            raise SystemExit(f"extract_embeddings.py ended with status {status}")
        return {}

    return run
