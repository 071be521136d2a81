"""The scaling policy in the state bucket: builds write it, `scale` and the live view change it, the autoscaler obeys.

What the answers said last lies beside it. So a build changes only what was answered differently since: a target that
`scale` set stays, until somebody answers that question anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from fleet.autoscaler.asked import still_meant
from fleet.autoscaler.codec import POLICY_OBJECT, policy_as_json, policy_from_json
from fleet.autoscaler.policy import ScalingPolicy, policy_problem
from fleet.deployment import STATE_KEY, Deployment
from fleet.settings import Mode
from fleet.store_keys import OWN, known_key
from state.errors import NotFound, StateError, UsageError
from state.objects import CompareAndSet

#: The policy as the answers had it when a build last wrote it.
ASKED = "scaling-asked.json"
#: Of several writers each lost race means that another one won.
MOST_TRIES = 20


def policy_in_force(state: CompareAndSet) -> ScalingPolicy | None:
    """The policy; None before a build wrote it.

    Args:
        state: the sealed state bucket.

    Raises:
        ProviderError: the state bucket cannot be read.
        StateError: it cannot be understood.
    """
    return _read(state, POLICY_OBJECT)


def policy_to_write(deployment: Deployment) -> str:
    """Why a build writes the policy; "" when it need not."""
    wanted = deployment.settings.scaling
    if wanted is None:
        return ""
    state = opened_state(deployment)
    if state is None or _read(state, POLICY_OBJECT) is None:
        return "the autoscaler has none yet"
    differing = _answered_anew(_read(state, ASKED), wanted)
    return f"answered anew: {', '.join(sorted(differing)).replace('_', ' ')}" if differing else ""


def bring_policy(deployment: Deployment) -> bool:
    """Puts what was answered since the last build into the policy.

    Returns:
        Whether anything was written.
    """
    wanted = deployment.settings.scaling
    if wanted is None or not policy_to_write(deployment):
        return False
    state = deployment.sealed_state()
    differing = _answered_anew(_read(state, ASKED), wanted)

    def merged(there: ScalingPolicy | None) -> ScalingPolicy:
        if there is None:
            return wanted
        new = replace(there, **differing)
        return replace(new, target=min(max(new.target, new.minimum), new.maximum))

    _change(state, POLICY_OBJECT, merged)
    _change(state, ASKED, lambda _there: wanted)
    return True


def change_policy(deployment: Deployment, change: Callable[[ScalingPolicy], ScalingPolicy]) -> ScalingPolicy:
    """Changes the policy in one step that nobody can get between; the autoscaler obeys within its next round.

    What was asked for webservers that are gone is dropped with it.

    Raises:
        UsageError: there is no policy to change, or nobody could scale by the new one.
        ProviderError: the state bucket does not answer.
    """
    state = opened_state(deployment)
    if state is None:
        raise _no_policy(deployment)

    def changed(there: ScalingPolicy | None) -> ScalingPolicy:
        if there is None:
            raise _no_policy(deployment)
        new = change(_of_those_there(deployment, there))
        if problem := policy_problem(new):
            raise UsageError("The scaling policy cannot be changed like that.", detail=problem)
        return new

    return _change(state, POLICY_OBJECT, changed)


def _of_those_there(deployment: Deployment, policy: ScalingPolicy) -> ScalingPolicy:
    if not policy.replacing and not policy.drained:
        return policy
    record = deployment.record.load()
    return replace(policy, replacing=still_meant(policy.replacing, record), drained=still_meant(policy.drained, record))


def set_target(deployment: Deployment, webservers: int) -> ScalingPolicy:
    """What `buildyard scale N` does.

    Raises:
        UsageError: it is outside what the owner allows, or there is nothing to scale.
    """

    def change(there: ScalingPolicy) -> ScalingPolicy:
        if not there.minimum <= webservers <= there.maximum:
            raise UsageError(
                f"The scaling policy allows {there.minimum} to {there.maximum} webservers, not {webservers}.",
                hint="change scaling.minimum or scaling.maximum: "
                f"buildyard new --deployment {deployment.settings.deployment}, then buildyard build",
            )
        return replace(there, target=webservers)

    return change_policy(deployment, change)


def opened_state(deployment: Deployment) -> CompareAndSet | None:
    """The sealed state bucket; None in development mode, and before a first build made what opens it."""
    one = deployment
    if one.settings.mode is not Mode.PRODUCTION or one.secrets.get(STATE_KEY.name) is None:
        return None
    return one.sealed_state() if known_key(one.record, one.secrets, OWN) is not None else None


def _no_policy(deployment: Deployment) -> UsageError:
    name = deployment.settings.deployment
    if deployment.settings.mode is Mode.DEVELOPMENT:
        return UsageError(
            f"{name} is in development mode, which has one webserver.",
            detail="Several need production mode: its autoscaler makes and ends them.",
            hint=f"buildyard new --deployment {name}, with mode production; then buildyard build",
        )
    return UsageError(f"{name} has no scaling policy yet.", hint=f"buildyard build --deployment {name}")


def _answered_anew(asked: ScalingPolicy | None, wanted: ScalingPolicy) -> dict[str, Any]:
    """The fields that the answers have differently than when a build last wrote them."""
    return {
        each.name: getattr(wanted, each.name)
        for each in fields(wanted)
        if asked is None or getattr(asked, each.name) != getattr(wanted, each.name)
    }


def _read(state: CompareAndSet, key: str) -> ScalingPolicy | None:
    try:
        found = state.get(key)
    except NotFound:
        return None  # the bucket is still to be made
    return policy_from_json(found[0]) if found is not None else None


def _change(state: CompareAndSet, key: str, change: Callable[[ScalingPolicy | None], ScalingPolicy]) -> ScalingPolicy:
    for _ in range(MOST_TRIES):
        found = state.get(key)
        there = policy_from_json(found[0]) if found is not None else None
        new = change(there)
        if new == there:
            return new
        data = policy_as_json(new)
        if found is None and state.put_if_absent(key, data) is not None:
            return new
        if found is not None and state.put_if_match(key, data, found[1]) is not None:
            return new
    raise StateError(f"{key} is changed by others all the time.", hint="Repeat the command.")
