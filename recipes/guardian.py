"""The Gateway Guardian: nginx asks for a name and a password before the site, or before its admin pages.

People and the hashes of their passwords come as a signed file through the shared configuration directory
(:mod:`recipes.shared_config`), which each webserver pulls every minute. Here is what nginx does with them, and whom it
does not ask. ``docs/guardian.md`` explains it to owners.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from recipes.base import CONFIG
from recipes.context import Context, Guarded
from recipes.load import LOAD_PATH, LOOKS
from recipes.shared_config import HOOKS
from recipes.signed import GUARDIAN_FILE, document
from recipes.steps import Absent, Directory, File, Script, Step
from recipes.texts import filled, text_of
from state.errors import UsageError

#: What browsers show, and by which Buildyard knows that its own Guardian asks.
REALM = "Gateway Guardian"
FOLDER = f"{CONFIG}/guardian"
#: Names and hashes as nginx takes them, read at each request. Without the file everybody gets 403, of an empty one 401.
PEOPLE = f"{FOLDER}/people"
HOOK = f"{HOOKS}/{GUARDIAN_FILE}"
#: How the prober begins its name; see ``recipes/files/buildyard-probe``.
PROBES = "buildyard-probe"

_SETTINGS = "/etc/nginx/conf.d/20-buildyard-guardian.conf"
#: nginx's workers.
_GROUP = "www-data"
#: The hook holds each line to the same form. A colon would end the name, and a "#" the line, in nginx's file.
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
#: What Debian's crypt takes (crypt(5) of libxcrypt): bcrypt, of a cost from 10 to 19.
_HASH = re.compile(r"\$2y\$1[0-9]\$[./A-Za-z0-9]{53}")
_BEGIN = """\
buildyard-pull "$2" || echo "there is no list yet: nobody is let in until one comes" >&2
[ -f "$1" ] || install -m 640 -g "$3" /dev/null "$1"
"""
_EVERYWHERE_BUT = """\
    default 1;
    "@HEALTH@" "";
    "@LOAD@" "";
"""
# The two of the admin folder that WordPress made for visitors: carts and forms of public pages speak with them
# (https://developer.wordpress.org/plugins/javascript/ajax/).
_ADMIN_PAGES = """\
    default "";
    "~^/wp-admin/admin-(ajax|post)\\.php$" "";
    "~^/wp-admin(/|$)" 1;
    "~^/wp-login\\.php(/|$)" 1;
"""


def guardian_document(serial: int, people: Mapping[str, str]) -> bytes:
    """The list of people as the signed file has it; an empty one lets nobody in.

    Args:
        serial: see :func:`recipes.signed.document`.
        people: name to hash.

    Raises:
        UsageError: a name cannot be used, or a hash is none of bcrypt's.
    """
    for name, hashed in people.items():
        check_person(name)
        if not _HASH.fullmatch(hashed):
            raise UsageError(
                f"What is kept of {name} is no hash of a password.", hint=f"buildyard guardian rotate {name}"
            )
    return document(GUARDIAN_FILE, serial, "".join(f"{name}:{people[name]}\n" for name in sorted(people)))


def people_in(content: bytes) -> dict[str, str]:
    """Name to hash, from what :func:`guardian_document` made."""
    lines = content.decode().splitlines()[1:]
    return dict(line.split(":", 1) for line in lines)


def check_person(name: str) -> None:
    """Whether a person may be called so.

    Raises:
        UsageError: not.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a person's name here.",
            hint="use lower-case letters, digits and . _ @ -, such as anna or anna@example.org",
        )


def steps(context: Context, health: str) -> Iterator[Step]:
    """People, hook and what nginx has to know once; before the site's own settings, which build on it.

    Args:
        health: where a webserver says whether it is well; nobody is asked there.
    """
    if context.guarded is Guarded.NOTHING:
        return
    yield Directory(label="Guardian's folder", path=FOLDER, mode=0o750, group=_GROUP)
    yield File(label="hook of the Guardian's people", path=HOOK, content=text_of("hook-guardian"), mode=0o755)
    yield Script(
        label="people the Guardian knows",
        check='[ -f "$1" ]\n',
        apply=_BEGIN,
        arguments=(PEOPLE, GUARDIAN_FILE, _GROUP),
        timeout_s=180.0,
    )
    yield File(
        label="Guardian in nginx", path=_SETTINGS, content=settings(context.guarded, health), notifies=("nginx",)
    )


def leftovers(context: Context) -> Iterator[Step]:
    """What goes when the Guardian stands before nothing; after the site's own settings, which no longer name it."""
    if context.guarded is Guarded.NOTHING:
        yield Absent(label="no Guardian in nginx", path=_SETTINGS, notifies=("nginx",))
        yield Absent(label="no hook of the Guardian's people", path=HOOK)
        yield Absent(label="nobody the Guardian knows", path=FOLDER)


def settings(stands_before: Guarded, health: str) -> str:
    """nginx's variables: where it asks, whom it does not, and who was asked already."""
    where = _EVERYWHERE_BUT if stands_before is Guarded.SITE else _ADMIN_PAGES
    return filled(
        "nginx-guardian.conf",
        where=where.replace("@HEALTH@", health).replace("@LOAD@", LOAD_PATH),
        realm=REALM,
        folder=FOLDER,
        probes=PROBES,
        looks=LOOKS,
    )


def in_site(context: Context) -> str:
    """The Guardian's part of the site's own settings."""
    return "" if context.guarded is Guarded.NOTHING else filled("nginx-guardian-site.conf", people=PEOPLE)


def in_open_place(context: Context) -> str:
    """The same for a place where nobody is ever asked."""
    return "" if context.guarded is Guarded.NOTHING else "        auth_basic off;\n"


def before_application(context: Context) -> str:
    """The same for a place where the application answers: what was said to the Guardian is not for its ears."""
    if context.guarded is Guarded.NOTHING:
        return ""
    return "        fastcgi_param HTTP_AUTHORIZATION $buildyard_authorization;\n"
