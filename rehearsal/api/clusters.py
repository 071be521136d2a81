"""The work behind managed databases: a machine for each cluster, made and removed in the background."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rehearsal.api.engines import ADMINISTRATOR, ENGINES, FIRST_DATABASE, Engine, Order, Tls
from rehearsal.api.filters import Guard
from rehearsal.authority import Authority
from rehearsal.contract import MachineRequest, MachineRoom
from rehearsal.store import Store, Thing
from state.clock import Clock, wait_until
from state.errors import MachineError
from state.secret import Secret

LOG = logging.getLogger(__name__)
_WORKERS = 2
_RELEASE = "bookworm"
#: A machine boots in some seconds; on a host that is very busy it takes longer.
_BOOT_S = 180.0


@dataclass(frozen=True, slots=True)
class ClusterSize:
    """A size of the vendor's list."""

    slug: str
    cpus: int
    memory_mib: int
    disk_gib: int


SIZES = (
    ClusterSize("db-s-1vcpu-1gb", 1, 1024, 10),
    ClusterSize("db-s-1vcpu-2gb", 1, 2048, 30),
    ClusterSize("db-s-2vcpu-4gb", 2, 4096, 60),
    ClusterSize("db-s-4vcpu-8gb", 4, 8192, 140),
)


class Clusters:
    """Makes clusters be what the store says of them.

    Args:
        store: holds them.
        room: makes their machines.
        guard: told before a machine boots and after it is gone.
        authority: vouches for them.
        clock: for deadlines.
    """

    def __init__(self, store: Store, room: MachineRoom, guard: Guard, authority: Authority, clock: Clock) -> None:
        self._store = store
        self._room = room
        self._guard = guard
        self._authority = authority
        self._clock = clock
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._pool = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="cluster")

    @property
    def ca_pem(self) -> str:
        """The CA's certificate."""
        return self._authority.ensure().read_text(encoding="ascii")

    def close(self) -> None:
        """Waits for what is under way; what has not begun is done after the next start."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, cluster: Thing) -> None:
        """Makes a cluster that is written down, in the background; or removes one that is leaving."""
        self._pool.submit(self._settle, cluster["id"])

    def reconcile(self) -> None:
        """After a start: goes on with what was under way; a cluster whose machine is gone is made again, empty."""
        present = set(self._room.present())
        for cluster in self._store.all("database"):
            if cluster["status"] == "online" and cluster["_machine"] not in present:
                LOG.warning("the machine of database %s is gone: made again", cluster["name"])
                self._store.change("database", cluster["id"], status="creating")
                self.begin(cluster)
            elif cluster["_leaving"] or cluster["status"] != "online":
                self.begin(cluster)

    def alter(self, cluster: Thing, orders: Callable[[Engine], Order], write: Callable[[Thing], None]) -> None:
        """Changes something inside a cluster, then writes it down. One change at a time.

        Args:
            cluster: it is online.
            orders: what to run, of the cluster's engine.
            write: changes the record.
        """
        with self._locks[cluster["id"]]:
            self._run(cluster, orders(engine_of(cluster)))
            with self._store.transaction():
                known = self._store.get("database", cluster["id"])
                if known is not None:
                    write(known)
                    self._store.put("database", known["id"], known)

    def _settle(self, id_: str) -> None:
        with self._locks[id_]:
            cluster = self._store.get("database", id_)
            if cluster is None:
                return
            try:
                if cluster["_leaving"]:
                    self._remove(cluster)
                elif cluster["status"] != "online":
                    self._make(cluster)
            except Exception:
                LOG.exception("database %s: the next start of the API tries again", cluster["name"])

    def _make(self, cluster: Thing) -> None:
        engine, machine_id = engine_of(cluster), cluster["_machine"]
        self._guard.refresh()
        self._room.create(self._request(cluster, engine))
        self._room.power_on(machine_id)
        up = Order(("systemctl", "is-active", "--quiet", engine.unit))
        self._wait(cluster, f"{engine.unit} of database {cluster['name']}", up)
        password = Secret(cluster["users"][0]["password"])
        for order in (*engine.listen(self._tls(machine_id)), engine.put_user(ADMINISTRATOR, password)):
            self._run(cluster, order)
        for name in cluster["db_names"] or [FIRST_DATABASE]:
            self._run(cluster, engine.put_database(name))
        for user in cluster["users"][1:]:
            self._run(cluster, engine.put_user(user["name"], Secret(user["password"])))
        addresses = self._room.reserve(machine_id)
        said = ""
        for address in (addresses.public_ipv4, addresses.private_ipv4):
            order = engine.log_in(address, ADMINISTRATOR, password)
            said = self._wait(cluster, f"database {cluster['name']} to answer at {address}", order)
        self._store.change("database", cluster["id"], status="online", semantic_version=said.strip() or engine.version)

    def _remove(self, cluster: Thing) -> None:
        self._room.delete(cluster["_machine"])
        self._authority.forget_server(certificate_name(cluster["_machine"]))
        self._store.delete("database", cluster["id"])
        self._guard.refresh()

    def _wait(self, cluster: Thing, what: str, order: Order) -> str:
        def probe() -> tuple[str] | None:
            known = self._store.get("database", cluster["id"])
            if known is None or known["_leaving"]:
                raise MachineError(f"The database {cluster['name']} is no longer wanted.")
            try:
                return (self._run(cluster, order),)
            except MachineError:
                return None

        return wait_until(what, probe, timeout_s=_BOOT_S, clock=self._clock, first_s=0.2)[0]

    def _run(self, cluster: Thing, order: Order) -> str:
        return self._room.execute(cluster["_machine"], order.argv, stdin=order.stdin)

    def _tls(self, machine_id: int) -> Tls:
        addresses = self._room.reserve(machine_id)
        names = (addresses.public_ipv4, addresses.private_ipv4)
        ca = self.ca_pem
        chain, key = self._authority.ensure_server(certificate_name(machine_id), names)
        return Tls(ca, chain.read_text(encoding="ascii"), Secret(key.read_text(encoding="ascii")))

    def _request(self, cluster: Thing, engine: Engine) -> MachineRequest:
        size = next(size for size in SIZES if size.slug == cluster["size"])
        return MachineRequest(
            id=cluster["_machine"],
            name=cluster["name"],
            release=_RELEASE,
            cpus=size.cpus,
            memory_mib=size.memory_mib,
            disk_gib=size.disk_gib,
            public_keys=(),
            user_data="",
            addresses=self._room.reserve(cluster["_machine"]),
            packages=engine.packages,
        )


def engine_of(cluster: Thing) -> Engine:
    """The engine of a cluster that is written down."""
    return next(engine for engine in ENGINES if engine.slug == cluster["engine"])


def certificate_name(machine_id: int) -> str:
    """Under which the authority keeps what a cluster shows."""
    return f"database-{machine_id}"
