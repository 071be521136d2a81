"""The machine room: the machines and the network of one rehearsal, made of what the kernel has."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rehearsal.contract import Addresses, Filter, MachineRequest
from rehearsal.room import block as blocks
from rehearsal.room import leftovers, machine, network, record, shared, snapshot
from rehearsal.room.cgroup import Limits, cgroup_of
from rehearsal.room.disk import close_all, make_disk, opened
from rehearsal.room.filters import cloud_ruleset, guard_ruleset
from rehearsal.room.host import check_host
from rehearsal.room.image import ensure_image
from rehearsal.room.programs import attempt
from rehearsal.room.record import Record
from rehearsal.room.seed import Surroundings, plant
from state.clock import Clock, SystemClock, wait_until
from state.errors import HostError, MachineError, NotFound, UsageError
from state.files import write_file

REGISTRY = Path("/run/buildyard")
_SNAPSHOT = "snapshot:"
_FILTERS = "filters.nft"


class Room:
    """One rehearsal's machines; a :class:`rehearsal.contract.MachineRoom`.

    Several processes may hold a room on the same directory: what there is, is read from the system each time.

    Args:
        directory: the rehearsal's folder, made if need be; its machines' disks lie in it.
        images: the cache of vendors' images; by default beside the rehearsals, so that they share it.
        resolver: name server of the machines; by default the rehearsal's own.
        use_apt_cache: machines ask the rehearsal's apt cache whenever it answers.
        registry: where the rehearsals of this host enter themselves.
        clock: where time comes from.
    """

    def __init__(
        self,
        directory: Path,
        *,
        images: Path | None = None,
        resolver: str = "",
        use_apt_cache: bool = True,
        registry: Path = REGISTRY,
        clock: Clock | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.images = images or self.directory.parent / "images"
        self._resolver = resolver
        self._use_apt_cache = use_apt_cache
        self._registry = registry
        self._clock = clock or SystemClock()
        self._machines = self.directory / "machines"
        self._snapshots = self.directory / "snapshots"

    @property
    def block(self) -> blocks.Block:
        """Prefix and addresses of this rehearsal.

        Raises:
            HostError: it is not up and never was.
        """
        found = blocks.claimed(self.directory)
        if found is None:
            raise HostError(f"The rehearsal in {self.directory} is not up.", hint="buildyard rehearse")
        return found

    @property
    def router_namespace(self) -> str:
        """Where the cloud's services live."""
        return network.router(self.block)

    @property
    def foreign_namespace(self) -> str:
        """A host somewhere else in the world."""
        return network.foreign(self.block)

    @property
    def edge_namespace(self) -> str:
        """A host in what stands for Cloudflare's ranges."""
        return network.edge(self.block)

    def up(self) -> None:
        """Makes the network, removes rehearsals that died, adopts its own machines; what is there stays.

        Machines that were on when the host went down are booted again.

        Raises:
            HostError: this host cannot hold a rehearsal.
        """
        self._machines.mkdir(parents=True, exist_ok=True)
        self._snapshots.mkdir(exist_ok=True)
        check_host(self.directory)
        self._registry.mkdir(parents=True, exist_ok=True)
        with blocks.locked(self._registry):
            leftovers.remove_dead(self._registry, self._clock)
        block = blocks.claim(self.directory, self._registry)
        with blocks.locked(self._registry):
            shared.open_host(block, self._registry)
            was_there = network.router(block) in network.namespaces(block)
            network.make_cloud(block)
        if not was_there and (self.directory / _FILTERS).exists():
            network.load(self.router_namespace, (self.directory / _FILTERS).read_text(encoding="utf-8"))
        self._guard()
        for machine_id in self.present():
            found = self._record(machine_id)
            there = network.namespaces(block)
            if found.is_made and found.is_on and network.machine_space(block, machine_id) not in there:
                self.power_on(machine_id)

    def down(self) -> None:
        """Removes everything of this rehearsal, but cached images; the last one restores the host's settings."""
        block = blocks.claimed(self.directory)
        if block is None:
            return
        leftovers.remove_all(block, self.directory, self._clock)
        for folder in (self._machines, self._snapshots):
            _remove_tree(folder)
        (self.directory / _FILTERS).unlink(missing_ok=True)
        blocks.release(block, self.directory, self._registry)
        for lock in (self.directory / "lock", *self.directory.glob("machine-*.lock")):
            lock.unlink(missing_ok=True)
        with blocks.locked(self._registry):
            if not any(entry.name[2:].isdigit() for entry in self._registry.glob("by*")):
                shared.restore_host(self._registry)

    def reserve(self, machine_id: int) -> Addresses:
        """The addresses the machine with that id has or will have."""
        return self.block.machine(machine_id)

    def create(self, request: MachineRequest) -> None:
        """Makes a machine and starts it; one that is there stays, one that was interrupted is made anew."""
        with self._locked(request.id):
            home = self._home(request.id)
            found = record.read(home.directory)
            if found is not None and found.is_made:
                return
            machine.cut_power(home, clock=self._clock)
            close_all(home.directory)
            _remove_tree(home.directory)
            home.directory.mkdir(parents=True)
            source = request.release.removeprefix(_SNAPSHOT) if request.release.startswith(_SNAPSHOT) else ""
            if source:
                image = snapshot.image_under(self._snapshot(source))
            else:
                image = ensure_image(self.images, request.release, request.packages)
            made = record.record_of(request, image)
            record.write(home.directory, made)
            make_disk(home.directory, request.disk_gib)
            with opened(home.directory) as upper:
                if source:
                    snapshot.lay_out(self._snapshot(source), upper)
                plant(upper, request, f"{home.name}-{request.name}", self._surroundings())
            record.write(home.directory, dataclasses.replace(made, is_made=True))
            self._start(request.id)

    def is_running(self, machine_id: int) -> bool:
        """Whether its PID 1 runs."""
        return machine.leader_pid(self._home(machine_id).name) is not None

    def power_off(self, machine_id: int) -> None:
        """Shuts it down in order; after half a minute its plug is pulled."""
        with self._locked(machine_id):
            record.write(self._home(machine_id).directory, dataclasses.replace(self._record(machine_id), is_on=False))
            machine.power_off(self._home(machine_id), clock=self._clock)
            network.unplug(self.block, machine_id)

    def power_on(self, machine_id: int) -> None:
        """Boots it; nothing when it runs."""
        with self._locked(machine_id):
            if not self.is_running(machine_id):
                record.write(
                    self._home(machine_id).directory, dataclasses.replace(self._record(machine_id), is_on=True)
                )
                self._start(machine_id)

    def reboot(self, machine_id: int) -> None:
        """Reboots it in order; one that is off is booted."""
        if not self.is_running(machine_id):
            self.power_on(machine_id)
            return
        with self._locked(machine_id):
            machine.reboot(self._home(machine_id), clock=self._clock)

    def delete(self, machine_id: int) -> None:
        """Pulls its plug and removes all it left; nothing when it is gone."""
        with self._locked(machine_id):
            home = self._home(machine_id)
            machine.cut_power(home, clock=self._clock)
            close_all(home.directory)
            wait_until(
                f"the disk of {home.name} to be let go",
                lambda: not leftovers.loops_of(home.directory),
                timeout_s=30,
                clock=self._clock,
                first_s=0.02,
            )
            with blocks.locked(self.directory):
                network.remove_machine(self.block, machine_id)
            if home.directory.exists():  # renamed first: a machine half removed is no machine
                gone = self._machines / f".gone-{machine_id}"
                _remove_tree(gone)
                home.directory.rename(gone)
                _remove_tree(gone)
            self._guard()

    def present(self) -> tuple[int, ...]:
        """Ids of all machines that exist, running or not."""
        if not self._machines.is_dir():
            return ()
        return tuple(sorted(int(item.name) for item in self._machines.iterdir() if item.name.isdigit()))

    def snapshot(self, machine_id: int, snapshot_id: str) -> None:
        """Copies its disk without its identity; one that runs stands still meanwhile."""
        with self._locked(machine_id):
            found = self._record(machine_id)
            snapshot.take(self._home(machine_id), Path(found.image), self._snapshot(snapshot_id))

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Removes a snapshot; machines made from it stay."""
        _remove_tree(self._snapshot(snapshot_id))

    def apply_filters(self, filters: tuple[Filter, ...]) -> None:
        """Replaces the whole cloud firewall in one transaction."""
        ruleset = cloud_ruleset(filters)
        with blocks.locked(self.directory):
            network.load(self.router_namespace, ruleset)
            write_file(self.directory / _FILTERS, ruleset.encode())

    def execute(self, machine_id: int, argv: Sequence[str], *, stdin: str = "") -> str:
        """Runs a program in a machine as its root, without SSH, and returns what it said.

        Raises:
            MachineError: it is off, or the program failed.
        """
        done = self.exec_in(machine_id, argv, stdin=stdin)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise MachineError(f"`{argv[0]}` in machine {machine_id} ended with {done.returncode}.", detail=said)
        return done.stdout

    def exec_in(
        self, machine_id: int, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program in a machine as its root, without SSH; for tests.

        Raises:
            MachineError: it is off.
        """
        return machine.execute(self._home(machine_id).name, argv, stdin=stdin, timeout_s=timeout_s)

    def exec_from(
        self, namespace: str, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program of this host in a namespace, such as :attr:`foreign_namespace`; for tests."""
        return attempt(["nsenter", f"--net=/run/netns/{namespace}", *argv], stdin=stdin, timeout_s=timeout_s)

    def figures(self, machine_id: int) -> dict[str, int]:
        """``cpu_us`` used since the start and ``memory_bytes`` now; what is unknown is missing."""
        return cgroup_of(self.block.prefix, self._home(machine_id).name).figures()

    def console(self, machine_id: int) -> str:
        """The end of what a machine wrote to its console."""
        return machine.console(self._home(machine_id))

    def speak_from(self, host: int) -> str:
        """Moves the build machine to another address (10 or more; 1 is its first) and returns that."""
        network.route_host(self.block, host)
        return self.block.uplink_v4(host)

    def _start(self, machine_id: int) -> None:
        found = self._record(machine_id)
        block, home = self.block, self._home(machine_id)
        with blocks.locked(self._registry):
            shared.make_place_for(network.machines_on_host() + 1, self._registry)
        with blocks.locked(self.directory):
            network.remove_machine(block, machine_id)  # a machine that was off has no firewall rules in its kernel
            network.make_machine(block, machine_id, found.addresses)
        self._guard()
        machine.boot(
            home,
            image=Path(found.image),
            network_namespace=network.machine_space(block, machine_id),
            limits=Limits(found.cpus, found.memory_mib),
            owns_network=True,
            clock=self._clock,
        )

    def _guard(self) -> None:
        with blocks.locked(self.directory):
            known = []
            for machine_id in self.present():
                found = record.read(self._machines / str(machine_id))
                if found is not None:
                    known.append((machine_id, found.addresses))
            network.load(self.router_namespace, guard_ruleset(self.block, known))

    def _surroundings(self) -> Surroundings:
        apt_cache = f"http://{self.block.service_v4('apt')}:3142" if self._use_apt_cache else ""
        return Surroundings(self._resolver or self.block.service_v4("dns"), apt_cache)

    def _home(self, machine_id: int) -> machine.MachineHome:
        block = self.block
        name = network.machine_space(block, machine_id)
        return machine.MachineHome(block.prefix, name, self._machines / str(machine_id))

    def _record(self, machine_id: int) -> Record:
        found = record.read(self._machines / str(machine_id))
        if found is None:
            raise NotFound(f"There is no machine {machine_id} in this rehearsal.")
        return found

    def _snapshot(self, snapshot_id: str) -> Path:
        if not snapshot_id.replace("-", "").isalnum():
            raise UsageError(f"{snapshot_id!r} cannot be the id of a snapshot.")
        return self._snapshots / snapshot_id

    @contextmanager
    def _locked(self, machine_id: int) -> Iterator[None]:
        """One change of a machine at a time, whoever asks."""
        with blocks.locked(self.directory, f"machine-{machine_id}.lock"):
            yield


def _remove_tree(folder: Path) -> None:
    if folder.exists():
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], check=True, timeout=600)
