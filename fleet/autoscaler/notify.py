"""Tells systemd that the service runs, and goes on running (sd_notify(3)): one datagram each."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notify:
    """Whoever started this service.

    Attributes:
        address: of the socket, "" when nobody listens: then nothing is told.
    """

    address: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Notify:
        """As systemd names it."""
        return cls(environment.get("NOTIFY_SOCKET", ""))

    def ready(self, status: str) -> None:
        """It works now; ``status`` is a sentence for ``systemctl status``."""
        self._send(f"READY=1\nSTATUS={status}\nWATCHDOG=1")

    def alive(self) -> None:
        """Said each second by the loop whose standstill shall be noticed; the unit's WatchdogSec is much longer."""
        self._send("WATCHDOG=1")

    def status(self, status: str) -> None:
        """A sentence for ``systemctl status``."""
        self._send(f"STATUS={status}")

    def stopping(self) -> None:
        """It ends, on purpose."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self.address:
            return
        # a name that begins with @ is in the abstract name space, whose names begin with a zero byte
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.connect(address)
            sender.sendall(text.encode())
