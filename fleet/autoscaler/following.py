"""The leader's journal as it is written, over one SSH connection to whoever leads; when that one dies, to the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from recipes.ssh import Completed
from state.clock import Clock
from state.errors import BuildyardError, StateError, Stopped

#: Where the service keeps its journal on its machine.
JOURNAL_FILE = "/var/lib/buildyard/autoscaler/journal/journal.jsonl"
#: So much of what was written before is read first: about an hour, with thirty webservers.
HISTORY_BYTES = 8_000_000
#: A leader writes every ten seconds; after so much silence it is asked who leads.
SILENT_S = 25.0
#: And again after so long, while the silence lasts.
ASK_AGAIN_S = 5.0
#: Between two attempts.
RETRY_S = 3.0


class Talks(Protocol):
    """A connection that is good for one program: :class:`recipes.ssh.Link`."""

    def talk(
        self,
        argv: tuple[str, ...],
        on_line: Callable[[bytes], None],
        *,
        take: Callable[[], bytes],
        cancel: threading.Event,
        as_root: bool = False,
    ) -> Completed:
        """Runs it; see :meth:`recipes.ssh.Link.talk`."""

    def close(self) -> None:
        """Ends the connection."""


@dataclass(frozen=True, slots=True)
class Leaders:
    """How the leader is found and reached.

    Attributes:
        who: name of the machine that leads, as the state bucket has it; raises a BuildyardError when that cannot be
            known. Its own deadlines hold.
        connect: to the machine of that name; raises a BuildyardError after its own deadline (20 s).
    """

    who: Callable[[], str]
    connect: Callable[[str], Talks]


class Hears(Protocol):
    """Who is told; every call comes from the thread that follows."""

    def follows(self, machine: str) -> None:
        """The lines from now on are of that machine's journal, from its oldest kept line on."""

    def line(self, line: bytes) -> None:
        """A line of the journal."""

    def stands(self, words: str, *, live: bool) -> None:
        """How the following goes; ``live``: what was heard is true now."""


class _Moved(Exception):
    """Another machine leads."""


def follow(leaders: Leaders, hears: Hears, stop: threading.Event, clock: Clock) -> None:
    """Follows until ``stop`` is set; whatever fails is told and tried again.

    Args:
        leaders: how the leader is found.
        hears: who is told.
        stop: set when nobody watches any more.
        clock: its ``sleep`` ends when ``stop`` is set.
    """
    known = ""
    while not stop.is_set():
        try:
            hears.stands("asking the state bucket who leads", live=False)
            known = _who(leaders, known)
            hears.stands(f"connecting to {known}", live=False)
            link = leaders.connect(known)
            try:
                _Listening(known, leaders, hears, stop, clock).listen(link)
            finally:
                link.close()
        except Stopped:
            return
        except BuildyardError as problem:
            hears.stands(f"{problem.summary} Trying again in {RETRY_S:g} s.", live=False)
            if stop.wait(RETRY_S):
                return


def _who(leaders: Leaders, known: str) -> str:
    """Who leads; whoever did, while the state bucket is away."""
    try:
        return leaders.who()
    except Stopped:
        raise
    except BuildyardError:
        if not known:
            raise
        return known


class _Listening:
    """One connection's time."""

    def __init__(self, machine: str, leaders: Leaders, hears: Hears, stop: threading.Event, clock: Clock) -> None:
        self._machine, self._leaders, self._hears, self._stop, self._clock = machine, leaders, hears, stop, clock
        self._heard_at = clock.monotonic()
        self._ask_at = self._heard_at + SILENT_S
        self._is_live = False

    def listen(self, link: Talks) -> None:
        """Reads until another leads, the connection is lost or nobody watches any more.

        Raises:
            BuildyardError: the connection is lost, or the journal cannot be read.
        """
        self._hears.follows(self._machine)
        self._hears.stands(f"reading what {self._machine} wrote before", live=False)
        # By name, so that a journal that was put aside is left for the new one.
        words = ("tail", "-c", str(HISTORY_BYTES), "-F", JOURNAL_FILE)
        try:
            ended = link.talk(words, self._line, take=self._look_up, cancel=self._stop, as_root=True)
        except _Moved:
            return
        said = ended.stderr.decode(errors="replace").strip()
        raise StateError(f"The journal on {self._machine} cannot be read any more.", detail=said)

    def _line(self, line: bytes) -> None:
        self._heard_at = self._clock.monotonic()
        self._ask_at = self._heard_at + SILENT_S
        self._hears.line(line)
        if not self._is_live:
            self._is_live = True
            self._hears.stands(self._machine, live=True)

    def _look_up(self) -> bytes:
        """Asked several times a second while the connection stands: is there still somebody who leads here?"""
        now = self._clock.monotonic()
        if now < self._ask_at:
            return b""
        self._ask_at = now + ASK_AGAIN_S
        self._is_live = False
        silent = f"{self._machine} has written nothing for {now - self._heard_at:.0f} s"
        try:
            leads = self._leaders.who()
        except BuildyardError as problem:
            self._hears.stands(f"{silent}; who leads cannot be asked: {problem.summary}", live=False)
            return b""
        if leads != self._machine:
            raise _Moved
        self._hears.stands(f"{silent}, and nobody else leads", live=False)
        return b""
