"""Shows the page at an address of this machine, for those who work on a remote one.

    ssh -L 8000:127.0.0.1:8000 machine

Contents: `serve`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from percept.runner import say

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
"""By which a browser may ask, at any port: a tunnel's may differ. Another name that leads here by a trick may not."""
PORT = 8765
"""Taken where it is free: a browser keeps ratings by address, so the address should be the same next time."""


class Handler(SimpleHTTPRequestHandler):
    """Gives the page and the sounds it refers to, and nothing else of the folder they share."""

    def __init__(self, *arguments: object, allowed: frozenset[Path], **options: object) -> None:
        self.allowed = allowed
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def send_head(self) -> Any:
        """Refuse what the page does not refer to, and who asks for another machine."""
        if self.headers.get("Host", "").rpartition(":")[0] not in NAMES:
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        if Path(self.translate_path(self.path)).resolve() not in self.allowed:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of single requests."""


def server(page: Path, sounds: Iterable[Path], port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """A server of the page and its sounds on 127.0.0.1, not started yet, and the page's address.

    Args:
        page: the file to show.
        sounds: files that it refers to.
        port: 0: any that is free.
    """
    allowed = frozenset(path.resolve() for path in (page, *sounds))
    root = Path(os.path.commonpath([path.parent for path in allowed]))
    handler = partial(Handler, allowed=allowed, directory=str(root))
    made = ThreadingHTTPServer((HOST, port), handler)
    address = quote(page.resolve().relative_to(root).as_posix())
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
