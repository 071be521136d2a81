"""The periodic work by cron: in development mode all of it on the database machine, in production shared.

In production autoscalers see to the certificate, and the database machine to its database only. Every job leaves a
record under ``/var/lib/buildyard/jobs`` (see ``recipes/files/buildyard-job``). The allow-list is pulled by every
machine itself (:mod:`recipes.shared_config`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from recipes import certificate
from recipes.base import PROGRAMS
from recipes.context import Context, Role
from recipes.secrets import SecretSpec
from recipes.shared_config import EVERY_MINUTE, job
from recipes.steps import Absent, Cron, File, Step
from recipes.texts import text_of

NAME = "caretaker"
SECRETS: tuple[SecretSpec, ...] = ()
_RENEWAL = "buildyard-certificate"


def steps(context: Context) -> Iterator[Step]:
    """Renewal of the certificate and the database's health."""
    on_database = context.node.role is Role.DATABASE
    if not (context.in_production and on_database):
        yield from _certificate(context)
    else:
        yield from _no_certificate()
    # what the provider runs it sees to itself
    if on_database and context.managed is None:
        yield from _database()


def _certificate(context: Context) -> Iterator[Step]:
    # of several autoscalers the one that leads; a single one also while its service is down
    words = ("renew-as-leader",) if len(context.of(Role.AUTOSCALER)) > 1 else ("renew",)
    yield Cron(
        name=_RENEWAL,
        label="certificate renewed in time",
        schedule=_twice_a_day(context.deployment),
        command=job("certificate", "buildyard-certificate", *words),
    )


def _no_certificate() -> Iterator[Step]:
    """What a database machine had as long as its deployment was in development mode."""
    yield Absent(label="no renewal of the certificate here", path=f"/etc/cron.d/{_RENEWAL}")
    yield Absent(label="no credentials for DNS here", path=certificate.CREDENTIALS)
    yield Absent(label="no token for DNS of earlier builds here", path=certificate.FORMER_TOKEN)
    yield Absent(label="no caretaker's signing key here", path=certificate.CARETAKER_KEY)


def _database() -> Iterator[Step]:
    yield File(
        label="database check",
        path=f"{PROGRAMS}/buildyard-database-health",
        content=text_of("buildyard-database-health"),
        mode=0o755,
    )
    yield Cron(
        name="buildyard-database-health",
        label="database checked every minute",
        schedule=EVERY_MINUTE,
        command=job("database-health", "buildyard-database-health"),
    )


def _twice_a_day(deployment: str) -> str:
    """A schedule of the deployment's own, so that not everybody asks the authority on the hour."""
    number = int.from_bytes(hashlib.sha256(deployment.encode()).digest()[:4])
    hour = number // 60 % 12
    return f"{number % 60} {hour},{hour + 12} * * *"
