"""WordPress as a release: code that nobody changes on the machine, settings beside it, content in the database.

A virgin WordPress is unpacked from Debian's packages (nothing of them is installed, so no Apache comes along); a
baseline is fetched by presigned address and its checksum compared. Then the site is installed, once, by a small PHP
program that gets its settings on standard input.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator

from recipes import database_access
from recipes.base import PROGRAMS
from recipes.context import Context, Release
from recipes.database import PASSWORD as DATABASE_PASSWORD
from recipes.questions import check_admin_user
from recipes.secrets import SecretKind, SecretSpec, salts_of
from recipes.shared_config import EVERY_MINUTE, store_ca
from recipes.steps import Cron, Directory, File, Script, Step
from recipes.texts import filled, php_text, text_of
from recipes.uploads import baseline_brought
from recipes.webserver import APPLICATION, RELEASES, USER
from state.errors import AnswersError
from state.questions import check_email
from state.secret import Secret

NAME = "wordpress"
ADMIN_PASSWORD = SecretSpec("wordpress-admin-password", SecretKind.PASSWORD)
SALTS = SecretSpec("wordpress-salts", SecretKind.SALTS)
SECRETS = (DATABASE_PASSWORD, ADMIN_PASSWORD, SALTS)
TITLE = "application.title"
ADMIN_USER = "application.admin_user"
ADMIN_EMAIL = "application.admin_email"

#: Packages of some 15 MB and their unpacking, on a slow mirror.
_UNPACK_TIMEOUT_S = 900.0


def steps(context: Context) -> Iterator[Step]:
    """Settings, release, site, cron."""
    yield from _settings(context)
    yield from _release(context)
    yield from _site(context)
    yield File(
        label="runner of WordPress's own jobs",
        path=f"{APPLICATION}/pages/cron.php",
        content=text_of("wordpress-cron.php"),
    )
    yield Cron(
        name="buildyard-wordpress-cron",
        label="WordPress's own jobs every minute, on one webserver",
        schedule=EVERY_MINUTE,
        command=(
            *(f"{PROGRAMS}/buildyard-job", "wordpress-cron", "--", "/usr/bin/timeout", "300"),
            *("/usr/sbin/runuser", "-u", USER, "--", "/usr/bin/php", f"{APPLICATION}/pages/cron.php"),
        ),
    )


def _settings(context: Context) -> Iterator[Step]:
    yield Directory(label="application's settings", path=f"{APPLICATION}/config", mode=0o750, group=USER)
    yield from database_access.steps(context)
    salts = "".join(
        f"define({php_text(name)}, {php_text(salt.reveal())});\n"
        for name, salt in salts_of(context.secrets[SALTS.name])
    )
    yield File(
        label="WordPress settings",
        # WordPress looks one folder above its own: so it is outside of what nginx serves, and the same for all releases
        path=f"{RELEASES}/wp-config.php",
        content=Secret(
            filled(
                "wp-config.php",
                salts=salts,
                site=php_text(f"https://{context.domain}"),
                prefix=php_text(context.release.table_prefix if context.release else "wp_"),
            )
        ),
        mode=0o640,
        group=USER,
    )


def _release(context: Context) -> Iterator[Step]:
    yield from common(context)
    if context.release is not None:
        yield baseline_brought(context.release.id)


def common(context: Context, *, uploads: bool = True) -> Iterator[Step]:
    """The application's code: alike on all webservers and no secret, so an image of it may be taken.

    Args:
        uploads: a baseline's own uploads are laid out, too, when they are not in the bucket yet. They are no code: an
            image has none, and each webserver made from it asks the bucket.
    """
    yield File(
        label="unpacker of releases",
        path=f"{PROGRAMS}/buildyard-release",
        content=text_of("buildyard-release"),
        mode=0o755,
    )
    release = context.release
    if release is None:
        yield Script(
            label="release",
            check="buildyard-release check virgin\n",
            apply="buildyard-release virgin\n",
            timeout_s=_UNPACK_TIMEOUT_S,
        )
        return
    if release.application != NAME:
        raise AnswersError(
            f"The baseline is for {release.application}, not for {NAME}.", hint="choose another baseline"
        )
    yield Script(
        label="release",
        check='buildyard-release check "$1"\n',
        apply='buildyard-release baseline "$1" "$2" "$3" "$4"\n',
        arguments=(release.id, release.webroot_sha256, store_ca(context), "uploads" if uploads else "code"),
        stdin=release.webroot_url,
        timeout_s=_UNPACK_TIMEOUT_S,
    )


def _site(context: Context) -> Iterator[Step]:
    yield File(
        label="installer of the site",
        path=f"{APPLICATION}/pages/install.php",
        content=text_of("wordpress-install.php"),
    )
    yield File(
        label="rewriter of addresses",
        path=f"{APPLICATION}/pages/rewrite.php",
        content=text_of("wordpress-rewrite.php"),
    )
    wanted = _wanted(context, context.release)
    # without the password: the check must not need it, and the user may have changed it
    command = f"runuser -u {USER} -- php {APPLICATION}/pages/install.php"
    password = context.secrets[ADMIN_PASSWORD.name].reveal()
    yield Script(
        label="site",
        check=f"{command} check\n",
        check_stdin=json.dumps(wanted),
        apply=f"{command} apply\n",
        stdin=Secret(json.dumps({**wanted, "password": password})),
        timeout_s=600.0,
    )


def _wanted(context: Context, release: Release | None) -> dict[str, str]:
    user = str(context.answer(ADMIN_USER, ""))
    email = str(context.answer(ADMIN_EMAIL, ""))
    for key, problem in ((ADMIN_USER, check_admin_user(user)), (ADMIN_EMAIL, check_email(email))):
        if problem:
            raise AnswersError(f"The answer {key} cannot be used.", detail=problem)
    return {
        # a baseline brings its own: the question is not asked then, and an answer from before is none
        "title": "" if release else str(context.answer(TITLE, context.domain)),
        "user": user,
        "email": email,
        "site": f"https://{context.domain}",
        "time_zone": str(context.answer("time_zone", "Etc/UTC")),
        "placeholder": release.site if release else "",
        "owner": _mark(context.secrets[ADMIN_PASSWORD.name]),
    }


def _mark(password: Secret) -> str:
    """What marks content as this deployment's own.

    It follows from a password of 190 random bits, so no other deployment has it (not even one of the same name and
    domain), whoever reads it learns nothing, and content that was set up with another password gets this one.
    """
    return hmac.new(password.reveal().encode(), b"content of the site", hashlib.sha256).hexdigest()[:32]
