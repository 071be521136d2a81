"""What a build would do, machine by machine, step by step; nothing is changed on the way."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from decimal import Decimal

from fleet.build import Build
from fleet.deployment import Deployment
from fleet.graph import Action, Change
from fleet.plan import Plan
from fleet.taken import refuse_taken_name
from state.events import StepStatus
from state.fleet_record import Stage
from state.unsaved_secrets import UnsavedSecrets


@dataclass(frozen=True, slots=True)
class Seen:
    """An action that would change something; ``steps`` are a recipe's, ``differences`` their diffs."""

    action: Action
    steps: tuple[str, ...] = ()
    differences: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """The changes a build would make."""

    changes: tuple[Seen, ...]
    price_per_month: Decimal | None


def preview(deployment: Deployment) -> Preview:
    """Compares answers, provider and every machine that exists.

    Raises:
        BuildyardError: the provider cannot be asked, or the name is taken there; a machine that cannot be asked is
            named among the changes.
    """
    refuse_taken_name(deployment)
    # A plan is made with what a build would make; only a build keeps it.
    deployment = replace(deployment, secrets=UnsavedSecrets(deployment.secrets))
    cancel = threading.Event()
    build = Build(deployment, cancel, check_only=True)
    plan = build.plan()
    changes = [Seen(action) for action in plan.changes]
    changes += _on_machines(deployment, build, plan)
    order = {action.id: number for number, action in enumerate(plan.actions)}
    return Preview(tuple(sorted(changes, key=lambda seen: order[seen.action.id])), plan.price_per_month)


def _on_machines(deployment: Deployment, build: Build, plan: Plan) -> list[Seen]:
    record = deployment.record.load()
    finished = {
        machine.name
        for machine in (record.machines if record else ())
        if machine.stage in (Stage.OWN_HOST_KEY, Stage.READY)
    }
    looks = [
        action
        for action in plan.actions
        if action.id.startswith("recipe:") and action.change is Change.CHECK and action.machine in finished
    ]
    inside = {action.id for action in looks}
    alone = tuple(
        replace(action, waits_for=tuple(other for other in action.waits_for if other in inside)) for action in looks
    )
    result = build.run(Plan(alone, None))
    by_id = {action.id: action for action in looks}
    seen = [
        Seen(replace(by_id[each], change=Change.CHANGE, reason=problem.summary))
        for each, problem in result.outcome.failed.items()
    ]
    for action_id, report in build.reports.items():
        differing = [each for each in report.results if each.status is StepStatus.WOULD_CHANGE]
        if differing:
            action = replace(
                by_id[action_id], change=Change.CHANGE, reason=f"{len(differing)} of {len(report.results)} steps differ"
            )
            differences = "\n".join(each.diff for each in differing if each.diff)
            seen.append(Seen(action, tuple(each.label for each in differing), differences))
    return seen
