"""A plan as a table, in the colours of what each row does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from fleet.graph import Change
from wizard.plan_rows import NOTHING, Line, lines

if TYPE_CHECKING:
    from fleet.plan import Plan

STYLES = {
    Change.CREATE: "$text-success",
    Change.CHANGE: "$text-warning",
    Change.REPLACE: "$text-warning",
    Change.DESTROY: "$text-error",
    Change.CHECK: "$foreground-muted",
}


def table(plan: Plan, width: int) -> Content:
    """The table for that many columns."""
    return Content("\n").join(_coloured(line) for line in lines(plan, width)) or Content(NOTHING)


def _coloured(line: Line) -> Content:
    if line.change is None:
        return Content.styled("".join(line.cells), "$foreground-muted")
    what, change, why, price = line.cells
    return Content.assemble(what, (change, STYLES[line.change]), (why, "$foreground-muted"), price)
