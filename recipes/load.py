"""How busy a webserver is, by its own word: CPU of its cgroup, visitors' requests and connections, free disk.

A small service writes the figures to a file on no disk, and nginx hands it to the probers, and to nobody else: so they
are known as long as nginx lives, when PHP hangs and when the disk is full.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipes.base import PROGRAMS
from recipes.context import Context
from recipes.steps import File, Service, Step
from recipes.texts import filled, text_of

#: Where nginx hands the figures to probers.
LOAD_PATH = "/.well-known/buildyard/load"
#: Made by the unit; ``buildyard-load`` names what lies in it.
FOLDER = "/run/buildyard/load"
UNIT = "buildyard-load"
#: The name (User-Agent) with which Buildyard itself looks at the page: that is no visit.
LOOKS = "buildyard-look"


def steps(context: Context) -> Iterator[Step]:
    """Program and unit; nginx's part is in the webserver's own settings."""
    yield File(
        label="teller of the load",
        path=f"{PROGRAMS}/{UNIT}",
        content=text_of("buildyard-load"),
        mode=0o755,
        notifies=(UNIT,),
    )
    yield File(
        label="unit of the load's teller",
        path=f"/etc/systemd/system/{UNIT}.service",
        content=filled("buildyard-load.service", private=private_address(context)),
        notifies=(UNIT,),
    )
    yield Service(label="load is told", unit=UNIT)


def private_address(context: Context) -> str:
    """Where probers come in; one that nobody has (RFC 5737) while the machine has no private network."""
    return context.node.private_ipv4 or "192.0.2.0"
