"""So many requests an hour, as the vendor counts them."""

from __future__ import annotations

import threading
from collections import deque

from state.clock import Clock

_WINDOW_S = 3600.0


class RateLimit:
    """A window of one hour that slides.

    Args:
        limit: requests in one hour.
        clock: where time comes from.
        refuse_every: refuses each so-manieth request, "again in a second"; 0 for none.
    """

    def __init__(self, limit: int, clock: Clock, *, refuse_every: int = 0) -> None:
        self._limit = limit
        self._clock = clock
        self._refuse_every = refuse_every
        self._count = 0
        self._seen: deque[float] = deque()
        self._lock = threading.Lock()

    def admit(self) -> bool:
        """Counts a request; False when it is one too many."""
        now = self._clock.now()
        with self._lock:
            self._count += 1
            if self._refuse_every and self._count % self._refuse_every == 0:
                return False
            while self._seen and self._seen[0] <= now - _WINDOW_S:
                self._seen.popleft()
            if len(self._seen) >= self._limit:
                return False
            self._seen.append(now)
            return True

    def wait_s(self) -> int:
        """Seconds until one more is admitted."""
        if len(self._seen) < self._limit:
            return 1
        return max(1, round(self._reset() - self._clock.now()))

    def headers(self) -> dict[str, str]:
        """The vendor's three headers."""
        return {
            "ratelimit-limit": str(self._limit),
            "ratelimit-remaining": str(max(0, self._limit - len(self._seen))),
            "ratelimit-reset": str(int(self._reset())),
        }

    def _reset(self) -> float:
        with self._lock:
            return (self._seen[0] if self._seen else self._clock.now()) + _WINDOW_S
