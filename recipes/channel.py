"""Channels of an SSH connection, with a deadline: paramiko's own waits for the other side's answers have none.

A machine whose sshd hangs takes a connection and what is asked over it, and answers nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import paramiko

T = TypeVar("T")

#: How often it is looked whether the user stopped; an answer is taken at once.
POLL_S = 0.2
#: A machine that does not open a channel for so long is not asked any more.
OPEN_S = 30.0
#: Bytes that are sent or read at once.
CHUNK = 65_536


def ask(transport: paramiko.Transport, begin: Callable[[paramiko.Channel], T], give_up: Callable[[], None]) -> T:
    """Opens a channel and begins something on it.

    Args:
        transport: of the connection.
        begin: given the open channel; may wait for the machine's answer.
        give_up: called every now and then; raises when the answer is waited for no longer.

    Returns:
        What ``begin`` returns.

    Raises:
        paramiko.SSHException, EOFError, OSError: the connection is lost, or the machine refused.
    """
    asking = _Asking(transport, begin)
    # A thread of its own, because the wait cannot be ended from within; given up, it ends with its channel or with
    # the connection.
    threading.Thread(target=asking.run, name="channel", daemon=True).start()
    try:
        while not asking.answered.wait(POLL_S):
            give_up()
    except BaseException:
        asking.leave()
        raise
    if asking.problem is not None:
        raise asking.problem
    return asking.results[0]


def send_some(channel: paramiko.Channel, rest: memoryview) -> tuple[memoryview, bool]:
    """Sends a part; returns what is left and whether the other side still listens."""
    try:
        return rest[channel.send(bytes(rest[:CHUNK])) :], True
    except TimeoutError:
        return rest, True
    except OSError:
        return rest, False  # it has ended already; what it printed says why


class Lines:
    """Cuts what arrives into lines.

    Args:
        on_line: is given each line as soon as it is whole, without its end.
    """

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._partial = bytearray()

    def feed(self, received: bytes) -> int:
        """Takes what arrived; returns the length of the line that is not whole yet."""
        self._partial.extend(received)
        if b"\n" in received:
            *lines, rest = bytes(self._partial).split(b"\n")
            self._partial[:] = rest
            for line in lines:
                self._on_line(line)
        return len(self._partial)


class _Asking(Generic[T]):
    """One question, asked in a thread of its own."""

    def __init__(self, transport: paramiko.Transport, begin: Callable[[paramiko.Channel], T]) -> None:
        self._transport = transport
        self._begin = begin
        self._lock = threading.Lock()
        self._channel: paramiko.Channel | None = None
        self._left = False
        self.answered = threading.Event()
        self.results: list[T] = []
        self.problem: Exception | None = None

    def run(self) -> None:
        channel: paramiko.Channel | None = None
        try:
            channel = self._transport.open_session(timeout=OPEN_S)
            with self._lock:
                self._channel = channel
                left = self._left
            if not left:
                self.results.append(self._begin(channel))
        except Exception as problem:  # noqa: BLE001 - raised where it was asked
            self.problem = problem
        if channel is not None and (self.problem is not None or self._left):
            channel.close()
        self.answered.set()

    def leave(self) -> None:
        """The channel is closed, now or as soon as there is one."""
        with self._lock:
            self._left = True
            channel = self._channel
        if channel is not None:
            channel.close()
