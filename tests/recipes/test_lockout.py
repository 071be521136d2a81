"""The machine's lock-out timer: what it keeps, whom it believes, what it puts back. Its machine is a folder here."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from recipes import lockout
from recipes.steps import File
from state.errors import StepFailed
from tests.recipes.conftest import ME, MY_GROUP, Bench

PROGRAM = Path(lockout.__file__).parent / "files" / "buildyard-lockout"


class Machine:
    """The program with its paths in a folder and its commands noted."""

    def __init__(self, folder: Path, program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program = program
        self.commands: list[str] = []
        self.failing: set[str] = set()
        self.login: float | None = None
        for number, path in enumerate((*program.UFW, program.SSHD)):
            (folder / str(number)).write_text(f"before {path}\nENABLED=yes\n")
        self.ufw = tuple(str(folder / str(number)) for number in range(len(program.UFW)))
        self.sshd = folder / str(len(program.UFW))
        for name, value in {
            "UFW": self.ufw,
            "SSHD": str(self.sshd),
            "FOLDER": str(folder / "lockout"),
            "ARMED": str(folder / "lockout" / "armed.json"),
            "RECORD": str(folder / "record.json"),
            "TIMEOUT_FILE": str(folder / "timeout"),
            "run": self.run,
            "login_began": lambda: self.login,
        }.items():
            monkeypatch.setattr(program, name, value)
        self.folder = folder

    def run(self, *words: str, quiet: bool = False) -> int:
        self.commands.append(" ".join(words))
        return 1 if words[0].split("/")[-1] in self.failing else 0

    def change(self, text: str) -> None:
        for path in (*self.ufw, str(self.sshd)):
            Path(path).write_text(f"{text}\nENABLED=yes\n")

    def texts(self) -> set[str]:
        return {Path(path).read_text().split()[0] for path in (*self.ufw, str(self.sshd))}

    @property
    def waits(self) -> bool:
        return (self.folder / "lockout").exists()

    @property
    def record(self) -> tuple[int, str]:
        record = json.loads((self.folder / "record.json").read_text())
        return record["exit_code"], record["last_lines"][-1]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    loader = SourceFileLoader("buildyard_lockout", str(PROGRAM))
    spec = importlib.util.spec_from_loader("buildyard_lockout", loader)
    assert spec
    program = importlib.util.module_from_spec(spec)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader.exec_module(program)
    return Machine(tmp_path, program, monkeypatch)


def test_what_nobody_confirmed_is_taken_back(machine: Machine) -> None:
    assert machine.program.arm("the allow-list") == 0
    assert any("--on-active=300s" in command for command in machine.commands)
    machine.change("after")
    assert machine.program.revert() == 0
    assert machine.texts() == {"before"}
    assert not machine.waits
    code, said = machine.record
    assert code == 1
    assert "the allow-list: no fresh login confirmed it within 300 s" in said


def test_only_rules_changed_never_a_moment_without_them(machine: Machine) -> None:
    machine.program.arm("rules")
    Path(machine.ufw[0]).write_text("after\n")
    machine.commands.clear()
    machine.program.revert()
    assert [command.split()[0] for command in machine.commands] == ["iptables-restore", "ip6tables-restore"]
    assert all("--noflush" in command for command in machine.commands)


def test_ufw_that_was_off_is_off_again(machine: Machine) -> None:
    Path(machine.ufw[2]).write_text("ENABLED=no\n")
    machine.program.arm("rules")
    machine.change("after")
    machine.program.revert()
    assert "ufw --force disable" in machine.commands
    assert Path(machine.ufw[2]).read_text() == "ENABLED=no\n"


def test_a_login_from_before_or_none_confirms_nothing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.login = time.clock_gettime(time.CLOCK_BOOTTIME)
    machine.program.arm("the allow-list")
    assert machine.program.confirm() == 1
    machine.login = None
    assert machine.program.confirm() == 1
    assert "began after the change" in capsys.readouterr().err
    assert machine.waits


def test_a_fresh_login_confirms(machine: Machine) -> None:
    machine.program.arm("the allow-list")
    machine.change("after")
    machine.login = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert machine.program.confirm() == 0
    assert "systemctl stop buildyard-lockout.timer" in machine.commands
    assert not machine.waits
    assert machine.program.revert() == 0
    assert machine.texts() == {"after"}
    assert machine.record == (0, "the allow-list: confirmed")


def test_armed_twice_what_was_confirmed_last_comes_back(machine: Machine) -> None:
    machine.program.arm("first")
    machine.change("between")
    machine.program.arm("second")
    machine.change("after")
    machine.program.revert()
    assert machine.texts() == {"before"}


def test_a_timer_that_does_not_start_arms_nothing(machine: Machine) -> None:
    machine.failing = {"systemd-run"}
    assert machine.program.arm("the allow-list") == 1
    assert machine.program.revert() == 0
    assert machine.program.confirm() == 0


def test_settings_that_sshd_no_longer_accepts_do_not_come_back(machine: Machine) -> None:
    """The host key of the first contact is destroyed soon after it was replaced."""
    machine.program.arm("sshd's settings")
    machine.change("after")
    machine.failing = {"sshd"}
    assert machine.program.revert() == 1
    assert machine.sshd.read_text().split()[0] == "after"
    assert "keeps the new ones" in machine.record[1]
    assert "systemctl reload ssh" not in machine.commands


def test_a_later_login_ends_the_remark_about_what_was_taken_back(machine: Machine) -> None:
    machine.program.arm("the allow-list")
    machine.program.revert()
    assert machine.record[0] == 1
    assert machine.program.confirm() == 0
    assert not (machine.folder / "record.json").exists()


def test_the_deadline_told_to_people_is_the_programs(machine: Machine) -> None:
    assert machine.program.TIMEOUT_S == lockout.TIMEOUT_S
    (machine.folder / "timeout").write_text("20\n")
    machine.program.arm("the allow-list")
    assert any("--on-active=20s" in command for command in machine.commands)


@pytest.fixture
def guarded(tmp_path: Path) -> Callable[[str, str], File]:
    def file(content: str, guard: str) -> File:
        path = str(tmp_path / "sshd")
        words = ("sh", "-c", guard, "sh", path)
        return File(label="f", path=path, content=content, owner=ME, group=MY_GROUP, guard=words)

    return file


def test_a_guard_runs_before_a_change_and_only_then(
    bench: Bench, tmp_path: Path, guarded: Callable[[str, str], File]
) -> None:
    note = 'cat "$1" >>"$1.seen" 2>/dev/null || true'
    bench.run(guarded("one\n", note))
    bench.run(guarded("one\n", note))
    bench.run(guarded("two\n", note))
    assert (tmp_path / "sshd.seen").read_text() == "one\n"
    assert (tmp_path / "sshd").read_text() == "two\n"


def test_a_guard_that_fails_keeps_everything(bench: Bench, tmp_path: Path, guarded: Callable[[str, str], File]) -> None:
    bench.run(guarded("one\n", "true"))
    with pytest.raises(StepFailed, match="nothing was changed"):
        bench.run(guarded("two\n", "echo no timer; false"))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["sshd"]
    assert (tmp_path / "sshd").read_text() == "one\n"
