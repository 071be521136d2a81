"""Webservers that share uploads: the service's program as a process of its own, folders of the test, a real store.

The way to the store can be cut, and counts what is asked on it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from providers.bucket import Bucket
from state.clock import SystemClock, wait_until
from tests.object_store import ACCESS_KEY, SECRET_KEY

PREFIX = "/wp-content/uploads/"
#: What the issue promises; on a machine that does nothing else.
PROMISE_S = 5.0
_REQUEST = re.compile(rb"(?:^|\r\n\r\n|\n)(GET|PUT|HEAD|DELETE) (\S+) HTTP/1.1\r\n")


class Line:
    """Carries bytes to a store; :meth:`cut` ends all connections and takes no new ones."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (str(parts.hostname), int(parts.port or 0))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._ended = False
        self.whole = True
        self.asked: Counter[tuple[str, str]] = Counter()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        with suppress(OSError):
            socket.create_connection(self._listener.getsockname(), 1).close()
        self._thread.join()
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        self.whole = False
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.whole = True

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._ended or not self.whole:
                near.close()
                if self._ended:
                    return
                continue
            far = socket.create_connection(self._target)
            with self._lock:
                self._open |= {near, far}
            for source, sink, counted in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._carry, args=(source, sink, counted), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if counted:
                    for method, path in _REQUEST.findall(data):
                        self.asked[method.decode(), path.decode()] += 1
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            if source in self._open:
                self._open.discard(source)
        # each end is closed by the thread that reads from it
        source.close()


@dataclass
class Webserver:
    """One; its process runs from :meth:`start` to :meth:`stop` or :meth:`kill`."""

    name: str
    folder: Path
    endpoint_url: str
    bucket: str
    settings: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def start(self) -> Self:
        self.uploads.mkdir(parents=True, exist_ok=True)
        (self.folder / "key").write_text(SECRET_KEY.reveal())
        settings = {
            "store": {
                "endpoint_url": self.endpoint_url,
                "region": "us-east-1",
                "bucket": self.bucket,
                "access_key": ACCESS_KEY,
                "secret_file": str(self.folder / "key"),
            },
            "folder": str(self.uploads),
            "state": str(self.folder / "state"),
            "socket": str(self.folder / "s"),
            "socket_group": "",
            "owner": "",
            "prefix": PREFIX,
            "poll_s": 0.5,
            "compare_s": 600.0,
            "fetch_ahead_mib": 100,
            **self.settings,
        }
        (self.folder / "settings.json").write_text(json.dumps(settings))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._argv("serve"), env=self._environment, stdin=subprocess.DEVNULL, stderr=log
            )
        wait_until(f"the service of {self.name}", self._answers, timeout_s=20, clock=SystemClock())
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            self.process = None

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another command of the program, as recipes and cron give it."""
        return subprocess.run(
            self._argv(*words), env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )

    def write(self, name: str, content: bytes) -> None:
        path = self.uploads / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def ask(self, path: str) -> tuple[int, str]:
        """What nginx gets: the status, and where it finds the file."""
        connection = http.client.HTTPConnection("uploads", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.sock.connect(str(self.folder / "s"))
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("X-Accel-Redirect", "")
        finally:
            connection.close()

    def has(self, name: str, content: bytes) -> bool:
        with suppress(OSError):
            return (self.uploads / name).read_bytes() == content
        return False

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log[-3000:]
        with suppress(OSError):
            return self.ask("/state")[0] == 200
        return False

    def _argv(self, *words: str) -> list[str]:
        return [
            sys.executable,
            "-c",
            "import sys; from recipes.uploading.service import main; sys.exit(main(sys.argv[1:]))",
            *words,
        ]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "BUILDYARD_UPLOADS": str(self.folder / "settings.json")}


def soon(what: str, true: Any, timeout_s: float = 30.0) -> None:
    """Longer than promised: other tests run beside this one."""
    wait_until(what, true, timeout_s=timeout_s, clock=SystemClock(), longest_s=0.1)


def uploads_in(bucket: Bucket) -> set[str]:
    return {key for key in bucket.keys() if not key.startswith(".")}  # noqa: SIM118 - no dict
