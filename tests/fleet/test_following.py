"""Following the leader over a real SSH connection, and to the next one when it dies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleet.autoscaler import following
from fleet.autoscaler.following import Leaders, Talks, follow
from recipes.ssh import Completed, Link, open_link
from state.clock import SystemClock, wait_until
from state.errors import Unavailable, Unreachable
from tests.recipes.conftest import Sshd, sshd

__all__ = ["sshd"]


@dataclass
class OnFile:
    """A real connection; the journal lies elsewhere than on an autoscaler's machine, and belongs to this user."""

    link: Link
    path: Path

    def talk(
        self,
        argv: tuple[str, ...],
        on_line: Callable[[bytes], None],
        *,
        take: Callable[[], bytes],
        cancel: threading.Event,
        as_root: bool = False,
    ) -> Completed:
        assert as_root, "the journal is not for everybody"
        words = tuple(str(self.path) if word == following.JOURNAL_FILE else word for word in argv)
        return self.link.talk(words, on_line, take=take, cancel=cancel)

    def close(self) -> None:
        self.link.close()


@dataclass
class Fleet:
    """Autoscalers whose journals are files here."""

    sshd: Sshd
    folder: Path
    leader: str = "as-1"
    dead: set[str] = field(default_factory=set)
    store_is_away: bool = False
    links: list[Link] = field(default_factory=list)
    heard: list[tuple[str, str]] = field(default_factory=list)
    said: list[tuple[str, bool]] = field(default_factory=list)

    def journal(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"

    def write(self, name: str, *lines: str) -> None:
        with self.journal(name).open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def who(self) -> str:
        if self.store_is_away:
            raise Unavailable("The state bucket does not answer.")
        return self.leader

    def connect(self, name: str) -> Talks:
        if name in self.dead:
            raise Unreachable(f"{name} does not answer.")
        self.links.append(open_link(self.sshd.address, self.sshd.key))
        return OnFile(self.links[-1], self.journal(name))

    # who hears

    def follows(self, machine: str) -> None:
        self.heard.append((machine, "follows"))

    def line(self, line: bytes) -> None:
        self.heard.append(("", line.decode()))

    def stands(self, words: str, *, live: bool) -> None:
        self.said.append((words, live))

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.heard]

    def comes(self, what: str, condition: Callable[[], bool]) -> None:
        try:
            wait_until(what, condition, timeout_s=60, clock=SystemClock(), first_s=0.02, longest_s=0.1)
        except Exception as late:
            late.add_note(f"{self.said}\n{self.heard}")
            raise

    @contextmanager
    def followed(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(
            target=follow, args=(Leaders(self.who, self.connect), self, stop, SystemClock(stop)), daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def fleet(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    monkeypatch.setattr(following, "RETRY_S", 0.1)
    return Fleet(sshd, tmp_path)


def test_what_was_written_comes_first_then_what_is_written_over_one_connection(fleet: Fleet) -> None:
    fleet.write("as-1", "one", "two")
    with fleet.followed():
        fleet.comes("the history", lambda: fleet.lines == ["follows", "one", "two"])
        fleet.write("as-1", "three")
        fleet.comes("the news", lambda: fleet.lines[-1] == "three")
        fleet.journal("as-1").rename(fleet.folder / "aside")
        fleet.write("as-1", "after it was put aside")
        fleet.comes("the new journal", lambda: fleet.lines[-1] == "after it was put aside")
    assert fleet.said[-1] == ("as-1", True)
    assert len(fleet.links) == 1
    assert not fleet.links[0].alive, "nobody watches any more"


def test_a_dead_leader_is_left_for_the_next_one(fleet: Fleet) -> None:
    fleet.write("as-1", "one")
    fleet.write("as-2", "as-2 leads")
    with fleet.followed():
        fleet.comes("the first", lambda: fleet.lines == ["follows", "one"])
        fleet.dead.add("as-1")
        fleet.links[0].close()
        fleet.comes("an attempt", lambda: any("as-1 does not answer." in words for words, _ in fleet.said))
        fleet.leader = "as-2"
        fleet.comes("the second", lambda: fleet.heard[-2:] == [("as-2", "follows"), ("", "as-2 leads")])
    assert fleet.said[-1] == ("as-2", True)


def test_a_leader_that_falls_silent_is_left_when_another_leads(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SILENT_S", 0.5)
    monkeypatch.setattr(following, "ASK_AGAIN_S", 0.1)
    fleet.write("as-1", "one")
    fleet.write("as-2", "as-2 leads")
    with fleet.followed():
        fleet.comes("silence", lambda: any("and nobody else leads" in words for words, _ in fleet.said))
        told = [live for words, live in fleet.said if "and nobody else leads" in words]
        assert not any(told), "what is shown is not true now"
        fleet.leader = "as-2"
        fleet.comes("the second", lambda: fleet.lines[-1] == "as-2 leads")
    assert fleet.links[0].alive is False


def test_while_the_state_bucket_is_away_the_connection_stays(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SILENT_S", 0.5)
    monkeypatch.setattr(following, "ASK_AGAIN_S", 0.1)
    fleet.write("as-1", "one")
    with fleet.followed():
        fleet.comes("the history", lambda: fleet.lines == ["follows", "one"])
        fleet.store_is_away = True
        fleet.comes("the reason", lambda: any("cannot be asked: The state bucket" in words for words, _ in fleet.said))
        fleet.write("as-1", "still here")
        fleet.comes("the news", lambda: fleet.lines[-1] == "still here")
        fleet.comes("that it is true again", lambda: ("as-1", True) in fleet.said[2:])
    assert len(fleet.links) == 1


def test_nobody_leads_yet(fleet: Fleet) -> None:
    fleet.store_is_away = True
    with fleet.followed():
        fleet.comes("the reason", lambda: any(words.startswith("The state bucket does") for words, _ in fleet.said))
        fleet.write("as-1", "one")
        fleet.store_is_away = False
        fleet.comes("the history", lambda: fleet.lines == ["follows", "one"])
