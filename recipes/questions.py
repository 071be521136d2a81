"""What recipes ask: the application and the certificate; mail and time ask in their own files."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from state.questions import Answered, AnswerKind, Choice, Question, check_email, wrong_choice

VIRGIN = "virgin"
BASELINE = "baseline"
#: Where the content lies: on the database machine, or in a database that the provider runs.
MARIADB = "mariadb"
MANAGED = "managed"
WORDPRESS = "wordpress"


def check_title(value: Any) -> str:
    """One line, as a browser's title bar can show it."""
    text = str(value)
    if len(text) > 200 or not text.isprintable() or not text.strip():
        return "Give one line of at most 200 characters."
    return ""


def check_admin_user(value: Any) -> str:
    """What WordPress takes as a user name (sanitize_user, strict), without the names that are guessed first."""
    text = str(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.@-]{2,59}", text):
        return "Use 3 to 60 lower-case letters, digits and . _ - @; begin with a letter or digit."
    if text in ("admin", "administrator", "root", "wordpress"):
        return "Attackers try this name first: choose another."
    return ""


def check_baseline(value: Any) -> str:
    """A folder of the build machine, or a place in a bucket."""
    text = str(value)
    if text.startswith("s3://"):
        if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?", text) or "/../" in f"{text}/":
            return "Give a place such as s3://my-baselines/shop."
        return ""
    if not text.startswith("/") or not text.isprintable():
        return "Give a folder from the root on, such as /media/stick/shop-baseline, or s3://BUCKET/PATH."
    return ""


def check_acme_url(value: Any) -> str:
    """An ACME directory: HTTPS only."""
    parts = urlsplit(str(value))
    if parts.scheme != "https" or not parts.hostname or not str(value).isprintable():
        return "Give the https:// address of the directory, or nothing for Let's Encrypt."
    return ""


CERTIFICATE = (
    Question(
        key="certificate.email",
        label="E-mail address for the certificate",
        help="The certificate authority may write to it when something is wrong with the site's certificate. "
        "Example: you@example.org.",
        check=check_email,
    ),
    Question(
        key="certificate.acme_url",
        label="Certificate authority (ACME directory)",
        help="Who signs the certificate. Leave it empty for the usual one: Let's Encrypt, or the rehearsal's own. "
        "Example of another: https://acme.example.org/directory.",
        required=False,
        default="",
        check=check_acme_url,
    ),
)


def _from_baseline(answers: Answered) -> bool:
    return answers.get("application.source") == BASELINE


def _virgin(answers: Answered) -> bool:
    return not _from_baseline(answers)


_SOURCES = (
    Choice(VIRGIN, "A new, empty site"),
    Choice(BASELINE, "A baseline", "From a folder or a bucket."),
    Choice(
        "temporal-backup",
        "A temporal backup, by its period",
        "The newest of a site of yours: hourly, daily, weekly, monthly, bimonthly, shutdown or manual.",
        unavailable="this version neither makes nor restores temporal backups yet",
    ),
)
APPLICATION = (
    Question(
        key="application.name",
        label="Which application?",
        help="The program that makes the pages, installed and kept up to date on every webserver. Example: WordPress.",
        kind=AnswerKind.CHOICE,
        choices=lambda _answers: (Choice(WORDPRESS, "WordPress"),),
        default=WORDPRESS,
    ),
    Question(
        key="application.source",
        label="What does it start from?",
        help="What is there on the first day. A baseline is a webroot, a database and a manifest that somebody "
        "prepared. Example: a new, empty site.",
        kind=AnswerKind.CHOICE,
        choices=lambda _answers: _SOURCES,
        default=VIRGIN,
        check=lambda value: wrong_choice(value, _SOURCES),
    ),
    Question(
        key="application.baseline",
        label="Where is the baseline?",
        help="The site is copied from there onto its machines. Give a folder of this machine, or s3://BUCKET/PATH in "
        "the deployment's object store. Example: /media/stick/shop-baseline.",
        kind=AnswerKind.PATH,
        check=check_baseline,
        applies=_from_baseline,
    ),
    Question(
        key="application.title",
        label="Title of the site",
        help="Browsers and search engines show it above every page; it can be changed later in the application. "
        "Example: The little shop.",
        default=lambda answers: answers.get("site.domain") or None,
        check=check_title,
        applies=_virgin,
    ),
    Question(
        key="application.admin_user",
        label="User name of the site's administrator",
        help="Who logs in to the application and may change everything; the password is made for you and kept with the "
        "secrets. Example: site-owner, not admin, which is guessed first.",
        default="site-owner",
        check=check_admin_user,
    ),
    Question(
        key="application.admin_email",
        label="E-mail address of the site's administrator",
        help="Whoever reads this mailbox can set a new password: the application's resets and notices go there. "
        "Example: you@example.org.",
        default=lambda answers: answers.get("certificate.email") or None,
        check=check_email,
    ),
)
