"""The lock file of the program that runs on autoscaler machines: every package, its version and its bytes' checksums.

Its own checksum is the program's version: equal versions are equal programs to the last byte. It travels inside the
program's archive and stays in the folder the program is installed to, so a running program knows which one it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from state.errors import StateError
from state.files import read_file

#: Its name in the archive, and in the folder of an installed program.
PINS_FILE = "program.lock"
#: Hexadecimal digits of a version.
VERSION_LENGTH = 16
_HEADER = re.compile(r"# Buildyard for Python ([0-9]+\.[0-9]+) on (\w+)")


@dataclass(frozen=True, slots=True)
class Pins:
    """A whole lock file.

    Attributes:
        python: version of Python it is for ("3.11").
        machine: architecture ("x86_64").
        lines: ``name==version --hash=sha256:…``, sorted; what ``pip install --require-hashes`` reads.
    """

    python: str
    machine: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """As the file holds it."""
        return "\n".join((f"# Buildyard for Python {self.python} on {self.machine}", *self.lines, ""))

    @property
    def version(self) -> str:
        """What names this program and no other."""
        return version_of(self.text.encode())


def version_of(content: bytes) -> str:
    """The version that a lock file's content stands for."""
    return hashlib.sha256(content).hexdigest()[:VERSION_LENGTH]


def pins_of(wheels: Iterable[Path], python: str, machine: str) -> Pins:
    """The lock file of these wheels.

    Raises:
        StateError: a file is no wheel.
    """
    lines = []
    for wheel in wheels:
        parts = wheel.name.removesuffix(".whl").split("-")
        if wheel.suffix != ".whl" or len(parts) not in (5, 6):
            raise StateError(f"{wheel} is no wheel.", hint=f"delete the folder {wheel.parent}, then repeat the command")
        name = re.sub(r"[-_.]+", "-", parts[0]).lower()
        lines.append(f"{name}=={parts[1]} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    return Pins(python, machine, tuple(sorted(lines)))


def installed_version(prefix: Path) -> str:
    """The version of the program installed in that folder, "" for what was not installed from a lock file.

    Args:
        prefix: ``sys.prefix`` of the running program.
    """
    content = read_file(prefix / PINS_FILE)
    if content is None or _HEADER.match(content.decode(errors="replace")) is None:
        return ""
    return version_of(content)
