"""Build machines on paper: each with a home of its own, all at one account of one cloud."""

from __future__ import annotations

import argparse
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from buildyard.cli import parser
from buildyard.commands.adopt import KEY_VARIABLE, TOKEN_VARIABLE
from buildyard.jobs import do
from buildyard.program import Program
from fleet.access import CloudAccess, StoreAccess
from fleet.build import Build, Result
from fleet.deployment import Deployment
from fleet.plan import Plan
from fleet.preview import preview
from providers.bucket import Bucket
from providers.contract import Provider
from recipes.context import CertificateAuthority
from state.answers import Answers, save
from state.clock import SystemClock
from state.events import Event, Kind
from state.paths import DeploymentPaths, Home
from state.secret import Secret
from tests.fleet import paper
from tests.fleet.paper import TOKEN, Ground
from wizard.questions import all_questions
from wizard.templates import REHEARSAL_ANSWERS, REHEARSAL_IN_PRODUCTION

STORE = StoreAccess("https://s3.example.org", "lon1", "")


class PaperBuild(Build):
    """A build of machines nobody can log in to."""

    def run(self, plan: Plan) -> Result:
        return super().run(paper.outside(plan))


@dataclass
class PaperProgram(Program):
    """A program that reaches the cloud on paper under its vendor's name."""

    ground: Ground | None = None

    def _access(self, *_: object) -> CloudAccess:
        assert self.ground is not None
        authority = CertificateAuthority(
            "https://acme.example.org", "", "me@example.org", "digitalocean", (), (("DO", "digitalocean.token"),)
        )
        provider = self.ground.connect()
        known = {"digitalocean.token": TOKEN}
        return CloudAccess(provider, provider, STORE, authority, "", lambda: ("198.51.100.250/32",), known)

    def reach_store(self, *_: object) -> tuple[Provider, StoreAccess]:
        assert self.ground is not None
        return self.ground.connect(), STORE

    def bucket(self, _store: object, name: str, access_key: str, _secret: object) -> Bucket:
        assert self.ground is not None
        return self.ground.store.open(name, access_key)

    def open(self, *words: Any, **settings: Any) -> Deployment:
        assert self.ground is not None
        return replace(super().open(*words, **settings), wheelhouse=self.ground.wheelhouse)


@dataclass
class Stick:
    """A build machine: a home, and a person who knows its passphrase."""

    home: Path
    ground: Ground

    @property
    def program(self) -> PaperProgram:
        """A new execution."""
        return PaperProgram(Home(self.home), {}, SystemClock(), passphrase=Secret("correct horse"), ground=self.ground)

    @property
    def shop(self) -> DeploymentPaths:
        return Home(self.home).deployment("shop")

    def answer(self, **answers: Any) -> None:
        """Answers for a deployment "shop", or others than before; dots are two underscores."""
        given = {key.replace("__", "."): value for key, value in answers.items()}
        there = self.program.answers(self.shop) if self.shop.answers.exists() else None
        if there is None:
            own = {"deployment.name": "shop", "site.domain": "shop.example.org", "provider.name": "digitalocean"}
            production = REHEARSAL_IN_PRODUCTION if given.get("mode") == "production" else {}
            there = Answers({**REHEARSAL_ANSWERS, **production, **own})
            secrets = self.program.secret_store(self.shop, "digitalocean", may_ask=False)
            secrets.set("digitalocean.token", TOKEN)
        save(self.shop.answers, there.with_values(given), all_questions())

    def build(self) -> Event:
        """What a run says at its end; what it said before is in the cloud's events."""
        return self._do("build")

    def destroy(self) -> Event:
        """The same."""
        return self._do("destroy")

    def _do(self, job: str) -> Event:
        do(job, self.program, self.shop, self.ground.events.append, threading.Event())
        ended = self.ground.events[-1]
        assert ended.kind is Kind.RUN_FINISHED
        return ended

    def said(self) -> str:
        return "\n".join(event.text for event in self.ground.events)

    def planned(self) -> list[str]:
        """What a build would do."""
        seen = preview(self.program.open(self.shop, lambda _event: None, may_ask=False))
        return [each.action.id for each in seen.changes]

    def secrets(self) -> dict[str, str]:
        store = self.program.secret_store(self.shop, "digitalocean", may_ask=False)
        return {name: secret.reveal() for name in store.names() if (secret := store.get(name)) is not None}


def built(ground: Ground, tmp_path: Path, mode: str) -> Stick:
    one = Stick(tmp_path / "first", ground)
    one.answer(mode=mode)
    assert one.build().data["ok"], one.said()
    return one


def run(stick: Stick, *words: str, **environment: str) -> int:
    arguments: argparse.Namespace = parser().parse_args([*words, "--yes"])
    program = stick.program
    program.environment = environment
    code: int = arguments.run(arguments, program)
    return code


def key_of(stick: Stick, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run(stick, "recovery-key", "--deployment", "shop") == 0
    return capsys.readouterr().out.splitlines()[0]


def adopt(stick: Stick, key: str, *words: str, token: str = TOKEN.reveal()) -> int:
    stick.home.mkdir(exist_ok=True)
    files = {}
    for variable, text in ((KEY_VARIABLE, key), (TOKEN_VARIABLE, token)):
        path = stick.home.parent / variable
        path.touch(mode=0o600)
        path.write_text(text + "\n")
        files[variable] = str(path)
    return run(stick, "adopt", *words, **files)
