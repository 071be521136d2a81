"""One decision in the making: what is seen, what it means, and the acts so far."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.decision import Act, Decision
from fleet.autoscaler.health import SKEW_S, Diagnosis, Health, Verdict, diagnose
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.view import Phase, View, WebserverView
from fleet.autoscaler.wanted import Wanted, how_many

#: A decision to end a webserver may be made so long before the leader reads that its owner drained it; then it stays.
READ_LATE_S = 30.0
_MACHINE = re.compile(r"[a-z]+-\d")


class Moment:
    """What all rules share. Acts are added in the order in which they matter.

    Attributes:
        drained: names of those that their owner keeps, out of DNS and not counted.
        active: those that serve and are not drained.
        asked: names of those of them that another one shall take the place of though they are not ill.
        replaced: those whose place another one takes, with that one: they do not count, unless they are well again.
        current: webservers there are or are being made, one and its substitute counted once.
        standing: names of those in DNS, looked at and not ill: those that visitors are left with.
        room: machines that may still be made.
        share: so many may be replaced at a time.
    """

    def __init__(self, view: View, policy: ScalingPolicy, now: float) -> None:
        self.view, self.policy, self.now = view, policy, now
        self.diagnosis: Diagnosis = diagnose(view, now)
        self.acts: list[Decision] = []
        self.held: list[str] = []
        built = [one for one in view.webservers if one.phase is not Phase.BUILDING]
        self.drained = self._meant(policy.drained, built, "drained")
        self.serving = [one for one in view.webservers if one.phase is Phase.SERVING]
        self.active = [one for one in self.serving if one.name not in self.drained]
        self.building = [one for one in view.webservers if one.phase is Phase.BUILDING]
        self.leaving = [one for one in view.webservers if one.phase is Phase.LEAVING]
        self.asked = self._meant(policy.replacing, self.active, "replaced")
        self.replaced = self._replaced()
        self.current = len(self.active) + len(self.building) - len(self.replaced)
        self.wanted: Wanted = how_many(view, policy, now, self.current)
        self.held += self.wanted.held_back
        self.held += [f"{why}: nobody is taken for ill on its word." for why in self.diagnosis.suspects]
        if self.diagnosis.database:
            self.held.append(f"{capital(self.diagnosis.database)}: nothing is built, taken out of DNS or destroyed.")
        self.standing = {
            one.name for one in self.serving if one.in_dns and not self.is_ill(one) and self.verdict(one).seen
        }
        self.room = self.wanted.ceiling - len(view.webservers)
        self.share = max(1, len(self.active) // 3)

    def _meant(self, asked: Iterable[Asked], webservers: Iterable[WebserverView], what: str) -> set[str]:
        """Names of those webservers for which it was asked, and not for an earlier one of that name."""
        by_name = {one.name: one for one in webservers}
        found = set()
        for each in asked:
            one = by_name.get(each.machine)
            if one is None:
                continue
            late_s = READ_LATE_S if one.phase is Phase.LEAVING else 0.0
            if one.since >= each.asked_at + late_s:
                continue
            ahead_s = each.asked_at - self.now
            if ahead_s > SKEW_S:
                # Obeyed now, it would count for the next one of that name, too.
                self.held.append(f"{one.name} is {what} in {ahead_s:.0f} s: the clock is ahead where that was asked.")
                continue
            found.add(one.name)
        return found

    def _replaced(self) -> dict[str, WebserverView]:
        by_name = {one.name: one for one in self.active if one.name in self.asked or not self.is_well(one)}
        found = {}
        for substitute in (*self.active, *self.building):
            one = by_name.get(substitute.replaces)
            # A later one may have the name of one whose place was taken long ago.
            if one is not None and one.since < substitute.since:
                found[one.name] = substitute
        return found

    def verdict(self, one: WebserverView) -> Verdict:
        """What is known of it."""
        return self.diagnosis.verdicts[one.name]

    def is_ill(self, one: WebserverView) -> bool:
        """Whether every prober says so."""
        return self.verdict(one).health is Health.ILL

    def is_well(self, one: WebserverView) -> bool:
        """Whether every prober that looks says so."""
        return self.verdict(one).health is Health.WELL

    @property
    def blocked(self) -> bool:
        """Whether something else than a webserver is the cause; then nobody is taken out or replaced."""
        return bool(self.diagnosis.database or self.diagnosis.suspects)

    @property
    def touched(self) -> set[str]:
        """Whoever has an act already: one at a time for each, the next decision sees what became of it."""
        return {decision.machine for decision in self.acts}

    @property
    def going(self) -> set[str]:
        """Whom visitors lose by the acts so far."""
        return {decision.machine for decision in self.acts if decision.act in (Act.LEAVE_DNS, Act.DRAIN)}

    def others_well(self, one: WebserverView) -> int:
        """So many others are well and in DNS, and stay there."""
        going = self.going | {one.name}
        return sum(other.in_dns and self.is_well(other) and other.name not in going for other in self.serving)

    def too_few_without(self, one: WebserverView) -> str:
        """Why one that is not ill cannot leave DNS because its owner wants it so; "" when it can."""
        if not one.in_dns:
            return ""
        others, least = self.others_well(one), max(1, min(self.policy.minimum, self.wanted.ceiling))
        if others >= least:
            return ""
        who = "nobody else is" if not others else "1 other is" if others == 1 else f"{others} others are"
        return f"{who} well and in DNS, {least} must be"

    def add(self, act: Act, machine: str, reason: str, replaces: str = "") -> None:
        """One more act; whoever leaves DNS by it no longer stands."""
        self.acts.append(Decision(act, machine, f"{capital(reason)}.", replaces))
        self.standing -= self.going


def capital(text: str) -> str:
    """As a sentence begins; names of machines stay as they are."""
    return text if _MACHINE.match(text) else text[:1].upper() + text[1:]
