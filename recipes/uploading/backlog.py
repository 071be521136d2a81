"""Names that wait to be worked on, each once; one that failed waits longer each time."""

from __future__ import annotations

import threading
import time

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0


class Backlog:
    """Filled and emptied by many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[str, float] = {}
        self._since: dict[str, float] = {}
        self._delays: dict[str, float] = {}
        self._busy: dict[str, int] = {}
        self._ended = False

    def add(self, name: str) -> None:
        """It is due now."""
        with self._changed:
            self._since.setdefault(name, time.monotonic())
            self._due[name] = 0.0
            self._changed.notify()

    def take(self) -> str | None:
        """The next that is due; waits for one; None after the end. :meth:`done` or :meth:`failed` follows."""
        with self._changed:
            while not self._ended:
                now = time.monotonic()
                name = next((each for each, due in self._due.items() if due <= now), None)
                if name is not None:
                    del self._due[name]
                    self._busy[name] = self._busy.get(name, 0) + 1
                    return name
                self._changed.wait(min(self._due.values()) - now if self._due else None)
        return None

    def done(self, name: str) -> None:
        """It was worked on."""
        with self._changed:
            self._left(name)
            self._delays.pop(name, None)
            if name not in self._due and name not in self._busy:
                self._since.pop(name, None)

    def failed(self, name: str) -> None:
        """It is to be tried once more."""
        with self._changed:
            self._left(name)
            delay = self._delays.get(name, _FIRST_DELAY_S)
            self._delays[name] = min(2 * delay, _LONGEST_DELAY_S)
            self._due.setdefault(name, time.monotonic() + delay)
            self._changed.notify()

    def waiting(self) -> tuple[int, float]:
        """How many there are, those in work among them, and for how many seconds the oldest waits."""
        with self._changed:
            oldest = min(self._since.values(), default=time.monotonic())
            return len(self._since), time.monotonic() - oldest

    def end(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _left(self, name: str) -> None:
        self._busy[name] -= 1
        if not self._busy[name]:
            del self._busy[name]
