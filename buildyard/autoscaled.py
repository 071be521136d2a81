"""The autoscaler of a deployment in production mode, as this build machine reaches it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from fleet.autoscaler.asked import Asked, ask, serving_webserver
from fleet.autoscaler.following import Hears, follow
from fleet.autoscaler.leaders import known_of, leaders_of
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.watch_rows import Known
from fleet.deployment import Deployment
from fleet.scaling import change_policy, opened_state
from fleet.settings import Mode
from state.clock import SystemClock
from state.errors import UsageError
from state.objects import CompareAndSet

if TYPE_CHECKING:
    import argparse

    from buildyard.program import Program
    from fleet.autoscaler.wishes import Wish


def known(deployment: Deployment) -> Known:
    """What its autoscaler's journal does not say.

    Raises:
        UsageError: it has no autoscaler.
        BuildyardError: record or provider cannot be asked.
    """
    _state(deployment)
    return known_of(deployment)


def follow_leader(deployment: Deployment, hears: Hears, stop: threading.Event) -> None:
    """Follows whoever leads until ``stop`` is set.

    Raises:
        UsageError: it has no autoscaler.
    """
    with leaders_of(deployment, _state(deployment)) as leaders:
        follow(leaders, hears, stop, SystemClock(stop))


def change(deployment: Deployment, wish: Wish) -> ScalingPolicy:
    """Brings a wish into the policy in the state bucket; returns the policy as it is then.

    Raises:
        UsageError: it has no autoscaler, or nobody could scale by such a policy.
    """
    return change_policy(deployment, wish.change)


def bring(wish: Wish, arguments: argparse.Namespace, program: Program) -> int:
    """What the commands do that change only the policy; repeated they change nothing."""
    import json

    deployment = program.open_built(program.paths(arguments.deployment), may_ask=not arguments.yes)
    policy = change(deployment, wish)
    if arguments.json:
        answer = {
            "ok": True,
            "paused": policy.paused,
            "target": policy.target,
            "protected": sorted(policy.protected),
            "replacing": [each.machine for each in policy.replacing],
            "drained": [each.machine for each in policy.drained],
        }
        print(json.dumps(answer))
    else:
        print(wish.done)
    return 0


def bring_for_one(wish: Callable[[Asked], Wish], arguments: argparse.Namespace, program: Program) -> int:
    """What the commands do that ask something for one webserver that serves.

    Args:
        wish: makes it of what is asked; ``arguments.machine`` names the webserver.

    Raises:
        UsageError: there is no such webserver, or it does not serve; or the policy forbids it.
    """
    deployment = program.open_built(program.paths(arguments.deployment), may_ask=not arguments.yes)
    machine = serving_webserver(deployment.record.load(), arguments.machine)
    return bring(wish(ask(machine, deployment.clock.now())), arguments, program)


def _state(deployment: Deployment) -> CompareAndSet:
    name = deployment.settings.deployment
    if deployment.settings.mode is not Mode.PRODUCTION:
        raise UsageError(f"{name} is in development mode: it has no autoscaler.", hint="buildyard status")
    state = opened_state(deployment)
    if state is None:
        raise UsageError(f"{name} has no autoscaler yet.", hint=f"buildyard build --deployment {name}")
    return state
