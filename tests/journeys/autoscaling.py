"""The production site's autoscaler as journeys meet it: its policy, its journal, and how long things take."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from buildyard.program import Program
from fleet.autoscaler.policy import ScalingPolicy
from fleet.deployment import Deployment
from fleet.images import images_of
from fleet.leftovers import is_mould
from fleet.scaling import change_policy
from state.clock import SystemClock, wait_until
from state.errors import DeadlineExceeded
from state.paths import Home
from tests.journeys.conftest import Deployed, environment

CLOCK = SystemClock()
JOURNAL = "/var/lib/buildyard/autoscaler/journal/journal.jsonl"
#: As short as they can be without being nothing: resolvers of the journeys keep answers for 5 s.
SHORT = {"drain_s": 12.0, "drain_quiet_s": 6.0}
#: From here on nothing is under way: a webserver is made in under a minute, one that leaves has a drain.
SETTLED_S = 600.0


def opened(site: Deployed) -> Deployment:
    """The deployment as the build machine has it."""
    program = Program(Home(site.home), environment(site.home), CLOCK)
    return program.open_built(program.paths(site.deployment), may_ask=False)


@contextmanager
def policy(site: Deployed, *, settles: bool = True, **changes: Any) -> Iterator[ScalingPolicy]:
    """The policy with some values changed, as long as the ``with`` lasts; then as it was, when all has settled.

    Args:
        settles: nothing is under way before it is put back.
    """
    deployment = opened(site)
    before: list[ScalingPolicy] = []

    def change(there: ScalingPolicy) -> ScalingPolicy:
        before[:] = [there]
        return replace(there, **changes)

    try:
        yield change_policy(deployment, change)
        if settles:
            settled(site)
    finally:
        change_policy(deployment, lambda _: before[0])


def webservers(site: Deployed) -> dict[str, dict[str, Any]]:
    """What `status` says of each of them."""
    return {each["name"]: each for each in site.json("status")["machines"] if each["role"] == "webserver"}


def imaged(site: Deployed) -> str:
    """The name of the image new webservers are made from; "" while there is none, or one is being made."""
    deployment = opened(site)
    if any(is_mould(deployment.names, each) for each in deployment.access.provider.machines(deployment.names.tag)):
        return ""
    return next((each.name for each in images_of(deployment)), "")


def settled(site: Deployed) -> None:
    """As many webservers as are wanted, all well, all in DNS, nobody else there, and the image made."""

    def quiet() -> bool:
        status = site.json("status")
        scaling = status["autoscaler"]
        serving = sorted(each["public_ip"] for each in status["machines"] if each["role"] == "webserver")
        at_rest = status["healthy"] and scaling["leader"] and scaling["have"] == scaling["target"]
        return bool(at_rest) and site.resolve(site.domain, "A") == serving and bool(imaged(site))

    comes_true(site, "the fleet to be at rest", quiet, SETTLED_S, every_s=5.0)


def comes_true(
    site: Deployed, what: str, condition: Callable[[], bool], timeout_s: float, *, every_s: float = 1.0
) -> float:
    """Waits; returns when it was so, in seconds since the epoch. A failure tells what the autoscaler said last.

    Args:
        every_s: how often it is looked at, at the most; `status` has every webserver make its page.
    """
    try:
        wait_until(what, lambda: condition() or None, timeout_s=timeout_s, clock=CLOCK, first_s=0.2, longest_s=every_s)
    except DeadlineExceeded as late:
        said = "\n".join(f"{event['at']:.0f} {event['text']}" for event in journal(site)[-15:])
        raise AssertionError(f"{late.summary}\n{said}") from late
    return time.time()


def journal(site: Deployed, machine: str = "as-1", since: float = 0.0) -> list[dict[str, Any]]:
    """What the autoscaler wrote down, but for samples and its recipes' output."""
    lines = site.on(machine, "sudo", "-n", "cat", JOURNAL).splitlines()
    events = [json.loads(line) for line in lines]
    return [each for each in events if each["kind"] in ("decision", "note", "problem") and each["at"] >= since]


def reasons(site: Deployed, since: float, machine: str = "as-1") -> str:
    """Everything it said since then."""
    return "\n".join(event["text"] for event in journal(site, machine, since))
