"""The autoscaler's program on a real machine: fetched, installed, watched over, mended; another's settings refused."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.engine.machines import machines
from fleet.access import DriverAccess
from fleet.autoscaler.handed import credentials_for, settings_for
from fleet.deployment import ADMIN_KEY, SIGNING_KEY, STATE_KEY, Deployment
from fleet.program import program_key
from fleet.wheelhouse import Wheelhouse, wheelhouse_here
from recipes import autoscaler, base
from recipes.context import AutoscalerFiles, Context, Node, ProgramRelease, Role
from recipes.report import Report
from recipes.run import run_recipe
from recipes.secrets import SecretKind, SecretSpec
from recipes.shared_config import STORE_CA
from recipes.ssh import Link, open_link
from recipes.steps import Directory, File, Package, Recipe, Step
from rehearsal.authority import Authority
from rehearsal.room.room import Room
from state.clock import SystemClock, wait_until
from state.errors import StepFailed
from state.events import Event, StepStatus
from state.secret import Redactor, Secret
from tests.fleet import paper
from tests.fleet.test_slots import PRODUCTION
from tests.recipes.test_roles import context_for

pytestmark = [pytest.mark.machines, pytest.mark.timeout(600)]

NODE = Node("as-1", Role.AUTOSCALER, "192.0.2.13", "", "10.1.0.13", 1024)
UNIT = f"{autoscaler.UNIT}.service"
PACKAGES = "Python's environments"
SIGNATURE = "canary-of-the-presigned-address"


@dataclass
class Box:
    """One machine with what it fetches its program from."""

    link: Link
    deployment: Deployment
    wheelhouse: Wheelhouse
    origin: str
    ca_pem: str
    events: list[Event]

    def context(self, *, version: str = "", told: str = "", minimum: int = 1) -> Context:
        """As :class:`fleet.context.ContextMaker` makes it.

        Args:
            version: of the program that is installed, the real one by default.
            told: the version that the settings name, the same by default.
        """
        version = version or self.wheelhouse.pins.version
        url = Secret(f"{self.origin}/{program_key(self.wheelhouse.pins.version)}?X-Amz-Signature={SIGNATURE}")
        program = ProgramRelease(url, self.wheelhouse.sha256, version)
        one = self.deployment
        one = replace(one, settings=replace(one.settings, answers={**one.settings.answers, "scaling.minimum": minimum}))
        settings = settings_for(one, NODE.name, replace(program, version=told or version), None)
        files = AutoscalerFiles(program, settings.text, credentials_for(one))
        return context_for(
            NODE, mode="production", autoscaler=files, store=replace(context_for(NODE).store, ca_pem=self.ca_pem)
        )

    def run(self, *steps: Step, check_only: bool = False) -> Report:
        return run_recipe(
            self.link,
            Recipe("autoscaler", steps),
            machine="box",
            emit=self.events.append,
            redact=Redactor(),
            check_only=check_only,
            cancel=threading.Event(),
            deadline_s=400.0,
        )

    def build(self, **wanted: object) -> Report:
        return self.run(*autoscaler.steps(self.context(**wanted)))  # type: ignore[arg-type]

    def says(self, *argv: str) -> str:
        done = self.link.run(list(argv), timeout_s=30)
        assert done.exit_code == 0, done
        return done.stdout.decode()

    def show(self, name: str) -> str:
        return self.says("systemctl", "show", "--property", name, "--value", UNIT).strip()

    def pid(self) -> int:
        return int(self.show("MainPID"))


def deployed(ground: paper.Ground, ca_pem: str) -> Deployment:
    """In production mode; neither its cloud nor its store can be reached, which a service must outlive."""
    own = ("deployment.name", "site.domain")
    answers = {key.replace(".", "__"): value for key, value in PRODUCTION.items() if key not in own}
    one = ground.deployment("shop", **answers)
    driver = DriverAccess({"rehearsal.api_url": "https://192.0.2.1"}, ca_pem)
    return replace(one, access=replace(one.access, driver=driver))


@contextmanager
def _serving(room: Room, folder: Path, address: str, certificate: tuple[Path, Path]) -> Iterator[str]:
    """From a network of its own: machines reach it as they reach anything out there."""
    words = [
        "nsenter",
        f"--net=/run/netns/{room.foreign_namespace}",
        sys.executable,
        "-m",
        "tests.recipes.signed_store",
    ]
    words += [address, str(folder), *map(str, certificate), SIGNATURE]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield f"https://{address}:{int(server.stdout.readline())}"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("store")
    wheelhouse = wheelhouse_here("3.11")
    place = folder / program_key(wheelhouse.pins.version)
    place.parent.mkdir(parents=True)
    place.symlink_to(wheelhouse.path)
    with machines(1) as made, paper.ground(folder / "ground") as ground:
        address = made.room.block.foreign_v4.replace("0/24", "2")
        authority = Authority(folder / "ca", "test")
        ca_pem = authority.ensure().read_text()
        with _serving(made.room, folder, address, authority.ensure_server("store", [address])) as origin:
            deployment = deployed(ground, ca_pem)
            for name in (ADMIN_KEY, SIGNING_KEY):
                deployment.secret(SecretSpec(name, SecretKind.SSH_KEY))
            deployment.secret(STATE_KEY)
            link = open_link(made.addresses[0], made.key)
            try:
                box = Box(link, deployment, wheelhouse, origin, ca_pem, [])
                box.run(
                    Package(label="p", names=("curl", "ca-certificates", "python3")),
                    Directory(label="c", path=base.CONFIG),
                    Directory(label="s", path=base.STATE),
                    File(label="ca", path=STORE_CA, content=ca_pem),
                )
                yield box
            finally:
                link.close()


def test_the_program_is_installed_and_runs(box: Box) -> None:
    """Also where an installation was cut off before."""
    folder = f"{autoscaler.INSTALLED}/{box.wheelhouse.pins.version}"
    box.says("sh", "-c", f"mkdir -p {folder}/bin; echo half >{folder}/bin/python")
    began = time.monotonic()
    first = box.build()
    seconds = time.monotonic() - began
    assert box.show("ActiveState") == "active"
    assert box.wheelhouse.pins.version in box.show("StatusText")
    took = {result.label: result.milliseconds / 1000 for result in first.results}
    rss_mib = int(box.says("grep", "VmRSS", f"/proc/{box.pid()}/status").split()[1]) / 1024
    on_disk = box.says("du", "-sh", autoscaler.INSTALLED).split()[0]
    print(f"\narchive {box.wheelhouse.size / 1e6:.1f} MB, {on_disk} installed; idle service {rss_mib:.0f} MiB; recipe")
    print(
        f"{seconds:.1f} s, of which program {took['program']:.1f} s, packages {took[PACKAGES]:.1f} s; load of this host"
    )
    print(Path("/proc/loadavg").read_text())
    second = box.build()
    assert second.count(StepStatus.UNCHANGED) == len(second.results), second.results


def test_it_is_nobodys_root_and_shows_no_secret(box: Box) -> None:
    pid = box.pid()
    owner = box.says("stat", "-c", "%U", f"/proc/{pid}").strip()
    assert owner == autoscaler.USER
    seen = box.says("sh", "-c", f"tr '\\0' '\\n' </proc/{pid}/cmdline; tr '\\0' '\\n' </proc/{pid}/environ")
    seen += box.says("systemctl", "cat", UNIT) + box.says("cat", f"{autoscaler.FOLDER}/settings.json")
    seen += box.says("journalctl", "-q", "-o", "cat", "-u", UNIT)
    seen += "".join(str(event) for event in box.events)
    told = json.loads(credentials_for(box.deployment).reveal())
    for name in told:
        secret = told[name]
        assert secret not in seen, name
        assert json.dumps(secret)[1:-1] not in seen, name
    assert SIGNATURE not in seen
    modes = box.says("stat", "-c", "%a %U %n", *(f"{autoscaler.FOLDER}/{n}.json" for n in ("settings", "credentials")))
    assert [line.split()[:2] for line in modes.splitlines()] == [["600", "root"]] * 2
    denied = box.link.run(
        ["runuser", "-u", "nobody", "--", "cat", f"{autoscaler.FOLDER}/credentials.json"], timeout_s=10
    )
    assert denied.exit_code != 0


def comes_back(box: Box, before: int) -> None:
    wait_until(
        "the service to come back",
        lambda: box.show("ActiveState") == "active" and box.pid() not in (0, before),
        timeout_s=30,
        clock=SystemClock(),
    )


def test_killed_it_comes_back(box: Box) -> None:
    before = box.pid()
    box.says("kill", "-9", str(before))
    comes_back(box, before)


def test_stopped_it_ends_cleanly(box: Box) -> None:
    box.says("systemctl", "stop", UNIT)
    assert (box.show("Result"), box.show("ExecMainStatus")) == ("success", "0")
    report = box.build()
    assert [result.label for result in report.results if result.status is StepStatus.CHANGED] == ["autoscaler runs"]


def test_other_settings_are_taken_notice_of(box: Box) -> None:
    before = box.pid()
    box.build(minimum=2)
    assert box.pid() != before
    assert box.show("ActiveState") == "active"


def test_settings_of_another_program_are_refused(box: Box) -> None:
    with pytest.raises(StepFailed) as caught:
        box.build(told="0123456789abcdef")
    assert "These settings are for program 0123456789abcdef; this is program " in caught.value.text()
    assert "run buildyard build on the build machine" in caught.value.text()
    box.build()
    assert box.show("ActiveState") == "active"


def test_a_file_of_the_program_that_was_altered_is_found(box: Box) -> None:
    """How it is mended is the way of an installation that was cut off, above."""
    path = "/opt/buildyard/current/lib/python3.11/site-packages/fleet/pins.py"
    box.says("sh", "-c", f"cp -p {path} /run/as-it-was; echo 'raise SystemExit(9)' >>{path}")
    report = box.run(*autoscaler.steps(box.context()), check_only=True)
    found = {result.label: result.output for result in report.results if result.status is StepStatus.WOULD_CHANGE}
    assert "program" in found
    box.says("cp", "-p", "/run/as-it-was", path)
    assert box.build().count(StepStatus.CHANGED) == 0


def test_an_archive_of_other_bytes_leaves_the_program_in_use(box: Box) -> None:
    before = box.pid()
    with pytest.raises(StepFailed, match="program") as caught:
        box.build(version="fedcba9876543210")
    assert "holds another program than fedcba9876543210: the one in use stays" in caught.value.text()
    assert (box.pid(), box.show("ActiveState")) == (before, "active")


def test_of_earlier_programs_one_is_kept(box: Box) -> None:
    for age, name in enumerate(("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"), 1):
        box.says("sh", "-c", f"mkdir /opt/buildyard/{name}; touch -d '-{age} days' /opt/buildyard/{name}")
    box.build()
    names = box.says("ls", "/opt/buildyard").split()
    assert names == sorted(["aaaaaaaaaaaaaaaa", "current", box.wheelhouse.pins.version])
