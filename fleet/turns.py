"""Whose turn it is: several builds at once in one process work on a machine one after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fleet.graph import Action


class Turns:
    """A lock for each machine, and one for each thing of the cloud that an action is about.

    What an action does follows from the fleet record as it is when its turn comes: of two that came after each other
    the second knows what the first one knew, and does not undo it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    @contextmanager
    def of(self, action: Action) -> Iterator[None]:
        """Waits for the action's turn, and keeps it as long as the ``with`` lasts."""
        with self._lock:
            lock = self._locks.setdefault(action.machine or action.id, threading.Lock())
        with lock:
            yield
