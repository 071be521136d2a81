"""Buildyard in a real terminal of 80 columns and 24 lines, used by keys alone: tmux shows what a person would see."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from state.clock import SystemClock, wait_until
from state.errors import DeadlineExceeded

CLOCK = SystemClock()


class Terminal:
    """One terminal with one program in it; ended with all that runs in it.

    Args:
        words: the program's, after ``python -m buildyard``.
        environment: of the program.
        columns, lines: its size.
    """

    def __init__(
        self, words: tuple[str, ...], environment: Mapping[str, str], columns: int = 80, lines: int = 24
    ) -> None:
        self._words = words
        self._environment = environment
        self._size = (str(columns), str(lines))
        self._folder = tempfile.TemporaryDirectory(prefix="buildyard-terminal-")
        self._socket = str(Path(self._folder.name) / "tmux")
        self._ended = Path(self._folder.name) / "exit-code"

    def __enter__(self) -> Self:
        settings = [f"{name}={value}" for name, value in self._environment.items()]
        # tmux does not always learn how its program ended, so a shell writes it down.
        note = ["sh", "-c", '"$@"; echo $? >"$0"', str(self._ended)]
        program = [*note, "env", "-i", *settings, "TERM=tmux-256color", sys.executable, "-m", "buildyard", *self._words]
        columns, lines = self._size
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "one", "-x", columns, "-y", lines, *program)
        self._tmux("set-option", "-t", "one", "remain-on-exit", "on")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"On the terminal:\n{self.text()}")
        self.close()
        self._folder.cleanup()

    def close(self) -> None:
        """The window is closed: the program hears SIGHUP."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)

    def keys(self, *keys: str) -> None:
        """Presses keys, by tmux's names (``Enter``, ``Down``, ``C-j``, ``a``)."""
        self._tmux("send-keys", "-t", "one", *keys)

    def type(self, text: str) -> None:
        """Types a text."""
        self._tmux("send-keys", "-t", "one", "-l", text)

    def text(self) -> str:
        """What is on the screen."""
        done = subprocess.run(
            ["tmux", "-S", self._socket, "capture-pane", "-p", "-t", "one"], capture_output=True, text=True, check=False
        )
        return done.stdout

    def wait_for(self, pattern: str, timeout_s: float = 30) -> str:
        """Waits until the screen shows something (a regular expression); returns the screen."""
        seen = ""

        def shown() -> bool:
            nonlocal seen
            seen = self.text()
            return re.search(pattern, seen) is not None

        try:
            wait_until(
                f"{pattern!r} on the screen", shown, timeout_s=timeout_s, clock=CLOCK, first_s=0.05, longest_s=0.3
            )
        except DeadlineExceeded as late:
            raise AssertionError(f"{late.summary}\n{seen}") from late
        return seen

    def wait_for_end(self, timeout_s: float = 30) -> int:
        """Waits until the program has ended; its exit code."""

        def ended() -> str | None:
            return self._ended.read_text().strip() or None if self._ended.exists() else None

        return int(wait_until("the program to end", ended, timeout_s=timeout_s, clock=CLOCK, first_s=0.05))

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout
