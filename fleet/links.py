"""SSH to the machines of a deployment: pinned keys only, one connection a machine, kept while a run needs it."""

from __future__ import annotations

import threading

from fleet.deployment import ADMIN_KEY, ADMIN_USER, Deployment
from fleet.policy import SSH_PORT
from recipes.ssh import Address, Link, open_link, wait_for_ssh
from state.errors import HostKeyMismatch, Unreachable
from state.fleet_record import MachineRecord, Stage

#: A cloud's Debian answers on SSH within a minute or two of its creation; slow vendors take four.
FIRST_CONTACT_S = 300.0
CONNECT_S = 20.0


class Links:
    """The connections of one run.

    Args:
        deployment: whose machines; its admin key opens them.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._open: dict[str, Link] = {}
        self._lock = threading.Lock()

    def to(self, machine: MachineRecord, *, patient: bool = False) -> Link:
        """The connection to that machine, made when there is none.

        Args:
            patient: the machine may still be booting: wait for it.

        Raises:
            HostKeyMismatch: it shows another key than the pinned one; nothing was sent.
            Unreachable, DeadlineExceeded: no connection.
        """
        with self._lock:
            link = self._open.get(machine.name)
        if link is not None and link.alive:
            return link
        link = self._connect(machine, patient=patient)
        with self._lock:
            self._open[machine.name] = link
        return link

    def forget(self, name: str) -> None:
        """Closes the connection to a machine, if there is one."""
        with self._lock:
            link = self._open.pop(name, None)
        if link is not None:
            link.close()

    def close(self) -> None:
        """Closes all."""
        for name in list(self._open):
            self.forget(name)

    def _connect(self, machine: MachineRecord, *, patient: bool) -> Link:
        key = self._deployment.known_secret(ADMIN_KEY)
        # machines reach each other over the private network only
        host = machine.private_ipv4 if self._deployment.inside else machine.public_ipv4
        problem: HostKeyMismatch | None = None
        for host_key in pinned_keys(machine):
            address = Address(host, SSH_PORT, ADMIN_USER, host_key)
            try:
                if patient:
                    return wait_for_ssh(address, key, timeout_s=FIRST_CONTACT_S, clock=self._deployment.clock)
                return open_link(address, key, timeout_s=CONNECT_S)
            except HostKeyMismatch as mismatch:
                problem = mismatch
        if problem is not None:
            raise problem
        raise Unreachable(f"No host key of {machine.name} is known.", hint="run buildyard build")


def pinned_keys(machine: MachineRecord) -> tuple[str, ...]:
    """The host keys a machine may show.

    Its own key, once it is known to be in use, and no other. Between making that key and using it a run may have been
    cut off: then it is one of two, both of which are known from pinned sources.
    """
    if machine.stage in (Stage.OWN_HOST_KEY, Stage.READY):
        return (machine.host_key,)
    return tuple(key for key in (machine.host_key, machine.first_host_key) if key)
