"""The API's process: it runs in the router's namespace, and its supervisor starts it again when it dies."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from rehearsal import habits
from rehearsal.api.app import make_app
from rehearsal.authority import Authority
from rehearsal.edge import Edge
from rehearsal.folders import Folders, ensure_service_secrets, ensure_token
from rehearsal.room.room import Room
from rehearsal.services.dns import PowerDns
from rehearsal.services.machine import ServicesMachine, weed_program
from rehearsal.services.s3 import SeaweedKeys
from rehearsal.store import Store
from state.clock import Clock, wait_until
from state.errors import DeadlineExceeded, HostError, StateError
from state.files import read_file, write_file
from state.process import ProcessIdentity

API_PORT = 443
_GRACE_S = 8.0
# Ends with the API when that ended well; anything else, a kill too, is followed by another start.
# An API whose supervisor died ends too (PR_SET_PDEATHSIG): it would be nobody's, and its parent the machine's init.
_SUPERVISE = 'until setpriv --pdeathsig TERM "$@" --supervisor $$; do sleep 0.5; done'


def serve(directory: Path, clock: Clock, supervisor: int) -> None:
    """Answers the API until it is told to end. Only one process of a rehearsal does.

    Args:
        directory: the rehearsal's folder.
        clock: where time comes from.
        supervisor: pid of the process that starts it again; without it, it does not serve.

    Raises:
        HostError: another process serves it.
    """
    folders = Folders(directory)
    if os.getppid() != supervisor:
        return  # it died before it could tell the kernel that we go with it
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with _alone(directory):
        room = Room(directory, images=folders.images, clock=clock)
        block = room.block
        addresses = (block.service_v4("api"), block.service_v6("api"))
        authority = Authority(folders.authority, block.prefix)
        chain, key = authority.ensure_server("api", addresses)
        secrets = ensure_service_secrets(folders)
        machine = services_machine(folders, room, clock)
        chosen = habits.read(folders.habits)
        app = make_app(
            Store(folders.store, clock=clock, behind_s=chosen.consistent_after_s),
            room,
            ensure_token(folders),
            names=PowerDns(secrets.dns_api_key, machine.resolver()),
            bucket_keys=SeaweedKeys(weed_program()),
            authority=authority,
            private_range=block.private_v4,
            edge=Edge.of(block, folders.published_ranges),
            habits=chosen,
            clock=clock,
        )
        config = uvicorn.Config(
            app,
            ssl_certfile=chain,
            ssl_keyfile=key,
            log_config=None,
            access_log=True,
            server_header=False,
            timeout_keep_alive=65,
            timeout_graceful_shutdown=5,
        )
        write_file(folders.api_record, json.dumps(_record(chosen, supervisor)).encode())
        sockets = [_listen(address) for address in addresses]
        uvicorn.Server(config).run(sockets=sockets)


def services_machine(folders: Folders, room: Room, clock: Clock) -> ServicesMachine:
    """The services machine of a rehearsal."""
    return ServicesMachine(
        folders.services,
        images=folders.images,
        apt_cache=folders.apt_cache,
        block=room.block,
        namespace=room.router_namespace,
        clock=clock,
    )


def start(folders: Folders, namespace: str) -> None:
    """Starts the API and its supervisor in a session of their own; returns at once."""
    with folders.api_log.open("ab") as log:
        folders.api_log.chmod(0o600)
        subprocess.run(
            [
                *("setsid", "--fork", "nsenter", f"--net=/run/netns/{namespace}"),
                *("sh", "-c", _SUPERVISE, "rehearsal-api"),
                *(sys.executable, "-m", "rehearsal", "serve", "--directory", str(folders.directory)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            check=True,
            timeout=30,
        )


def stop(folders: Folders, clock: Clock) -> None:
    """Ends the API, its supervisor first; nothing when none runs. What it had begun goes on at its next start."""
    processes = [process for process in _recorded(folders) if process.is_alive()]
    # In the end they are killed: a machine that is being made is not waited for, its making is written down.
    for number, grace_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, 30.0)):
        for process in processes:
            if process.is_alive():
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        with suppress(DeadlineExceeded):
            wait_until(
                "the rehearsal's API to end",
                lambda: not any(process.is_alive() for process in processes),
                timeout_s=grace_s,
                clock=clock,
                first_s=0.05,
            )
    folders.api_record.unlink(missing_ok=True)


def is_current(folders: Folders) -> bool:
    """Whether an API runs, of this very source and with the habits chosen."""
    data = read_file(folders.api_record)
    if data is None:
        return False
    try:
        record = json.loads(data)
        same = (record["source"], record["habits"]) == (_source_digest(), repr(habits.read(folders.habits)))
    except (ValueError, KeyError, TypeError):
        return False
    return same and all(process.is_alive() for process in _recorded(folders))


def _record(chosen: habits.Habits, supervisor: int) -> dict[str, object]:
    own = ProcessIdentity.of_this_process()
    return {"source": _source_digest(), "habits": repr(chosen), "processes": [_identity(supervisor), own.as_data()]}


def _identity(pid: int) -> dict[str, object]:
    """The supervisor's identity: the start is field 22 of its stat, after the name in brackets."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return {**ProcessIdentity.of_this_process().as_data(), "pid": pid, "started_at": int(fields[19])}


def _recorded(folders: Folders) -> list[ProcessIdentity]:
    data = read_file(folders.api_record)
    if data is None:
        return []
    try:
        return [ProcessIdentity.from_data(one) for one in json.loads(data)["processes"]]
    except (ValueError, KeyError, TypeError) as broken:
        raise StateError(f"{folders.api_record} cannot be read.", detail=str(broken)) from broken


def _source_digest() -> str:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _listen(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # asyncio does it only for sockets that name their protocol; without it each answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind((address, API_PORT))
    listener.listen(128)
    listener.set_inheritable(False)
    return listener


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """The kernel lets go of the lock when its holder dies, however it dies."""
    descriptor = os.open(directory / ".api.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise HostError("Another process serves this rehearsal's API.") from None
    finally:
        os.close(descriptor)
