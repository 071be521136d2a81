"""The autoscaler's journal folded into what a watcher knows. Knows no screen and no machine: events in, a value out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from fleet.autoscaler.codec import from_data
from fleet.autoscaler.decision import Decisions, gist
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.sample import Sample, Stand, WebserverSample
from fleet.autoscaler.watched import Count, Point, Told, Tone, UnderWay, Watched
from state.errors import StateError
from state.events import Event, Kind
from state.printable import printable

#: Charts go back so far.
KEPT_S = 3600.0
#: One point of a chart stands for so long.
SLICE_S = 10.0
KEPT_POINTS = int(KEPT_S / SLICE_S)
KEPT_TOLD = 200
#: A webserver that has not been seen for so long gives up its place in the charts.
FORGOTTEN_S = 600.0
#: Characters of one sentence that are shown; a reason may quote a whole page.
LONGEST_TEXT = 600


@dataclass(frozen=True, slots=True)
class _Act:
    """An action on its way."""

    machine: str
    text: str
    since: float
    step: str = ""


class Watching:
    """Folds the events of the autoscalers' journals, in their order; not for several threads at once."""

    def __init__(self) -> None:
        self._machine = ""
        self._before = Watched()
        self._begin()

    def _begin(self) -> None:
        self._told: deque[Told] = deque(maxlen=KEPT_TOLD)
        self._answers: dict[str, deque[Point]] = {}
        self._counts: deque[Count] = deque(maxlen=KEPT_POINTS)
        self._under_way: dict[str, _Act] = {}
        self._known = Watched()
        self._skip_until = 0.0
        self._gist: tuple[object, ...] | None = None

    def follows(self, machine: str) -> None:
        """From now on the events are those of this machine's journal, from its oldest kept line on.

        What was told by another leader before stays; what this machine told meanwhile is not mixed into it.
        """
        if machine == self._machine or not self._known.at:
            before = self.watched()
            self._begin()
            self._before = before
        else:
            self._skip_until = self._known.at
            # Whoever led is gone, and with it what it had under way.
            self._under_way.clear()
        self._machine = machine

    def apply(self, event: Event) -> None:
        """Takes one event."""
        if event.at <= self._skip_until:
            return
        match event.kind:
            case Kind.DECISION:
                self._decision(event)
            case Kind.SAMPLE:
                self._sample(event)
            case Kind.NOTE:
                self._note(event)
            case Kind.PROBLEM:
                self._tell(event, Tone.PROBLEM, event.text)
            case Kind.ACTION_STARTED if event.action:
                text = _clean(event.text)
                self._under_way[event.action] = _Act(_clean(event.machine or ""), text, event.at)
            case Kind.STEP_STARTED if event.action in self._under_way:
                act = self._under_way[event.action]
                self._under_way[event.action] = replace(act, step=_clean(event.step or event.text))
            case Kind.ACTION_FINISHED if event.action:
                self._under_way.pop(event.action, None)
                if not event.data.get("ok") and not event.data.get("stopped"):
                    self._tell(event, Tone.PROBLEM, event.text)
            case _:
                return  # what machines print is no news here
        self._known = replace(self._known, at=max(self._known.at, event.at))

    def watched(self) -> Watched:
        """What is known now; while a journal is read once more from its beginning, what was known before."""
        if self._known.at < self._before.at:
            return self._before
        begin = self._known.at - KEPT_S
        return replace(
            self._known,
            told=tuple(self._told),
            answers={name: kept for name, points in self._answers.items() if (kept := tuple(_since(points, begin)))},
            counts=tuple(_since(self._counts, begin)),
            under_way=tuple(UnderWay(act.machine, act.text, act.step, act.since) for act in self._under_way.values()),
        )

    # what came --------------------------------------------------------------------------------------------------

    def _decision(self, event: Event) -> None:
        # Not its view: what is seen comes as a sample, and a view takes a tenth of a second to read.
        try:
            policy = from_data(ScalingPolicy, event.data.get("policy"))
            decisions = from_data(Decisions, event.data.get("decisions"))
        except StateError as problem:
            self._not_understood(problem)
            return
        self._known = replace(self._known, policy=policy, trouble="")
        self._tell_decision(event, decisions)

    def _sample(self, event: Event) -> None:
        try:
            sample = from_data(Sample, event.data)
        except StateError as problem:
            self._not_understood(problem)
            return
        if sample.epoch > self._known.epoch or sample.leader != self._known.leader:
            since = self._known.leads_since if sample.epoch == self._known.epoch else event.at
            self._known = replace(self._known, leader=_clean(sample.leader), epoch=sample.epoch, leads_since=since)
        if not sample.under_way:
            self._under_way.clear()  # an act that was cut off never says that it ended
        self._see(sample, event.at)

    def _note(self, event: Event) -> None:
        leads = event.data.get("leads")
        if isinstance(leads, str):
            self._under_way.clear()
            epoch = event.data.get("epoch")
            self._known = replace(
                self._known,
                leader=_clean(leads),
                epoch=epoch if isinstance(epoch, int) else self._known.epoch,
                leads_since=event.at,
            )
        self._tell(event, Tone.NOTE, event.text)

    # what is kept -----------------------------------------------------------------------------------------------

    def _see(self, sample: Sample, at: float) -> None:
        self._known = replace(self._known, sample=_safe(sample), sampled_at=at)
        servers = self._known.sample.webservers
        serving = sum(server.stand is Stand.WELL for server in servers)
        _put(self._counts, Count(at, len(servers), serving, sample.wanted))
        for server in servers:
            if server.answer_ms is not None:
                points = self._answers.setdefault(server.name, deque(maxlen=KEPT_POINTS))
                _put(points, Point(at, server.answer_ms))
        there = {server.name for server in servers}
        for name in [name for name, points in self._answers.items() if name not in there]:
            if at - self._answers[name][-1].at > FORGOTTEN_S:
                del self._answers[name]

    def _tell_decision(self, event: Event, decisions: Decisions) -> None:
        told = Told(
            at=event.at,
            until=event.at,
            tone=Tone.ACTS if decisions.acts else Tone.DECISION,
            text=_clean(decisions.reason),
            acts=tuple(_clean(decision.reason) for decision in decisions.acts),
            held_back=tuple(map(_clean, decisions.held_back)),
            wanted=decisions.wanted,
        )
        new = gist(decisions)
        if new == self._gist and self._told and self._told[-1].wanted is not None:
            told = replace(told, at=self._told[-1].at)
            self._told.pop()
        self._gist = new
        self._told.append(told)

    def _tell(self, event: Event, tone: Tone, text: str) -> None:
        clean = _clean(text)
        if event.machine and event.machine not in clean:
            clean = f"{_clean(event.machine)}: {clean}"
        last = self._told[-1] if self._told else None
        if last is not None and (last.tone, last.text) == (tone, clean):
            self._told[-1] = replace(last, until=event.at)  # the same again and again is one thing
        else:
            self._told.append(Told(event.at, event.at, tone, clean))

    def _not_understood(self, problem: StateError) -> None:
        self._known = replace(self._known, trouble=_clean(f"{problem.summary} {problem.hint}"))


def watched(events: Iterable[Event]) -> Watched:
    """What is known after these events of one journal."""
    watching = Watching()
    for event in events:
        watching.apply(event)
    return watching.watched()


def _put(points: deque[Any], new: Any) -> None:
    """The newest point of each slice of time stands for all of it."""
    if points and int(points[-1].at / SLICE_S) == int(new.at / SLICE_S):
        points[-1] = new
    else:
        points.append(new)


def _since(points: Iterable[Any], begin: float) -> Iterable[Any]:
    return (point for point in points if point.at >= begin)


def _safe(sample: Sample) -> Sample:
    """Without what would steer the terminal: reasons quote machines and pages."""
    return replace(
        sample,
        webservers=tuple(map(_safe_webserver, sample.webservers)),
        database_problem=None if sample.database_problem is None else _clean(sample.database_problem),
        under_way=tuple(map(_clean, sample.under_way)),
        waits_for=_clean(sample.waits_for),
        leader=_clean(sample.leader),
    )


def _safe_webserver(server: WebserverSample) -> WebserverSample:
    return replace(server, name=_clean(server.name), reason=_clean(server.reason), replaces=_clean(server.replaces))


def _clean(text: str) -> str:
    if text.isprintable() and len(text) <= LONGEST_TEXT:
        return text
    return " ".join(printable(text).split())[:LONGEST_TEXT]
