"""Where a command's answers come from: what is saved, a file, the usual ones of a rehearsal, or a conversation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from buildyard.program import Program
from fleet.autoscaler.questions import check_webservers
from fleet.moved import refuse_moved
from fleet.policy import as_cidr
from providers.names import REHEARSAL
from state.answers import Answers, load, merge, save
from state.errors import AnswersError, SecretsError, UsageError
from state.fleet_store import FleetStore
from state.paths import DeploymentPaths
from state.questions import Answered
from wizard.basics import check_operators
from wizard.questions import all_questions
from wizard.templates import REHEARSAL_ANSWERS, REHEARSAL_IN_PRODUCTION


def take_answers(program: Program, arguments: argparse.Namespace) -> DeploymentPaths:
    """The deployment the command is about, after the answers of ``--answers FILE`` were taken over, if given."""
    if not arguments.answers:
        return program.paths(arguments.deployment)
    given = _given(Path(arguments.answers))
    name = arguments.deployment or given.values.get("deployment.name")
    if not name:
        raise AnswersError(
            f"{arguments.answers} does not say which deployment it is for.",
            hint="write deployment: {name: …} into it, or add --deployment NAME",
        )
    return _keep(program, program.home.deployment(str(name)), given, arguments.answers)


def rehearsal_answers(program: Program, arguments: argparse.Namespace) -> DeploymentPaths:
    """The rehearsal's deployment: as it was last time, changed by ``--answers FILE``, else the usual one."""
    given = _given(Path(arguments.answers)) if arguments.answers else Answers()
    if given.values.get("provider.name", REHEARSAL) != REHEARSAL:
        raise AnswersError(
            f"{arguments.answers} is for the provider {given.values['provider.name']}, not for a rehearsal.",
            hint="buildyard build --answers FILE builds it there; set provider.name: rehearsal to rehearse it",
        )
    name = arguments.deployment or given.values.get("deployment.name") or REHEARSAL_ANSWERS["deployment.name"]
    paths = program.home.deployment(str(name))
    there = load(paths.answers, all_questions())
    usual = {**REHEARSAL_ANSWERS, "deployment.name": paths.name} if there is None else {}
    before = {**usual, **(there.values if there is not None else {}), **given.values}
    wanted = {**given.values, **_size_of_rehearsal(before, arguments.mode, arguments.webservers)}
    given = Answers(values={**usual, **wanted})
    return _keep(program, paths, given, arguments.answers or "the usual answers")


def _size_of_rehearsal(before: Answered, mode: str | None, webservers: int | None) -> dict[str, Any]:
    """The answers that ``--mode`` and ``--webservers`` stand for.

    Raises:
        UsageError: there is no such rehearsal.
    """
    if (mode or before["mode"]) != "production":
        if webservers not in (None, 1):
            raise UsageError(
                f"Development mode has one webserver, not {webservers}.",
                detail="Several need production mode: its autoscaler looks after them.",
                hint=f"buildyard rehearse --mode production --webservers {webservers}",
            )
        return {"mode": "development"}
    found = {key: value for key, value in REHEARSAL_IN_PRODUCTION.items() if key not in before}
    if webservers is not None:
        if problem := check_webservers(webservers):
            raise UsageError(f"{webservers} webservers cannot be rehearsed.", detail=problem)
        limits = {**before, **found}
        found["scaling.webservers"] = webservers
        found["scaling.minimum"] = min(webservers, limits["scaling.minimum"])
        found["scaling.maximum"] = max(webservers, limits["scaling.maximum"])
    return {**found, "mode": "production"}


def ask_for_answers(program: Program, arguments: argparse.Namespace) -> DeploymentPaths:
    """A conversation in the terminal about what is not answered yet, be it a secret that no file may hold."""
    from buildyard.conversation import converse

    if arguments.answers:
        paths = _new_answers(program, arguments)
        if arguments.yes or not sys.stdin.isatty() or not missing_secrets(program, paths):
            return paths
        return converse(program, paths.name)
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask in.", hint="buildyard new --answers FILE")
    return converse(program, arguments.deployment)


def missing_secrets(program: Program, paths: DeploymentPaths) -> tuple[str, ...]:
    """Labels of the secrets that the answers call for and nobody has entered yet.

    Where there are secrets, but nobody to ask for their passphrase, it says that none is missing: the run will say so.
    """
    values = program.answers(paths).values
    wanted = [question for question in all_questions() if question.secret and question.applies(values)]
    if paths.encrypted_secrets.exists() or paths.secret_names.exists():
        try:
            kept = program.secret_store(paths, str(values.get("provider.name", "")), may_ask=True).names()
        except SecretsError:
            return ()
        wanted = [question for question in wanted if question.key not in kept]
    return tuple(question.label for question in wanted)


def _new_answers(program: Program, arguments: argparse.Namespace) -> DeploymentPaths:
    """A file for a new deployment; the same once more changes nothing, another one of a taken name is refused."""
    given = _given(Path(arguments.answers))
    name = str(arguments.deployment or given.values.get("deployment.name") or "")
    there = load(program.home.deployment(name).answers, all_questions()) if name else None
    differing = [key for key, value in given.values.items() if there is not None and there.values.get(key) != value]
    if differing:
        raise AnswersError(
            f"There is a deployment {name} already, and {arguments.answers} has other answers.",
            detail=f"They differ in: {', '.join(differing)}.",
            hint=f"choose another deployment.name; to change {name}: buildyard plan --answers FILE, then build",
        )
    return take_answers(program, arguments)


def with_operator(program: Program, paths: DeploymentPaths, address: str) -> None:
    """Adds an address to those that may use SSH; ``auto`` stands for this machine, wherever it is.

    Raises:
        UsageError: it is no address, or everybody's.
    """
    answers = program.answers(paths)
    operators = list(answers.values.get("access.operators") or [])
    if address != "auto":
        try:
            address = as_cidr(address)
        except ValueError as error:
            raise UsageError(f"{address} is no address.", hint="such as 198.51.100.7 or 2001:db8::7") from error
        if problem := check_operators([address]):
            raise UsageError(problem, hint="buildyard allow ADDRESS, such as 198.51.100.7 or 2001:db8::7")
    if address not in operators:
        save(paths.answers, answers.with_values({"access.operators": [*operators, address]}), all_questions())


def _given(path: Path) -> Answers:
    found = load(path, all_questions())
    if found is None:
        raise AnswersError(f"There is no answers file {path}.")
    return found


def refuse_mistaken(program: Program, paths: DeploymentPaths, answers: Answers, source: str) -> None:
    """Two deployments must not work on the same machines or the same domain.

    Raises:
        AnswersError: these answers would make them.
    """
    named, domain = answers.values.get("deployment.name"), answers.values.get("site.domain")
    if named != paths.name:
        raise AnswersError(
            f"{source} is for the deployment {named}, not for {paths.name}.",
            hint="leave --deployment out, or change deployment.name in the file. Nothing was changed.",
        )
    for other in program.home.deployments():
        found = load(other.answers, all_questions()) if other.name != paths.name else None
        if found is not None and domain and found.values.get("site.domain") == domain:
            raise AnswersError(
                f"The domain {domain} is that of the deployment {other.name}.",
                hint="give this one another site.domain, or destroy the other one. Nothing was changed.",
            )


def _keep(program: Program, paths: DeploymentPaths, given: Answers, source: str) -> DeploymentPaths:
    """Merges and checks everything before a byte is written."""
    from wizard.checking import validate_all

    there = load(paths.answers, all_questions())
    merged = merge(there, given, source)
    merged = merged.with_values(validate_all(merged.values))
    refuse_mistaken(program, paths, merged, source)
    refuse_moved(
        FleetStore(paths.fleet_record).load(),
        str(merged.values.get("provider.name", "")),
        str(merged.values.get("provider.region", "")),
    )
    if there is None or merged.values != there.values:
        paths.create()
        save(paths.answers, merged, all_questions())
    return program.home.deployment(paths.name)
