"""SSH to a machine: one pinned host key, one key of ours, nothing of the user's own SSH settings.

Fabric makes the connection; commands go over channels of our own, because Fabric's runner reads standard input one
character at a time and joins all output on every chunk. Nothing else in Buildyard imports Fabric.
"""

from __future__ import annotations

import io
import logging
import math
import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import paramiko
from fabric import Config, Connection

from recipes.address import Address, fingerprint, own_key, pinned_key
from recipes.channel import CHUNK, POLL_S, Lines, ask, send_some
from recipes.compiler import INTERPRETER, Program
from recipes.lost import KEEPALIVE_S, connected_plug, why_lost
from recipes.sftp import Sftp
from state.clock import Clock, wait_until
from state.errors import (
    DeadlineExceeded,
    HostKeyMismatch,
    MachineError,
    Stopped,
    Unreachable,
)
from state.secret import Secret

__all__ = ["Address", "Completed", "Link", "open_link", "wait_for_ssh"]

FRAME_LIMIT = 4_194_304  # bytes of one frame; the largest honest one, a fact, has at most 400,000
OUTPUT_LIMIT = 268_435_456  # bytes of output of a command that is run by itself
ERROR_LIMIT = 8_192  # characters of standard error that are kept of an agent

# paramiko logs to the last-resort handler, which is the user's terminal; every error reaches us as an exception
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended; an exit code of -1 means that it died by a signal."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Link:
    """An open connection to one machine; used by one thread at a time. Made by :func:`open_link`."""

    def __init__(self, address: Address, connection: Connection) -> None:
        self.address = address
        self._connection = connection

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as known."""
        transport = self._connection.transport
        return transport is not None and transport.is_active()

    def close(self) -> None:
        """Ends the connection; may be called twice."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def run(
        self,
        argv: tuple[str, ...] | list[str],
        *,
        timeout_s: float,
        stdin: bytes | Secret = b"",
        as_root: bool = False,
        cancel: threading.Event | None = None,
    ) -> Completed:
        """Runs one command and waits for its end; arguments are quoted, secrets belong to ``stdin``.

        Raises:
            DeadlineExceeded, Unreachable, Stopped.
        """
        data = stdin.reveal().encode() if isinstance(stdin, Secret) else stdin
        out, errors = bytearray(), bytearray()

        def keep(target: bytearray, received: bytes) -> None:
            target.extend(received)
            self._bound(len(target), OUTPUT_LIMIT, argv[0])

        code = self._exchange(
            self._command(tuple(argv), as_root=as_root),
            data,
            on_out=lambda received: keep(out, received),
            on_error=lambda received: keep(errors, received),
            timeout_s=timeout_s,
            cancel=cancel or threading.Event(),
            what=argv[0],
        )
        return Completed(code, bytes(out), bytes(errors))

    def run_agent(
        self,
        program: Program,
        on_line: Callable[[bytes], None],
        *,
        timeout_s: float,
        cancel: threading.Event,
    ) -> Completed:
        """Runs a compiled recipe as root over one channel.

        Args:
            program: from :func:`recipes.compiler.compile_recipe`.
            on_line: is given each frame as it comes, without its line end.
            timeout_s: the connection is left after this; the program's own deadline should be shorter.
            cancel: when set, the channel is closed; the machine ends its step and begins no other.

        Returns:
            How the interpreter ended, with the end of its standard error; frames are not repeated in it.
        """
        whole = iter((program.data,))
        return self.talk(
            INTERPRETER,
            on_line,
            take=lambda: next(whole, b""),
            as_root=True,
            timeout_s=timeout_s,
            cancel=cancel,
            what=f"recipe {program.recipe}",
        )

    def talk(
        self,
        argv: tuple[str, ...],
        on_line: Callable[[bytes], None],
        *,
        take: Callable[[], bytes],
        cancel: threading.Event,
        as_root: bool = False,
        timeout_s: float = math.inf,
        what: str = "",
    ) -> Completed:
        """Speaks with a program while it runs; its standard input stays open: its end tells such a program to stop.

        Args:
            on_line: is given each line of its standard output as it comes, without its line end.
            take: asked every now and then for what is sent next, b"" for nothing; what it raises ends the talk.
            cancel: when set, the channel is closed.
            what: the program's name for a person.

        Returns:
            How it ended, with the end of its standard error.

        Raises:
            DeadlineExceeded, Unreachable, Stopped.
        """
        what = what or argv[0]
        lines, errors = Lines(on_line), bytearray()

        def on_out(received: bytes) -> None:
            self._bound(lines.feed(received), FRAME_LIMIT, what)

        def on_error(received: bytes) -> None:
            errors.extend(received)
            del errors[:-ERROR_LIMIT]

        code = self._exchange(
            self._command(argv, as_root=as_root),
            b"",
            on_out=on_out,
            on_error=on_error,
            timeout_s=timeout_s,
            cancel=cancel,
            what=what,
            take=take,
        )
        return Completed(code, b"", bytes(errors))

    def put(self, source: Path | bytes, target: str, *, mode: int = 0o644, timeout_s: float = 300.0) -> None:
        """Sends a file by SFTP, as the user of the address; the target is the old or the new file, never half.

        Raises:
            MachineError: the machine refuses (no space, no right, no such folder).
        """
        beside = f"{target}.part"
        with self._sftp(timeout_s, target) as sftp:
            if isinstance(source, bytes):
                sftp.putfo(io.BytesIO(source), beside)
            else:
                sftp.put(str(source), beside)
            sftp.chmod(beside, mode)
            sftp.posix_rename(beside, target)

    def get(self, source: str, *, timeout_s: float = 300.0) -> bytes:
        """Fetches a file by SFTP, as the user of the address."""
        with self._sftp(timeout_s, source) as sftp:
            buffer = io.BytesIO()
            sftp.getfo(source, buffer)
            return buffer.getvalue()

    def _bound(self, size: int, limit: int, what: str) -> None:
        """A broken or hostile machine must not fill this one's memory."""
        if size > limit:
            raise MachineError(f"{self.address} sent more than {limit} bytes for {what}; it was left.")

    def _sftp(self, timeout_s: float, path: str) -> Sftp:
        return Sftp(self.address, self._transport(), timeout_s, path)

    def _transport(self) -> paramiko.Transport:
        transport: paramiko.Transport | None = self._connection.transport
        if transport is None or not transport.is_active():
            raise Unreachable(f"The connection to {self.address} was lost.", hint="run the command again")
        return transport

    def _command(self, argv: tuple[str, ...], *, as_root: bool) -> str:
        sudo = ("sudo", "-n") if as_root and self.address.user != "root" else ()
        return shlex.join((*sudo, *argv))

    def _exchange(
        self,
        command: str,
        data: bytes,
        *,
        on_out: Callable[[bytes], None],
        on_error: Callable[[bytes], None],
        timeout_s: float,
        cancel: threading.Event,
        what: str,
        take: Callable[[], bytes] | None = None,
    ) -> int:
        """Sends, reads and waits in one loop; returns the exit code. Without ``take`` the input ends after ``data``."""
        end = time.monotonic() + timeout_s

        def go_on() -> None:
            if cancel.is_set():
                raise Stopped(f"Stopped during {what} on {self.address}.")
            if time.monotonic() >= end:
                raise DeadlineExceeded(
                    f"Waited {timeout_s:g} s for {what} on {self.address}.",
                    hint="look at the machine's load and its log, then run the command again",
                )

        def begin(opened: paramiko.Channel) -> paramiko.Channel:
            opened.settimeout(POLL_S)
            opened.exec_command(command)
            return opened

        try:
            channel = ask(self._transport(), begin, go_on)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Unreachable(
                f"The connection to {self.address} was lost.", detail=why_lost(self._connection.transport, error)
            ) from error
        try:
            rest = memoryview(data)
            open_input = True
            while True:
                go_on()
                if channel.recv_stderr_ready():
                    on_error(channel.recv_stderr(CHUNK))
                rest = rest or memoryview(take() if take is not None else b"")
                if open_input and rest:
                    rest, open_input = send_some(channel, rest)
                    if rest and open_input and not channel.recv_ready():
                        continue
                elif open_input and take is None:
                    channel.shutdown_write()
                    open_input = False
                try:
                    received = channel.recv(CHUNK)
                except TimeoutError:
                    continue
                if not received:
                    break
                on_out(received)
            return self._ended(channel, on_error, min(10.0, max(0.1, end - time.monotonic())))
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Unreachable(
                f"The connection to {self.address} was lost during {what}.",
                detail=why_lost(self._connection.transport, error),
                hint="run the command again: it goes on where this one was cut off",
            ) from error
        finally:
            channel.close()

    def _ended(self, channel: paramiko.Channel, on_error: Callable[[bytes], None], patience_s: float) -> int:
        channel.settimeout(patience_s)
        try:
            while received := channel.recv_stderr(CHUNK):
                on_error(received)
        except TimeoutError:
            pass  # a daemon that was left behind holds it
        channel.status_event.wait(patience_s)
        if channel.exit_status < 0 and not self.alive:
            raise EOFError("the machine closed the connection")
        return int(channel.exit_status)


def open_link(address: Address, private_key: Secret | Path, *, timeout_s: float = 20.0) -> Link:
    """Connects; the host key is compared before anything of ours is sent.

    Args:
        private_key: OpenSSH text of an ed25519 key, or its file.
        timeout_s: for connecting, key exchange and login together, roughly.

    Raises:
        Unreachable: refused, silent, or it does not accept our key.
        HostKeyMismatch: it shows another key than the pinned one.
        SecretsError: our key cannot be read.
    """
    ours = own_key(private_key)
    pinned = pinned_key(address)
    plug = connected_plug(address, timeout_s)
    connection = Connection(
        address.host,
        user=address.user,
        port=address.port,
        # an empty ssh_config and lazy: neither ~/.ssh/config nor ~/.fabric.yaml is read
        config=Config(lazy=True, ssh_config=paramiko.SSHConfig()),
        connect_kwargs={
            "sock": plug,
            "pkey": ours,
            "look_for_keys": False,
            "allow_agent": False,
            "banner_timeout": timeout_s,
            "auth_timeout": timeout_s,
            "channel_timeout": timeout_s,
            "timeout": timeout_s,
        },
    )
    name = address.host if address.port == paramiko.config.SSH_PORT else f"[{address.host}]:{address.port}"
    connection.client.get_host_keys().add(name, pinned.get_name(), pinned)
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        connection.open()
    except paramiko.BadHostKeyException as error:
        raise HostKeyMismatch(
            f"{address} is not the machine it should be: its host key is not the pinned one. Nothing was sent.",
            detail=f"shown: {fingerprint(error.key)}\npinned: {fingerprint(pinned)}",
            hint="was the machine rebuilt outside Buildyard, or does somebody stand in between? `buildyard doctor`",
        ) from error
    except paramiko.AuthenticationException as error:
        raise Unreachable(
            f"{address} does not accept our key.", detail=str(error), hint=f"is {address.user} there, with our key?"
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Unreachable(f"{address} does not speak SSH with us.", detail=str(error)) from error
    finally:
        if not connection.is_connected:
            connection.client.close()
            plug.close()
    transport = connection.transport
    if transport is not None:
        transport.set_keepalive(KEEPALIVE_S)
    return Link(address, connection)


def wait_for_ssh(
    address: Address,
    private_key: Secret | Path,
    *,
    timeout_s: float,
    clock: Clock,
    attempt_s: float = 10.0,
) -> Link:
    """Connects to a machine that may still be booting.

    A refusal, silence, or a login refused (cloud-init has not written our key yet) is tried again; a wrong host key
    ends it at once.

    Raises:
        DeadlineExceeded: with the last reason.
        HostKeyMismatch: as :func:`open_link`.
    """
    last: list[Unreachable] = []

    def probe() -> Link | None:
        try:
            return open_link(address, private_key, timeout_s=attempt_s)
        except Unreachable as error:
            last[:] = [error]
            return None

    try:
        return wait_until(f"SSH on {address}", probe, timeout_s=timeout_s, clock=clock, first_s=0.1, longest_s=1.0)
    except DeadlineExceeded as error:
        why = last[0].text() if last else ""
        raise DeadlineExceeded(
            error.summary, detail=why, hint="does the machine run, and does its firewall let this address in?"
        ) from error
