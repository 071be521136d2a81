"""What a program leaves behind of its secrets where others can read."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from state.secret import Secret, forms_of

HOUSE = Path(__file__).resolve().parents[2]


class Watcher:
    """What :mod:`tests.journeys.watching` sees while this is entered.

    Attributes:
        seen: command lines and environments.
        samples, seconds: how often it looked, and for how long.
    """

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.samples = 0
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="buildyard-watch-")
        self._out = Path(self._folder.name, "seen")
        words = [sys.executable, "-m", "tests.journeys.watching", str(self._out)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(words, cwd=HOUSE, **pipes)  # type: ignore[call-overload]
        self._reader = threading.Thread(target=self._count, daemon=True)
        self._taken = threading.Condition()
        self._reader.start()
        self.wait_for_samples(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._reader.join(timeout=10)
        self._process.stdout.close()
        # written a line above by our own process
        self.seen, self.samples, self.seconds = pickle.loads(self._out.read_bytes())
        self._folder.cleanup()

    def wait_for_samples(self, more: int) -> None:
        """Waits until it has looked so many times from now on, ten seconds at most."""
        with self._taken:
            enough = self.samples + more
            assert self._taken.wait_for(lambda: self.samples >= enough, timeout=10)

    def _count(self) -> None:
        for _ in self._process.stdout:
            with self._taken:
                self.samples += 1
                self._taken.notify_all()


def leaks(secrets: dict[str, Secret], texts: Iterable[tuple[str, bytes]]) -> list[str]:
    """Which secret stands where, in any of its spellings.

    Args:
        secrets: by name.
        texts: place and content.
    """
    forms = [(name, form.encode()) for name, secret in secrets.items() for form in forms_of(secret.reveal())]
    return [f"{name} in {place}" for place, text in texts for name, form in forms if form in text]


def files_below(folder: Path, without: tuple[str, ...] = ()) -> Iterable[tuple[str, bytes]]:
    """Every file there, but those of these names."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in without:
            yield str(path.relative_to(folder)), path.read_bytes()
