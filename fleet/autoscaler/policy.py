"""The static criteria by which webservers are made and ended: what `scale`, the wizard and the answers set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from enum import StrEnum
from math import isfinite

from fleet.autoscaler.asked import Asked

#: Hard limit of what anybody may ask for: round-robin DNS answers of more addresses no longer fit 512 bytes (RFC 1035).
MOST_WEBSERVERS = 28


_SECONDS = (
    "scale_out_cooldown_s",
    "scale_in_cooldown_s",
    "scale_in_stabilisation_s",
    "drain_s",
    "drain_quiet_s",
    "longest_drain_s",
    "replace_proof_s",
    "never_well_proof_s",
    "build_deadline_s",
)


class Metric(StrEnum):
    """What a load rule looks at; each is an average over the webservers that serve."""

    ANSWER_MS = "answer-ms"  # of probes
    CPU_PERCENT = "cpu-percent"  # of the machine's own cores, from its own cgroup
    REQUESTS_PER_S = "requests-per-s"  # of one webserver


@dataclass(frozen=True, slots=True)
class LoadRule:
    """Target tracking: as many webservers as bring the average back to ``target``.

    Attributes:
        metric: what is averaged.
        target: in the metric's unit.
        tolerance: part of the target within which nothing changes (0.1: between 90 % and 110 %).
    """

    metric: Metric
    target: float
    tolerance: float = 0.1


@dataclass(frozen=True, slots=True)
class ScheduleWindow:
    """So many webservers in these hours: ``08:30–18:00 Mon–Fri → 5``.

    Attributes:
        days: 0 is Monday; the day on which the window begins.
        begins, ends: wall-clock time in the policy's time zone; a window that ends earlier than it begins goes on over
            midnight.
        webservers: what is wanted at least while it lasts.
    """

    days: frozenset[int]
    begins: time
    ends: time
    webservers: int


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """Everything the owner decides; the autoscaler only obeys.

    Attributes:
        minimum, maximum: of webservers; ``maximum`` is a hard cap on the total, machines being built or replaced
            among them.
        target: wanted when no window and no load rule wants more (``buildyard scale N``).
        time_zone: of the windows, IANA name.
        scale_out_cooldown_s, scale_in_cooldown_s: least time between two changes in that direction that load rules
            brought about. What a person or a window wants does not wait for them.
        scale_in_stabilisation_s: load rules let machines go only when they wanted fewer for all of that time.
        largest_step_out, largest_step_in: machines in one decision.
        price_cap_per_month: US dollars of the whole fleet, None for none.
        paused: decisions are made and told, none is carried out.
        protected: names of webservers that are never ended by a decision.
        replacing: webservers that another one shall take the place of though they are not ill.
        drained: webservers that stay, out of DNS and not counted, for their owner to look at.
        drain_s: one that leaves is kept at least so long after it left DNS: twice the records' TTL, for resolvers
            that keep an answer for longer than they may.
        drain_quiet_s: and until no visitor came for so long.
        longest_drain_s: and never longer than this: a connection kept alive for ever cannot keep it.
        replace_proof_s: an ill one is replaced when it went on failing for so long after it left DNS.
        never_well_proof_s: one made in the place of an ill one that was never well itself: it is left so long before
            yet another is made, because what ails it is likely not the machine.
        build_deadline_s: one that is not built after so long is given up.
        from_image: new webservers are made from an image where the provider has such.
    """

    minimum: int
    maximum: int
    target: int
    time_zone: str = "Etc/UTC"
    windows: tuple[ScheduleWindow, ...] = ()
    load_rules: tuple[LoadRule, ...] = ()
    scale_out_cooldown_s: float = 60.0
    scale_in_cooldown_s: float = 300.0
    scale_in_stabilisation_s: float = 300.0
    largest_step_out: int = 4
    largest_step_in: int = 1
    price_cap_per_month: Decimal | None = None
    paused: bool = False
    protected: frozenset[str] = frozenset()
    replacing: tuple[Asked, ...] = ()
    drained: tuple[Asked, ...] = ()
    drain_s: float = 120.0
    drain_quiet_s: float = 60.0
    longest_drain_s: float = 1800.0
    replace_proof_s: float = 20.0
    never_well_proof_s: float = 300.0
    build_deadline_s: float = 1800.0
    from_image: bool = True


def policy_problem(policy: ScalingPolicy) -> str:
    """Why nobody can scale by this policy, as a sentence with what to do; "" when it is sound."""
    if not 1 <= policy.minimum <= policy.maximum <= MOST_WEBSERVERS:
        return (
            f"The minimum is {policy.minimum} and the maximum {policy.maximum}: choose 1 to {MOST_WEBSERVERS}, "
            "and no minimum above the maximum."
        )
    if not policy.minimum <= policy.target <= policy.maximum:
        return f"The target is {policy.target}: choose {policy.minimum} to {policy.maximum}, or change these first."
    for rule in policy.load_rules:
        if not (isfinite(rule.target) and rule.target > 0 and 0 <= rule.tolerance < 1):
            return f"The load rule for {rule.metric} needs a target above 0 and a tolerance from 0 to below 1."
    for window in policy.windows:
        if not window.days or not 1 <= window.webservers <= MOST_WEBSERVERS:
            return f"A window needs a day of the week and 1 to {MOST_WEBSERVERS} webservers."
    for name in _SECONDS:
        seconds = getattr(policy, name)
        if not (isfinite(seconds) and seconds >= 0):
            return f"{name} is {seconds}: give seconds, 0 or more."
    if min(policy.largest_step_out, policy.largest_step_in) < 1:
        return "The largest steps are 1 machine or more: with less nothing would ever change."
    cap = policy.price_cap_per_month
    if cap is not None and not (cap.is_finite() and cap >= 0):
        return f"The price cap is {cap}: give US dollars a month, or leave it out."
    return ""
