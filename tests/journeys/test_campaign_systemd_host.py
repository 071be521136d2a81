"""The whole journey on a fresh server whose systemd is PID 1 and whose cgroups are v2: nothing of ours is on it yet."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from state.clock import SystemClock, wait_until
from state.errors import DeadlineExceeded
from tests.journeys.systemd_host import SystemdHost, booted

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]

CLOCK = SystemClock()
DOMAIN = "site.rehearsal.test"
TITLE = "A title from the host inside"
FIRST_S = 1800
#: A visitor anywhere: asks the rehearsal's DNS, trusts only its authority.
VISIT = r"""
cloud=$(dirname "$(ls /var/lib/buildyard/rehearsals/*/site-roots.pem)")
.venv/bin/python -m rehearsal describe --directory "$cloud" >/tmp/cloud.json
field() { sed -n "s/^ *\"$1\": \"\(.*\)\",$/\1/p" /tmp/cloud.json; }
echo "nameserver $(field resolver)" >/tmp/resolv.conf
nsenter --net="/run/netns/$(field foreign)" unshare --mount sh -c '
  mount --bind /tmp/resolv.conf /etc/resolv.conf && exec curl "$@"' curl \
  --silent --show-error --max-time 20 --cacert "$cloud/site-roots.pem" "$@"
status=$?
rm -f /tmp/cloud.json /tmp/resolv.conf
exit $status
"""


@pytest.fixture(params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[SystemdHost]:
    folder = Path(os.environ.get("BUILDYARD_CAMPAIGN_LOG", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"systemd-host-{request.param}.log"
    with capsys.disabled():
        print(f"\nlog: {path}", flush=True)
    with path.open("w") as log, booted(request.param, tmp_path / "host", log) as made:
        yield made


def test_from_nothing_to_a_page_and_back_to_nothing(host: SystemdHost) -> None:
    kind = host.ssh(
        "cat /proc/1/comm; stat -f -c %T /sys/fs/cgroup; test ! -e .venv && ! command -v mmdebstrap python3"
    )
    assert kind.stdout.split() == ["systemd", "cgroup2fs"]
    assert kind.returncode == 0
    before = settled(host)

    first = timed(host, "first rehearse", lambda: host.ssh("./start rehearse --plain --yes", timeout_s=FIRST_S))
    assert first.returncode == 0, first.stderr[-4000:]
    assert f"https://{DOMAIN}/ is served" in first.stdout

    assert host.ssh("systemctl --failed --plain --no-legend").stdout == ""
    scopes = host.ssh("systemctl list-units --plain --no-legend 'by*.scope'").stdout
    assert len(scopes.splitlines()) == 3, scopes

    during = host.look()
    for what in ("links", "routes", "netns", "nft", "mounts", "losetup", "cgroup", "sysctl", "units", "ps"):
        assert plain(during[what]) != plain(before[what]), f"looking at {what} would not find what is left"

    statement = f"UPDATE wp_options SET option_value = '{TITLE}' WHERE option_name = 'blogname'"
    assert host.ssh('./start ssh db-1 -- sudo -n mariadb app -e "$1"', statement).returncode == 0
    for family in ("-4", "-6"):
        page = host.ssh(VISIT, family, f"https://{DOMAIN}/")
        assert page.returncode == 0, page.stderr
        assert f"<title>{TITLE}" in page.stdout
        turned = host.ssh(VISIT, family, "--head", f"http://{DOMAIN}/a").stdout
        assert " 301 " in turned.splitlines()[0]
        assert f"location: https://{DOMAIN}/a" in turned.lower()

    status = answer(timed(host, "status", lambda: host.ssh("./start status --json")))
    assert status["healthy"] is True, status["reason"]
    helped = host.ssh("./start --help")
    assert "Installing" not in helped.stderr
    again = answer(timed(host, "second build", lambda: host.ssh("./start build --json --yes", timeout_s=600)))
    assert again["ok"] is True
    assert again["changed"] == 0

    ended = timed(host, "destroy", lambda: host.ssh("./start destroy --yes --plain", timeout_s=300))
    assert ended.returncode == 0, ended.stderr
    assert host.ssh("./start status").returncode == 2  # and no cloud is started for it
    as_before(host, before)


def settled(host: SystemdHost) -> dict[str, list[str]]:
    """What there is once it has booted: who logged in is gone, and two looks in a row see the same."""
    last: dict[str, list[str]] = {}

    def quiet() -> dict[str, list[str]] | None:
        nonlocal last
        before, last = last, host.look()
        nobody = not any("/user-0.slice" in line for line in last["cgroup"])
        same = before and all(plain(before[what]) == plain(last[what]) for what in last)
        return last if nobody and same else None

    return wait_until("the host to be quiet", quiet, timeout_s=120, clock=CLOCK, first_s=3, longest_s=3)


def timed(host: SystemdHost, what: str, do: Callable[[], Any]) -> Any:
    """Runs it; how long it took goes into the log."""
    began = time.monotonic()
    try:
        return do()
    finally:
        host.tell(f"== {what}: {time.monotonic() - began:.1f} s\n")


def answer(done: Any) -> dict[str, Any]:
    """The last line on stdout."""
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def as_before(host: SystemdHost, before: dict[str, list[str]]) -> None:
    """Everything on the host is as it was; the session that looked may take seconds to end."""

    def differences() -> dict[str, list[str]]:
        after = host.look()
        return {
            what: sorted(set(plain(before[what])) ^ set(plain(after[what])))
            for what in before
            if plain(before[what]) != plain(after[what])
        }

    try:
        wait_until("the host to be as before", lambda: not differences(), timeout_s=60, clock=CLOCK)
    except DeadlineExceeded:
        left = differences()
        host.tell(f"\nleft: {json.dumps(left, indent=1)}\n")
        assert left == {}
    host.tell(f"\nbefore and after are equal: {', '.join(f'{what} ({len(before[what])})' for what in before)}\n")


def plain(lines: list[str]) -> list[str]:
    """Without what counts down."""
    return [re.sub(r"(valid_lft|preferred_lft|expires|age) \S+", "", line) for line in lines]
