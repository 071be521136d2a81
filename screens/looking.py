"""Which deployments are looked at, when, and what was seen: the dashboard's memory, without a screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from state.errors import BuildyardError, PassphraseMissing
from state.printable import printable
from state.runs import Run, RunState

if TYPE_CHECKING:
    # Not at run time: fleet brings SSH along, which takes longer to load than the first screen to draw.
    from fleet.status import Status
    from screens.backend import Card

#: A look asks every machine over SSH: more than this many at a time would only slow each other down.
MOST_AT_A_TIME = 2
#: What is shown is looked at again after this long.
EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A deployment and what is known about it now.

    Attributes:
        status: of the last look that succeeded.
        status_at: when that was, seconds since the epoch.
        problem: why the last look failed; None when it did not.
        tried_at: when the last look ended, well or not.
        looking: a look is under way.
    """

    card: Card
    status: Status | None = None
    status_at: float = 0.0
    problem: BuildyardError | None = None
    tried_at: float | None = None
    looking: bool = False

    @property
    def running(self) -> Run | None:
        """The run that goes on now."""
        return next((run for run in self.card.runs if run.state is RunState.RUNNING), None)

    @property
    def locked(self) -> bool:
        """It cannot be looked at before the passphrase is known."""
        return isinstance(self.problem, PassphraseMissing)

    @property
    def destroyed(self) -> Run | None:
        """The run that destroyed it, when that was the last thing that happened to it."""
        newest = self.card.runs[0] if self.card.runs else None
        return newest if newest and newest.command == "destroy" and newest.state is RunState.DONE else None


class Looking:
    """All deployments of this build machine, and whose turn it is. Belongs to the screen's thread."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}
        self._wanted: set[str] = set()

    @property
    def all(self) -> tuple[Seen, ...]:
        """In the order of the cards."""
        return tuple(self._seen.values())

    def of(self, name: str) -> Seen | None:
        """One of them."""
        return self._seen.get(name)

    def cards_came(self, cards: Iterable[Card]) -> None:
        """Takes what is there now; what a run has changed is to be looked at again."""
        before, self._seen = self._seen, {}
        for card in cards:
            seen = before.get(card.name, Seen(card))
            if _states(seen.card) != _states(card):
                self.want(card.name)
            if not card.built:
                seen = Seen(card, looking=seen.looking)
            self._seen[card.name] = replace(seen, card=card)

    def want(self, name: str) -> None:
        """Look at it as soon as there is a place, however fresh the last look is."""
        self._wanted.add(name)

    def turn(self, shown: Iterable[str], now: float) -> tuple[str, ...]:
        """Begins looks: marks and returns the names whose turn it is.

        Args:
            shown: what a person sees now; only these are looked at by themselves.
            now: seconds since the epoch.
        """
        free = MOST_AT_A_TIME - sum(seen.looking for seen in self._seen.values())
        waiting = [name for name in dict.fromkeys((*self._wanted, *shown)) if self._is_due(name, now)]
        begun = tuple(sorted(waiting, key=self._age)[: max(0, free)])
        for name in begun:
            self._wanted.discard(name)
            self._seen[name] = replace(self._seen[name], looking=True)
        return begun

    def came(self, name: str, status: Status, now: float) -> None:
        """A look succeeded."""
        if name in self._seen:
            self._seen[name] = Seen(self._seen[name].card, _safe(status), now, None, now)

    def failed(self, name: str, problem: BuildyardError, now: float) -> None:
        """A look failed; what was seen before stays, with its age."""
        if name in self._seen:
            self._seen[name] = replace(self._seen[name], problem=problem, tried_at=now, looking=False)

    def _is_due(self, name: str, now: float) -> bool:
        seen = self._seen.get(name)
        if seen is None or seen.looking or not seen.card.built:
            return False
        if name in self._wanted or seen.tried_at is None:
            return True
        # Without a passphrase every look fails at once: only the user's wish tries again.
        return not seen.locked and now - seen.tried_at >= EVERY_S

    def _age(self, name: str) -> tuple[bool, float]:
        return name not in self._wanted, self._seen[name].tried_at or 0.0


def _states(card: Card) -> tuple[tuple[str, RunState], ...]:
    return tuple((run.id, run.state) for run in card.runs)


def _safe(status: Status) -> Status:
    """Without what would steer the terminal: reasons quote machines and pages."""
    machines = tuple(
        replace(machine, state=printable(machine.state), reason=printable(machine.reason))
        for machine in status.machines
    )
    return replace(status, reason=printable(status.reason), machines=machines)
