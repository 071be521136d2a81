"""One application on several webservers: an upload is on all of them, and a login on one counts on the others."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.journeys.autoscaling import SHORT, comes_true, policy, settled, webservers
from tests.journeys.conftest import Deployed

pytestmark = [pytest.mark.machines, pytest.mark.campaign]

#: An upload is the same on every webserver after this (issue 4).
EVERYWHERE_S = 5.0
PLACE = "/srv/app/uploads/2026/11"


def upload(site: Deployed, machine: str, name: str) -> str:
    """1 MB as PHP's user writes it; its sum."""
    put = f"umask 022; mkdir -p {PLACE} && head -c 1048576 /dev/urandom >{PLACE}/{name} && sha256sum <{PLACE}/{name}"
    return site.on(machine, "sudo", "-n", "runuser", "-u", "app", "--", "sh", "-c", put).split()[0]


def fetched(site: Deployed, machine: str, name: str) -> str:
    """Its sum as a visitor gets it from that webserver; "" when there is none."""
    got = site.home / "got"
    got.unlink(missing_ok=True)
    page = f"https://{site.domain}/wp-content/uploads/2026/11/{quote(name)}"
    done = curl(site, machine, "-o", str(got), "-w", "%{http_code}", page)
    return hashlib.sha256(got.read_bytes()).hexdigest() if done == "200" else ""


def curl(site: Deployed, machine: str, *words: str) -> str:
    place = ("--resolve", f"{site.domain}:443:{site.address(machine)}")
    trust = ("--cacert", str(site.rehearsal / "site-roots.pem"))
    return site.foreign("curl", "-sS", "--max-time", "30", *place, *trust, *words).stdout


def log_in(site: Deployed, machine: str) -> Path:
    """The cookies of an administrator who logged in through that webserver."""
    told = site.json("status", "--password")
    jar, secret = site.home / "cookies", site.home / "password"
    secret.write_text(str(told["password"]))
    login = ("--data-urlencode", f"log={told['user']}", "--data-urlencode", f"pwd@{secret}")
    seen = ("-o", "/dev/null", "-w", "%{http_code}", "-c", str(jar))
    assert curl(site, machine, *seen, *login, f"https://{site.domain}/wp-login.php") == "302"
    return jar


def is_in(site: Deployed, machine: str, jar: Path) -> bool:
    page = f"https://{site.domain}/wp-admin/profile.php"
    return curl(site, machine, "-o", "/dev/null", "-w", "%{http_code}", "-b", str(jar), page) == "200"


def test_an_upload_and_a_login_through_one_webserver_count_on_the_other(production: Deployed) -> None:
    settled(production)
    one, other = sorted(webservers(production))
    digest = upload(production, one, "first.png")
    took_s = comes_everywhere(production, [one, other], "first.png", digest, EVERYWHERE_S)
    print(f"The same on both after {took_s:.1f} s.")
    jar = log_in(production, one)
    assert is_in(production, one, jar)
    assert is_in(production, other, jar)
    assert not is_in(production, other, production.home / "no-cookies")


def test_uploads_and_logins_outlive_their_webserver_and_come_to_a_new_one(production: Deployed) -> None:
    settled(production)
    one, other = sorted(webservers(production))
    digest = upload(production, one, "second.png")
    assert comes_everywhere(production, [one, other], "second.png", digest, EVERYWHERE_S) <= EVERYWHERE_S
    jar = log_in(production, one)
    with policy(production, **SHORT):
        done = production.buildyard("replace", one, "--yes", "--plain")
        assert done.returncode == 0, done.stderr

        def replaced() -> bool:
            there = webservers(production)
            return len(there) == 2 and one not in there

        comes_true(production, f"{one} to be replaced", replaced, 240)
    (new,) = set(webservers(production)) - {other}
    assert fetched(production, new, "second.png") == digest
    assert is_in(production, new, jar)


def comes_everywhere(site: Deployed, machines: list[str], name: str, digest: str, timeout_s: float) -> float:
    """Seconds until every one of them serves it."""
    began = time.time()
    everywhere = lambda: all(fetched(site, machine, name) == digest for machine in machines)  # noqa: E731
    return comes_true(site, f"{name} to be the same on {' and '.join(machines)}", everywhere, timeout_s) - began
