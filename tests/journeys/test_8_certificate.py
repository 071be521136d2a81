"""A certificate damaged on a webserver is named by plan and mended by build, and the page is served all the time."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.journeys.conftest import Site

pytestmark = pytest.mark.machines

CURRENT = "/etc/buildyard/tls/current"
COPY = "/var/lib/buildyard/shared/certificate"
#: curl's word for an answer that ended early: nginx 1.22 cuts the running ones over HTTP/2 when it is reloaded.
CUT = 18


def look(site: Site, address: str) -> subprocess.CompletedProcess[str]:
    """The page; once more where its answer was cut, as browsers do."""
    page = site.visit(f"https://{site.domain}/", address)
    return page if page.returncode != CUT else site.visit(f"https://{site.domain}/", address)


@contextmanager
def visits(site: Site) -> Iterator[list[str]]:
    """What was wrong with the page, asked again and again; a visitor trusts only the rehearsal's authority."""
    wrong: list[str] = []
    done, seen = threading.Event(), threading.Event()

    def visit() -> None:
        address = site.address("ws-1")
        while not done.is_set():
            page = look(site, address)
            if page.returncode != 0 or " 200" not in page.stdout.split("\n", 1)[0]:
                wrong.append(page.stderr + page.stdout[:200])
            seen.set()

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        assert seen.wait(60)
        yield wrong
    finally:
        done.set()
        visitor.join(60)


BOTH = {"webserver", "certificate"}
#: Damages, and the recipes that name them; half a minute each, so all but two are for the campaign.
DAMAGES = (
    (f"openssl ecparam -name prime256v1 -genkey -noout -out {CURRENT}/key.pem", BOTH),
    # the authority's own certificate is gone from the chain: browsers that do not know it would refuse the site
    (f"openssl x509 -in {CURRENT}/fullchain.pem -out {CURRENT}/fullchain.pem", {"certificate"}),
)
MORE_DAMAGES = (
    (f"rm {CURRENT}/fullchain.pem", BOTH),
    (f"rm -r $(readlink -f {CURRENT}) {CURRENT}", BOTH),
    (f"echo damaged >>{COPY}; rm {CURRENT}/key.pem", BOTH),
)


@pytest.mark.parametrize(
    ("damage", "named"), [*DAMAGES, *(pytest.param(*each, marks=pytest.mark.campaign) for each in MORE_DAMAGES)]
)
def test_a_damaged_certificate_is_found_and_mended(site: Site, damage: str, named: set[str]) -> None:
    with visits(site) as wrong:
        site.on("ws-1", "sudo", "-n", "sh", "-c", damage)
        planned = site.json("plan")["actions"]
        assert {action["id"] for action in planned} == {f"recipe:ws-1:{recipe}" for recipe in named}
        built = site.json("build")
        assert built["ok"] is True, built
        assert site.json("plan")["actions"] == []
        # what is on the disk now is what the next start shows
        site.on("ws-1", "sudo", "-n", "systemctl", "reload", "nginx")
        page = look(site, site.address("ws-1"))
        assert page.returncode == 0, page.stderr
    assert wrong == []
