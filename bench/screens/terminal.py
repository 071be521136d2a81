"""A terminal of our own around a program: writes keys, writes down when which bytes came back."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Terminal:
    """A program in a pseudo terminal.

    Attributes:
        chunks: (when, bytes) as they came; seconds of the monotonic clock.
    """

    pid: int
    descriptor: int
    started_at: float
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    ended: bool = False

    def wait(self, seconds: float) -> None:
        """Listens for that long."""
        end = time.monotonic() + seconds
        while not self.ended and (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self.descriptor], [], [], left)
            if ready:
                self._read()

    def wait_for(self, text: bytes, timeout_s: float = 30) -> float:
        """Listens until that text came.

        Returns:
            Seconds since the program was started.
        """
        seen, end = b"", time.monotonic() + timeout_s
        while time.monotonic() < end and not self.ended:
            ready, _, _ = select.select([self.descriptor], [], [], 0.5)
            if ready:
                self._read()
                seen = seen[-len(text) :] + self.chunks[-1][1]
                if text in seen:
                    return self.chunks[-1][0] - self.started_at
        raise TimeoutError(f"waited for {text!r}; the last that came: {self.text()[-2000:]!r}")

    def press(self, key: bytes) -> float:
        """Writes a key; returns when."""
        at = time.monotonic()
        os.write(self.descriptor, key)
        return at

    def text(self) -> str:
        """All that came."""
        return b"".join(data for _, data in self.chunks).decode(errors="replace")

    def rss_mib(self) -> float:
        """The memory it has now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return round(int(line.split()[1]) / 1024, 1)
        return 0.0

    def end(self) -> None:
        """Ends the program, whatever it does."""
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.ended = True
        os.close(self.descriptor)

    def leave(self, key: bytes, timeout_s: float = 10) -> None:
        """Writes a key and waits until the program has ended by itself."""
        self.press(key)
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            self.wait(0.1)
            if self.ended or os.waitpid(self.pid, os.WNOHANG)[0]:
                self.ended = True
                return

    def _read(self) -> None:
        try:
            data = os.read(self.descriptor, 1 << 16)
        except OSError:  # the other side is closed
            data = b""
        if data:
            self.chunks.append((time.monotonic(), data))
        elif os.waitpid(self.pid, 0)[0]:
            self.ended = True


def open_terminal(module: str, words: Sequence[str], *, home: str = "", columns: int = 160, rows: int = 48) -> Terminal:
    """Starts ``python -m module`` in a terminal of that size, with an own BUILDYARD_HOME where one is given."""
    command = [sys.executable, "-P", "-m", module, *words]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TEXTUAL", "BUILDYARD"))},
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        **({"BUILDYARD_HOME": home} if home else {}),
    }
    started_at = time.monotonic()
    pid, descriptor = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.execve(command[0], command, environment)
    return Terminal(pid, descriptor, started_at)
