"""A service as data: its systemd unit and the files it reads."""

from __future__ import annotations

from dataclasses import dataclass

#: Where the services machine sees the files below.
ETC = "/etc/rehearsal"


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the services machine.

    Attributes:
        name: of its unit, without ``.service``.
        unit: text of its unit.
        files: (path below :data:`ETC`, content); all are for root only.
        doors: (address, TCP port) at which it answers when it is ready.
        ready: a program in the machine that succeeds when it can do its work.
        packages: Debian packages it needs.
    """

    name: str
    unit: str
    files: tuple[tuple[str, str], ...] = ()
    doors: tuple[tuple[str, int], ...] = ()
    ready: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


def unit_text(description: str, *settings: str) -> str:
    """A unit that systemd starts again whenever it ends, for ever.

    Args:
        description: what it is.
        settings: further lines of its ``[Service]``.
    """
    lines = [
        "[Unit]",
        f"Description={description}",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        "Restart=always",
        "RestartSec=200ms",
        "TimeoutStopSec=10",
        "UMask=0077",
        *settings,
        "",
    ]
    return "\n".join(lines)
