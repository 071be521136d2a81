"""What the autoscaler would have done with a load: machines, price, minutes overloaded, and the decisions."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from state.errors import UsageError

if TYPE_CHECKING:
    from buildyard.program import Program
    from fleet.autoscaler.policy import ScalingPolicy
    from fleet.autoscaler.simulate import Simulation

#: Without other load rules machines are kept this busy: room for the time that a new one takes.
BUSY_PERCENT = 70.0
_MOST_DECISIONS_SHOWN = 40


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("trace", metavar="TRACE", help="CSV: timestamp,value (requests per second of the whole site)")
    one.add_argument(
        "--capacity-per-machine",
        type=_positive,
        required=True,
        metavar="N",
        help="requests per second that one webserver can serve",
    )
    one.add_argument("--minimum", type=int, metavar="N", help="webservers at least (1)")
    one.add_argument("--maximum", type=int, metavar="N", help="webservers at most (10)")
    one.add_argument("--target", type=int, metavar="N", help="webservers when nothing wants more (the minimum)")
    one.add_argument("--busy", type=_positive, metavar="PERCENT", help="how busy each shall be (70)")
    one.add_argument("--window", action="append", metavar="TEXT", help="such as '08:30-18:00 Mon-Fri = 5'")
    one.add_argument("--time-zone", metavar="NAME", help="of the windows (Etc/UTC)")
    one.add_argument("--price-per-machine", type=_price, metavar="DOLLARS", help="a month")
    one.add_argument("--build-seconds", type=_seconds, default=90.0, metavar="S", help="until a new one serves (90)")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Simulates and prints."""
    from fleet.autoscaler.simulate import read_trace, simulate

    try:
        with Path(arguments.trace).open(encoding="utf-8-sig", newline="") as lines:
            trace = read_trace(lines)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"Cannot read the trace {arguments.trace}: {error}.", hint="buildyard simulate --help"
        ) from error
    found = simulate(
        trace,
        _policy(arguments, program),
        capacity_per_machine=arguments.capacity_per_machine,
        build_s=arguments.build_seconds,
        price_per_machine=arguments.price_per_machine,
    )
    if arguments.json:
        print(json.dumps({"ok": True, **found.as_json()}))
    else:
        print("\n".join(_lines(found)))
    return 0


def _policy(arguments: argparse.Namespace, program: Program) -> ScalingPolicy:
    """The deployment's, or a plain one; what the words say goes before both."""
    from fleet.autoscaler.policy import LoadRule, Metric, ScalingPolicy, policy_problem
    from fleet.autoscaler.schedule import parse_window, time_zone_problem

    if arguments.deployment:
        policy = _policy_of_deployment(arguments, program)
    else:
        minimum = arguments.minimum or 1
        policy = ScalingPolicy(minimum, max(10, minimum), arguments.target or minimum)
    for name in ("minimum", "maximum", "target", "time_zone"):
        value = getattr(arguments, name)
        if value is not None:
            policy = replace(policy, **{name: value})
    if arguments.window:
        policy = replace(policy, windows=tuple(parse_window(text) for text in arguments.window))
    if arguments.busy or not policy.load_rules:
        busy = (arguments.busy or BUSY_PERCENT) / 100
        rule = LoadRule(Metric.REQUESTS_PER_S, arguments.capacity_per_machine * busy)
        policy = replace(policy, load_rules=(rule,))
    problem = policy_problem(policy) or time_zone_problem(policy.time_zone)
    if problem:
        raise UsageError(problem, hint="buildyard simulate --help")
    return policy


def _policy_of_deployment(arguments: argparse.Namespace, program: Program) -> ScalingPolicy:
    from fleet.scaling import opened_state, policy_in_force

    deployment = program.open_built(program.paths(arguments.deployment), may_ask=not arguments.yes)
    state = opened_state(deployment)
    policy = policy_in_force(state) if state is not None else None
    if policy is None:
        raise UsageError(
            f"{arguments.deployment} has no scaling policy: it is not in production mode.",
            hint="leave --deployment out and give --minimum, --maximum and --target",
        )
    # What was asked about single machines of today is no part of the question.
    nobody: frozenset[str] = frozenset()
    return replace(policy, paused=False, protected=nobody, replacing=(), drained=())


def _lines(found: Simulation) -> list[str]:
    from buildyard.text_plot import COLUMNS, can_show_blocks, in_columns, plot

    blocks = can_show_blocks(sys.stdout.encoding)
    rates = in_columns([(one.at, one.requests_per_s) for one in found.moments], found.end)
    machines = in_columns([(one.at, one.machines) for one in found.moments], found.end)
    over = in_columns([(one.at, float(one.overloaded)) for one in found.moments], found.end)
    begin, end = _clock(found.begin), _clock(found.end)
    lines = plot("requests per second", rates, blocks=blocks)
    lines += plot("webservers, those being built or leaving among them", machines, blocks=blocks)
    marks = "".join("!" if value else " " for value in over)
    if marks.strip():
        lines.append(f"{'overload':>9}|{marks}".rstrip())
    lines += [f"{'':10}{begin}{end:>{COLUMNS - len(begin)}}", ""]
    data = found.as_json()
    count = data["machines"]
    lines.append(f"webservers          {count['least']} to {count['most']}, on average {count['average']:.2f}")
    lines.append(
        f"price               {'not known: --price-per-machine' if found.price is None else f'${found.price}'}"
    )
    lines.append(f"minutes overloaded  {data['minutes_overloaded']:.1f}")
    lines.append(f"flaps               {found.flaps} (a change of direction within 10 minutes)")
    shown = [one for one in found.decided if one[1] in ("build", "drain")]
    lines.append(f"decisions           {len(shown)}")
    lines += [f"  {_clock(at)}  {act:5} {machine:5} {why}" for at, act, machine, why in shown[:_MOST_DECISIONS_SHOWN]]
    if len(shown) > _MOST_DECISIONS_SHOWN:
        lines.append(f"  … {len(shown) - _MOST_DECISIONS_SHOWN} more: --json" if blocks else "  more: --json")
    return lines


def _clock(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return f"{at:g} s"


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return value


def _price(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is no price") from None
    if not (value.is_finite() and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} is no price")
    return value
