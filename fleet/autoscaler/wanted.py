"""How many webservers there shall be: the largest wish, within all limits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fleet.autoscaler.load import Recommendation, recommend
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.schedule import open_window, print_window, time_zone_problem
from fleet.autoscaler.view import View


@dataclass(frozen=True, slots=True)
class Wanted:
    """The number.

    Attributes:
        webservers: within all limits.
        firmly: so many of them a person or a window wants: they are made without a cooldown.
        ceiling: machines there may be at once, those that leave or are made among them.
        can_rebuild: one that goes may be followed by another without breaking a limit; not so while the price of one
            is unknown.
        reason: why so many.
        recommended: by load, before limits; None without load rules.
        held_back: sentences.
    """

    webservers: int
    firmly: int
    ceiling: int
    can_rebuild: bool
    reason: str
    recommended: int | None
    held_back: tuple[str, ...]


def how_many(view: View, policy: ScalingPolicy, now: float, current: int) -> Wanted:
    """Weighs target, windows and load, and keeps to minimum, maximum and price.

    Args:
        current: webservers there are or are being made, one and its substitute counted once.
    """
    held: list[str] = []
    firmly, reason = _firm(policy, now, current, held)
    number = firmly
    load = recommend(view, policy, now, current)
    if load is not None:
        number, reason = _with_load(load, policy, firmly, reason, current, held)
    ceiling, cap_reason = _ceiling(view, policy)
    limited = max(policy.minimum, min(number, ceiling))
    limited = min(limited, policy.maximum)  # a minimum above the maximum gives way: the maximum is hard
    if limited > number:
        reason = f"the minimum is {policy.minimum} ({reason})"
    elif limited < number:
        reason = f"{cap_reason} allows {limited} of {number} ({reason})"
    if policy.minimum > ceiling:
        held.append(f"The minimum of {policy.minimum} is not reached: {cap_reason} allows {ceiling}.")
    known = policy.price_cap_per_month is None or view.price_per_webserver is not None
    return Wanted(
        limited,
        min(max(firmly, policy.minimum), limited),
        ceiling,
        known,
        reason,
        None if load is None else load.webservers,
        tuple(held),
    )


def _firm(policy: ScalingPolicy, now: float, current: int, held: list[str]) -> tuple[int, str]:
    problem = time_zone_problem(policy.time_zone) if policy.windows else ""
    if problem:
        # A window may be open now: nobody goes.
        held.append(f"{problem} Its windows cannot be read: nobody goes.")
        return max(policy.target, current), f"the target is {policy.target}"
    window = open_window(policy.windows, policy.time_zone, now) if policy.windows else None
    if window is not None and window.webservers > policy.target:
        return window.webservers, f"the window {print_window(window)} ({policy.time_zone}) is open"
    return policy.target, f"the target is {policy.target}"


def _with_load(
    load: Recommendation, policy: ScalingPolicy, firmly: int, reason: str, current: int, held: list[str]
) -> tuple[int, str]:
    # As in the HPA: from where one is, up to what is wanted now, down to the most that was wanted lately.
    number = min(max(current, load.webservers), load.least)
    if load.unknown and current > max(firmly, policy.minimum):  # then the number is at least what there is
        held.append(f"{load.unknown[0].upper()}{load.unknown[1:]}.")
    elif max(load.webservers, firmly) < number:
        held.append(
            f"Load wants {load.webservers} now, but wanted {load.least} within the last "
            f"{policy.scale_in_stabilisation_s:g} s: nobody goes below {number} yet."
        )
    return (number, load.reason) if number > firmly else (firmly, reason)


def _ceiling(view: View, policy: ScalingPolicy) -> tuple[int, str]:
    """How many machines there may be at once, and what says so."""
    maximum = policy.maximum, f"the maximum of {policy.maximum}"
    cap = policy.price_cap_per_month
    if cap is None:
        return maximum
    price = view.price_per_webserver
    if price is None:
        there = len(view.webservers)
        return min(there, policy.maximum), f"the price cap of ${cap:.2f} a month (a webserver's price is not known)"
    left = cap - view.price_of_others
    if left < 0:
        affordable = 0
    elif price <= 0:
        return maximum
    else:
        affordable = int(left / price)
    if affordable >= policy.maximum:
        return maximum
    return affordable, f"the price cap of ${cap:.2f} a month at ${_dollars(price)} each"


def _dollars(price: Decimal) -> str:
    return f"{price:.2f}"
