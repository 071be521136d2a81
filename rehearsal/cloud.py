"""A whole rehearsal, brought up and down: network, services, API."""

from __future__ import annotations

import dataclasses
import os
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from rehearsal import habits, server
from rehearsal.api.catalogue import IMAGES
from rehearsal.api.clusters import certificate_name
from rehearsal.authority import Authority
from rehearsal.folders import Folders, access_key, ensure_service_secrets, ensure_token
from rehearsal.room.block import Block, claimed
from rehearsal.room.host import check_host
from rehearsal.room.image import ensure_image
from rehearsal.room.programs import run
from rehearsal.room.room import Room
from rehearsal.services import acme
from rehearsal.services.dns import DNS_PORT
from rehearsal.services.s3 import REGION
from rehearsal.store import Store
from state.clock import Clock, SystemClock, wait_until
from state.errors import BuildyardError, DeadlineExceeded, HostError
from state.files import locked, make_private_folder
from state.secret import Secret

Say = Callable[[str], None]
#: What a machine is made of goes with `down`; keys, domains, firewalls and objects stay until `down --purge`.
_GONE_WITH_MACHINES = ("droplet", "image", "action", "database")


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """How the object store is reached."""

    endpoint_url: str
    region: str
    access_key: str
    secret_key_file: str


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The router, a host somewhere else in the world, and a host in what stands for Cloudflare."""

    router: str
    foreign: str
    edge: str


@dataclass(frozen=True, slots=True)
class CloudDescription:
    """A rehearsal that is up. Files hold secrets, never this.

    Attributes:
        api_url: without a path.
        api_v6: its address of the other family.
        acme_root_url: where the root of the ACME server's certificates is fetched, at each use.
        dns_address: the authoritative name server, ``address:port``; ``resolver`` answers on 53 for everything.
        build_machine_addresses: this machine as the rehearsal's machines see it, v4 and v6.
        cloudflare_ranges: the edge's blocks.
        private_range: the block of private addresses.
    """

    directory: str
    api_url: str
    api_v6: str
    token_file: str
    ca_pem_file: str
    s3: ObjectStore
    acme_directory_url: str
    acme_root_url: str
    dns_address: str
    resolver: str
    apt_cache_url: str
    build_machine_addresses: tuple[str, ...]
    namespaces: Namespaces
    cloudflare_ranges: tuple[str, ...]
    private_range: str

    def as_data(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)


def up(
    directory: Path, *, chosen: habits.Habits | None = None, say: Say | None = None, clock: Clock | None = None
) -> CloudDescription:
    """Starts or adopts everything; what is there stays.

    Args:
        directory: the rehearsal's folder. Images and packages lie in the user's cache, which all rehearsals share.
        chosen: habits of other vendors it shall have from now on; None leaves those it has.
        say: hears of progress; by default standard error.
        clock: where time comes from.

    Raises:
        HostError: this machine cannot hold a rehearsal, or a part of it did not come up.
    """
    say, clock = say or _to_stderr, clock or SystemClock()
    folders = Folders(directory.resolve())
    if os.geteuid() != 0:
        check_host(folders.directory)  # says all that is missing, before the first folder that only root may make
    make_private_folder(folders.directory)
    with _as_host_error(), locked(folders.lock):
        if chosen is not None:
            habits.write(folders.habits, chosen)
        room = Room(folders.directory, images=folders.images, clock=clock)
        say("network and machines")
        room.up()
        for image in IMAGES:
            say(f"image {image.slug}: half a minute when it is the first")
            ensure_image(folders.images, image.release)
        authority = Authority(folders.authority, room.block.prefix)
        authority.ensure()
        token, secrets = ensure_token(folders), ensure_service_secrets(folders)
        say("services: object store, name server, resolver, ACME, package cache")
        server.services_machine(folders, room, clock).up(authority, secrets, say)
        description = _description(folders, room.block, room)
        if not (server.is_current(folders) and _answers(folders, description, token)):
            say("API")
            _start_api(folders, room, description, token, clock)
    say(f"the rehearsal is up: {description.api_url}")
    return description


def down(directory: Path, *, purge: bool = False, clock: Clock | None = None) -> None:
    """Removes machines, services and network; ``purge`` removes records, objects, keys and the CA too.

    Images and cached packages stay: other rehearsals use them.

    Raises:
        HostError: something could not be removed.
    """
    clock = clock or SystemClock()
    folders = Folders(directory.resolve())
    if not folders.directory.is_dir():
        return
    with _as_host_error(), locked(folders.lock):
        server.stop(folders, clock)
        room = Room(folders.directory, images=folders.images, clock=clock)
        if claimed(folders.directory) is not None:
            server.services_machine(folders, room, clock).down(keep_data=not purge)
        room.down()
        if purge:
            for path in folders.purged():
                run(["rm", "-rf", "--one-file-system", "--", str(path)], timeout_s=120)
        elif folders.store.exists():
            store = Store(folders.store)
            with store.transaction():
                for cluster in store.all("database"):
                    authority = Authority(folders.authority, "")
                    authority.forget_server(certificate_name(cluster["_machine"]))
                for kind in _GONE_WITH_MACHINES:
                    for thing in store.all(kind):
                        store.delete(kind, thing["id"])
                for firewall in store.all("firewall"):
                    store.change("firewall", firewall["id"], droplet_ids=[])
            store.close()
    if purge:
        run(["rm", "-rf", "--one-file-system", "--", str(folders.directory)], timeout_s=120)


def describe(directory: Path) -> CloudDescription:
    """The rehearsal in a folder, as :func:`up` described it.

    Raises:
        HostError: it is not up.
    """
    folders = Folders(directory.resolve())
    room = Room(folders.directory, images=folders.images)
    return _description(folders, room.block, room)


def reconcile(directory: Path, *, say: Say | None = None, clock: Clock | None = None) -> CloudDescription:
    """Compares what was promised with what is there, and mends it: a fresh start of the API does it.

    Raises:
        HostError: it could not be mended.
    """
    clock = clock or SystemClock()
    folders = Folders(directory.resolve())
    with _as_host_error(), locked(folders.lock):
        server.stop(folders, clock)
    return up(directory, say=say, clock=clock)


def _start_api(folders: Folders, room: Room, description: CloudDescription, token: Secret, clock: Clock) -> None:
    server.stop(folders, clock)
    server.start(folders, room.router_namespace)
    try:
        ready = lambda: _answers(folders, description, token)  # noqa: E731
        wait_until("the rehearsal's API", ready, timeout_s=90, clock=clock, first_s=0.1)
    except DeadlineExceeded as late:
        log = folders.api_log.read_text(encoding="utf-8", errors="replace")
        raise HostError("The rehearsal's API did not start.", detail=log[-1500:]) from late


def _answers(folders: Folders, description: CloudDescription, token: Secret) -> bool:
    """Whether it answers as its habits let it: one that shall refuse or fail does, and is there."""
    chosen = habits.read(folders.habits)
    usual = {httpx.codes.OK}
    if chosen.refuse_every:
        usual.add(httpx.codes.TOO_MANY_REQUESTS)
    if chosen.fail_every:
        usual.add(httpx.codes.INTERNAL_SERVER_ERROR)
    try:
        trust = ssl.create_default_context(cafile=description.ca_pem_file)
        with httpx.Client(verify=trust, trust_env=False, timeout=10) as client:
            headers = {"authorization": f"Bearer {token.reveal()}"}
            return client.get(f"{description.api_url}/v2/account", headers=headers).status_code in usual
    except (httpx.HTTPError, OSError):
        return False


def _description(folders: Folders, block: Block, room: Room) -> CloudDescription:
    acme_address = block.service_v4("acme")
    return CloudDescription(
        directory=str(folders.directory),
        api_url=f"https://{block.service_v4('api')}",
        api_v6=block.service_v6("api"),
        token_file=str(folders.token),
        ca_pem_file=str(Authority(folders.authority, block.prefix).ca_file),
        s3=ObjectStore(
            endpoint_url=f"https://{block.service_v4('s3')}",
            region=REGION,
            access_key=access_key(folders),
            secret_key_file=str(folders.s3_secret_key),
        ),
        acme_directory_url=acme.directory_url(acme_address),
        acme_root_url=acme.root_url(acme_address),
        dns_address=f"{block.service_v4('dns')}:{DNS_PORT}",
        resolver=block.service_v4("dns"),
        apt_cache_url=f"http://{block.service_v4('apt')}:3142",
        build_machine_addresses=(block.uplink_v4(1), block.uplink_v6(1)),
        namespaces=Namespaces(room.router_namespace, room.foreign_namespace, room.edge_namespace),
        cloudflare_ranges=(block.edge_v4, block.edge_v6),
        private_range=block.private_v4,
    )


@contextmanager
def _as_host_error() -> Iterator[None]:
    """Whoever calls has one kind of error to know."""
    try:
        yield
    except HostError:
        raise
    except BuildyardError as error:
        raise HostError(error.summary, detail=error.detail, hint=error.hint) from error


def _to_stderr(line: str) -> None:
    print(f"rehearsal: {line}", file=sys.stderr, flush=True)
