"""Visitors of a site under test: what came of each of their requests, and what DNS said meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception

from tests.journeys.conftest import Deployed

#: A page made by PHP, and what belongs to it: of the requests of a real visit most are files.
PATHS = ("/", *("/wp-includes/css/dashicons.min.css", "/wp-includes/js/jquery/jquery.min.js") * 3)
PROGRAM = Path(__file__).with_name("visitor.py")


@dataclass(frozen=True)
class Visit:
    """One request.

    Attributes:
        at: seconds since the epoch when it began.
        took_s: until its end.
        ok: a page came, from whichever address.
        address: that address, "" when none gave one.
        trouble: what went wrong before, in words.
    """

    at: float
    took_s: float
    ok: bool
    address: str
    trouble: tuple[str, ...]


@dataclass
class Visits:
    """All of them; complete when the ``with`` of :func:`visiting` has ended."""

    all: list[Visit] = field(default_factory=list)

    @property
    def failed(self) -> list[Visit]:
        return [visit for visit in self.all if not visit.ok]

    def failed_outside(self, begin: float, end: float) -> list[Visit]:
        """Those that failed and had not begun in that time."""
        return [visit for visit in self.failed if not begin <= visit.at <= end]


@contextmanager
def visiting(
    site: Deployed, *, per_s: float = 20.0, ttl_s: float = 5.0, keep_alive: bool = False, visitors: int = 1
) -> Iterator[Visits]:
    """Visitors out in the world, as long as the ``with`` lasts.

    Args:
        site: a built deployment.
        per_s: requests a second of all of them.
        ttl_s: how long they keep an answer of DNS.
        keep_alive: whether a connection is used again.
        visitors: so many with names and connections of their own.
    """
    cloud = site.cloud
    words = [
        *("nsenter", f"--net=/run/netns/{cloud.namespaces.foreign}", sys.executable, str(PROGRAM)),
        *("--host", site.domain, "--dns", cloud.dns_address, "--ca-file", str(site.rehearsal / "site-roots.pem")),
        *("--per-s", str(per_s), "--ttl-s", str(ttl_s), "--visitors", str(visitors)),
        *(word for path in PATHS for word in ("--path", path)),
        *(("--keep-alive",) if keep_alive else ()),
    ]
    visits = Visits()
    running = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read() -> None:
        assert running.stdout is not None
        for line in running.stdout:
            raw = json.loads(line)
            visits.all.append(Visit(raw["at"], raw["took_s"], raw["ok"], raw["address"], tuple(raw["trouble"])))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield visits
    finally:
        assert running.stdin is not None
        running.stdin.close()
        running.wait(60)
        reader.join(10)
        if running.stdout is not None:
            running.stdout.close()


@dataclass
class NameServer:
    """What the authoritative server answered, and since when."""

    answers: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)

    def now(self) -> tuple[str, ...]:
        return self.answers[-1][1] if self.answers else ()


@contextmanager
def asking_dns(site: Deployed) -> Iterator[NameServer]:
    """Asks each half second, as long as the ``with`` lasts; each change of the answer is kept with its time."""
    heard, ended = NameServer(), threading.Event()

    def ask() -> None:
        while not ended.wait(0.5):
            try:
                answer = tuple(site.resolve(site.domain, "A"))
            except (OSError, dns.exception.DNSException):
                continue  # a question may be lost while machines begin and end; the next one is asked soon
            if not heard.answers or heard.now() != answer:
                heard.answers.append((time.time(), answer))

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    try:
        yield heard
    finally:
        ended.set()
        asker.join(30)
