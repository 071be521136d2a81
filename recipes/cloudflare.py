"""A webserver behind Cloudflare: visitors come from its networks only, and are believed to be who it says they are.

``buildyard-cloudflare-ranges`` fetches the networks each day and keeps the last good list. The firewall's rules of a
build come from ``fleet/policy.py`` (``visitors``); the program makes the same ones, spelled alike, so neither undoes
the other as long as both see the same list. Cloudflare must show its certificate before a webserver demands it
(:meth:`providers.edge.Edge.put_origin_pulls`).
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

from recipes.base import CONFIG, PROGRAMS, STATE
from recipes.context import Context
from recipes.secrets import SecretSpec
from recipes.shared_config import SYSTEM_CA, job, store_ca
from recipes.steps import Absent, Cron, File, Script, Service, Step
from recipes.texts import text_of
from recipes.webserver import SITE_PARTS
from state.errors import AnswersError

NAME = "cloudflare"
SECRETS: tuple[SecretSpec, ...] = ()
RANGES_URL = "https://api.cloudflare.com/client/v4/ips"
PROGRAM = "buildyard-cloudflare-ranges"
ORIGIN_PULL_CA = f"{CONFIG}/cloudflare-origin-pull-ca.pem"
#: Written by the program.
SNIPPET = f"{SITE_PARTS}/10-cloudflare.conf"

_LIST = f"{STATE}/cloudflare-ranges"


def steps(context: Context) -> Iterator[Step]:
    """The program, its daily run, and what it made taken away where Cloudflare does not stand before the site.

    Answers: ``cloudflare.ranges_url`` (the vendor's own unless a rehearsal publishes another list);
    ``cloudflare.origin_pulls`` (yes); ``cloudflare.origin_pull_ca_pem`` (the vendor's own authority).

    Raises:
        AnswersError: the list's address is not ``https://…``.
    """
    if not context.proxied:
        yield from _nothing()
        return
    yield File(
        label="authority of Cloudflare's certificate",
        path=ORIGIN_PULL_CA,
        content=str(
            context.answer("cloudflare.origin_pull_ca_pem", text_of("buildyard-cloudflare-origin-pull-ca.pem"))
        ),
    )
    yield File(
        label="where Cloudflare's networks are published", path=f"{CONFIG}/cloudflare.conf", content=_conf(context)
    )
    yield File(
        label="keeper of Cloudflare's networks", path=f"{PROGRAMS}/{PROGRAM}", content=text_of(PROGRAM), mode=0o755
    )
    yield Script(
        label="visitors from Cloudflare only",
        check=f"{PROGRAM} check\n",
        apply=f"{PROGRAM}\n",
        timeout_s=240.0,
    )
    yield Service(label="nginx behind Cloudflare", unit="nginx", reload=True)
    yield Cron(
        name=PROGRAM,
        label="Cloudflare's networks looked up every day",
        schedule=_once_a_day(f"{context.deployment} {context.node.name}"),
        command=job("cloudflare-ranges", PROGRAM),
    )


def _nothing() -> Iterator[Step]:
    """What a webserver had as long as Cloudflare stood before it."""
    yield Absent(label="no look-up of Cloudflare's networks", path=f"/etc/cron.d/{PROGRAM}")
    yield Absent(label="no Cloudflare before the site", path=SNIPPET, notifies=("nginx",))
    yield Absent(label="no list of Cloudflare's networks", path=_LIST)
    yield Service(label="nginx without Cloudflare", unit="nginx", reload=True)


def _conf(context: Context) -> str:
    url = str(context.answer("cloudflare.ranges_url", RANGES_URL))
    if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
        raise AnswersError(
            f"Cloudflare's networks cannot be looked up at {url!r}: whoever is on the way could name his own.",
            hint="give an https:// address as cloudflare.ranges_url, or leave it out",
        )
    lines = {"URL": url, "CA": SYSTEM_CA if url == RANGES_URL else store_ca(context)}
    if str(context.answer("cloudflare.origin_pulls", True)).lower() not in ("false", "no"):
        lines["ORIGIN_PULL_CA"] = ORIGIN_PULL_CA
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in lines.items())


def _once_a_day(who: str) -> str:
    """A minute of the machine's own: not everybody asks at once, and of several webservers one is the first to fail."""
    number = int.from_bytes(hashlib.sha256(who.encode()).digest()[:4])
    return f"{number % 60} {number // 60 % 24} * * *"
