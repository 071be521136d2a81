"""The shared configuration directory: the bucket's mount, and the signed files each machine keeps its own copy of.

Mounted at ``/srv/buildyard/shared`` by s3fs with a watchdog. A mount that hangs takes its readers with it, so what
machines live by (allow-list, certificate) is read through the S3 API with a deadline, every minute, by
``buildyard-pull``, which keeps the last good copy in ``/var/lib/buildyard/shared`` and runs
``/etc/buildyard/shared.d/NAME`` on a change.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from recipes.base import CONFIG, PROGRAMS, STATE
from recipes.context import Context, Guarded, Role
from recipes.secrets import SecretKind, SecretSpec, public_line
from recipes.signed import CARETAKER, CERTIFICATE_FILE, GUARDIAN_FILE, NAMESPACE, OPERATOR, OPERATORS_FILE
from recipes.steps import Absent, Cron, Directory, File, Package, Script, Service, Step
from recipes.texts import text_of
from state.secret import Secret

NAME = "shared-config"
SIGNING_KEY = SecretSpec("caretaker-signing-key", SecretKind.SSH_KEY)
SECRETS = (SIGNING_KEY,)
#: Made with the object store's account, not generated here.
STORE_SECRET = "s3-secret-key"
MOUNT = "/srv/buildyard/shared"
COPY = f"{STATE}/shared"
HOOKS = f"{CONFIG}/shared.d"
STORE_CA = f"{CONFIG}/store-ca.pem"
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
#: Cron's every minute.
EVERY_MINUTE = "* * * * *"

# The unit counts as running while systemd starts s3fs again and again, and with a wrong key the mount is there for a
# tenth of a second each time: only an answer tells.
_ANSWERS = "buildyard-shared-watch look\n"
_WAIT_UNTIL_IT_ANSWERS = """\
end=$(($(date +%s) + 20))
until buildyard-shared-watch look; do
    if [ "$(date +%s)" -ge "$end" ]; then
        echo "waited 20 s for the shared directory; what s3fs said last:" >&2
        journalctl --no-pager -q -o cat -n 8 -u buildyard-shared >&2
        exit 1
    fi
    sleep 0.5
done
"""


def steps(context: Context) -> Iterator[Step]:
    """Mount, watchdog, pull."""
    yield from common(context)
    yield from _access(context)
    yield from _mount(context)
    yield from _pull(context)


def common(context: Context) -> Iterator[Step]:
    """What is alike on all machines and no secret: an image of it may be taken."""
    yield Package(label="s3fs", names=("s3fs", "fuse3"))
    if context.store.ca_pem:
        yield File(label="authority of the store", path=STORE_CA, content=context.store.ca_pem)
    else:
        yield Absent(label="no authority of the store's own", path=STORE_CA)


def store_ca(context: Context) -> str:
    """The file with the authority of the object store's certificate."""
    return STORE_CA if context.store.ca_pem else SYSTEM_CA


def _access(context: Context) -> Iterator[Step]:
    store = context.store
    secret = context.secrets[STORE_SECRET].reveal()
    yield File(
        label="key to the store for s3fs",
        path=f"{CONFIG}/s3.passwd",
        content=Secret(f"{store.access_key}:{secret}\n"),
        mode=0o600,
        notifies=("buildyard-shared",),
    )
    yield File(
        label="key to the store for curl",
        path=f"{CONFIG}/s3.curl",
        content=Secret(
            f'user = "{_curl(store.access_key)}:{_curl(secret)}"\n'
            f'aws-sigv4 = "aws:amz:{_curl(store.region)}:s3"\n'
            f'cacert = "{store_ca(context)}"\n'
        ),
        mode=0o600,
    )
    yield File(
        label="where the store is",
        path=f"{CONFIG}/store.conf",
        content=f"ENDPOINT={shlex.quote(store.endpoint_url.rstrip('/'))}\nBUCKET={shlex.quote(store.config_bucket)}\n",
    )
    yield File(label="store reader", path=f"{PROGRAMS}/buildyard-s3", content=text_of("buildyard-s3"), mode=0o755)


def _mount(context: Context) -> Iterator[Step]:
    store = context.store
    yield Directory(label="folder for what is served", path="/srv/buildyard")
    # the unit makes the mount point: a step that looks at it would look into the mount, and hang when that hangs
    yield File(
        label="mount's settings",
        path=f"{CONFIG}/shared.env",
        # s3fs has no option for the authority; libcurl takes it from this variable
        content=(
            f"ENDPOINT={store.endpoint_url.rstrip('/')}\nBUCKET={store.config_bucket}\nREGION={store.region}\n"
            f"CURL_CA_BUNDLE={store_ca(context)}\n"
        ),
        notifies=("buildyard-shared",),
    )
    yield File(
        label="mount's unit",
        path="/etc/systemd/system/buildyard-shared.service",
        content=text_of("buildyard-shared.service"),
        notifies=("buildyard-shared",),
    )
    yield File(
        label="mount's watchdog",
        path=f"{PROGRAMS}/buildyard-shared-watch",
        content=text_of("buildyard-shared-watch"),
        mode=0o755,
    )
    yield Service(label="shared directory mounted", unit="buildyard-shared")
    yield Script(label="shared directory answers", check=_ANSWERS, apply=_WAIT_UNTIL_IT_ANSWERS, timeout_s=60.0)
    yield Cron(
        name="buildyard-shared-watch",
        label="watchdog every minute",
        schedule=EVERY_MINUTE,
        command=job("shared-watch", "buildyard-shared-watch"),
    )


def _pull(context: Context) -> Iterator[Step]:
    names = [f"{OPERATORS_FILE} {OPERATOR}"]
    if context.node.role is Role.WEBSERVER:
        names.append(f"{CERTIFICATE_FILE} {CARETAKER}")
        if context.guarded is not Guarded.NOTHING:
            names.append(f"{GUARDIAN_FILE} {OPERATOR}")
    caretaker = public_line(context.secrets[SIGNING_KEY.name])
    yield File(
        label="whose signatures count",
        path=f"{CONFIG}/allowed_signers",
        content=(
            f'{OPERATOR} namespaces="{NAMESPACE}" {_key_of(context.signer_public_key)}\n'
            f'{CARETAKER} namespaces="{NAMESPACE}" {_key_of(caretaker)}\n'
        ),
    )
    yield File(label="files to pull", path=f"{CONFIG}/shared.names", content="".join(f"{name}\n" for name in names))
    own = (context.node.public_ipv4, context.node.public_ipv6)
    yield File(
        label="own public addresses",
        path=f"{CONFIG}/public-addresses",
        content="".join(f"{address}\n" for address in own if address),
    )
    yield Directory(label="hooks of shared files", path=HOOKS)
    yield File(
        label="hook of the allow-list",
        path=f"{HOOKS}/{OPERATORS_FILE}",
        content=text_of("hook-operators"),
        mode=0o755,
    )
    yield Directory(label="copies of shared files", path=COPY, mode=0o700)
    yield File(label="puller", path=f"{PROGRAMS}/buildyard-pull", content=text_of("buildyard-pull"), mode=0o755)
    yield Cron(
        name="buildyard-pull",
        label="pull every minute",
        schedule=EVERY_MINUTE,
        command=job("pull", "buildyard-pull"),
    )


def job(name: str, program: str, *arguments: str) -> tuple[str, ...]:
    """The command of a Cron step whose runs leave a record; ``program`` is one of ours."""
    return (f"{PROGRAMS}/buildyard-job", name, "--", f"{PROGRAMS}/{program}", *arguments)


def _key_of(public_line_: str) -> str:
    """Type and key of an OpenSSH public key, without its comment."""
    return " ".join(public_line_.split()[:2])


def _curl(text: str) -> str:
    """For a quoted value in curl's configuration file."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
