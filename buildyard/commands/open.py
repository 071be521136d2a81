"""Show the site of a rehearsal on this machine, through a proxy on the loopback address."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("--port", type=int, default=8443, help="on 127.0.0.1")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Serves until Ctrl-C."""
    from buildyard.loopback import serve

    paths = program.paths(arguments.deployment)
    deployment = program.open_built(paths, may_ask=not arguments.yes)
    return serve(deployment, arguments.port, as_json=arguments.json)
