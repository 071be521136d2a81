"""Load rules: how many webservers bring an average back to its target, and how long fewer must be enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.autoscaler.decision import Decisions
from fleet.autoscaler.health import SKEW_S
from fleet.autoscaler.policy import LoadRule, Metric, ScalingPolicy
from fleet.autoscaler.view import Outcome, Phase, View, WebserverView

#: Figures older than this count as unknown.
STALE_METRIC_S = 60.0
#: Earlier recommendations are kept as the largest of each such slice of time: few figures say as much as many.
SLICE_S = 15.0
#: An answer is no machine more because of the last bits of a division.
_ROUNDING = 1e-9

_UNITS = {
    Metric.ANSWER_MS: ("answer time", " ms"),
    Metric.CPU_PERCENT: ("CPU", " %"),
    Metric.REQUESTS_PER_S: ("load", " requests/s"),
}


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the load rules want.

    Attributes:
        webservers: by the figures of now, before any limit.
        least: what they wanted at most within the stabilisation; nobody goes below it.
        reason: with the figures.
        unknown: a sentence: which figures are missing; then nobody goes. "" when none is.
    """

    webservers: int
    least: int
    reason: str
    unknown: str = ""


def recommend(view: View, policy: ScalingPolicy, now: float, current: int) -> Recommendation | None:
    """The largest number that a load rule wants; None without rules.

    Args:
        current: webservers there are or are being made.
    """
    if not policy.load_rules:
        return None
    wants = [_one(rule, view, now, current) for rule in policy.load_rules]
    most = max(wants, key=lambda want: want.webservers)
    unknown = next((want.unknown for want in wants if want.unknown), "")
    if not _is_covered(view.recommended_before, policy, now):
        # A leader that came a moment ago does not know what was wanted a minute ago.
        history = f"load has been watched for less than {policy.scale_in_stabilisation_s:g} s"
        return Recommendation(
            most.webservers, max(most.webservers, current), most.reason, unknown or f"{history}; nobody goes for load"
        )
    begin = now - policy.scale_in_stabilisation_s
    earlier = [number for at, number in view.recommended_before if begin - SLICE_S < at <= now + SKEW_S]
    return Recommendation(most.webservers, max([most.webservers, *earlier]), most.reason, unknown)


def remember(
    before: Sequence[tuple[float, int]], decisions: Decisions, policy: ScalingPolicy, now: float
) -> tuple[tuple[float, int], ...]:
    """``View.recommended_before`` of the next moment."""
    if decisions.recommended is None:
        return ()
    begin = math.floor(now / SLICE_S) * SLICE_S
    kept = [(at, number) for at, number in before if at < begin]
    same = [number for at, number in before if at == begin]
    # One slice more than is looked at: it proves that all of the time was watched.
    oldest = now - policy.scale_in_stabilisation_s - 2 * SLICE_S
    return tuple((at, number) for at, number in [*kept, (begin, max([*same, decisions.recommended]))] if at >= oldest)


def _is_covered(before: Sequence[tuple[float, int]], policy: ScalingPolicy, now: float) -> bool:
    return policy.scale_in_stabilisation_s <= 0 or any(
        at <= now - policy.scale_in_stabilisation_s + SLICE_S for at, _ in before
    )


def _one(rule: LoadRule, view: View, now: float, current: int) -> Recommendation:
    label, unit = _UNITS[rule.metric]
    # Those that visitors reach: the load of the others says nothing of what one more would carry.
    asked = [server for server in view.webservers if server.phase is Phase.SERVING and server.in_dns]
    figures = {server.name: figure(rule.metric, server, now) for server in asked}
    missing = [name for name, figure in figures.items() if figure is None]
    if len(missing) == len(asked):
        sentence = f"no webserver's {label} is known"
        return Recommendation(current, current, sentence, f"{sentence}: nobody goes")
    known = [figure for figure in figures.values() if figure is not None]
    # What is unknown is taken for the target: by itself it calls neither for more nor for fewer.
    average = (sum(known) + rule.target * len(missing)) / len(asked)
    ratio = average / rule.target
    count = len(asked)
    wanted = count if abs(ratio - 1) <= rule.tolerance + _ROUNDING else math.ceil(count * ratio - _ROUNDING)
    reason = f"{label} {average:.4g}{unit} on {count} against a target of {rule.target:.4g}{unit}"
    if missing:
        unknown = f"{label} of {', '.join(missing)} is not known: nobody goes"
        return Recommendation(max(wanted, current), current, reason, unknown)
    return Recommendation(wanted, wanted, reason)


def figure(metric: Metric, server: WebserverView, now: float) -> float | None:
    """That metric of one webserver, None where it is unknown or too old."""
    if metric is Metric.ANSWER_MS:
        # A slow page is an answer; one refused at once is none, and would look quick.
        looks = [
            look.answer_ms
            for look in server.observations
            if look.outcome in (Outcome.OK, Outcome.SLOW) and -SKEW_S <= now - look.at <= STALE_METRIC_S
        ]
        return sum(looks) / len(looks) if looks else None
    load = server.load
    if load is None or not -SKEW_S <= now - load.at <= STALE_METRIC_S:
        return None
    figure = load.cpu_percent if metric is Metric.CPU_PERCENT else load.requests_per_s
    return figure if math.isfinite(figure) and figure >= 0 else None
