"""The conversation in a terminal: its sections, a provider to ask for regions and prices, a place for the answers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from buildyard.program import Program
from fleet.settings import read_settings
from providers.catalog import credentials_among, open_dns, open_provider
from providers.contract import Dns, Provider
from providers.names import BY_PROVIDER, REHEARSAL
from state.errors import SecretsError, UsageError
from state.fleet_store import FleetStore
from state.paths import DeploymentPaths
from state.questions import Answered
from state.secret_store import SecretStore
from wizard.basics import AUTO
from wizard.flow import Conversation
from wizard.keeper import DeploymentKeeper, unfinished
from wizard.plain import Terminal
from wizard.plain import converse as converse_in_lines
from wizard.questions import all_questions, review_notes, sections

if TYPE_CHECKING:
    from fleet.plan import Plan

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Begun:
    """A conversation, and what its review needs.

    Attributes:
        plan: what a build would do; asks the provider, changes nothing.
        notes: sentences for the review; asks the provider.
        exists: the deployment is built: only differences are asked and shown.
    """

    keeper: DeploymentKeeper
    conversation: Conversation
    plan: Callable[[], Plan]
    notes: Callable[[], tuple[str, ...]]
    exists: bool


def begin(program: Program, name: str | None, say: Callable[[str], None], *, may_ask: bool) -> Begun:
    """A conversation that goes on where an earlier one was left.

    Args:
        name: of a deployment to go on with; None for the only unfinished one, or a new one.
        say: hears what is being done when that takes long.
        may_ask: for a passphrase, in this terminal.

    Raises:
        BuildyardError: the answers there are cannot be used.
    """
    home, questions = program.home, all_questions()
    if name is None:
        begun = unfinished(home, questions)
        name = begun[0].name if len(begun) == 1 else None

    def open_secrets(paths: DeploymentPaths, answers: Answered) -> SecretStore:
        return program.secret_store(paths, str(answers.get("provider.name", "")), may_ask=may_ask)

    keeper = DeploymentKeeper(home, questions, open_secrets, name or "")
    connections = _Connections(program, keeper, say)
    taken = tuple(paths.name for paths in home.deployments() if paths.name != name)
    conversation = Conversation(sections(connections.to, taken), keeper, keeper.values)
    return Begun(
        keeper,
        conversation,
        lambda: _plan(keeper, conversation, connections),
        lambda: review_notes(connections.to, conversation.values),
        exists=keeper.paths is not None and keeper.paths.fleet_record.exists(),
    )


def converse(program: Program, name: str | None) -> DeploymentPaths:
    """Asks what is not answered yet, in lines; goes on where an earlier conversation was left.

    Args:
        name: as of :func:`begin`.

    Raises:
        Stopped: Ctrl-C; what was answered is kept.
        UsageError: the user did not agree to the review.
    """
    begun = begin(program, name, lambda line: print(line, file=sys.stderr, flush=True), may_ask=True)
    agreed = converse_in_lines(
        begun.conversation,
        Terminal(sys.stdout, columns=shutil.get_terminal_size().columns),
        plan=begun.plan,
        notes=begun.notes,
        resume=f"buildyard new --deployment {name}" if name else "buildyard new",
        only_changes=begun.exists,
    )
    paths = begun.keeper.paths
    if paths is None or not agreed:
        resume = f"buildyard new --deployment {paths.name}" if paths else "buildyard new"
        raise UsageError("Nothing was decided; the answers are kept.", hint=f"{resume} goes on from here")
    return paths


def _plan(keeper: DeploymentKeeper, conversation: Conversation, connections: _Connections) -> Plan:
    from fleet.outline import outline

    settings = read_settings(conversation.values)
    record = FleetStore(keeper.paths.fleet_record).load() if keeper.paths is not None else None
    named = tuple(each for each in settings.operators if each != AUTO)
    values = conversation.values
    return outline(settings, connections.to(values), connections.dns(values), record, named)


class _Connections:
    """The provider the answers so far name, and who serves its zone; opened once for each set of credentials."""

    def __init__(self, program: Program, keeper: DeploymentKeeper, say: Callable[[str], None]) -> None:
        self._program = program
        self._keeper = keeper
        self._say = say
        self._providers: dict[tuple[object, ...], Provider] = {}
        self._name_servers: dict[tuple[object, ...], Dns] = {}

    def to(self, answers: Answered) -> Provider:
        name = str(answers.get("provider.name", ""))
        settings: dict[str, object] = {}
        if name == REHEARSAL:
            from buildyard.local_cloud import driver_settings

            settings, credentials = driver_settings(self._program.rehearsal_folder, self._say)
        else:
            settings = {key: value for key, value in answers.items() if key.startswith(("provider.", f"{name}."))}
            credentials = credentials_among((name,), self._keeper.secret)
        self._program.redact.add(*credentials.values())
        key = (name, repr(sorted(settings.items())), *credentials.values())
        return self._once(
            self._providers, key, lambda: open_provider(name, settings, credentials, clock=self._program.clock)
        )

    def dns(self, answers: Answered) -> Dns:
        """Who serves the zone by the answers so far."""
        kind, provider = str(answers.get("dns.kind") or BY_PROVIDER), self.to(answers)
        settings: dict[str, object] = dict(answers)
        credentials = credentials_among((kind,), self._keeper.secret)
        if provider.name == REHEARSAL:
            from buildyard.local_cloud import driver_settings

            settings, credentials = driver_settings(self._program.rehearsal_folder, self._say)
        self._program.redact.add(*credentials.values())
        key = (kind, id(provider), *credentials.values())
        return self._once(
            self._name_servers, key, lambda: open_dns(kind, provider, settings, credentials, clock=self._program.clock)
        )

    def _once(self, opened: dict[tuple[object, ...], T], key: tuple[object, ...], make: Callable[[], T]) -> T:
        if key not in opened:
            try:
                opened[key] = make()
            except SecretsError as missing:
                missing.hint = "go back and enter it"
                raise
        return opened[key]
