"""Shows the page at an address of this machine, for those who work on a remote one.

    ssh -L 8000:127.0.0.1:8000 machine

Sounds are given in parts where a browser asks for a part: without that it can neither seek nor loop a long one.

Contents: `serve`, `server`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from percept.runner import say

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
"""By which a browser may ask, at any port: a tunnel's may differ. Another name that leads here by a trick may not."""
PORT = 8765
"""Taken where it is free: a browser keeps ratings by address, so the address should be the same next time."""
RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE)
"""One range. Who asks for several, or in another unit, is given the whole, as RFC 9110 allows."""


class Handler(SimpleHTTPRequestHandler):
    """Gives the page and the sounds it refers to, and nothing else of the folder they share."""

    def __init__(self, *arguments: object, allowed: frozenset[str], **options: object) -> None:
        self.allowed = allowed
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def send_head(self) -> Any:
        """The file, or the part of it that was asked for; None after a refusal.

        Refused is what the page does not refer to, and who asks for another machine.
        """
        name, _, port = self.headers.get("Host", "").strip().lower().partition(":")
        if name not in NAMES or not (port.isdigit() or not port):
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        path = self.translate_path(self.path)
        try:
            file = FileIO(path) if path in self.allowed else None
        except OSError:
            file = None
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return self._answered(file, os.fstat(file.fileno()))

    def _answered(self, file: FileIO, about: os.stat_result) -> _Part | None:
        """Send the head of the answer; gives what is to follow."""
        modified = self.date_time_string(about.st_mtime)
        whole = self.headers.get("If-Range", modified) != modified
        wanted = None if whole else _range(self.headers.get("Range", ""), about.st_size)
        if wanted is not None and not wanted:
            file.close()
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{about.st_size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        self.send_response(HTTPStatus.OK if wanted is None else HTTPStatus.PARTIAL_CONTENT)
        if wanted is not None:
            self.send_header("Content-Range", f"bytes {wanted.start}-{wanted.stop - 1}/{about.st_size}")
        part = range(about.st_size) if wanted is None else wanted
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", self.guess_type(self.path))
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Last-Modified", modified)
        self.end_headers()
        return _Part(file, part)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of single requests."""


class _Part:
    """These bytes of a file, to be read from the first to the last."""

    def __init__(self, file: FileIO, part: range) -> None:
        self.file, self.left = file, len(part)
        file.seek(part.start)

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`."""
        found = self.file.read(min(size, self.left))
        self.left -= len(found)
        return found

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _range(asked: str, size: int) -> range | None:
    """The bytes that a header asks for of so many: empty where there are none, None where the whole is to be given."""
    found = RANGE.fullmatch(asked.strip())
    first, last = found.groups() if found else ("", "")
    if not first and not last:
        return None
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)


class Server(ThreadingHTTPServer):
    """A thread a request."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has hung up: it does so on every seek."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def server(page: Path, sounds: Iterable[Path], port: int = 0) -> tuple[Server, str]:
    """A server of the page and its sounds on 127.0.0.1, not started yet, and the page's address.

    Paths are taken as they are written, links and all: so are those in the page.

    Args:
        page: the file to show.
        sounds: files that it refers to.
        port: 0: any that is free.
    """
    shown, *others = (Path(os.path.normpath(path.absolute())) for path in (page, *sounds))
    root = os.path.commonpath([path.parent for path in (shown, *others)])
    handler = partial(Handler, allowed=frozenset(map(str, (shown, *others))), directory=root)
    made = Server((HOST, port), handler)
    address = quote(shown.relative_to(root).as_posix())
    return made, f"http://{HOST}:{made.server_address[1]}/{address}"


def serve(page: Path, sounds: Iterable[Path]) -> None:
    """Show the page until Ctrl-C."""
    sounds = list(sounds)
    try:
        made, address = server(page, sounds, PORT)
    except OSError:
        made, address = server(page, sounds)
    say(f"{address} (Ctrl-C ends)")
    with made:
        try:
            made.serve_forever()
        except KeyboardInterrupt:
            say("")
