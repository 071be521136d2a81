"""What this machine has and lacks, each finding with what to do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from buildyard.program import Program
from state.errors import BuildyardError
from state.keyring_store import working_keyring

PACKAGES = ("buildyard", "screens", "wizard", "fleet", "recipes", "providers", "state", "rehearsal")
LEAST_FREE_GIB = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    text: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def examine(program: Program) -> tuple[Finding, ...]:
    """Looks at all of it."""
    checks: tuple[Callable[[Program], Finding], ...] = (_python, _clash, _ssh, _home, _disk, _secrets, _rehearsal)
    return tuple(check(program) for check in checks)


def _python(_program: Program) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(
        "Python", sys.version_info >= (3, 11), version, "" if sys.version_info >= (3, 11) else "3.11 or newer"
    )


def _clash(_program: Program) -> Finding:
    """Our packages have plain names; another project's of the same name in this environment would hide them."""
    owners = packages_distributions()
    others = {name: owners[name] for name in PACKAGES if len(set(owners.get(name, []))) > 1}
    if others:
        text = "; ".join(f"{name}: {', '.join(found)}" for name, found in others.items())
        return Finding("package names", False, text, "install Buildyard in an environment of its own (./start does)")
    return Finding("package names", True, "no clash")


def _ssh(_program: Program) -> Finding:
    found = shutil.which("ssh")
    return Finding("ssh", bool(found), found or "missing", "" if found else "apt-get install openssh-client")


def _home(program: Program) -> Finding:
    root = program.home.root
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    ok = os.access(there, os.W_OK)
    return Finding("home", ok, str(root), "" if ok else "set BUILDYARD_HOME to a folder of yours")


def _disk(program: Program) -> Finding:
    there = next(folder for folder in (program.home.root, *program.home.root.parents) if folder.exists())
    free_gib = shutil.disk_usage(there).free // 2**30
    ok = free_gib >= LEAST_FREE_GIB
    return Finding("disk", ok, f"{free_gib} GiB free", "" if ok else f"a rehearsal wants {LEAST_FREE_GIB} GiB")


def _secrets(program: Program) -> Finding:
    if working_keyring(program.environment) is not None:
        return Finding("secrets", True, "the keyring of this session")
    return Finding("secrets", True, "an encrypted file with a passphrase (no secret service runs here)")


def _rehearsal(_program: Program) -> Finding:
    try:
        from rehearsal.room.host import check_host

        check_host(Path("/"))
    except ImportError as missing:
        return Finding("rehearsal", False, f"{missing.name} is not installed", "./start rehearse installs it")
    except BuildyardError as problem:
        return Finding("rehearsal", False, problem.summary, problem.hint)
    return Finding("rehearsal", True, "this machine can be a cloud")
