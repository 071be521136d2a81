"""The rehearsal's API on a loopback port, over machines that are only written down."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from rehearsal.api.app import make_app
from rehearsal.api.backends import BucketKey
from rehearsal.authority import Authority
from rehearsal.contract import Addresses, Filter, MachineRequest
from rehearsal.edge import Edge
from rehearsal.room.block import Block
from rehearsal.store import Store
from state.secret import Secret


class PaperRoom:
    """Machines as a list: here the driver's side of the API is tested; machines are in tests/rehearsal."""

    def __init__(self) -> None:
        self.running: dict[int, bool] = {}
        self.filters: tuple[Filter, ...] = ()

    def reserve(self, machine_id: int) -> Addresses:
        return Addresses(f"198.51.100.{machine_id}", f"2001:db8::{machine_id:x}", f"10.77.0.{machine_id}")

    def create(self, request: MachineRequest) -> None:
        self.running[request.id] = True

    def is_running(self, machine_id: int) -> bool:
        return self.running.get(machine_id, False)

    def power_off(self, machine_id: int) -> None:
        self.running[machine_id] = False

    def power_on(self, machine_id: int) -> None:
        self.running[machine_id] = True

    def reboot(self, machine_id: int) -> None:
        self.running[machine_id] = True

    def delete(self, machine_id: int) -> None:
        self.running.pop(machine_id, None)

    def present(self) -> tuple[int, ...]:
        return tuple(self.running)

    def execute(self, machine_id: int, argv: Sequence[str], *, stdin: str = "") -> str:
        return ""

    def snapshot(self, machine_id: int, snapshot_id: str) -> None: ...
    def delete_snapshot(self, snapshot_id: str) -> None: ...

    def apply_filters(self, filters: tuple[Filter, ...]) -> None:
        self.filters = filters


class PaperNames:
    """A name server that takes everything."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self.rrsets: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {}

    def create_zone(self, zone: str) -> None:
        if zone not in self.known:
            self.known.append(zone)

    def delete_zone(self, zone: str) -> None:
        self.known.remove(zone)

    def zones(self) -> tuple[str, ...]:
        return tuple(self.known)

    def put_rrset(self, zone: str, name: str, type_: str, ttl_s: int, contents: tuple[str, ...]) -> None:
        self.rrsets[name, type_] = (ttl_s, contents)


class PaperKeys:
    """A list of bucket keys."""

    def __init__(self) -> None:
        self.keys: tuple[BucketKey, ...] = ()

    def put_all(self, keys: tuple[BucketKey, ...]) -> None:
        self.keys = keys


@contextmanager
def serving(
    token: Secret, room: PaperRoom, names: PaperNames, *, certificate: Path | None = None, key: Path | None = None
) -> Iterator[str]:
    """The URL of a rehearsal's API of its own; over TLS with a certificate for 127.0.0.1."""
    store = Store(":memory:")
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        # asyncio does it only for sockets that name their protocol; without it each answer waits 40 ms for an ACK
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        app = make_app(
            store,
            room,
            token,
            names=names,
            bucket_keys=PaperKeys(),
            authority=Authority(Path(folder), "paper"),
            private_range="10.77.0.0/16",
            edge=Edge.of(Block(1), Path(folder) / "edge-ranges.json"),
        )
        config = uvicorn.Config(
            app, log_config=None, access_log=False, ws="none", ssl_certfile=certificate, ssl_keyfile=key
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            store.close()
