"""sshd shows the machine's own host key; the one from cloud-init, and cloud-init's copies of it, are destroyed.

Runs after :mod:`recipes.base` and after the fact ``host key`` was recorded. Until this recipe is done the machine may
show either key, so both are pinned; afterwards only its own. The reload does not end the connection it arrives by.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipes import lockout
from recipes.context import Context
from recipes.secrets import SecretSpec
from recipes.ssh_server import HOST_KEY, SSHD_CONFIG, sshd_config
from recipes.steps import File, Script, Service, Step

NAME = "host-key"
SECRETS: tuple[SecretSpec, ...] = ()

# The copies lie where cloud-init's version of the day puts them: the whole of its memory goes, but for data/, which
# holds no user data and says that the first boot is over. A later boot finds cloud-init switched off, so it fetches
# nothing anew (network settings were written at the first boot and stay).
_COPIES = """\
/var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/seed /var/lib/cloud/scripts
/run/cloud-init/instance-data-sensitive.json /run/cloud-init/combined-cloud-config.json
"""
# each boot makes its folders anew, empty: only what is in them counts
_LIST = f"""\
for path in {" ".join(_COPIES.split())} /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub; do
    if [ -n "$(find "$path" ! -type d -print -quit 2>/dev/null)" ]; then echo "$path"; fi
done
"""
_SCRUB_CHECK = f"""\
left=$({_LIST})
[ -z "$left" ]
"""
# files are overwritten before they go: on a disk that is later imaged their blocks would still hold the key
_SCRUB_APPLY = f"""\
left=$({_LIST})
for path in $left; do
    find "$path" -xdev -type f -exec shred -n 1 {{}} + 2>/dev/null || true
    rm -rf -- "$path"
done
"""


def steps(context: Context) -> Iterator[Step]:
    """The switch and the scrubbing."""
    yield File(
        label="sshd settings",
        path=SSHD_CONFIG,
        content=sshd_config(context.admin_user, HOST_KEY),
        validate=("/usr/sbin/sshd", "-t", "-f", "{}"),
        guard=lockout.guard("sshd's settings"),
        notifies=("ssh",),
    )
    yield Service(label="sshd", unit="ssh", reload=True)
    yield File(
        label="cloud-init is for the first boot only",
        path="/etc/cloud/cloud-init.disabled",
        content="Buildyard: user data and its first-contact key are not fetched again.\n",
    )
    yield Script(label="first-contact key and its copies are gone", check=_SCRUB_CHECK, apply=_SCRUB_APPLY)
    yield lockout.fact()
