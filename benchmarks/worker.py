"""One contestant in a process of its own: prepares, then works once for every line that it is sent.

    python -P worker.py MODULE.py JOB

`MODULE.py` offers ``prepare(job)``, which returns a function from a folder for results to a dict of facts. `JOB` is a
JSON object; its entry "path" lists folders to import from. Answers are JSON lines on standard output: first
``{"versions": …}``, then ``{"seconds": …, "facts": …}`` for every ``{"target": FOLDER}`` on standard input. Whatever
the contestant itself prints goes to standard error.

This file imports nothing of the project, so that a peer's interpreter needs nothing but the peer.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any


def load(path: Path) -> ModuleType:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def versions(packages: list[str]) -> dict[str, str]:
    """Versions of those packages that are installed."""
    found = {}
    for package in packages:
        for distribution in importlib.metadata.distributions(name=package):
            found[package] = distribution.version
            break
    return found


def main() -> None:
    """Prepare, then work once a line until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job: dict[str, Any] = json.loads(sys.argv[2])
    sys.path[:0] = job.get("path", [])

    def tell(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    work = load(Path(sys.argv[1])).prepare(job)
    tell({"versions": versions(job.get("packages", []))})
    for line in sys.stdin:
        target = Path(json.loads(line)["target"])
        started = time.perf_counter()
        facts = work(target)
        tell({"seconds": time.perf_counter() - started, "facts": facts})


if __name__ == "__main__":
    main()
