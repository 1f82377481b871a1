"""A page on this machine alone, made anew when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from optiproxy.errors import OptiProxyError, invalid

# Seconds after which a browser asks again.
REFRESH = 5
LOOPBACK = "127.0.0.1"


class PageServer(ThreadingHTTPServer):
    """Serves one page under ``/`` on the loopback interface; ``serve_forever`` runs it.

    Args:
        port: Where it listens; 0 for any free one.
        make: Returns the page, and whether it will change.

    Raises:
        InvalidValueError: The port can't be used.
    """

    daemon_threads = True  # An open connection of a browser must not keep the command from ending.

    def __init__(self, port: int, make: Callable[[], tuple[str, bool]]) -> None:
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            raise invalid("port", port, f"give a free one, or 0 for any ({error})") from None
        self._make = make
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/"

    def page(self) -> tuple[str, bool]:
        """What is served; one request at a time, since a study is no object for threads."""
        with self._lock:
            return self._make()


class _Handler(BaseHTTPRequestHandler):
    server_version = "optiproxy"
    sys_version = ""

    def do_GET(self) -> None:
        server = cast(PageServer, self.server)
        # A page elsewhere whose name resolves to this machine must not read it.
        if self.headers.get("Host", "").partition(":")[0] not in (LOOPBACK, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        if self.path.partition("?")[0] != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            text, changes = server.page()
        except (OptiProxyError, OSError) as error:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, explain=str(error))
            return
        content = text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if changes:
            self.send_header("Refresh", str(REFRESH))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the terminal is the user's."""
