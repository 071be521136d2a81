"""What the engine's tests share: recipes run here as a subprocess, and over a real sshd on the loopback address."""

from __future__ import annotations

import getpass
import grp
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recipes.compiler import INTERPRETER, Program
from recipes.keys import make_ssh_key
from recipes.report import Report
from recipes.run import run_recipe
from recipes.ssh import Address, Completed
from recipes.steps import Recipe, Step
from state.clock import SystemClock, wait_until
from state.events import Event
from state.secret import Redactor, Secret

ME = getpass.getuser()
MY_GROUP = grp.getgrgid(os.getegid()).gr_name


class LocalLink:
    """As recipes.ssh.Link, but the program runs here, in a process that can be cut off."""

    alive = True
    process: subprocess.Popen[bytes] | None = None

    def start(self, program: Program) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(
            [sys.executable, *INTERPRETER[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin
        self.process.stdin.write(program.data)
        self.process.stdin.flush()
        return self.process

    def run_agent(
        self, program: Program, on_line: Callable[[bytes], None], *, timeout_s: float, cancel: threading.Event
    ) -> Completed:
        process = self.start(program)
        assert process.stdin
        assert process.stdout
        assert process.stderr
        with process:
            for line in process.stdout:
                on_line(line.rstrip(b"\n"))
            errors = process.stderr.read()
        return Completed(process.returncode, b"", errors)


@dataclass
class Bench:
    """Runs recipes in a scratch folder and remembers the events."""

    folder: Path
    link: LocalLink = field(default_factory=LocalLink)
    events: list[Event] = field(default_factory=list)
    redactor: Redactor = field(default_factory=Redactor)
    cancel: threading.Event = field(default_factory=threading.Event)

    @property
    def state(self) -> str:
        return str(self.folder / "state")

    def run(self, *steps: Step, check_only: bool = False, deadline_s: float = 60.0, name: str = "test") -> Report:
        self.events.clear()
        return run_recipe(
            self.link,  # type: ignore[arg-type]
            Recipe(name, steps),
            machine="web-1",
            emit=self.events.append,
            redact=self.redactor,
            check_only=check_only,
            cancel=self.cancel,
            deadline_s=deadline_s,
            folder=self.state,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@dataclass(frozen=True)
class Sshd:
    """A real sshd that lets the user of the tests in."""

    address: Address
    key: Secret
    other_host_key: str
    log: Path


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    host_private, host_public = make_ssh_key("host")
    private, public = make_ssh_key("user")
    (folder / "host").touch(mode=0o600)
    (folder / "host").write_text(host_private.reveal())
    (folder / "keys").write_text(f"{public}\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Debian's sshd wants it and makes it by its service
    process, port = _start(folder)
    try:
        yield Sshd(Address("127.0.0.1", port, ME, host_public), private, make_ssh_key("x")[1], folder / "log")
    finally:
        process.terminate()
        process.wait(10)


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """sshd on a free port; another program may take the port in between, then it is tried again."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        (folder / "config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nListenAddress ::1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/keys\nPidFile none\nUsePAM no\nStrictModes no\nMaxStartups 50\n"
            "PasswordAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
        )
        log = folder / "log"
        log.write_text("")
        process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", str(folder / "config"), "-E", str(log)])

        def settled(log: Path = log, process: subprocess.Popen[bytes] = process) -> bool:
            text = log.read_text()
            return text.count("Server listening") == 2 or "failed" in text or process.poll() is not None

        wait_until("sshd to listen", settled, timeout_s=20, clock=SystemClock(), first_s=0.02)
        if process.poll() is None and "failed" not in log.read_text():
            return process, port
        process.kill()
        process.wait()
    raise AssertionError("no port for sshd")
