"""The page of one webserver, looked at from where this machine may look.

Naked, that is its public address, as a visitor's browser does. Behind an edge nobody but the edge reaches that address,
the build machine no more than others: then the webserver itself asks for the page at its private address,
as probers do.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime

from fleet.deployment import Deployment
from fleet.links import Links
from fleet.site import Page, look
from recipes.load import LOOKS
from state.clock import wait_until
from state.errors import BuildyardError, MachineError
from state.fleet_record import MachineRecord

SITE_DEADLINE_S = 90.0
LOOK_S = 8.0
_EXPIRES = re.compile(r"^\*\s+expire date: (.+ GMT)\s*$", re.MULTILINE)
_COMPLAINT = re.compile(r"^curl: \(\d+\) (.+?)\s*$", re.MULTILINE)
#: What comes after the page, so that its status can be told from its text.
_STATUS = "\nbuildyard-status "


def see_site(deployment: Deployment, links: Links, machine: MachineRecord) -> None:
    """Waits until that webserver serves the page.

    Raises:
        MachineError: it does not, and what it answered last.
    """
    one, seen = deployment, ""

    def serving() -> bool:
        nonlocal seen
        page = page_of(one, links, machine)
        seen = page.reason
        return page.ok

    try:
        wait_until(
            f"the page of {one.settings.url} from {machine.name}", serving, timeout_s=SITE_DEADLINE_S, clock=one.clock
        )
    except BuildyardError as problem:
        raise MachineError(
            problem.summary, detail=f"The last answer: {seen}.", hint=f"buildyard logs {machine.name}"
        ) from problem


def page_of(deployment: Deployment, links: Links, machine: MachineRecord, *, timeout_s: float = LOOK_S) -> Page:
    """One look.

    Args:
        links: for a webserver behind an edge, which is asked over SSH.
        timeout_s: for a request.
    """
    one = deployment
    host, ca_pem = one.settings.domain, one.access.site_ca_pem
    if not one.settings.proxied:
        address, guarded = machine.public_ipv4, one.settings.guarded
        return look(address, host, ca_pem, guarded=guarded, timeout_s=timeout_s)
    words = ["curl", "-sSv", "--noproxy", "*", "--max-time", f"{timeout_s:g}", "--user-agent", LOOKS]
    words += [
        "--resolve",
        f"{host}:443:{machine.private_ipv4}",
        "--write-out",
        f"{_STATUS}%{{http_code}} %{{time_total}}",
    ]
    words += ["--cacert", "/dev/stdin"] if ca_pem else []
    try:
        said = links.to(machine).run(
            (*words, "--", f"https://{host}/"), stdin=ca_pem.encode(), timeout_s=timeout_s + 10
        )
    except BuildyardError as problem:
        return Page(False, problem.summary, 0)
    return read_answer(said.stdout.decode(errors="replace"), said.stderr.decode(errors="replace"))


def read_answer(out: str, errors: str) -> Page:
    """What curl saw.

    Args:
        out: the page, then its status and the seconds it took.
        errors: what curl told of the connection, or its complaint.
    """
    body, _, told = out.rpartition(_STATUS)
    status, _, seconds = told.partition(" ")
    code = int(status) if status.isdigit() else 0
    took = round(float(seconds) * 1000) if re.fullmatch(r"[0-9.]+", seconds.strip()) else 0
    ends = _EXPIRES.search(errors)
    days = _days_until(ends[1]) if ends else None
    if code == 200:
        return Page(True, "serving", took, code, body, days)
    complaint = _COMPLAINT.search(errors)
    reason = f"HTTP {code}" if code else complaint[1] if complaint else "curl on that machine told nothing"
    return Page(False, reason, took, code, body, days)


def _days_until(text: str) -> int:
    return (datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC) - datetime.now(UTC)).days
