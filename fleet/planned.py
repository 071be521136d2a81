"""A plan as the journal keeps it, so that every view knows from the first moment what is to come and what waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.graph import Action

#: Under this key a NOTE carries the plan.
PLAN_KEY = "actions"
#: Short names by the beginning of the id.
_LABELS = {
    "machine": "machine",
    "reach": "SSH",
    "store": "buckets",
    "network": "private network",
    "ssh-key": "SSH key",
    "zone": "DNS zone",
    "firewalls": "cloud firewalls",
    "sources": "firewall sources",
    "database": "managed database",
    "dns": "DNS",
    "site": "the page",
    "scaling": "scaling policy",
}


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One action of a plan, as far as a view needs it.

    Attributes:
        id: as in :class:`fleet.graph.Action`.
        target: what is done, as a person says it.
        machine: whose pane shows it; None for the cloud's.
        change: what it does to the world; "" where an old journal does not say.
        reason: why it is done.
        waits_for: ids of what must be done before.
        steps: how many steps it has, 0 where that is not known.
    """

    id: str
    target: str
    machine: str | None = None
    change: str = ""
    reason: str = ""
    waits_for: tuple[str, ...] = ()
    steps: int = 0

    @property
    def label(self) -> str:
        """Its short name in the pane of its machine."""
        kind, _, rest = self.id.partition(":")
        if kind == "recipe":
            return rest.partition(":")[2] or self.target
        return _LABELS.get(kind, self.target)


def plan_data(actions: Iterable[Action], steps: Mapping[str, int]) -> list[dict[str, Any]]:
    """A plan as JSON values.

    Args:
        actions: in the plan's order.
        steps: how many steps an action has, by its id.
    """
    return [
        {
            "id": action.id,
            "target": action.target,
            "machine": action.machine,
            "change": action.change.value,
            "reason": action.reason,
            "waits_for": list(action.waits_for),
            "steps": steps.get(action.id, 0),
        }
        for action in actions
    ]


def planned_from(data: object) -> tuple[PlannedAction, ...]:
    """The plan in a NOTE's data; journals of older versions have ids only. What is neither is passed over."""
    if not isinstance(data, list | tuple):
        return ()
    found = (_from_id(each) if isinstance(each, str) else _from_mapping(each) for each in data)
    return tuple(action for action in found if action is not None)


def _from_id(action_id: str) -> PlannedAction:
    kind, _, rest = action_id.partition(":")
    machine = rest.partition(":")[0] if kind in ("machine", "reach", "recipe") else ""
    target = {
        "machine": f"machine {machine}",
        "reach": f"SSH to {machine}",
        "recipe": f"{rest.partition(':')[2]} on {machine}",
    }.get(kind, action_id)
    return PlannedAction(action_id, target, machine or None)


def _from_mapping(data: object) -> PlannedAction | None:
    if not isinstance(data, Mapping) or not data.get("id"):
        return None
    machine, steps = data.get("machine"), data.get("steps", 0)
    return PlannedAction(
        id=str(data["id"]),
        target=str(data.get("target", data["id"])),
        machine=str(machine) if machine else None,
        change=str(data.get("change", "")),
        reason=str(data.get("reason", "")),
        waits_for=tuple(str(each) for each in data.get("waits_for", ())),
        steps=steps if isinstance(steps, int) else 0,
    )
