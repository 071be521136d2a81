"""What goes wrong around a deployment: it is said what, why and what next, and afterwards everything is as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from buildyard.program import Program
from providers.bucket import Bucket
from providers.contract import MachineStatus
from providers.digitalocean.driver import DigitalOcean
from state.clock import SystemClock, wait_until
from state.errors import Unauthorized
from state.events import Kind
from state.journal import read, read_runner, runner_is_alive
from state.lease import KEY
from state.lease_record import parse
from state.paths import Home
from state.secret import Secret
from tests.journeys.clouds import driver
from tests.journeys.conftest import BUILD_TIMEOUT_S, Site, environment, run_buildyard
from tests.journeys.killing import BEGIN_S, MARKS, Killed

pytestmark = [pytest.mark.machines, pytest.mark.timeout(900)]


class Command:
    """A command as at a terminal of its own: signals reach its whole foreground process group."""

    def __init__(self, site: Site, *words: str) -> None:
        self._runs = site.home / "deployments" / "rehearsal" / "runs"
        self._before = set(self._runs.iterdir())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "buildyard", words[0], "--deployment", "rehearsal", *words[1:]],
            env=environment(site.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def run(self) -> Path:
        """Its run's folder, once there is one."""
        return wait_until(
            "the run to begin",
            lambda: next(iter(set(self._runs.iterdir()) - self._before), None),
            timeout_s=BEGIN_S,
            clock=SystemClock(),
        )

    def wait_for_marks(self, count: int) -> Path:
        """Until its run has done so much."""
        folder = self.run
        wait_until(
            f"{count} events",
            lambda: sum(event.kind in MARKS for event in read(folder)) >= count,
            timeout_s=BEGIN_S,
            clock=SystemClock(),
            first_s=0.02,
            longest_s=0.05,
        )
        return folder

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)

    def end(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=BUILD_TIMEOUT_S)
        return self.process.returncode, output


def nothing_lost(site: Site) -> None:
    again = site.json("build")
    assert (again["ok"], again["changed"]) == (True, 0), again


def kinds(folder: Path) -> str:
    """What a run said of problems and of its end."""
    return "\n".join(event.text for event in read(folder) if event.kind in (Kind.PROBLEM, Kind.RUN_FINISHED))


def test_ctrl_c_at_any_point_stops_the_run_and_build_goes_on(site: Site) -> None:
    for marks in (1, 12, 60, 250):
        command = Command(site, "build", "--plain", "--yes")
        folder = command.wait_for_marks(marks)
        command.signal(signal.SIGINT)
        code, output = command.end()
        assert code == 130, output
        assert "Stopping" in output
        assert "Traceback" not in output
        assert "Stopped" in kinds(folder)
        wait_until(
            "the runner to end",
            lambda folder=folder: not runner_is_alive(folder),  # type: ignore[misc]
            timeout_s=10,
            clock=SystemClock(),
        )
    nothing_lost(site)


def test_a_runner_told_to_end_says_that_it_was_stopped(site: Site) -> None:
    command = Command(site, "build", "--plain", "--yes")
    os.kill(runner_of(command.wait_for_marks(40)), signal.SIGTERM)
    code, output = command.end()
    assert code == 130, output
    assert "Next: buildyard build" in output


def runner_of(folder: Path) -> int:
    runner = read_runner(folder)
    assert runner is not None
    return runner.pid


def test_closing_the_terminal_leaves_the_run_running_and_two_can_watch_it(site: Site) -> None:
    command = Command(site, "build", "--plain", "--yes")
    folder = command.wait_for_marks(5)
    command.signal(signal.SIGHUP)
    assert command.end()[0] == -signal.SIGHUP
    assert runner_is_alive(folder)
    watchers = [Command(site, "attach", "--json") for _ in range(2)]
    for watcher in watchers:
        code, output = watcher.end()
        assert code == 0, output
        told = json.loads(output.splitlines()[-1])
        assert (told["ok"], told["changed"], told["run"]) == (True, 0, folder.name)


def test_a_second_run_is_refused_while_one_holds_the_lease(site: Site) -> None:
    command = Command(site, "build", "--plain", "--yes")
    folder = command.wait_for_marks(2)
    os.kill(runner_of(folder), signal.SIGSTOP)  # it holds the lease as long as this test needs
    try:
        second = site.buildyard("build", "--plain", "--yes")
    finally:
        os.kill(runner_of(folder), signal.SIGCONT)
    assert second.returncode == 1
    assert "is changing this deployment (buildyard build)" in second.stdout
    assert "buildyard attach" in second.stdout
    assert "--break-lease" in second.stdout
    code, output = command.end()
    assert code == 0, output


def test_a_run_whose_lease_is_taken_says_so_and_stops(site: Site, tmp_path: Path) -> None:
    killed = Killed(site, "taken")
    assert site.buildyard("new", "--answers", str(killed.answers(tmp_path))).returncode == 0
    try:
        process = killed.start("build", "--plain", "--yes")
        folder = wait_until(
            "the run to begin",
            lambda: next(iter((killed.folder / "runs").iterdir()), None),
            timeout_s=BEGIN_S,
            clock=SystemClock(),
        )
        wait_until(
            "the first action",
            lambda: any(event.kind is Kind.ACTION_STARTED for event in read(folder)),
            timeout_s=BEGIN_S,
            clock=SystemClock(),
        )
        lease_taken_elsewhere(site, killed.name)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 1, output
        assert "lost its lease" in kinds(folder)
        assert "Traceback" not in output
    finally:
        state_bucket(site, killed.name).delete(KEY)
        ended = site.buildyard("destroy", "--yes", "--plain", "--deployment", killed.name)
        killed.forget()
        assert ended.returncode == 0, ended.stdout


def state_bucket(site: Site, name: str) -> Bucket:
    program = Program(Home(site.home), environment(site.home), SystemClock())
    return program.open(program.paths(name), lambda _: None, may_ask=False).bucket("state")


def lease_taken_elsewhere(site: Site, name: str) -> None:
    """As by a run on another build machine, which cannot be asked whether it lives."""
    bucket = state_bucket(site, name)
    there = bucket.get(KEY)
    assert there is not None
    old = parse(there[0])
    process = replace(old.process, boot_id="another")
    new = replace(
        old,
        holder="another",
        where="elsewhere",
        epoch=old.epoch + 1,
        process=process,
        until=time.time() + 60,
        released=False,
    )
    bucket.put(KEY, new.as_json())


@pytest.mark.campaign
def test_a_lease_whose_machine_died_can_be_broken(site: Site) -> None:
    lease_taken_elsewhere(site, "rehearsal")
    refused = site.buildyard("build", "--plain", "--yes")
    assert refused.returncode == 1
    assert "on elsewhere is changing this deployment" in refused.stdout
    assert "--break-lease" in refused.stdout
    built = site.json("build", "--break-lease")
    assert (built["ok"], built["changed"]) == (True, 0), built


@pytest.fixture
def provider(site: Site) -> Iterator[DigitalOcean]:
    with driver(site.cloud) as opened:
        yield opened


def test_a_machine_that_was_switched_off_is_named_and_started_again(site: Site, provider: DigitalOcean) -> None:
    machine = next(each for each in provider.machines("by-rehearsal-fleet") if each.name == "ws-1")
    provider.power_off(machine.id)
    try:
        status = site.buildyard("status")
        assert status.returncode == 3, status.stderr
        assert "ws-1: not running at the provider" in status.stdout
        planned = site.json("plan")["actions"]
        assert "machine:ws-1" in {action["id"] for action in planned}
        assert any("switched off" in action["reason"] for action in planned)
        login = site.buildyard("ssh", "ws-1", "--", "true")
        assert login.returncode == 1
        assert "Next:" in login.stderr
        assert "Traceback" not in login.stderr
        built = site.json("build")
        assert built["ok"] is True, built
        assert built["changed"] == 1
    finally:
        if provider.machine(machine.id).status is MachineStatus.OFF:
            provider.power_on(machine.id)
    assert site.json("status")["healthy"] is True
    nothing_lost(site)


def test_a_wrong_token_is_refused_by_name(site: Site) -> None:
    with driver(site.cloud, Secret("wrong")) as provider, pytest.raises(Unauthorized) as refusal:
        provider.check_credentials()
    assert refusal.value.hint
    assert "wrong" not in refusal.value.detail


def test_a_full_disk_on_a_machine_is_named_and_nothing_is_lost(site: Site) -> None:
    path = "/etc/cron.d/buildyard-pull"
    before = site.on("ws-1", "cat", path)
    site.on("ws-1", "sudo", "-n", "sed", "-i", "$a # by hand", path)
    # the first takes what is free at once, the second what is left over; both end with "no space left"
    filling = "fallocate -l $(df -B1 --output=avail / | tail -1) /var/filler; cat /dev/zero > /var/filler-2; true"
    site.on("ws-1", "sudo", "-n", "sh", "-c", filling)
    try:
        failed = site.buildyard("build", "--plain", "--yes")
        assert failed.returncode == 1
        assert "the disk of this machine is full" in failed.stdout
        assert "Next:" in failed.stdout or "run the same command again" in failed.stdout
        assert "Traceback" not in failed.stdout
        assert site.on("ws-1", "cat", path).startswith(before.rstrip("\n"))
    finally:
        site.on("ws-1", "sudo", "-n", "rm", "-f", "/var/filler", "/var/filler-2")
    mended = site.json("build")
    assert (mended["ok"], mended["changed"]) == (True, 1), mended
    assert site.on("ws-1", "cat", path) == before


def fill(path: Path) -> None:
    """Until nothing more fits."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"\0" * 512):
            pass


@contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of its own on that folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tiny", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_here_ends_the_run_with_a_sentence(site: Site) -> None:
    """The journal cannot be written any more: without it nothing more may be changed."""
    with tiny_disk(site.home / "deployments" / "rehearsal" / "runs", "32k"):
        failed = site.buildyard("build", "--plain", "--yes")
        assert failed.returncode == 1, failed.stdout
        said = failed.stdout + failed.stderr
        assert "No space left on device" in said or "is full" in said
        assert "Next:" in said
        assert "Traceback" not in said
    nothing_lost(site)


def test_a_full_disk_here_refuses_new_answers_and_keeps_the_old(tmp_path: Path, site: Site) -> None:
    home = tmp_path / "tiny"
    home.mkdir()
    with tiny_disk(home, "64k"):
        answers = Killed(site, "tiny").answers(tmp_path)
        assert run_buildyard(home, "new", "--answers", str(answers)).returncode == 0
        kept = (home / "deployments/tiny/answers.yaml").read_bytes()
        fill(home / "filler")
        for words in (("build", "--answers", str(answers), "--yes"), ("plan",), ("allow", "192.0.2.7")):
            failed = run_buildyard(home, *words)
            assert failed.returncode in (1, 2), failed.stdout
            assert "No space left on device" in failed.stderr
            assert "Free some space" in failed.stderr
            assert (home / "deployments/tiny/answers.yaml").read_bytes() == kept
