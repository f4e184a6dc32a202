"""Find, fetch and check official weight files; decide which numbers a network runs with.

Order of search: the folder asked for, the folder in ``PERCEPT_WEIGHTS``, the user cache; then the official
address. A download goes to a temporary name in the cache and gets its real name only when it is whole and its
digest is the published one, so a file under its real name is never half a file. Nothing here imports torch or
opens a weight file as anything but bytes.

Conventions:
    A digest is ``sha256:<hex or leading hex>`` or ``gitblob:<hex>``, the name that git gives to the content:
    SHA-1 of the word "blob", a blank, the length, a zero byte and the bytes.

Contents: `resolve`, `cache_folder`, `Unavailable`.
"""

from __future__ import annotations

import functools
import hashlib
import http.client
import os
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import urlsplit

from percept.records import WeightFile, Weights
from percept.schema import PerceptError

Mode = Literal["pretrained", "untrained", "auto"]

FOLDER_VARIABLE = "PERCEPT_WEIGHTS"
REACH_SECONDS = 8.0
BLOCK_BYTES = 1 << 20
IDENTITY_DIGITS = 16

_unreachable: dict[str, str] = {}


class Unavailable(PerceptError):
    """Official weights that cannot be had, or that are not what they should be."""


def resolve(
    files: tuple[WeightFile, ...],
    mode: Mode,
    *,
    weights_dir: Path | None = None,
    trust: bool = False,
    seed: int = 0,
    quiet: bool = False,
    title: str = "",
) -> tuple[Weights, str]:
    """Decide which numbers a network runs with, and get hold of its files.

    Args:
        files: the official files that the network needs; none for a transform without weights.
        mode: "pretrained" insists, "untrained" is the seeded control, "auto" is the first where it can be
            had.
        weights_dir: the folder to search before all others.
        trust: accept files whose digest is not the published one.
        seed: seed of the untrained control.
        quiet: show no progress bar.
        title: name of the network in messages.

    Returns:
        The weights, and a warning in one line: empty unless "auto" had to fall back to the control.

    Raises:
        Unavailable: in mode "pretrained", when a file cannot be had or has a wrong digest.
        PerceptError: when `weights_dir` is not a folder.
    """
    if not files:
        return Weights("none", "none"), ""
    untrained = Weights("untrained", f"untrained-{seed}", seed=seed)
    if mode == "untrained":
        return untrained, ""
    folders = _folders(weights_dir)
    try:
        found = {file.name: _find(file, folders, trust=trust, quiet=quiet) for file in files}
    except Unavailable as problem:
        if mode == "pretrained":
            raise Unavailable(f"{title}: no pretrained weights: {problem}") from None
        return untrained, f"{title}: untrained weights are used, as a control that has learnt nothing: {problem}"
    identity = "+".join(_digests(path)["sha256"][:IDENTITY_DIGITS] for path in found.values())
    verified = all(_matches(found[file.name], _published(file, found[file.name].name)) for file in files)
    return Weights("pretrained", identity, found, seed, verified), ""


def cache_folder() -> Path:
    """The folder for downloads: ``$XDG_CACHE_HOME/percept/weights``, or the operating system's own place."""
    if os.environ.get("XDG_CACHE_HOME"):
        base = Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path.home() / ".cache"
    return base / "percept" / "weights"


def _folders(weights_dir: Path | None) -> list[Path]:
    if weights_dir is not None and not weights_dir.is_dir():
        raise PerceptError(f"the weights folder '{weights_dir}' is not a folder")
    named = os.environ.get(FOLDER_VARIABLE)
    return [*([weights_dir] if weights_dir else []), *([Path(named)] if named else []), cache_folder()]


def _find(file: WeightFile, folders: list[Path], *, trust: bool, quiet: bool) -> Path:
    """The path of a checked copy, local or downloaded; `Unavailable` says what to do when there is none."""
    for folder in folders:
        for name, digests in {file.name: file.digests, **file.alternatives}.items():
            path = folder / name
            if path.is_file():
                if trust or _matches(path, digests) or not file.digests:
                    return path
                raise Unavailable(_refusal(path, file, digests))
    try:
        return _download(file, trust=trust, quiet=quiet)
    except (Unavailable, OSError, http.client.HTTPException) as problem:
        size = f", {file.size / 1e6:.0f} MB" if file.size else ""
        raise Unavailable(
            f"{problem}; fetch {file.name} ({file.url}{size}) and put it into {cache_folder()}, "
            f"or into a folder named by --weights-dir or {FOLDER_VARIABLE}"
        ) from None


def _published(file: WeightFile, name: str) -> tuple[str, ...]:
    return file.digests if name == file.name else file.alternatives.get(name, ())


def _refusal(path: Path, file: WeightFile, digests: tuple[str, ...]) -> str:
    if not digests:
        return (
            f"no digest of {path.name} is published, so {path} cannot be checked: put {file.name} there, "
            "which can be, or use --trust-weights"
        )
    return (
        f"{path} is not the official file (sha256 {_digests(path)['sha256']}, published "
        f"{', '.join(digests)}) and was left where it is: remove it, or use --trust-weights"
    )


def _digests(path: Path) -> dict[str, str]:
    """Both digests of a file's content, by kind."""
    try:
        facts = path.stat()
        return _digests_of_version(path, facts.st_size, facts.st_mtime_ns)
    except OSError as problem:
        raise Unavailable(f"{path} cannot be read ({problem.strerror})") from None


@functools.lru_cache(maxsize=64)
def _digests_of_version(path: Path, size: int, modified_ns: int) -> dict[str, str]:
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            sha256.update(block)
            blob.update(block)
    return {"sha256": sha256.hexdigest(), "gitblob": blob.hexdigest()}


def _matches(path: Path, published: tuple[str, ...]) -> bool:
    """Whether any published digest is the file's; a packing for which none was published passes."""
    found = _digests(path)
    pairs = [digest.split(":", 1) for digest in published]
    return any(found[kind].startswith(value.lower()) for kind, value in pairs)


def _download(file: WeightFile, *, trust: bool, quiet: bool) -> Path:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    part = _fetch(file, folder, quiet=quiet)
    try:
        if trust or not file.digests or _matches(part, file.digests):
            return part.replace(folder / file.name)
        found = _digests(part)["sha256"]
        aside = part.replace(folder / f"{file.name}.wrong-digest")
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    raise Unavailable(
        f"what {file.url} sent is not the official file (sha256 {found}, "
        f"published {', '.join(file.digests)}); it was kept as {aside}"
    )


def _fetch(file: WeightFile, folder: Path, *, quiet: bool) -> Path:
    """The whole file under a temporary name in `folder`, unchecked; nothing is left of half a file."""
    with _open(file.url) as response:
        handle, name = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".part", dir=folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                _copy(response, stream, file, quiet=quiet)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    return Path(name)


def _copy(response: Any, stream: IO[bytes], file: WeightFile, *, quiet: bool) -> None:
    from tqdm import tqdm

    promised = int(response.headers.get("Content-Length") or 0)
    received = 0
    with tqdm(total=promised or file.size, unit="B", unit_scale=True, desc=file.name, disable=quiet) as bar:
        while block := response.read(BLOCK_BYTES):
            stream.write(block)
            received += len(block)
            bar.update(len(block))
    if promised and received != promised:
        raise Unavailable(f"the download of {file.url} stopped after {received} of {promised} bytes")


def _open(url: str) -> Any:
    """An answered request; a host that is silent for `REACH_SECONDS` is not asked again in this process.

    The request runs in a thread of its own because a name server that hangs knows no timeout.
    """
    host = urlsplit(url).netloc
    if host in _unreachable:
        raise Unavailable(_unreachable[host])
    outcome: list[Any] = []

    def ask() -> None:
        """Note the answer, or the problem."""
        request = urllib.request.Request(url, headers={"User-Agent": "percept"})
        try:
            outcome.append(urllib.request.urlopen(request, timeout=REACH_SECONDS))
        except (OSError, ValueError, http.client.HTTPException) as problem:
            outcome.append(problem)

    thread = threading.Thread(target=ask, name=f"ask {host}", daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    answer = outcome[0] if outcome else TimeoutError(f"no answer within {REACH_SECONDS:g} s")
    if isinstance(answer, urllib.error.HTTPError):
        answer.close()
        raise Unavailable(f"{url} answered {answer.code} {answer.reason}")
    if isinstance(answer, Exception):
        _unreachable[host] = f"{host} cannot be reached ({getattr(answer, 'reason', None) or answer})"
        raise Unavailable(_unreachable[host])
    return answer
