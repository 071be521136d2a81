"""Conversations for tests of the wizard's screens: real ones, over a home on disk and a provider in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.plan import Plan
from screens.backend import Talk
from screens.wizard import WizardPage
from state.encrypted_file import EncryptedFileStore
from state.errors import BuildyardError, PassphraseMissing, SecretsError
from state.paths import DeploymentPaths, Home
from state.questions import Answered
from state.secret import Secret
from tests.screens.fake_backend import FakeBackend
from tests.wizard.conftest import QUICK, SmallCloud, plan_of
from wizard.flow import Conversation
from wizard.keeper import DeploymentKeeper
from wizard.questions import all_questions, review_notes, sections
from wizard.section import Section


@dataclass
class Desk:
    """Where the wizard is tried: a home, a cloud, a backend, and what the page told.

    Attributes:
        plan_problem: raised instead of a plan, while it is set.
        listed: makes the sections, for tests that change them.
        passphrase: of the encrypted secrets; None asks for one.
    """

    root: Path
    cloud: SmallCloud = field(default_factory=SmallCloud)
    backend: FakeBackend = field(default_factory=FakeBackend)
    built: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    exists: bool = False
    plan_problem: BuildyardError | None = None
    listed: Callable[[tuple[Section, ...]], tuple[Section, ...]] = tuple
    needs_passphrase: bool = False
    conversation: Conversation | None = None

    def __post_init__(self) -> None:
        self.home = Home(self.root / "home")
        self.backend.make_talk = self.talk

    def page(self, name: str | None = None) -> Callable[[], WizardPage]:
        return lambda: WizardPage(name, on_build=self.built.append, on_leave=self.left.append)

    def talk(self, name: str | None) -> Talk:
        def connect(answers: Answered) -> SmallCloud:
            if answers.get("provider.name") != "rehearsal":
                token = keeper.secret("digitalocean.token")
                if token is None:
                    raise SecretsError("There is no token for digitalocean.")
                self.cloud.token = token.reveal()
            return self.cloud

        def open_secrets(paths: DeploymentPaths, _values: Mapping[str, Any]) -> EncryptedFileStore:
            passphrase = self.backend.passphrase or (None if self.needs_passphrase else Secret("the passphrase"))
            if passphrase is None:
                raise PassphraseMissing("There is no passphrase yet.")
            return EncryptedFileStore(paths.encrypted_secrets, passphrase, QUICK)

        listed = self.listed(sections(connect, [paths.name for paths in self.home.deployments() if paths.name != name]))
        questions = (*all_questions(), *(each for part in listed for each in part.questions))
        keeper = DeploymentKeeper(
            self.home, tuple({each.key: each for each in questions}.values()), open_secrets, name or ""
        )
        conversation = self.conversation = Conversation(listed, keeper, keeper.values)
        return Talk(
            conversation=conversation,
            name=lambda: keeper.paths.name if keeper.paths else "",
            exists=self.exists,
            plan=lambda: self.plan(conversation),
            notes=lambda: review_notes(connect, conversation.values),
        )

    def plan(self, conversation: Conversation) -> Plan:
        if self.plan_problem is not None:
            raise self.plan_problem
        return plan_of(conversation.values, self.cloud)

    def answers(self, name: str) -> str:
        """The answers file as it is on disk now."""
        return self.home.deployment(name).answers.read_text()
