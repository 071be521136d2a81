"""What shall be done now: a pure function of what is seen, what the owner set, and the time.

Level-triggered: it is asked again and again, and says the same until the view shows that it was done. Nothing is
remembered between two calls but what stands in the view. docs/autoscaler.md explains it to owners.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fleet.autoscaler.decision import Act, Decisions
from fleet.autoscaler.ending import destroy
from fleet.autoscaler.moment import Moment
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.replacing import replace_some, send_replaced
from fleet.autoscaler.view import Outcome, View, WebserverView

_SLOT = re.compile(r"\d+$", re.ASCII)


def decide(view: View, policy: ScalingPolicy, now: float) -> Decisions:
    """Decides.

    Args:
        view: all webservers there are; a view that could not be filled (the provider did not answer) must not be
            decided on: what is missing in it would be built.
        policy: as the owner set it.
        now: seconds since the epoch.

    Returns:
        The same for the same arguments, always.
    """
    moment = Moment(view, policy, now)
    if not moment.blocked:
        _take_out_the_ill(moment)
        _take_out_the_drained(moment)
    _let_in_the_well(moment)
    if not moment.diagnosis.database:
        _build_more(moment)
    if not moment.blocked:
        replace_some(moment)
        send_replaced(moment)
        _send_surplus(moment)
    if not moment.diagnosis.database:
        destroy(moment)
    held = moment.held
    if policy.paused and moment.acts:
        held = [f"Paused by the owner: nothing of this is carried out ({len(moment.acts)} in all).", *held]
    return Decisions(
        wanted=moment.wanted.webservers,
        reason=f"{_count(moment.wanted.webservers)} wanted: {moment.wanted.reason}.",
        acts=tuple(moment.acts),
        held_back=tuple(dict.fromkeys(held)),
        recommended=moment.wanted.recommended,
        paused=policy.paused,
    )


# DNS


def _take_out_the_ill(moment: Moment) -> None:
    """Out of DNS: reversible, so it comes first. An ill page is better than none, so a good one must stay."""
    ill = [one for one in moment.serving if one.in_dns and moment.is_ill(one)]
    # Slow ones are most likely overloaded: sending all their visitors to the others would fell those, too.
    out = sum(not one.in_dns for one in moment.active)
    for one in ill:
        verdict = moment.verdict(one)
        if not moment.standing:
            moment.held.append(
                f"{one.name} stays in DNS though {verdict.reason}: no other one is well, "
                "and an ill page is better than none."
            )
        elif verdict.cause is Outcome.SLOW and out >= moment.share:
            moment.held.append(
                f"{one.name} stays in DNS though {verdict.reason}: {out} of {len(moment.active)} are out already, "
                "and its visitors would make the others slow."
            )
        else:
            out += 1
            moment.add(Act.LEAVE_DNS, one.name, f"{one.name} is ill, {verdict.reason}")


def _take_out_the_drained(moment: Moment) -> None:
    """What an owner drained has no visitors; it waits only for others that can still come."""
    kept = moment.policy.protected | moment.drained
    # Where nobody else can come, those that stand are enough.
    coming = moment.building or moment.room > 0
    coming = coming or any(one.name not in kept and not one.in_dns for one in (*moment.active, *moment.leaving))
    for one in moment.serving:
        if one.name not in moment.drained or not one.in_dns or one.name in moment.touched:
            continue
        too_few = moment.too_few_without(one)
        if not moment.standing - {one.name}:
            moment.held.append(f"{one.name} is drained and stays in DNS: nobody else in it is known to be well.")
        elif too_few and coming:
            moment.held.append(f"{one.name} is drained and stays in DNS until others serve: {too_few}.")
        else:
            moment.add(Act.LEAVE_DNS, one.name, f"{one.name} is drained: its owner wants no visitors on it")


def _let_in_the_well(moment: Moment) -> None:
    for one in moment.serving:
        if one.in_dns or not moment.is_well(one):
            continue
        if one.name in moment.drained:
            moment.held.append(f"{one.name} is well and stays out of DNS: its owner drained it.")
        else:
            moment.add(Act.ENTER_DNS, one.name, f"{one.name} is well: every prober that looks says so")


# More


def _build_more(moment: Moment) -> None:
    missing = moment.wanted.webservers - moment.current
    if missing <= 0:
        return
    policy = moment.policy
    count = min(missing, policy.largest_step_out)
    firm = max(0, moment.wanted.firmly - moment.current)
    waits_s = moment.view.scaled_out_at + policy.scale_out_cooldown_s - moment.now
    if waits_s > 0 and count > firm:
        ago_s = moment.now - moment.view.scaled_out_at
        moment.held.append(
            f"{count - firm} more for load in {waits_s:.0f} s: the last was {ago_s:.0f} s ago, the cooldown is "
            f"{policy.scale_out_cooldown_s:g} s."
        )
        count = firm
    fits = max(0, min(count, moment.room))
    drained = len(moment.serving) - len(moment.active)
    if fits < count:
        among = f"{len(moment.leaving)} of them leaving" + (f", {drained} drained" if drained else "")
        moment.held.append(
            f"{count - fits} more must wait: there are {len(moment.view.webservers)} machines "
            f"({among}), and at most {moment.wanted.ceiling} are allowed."
        )
    for number in range(fits):
        moment.room -= 1
        moment.add(
            Act.BUILD,
            "",
            f"{moment.current + number + 1} of {moment.wanted.webservers}: {moment.wanted.reason}; "
            f"there are {len(moment.active)}, and {len(moment.building)} being built",
        )


# Fewer


def _send_surplus(moment: Moment) -> None:
    ending = {decision.machine for decision in moment.acts if decision.act is Act.DRAIN}
    left = moment.current - sum(one.name in ending and one.name not in moment.replaced for one in moment.active)
    surplus = left - moment.wanted.webservers
    if surplus <= 0 or _waits_for_cooldown(moment, surplus):
        return
    steps = min(surplus, moment.policy.largest_step_in)
    busy = moment.touched | moment.replaced.keys()
    for one in _whom_first(moment, (one for one in moment.active if one.name not in busy)):
        if steps == 0:
            return
        why_not = _why_it_stays(moment, one)
        if why_not:
            moment.held.append(why_not)
            continue
        steps -= 1
        left -= 1
        moment.add(
            Act.DRAIN,
            one.name,
            f"{left} of {left + 1} are enough: {moment.wanted.reason}; {one.name} is {_why_this_one(moment, one)}",
        )


def _waits_for_cooldown(moment: Moment, surplus: int) -> bool:
    cooldown_s = moment.policy.scale_in_cooldown_s
    waits_s = moment.view.scaled_in_at + cooldown_s - moment.now
    # Without load rules only a person or a window changes the number, and means it.
    if not moment.policy.load_rules or waits_s <= 0:
        return False
    moment.held.append(
        f"{surplus} fewer in {waits_s:.0f} s: the last went {moment.now - moment.view.scaled_in_at:.0f} s ago, "
        f"the cooldown is {cooldown_s:g} s."
    )
    return True


def _whom_first(moment: Moment, candidates: Iterable[WebserverView]) -> Sequence[WebserverView]:
    """Ill before well, then those an owner wants another for, out of DNS before in DNS, then the youngest: the oldest
    have proved themselves longest."""
    return sorted(
        candidates,
        key=lambda one: (
            not moment.is_ill(one),
            one.name not in moment.asked,
            one.in_dns,
            -one.since,
            -_slot(one),
            one.name,
        ),
    )


def _why_this_one(moment: Moment, one: WebserverView) -> str:
    if moment.is_ill(one):
        return "ill"
    return "to be replaced, as its owner asked" if one.name in moment.asked else "the youngest that may go"


def _why_it_stays(moment: Moment, one: WebserverView) -> str:
    if one.name in moment.policy.protected:
        return f"{one.name} is more than is wanted, and stays: it is protected."
    if not moment.verdict(one).seen:
        return f"{one.name} is more than is wanted, and stays: nobody looked at it lately."
    if not one.in_dns:
        return ""
    others = moment.others_well(one)
    needed = 1 if moment.is_ill(one) else max(1, moment.wanted.webservers)
    if others < needed:
        return (
            f"{one.name} is more than is wanted, and stays until others serve: {others} others are well and in "
            f"DNS, {moment.wanted.webservers} are wanted."
        )
    return ""


def _slot(one: WebserverView) -> int:
    digits = _SLOT.search(one.name)
    return int(digits.group()) if digits else 0


def _count(number: int) -> str:
    return f"{number} webserver{'' if number == 1 else 's'}"
