"""What a new webserver finds on its disk when it is made from an image: all that webservers have in common.

The image is taken of a machine that was made for it, the mould. It gets only steps that need no secret, so that none
can be on its disk; what is each machine's own (keys, addresses, settings with passwords, the site's certificate) comes
to a new webserver by the very recipes that a bare one gets. Why: docs/decisions/0019.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipes import base, firewall, mail, shared_config, webserver, wordpress
from recipes.context import Context
from recipes.steps import Absent, Recipe, Script, Service, Step
from recipes.texts import text_of

NAME = "image"
STRIP = "image-strip"


def recipes(context: Context) -> tuple[Recipe, ...]:
    """What is done to the mould, in this order; the last one ends what makes it a machine of its own.

    Args:
        context: as for a webserver. Of its secrets only the address of the release is used.
    """
    return (
        Recipe("image-base", tuple(base.common(context))),
        Recipe("image-webserver", tuple(_webserver())),
        Recipe("image-application", tuple(_application(context))),
        Recipe(STRIP, (_strip(context.admin_user),)),
    )


def _webserver() -> Iterator[Step]:
    yield from webserver.common()
    # Debian's own page is nobody's: nginx begins when the machine has its settings
    yield Absent(label="no default site", path="/etc/nginx/sites-enabled/default")
    yield Service(label="nginx waits for its settings", unit="nginx", running=False, enabled=False)


def _application(context: Context) -> Iterator[Step]:
    yield from firewall.common()
    yield from mail.common(context)
    yield from shared_config.common(context)
    yield from wordpress.common(context, uploads=False)


def _strip(admin_user: str) -> Step:
    """The program travels with the step: it is not left behind in the image."""
    return Script(
        label="nothing of this machine is left",
        check="[ ! -s /etc/machine-id ]\n",
        apply=text_of("buildyard-strip"),
        arguments=(admin_user,),
        timeout_s=300.0,
    )
