"""A rehearsal that is up, as its customers meet it: its API, its object store, its names, its machines."""

from __future__ import annotations

import json
import os
import select
import signal
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import dns.exception
import dns.resolver
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

from rehearsal import cloud
from rehearsal.room import machine
from rehearsal.room.room import Room
from state.clock import SystemClock, wait_until
from state.errors import HostError

CLOCK = SystemClock()
USER_DATA = """#cloud-config
write_files:
- path: /etc/ssh/sshd_config.d/10-port.conf
  content: "Port 1035\\n"
"""


@dataclass(frozen=True)
class Cloud:
    """A rehearsal as its customers meet it."""

    described: cloud.CloudDescription

    @property
    def services(self) -> str:
        return self.described.namespaces.router.replace("-router", "-services")

    def api(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.described.api_url}/v2",
            verify=ssl.create_default_context(cafile=self.described.ca_pem_file),
            headers={"authorization": f"Bearer {Path(self.described.token_file).read_text()}"},
            timeout=30,
            trust_env=False,
        )

    def ask(self, method: str, path: str, **more: Any) -> Any:
        with self.api() as client:
            answer = client.request(method, path, **more)
            answer.raise_for_status()
            return answer.json() if answer.content else None

    def s3(self, access_key: str = "", secret_key: str = "") -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.described.s3.endpoint_url,
            region_name=self.described.s3.region,
            verify=self.described.ca_pem_file,
            aws_access_key_id=access_key or self.described.s3.access_key,
            aws_secret_access_key=secret_key or Path(self.described.s3.secret_key_file).read_text(),
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def address_of(self, name: str, type_: str = "A") -> list[str] | None:
        """What the machines' resolver says; None while it does not answer, [] when there is no such name."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.lifetime = [self.described.resolver], 2
        try:
            return sorted(str(found) for found in resolver.resolve(name, type_))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.Timeout, dns.resolver.NoNameservers):
            return None

    def kill_api(self) -> None:
        """Kills the API, and waits until it is dead; its supervisor starts it again.

        Who connects while its sockets are being closed meets a fault of Python's: ssl then leaves a socket open, and
        says so when it is collected (ssl.SSLSocket._create, an answer between connect and getpeername).
        """
        # by its own record: a program it is just starting looks like it for a moment
        record = json.loads(Path(self.described.directory, "api.json").read_text())
        process: int = record["processes"][-1]["pid"]
        death = os.pidfd_open(process)
        try:
            os.kill(process, signal.SIGKILL)
            dead, _, _ = select.select([death], [], [], 10)
            assert dead, "the API outlived SIGKILL"
        finally:
            os.close(death)

    def kill(self, service: str) -> None:
        """Kills all processes of a service, and waits until systemd has started it again."""
        before = self._pid(service)
        argv = ["systemctl", "kill", "--kill-whom=all", "--signal=KILL", service]
        assert machine.execute(self.services, argv).returncode == 0
        eventually(f"{service} to start again", lambda: self._pid(service) not in ("0", before))

    def _pid(self, service: str) -> str:
        said = machine.execute(self.services, ["systemctl", "show", "--property=MainPID", "--value", service])
        return said.stdout.strip()


def eventually(what: str, probe: Callable[[], Any], timeout_s: float = 30) -> Any:
    return wait_until(what, probe, timeout_s=timeout_s, clock=CLOCK, first_s=0.05)


def reads(probe: Callable[[], Any]) -> Any:
    """A value, or None while its service does not answer."""
    try:
        return probe()
    except (httpx.HTTPError, ClientError, OSError, HostError):
        return None
    except Exception as error:
        if type(error).__module__.startswith("botocore"):
            return None
        raise


def active(up: Cloud, id_: int) -> dict[str, Any] | None:
    found: dict[str, Any] = up.ask("GET", f"/droplets/{id_}")["droplet"]
    return found if found["status"] == "active" else None


def public_v4(droplet: dict[str, Any]) -> str:
    (address,) = (net["ip_address"] for net in droplet["networks"]["v4"] if net["type"] == "public")
    return str(address)


def ssh(up: Cloud, key: Path, droplet: dict[str, Any], command: str) -> str:
    """What a command on the machine says; waits for its SSH."""
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=3", "LogLevel=ERROR"]
    words = [word for option in options for word in ("-o", option)]

    def run() -> str | None:
        argv = ["ssh", "-F", "none", "-p", "1035", "-i", str(key), *words, f"root@{public_v4(droplet)}", command]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in (0, 255), done.stderr
        return done.stdout if done.returncode == 0 else None

    return str(eventually("SSH to the machine", run, 60))


def machines_of(up: Cloud) -> set[int]:
    return set(Room(Path(up.described.directory)).present())
