"""Is a webserver ill, and is it really the webserver: what the looks of all probers together say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fleet.autoscaler.view import Observation, Outcome, Phase, View, WebserverView
from state.printable import printable

#: A prober says "ill" when so many of its last so many looks failed, and "well" when so many of the last were good.
LOOKS = 5
FAILED_LOOKS = 3
GOOD_LOOKS = 3
#: A look older than this says nothing about now (four looks were missed).
STALE_LOOK_S = 20.0
#: Clocks of two machines differ; a look further in the future than this comes from a clock that is wrong.
SKEW_S = 5.0
#: What a webserver says of its load holds for so long.
STALE_LOAD_S = 60.0
#: Below this a root disk counts as full: services cannot write, though root still can.
FULL_DISK_PERCENT = 1.0

_WORDS = {
    Outcome.OK: "well",
    Outcome.REFUSED: "connections are refused",
    Outcome.SILENT: "it is silent",
    Outcome.UNREACHABLE: "there is no route to it",
    Outcome.HTTP_ERROR: "HTTP error",
    Outcome.SLOW: "it is slow",
    Outcome.WRONG_CONTENT: "wrong content",
    Outcome.CERTIFICATE: "its certificate is not accepted",
    Outcome.DATABASE: "it does not reach its database",
    Outcome.DISK_FULL: "its disk is full",
}
#: Where the detail says which of several things it is.
_TOLD_BY_DETAIL = (Outcome.HTTP_ERROR, Outcome.CERTIFICATE)
_DETAIL_LENGTH = 80


class Health(StrEnum):
    """What all probers together say."""

    WELL = "well"  # the last looks of every prober that looks were good
    ILL = "ill"  # every prober says so
    UNSURE = "unsure"  # in between, probers differ, or not enough was seen


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one webserver.

    Attributes:
        reason: a sentence's middle: what is wrong and who saw it how often; "" when all is well.
        cause: the kind of failure seen most, None when none was.
        seen: a prober looked at it lately.
        failing_since: seconds since the epoch from which on every prober had failed so often without a good look
            between that it said "ill"; None when not all of them do.
        looked_at: when the slowest prober looked last; 0.0 when one never did.
    """

    health: Health
    reason: str = ""
    cause: Outcome | None = None
    seen: bool = False
    failing_since: float | None = None
    looked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known of all.

    Attributes:
        verdicts: by webserver.
        suspects: sentences: probers that are the cause themselves. Nobody is taken for ill while there is one.
        database: a sentence: the database is, or may be, the cause; "" when it is not.
        alone: only one machine looks.
    """

    verdicts: Mapping[str, Verdict]
    suspects: tuple[str, ...] = ()
    database: str = ""
    alone: bool = False


@dataclass(frozen=True, slots=True)
class _Word:
    """What one prober says of one webserver."""

    prober: str
    looks: tuple[Observation, ...]  # the last ones that count
    fresh: bool
    streak_from: float | None  # when the unbroken row of failures, if it is long enough, became long enough

    @property
    def failures(self) -> int:
        return sum(_failed(look) for look in self.looks)

    @property
    def ill(self) -> bool:
        return self.fresh and self.failures >= FAILED_LOOKS

    @property
    def well(self) -> bool:
        return self.fresh and all(look.outcome is Outcome.OK for look in self.looks[-GOOD_LOOKS:])

    def __str__(self) -> str:
        return f"{self.prober} saw it {self.failures} of {len(self.looks)} times"


def diagnose(view: View, now: float) -> Diagnosis:
    """Judges every webserver, the probers and the database."""
    words = {server.name: _words(server, view.probers, now) for server in view.webservers}
    serving = [server.name for server in view.webservers if server.phase is Phase.SERVING]
    awake = [p for p in view.probers if not view.webservers or _looks_at_all(p, words)]
    suspects = _suspects(view, words, serving, awake, now)
    blind = {name for name, _ in suspects}
    trusted = [prober for prober in awake if prober not in blind]
    verdicts = {
        server.name: _verdict(server, words[server.name], trusted, everybody=not blind, now=now)
        for server in view.webservers
    }
    return Diagnosis(
        verdicts, tuple(why for _, why in suspects), _database(view, words, verdicts, serving), len(view.probers) == 1
    )


def _failed(look: Observation) -> bool:
    # A webserver that says its database is away is itself well.
    return look.outcome not in (Outcome.OK, Outcome.DATABASE)


def _is_fresh(look: Observation, now: float) -> bool:
    return -SKEW_S <= now - look.at <= STALE_LOOK_S


def _words(server: WebserverView, probers: Sequence[str], now: float) -> dict[str, _Word]:
    return {prober: _word(server, prober, now) for prober in probers}


def _word(server: WebserverView, prober: str, now: float) -> _Word:
    # While it was built nobody could expect an answer.
    since = server.since if server.phase is Phase.SERVING else 0.0
    looks = sorted(
        (look for look in server.observations if look.prober == prober and since <= look.at <= now + SKEW_S),
        key=lambda look: look.at,
    )
    row: list[Observation] = []
    for look in reversed(looks):
        if not _failed(look):
            break
        row.append(look)
    streak_from = row[-FAILED_LOOKS].at if len(row) >= FAILED_LOOKS else None
    fresh = bool(looks) and _is_fresh(looks[-1], now)
    return _Word(prober, tuple(looks[-LOOKS:]), fresh, streak_from)


def _looks_at_all(prober: str, words: Mapping[str, Mapping[str, _Word]]) -> bool:
    return any(by_prober[prober].fresh for by_prober in words.values())


def _suspects(
    view: View, words: Mapping[str, Mapping[str, _Word]], serving: Sequence[str], awake: Sequence[str], now: float
) -> list[tuple[str, str]]:
    found = []
    for prober in view.probers:
        # One that began to serve just now could not be looked at yet.
        due = [s for s in view.webservers if s.phase is Phase.SERVING and now - s.since > STALE_LOOK_S]
        if prober not in awake and due:
            found.append((prober, f"{prober} has not looked at any webserver for more than {STALE_LOOK_S:g} s"))
    for prober in awake:
        mine = [name for name in serving if words[name][prober].fresh]
        if len(mine) < 2 or not all(words[name][prober].ill for name in mine):
            continue
        for other in awake:
            good = [name for name in mine if words[name][other].well]
            if other != prober and good:
                found.append(
                    (prober, f"{prober} sees all {len(mine)} webservers failing while {other} sees {_list(good)} well")
                )
                break
    return found


def _verdict(
    server: WebserverView, words: Mapping[str, _Word], trusted: Sequence[str], *, everybody: bool, now: float
) -> Verdict:
    every = list(words.values())
    seen = any(word.fresh for word in every)
    looked_at = min((word.looks[-1].at if word.looks else 0.0 for word in every), default=0.0)
    failing = [word for word in every if word.failures]
    cause, what = _cause(server, failing, now)
    reason = f"{what}: {', '.join(str(word) for word in every if word.looks)}" if what else ""
    if not seen:
        return Verdict(Health.UNSURE, "nobody looked at it lately", cause, looked_at=looked_at)
    if every and all(word.ill for word in every):
        streaks = [word.streak_from for word in every if word.streak_from is not None]
        since = max(streaks) if everybody and len(streaks) == len(every) else None
        return Verdict(Health.ILL, reason, cause, seen, since, looked_at)
    if trusted and all(words[prober].well for prober in trusted):
        return Verdict(Health.WELL, "", None, seen, None, looked_at)
    return Verdict(Health.UNSURE, reason, cause, seen, None, looked_at)


def _cause(server: WebserverView, words: Sequence[_Word], now: float) -> tuple[Outcome | None, str]:
    looks = sorted((look for word in words for look in word.looks if _failed(look)), key=lambda look: look.at)
    if not looks:
        return None, ""
    load = server.load
    if load is not None and now - load.at <= STALE_LOAD_S and load.disk_free_percent < FULL_DISK_PERCENT:
        return Outcome.DISK_FULL, f"its disk is full ({load.disk_free_percent:.1f} % free)"
    counts = Counter(look.outcome for look in looks)
    # Of two seen equally often, the one seen last.
    cause = max(counts, key=lambda one: (counts[one], max(look.at for look in looks if look.outcome is one), one))
    detail = printable(next((look.detail for look in reversed(looks) if look.outcome is cause), ""))
    detail = " ".join(detail.split())[:_DETAIL_LENGTH]
    if not detail:
        return cause, _WORDS[cause]
    return cause, detail if cause in _TOLD_BY_DETAIL else f"{_WORDS[cause]} ({detail})"


def _database(
    view: View,
    words: Mapping[str, Mapping[str, _Word]],
    verdicts: Mapping[str, Verdict],
    serving: Sequence[str],
) -> str:
    if view.database_problem:
        return f"the database is not well ({printable(view.database_problem)})"
    blaming = [
        server.name
        for server in view.webservers
        if server.phase is not Phase.BUILDING
        and any(look.outcome is Outcome.DATABASE for word in words[server.name].values() for look in word.looks)
    ]
    if blaming:
        return f"{_list(blaming)} {'says' if len(blaming) == 1 else 'say'} that the database does not answer"
    nobody_well = bool(serving) and not any(verdicts[name].health is Health.WELL for name in serving)
    if view.database_problem is None and nobody_well and any(verdicts[name].health is Health.ILL for name in serving):
        return "nothing is known of the database and no webserver is well: it may be the cause"
    return ""


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
