"""A terminal for a program under test: a pty of any size, what was written to it, and what it would show."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pyte

ROOT = Path(__file__).parents[2]
#: The keyboard protocol of kitty, which pyte does not know and would print.
_UNKNOWN = re.compile(rb"\x1b\[[<>=?][0-9;]*u")
#: All that steers a terminal and draws nothing.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|P[^\x1b]*\x1b\\|[()][0-9A-B]|[=>78cM])")


class Terminal:
    """Runs a program of the tests in a pty.

    Args:
        words: for ``tests/screens/terminal_program.py``.
        environment: what differs from a usual terminal's; None takes a variable away.
        size: columns and rows.
    """

    def __init__(
        self, *words: str, environment: Mapping[str, str | None] | None = None, size: tuple[int, int] = (80, 24)
    ) -> None:
        usual: dict[str, str | None] = {
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LC_ALL": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        chosen = {**usual, **(environment or {})}
        self.size = size
        self.written = b""
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = 0
        self._parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.line_before = termios.tcgetattr(child)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.screens.terminal_program", *words],
            stdin=child,
            stdout=child,
            stderr=child,
            cwd=ROOT,
            env={name: value for name, value in chosen.items() if value is not None},
            start_new_session=True,
        )
        self._child = child
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._child)
        self._reader.join(5)
        os.close(self._parent)

    @property
    def line_now(self) -> list[object]:
        """How the line is set (echo, whole lines, …), as :mod:`termios` says it."""
        return list(termios.tcgetattr(self._child))

    @property
    def text(self) -> str:
        """What the terminal shows now."""
        written = self.written
        # A sequence may have arrived in part: its rest comes with the next look.
        end = written.rfind(b"\x1b", max(0, len(written) - 32))
        end = len(written) if end < 0 or self.process.poll() is not None else end
        if end > self._fed:
            self._stream.feed(_UNKNOWN.sub(b"", written[self._fed : end]))
            self._fed = end
        return "\n".join(line.rstrip() for line in self._screen.display)

    def type(self, keys: str) -> None:
        """Presses keys."""
        os.write(self._parent, keys.encode())

    def wait_for(self, words: str, timeout_s: float = 30) -> None:
        """Until the terminal shows these words."""
        end = time.monotonic() + timeout_s
        while words not in self.text:
            assert time.monotonic() < end, f"waited for {words!r}; it shows:\n{self.text}"
            assert self.process.poll() is None, f"it ended:\n{self.written.decode(errors='replace')}"
            time.sleep(0.05)

    def wait_for_end(self, timeout_s: float = 30) -> int:
        """Until the program has ended and all it wrote was read; its exit code."""
        code = self.process.wait(timeout_s)
        end = time.monotonic() + 5
        size = -1
        while size != len(self.written) and time.monotonic() < end:
            size = len(self.written)
            time.sleep(0.1)
        return code

    def _read(self) -> None:
        try:
            while data := os.read(self._parent, 65536):
                self.written += data
        except OSError:  # the last one who had the terminal open has gone
            pass
