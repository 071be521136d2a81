"""What was heard of the autoscaler so far, shared by the thread that follows it and whoever shows it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from fleet.autoscaler.watched import Watched
from fleet.autoscaler.watching import Watching
from state.journal import parse_line
from state.printable import printable


@dataclass(frozen=True, slots=True)
class Connection:
    """How the following goes.

    Attributes:
        words: the machine that is listened to, or what is waited for.
        live: what was heard is true now.
    """

    words: str = "connecting"
    live: bool = False


class Heard:
    """Hears a journal (:class:`fleet.autoscaler.following.Hears`); any thread may ask what is known."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watching = Watching()
        self._connection = Connection()
        self._events = 0
        self._told = -1

    def follows(self, machine: str) -> None:
        """Another journal begins, or the same one from its beginning."""
        with self._lock:
            self._watching.follows(machine)

    def line(self, line: bytes) -> None:
        """A line of it; torn ones, and kinds this program does not know, are passed over."""
        event = parse_line(line)
        if event is not None:
            with self._lock:
                self._watching.apply(event)
                self._events += 1

    def stands(self, words: str, *, live: bool) -> None:
        """How the following goes."""
        with self._lock:
            self._connection = Connection(" ".join(printable(words).split()), live)
            self._events += 1

    @property
    def connection(self) -> Connection:
        """How the following goes now."""
        with self._lock:
            return self._connection

    def news(self) -> Watched | None:
        """What is known now; None when nothing came since this was asked last."""
        with self._lock:
            if self._told == self._events:
                return None
            self._told = self._events
            return self._watching.watched()
