"""What every machine gets first: its user, its own host key, packages, time, and a closed metadata address.

The own host key is only made here and told by the fact ``host key``. :mod:`recipes.host_key` makes sshd show it, after
the build machine has written it down: at no instant does the machine show a key that nobody has pinned.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from recipes import lockout
from recipes.context import Context
from recipes.secrets import SecretSpec
from recipes.ssh_server import HOST_KEY
from recipes.steps import Directory, Fact, File, Package, Script, Service, Step, Symlink, User
from recipes.texts import text_of
from state.questions import Question

NAME = "base"
SECRETS: tuple[SecretSpec, ...] = ()
CONFIG = "/etc/buildyard"
STATE = "/var/lib/buildyard"
PROGRAMS = "/usr/local/sbin"
UTC = "Etc/UTC"
HOST_KEY_FACT = "host key"

_PACKAGES = (
    "ca-certificates",
    "cron",
    "curl",
    "nftables",
    "openssh-client",
    "openssl",
    "python3",
    "tzdata",
    "unattended-upgrades",
)

_APT = """\
// A mirror that hiccups, or another dpkg at work, is waited for.
Acquire::Retries "5";
Acquire::http::Timeout "15";
Acquire::https::Timeout "15";
DPkg::Lock::Timeout "300";
"""
_UPGRADES = """\
// Security updates by themselves; when to restart the machine is the operator's to say.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Automatic-Reboot "false";
"""
_JOURNALD = """\
[Journal]
SystemMaxUse=200M
MaxRetentionSec=1month
"""

_FIRST_BOOT_CHECK = """\
[ -e /etc/cloud/cloud-init.disabled ] || ! command -v cloud-init >/dev/null || [ -e /run/cloud-init/result.json ]
"""
# cloud-init's own exit code says whether something in it failed; whatever matters of that is checked by the steps below
_FIRST_BOOT_APPLY = """\
cloud-init status --wait >/dev/null || true
until [ -e /run/cloud-init/result.json ]; do sleep 0.5; done
"""

_BEGIN = "# buildyard: the fleet"
_END = "# buildyard: end"
_HOSTS_BLOCK = f"sed -n '/^{_BEGIN}$/,/^{_END}$/p' /etc/hosts"
_HOSTS_CHECK = f"""\
wanted=$(cat)
[ "$({_HOSTS_BLOCK})" = "$wanted" ]
"""
# /etc/hosts is read by every name look-up: the new one takes the place of the old in one rename
_HOSTS_APPLY = f"""\
new=$(mktemp /etc/hosts.XXXXXX)
trap 'rm -f "$new"' EXIT
sed '/^{_BEGIN}$/,/^{_END}$/d' /etc/hosts >"$new"
cat >>"$new"
chmod 644 "$new"
mv "$new" /etc/hosts
"""

_HOST_KEY_APPLY = """\
rm -f "$1.new" "$1.new.pub"
ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f "$1.new"
mv "$1.new.pub" "$1.pub"
mv "$1.new" "$1"
"""


@cache
def _time_zones() -> set[str]:
    """All that this machine knows; to list them is to open each of 600 files."""
    return available_timezones()


def check_time_zone(value: Any) -> str:
    """A name of the IANA time zone database."""
    if str(value) not in _time_zones():
        return "Give a time zone such as Europe/London or Etc/UTC."
    return ""


QUESTIONS = (
    Question(
        key="time_zone",
        label="Time zone of the machines",
        help="Times in logs and the hour of nightly jobs follow it. Etc/UTC suits a site with visitors everywhere. "
        "Example: Europe/London.",
        default=UTC,
        check=check_time_zone,
    ),
)


def steps(context: Context) -> Iterator[Step]:
    """The common ground of all roles, and what makes this machine one of its own."""
    yield from common(context)
    block = _hosts_block(context)
    yield Script(label="names of the fleet", check=_HOSTS_CHECK, apply=_HOSTS_APPLY, stdin=block, check_stdin=block)
    yield from _own_host_key()


def common(context: Context) -> Iterator[Step]:
    """What is alike on all machines and no secret: an image of it may be taken."""
    yield Script(
        label="first boot finished",
        check=_FIRST_BOOT_CHECK,
        apply=_FIRST_BOOT_APPLY,
        timeout_s=600.0,
    )
    yield File(label="apt waits and tries again", path="/etc/apt/apt.conf.d/80-buildyard", content=_APT)
    yield Package(label="common packages", names=_PACKAGES)
    yield User(label="admin user", name=context.admin_user, authorized_keys=context.admin_keys)
    yield File(
        label="admin user's sudo",
        path="/etc/sudoers.d/90-buildyard",
        content=f"{context.admin_user} ALL=(ALL:ALL) NOPASSWD: ALL\n",
        mode=0o440,
        validate=("/usr/sbin/visudo", "-cqf", "{}"),
    )
    yield Directory(label="Buildyard's settings", path=CONFIG)
    yield Directory(label="Buildyard's state", path=STATE)
    yield Directory(label="records of jobs", path=f"{STATE}/jobs")
    yield File(label="job runner", path=f"{PROGRAMS}/buildyard-job", content=text_of("buildyard-job"), mode=0o755)
    yield from lockout.steps()
    yield from _metadata_closed()
    yield from _time(str(context.answer("time_zone", UTC)))
    yield File(label="security updates", path="/etc/apt/apt.conf.d/90-buildyard", content=_UPGRADES)
    yield Directory(label="settings of the system's log", path="/etc/systemd/journald.conf.d")
    yield File(
        label="limits of the system's log",
        path="/etc/systemd/journald.conf.d/10-buildyard.conf",
        content=_JOURNALD,
        notifies=("systemd-journald",),
    )
    yield Service(label="system's log", unit="systemd-journald")


def _metadata_closed() -> Iterator[Step]:
    yield File(
        label="metadata address for root only",
        path=f"{CONFIG}/metadata.nft",
        content=text_of("metadata.nft"),
        notifies=("buildyard-metadata",),
    )
    yield File(
        label="unit that closes the metadata address",
        path="/etc/systemd/system/buildyard-metadata.service",
        content=text_of("buildyard-metadata.service"),
        notifies=("buildyard-metadata",),
    )
    yield Service(label="metadata address closed", unit="buildyard-metadata")


def _time(zone: str) -> Iterator[Step]:
    yield Symlink(label="time zone", path="/etc/localtime", target=f"/usr/share/zoneinfo/{zone}", notifies=("cron",))
    yield File(label="time zone's name", path="/etc/timezone", content=f"{zone}\n", notifies=("cron",))
    yield Service(label="cron", unit="cron")


def _own_host_key() -> Iterator[Step]:
    yield Script(
        label="own host key",
        check='[ -s "$1" ] && [ -s "$1.pub" ]\n',
        apply=_HOST_KEY_APPLY,
        arguments=(HOST_KEY,),
    )
    yield Fact(label=HOST_KEY_FACT, command=("cat", f"{HOST_KEY}.pub"))


def _hosts_block(context: Context) -> str:
    """The fleet by private address; the machine's own name must lead to itself or sudo complains."""
    lines = [_BEGIN, f"127.0.1.1 {context.node.name}"]
    lines += [
        f"{node.private_ipv4} {node.name}"
        for node in sorted(context.fleet, key=lambda node: node.name)
        if node.private_ipv4 and node.name != context.node.name
    ]
    return "\n".join([*lines, _END, ""])
