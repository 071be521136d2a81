"""The object store stalls: pages are served, what machines live by stays, and the shared directory comes back alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from rehearsal.room import machine as room_machine
from state.clock import SystemClock, wait_until
from tests.journeys.conftest import Site

pytestmark = pytest.mark.machines

MACHINES = ("ws-1", "db-1")
MOUNT = "/srv/buildyard/shared"
#: What the machines live by.
KEPT = (
    "/var/lib/buildyard/shared/operators",
    "/var/lib/buildyard/shared/certificate",
    "/etc/buildyard/tls/current/key.pem",
)
#: The watchdog looks each minute, and looks for up to 10 s.
WATCH_S = 150


def s3(site: Site, signal: str) -> None:
    """The store's front gets that signal; STOP leaves its connections open and silent."""
    services = site.cloud.namespaces.router.replace("-router", "-services")
    done = room_machine.execute(services, ["systemctl", "kill", "--kill-whom=all", f"--signal={signal}", "s3-tls"])
    assert done.returncode == 0, done.stderr


def mount_answers(site: Site, name: str) -> bool:
    return site.buildyard("ssh", name, "--", "sudo", "-n", "buildyard-shared-watch", "look").returncode == 0


def remarks(site: Site) -> list[str]:
    status = site.json("status")
    assert status["healthy"] is True, status["reason"]
    return [remark for each in status["machines"] for remark in each["remarks"]]


@pytest.fixture(scope="module")
def stalled(site: Site) -> Iterator[None]:
    """The store does not answer until the last test of this file lets it."""
    assert all(mount_answers(site, name) for name in MACHINES)
    s3(site, "STOP")
    try:
        yield
    finally:
        s3(site, "CONT")


def sums(site: Site) -> str:
    return site.on("ws-1", "sudo", "-n", "sha256sum", *KEPT)


def test_while_the_store_is_silent_the_site_lives_on_its_last_good_copies(site: Site, stalled: None) -> None:
    before = sums(site)
    began = time.monotonic()
    pulled = site.buildyard("ssh", "ws-1", "--", "sudo", "-n", "buildyard-pull", "certificate", timeout_s=100)
    assert pulled.returncode == 1
    assert time.monotonic() - began < 90
    wait_until(
        "the watchdog to notice on both machines",
        lambda: len([each for each in remarks(site) if "shared directory" in each]) == len(MACHINES),
        timeout_s=WATCH_S,
        clock=SystemClock(),
        longest_s=2,
    )
    for name in MACHINES:
        assert not mount_answers(site, name)
    page = site.visit(f"https://{site.domain}/", site.address("ws-1"))
    assert page.returncode == 0, page.stderr
    assert " 200" in page.stdout.split("\n", 1)[0]
    assert sums(site) == before
    # who may come in is still known: `site.on` came in; and nothing piles up behind the mount
    hanging = site.on("ws-1", "sh", "-c", "ps axo comm,args | grep -c '[b]uildyard-shared-watch' || true")
    assert int(hanging) <= 6


def test_the_shared_directory_comes_back_by_itself(site: Site, stalled: None) -> None:
    s3(site, "CONT")
    for name in MACHINES:
        wait_until(
            f"the shared directory of {name}",
            lambda name=name: mount_answers(site, name),
            timeout_s=WATCH_S,
            clock=SystemClock(),
            longest_s=2,
        )
    assert "operators" in site.on("ws-1", "sudo", "-n", "ls", MOUNT).split()
    wait_until(
        "status to have no remark", lambda: not remarks(site), timeout_s=WATCH_S, clock=SystemClock(), longest_s=2
    )
    again = site.json("build")
    assert (again["ok"], again["changed"]) == (True, 0)


def test_a_shared_directory_that_never_answers_is_told_by_build(site: Site) -> None:
    """A unit that systemd starts again and again counts as running."""
    broken = "chmod a-x /usr/bin/s3fs; systemctl restart --no-block buildyard-shared"
    site.on("db-1", "sudo", "-n", "sh", "-c", broken)
    try:
        wait_until("the mount to go", lambda: not mount_answers(site, "db-1"), timeout_s=60, clock=SystemClock())
        failed = site.buildyard("build", "--plain")
        assert failed.returncode == 1
        assert "shared directory answers (recipe shared-config on db-1) failed" in failed.stdout + failed.stderr
        assert "waited 20 s for the shared directory" in failed.stdout + failed.stderr
    finally:
        site.on("db-1", "sudo", "-n", "chmod", "a+x", "/usr/bin/s3fs")
    mended = site.json("build")
    assert mended["ok"] is True, mended
