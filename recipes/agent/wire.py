"""What the agent reads and says: frames to the build machine, lines of its children, both bounded."""

from __future__ import annotations

import json
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LINE_LIMIT = 2000  # characters of one line that are kept
TAIL_LINES = 20  # lines of output that a failure shows
TEXT_LIMIT = 262_144  # bytes of output that are kept for comparing
DIFF_LIMIT = 8000  # characters of a diff
BURST_LINES = 40  # lines in one output frame
BURST_S = 0.1  # at most one output frame in this time
STALL_S = 30.0  # a build machine that takes no frame for so long is gone


class Frames:
    """Sends one JSON object a line; gathers small ones until ``flush``."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.gone = False
        self.waiting: list[bytes] = []

    def add(self, **frame: Any) -> None:
        self.waiting.append(json.dumps(frame).encode() + b"\n")

    def flush(self) -> None:
        data = b"".join(self.waiting)
        self.waiting.clear()
        poller = select.poll()
        poller.register(self.fd, select.POLLOUT)
        while data and not self.gone:
            if not poller.poll(STALL_S * 1000):
                self.gone = True
                return
            try:
                # no more than a pipe takes at once, or the write blocks although poll said it would not
                data = data[os.write(self.fd, data[:4096]) :]
            except OSError:
                self.gone = True


class Lines:
    """Cuts a stream of bytes into bounded lines."""

    def __init__(self) -> None:
        self.kept = b""
        self.partial = b""

    def feed(self, data: bytes) -> list[str]:
        if len(self.kept) < TEXT_LIMIT:
            self.kept += data[: TEXT_LIMIT - len(self.kept)]
        *whole, last = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if whole:
            whole[0] = self.partial + whole[0]
            self.partial = last[: 4 * LINE_LIMIT]
        elif len(self.partial) < 4 * LINE_LIMIT:
            self.partial += last[: 4 * LINE_LIMIT]
        return [clean(line) for line in whole]

    def rest(self) -> list[str]:
        last, self.partial = self.partial, b""
        return [clean(last)] if last else []


def clean(line: bytes) -> str:
    """The line as text, at most LINE_LIMIT long."""
    text = line[: 4 * LINE_LIMIT].decode("utf-8", "replace")
    return text if len(text) <= LINE_LIMIT else text[:LINE_LIMIT] + " …"


class Result:
    """How a command ended: exit code (negative: signal), standard output (bounded), last lines of all output."""

    def __init__(self, code: int, text: str, tail: str) -> None:
        self.code = code
        self.text = text
        self.tail = tail
