"""How a connection is made and learns that its machine is gone, and what it says then."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paramiko

from recipes.address import Address
from state.errors import Unreachable

#: A machine that acknowledges nothing for so long is gone (TCP_USER_TIMEOUT).
SILENCE_MS = 30_000
#: How often something is sent that it must acknowledge; so silence is noticed after the sum of both at most.
KEEPALIVE_S = 10

_SILENT = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)


class Plug(socket.socket):
    """A socket that remembers that the other side went silent.

    Python has one exception for a pause in reading and for the kernel's verdict that nobody is there any more, and
    paramiko takes both for a pause: without this, silence would look like an orderly end.
    """

    silent = False

    @classmethod
    def of(cls, connected: socket.socket) -> Plug:
        """The same connection."""
        timeout_s = connected.gettimeout()
        plug = cls(connected.family, connected.type, connected.proto, connected.detach())
        plug.settimeout(timeout_s)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS)
        return plug

    def recv(self, *arguments: Any) -> bytes:
        with self._noticing():
            return super().recv(*arguments)

    def send(self, *arguments: Any) -> int:
        with self._noticing():
            return super().send(*arguments)

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.silent = self.silent or error.errno in _SILENT
            raise


def connected_plug(address: Address, timeout_s: float) -> Plug:
    """A TCP connection to that machine.

    Raises:
        Unreachable: with the reason.
    """
    hint = "does the machine run, and does its firewall let this address in? (`buildyard allow`)"
    try:
        plug = socket.create_connection((address.host, address.port), timeout=timeout_s)
    except socket.gaierror as error:
        raise Unreachable(f"{address.host} is no address that can be found.", detail=str(error)) from error
    except TimeoutError as error:
        raise Unreachable(f"{address} does not answer.", detail=f"silent for {timeout_s:g} s", hint=hint) from error
    except OSError as error:
        raise Unreachable(f"{address} cannot be reached.", detail=error.strerror or str(error), hint=hint) from error
    return Plug.of(plug)


def why_lost(transport: paramiko.Transport | None, error: Exception) -> str:
    """Why a connection is no more, for a person."""
    if transport is None or transport.is_active():
        return str(error)
    if getattr(transport.sock, "silent", False):
        return f"it gave no sign of life for {SILENCE_MS / 1000:g} s (it hangs, is off, or the network to it is cut)"
    return "it ended the connection (switched off, restarted, or its SSH service was stopped)"
