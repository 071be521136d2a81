"""A plan as a graph to read from top to bottom: stages, in each a lane a machine, arrows for what waits for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content

from fleet.graph import Action, Change
from screens.widgets.plan_table import STYLES
from wizard.plan_rows import SIGNS, short

if TYPE_CHECKING:
    from fleet.plan import Plan

CLOUD = "cloud"
_THEN, _BESIDE = " → ", " · "


@dataclass(frozen=True, slots=True)
class Stage:
    """What happens between two moments at which everything waits for everything.

    Attributes:
        at_provider: done at the provider, not on machines.
        lanes: what goes on side by side, each in order.
    """

    at_provider: bool
    lanes: Mapping[str, tuple[Action, ...]]


def stages(actions: Sequence[Action]) -> tuple[Stage, ...]:
    """The stages of a plan. An action is as late as what it waits for; a new stage begins where the place changes."""
    number: dict[str, int] = {}
    by_id = {action.id: action for action in actions}
    for action in actions:
        earlier = [by_id[each] for each in action.waits_for if each in number]
        number[action.id] = max(
            (number[each.id] + (_is_cloud(each) != _is_cloud(action)) for each in earlier),
            default=0 if _is_cloud(action) else 1,
        )
    found: dict[tuple[int, bool], dict[str, list[Action]]] = {}
    for action in actions:
        lanes = found.setdefault((number[action.id], _is_cloud(action)), {})
        lanes.setdefault(action.machine or CLOUD, []).append(action)
    return tuple(
        Stage(at_provider, {lane: tuple(each) for lane, each in sorted(found[key].items())})
        for key in sorted(found)
        for at_provider in (key[1],)
    )


def graph(plan: Plan, width: int) -> Content:
    """The graph for that many columns."""
    by_id = {action.id: action for action in plan.actions}
    lane_width = max((len(action.machine or CLOUD) for action in plan.actions), default=0)
    lines: list[Content] = []
    for number, stage in enumerate(stages(plan.actions)):
        if number:
            lines.append(Content.styled("  │\n  ▼", "$foreground-muted"))
        title = "at the provider" if stage.at_provider else "on the machines, side by side"
        lines.append(Content.styled(f"{number + 1} {title}", "bold"))
        for lane, actions in stage.lanes.items():
            head = Content.styled(f"  {lane.ljust(lane_width)}  ", "$text-accent")
            lines += _wrapped(head, _pieces(lane, actions, by_id), width)
    legend = "  ".join(f"{SIGNS[change]} {change.value}" for change in Change if _has(plan, change))
    arrows = "→ then  · at the same time  ⇠ waits for"
    lines += [Content(""), Content.styled(f"{legend}\n{arrows}", "$foreground-muted")]
    return Content("\n").join(lines)


def _pieces(lane: str, actions: Sequence[Action], by_id: Mapping[str, Action]) -> list[Content]:
    """A lane's actions, each with the arrow before it and what it waits for on other machines."""
    pieces: list[Content] = []
    for number, action in enumerate(actions):
        before = actions[number - 1] if number else None
        arrow = "" if before is None else _THEN if before.id in action.waits_for else _BESIDE
        here = {each.id for each in actions} - ({before.id} if before else set())
        waits_for = [by_id[each] for each in action.waits_for if each in by_id and each != (before and before.id)]
        named = [each for each in waits_for if each.id in here or (action.machine and each.machine not in (None, lane))]
        waits = ", ".join(short(each) if each.id in here else f"{each.machine} {short(each)}" for each in named)
        pieces.append(
            Content.assemble(
                (arrow, "$foreground-muted"),
                (f"{SIGNS[action.change]} ", STYLES[action.change]),
                short(action),
                (f" ⇠ {waits}" if waits else "", "$text-warning"),
            )
        )
    return pieces


def _wrapped(head: Content, pieces: Sequence[Content], width: int) -> list[Content]:
    """Pieces behind a lane's name, in as many lines as they take."""
    indent = cell_len(head.plain)
    lines: list[Content] = []
    line, used = head, indent
    for piece in pieces:
        length = cell_len(piece.plain)
        if used > indent and used + length > width:
            lines.append(line)
            line, used = Content(" " * indent), indent
        line, used = line + piece, used + length
    return [*lines, line]


def _is_cloud(action: Action) -> bool:
    return action.machine is None


def _has(plan: Plan, change: Change) -> bool:
    return any(action.change is change for action in plan.actions)
