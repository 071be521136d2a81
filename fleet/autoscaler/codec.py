"""Views, policies and decisions as JSON: the journal keeps them, the bucket holds the policy. Reading gives them back
exactly; what a newer Buildyard wrote is refused, never half understood."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import time
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from fleet.autoscaler.decide import decide
from fleet.autoscaler.decision import Decisions
from fleet.autoscaler.policy import ScalingPolicy, policy_problem
from fleet.autoscaler.sample import Sample
from fleet.autoscaler.view import View
from state.errors import StateError
from state.events import Kind

VERSION = 1
#: Name of the policy's object in the state bucket.
POLICY_OBJECT = "scaling.json"

Kept = TypeVar("Kept", View, ScalingPolicy, Decisions, Sample)


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision of a journal that would not be made again.

    Attributes:
        line: of the journal, from 1.
        now: the moment it was for.
        was, is_now: None where the line could not be read.
        problem: why it could not be, "" when it was.
    """

    line: int
    now: float | None
    was: Decisions | None
    is_now: Decisions | None
    problem: str = ""


def as_data(value: View | ScalingPolicy | Decisions | Sample) -> dict[str, Any]:
    """As JSON values, with the version they are written in."""
    return {"version": VERSION, **_plain(value)}


def from_data(kind: type[Kept], data: Any) -> Kept:
    """What :func:`as_data` made, as it was.

    Raises:
        StateError: it is of a newer Buildyard, or something else.
    """
    what = f"A kept {kind.__name__} of the autoscaler"
    try:
        content = dict(data)
        version = content.pop("version")
        if type(version) is not int or version < 1:
            raise ValueError("no version")  # noqa: TRY301 - one place says that it is damaged
        if version > VERSION:
            raise StateError(
                f"{what} was written by a newer Buildyard (version {version}, this one knows {VERSION}).",
                hint="Update Buildyard here.",
            )
        found: Kept = _rich(kind, content)
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise StateError(f"{what} is damaged.", detail=str(error), hint="Look at where it came from.") from error
    return found


def policy_as_json(policy: ScalingPolicy) -> bytes:
    """As the bucket holds it; a person can read it."""
    return json.dumps(as_data(policy), indent=1, sort_keys=True).encode() + b"\n"


def policy_from_json(data: bytes) -> ScalingPolicy:
    """The policy of the bucket.

    Raises:
        StateError: it is of a newer Buildyard, damaged, or nobody can scale by it.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StateError(
            f"{POLICY_OBJECT} is damaged.", detail=str(error), hint="buildyard scale N writes it anew."
        ) from error
    policy = from_data(ScalingPolicy, content)
    problem = policy_problem(policy)
    if problem:
        raise StateError(f"{POLICY_OBJECT} cannot be used.", detail=problem, hint="buildyard new asks for it again.")
    return policy


def decision_data(view: View, policy: ScalingPolicy, now: float, decisions: Decisions) -> dict[str, Any]:
    """The data of a journal's line of the kind :attr:`state.events.Kind.DECISION`."""
    return {"view": as_data(view), "policy": as_data(policy), "now": now, "decisions": as_data(decisions)}


def redecide(lines: Iterable[bytes]) -> tuple[int, list[Difference]]:
    """Decides again what a journal says was decided.

    Args:
        lines: of the journal; other kinds and torn lines are passed over.

    Returns:
        How many decisions there were, and those that come out otherwise or cannot be read.
    """
    count = 0
    differences = []
    for number, line in enumerate(lines, 1):
        data = _decision_of(line)
        if data is None:
            continue
        count += 1
        try:
            now = _rich(float, data["now"])
            was = from_data(Decisions, data["decisions"])
            again = decide(from_data(View, data["view"]), from_data(ScalingPolicy, data["policy"]), now)
        except StateError as problem:
            differences.append(Difference(number, None, None, None, problem.text()))
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            differences.append(Difference(number, None, None, None, f"The line is damaged: {error!r}."))
        else:
            if again != was:
                differences.append(Difference(number, now, was, again))
    return count, differences


def _decision_of(line: bytes) -> Mapping[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("kind") != Kind.DECISION.value:
        return None
    data = content.get("data")
    return data if isinstance(data, dict) else {}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _rich(kind: Any, value: Any) -> Any:
    """A JSON value as the type says; wrong ones are refused, not bent."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        rest = [each for each in get_args(kind) if each is not type(None)]
        return None if value is None else _rich(rest[0], value)
    if origin in (tuple, frozenset):
        return _many(kind, origin, value)
    if is_dataclass(kind):
        return _object(kind, value)
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{value!r} is no number")
        return float(value)
    if kind is Decimal and isinstance(value, str):
        return Decimal(value)
    if kind is time and isinstance(value, str):
        return time.fromisoformat(value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    if type(value) is not kind:
        raise ValueError(f"{value!r} is not of the type {kind}")
    return value


def _many(kind: Any, origin: Any, value: Any) -> Any:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    inner = get_args(kind)
    if origin is frozenset or inner[-1] is Ellipsis:
        return origin(_rich(inner[0], each) for each in value)
    return tuple(_rich(each, one) for each, one in zip(inner, value, strict=True))


def _object(kind: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no object")
    hints = _hints(kind)
    unknown = value.keys() - hints.keys()
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(map(str, unknown)))}")
    # What an older Buildyard did not write yet has its default; what never had one must be there.
    for each in fields(kind):
        if each.name not in value and each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"{each.name} is missing")
    return kind(**{name: _rich(hints[name], one) for name, one in value.items()})


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)
