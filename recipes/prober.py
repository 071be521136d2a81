"""The program that looks at webservers the way a visitor does, on the machines that look (autoscalers, database).

It is no service: the autoscaler that leads starts it, here by SSH or on its own machine, and speaks with it
(:mod:`fleet.autoscaler.probing`). Nothing of it is left when nobody speaks with it any more.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipes.base import PROGRAMS
from recipes.context import Context
from recipes.secrets import SecretSpec
from recipes.steps import File, Step
from recipes.texts import text_of

NAME = "prober"
SECRETS: tuple[SecretSpec, ...] = ()
#: Its name among ``recipes/files`` and on the machine.
FILE = "buildyard-probe"
PROGRAM = f"{PROGRAMS}/{FILE}"


def steps(_context: Context) -> Iterator[Step]:
    """The program."""
    yield File(label="prober of webservers", path=PROGRAM, content=text_of(FILE), mode=0o755)
