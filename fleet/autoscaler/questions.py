"""What the owner is asked about scaling, in production mode, and the policy that the answers make."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from fleet.autoscaler.policy import MOST_WEBSERVERS, ScalingPolicy, policy_problem
from fleet.autoscaler.schedule import check_window, parse_window
from state.errors import AnswersError, UsageError
from state.questions import Answered, AnswerKind, Question

#: One leads, the others take over; more than three only cost more.
MOST_AUTOSCALERS = 3
#: A list that was typed in one line is cut at its commas; a window's own ("Sat,Sun") are put back.
_BETWEEN_WINDOWS = re.compile(r"\s*,\s*(?=\d{1,2}:\d\d)")


def check_autoscalers(value: Any) -> str:
    """A number of machines."""
    return _check_whole(value, 1, MOST_AUTOSCALERS)


def check_webservers(value: Any) -> str:
    """A number of machines."""
    return _check_whole(value, 1, MOST_WEBSERVERS)


def check_price_cap(value: Any) -> str:
    """US dollars, with or without cents."""
    try:
        fits = re.fullmatch(r"\d{1,6}(\.\d{1,2})?", str(value)) and Decimal(str(value)) > 0
    except InvalidOperation:
        fits = False
    return "" if fits else "Give US dollars a month, such as 120 or 99.50; leave it empty for no cap."


def check_windows(value: Any) -> str:
    """See :mod:`fleet.autoscaler.schedule`."""
    return next((problem for each in windows_of(value) if (problem := check_window(each))), "")


def windows_of(value: Sequence[str]) -> tuple[str, ...]:
    """Windows as texts, one each."""
    return tuple(part for part in _BETWEEN_WINDOWS.split(",".join(map(str, value)).strip()) if part)


def in_production(answers: Answered) -> bool:
    """Whether there is anything to scale."""
    return answers.get("mode") == "production"


def _least(answers: Answered) -> int:
    return int(answers.get("scaling.minimum") or 2)


QUESTIONS = (
    Question(
        key="scaling.autoscalers",
        label="How many autoscaler machines?",
        help="One watches the webservers, replaces ill ones and makes more or fewer. While it is away itself the site "
        "goes on, but nobody mends it: a second one takes over within half a minute. Example: 1, or 2 for a shop.",
        kind=AnswerKind.NUMBER,
        default=1,
        check=check_autoscalers,
        applies=in_production,
    ),
    Question(
        key="scaling.minimum",
        label="How many webservers at least?",
        help="There are never fewer. With two the site stays up while one is replaced. Example: 2.",
        kind=AnswerKind.NUMBER,
        default=2,
        check=check_webservers,
        applies=in_production,
    ),
    Question(
        key="scaling.maximum",
        label="How many webservers at most?",
        help="A hard limit on all there are, those being made or replaced among them: so it should be one more than "
        "you need at your busiest hour, or more. Example: 6.",
        kind=AnswerKind.NUMBER,
        default=lambda answers: min(MOST_WEBSERVERS, max(4, _least(answers) + 2)),
        check=check_webservers,
        applies=in_production,
    ),
    Question(
        key="scaling.webservers",
        label="How many webservers as a rule?",
        help="Wanted when no window of the week wants more. It can be changed at any time: buildyard scale N. "
        "Example: 2.",
        kind=AnswerKind.NUMBER,
        default=_least,
        check=check_webservers,
        applies=in_production,
    ),
    Question(
        key="scaling.windows",
        label="Hours of the week with more webservers",
        help="In the time zone of the machines; several are separated by commas; leave it empty for none. "
        "Example: 08:30-18:00 Mon-Fri = 5",
        kind=AnswerKind.LIST,
        required=False,
        default=[],
        check=check_windows,
        applies=in_production,
    ),
    Question(
        key="scaling.price_cap",
        label="What may all machines cost a month at most?",
        help="US dollars by the provider's list prices. No webserver is made that would cost more; leave it empty for "
        "no cap. Example: 120",
        required=False,
        default="",
        check=check_price_cap,
        applies=in_production,
    ),
)


def read_scaling(answers: Mapping[str, Any]) -> ScalingPolicy:
    """The policy of these answers; what nobody asks has its usual value.

    Raises:
        AnswersError: they do not go together.
    """
    given = {question.key: answers.get(question.key, question.default_for(answers)) for question in QUESTIONS}
    windows, cap = windows_of(given["scaling.windows"] or ()), str(given["scaling.price_cap"] or "")
    try:
        policy = ScalingPolicy(
            minimum=int(given["scaling.minimum"]),
            maximum=int(given["scaling.maximum"]),
            target=int(given["scaling.webservers"]),
            time_zone=str(answers.get("time_zone") or "Etc/UTC"),
            windows=tuple(map(parse_window, windows)),
            price_cap_per_month=Decimal(cap) if cap else None,
        )
    except (UsageError, ValueError, InvalidOperation) as problem:
        raise AnswersError("The answers about scaling cannot be used.", detail=str(problem), hint=_HINT) from problem
    if problem_found := _problem(policy):
        raise AnswersError("The answers about scaling do not go together.", detail=problem_found, hint=_HINT)
    return policy


_HINT = "change scaling.minimum, scaling.webservers, scaling.maximum or scaling.windows in the answers"


def scaling_found(answers: Answered) -> str:
    """For the wizard: what the answers come to, in a few words.

    Raises:
        AnswersError: they do not go together.
    """
    if not in_production(answers):
        return ""
    policy = read_scaling(answers)
    return f"{policy.target} webservers, never fewer than {policy.minimum} or more than {policy.maximum}"


def _problem(policy: ScalingPolicy) -> str:
    if not policy.minimum <= policy.target <= policy.maximum:
        return (
            f"As a rule {policy.target} webservers are wanted, at least {policy.minimum} and at most {policy.maximum}."
        )
    return policy_problem(policy)


def _check_whole(value: Any, least: int, most: int) -> str:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        return f"Give a whole number from {least} to {most}."
    return ""
