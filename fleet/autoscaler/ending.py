"""Which machines end: those that have left and have no visitors any more, and those that were never built."""

from __future__ import annotations

from fleet.autoscaler.decision import Act
from fleet.autoscaler.health import STALE_LOAD_S
from fleet.autoscaler.moment import Moment
from fleet.autoscaler.view import WebserverView


def destroy(moment: Moment) -> None:
    """Adds their ends."""
    for one in moment.leaving:
        _end(moment, one)
    deadline_s = moment.policy.build_deadline_s
    for one in moment.building:
        age_s = moment.now - one.since
        if age_s > deadline_s and not one.in_dns and one.name not in moment.policy.protected:
            moment.add(
                Act.DESTROY,
                one.name,
                f"{one.name} is not built after {age_s:.0f} s, the deadline is {deadline_s:g} s",
            )


def _end(moment: Moment, one: WebserverView) -> None:
    policy = moment.policy
    if one.name in policy.protected:
        moment.held.append(f"{one.name} shall go and stays: it is protected.")
        return
    if one.name in moment.drained:
        moment.held.append(f"{one.name} shall go and stays: its owner drained it.")
        return
    if not moment.verdict(one).seen:
        moment.held.append(f"{one.name} shall go and stays: nobody looked at it lately.")
        return
    if one.in_dns:
        if moment.standing and not moment.blocked:
            moment.add(Act.DRAIN, one.name, f"{one.name} shall go and is still in DNS")
        else:
            moment.held.append(f"{one.name} shall go and stays in DNS: nobody else in it is known to be well.")
        return
    out_s = moment.now - max(one.since, one.left_dns_at)
    why = f"{one.name} has been out of DNS for {out_s:.0f} s"
    if out_s < policy.drain_s:
        moment.held.append(f"{why}: it goes after {policy.drain_s:g} s at the earliest.")
        return
    load = one.load
    if load is not None and 0 <= moment.now - load.at <= STALE_LOAD_S and load.last_visit_s >= policy.drain_quiet_s:
        moment.add(Act.DESTROY, one.name, f"{why}, its last visitor came {load.last_visit_s:.0f} s ago")
    elif moment.is_ill(one) and not moment.diagnosis.suspects and not moment.diagnosis.alone:
        moment.add(Act.DESTROY, one.name, f"{why} and serves nobody, {moment.verdict(one).reason}")
    elif out_s >= policy.longest_drain_s:
        moment.add(Act.DESTROY, one.name, f"{why}, the longest that visitors are waited for")
    else:
        last = "it is not known when its last visitor came"
        if load is not None:
            last = f"its last visitor came {load.last_visit_s:.0f} s ago"
        moment.held.append(
            f"{why}, {last}: it goes after {policy.drain_quiet_s:g} s without one, or {policy.longest_drain_s:g} s "
            "in all."
        )
