"""The rehearsal as a cloud: started when it is not there, then reached by the same driver as any other."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx

from buildyard.vendor_cloud import authority
from fleet.access import CloudAccess, DriverAccess, StoreAccess
from fleet.policy import as_cidr
from fleet.settings import Settings
from providers.catalog import open_dns, open_provider
from providers.contract import Provider
from rehearsal.cloud import CloudDescription, down, up
from state.clock import Clock
from state.errors import Unavailable, UsageError
from state.events import Emit, Event, Kind
from state.files import read_file, write_file
from state.paths import HOME_VARIABLE
from state.secret import Secret

NAME = "rehearsal"
#: Its credential's name.
TOKEN = f"{NAME}.token"
#: It plays Cloudflare too, to whoever has its own token: a rehearsal asks nobody's account.
CLOUDFLARE_TOKEN = "cloudflare.token"
#: Pebble answers at once or not at all.
ROOTS_TIMEOUT_S = 10.0


def reach(folder: Path, settings: Settings, clock: Clock, emit: Emit) -> CloudAccess:
    """Starts or adopts the cloud in that folder.

    Raises:
        HostError: this machine lacks what it takes.
    """
    cloud = up(folder, say=_say_first(folder, lambda line: emit(Event(Kind.NOTE, text=f"rehearsal: {line}"))))
    token = Secret(Path(cloud.token_file).read_text().strip())
    provider, store = _opened(cloud, token, clock)
    ca_pem = store.ca_pem
    credentials = {TOKEN: token, CLOUDFLARE_TOKEN: token}
    played = _cloudflare_played(cloud)
    return CloudAccess(
        provider=provider,
        dns=open_dns(settings.dns, provider, played | _authority(cloud), credentials, clock=clock),
        store=store,
        authority=authority(provider.dns_proof(), settings, cloud.acme_directory_url, ca_pem, cloud.dns_address),
        site_ca_pem=site_roots(folder, cloud, ca_pem),
        operator_addresses=lambda: own_addresses(cloud),
        credentials=credentials,
        driver=DriverAccess(
            {"rehearsal.api_url": cloud.api_url, **played, "cloudflare.origin_pull_ca_pem": ca_pem}, ca_pem
        ),
    )


def reach_store(folder: Path, clock: Clock) -> tuple[Provider, StoreAccess]:
    """The cloud in that folder and its object store; started when it rests, not made when it is not there.

    Raises:
        UsageError: it is not there.
        HostError: this machine lacks what it takes.
    """
    if not _is_there(folder):
        raise UsageError(
            "There is no rehearsal on this machine that belongs to this home.",
            detail="A rehearsal's machines and buckets are on the machine where it was begun, under the same "
            f"{HOME_VARIABLE}; they cannot be reached from another one.",
            hint=f"set {HOME_VARIABLE} to the folder that it was begun with",
        )
    cloud = up(folder, say=lambda _line: None)
    return _opened(cloud, Secret(Path(cloud.token_file).read_text().strip()), clock)


def _opened(cloud: CloudDescription, token: Secret, clock: Clock) -> tuple[Provider, StoreAccess]:
    settings = {"rehearsal.api_url": cloud.api_url, "rehearsal.ca_pem_file": cloud.ca_pem_file}
    provider = open_provider(NAME, settings, {TOKEN: token}, clock=clock)
    ca_pem = Path(cloud.ca_pem_file).read_text()
    return provider, StoreAccess(cloud.s3.endpoint_url, cloud.s3.region, ca_pem)


def _cloudflare_played(cloud: CloudDescription) -> dict[str, str]:
    """Where the rehearsal speaks as Cloudflare does, and publishes a list of its own."""
    return {"cloudflare.api_url": cloud.api_url, "cloudflare.ranges_url": f"{cloud.api_url}/client/v4/ips"}


def _authority(cloud: CloudDescription) -> dict[str, str]:
    """For the drivers here; machines have a file of their own."""
    return {"rehearsal.ca_pem_file": cloud.ca_pem_file, "cloudflare.ca_pem_file": cloud.ca_pem_file}


def _is_there(folder: Path) -> bool:
    return (folder / "store.sqlite").exists()


def own_addresses(cloud: CloudDescription) -> tuple[str, ...]:
    """This machine's addresses as the cloud's machines see them now: those it would send from."""
    found = []
    for address in cloud.build_machine_addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        towards = cloud.api_url.removeprefix("https://") if family is socket.AF_INET else cloud.api_v6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((towards, 9))  # a datagram socket sends nothing by connecting
            found.append(as_cidr(probe.getsockname()[0]))
    return tuple(found)


def driver_settings(folder: Path, say: Callable[[str], None]) -> tuple[dict[str, object], dict[str, Secret]]:
    """What :func:`providers.catalog.open_provider` wants to know of the cloud in that folder, and its credentials."""
    cloud = up(folder, say=_say_first(folder, lambda line: say(f"rehearsal: {line}")))
    settings: dict[str, object] = {"rehearsal.api_url": cloud.api_url, **_cloudflare_played(cloud), **_authority(cloud)}
    token = Secret(Path(cloud.token_file).read_text().strip())
    return settings, {TOKEN: token, CLOUDFLARE_TOKEN: token}


def _say_first(folder: Path, say: Callable[[str], None]) -> Callable[[str], None]:
    """The first time takes a minute and says what it does; afterwards each command would say it again."""
    return (lambda _line: None) if _is_there(folder) else say


def end(folder: Path) -> None:
    """Removes machines, services and networks of the cloud in that folder."""
    down(folder, purge=True)


def site_roots(folder: Path, cloud: CloudDescription, ca_pem: str) -> str:
    """All roots the rehearsal's certificate authority has had: it makes a new one at each of its starts.

    A site's certificate may be from an earlier start; it is as good as before.
    """
    context = ssl.create_default_context(cadata=ca_pem)
    try:
        answer = httpx.get(cloud.acme_root_url, verify=context, timeout=ROOTS_TIMEOUT_S, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as problem:
        raise Unavailable(
            "The rehearsal's certificate authority does not answer.", detail=str(problem), hint="repeat in a moment"
        ) from problem
    path = folder / "site-roots.pem"
    known = (read_file(path) or b"").decode()
    if answer.text.strip() not in known:
        known += answer.text.strip() + "\n"
        write_file(path, known.encode())
    return known
