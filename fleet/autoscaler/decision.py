"""What a decision says: one act on one webserver, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What is to be done. An act is decided anew each time until the view shows that it was done."""

    BUILD = "build"  # a webserver more, or one in the place of another
    ENTER_DNS = "enter-dns"  # it serves: visitors may come
    LEAVE_DNS = "leave-dns"  # no visitors while it is ill; it may come back
    DRAIN = "drain"  # it shall go: out of DNS for good
    DESTROY = "destroy"  # it has left, and its last visitors too


@dataclass(frozen=True, slots=True)
class Decision:
    """One act.

    Attributes:
        machine: whom it is about; "" for a build (the slot is chosen by who carries it out).
        reason: one sentence for a person, with the figures that led to it.
        replaces: a build's: name of the webserver whose place it takes.
    """

    act: Act
    machine: str
    reason: str
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Decisions:
    """All of one moment.

    Attributes:
        wanted: webservers wanted, within all limits.
        reason: why so many.
        acts: in the order in which they matter; empty when all is as it shall be.
        held_back: sentences: what would have been done and why it is not (cooldown, cap, protection, database, prober).
        recommended: what the load rules want now, before all limits; None without load rules. To be remembered, see
            :func:`fleet.autoscaler.load.remember`.
        paused: the owner paused it: the acts are told, none may be carried out.
    """

    wanted: int
    reason: str
    acts: tuple[Decision, ...] = ()
    held_back: tuple[str, ...] = ()
    recommended: int | None = None
    paused: bool = False


def gist(decisions: Decisions) -> tuple[object, ...]:
    """What a decision says without its figures, which change each second."""
    acts = [(decision.act, decision.machine, decision.replaces) for decision in decisions.acts]
    held_back = [re.sub(r"\d+(\.\d+)?", "0", sentence) for sentence in decisions.held_back]
    return (decisions.wanted, decisions.paused, acts, held_back)
