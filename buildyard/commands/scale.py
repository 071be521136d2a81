"""How many webservers there shall be as a rule, in production mode; the autoscaler brings it about."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("webservers", type=int, metavar="N", help="webservers wanted when no window wants more")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Changes the policy in the deployment's state bucket; repeated it changes nothing."""
    from fleet.scaling import set_target

    deployment = program.open_built(program.paths(arguments.deployment), may_ask=not arguments.yes)
    policy = set_target(deployment, arguments.webservers)
    if arguments.json:
        print(json.dumps({"ok": True, "target": policy.target, "minimum": policy.minimum, "maximum": policy.maximum}))
        return 0
    print(f"As a rule {policy.target} webservers are wanted now ({policy.minimum} to {policy.maximum} are allowed).")
    if policy.paused:
        print("The autoscaler is paused: it brings that about when it is resumed.")
    else:
        print(f"The autoscaler brings it about: buildyard status --deployment {deployment.settings.deployment}")
    return 0
