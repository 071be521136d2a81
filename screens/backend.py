"""What the screens ask of the program: one protocol, implemented by the composition root and by the tests' fake."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # the first screen is painted before any of this is needed
    from fleet.autoscaler.following import Hears
    from fleet.autoscaler.policy import ScalingPolicy
    from fleet.autoscaler.watch_rows import Known
    from fleet.autoscaler.wishes import Wish
    from fleet.plan import Plan
    from fleet.status import Status
    from state.runs import Run
    from state.secret import Secret
    from wizard.flow import Conversation

#: Hears one sentence about what is being done, from any thread.
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Card:
    """A deployment as far as this machine knows without asking anybody.

    Attributes:
        complete: all questions are answered.
        built: there is a fleet record: something may exist at the provider.
        runs: newest first.
    """

    name: str
    url: str
    provider: str
    mode: str
    complete: bool
    built: bool
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation about one deployment, with what its review shows.

    Attributes:
        name: of the deployment, "" while it has none.
        exists: it is built; only differences are shown and planned.
        plan: what a build would do (asks the provider, changes nothing); may take seconds.
        notes: sentences for the review: price, what the provider lacks; may take seconds.
    """

    conversation: Conversation
    name: Callable[[], str]
    exists: bool
    plan: Callable[[], Plan]
    notes: Callable[[], tuple[str, ...]]


class Backend(Protocol):
    """The program behind the screens. Methods are called on threads of their own, never on the screen's.

    Every method raises only :class:`state.errors.BuildyardError`; ``PassphraseMissing`` means that
    :meth:`unlock` has to be told the passphrase first.
    """

    def cards(self) -> tuple[Card, ...]:
        """All deployments of this build machine, by name; quick."""

    def talk(self, name: str | None, say: Say) -> Talk:
        """The conversation about a deployment; None goes on with the only unfinished one, or begins a new one."""

    def status(self, name: str) -> Status:
        """Is it well, looked at now; may take half a minute."""

    def start(self, name: str, job: str) -> Path:
        """Starts ``build`` or ``destroy`` in a process of its own; returns the run's folder."""

    def stop(self, folder: Path) -> bool:
        """Asks the run to stop after its step; False when nothing runs there."""

    def run_folder(self, name: str, run_id: str = "") -> Path:
        """The folder of a run, by its id or its beginning; the newest when none is given."""

    def logs(self, name: str, machine: str, lines: int) -> tuple[str, ...]:
        """The last lines of a machine's journal, made safe to show."""

    def login(self, name: str) -> Mapping[str, Any]:
        """``url``, ``user`` and ``password`` (a Secret) of the site's administrator."""

    def known_of(self, name: str) -> Known:
        """What fleet record, provider and site say of a deployment in production mode now; may take seconds."""

    def follow(self, name: str, hears: Hears, stop: threading.Event) -> None:
        """Follows that deployment's leading autoscaler until ``stop`` is set; whatever fails is told to ``hears``."""

    def change_policy(self, name: str, wish: Wish) -> ScalingPolicy:
        """Brings a wish into the scaling policy; returns the policy as it is then."""

    def unlock(self, passphrase: Secret) -> None:
        """The passphrase of the encrypted secrets, for the rest of this execution."""

    def has_secrets(self, name: str) -> bool:
        """Whether encrypted secrets of that deployment exist, so that a passphrase is repeated and not chosen."""
