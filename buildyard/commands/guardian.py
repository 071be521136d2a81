"""Who comes past the Gateway Guardian: add NAME and rotate NAME show a new password this once, remove NAME, list."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program
    from fleet.guardian import Change
    from recipes.context import Guarded
    from state.paths import DeploymentPaths

#: How long another run is waited for: a first build may take longer, a change of the autoscaler does not.
PATIENCE_S = 60.0
#: Webservers' cron pulls each minute; the rest is for the pull itself.
SOON = "The webservers go by it within a minute or so."


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("what", choices=("add", "remove", "list", "rotate"), help="what to do")
    one.add_argument("name", nargs="?", default="", metavar="NAME", help="of a person; list needs none")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Changes the signed list that webservers pull, under the lease; before the first build, the one it publishes.

    Raises:
        UsageError: no name or one that cannot be used; somebody who is there already, or is not.
        LeaseHeld: another run changes the deployment and does not end soon.
    """
    from fleet.guardian import added, hash_of, new_password, removed, rotated
    from recipes.guardian import check_person
    from state.errors import UsageError

    paths = program.paths(arguments.deployment)
    if arguments.what == "list":
        if arguments.name:
            raise UsageError("guardian list takes no name.", hint="buildyard guardian list")
        return _list(arguments, program, paths)
    if not arguments.name:
        raise UsageError(f"guardian {arguments.what}: whom?", hint=f"buildyard guardian {arguments.what} NAME")
    check_person(arguments.name)
    if arguments.what == "remove":
        people, guarded = _change(arguments, program, paths, removed(arguments.name))
        return _tell(arguments, people, guarded, f"{arguments.name} is not let in any more.", paths)
    password = new_password()
    program.redact.add(password)
    wanted = added if arguments.what == "add" else rotated
    people, guarded = _change(arguments, program, paths, wanted(arguments.name, hash_of(password)))
    said = f"The password of {arguments.name}, shown this once: {password.reveal()}"
    return _tell(arguments, people, guarded, said, paths, password.reveal())


def _list(arguments: argparse.Namespace, program: Program, paths: DeploymentPaths) -> int:
    from fleet.guardian import people_of, people_to_be
    from fleet.settings import read_settings

    if paths.fleet_record.exists():
        deployment = program.open_built(paths, may_ask=not arguments.yes)
        people, guarded = tuple(sorted(people_of(deployment))), deployment.settings.guarded
    else:
        settings = read_settings(program.answers(paths).values)
        secrets = program.secret_store(paths, settings.provider, may_ask=not arguments.yes)
        people, guarded = tuple(sorted(people_to_be(secrets))), settings.guarded
    if arguments.json:
        print(json.dumps({"ok": True, "guardian": guarded.value, "people": list(people)}))
        return 0
    for name in people:
        print(name)
    _remark(guarded, "" if people else "The Gateway Guardian knows nobody.")
    return 0


def _change(
    arguments: argparse.Namespace, program: Program, paths: DeploymentPaths, change: Change
) -> tuple[tuple[str, ...], Guarded]:
    """Who is let in then, and before what."""
    from dataclasses import replace

    from fleet.guardian import change_people, change_people_to_be
    from fleet.lease_store import lease_store
    from fleet.settings import read_settings
    from state.errors import LeaseHeld
    from state.lease import held

    if not paths.fleet_record.exists():
        settings = read_settings(program.answers(paths).values)
        secrets = program.secret_store(paths, settings.provider, may_ask=not arguments.yes)
        return change_people_to_be(secrets, change), settings.guarded
    deployment = program.open_built(paths, may_ask=not arguments.yes)
    record = deployment.record.load()
    try:
        with held(
            lease_store(deployment, paths),
            why="buildyard guardian",
            clock=deployment.clock,
            lost=lambda: None,  # asked before each change
            tell=lambda sentence: print(sentence, file=sys.stderr, flush=True),
            least_epoch=record.epoch if record else 0,
            patience_s=PATIENCE_S,
        ) as lease:
            deployment.record.update(lambda old: replace(old, epoch=lease.epoch))
            return change_people(deployment, change, lease.ensure), deployment.settings.guarded
    except LeaseHeld as problem:
        detail = "\n".join(part for part in (problem.detail, "Nothing was changed.") if part)
        hint = f"buildyard guardian {arguments.what} {arguments.name} again. {problem.hint}"
        raise LeaseHeld(problem.summary, detail=detail, hint=hint) from problem


def _tell(
    arguments: argparse.Namespace,
    people: tuple[str, ...],
    guarded: Guarded,
    said: str,
    paths: DeploymentPaths,
    password: str = "",
) -> int:
    if arguments.json:
        answer = {"ok": True, "guardian": guarded.value, "name": arguments.name, "people": list(people)}
        print(json.dumps({**answer, "password": password} if password else answer))
        return 0
    print(said)
    _remark(guarded, SOON if paths.fleet_record.exists() else "The first build brings it to the webservers.")
    return 0


def _remark(guarded: Guarded, otherwise: str) -> None:
    """Beside the answer, so that the answer alone can be read by a program."""
    from recipes.context import GUARDED
    from recipes.context import Guarded as Kinds

    if guarded is Kinds.NOTHING:
        otherwise = (
            f"The Gateway Guardian stands before nothing now: {GUARDED} in the answers says before what "
            "(admin, site), and buildyard build brings it about."
        )
    if otherwise:
        print(otherwise, file=sys.stderr)
