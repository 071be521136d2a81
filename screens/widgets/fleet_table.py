"""The machines of a deployment as aligned columns: as many as the width has room for."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from fleet.cost import dollars
from screens import signs

if TYPE_CHECKING:
    from fleet.status import MachineHealth  # not at run time: brings SSH along

#: From this width on the private addresses and the provider's word for the state are shown too.
WIDE = 100
_GAP = "  "
#: A reason shorter than this is always beside its machine.
_LEAST_REASON = 8


class FleetTable(Widget):
    """A line a machine; a reason that does not fit stands below its machine in full.

    It is drawn for the width that the layout gives it, in that same layout: drawn only once its size is known, it would
    first be seen with its head alone.
    """

    DEFAULT_CSS = "FleetTable { height: auto; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._machines: tuple[MachineHealth, ...] = ()
        self._told = ""
        self._priced = True

    def show(self, machines: Sequence[MachineHealth], told: str = "", *, priced: bool = True) -> None:
        """Shows these, in this order.

        Args:
            told: a sentence that stands above already, so that a long reason in it is not repeated.
            priced: somebody pays for them.
        """
        self._machines, self._told, self._priced = tuple(machines), told, priced
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return len(self._table(width).plain.splitlines())

    def render(self) -> Content:
        return self._table(self.content_size.width)

    def _table(self, width: int) -> Content:
        return table(self._machines, width, self._told, priced=self._priced) if width else Content("")


def table(machines: Sequence[MachineHealth], width: int, told: str = "", *, priced: bool = True) -> Content:
    """The table for that many columns; see :meth:`FleetTable.show`."""
    wide = width >= WIDE
    names = _column("machine", [machine.name for machine in machines])
    roles = _column("role", [machine.role for machine in machines])
    addresses = _column("address", [machine.public_ip or "–" for machine in machines])
    columns = [names, roles, addresses]
    if wide:
        columns.append(_column("private", [machine.private_ip or "–" for machine in machines]))
        columns.append(_column("state", [machine.state for machine in machines]))
    behind = [_column("answer", [_answer(machine) for machine in machines], right=True)]
    if priced:
        behind.append(_column("$/month", [dollars(machine.price_per_month) for machine in machines], right=True))
    taken = 2 + sum(len(column[0]) + len(_GAP) for column in (*columns, *behind))
    reasons = [_reason(machine, wide=wide) for machine in machines]
    room = max(_LEAST_REASON, width - taken)
    room = max(_LEAST_REASON, *(len(reason) for reason in reasons if len(reason) <= room), 0)
    heads = ["  " + columns[0][0], *(column[0] for column in columns[1:]), "health".ljust(room)]
    heads += [column[0] for column in behind]
    lines: list[Content] = [Content.styled(_GAP.join(heads), "$foreground-muted")]
    for number, machine in enumerate(machines, 1):
        reason = reasons[number - 1]
        fits = len(reason) <= room
        style = "$success" if machine.healthy else "$error"
        sign = signs.DONE if machine.healthy else signs.FAILED
        health = reason if fits else "not well" if not machine.healthy else "well"
        lines.append(
            Content.assemble(
                (sign + " ", style),
                _GAP.join(column[number] for column in columns) + _GAP,
                (health.ljust(room), style if not machine.healthy else ""),
                "".join(_GAP + column[number] for column in behind),
            )
        )
        if not fits and machine.reason not in told:
            lines += [Content.styled("    " + part, style) for part in textwrap.wrap(reason, max(20, width - 4))]
    return Content("\n").join(lines)


def _column(head: str, cells: Sequence[str], *, right: bool = False) -> list[str]:
    width = max(len(head), *(len(cell) for cell in cells)) if cells else len(head)
    return [cell.rjust(width) if right else cell.ljust(width) for cell in (head, *cells)]


def _answer(machine: MachineHealth) -> str:
    return f"{machine.milliseconds} ms" if machine.milliseconds else "–"


def _reason(machine: MachineHealth, *, wide: bool) -> str:
    if machine.state == "running" or wide:
        return machine.reason
    return f"{machine.state}: {machine.reason}" if machine.reason else machine.state
