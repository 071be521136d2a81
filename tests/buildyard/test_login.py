"""Logging in by the system's ssh: the key opens the machine, and is nowhere afterwards, however the login ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from state.clock import SystemClock, wait_until
from tests.recipes.conftest import ME, Sshd, sshd

__all__ = ["sshd"]

LOGIN = """
import sys
from types import SimpleNamespace
import buildyard.login as login
from state.secret import Secret
host, port, user, host_key, key_file = sys.argv[1:]
login.SSH_PORT, login.ADMIN_USER = int(port), user
login.pinned_keys = lambda _machine: (host_key,)
login.find = lambda _deployment, _machine: SimpleNamespace(public_ipv4=host)
key = Secret(open(key_file).read())
raise SystemExit(login.shell_on(SimpleNamespace(known_secret=lambda _name: key), "ws-1"))
"""


def login(sshd: Sshd, folder: Path) -> subprocess.Popen[str]:
    key = folder / "given" / "key"
    key.parent.mkdir()
    key.write_text(sshd.key.reveal())
    (folder / "tmp").mkdir()
    address = sshd.address
    return subprocess.Popen(
        [sys.executable, "-c", LOGIN, address.host, str(address.port), ME, address.host_key, str(key)],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder / "tmp"), "HOME": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_systems_ssh_gets_in_with_our_key_and_the_pinned_host_key(sshd: Sshd, tmp_path: Path) -> None:
    out, errors = (process := login(sshd, tmp_path)).communicate("echo in; exit 7\n", timeout=60)
    assert process.returncode == 7, errors
    assert out.splitlines()[-1] == "in"


def test_a_terminal_that_is_closed_leaves_no_key_behind(sshd: Sshd, tmp_path: Path) -> None:
    with login(sshd, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("echo in\n")
        process.stdin.flush()
        while process.stdout.readline() not in ("in\n", ""):
            pass
        process.kill()  # harder than SIGHUP: nothing can be tidied up
    wait_until("the process to end", lambda: process.poll() is not None, timeout_s=20, clock=SystemClock())
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "given"]
    assert [path for path in left if b"PRIVATE KEY" in path.read_bytes()] == []


def test_another_host_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    from dataclasses import replace

    wrong = replace(sshd, address=replace(sshd.address, host_key=sshd.other_host_key))
    process = login(wrong, tmp_path)
    _, errors = process.communicate("echo in\n", timeout=60)
    assert process.returncode == 255
    assert "Host key verification failed" in errors
