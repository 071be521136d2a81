"""A machine that is gone in the middle of a recipe, over a real sshd: it ends the connection, or its packets vanish."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.lost import Plug
from recipes.run import run_recipe
from recipes.ssh import Link, open_link
from recipes.steps import Recipe, Script
from state.errors import Unreachable
from state.events import Event, Kind
from state.secret import Redactor
from tests.recipes.conftest import ME, Sshd

#: Linux's number; Python has no name for it.
SO_ATTACH_FILTER = 26


def end_session(link: Link, session: int) -> None:
    os.kill(session, signal.SIGKILL)


def cut_network(link: Link, _session: int) -> None:
    """The kernel drops all that comes for this connection, acknowledgements too."""
    transport = link._connection.transport
    assert transport is not None
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # "return 0": keep no byte of it
    transport.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(nothing)))


@pytest.mark.parametrize(
    ("dies", "why"),
    [
        (end_session, "it ended the connection (switched off, restarted, or its SSH service was stopped)"),
        (cut_network, "it gave no sign of life for 2 s (it hangs, is off, or the network to it is cut)"),
    ],
)
def test_the_error_says_the_machine_the_step_why_and_what_next(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: Callable[[Link, int], None], why: str
) -> None:
    monkeypatch.setattr("recipes.lost.SILENCE_MS", 2_000)
    monkeypatch.setattr("recipes.ssh.KEEPALIVE_S", 1)
    slow = 'echo "row 1"; echo "row 2"; while [ ! -e "$1" ]; do sleep 0.05; done'
    go = str(tmp_path / "go")
    step = Script(label="import the dump", check="false", apply=slow, arguments=(go,), user=ME)
    begun = 0.0
    with open_link(sshd.address, sshd.key) as link:
        session = int(link.run(["sh", "-c", "echo $PPID"], timeout_s=10).stdout)

        def emit(event: Event) -> None:
            nonlocal begun
            if event.kind is Kind.OUTPUT and event.text == "row 2":
                begun = time.monotonic()
                dies(link, session)

        with pytest.raises(Unreachable) as caught:
            run_recipe(
                link,
                Recipe("app", (step,)),
                machine="db-1",
                emit=emit,
                redact=Redactor(),
                cancel=threading.Event(),
                deadline_s=60.0,
                folder=str(tmp_path / "state"),
            )
    Path(go).touch()
    assert time.monotonic() - begun < 15, "it waited for the recipe's deadline"
    assert caught.value.summary == "db-1 stopped answering during import the dump (recipe app)."
    assert caught.value.detail == f"The connection to it was lost: {why}\nThe last it printed:\nrow 1\nrow 2"
    assert "look at db-1 in the provider's console" in caught.value.hint


def test_a_pause_is_no_silence() -> None:
    """Python's exception for both is the same."""
    ours, theirs = socket.socketpair()
    with Plug(ours.family, ours.type, ours.proto, ours.detach()) as plug, theirs:
        plug.settimeout(0.01)
        with pytest.raises(TimeoutError):
            plug.recv(1)
        assert not plug.silent
