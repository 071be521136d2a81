"""A deployment on this machine for all journeys: built by the command a user types, ended at the end.

Journeys wait for timers much more than they work, so ``check`` runs them in two processes, each with its own site.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rdatatype
import pytest

from buildyard.program import Program
from rehearsal.cloud import CloudDescription, describe
from state.clock import SystemClock
from state.paths import Home
from tests.journeys.doors import Doors
from tests.journeys.traces import Watcher

BUILD_TIMEOUT_S = 900
HOUSE = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
#: Journeys of the production site, which has a process and a home of its own; its end is looked at by the last of them.
PRODUCTION = "test_p_"
#: Journeys of the first site, by how their file's name begins; all others go to the second. Both shall take as long.
FIRST_SITE = (
    *("test_1_", "test_2_", "test_3_", "test_4_", "test_5_", "test_7_refusals"),
    *("test_8_lockout", "test_8_mail", "test_8_store", "test_9_"),
)


@dataclass(frozen=True)
class Deployed:
    """A built deployment, as its user and as a visitor see it.

    Attributes:
        first: what the first build said at its end.
    """

    home: Path
    first: dict[str, Any]
    deployment: str = "rehearsal"
    domain: str = "site.rehearsal.test"

    @property
    def cloud(self) -> CloudDescription:
        return describe(self.rehearsal)

    @property
    def rehearsal(self) -> Path:
        return rehearsal_of(self.home)

    def buildyard(self, *words: str, timeout_s: float = BUILD_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        """A command about this deployment, unless it names another."""
        if words[0] not in ("rehearse", "doctor", "new") and "--deployment" not in words:
            words = (words[0], "--deployment", self.deployment, *words[1:])
        return run_buildyard(self.home, *words, timeout_s=timeout_s)

    def json(self, *words: str, timeout_s: float = BUILD_TIMEOUT_S) -> dict[str, Any]:
        """The last line on stdout, which is one JSON object."""
        done = self.buildyard(*words, "--json", timeout_s=timeout_s)
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def on(self, machine: str, *words: str) -> str:
        """A command on a machine, by the user's own way in."""
        done = self.buildyard("ssh", machine, "--", *words, timeout_s=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def address(self, machine: str, family: str = "public_ipv4") -> str:
        record = json.loads((self.home / "deployments" / self.deployment / "fleet.json").read_text())
        return str(next(each for each in record["machines"] if each["name"] == machine)[family])

    def foreign(self, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """A command on a host somewhere in the world."""
        return inside(self.cloud.namespaces.foreign, *words, timeout_s=timeout_s)

    def resolve(self, name: str, kind: str) -> list[str]:
        """What the rehearsal's DNS answers."""
        query = dns.message.make_query(name, kind)
        host, _, port = self.cloud.dns_address.rpartition(":")
        answer = dns.query.udp(query, host.strip("[]"), port=int(port), timeout=5)
        wanted = dns.rdatatype.from_text(kind)
        return sorted(item.to_text() for rrset in answer.answer if rrset.rdtype == wanted for item in rrset)

    def visit(self, url: str, address: str) -> subprocess.CompletedProcess[str]:
        """A page from the foreign host, trusting only the rehearsal's authority for sites."""
        host = url.split("/")[2]
        place = f"[{address}]" if ":" in address else address
        return self.foreign(
            "curl",
            "-sS",
            "--max-time",
            "20",
            "--cacert",
            str(self.rehearsal / "site-roots.pem"),
            "-D",
            "-",
            "--resolve",
            f"{host}:443:{place}",
            "--resolve",
            f"{host}:80:{place}",
            url,
        )

    def visit_by_name(self, url: str, family: str) -> subprocess.CompletedProcess[str]:
        """The same by a visitor who asks the rehearsal's DNS for the address.

        Args:
            url: what he types.
            family: "-4" or "-6", as curl's option.
        """
        settings = self.home / "visitor-resolv.conf"
        settings.write_text(f"nameserver {self.cloud.resolver}\n")
        ask = 'mount --bind "$1" /etc/resolv.conf && shift && exec curl "$@"'
        trust = ("--cacert", str(self.rehearsal / "site-roots.pem"))
        words = (family, "-sS", "--max-time", "20", *trust, "-D", "-", url)
        return self.foreign("unshare", "--mount", "sh", "-c", ask, "sh", str(settings), *words)


@dataclass(frozen=True)
class Site(Deployed):
    """The one of development mode, whose first build was watched."""

    watcher: Watcher = field(kw_only=True)
    doors: Doors = field(kw_only=True)


def inside(namespace: str, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """A command in a network namespace of the rehearsal."""
    return subprocess.run(
        ["nsenter", f"--net=/run/netns/{namespace}", *words],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "BUILDYARD_HOME": str(home),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


def rehearsal_of(home: Path) -> Path:
    """Where the cloud of that home keeps its things."""
    return Program(Home(home), environment(home), SystemClock()).rehearsal_folder


def run_buildyard(home: Path, *words: str, timeout_s: float = BUILD_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "buildyard", *words],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )


def fresh_clone(folder: Path) -> Path:
    """This checkout as somebody gets it: what git knows or would take, no .venv, in a folder with a blank."""
    clone = folder / "My Buildyard"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=HOUSE,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (HOUSE / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HOUSE / name, clone / name)
    assert not (clone / ".venv").exists()
    return clone


def first_build(home: Path, clone: Path) -> subprocess.CompletedProcess[str]:
    """The README's first command, in a fresh clone; how this machine reaches the package registries is kept."""
    ways = {
        name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.lower().endswith("proxy")
    }
    ways.setdefault("PIP_CACHE_DIR", str(Path("~/.cache/pip").expanduser()))
    return subprocess.run(
        ["./start", "rehearse", "--plain", "--yes", "--json"],
        cwd=clone,
        env={**environment(home), **ways},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who shares a site; and whichever test comes first waits for its build too."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group(_group(item.path.name)))
        if {"site", "production"} & set(getattr(item, "fixturenames", ())) and item.get_closest_marker(
            "timeout"
        ) is None:
            item.add_marker(pytest.mark.timeout(2 * BUILD_TIMEOUT_S))


def _group(file: str) -> str:
    if file.startswith(PRODUCTION):
        return "production"
    return "first site" if file.startswith(FIRST_SITE) else "second site"


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Production mode with two webservers, in a home and a rehearsal of its own."""
    home = tmp_path_factory.mktemp("production")
    try:
        words = ("rehearse", "--mode", "production", "--webservers", "2", "--plain", "--yes", "--json")
        done = run_buildyard(home, *words)
        assert done.returncode == 0, done.stderr[-4000:]
        yield Deployed(home, json.loads(done.stdout.splitlines()[-1]))
    finally:
        run_buildyard(home, "destroy", "--yes", "--plain")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    try:
        with Watcher() as watcher, Doors(rehearsal_of(home)) as doors:
            done = first_build(home, fresh_clone(tmp_path_factory.mktemp("clone")))
        assert done.returncode == 0, done.stderr[-4000:]
        yield Site(home, json.loads(done.stdout.splitlines()[-1]), watcher=watcher, doors=doors)
    finally:
        run_buildyard(home, "destroy", "--yes", "--plain")
