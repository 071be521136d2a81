"""The program behind the screens, in memory: what it answers is set by the test, what it was asked is written down."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.autoscaler.following import Hears
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.watch_rows import Known
from fleet.autoscaler.wishes import Wish
from fleet.status import Status
from screens.backend import Card, Say, Talk
from state.errors import BuildyardError, UsageError
from state.secret import Secret


@dataclass
class FakeBackend:
    """See :class:`screens.backend.Backend`.

    Attributes:
        statuses: by deployment; an error is raised instead of returned.
        make_talk: makes the conversation.
        folders: run folders by job, handed out in turn by ``start``.
        log_lines: by machine; an error is raised instead of returned.
        knowns: what is known of a deployment besides its autoscaler's journal; an error is raised instead.
        policies: by deployment; an error is raised when it is to be changed.
        journal: what the leading autoscaler has written.
        happens: what comes afterwards, each told to whoever follows.
        asked: what was called, with its words, in order.
    """

    all_cards: tuple[Card, ...] = ()
    statuses: dict[str, Status | BuildyardError] = field(default_factory=dict)
    make_talk: Callable[[str | None], Talk] | None = None
    folders: dict[str, list[Path | BuildyardError]] = field(default_factory=dict)
    log_lines: dict[str, tuple[str, ...] | BuildyardError] = field(default_factory=dict)
    credentials: Mapping[str, Any] = field(default_factory=dict)
    secrets_exist: bool = False
    knowns: dict[str, Known | BuildyardError] = field(default_factory=dict)
    policies: dict[str, ScalingPolicy | BuildyardError] = field(default_factory=dict)
    journal: tuple[bytes, ...] = ()
    happens: queue.Queue[Callable[[Hears], object]] = field(default_factory=queue.Queue)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    passphrase: Secret | None = None

    def cards(self) -> tuple[Card, ...]:
        return self.all_cards

    def talk(self, name: str | None, say: Say) -> Talk:
        self.asked.append(("talk", name))
        assert self.make_talk is not None
        return self.make_talk(name)

    def status(self, name: str) -> Status:
        self.asked.append(("status", name))
        found = self.statuses[name]
        if isinstance(found, BuildyardError):
            raise found
        return found

    def start(self, name: str, job: str) -> Path:
        self.asked.append(("start", name, job))
        found = self.folders[job].pop(0)
        if isinstance(found, BuildyardError):
            raise found
        return found

    def stop(self, folder: Path) -> bool:
        self.asked.append(("stop", folder))
        return True

    def run_folder(self, name: str, run_id: str = "") -> Path:
        self.asked.append(("run_folder", name, run_id))
        for card in self.all_cards:
            if card.name == name and card.runs:
                return next(run.folder for run in card.runs if run.id.startswith(run_id))
        raise UsageError(f"{name} has no runs.", hint="buildyard build")

    def logs(self, name: str, machine: str, lines: int) -> tuple[str, ...]:
        self.asked.append(("logs", name, machine))
        found = self.log_lines[machine]
        if isinstance(found, BuildyardError):
            raise found
        return found[-lines:]

    def login(self, name: str) -> Mapping[str, Any]:
        self.asked.append(("login", name))
        return self.credentials

    def known_of(self, name: str) -> Known:
        self.asked.append(("known_of", name))
        found = self.knowns.get(name, Known())
        if isinstance(found, BuildyardError):
            raise found
        return found

    def follow(self, name: str, hears: Hears, stop: threading.Event) -> None:
        self.asked.append(("follow", name))
        hears.follows("as-1")
        for line in self.journal:
            hears.line(line)
        hears.stands("as-1", live=True)
        while not stop.is_set():
            try:
                self.happens.get(timeout=0.02)(hears)
            except queue.Empty:
                continue
        self.asked.append(("followed", name))

    def change_policy(self, name: str, wish: Wish) -> ScalingPolicy:
        self.asked.append(("change_policy", name, " ".join(wish.words)))
        found = self.policies[name]
        if isinstance(found, BuildyardError):
            raise found
        self.policies[name] = new = wish.change(found)
        return new

    def unlock(self, passphrase: Secret) -> None:
        self.passphrase = passphrase

    def has_secrets(self, name: str) -> bool:
        return self.secrets_exist
