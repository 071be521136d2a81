"""Runs of a deployment that are killed at instants a seed chooses, and what must be there afterwards."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import yaml
from botocore.config import Config

from state.clock import SystemClock, wait_until
from state.events import Event, Kind
from state.journal import read, read_runner, runner_is_alive
from state.process import ProcessIdentity
from tests.journeys.conftest import BUILD_TIMEOUT_S, Site, environment

#: Events that every run of the same deployment has at the same point, whether it changes anything there or not.
MARKS = frozenset({Kind.RUN_STARTED, Kind.ACTION_STARTED, Kind.ACTION_FINISHED, Kind.STEP_STARTED, Kind.STEP_FINISHED})
#: Until a runner has written its first mark: machines, services and API of the rehearsal are looked at first.
BEGIN_S = 120


@dataclass(frozen=True)
class Instant:
    """A moment of a build: so many marks of its journal, and some seconds more."""

    marks: int
    delay_s: float
    victim: str  # "runner" or "api"
    during: str  # what an undisturbed build did then, for people


def instants(reference: Sequence[Event], seed: int, runner: int, api: int) -> list[Instant]:
    """Moments spread evenly over an undisturbed build, in their order: half by its time, half by what it did.

    By time alone most would lie in the installation of packages, by events alone hardly one.

    Args:
        reference: the journal of that build.
        seed: chooses the moment within each part and who dies in it.
        runner, api: how many kills of each.
    """
    chance = random.Random(seed)
    marks = [event for event in reference if event.kind in MARKS]
    began, took = marks[0].at, marks[-1].at - marks[0].at
    victims = ["runner"] * runner + ["api"] * api
    chance.shuffle(victims)
    found = []
    times = [event.at for event in marks]
    ticks = [began + tick / 100 for tick in range(int(took * 100))]
    progress = [(at - began) / took / 2 + bisect_right(times, at) / len(times) / 2 for at in ticks]
    for number, victim in enumerate(victims):
        at = ticks[bisect_right(progress, (number + chance.random()) / len(victims)) - 1]
        count = bisect_right(times, at)
        last = marks[count - 1]
        what = last.action or f"{last.recipe} on {last.machine}: {last.step}"
        found.append(Instant(count, round(at - last.at, 3), victim, f"{last.kind.value} {what}"))
    return found


@dataclass
class Killed:
    """A deployment of its own beside the site, in the same rehearsal."""

    site: Site
    name: str = "killed"
    report: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.site.home / "deployments" / self.name

    def answers(self, folder: Path) -> Path:
        """As the site's, under another name and domain."""
        answers = yaml.safe_load((self.site.home / "deployments" / "rehearsal" / "answers.yaml").read_text())
        answers["deployment"]["name"] = self.name
        answers["site"]["domain"] = f"{self.name}.rehearsal.test"
        path = folder / f"{self.name}.yaml"
        path.write_text(yaml.safe_dump({key: answers[key] for key in answers if key not in ("lineage", "serial")}))
        return path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command as a user starts it, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "buildyard", *words, "--deployment", self.name],
            env=environment(self.site.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def build(self) -> dict[str, Any]:
        return self.site.json("build", "--deployment", self.name)

    def forget(self) -> None:
        """Afterwards there is one deployment again, which need not be named."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def runs(self) -> set[Path]:
        return set((self.folder / "runs").iterdir())

    def build_through(self, moments: Sequence[Instant]) -> list[tuple[Instant, str]]:
        """One first build: kills at each instant, and builds again whenever a run has ended by it.

        Returns:
            How each kill went; "ended before" when there was nothing left to kill.
        """
        outcomes = []
        run: _Run | None = None
        for instant in moments:
            if run is None or run.process.poll() is not None:
                run = self._begin()
            if not _wait_for(run.folder, instant):
                outcomes.append((instant, f"the run had ended before: {run.end()[1][-600:]}"))
                run = None
            elif instant.victim == "api":
                api_process(self.site.rehearsal).kill()
                outcomes.append((instant, "killed"))
            else:
                runner = read_runner(run.folder)
                assert runner is not None
                os.kill(runner.pid, signal.SIGKILL)
                code, output = run.end()
                assert code == 1, output
                assert "Next: buildyard build" in output
                outcomes.append((instant, "killed"))
                run = None
        if run is not None:
            code, output = run.end()
            outcomes.append((moments[-1], f"the last run ended with {code}" + ("" if code == 0 else output[-600:])))
        return outcomes

    def _begin(self) -> _Run:
        before = self.runs()
        process = self.start("build", "--plain", "--yes")
        folder = wait_until(
            "the run to begin", lambda: next(iter(self.runs() - before), None), timeout_s=BEGIN_S, clock=SystemClock()
        )
        return _Run(process, folder)


@dataclass(frozen=True)
class _Run:
    """A command that builds, and the folder of its run."""

    process: subprocess.Popen[str]
    folder: Path

    def end(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=BUILD_TIMEOUT_S)
        return self.process.returncode, output


def _wait_for(folder: Path, instant: Instant) -> bool:
    """Whether the run came so far; False when it ended before.

    The seconds after the last mark pass quicker where an earlier run has done the work: then the next mark ends them.
    """
    reached_at = 0.0
    while True:
        alive = runner_is_alive(folder) or read_runner(folder) is None
        count = sum(event.kind in MARKS for event in read(folder))
        if count >= instant.marks and not reached_at:
            reached_at = time.monotonic()
        if count > instant.marks or (reached_at and time.monotonic() - reached_at >= instant.delay_s):
            return alive
        if not alive:
            return False
        time.sleep(0.02)


@dataclass(frozen=True)
class Victim:
    """The API's own process; its supervisor lives on."""

    identity: ProcessIdentity

    def kill(self) -> None:
        assert self.identity.is_alive()
        os.kill(self.identity.pid, signal.SIGKILL)


def api_process(rehearsal: Path) -> Victim:
    """Waited for: its supervisor may be starting it again."""

    def alive() -> ProcessIdentity | None:
        last = ProcessIdentity.from_data(json.loads((rehearsal / "api.json").read_text())["processes"][-1])
        return last if last.is_alive() else None

    return Victim(wait_until("the API to run", alive, timeout_s=60, clock=SystemClock()))


def reference_of(site: Site) -> list[Event]:
    """The journal of the site's first build, which nobody disturbed."""
    return list(read(site.home / "deployments" / "rehearsal" / "runs" / str(site.first["run"])))


def inventory(site: Site) -> dict[str, list[str]]:
    """All that the provider has, of every deployment, and what this host holds for it."""
    cloud = site.cloud
    token = Path(cloud.token_file).read_text().strip()
    found: dict[str, list[str]] = {}
    with httpx.Client(
        base_url=cloud.api_url,
        verify=_trust(cloud.ca_pem_file),
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    ) as client:
        lists = {"droplets": "droplets", "firewalls": "firewalls", "account/keys": "ssh_keys", "vpcs": "vpcs"}
        for path, key in (*lists.items(), ("tags", "tags")):
            listed = client.get(f"/v2/{path}", params={"per_page": 200}).raise_for_status().json()[key]
            found[key] = sorted(_told(key, each) for each in listed)
        keys = client.get("/v2/spaces/keys").raise_for_status().json()["keys"]
        found["keys of the object store"] = sorted(each["name"].rpartition("-")[0] for each in keys)
        listed = client.get("/v2/domains").raise_for_status().json()["domains"]
        for domain in sorted(each["name"] for each in listed):
            records = client.get(f"/v2/domains/{domain}/records", params={"per_page": 200}).raise_for_status().json()
            found[f"records of {domain}"] = sorted(
                f"{each['name']} {each['type']}"
                for each in records["domain_records"]
                if each["type"] in ("A", "AAAA", "TXT", "CNAME")
            )
    prefix = cloud.namespaces.router.partition("-")[0]
    namespaces = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout.splitlines()
    ours = (line.split()[0] for line in namespaces)
    found["namespaces"] = sorted(
        "machine" if name.startswith(f"{prefix}-m") else name for name in ours if name.startswith(f"{prefix}-")
    )
    found["machines running"] = sorted(
        "machine" if f"={prefix}-m" in command else "services" for command in _nspawns(prefix)
    )
    store = boto3.client(
        "s3",
        endpoint_url=cloud.s3.endpoint_url,
        region_name=cloud.s3.region,
        verify=cloud.ca_pem_file,
        aws_access_key_id=cloud.s3.access_key,
        aws_secret_access_key=Path(cloud.s3.secret_key_file).read_text(),
        config=Config(s3={"addressing_style": "path"}),
    )
    buckets = store.list_buckets()["Buckets"]
    found["buckets"] = sorted(each["Name"].rpartition("-")[0] for each in buckets)  # what follows is random
    loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout.splitlines()
    found["loop devices"] = sorted("disk" for line in loops if str(site.rehearsal) in line)
    found["disks"] = sorted("disk" for _ in (site.rehearsal / "machines").glob("*/disk.img"))
    return found


def _nspawns(prefix: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if command.startswith("systemd-nspawn") and f"--machine={prefix}-" in command:
            found.append(command)
    return found


def _told(key: str, thing: dict[str, Any]) -> str:
    """What of a thing is the same in each build."""
    if key == "droplets":
        roles = sorted(tag for tag in thing["tags"] if "-made-" not in tag)
        return f"{thing['name']} {thing['status']} {' '.join(roles)}"
    if key == "tags":
        name = str(thing["name"])
        return name.rpartition("-")[0] if "-made-" in name else name
    if key == "firewalls":
        return f"{thing['name']} {' '.join(thing['tags'])} {len(thing['inbound_rules'])} rules"
    return str(thing["name"])


def _trust(ca_pem_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_pem_file)
