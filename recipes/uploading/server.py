"""The door of the service: a unix socket, on which nginx asks for an upload that is not on the disk."""

from __future__ import annotations

import grp
import json
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from .store import StoreAway
from .sync import Sync

#: Visitors' requests that are worked on at once; more wait.
_AT_ONCE = 32
_PATIENCE_S = 30.0
#: Where nginx finds a fetched file, for itself only; see recipes/files/nginx-site.conf.
FETCHED = "/buildyard-fetched/"


class Server:
    """Answers while :meth:`run` does.

    Args:
        path: of the socket.
        group: who may connect beside its owner; "" for nobody.
        prefix: what the paths of uploads begin with ("/wp-content/uploads/").
        sync: fetches.
        state: what ``/state`` answers; ``/look`` the same after looking at all files.
        say: takes a line for the log.
    """

    def __init__(
        self,
        path: str,
        group: str,
        prefix: str,
        sync: Sync,
        state: Callable[[], dict[str, Any]],
        say: Callable[[str], None],
    ) -> None:
        self._prefix, self._sync, self._state, self._say = prefix, sync, state, say
        with suppress(FileNotFoundError):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(path)
        os.chmod(path, 0o660)
        if group:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
        self._socket.listen(512)
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._ended = threading.Event()

    def run(self) -> None:
        """Until :meth:`stop`."""
        with self._pool:
            while not self._ended.is_set():
                try:
                    visitor, _ = self._socket.accept()
                except OSError:
                    if self._ended.is_set():
                        return
                    raise
                self._pool.submit(self._serve, visitor)

    def stop(self) -> None:
        self._ended.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self, visitor: socket.socket) -> None:
        with visitor, suppress(OSError):
            visitor.settimeout(_PATIENCE_S)
            server = self

            class Handler(BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.0"

                def do_GET(self) -> None:
                    status, headers, text = server._answer(self.path)
                    self.send_response(status)
                    for key, value in headers.items():
                        self.send_header(key, value)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    if self.command == "GET":
                        self.wfile.write(text)

                def do_HEAD(self) -> None:
                    self.do_GET()

                def log_message(self, *_: Any) -> None:
                    """nginx writes down who asked."""

                def address_string(self) -> str:
                    return "nginx"

            Handler(visitor, ("nginx", 0), self)  # type: ignore[arg-type]

    def _answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        path = path.partition("?")[0]
        if path in ("/state", "/look"):
            if path == "/look":
                self._sync.look_below()
            return 200, {"Content-Type": "application/json"}, json.dumps(self._state()).encode()
        if not path.startswith(self._prefix):
            return 404, {}, b""
        try:
            name = unquote_to_bytes(path[len(self._prefix) :]).decode()
            there = self._sync.miss(name)
        except UnicodeDecodeError:
            return 404, {}, b""
        except (StoreAway, OSError) as problem:
            self._say(f"{path} cannot be fetched: {problem}")
            return 503, {"Retry-After": "5", "Cache-Control": "no-store"}, b""
        if not there:
            return 404, {"Cache-Control": "no-store"}, b""
        return 200, {"X-Accel-Redirect": FETCHED + quote(name)}, b""
