"""Which recipes a machine of each role gets, in which order, and what it is told at its birth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml

from recipes import (
    autoscaler,
    base,
    caretaker,
    certificate,
    cloudflare,
    database,
    firewall,
    host_key,
    mail,
    managed_database,
    prober,
    shared_config,
    uploads,
    webserver,
    wordpress,
)
from recipes.context import Context, Role
from recipes.secrets import SecretSpec, public_line
from recipes.ssh_server import FIRST_CONTACT_KEY, SSHD_CONFIG, sshd_config
from recipes.steps import AllowRule, Recipe, Step
from state.errors import UsageError
from state.secret import Secret

#: The smallest limit of the vendors (AWS; DigitalOcean and Hetzner take 64 and 32 KiB).
LARGEST_USER_DATA = 16 * 1024

_MODULES = (
    base,
    host_key,
    firewall,
    mail,
    shared_config,
    database,
    certificate,
    caretaker,
    webserver,
    cloudflare,
    uploads,
    wordpress,
)
#: All secrets that are generated before the first recipe runs.
SECRETS: tuple[SecretSpec, ...] = tuple(dict.fromkeys(spec for module in _MODULES for spec in module.SECRETS))

Steps = Callable[[Context], Iterator[Step]]
Waits = tuple[tuple[Role, str], ...]
Part = tuple[str, Steps, Waits]


def _needs_rules(_context: Context) -> Iterator[Step]:
    raise AssertionError("the firewall's steps need the policy's rules")


def _database(context: Context) -> Iterator[Step]:
    if context.managed is not None:
        return managed_database.steps(context)
    return database.steps(context)


_COMMON: tuple[Part, ...] = (
    (base.NAME, base.steps, ()),
    (host_key.NAME, host_key.steps, ()),
    (firewall.NAME, _needs_rules, ()),
    (shared_config.NAME, shared_config.steps, ()),
)
_IN_DEVELOPMENT: dict[Role, tuple[Part, ...]] = {
    Role.DATABASE: (
        (mail.NAME, mail.steps, ()),
        (database.NAME, _database, ()),
        (certificate.NAME, certificate.steps, ()),
        (caretaker.NAME, caretaker.steps, ()),
    ),
    Role.WEBSERVER: (
        (webserver.NAME, webserver.steps, ()),
        (cloudflare.NAME, cloudflare.steps, ()),
        (mail.NAME, mail.steps, ()),
        (uploads.NAME, uploads.steps, ()),
        (wordpress.NAME, wordpress.steps, ((Role.DATABASE, database.NAME),)),
        (certificate.NAME, certificate.steps, ((Role.DATABASE, certificate.NAME),)),
    ),
}
_IN_PRODUCTION: dict[Role, tuple[Part, ...]] = {
    Role.AUTOSCALER: (
        (mail.NAME, mail.steps, ()),
        (certificate.NAME, certificate.steps, ()),
        (caretaker.NAME, caretaker.steps, ()),
        (prober.NAME, prober.steps, ()),
        (autoscaler.NAME, autoscaler.steps, ()),
    ),
    Role.DATABASE: (
        (mail.NAME, mail.steps, ()),
        (database.NAME, _database, ()),
        (caretaker.NAME, caretaker.steps, ()),
        (prober.NAME, prober.steps, ()),
    ),
    Role.WEBSERVER: (
        (webserver.NAME, webserver.steps, ()),
        (cloudflare.NAME, cloudflare.steps, ()),
        (mail.NAME, mail.steps, ()),
        (uploads.NAME, uploads.steps, ()),
        (wordpress.NAME, wordpress.steps, ((Role.DATABASE, database.NAME),)),
        (certificate.NAME, certificate.steps, ((Role.AUTOSCALER, certificate.NAME),)),
    ),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A recipe and what must be done before it.

    Attributes:
        recipe: what is done.
        after: recipes on other machines, by role and name, that must be done on all machines of that role.
    """

    recipe: Recipe
    after: Waits = ()


def stages(context: Context, allow: tuple[AllowRule, ...]) -> tuple[Stage, ...]:
    """The recipes of ``context.node`` in their order.

    Args:
        context: the machine and the deployment.
        allow: what ufw lets in there, from the policy.

    Raises:
        UsageError: the role has no recipes in this mode.
    """

    def rules(context: Context) -> Iterator[Step]:
        return firewall.steps(context, allow)

    return tuple(
        Stage(Recipe(name, tuple((rules if name == firewall.NAME else steps)(context))), after)
        for name, steps, after in _of(context.node.role, context.mode)
    )


def recipe_names(role: Role, mode: str) -> tuple[tuple[str, Waits], ...]:
    """The names of a role's recipes in their order, each with what it waits for; no machine is needed to know them.

    Args:
        role: the machine's.
        mode: ``development`` or ``production``.

    Raises:
        UsageError: the role has no recipes in this mode.
    """
    return tuple((name, after) for name, _, after in _of(role, mode))


def _of(role: Role, mode: str) -> tuple[Part, ...]:
    parts = _IN_PRODUCTION if mode == "production" else _IN_DEVELOPMENT
    if role not in parts:
        raise UsageError(f"There are no recipes for the role {role} in {mode} mode.", hint="use mode production")
    return (*_COMMON, *parts[role])


def user_data(admin_user: str, admin_keys: tuple[str, ...], first_contact_key: Secret) -> str:
    """cloud-init's text for a new machine: its user, sshd on its port from the first second, a host key we know.

    The key is for the first contact only; :mod:`recipes.host_key` destroys it.

    Args:
        admin_user: the user Buildyard logs in as.
        admin_keys: that user's public keys.
        first_contact_key: ed25519 key in OpenSSH's private form; the only secret in here.

    Raises:
        UsageError: it is longer than the smallest limit of the vendors.
    """
    document = {
        "users": [
            {
                "name": admin_user,
                "groups": "sudo",
                "shell": "/bin/bash",
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "lock_passwd": True,
                "ssh_authorized_keys": list(admin_keys),
            }
        ],
        "disable_root": True,
        "ssh_pwauth": False,
        # keys that came with the image are everybody's; ours is written after they are gone
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ed25519_private": first_contact_key.reveal(),
            "ed25519_public": public_line(first_contact_key, "first-contact"),
        },
        "write_files": [
            {
                "path": SSHD_CONFIG,
                "permissions": "0644",
                "content": sshd_config(admin_user, FIRST_CONTACT_KEY),
            }
        ],
        # Ubuntu lets systemd listen on port 22 in sshd's place; sshd itself shall do it, on the port it was told
        "bootcmd": [
            # a command that fails would make the whole of cloud-init fail
            "! systemctl is-enabled -q ssh.socket || systemctl disable --now ssh.socket; systemctl enable ssh.service",
        ],
        "runcmd": ["systemctl is-active --quiet ssh.service || systemctl --no-block start ssh.service"],
        "package_update": False,
        "package_upgrade": False,
        "apt": {"preserve_sources_list": True},
    }
    text = "#cloud-config\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
    if len(text.encode()) > LARGEST_USER_DATA:
        raise UsageError("The text for cloud-init is longer than 16 KiB.", hint="give fewer public keys")
    return text
