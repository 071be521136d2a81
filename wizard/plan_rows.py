"""A plan as rows of a table: what, how it changes, why, what it costs; recipes of one machine are one row."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from fleet.graph import Action, Change

if TYPE_CHECKING:
    from fleet.plan import Plan

SIGNS = {
    Change.CREATE: "+",
    Change.CHANGE: "~",
    Change.REPLACE: "±",
    Change.DESTROY: "-",
    Change.CHECK: "=",
}
NOTHING = "Nothing would change: a build would only look, and mend what it finds."
_VERBS = {
    Change.CREATE: "Makes",
    Change.CHANGE: "Changes",
    Change.REPLACE: "Replaces",
    Change.DESTROY: "Destroys",
}
_HEADS = ("what", "change", "why", "$/month")
_GAP = "  "
_RECIPE = "recipe:"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; ``more`` stands below it."""

    what: str
    change: Change
    why: str
    price: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table, of as many columns as were asked for.

    Attributes:
        cells: padded, gaps included.
        change: that of its row; None for the head and for what stands below a row.
    """

    cells: tuple[str, ...]
    change: Change | None = None


def rows(plan: Plan) -> tuple[Row, ...]:
    """What would change, in a possible order; neighbouring recipes of one machine together."""
    found: list[Row] = []
    grouped: list[Action] = []

    def finish() -> None:
        if grouped:
            first = grouped[0]
            names = ", ".join(short(each) for each in grouped)
            found.append(Row(f"{first.machine}: {_recipes(len(grouped))}", first.change, first.reason, "", names))
            grouped.clear()

    for action in plan.changes:
        if grouped and (_group_of(action) != _group_of(grouped[0])):
            finish()
        if action.id.startswith(_RECIPE):
            grouped.append(action)
        else:
            found.append(Row(action.target, action.change, action.reason, monthly(action.price_per_month)))
    finish()
    return tuple(found)


def lines(plan: Plan, width: int) -> tuple[Line, ...]:
    """The table for that many columns, its head first; empty when nothing would change."""
    shown = rows(plan)
    if not shown:
        return ()
    changes = [f"{SIGNS[row.change]} {row.change.value}" for row in shown]
    change_width = max(map(len, (*changes, _HEADS[1])))
    price_width = max(map(len, (*(row.price for row in shown), _HEADS[3])))
    left = width - change_width - price_width - 3 * len(_GAP)
    what_width = max(20, min(max(len(row.what) for row in shown), left * 6 // 10))
    why_width = max(12, left - what_width)

    def cells(what: str, change: str, why: str, price: str) -> tuple[str, ...]:
        return (
            what.ljust(what_width) + _GAP,
            change.ljust(change_width) + _GAP,
            why.ljust(why_width) + _GAP,
            price.rjust(price_width),
        )

    found = [Line(cells(*_HEADS))]
    for row, change in zip(shown, changes, strict=True):
        whats = textwrap.wrap(row.what, what_width) or [""]
        whys = textwrap.wrap(row.why, why_width) or [""]
        for number in range(max(len(whats), len(whys))):
            what = whats[number] if number < len(whats) else ""
            why = whys[number] if number < len(whys) else ""
            first = number == 0
            found.append(Line(cells(what, change if first else "", why, row.price if first else ""), row.change))
        found += [Line((f"    {part}",)) for part in textwrap.wrap(row.more, max(20, width - 4))]
    return tuple(found)


def touched(plan: Plan) -> tuple[str, ...]:
    """What a build would touch, as sentences."""
    changes = plan.changes
    cloud = [action for action in changes if not action.id.startswith(_RECIPE)]
    recipes: dict[str, int] = {}
    for action in changes:
        if action.id.startswith(_RECIPE) and action.machine:
            recipes[action.machine] = recipes.get(action.machine, 0) + 1
    sentences = [
        f"{verb}: {', '.join(dict.fromkeys(action.target for action in cloud if action.change is change))}"
        for change, verb in _VERBS.items()
        if any(action.change is change for action in cloud)
    ]
    if recipes:
        sentences.append("Sets up: " + ", ".join(f"{name} ({_recipes(count)})" for name, count in recipes.items()))
    return tuple(sentences) or ("Nothing: a build would only look, and mend what it finds.",)


def short(action: Action) -> str:
    """What it is about, without the machine that stands beside it."""
    target = action.target
    if action.machine:
        target = target.removesuffix(f" on {action.machine}").removesuffix(f" to {action.machine}")
        target = target.replace(f"machine {action.machine} ", "machine ")
    return target


def monthly(price: Decimal | None) -> str:
    """What an action adds to the monthly price, "" for nothing."""
    if price is None:
        return "unknown"
    return f"{price:.2f}" if price else ""


def _recipes(count: int) -> str:
    return "1 recipe" if count == 1 else f"{count} recipes"


def _group_of(action: Action) -> Sequence[object]:
    return action.id.startswith(_RECIPE), action.machine, action.change, action.reason
