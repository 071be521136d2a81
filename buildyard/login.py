"""One machine of a deployment by its name: a command on it, or a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fleet.deployment import ADMIN_KEY, ADMIN_USER, Deployment
from fleet.links import Links, pinned_keys
from fleet.policy import SSH_PORT
from recipes.ssh import Completed
from state.errors import UsageError
from state.fleet_record import MachineRecord

COMMAND_TIMEOUT_S = 600.0


def command_on(deployment: Deployment, machine: str, words: Sequence[str]) -> Completed:
    """Runs one command there; its words are words there too.

    Raises:
        UsageError: there is no such machine.
        MachineError: it cannot be reached.
    """
    links = Links(deployment)
    try:
        return links.to(find(deployment, machine)).run(tuple(words), timeout_s=COMMAND_TIMEOUT_S)
    finally:
        links.close()


def shell_on(deployment: Deployment, machine: str) -> int:
    """The system's ssh with our key and the pinned host key."""
    known = find(deployment, machine)
    pinned = "".join(f"[{known.public_ipv4}]:{SSH_PORT} {line}\n" for line in pinned_keys(known))
    with in_memory(deployment.known_secret(ADMIN_KEY).reveal()) as key, in_memory(pinned) as hosts:
        options = {
            "IdentityFile": key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": hosts,
            "GlobalKnownHostsFile": os.devnull,
            "StrictHostKeyChecking": "yes",
        }
        words = ["ssh", "-F", os.devnull, "-p", str(SSH_PORT)]
        for name, value in options.items():
            words += ["-o", f"{name}={value}"]
        return subprocess.run([*words, f"{ADMIN_USER}@{known.public_ipv4}"], check=False).returncode


@contextmanager
def in_memory(text: str) -> Iterator[str]:
    """A file for a program we start, without a disk: it is gone with this process, however that ends.

    Returns:
        Its path. By this process and not by an inherited descriptor: ssh closes all of those when it starts.
    """
    descriptor = os.memfd_create("buildyard")
    try:
        os.fchmod(descriptor, 0o600)  # ssh refuses a key that others could read
        os.write(descriptor, text.encode())
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def find(deployment: Deployment, machine: str) -> MachineRecord:
    """The machine of that name.

    Raises:
        UsageError: there is none; names those there are.
    """
    record = deployment.record.load()
    known = record.machine(machine) if record is not None else None
    if known is None or not known.public_ipv4:
        names = ", ".join(each.name for each in record.machines) if record is not None else ""
        raise UsageError(f"There is no machine {machine}.", hint=f"one of: {names or 'none; buildyard build'}")
    return known
