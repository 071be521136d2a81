"""Uploads of the application: on the local disk, in the assets bucket, and so on every webserver.

``buildyard-uploads`` (:mod:`recipes.uploading`) sends what PHP writes, brings what other webservers wrote or deleted,
and fetches for nginx what a visitor wants and is not here yet. Served is the local disk only, never a mount.

It runs as a user of its own: the key to the bucket is for it alone, while PHP, which a stranger may have taken over,
writes the folder. To read and write files of PHP's user in there it may pass over file permissions; nothing else of the
machine can be written by it, and what is secret on the machine is not in its sight.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources

from recipes.base import CONFIG, PROGRAMS, STATE
from recipes.context import Context
from recipes.secrets import SecretSpec
from recipes.shared_config import EVERY_MINUTE, STORE_SECRET, job, store_ca
from recipes.steps import Cron, Directory, File, Script, Service, Step, User
from recipes.texts import filled, text_of
from recipes.webserver import UPLOADS, UPLOADS_SOCKET
from recipes.webserver import USER as APPLICATION_USER
from state.secret import Secret

NAME = "uploads"
SECRETS: tuple[SecretSpec, ...] = ()
USER = "buildyard-uploads"
UNIT = "buildyard-uploads"
STATE_FOLDER = f"{STATE}/uploads"
PREFIX = "/wp-content/uploads/"
#: Seconds between looks for what other webservers changed: a request each, which some stores ask money for. Where there
#: is one webserver only, nobody waits for it.
POLL_S, POLL_ALONE_S = 3.0, 30.0
#: Seconds between comparisons of everything, a request for each thousand uploads.
COMPARE_S = 600.0
#: Larger uploads come to a new webserver only when somebody wants them.
FETCH_AHEAD_MIB = 64

_NOLOGIN = "/usr/sbin/nologin"
_LIBRARY = "/usr/local/lib/buildyard/uploading"
_SETTINGS = f"{CONFIG}/uploads.json"
_KEY = f"{CONFIG}/uploads.key"


def steps(context: Context) -> Iterator[Step]:
    """User, program, settings, service."""
    yield User(label="user of the uploads' service", name=USER, shell=_NOLOGIN, system=True)
    yield Directory(label="what is known of uploads", path=STATE_FOLDER, mode=0o700, owner=USER, group=USER)
    yield from _program()
    yield from _settings(context)
    yield File(
        label="unit of the uploads' service",
        path=f"/etc/systemd/system/{UNIT}.service",
        content=filled("buildyard-uploads.service", user=USER, uploads=UPLOADS, state=STATE_FOLDER),
        notifies=(UNIT,),
    )
    yield Service(label="uploads kept alike", unit=UNIT)
    yield Cron(
        name="buildyard-uploads",
        label="uploads watched every minute",
        schedule=EVERY_MINUTE,
        command=job("uploads", "buildyard-uploads", "check"),
    )


def baseline_brought(release_id: str) -> Step:
    """After a baseline was unpacked: its uploads are in the bucket, which is written down there.

    A webserver that is built later takes them from the bucket, without those that were deleted since.
    """
    return Script(
        label="baseline's uploads in the bucket",
        check='code=0; buildyard-uploads first "$1" || code=$?; [ "$code" -eq 4 ]\n',
        apply='buildyard-uploads settled "$1"\n',
        arguments=(release_id,),
        timeout_s=1200.0,
    )


def _program() -> Iterator[Step]:
    yield Directory(label="folder for programs' parts", path="/usr/local/lib/buildyard")
    yield Directory(label="parts of the uploads' service", path=_LIBRARY)
    for part in sorted(resources.files("recipes.uploading").iterdir(), key=lambda part: part.name):
        if part.name.endswith(".py"):
            yield File(
                label=f"uploads' service: {part.name}",
                path=f"{_LIBRARY}/{part.name}",
                content=part.read_text(encoding="utf-8"),
                notifies=(UNIT,),
            )
    yield File(
        label="uploads' service",
        path=f"{PROGRAMS}/buildyard-uploads",
        content=text_of("buildyard-uploads"),
        mode=0o755,
        notifies=(UNIT,),
    )


def _settings(context: Context) -> Iterator[Step]:
    store = context.store
    settings = {
        "store": {
            "endpoint_url": store.endpoint_url.rstrip("/"),
            "region": store.region,
            "bucket": store.assets_bucket,
            "access_key": store.access_key,
            "secret_file": _KEY,
            "ca_file": store_ca(context),
        },
        "folder": UPLOADS,
        "state": STATE_FOLDER,
        "socket": UPLOADS_SOCKET,
        "socket_group": "www-data",
        "owner": APPLICATION_USER,
        "prefix": PREFIX,
        "poll_s": POLL_S if context.mode == "production" else POLL_ALONE_S,
        "compare_s": COMPARE_S,
        "fetch_ahead_mib": FETCH_AHEAD_MIB,
    }
    yield File(
        label="settings of the uploads' service",
        path=_SETTINGS,
        content=json.dumps(settings, indent=2) + "\n",
        notifies=(UNIT,),
    )
    yield File(
        label="uploads' key to the store",
        path=_KEY,
        content=Secret(context.secrets[STORE_SECRET].reveal() + "\n"),
        mode=0o400,
        owner=USER,
        group=USER,
        notifies=(UNIT,),
    )
