"""The object store: SeaweedFS, with TLS by stunnel in front of it, because its other doors know no password.

Its master, filer and volume servers listen on the router's loopback only, which no machine reaches.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import httpx

from rehearsal.api.backends import BucketKey
from rehearsal.services.unit import ETC, Service, unit_text
from state.errors import HostError
from state.secret import Secret

REGION = "us-east-1"
_S3_PORT = 8333
_HEALTH = f"http://127.0.0.1:{_S3_PORT}/healthz"
_FILER = "127.0.0.1:8888"
_MASTER = "127.0.0.1:9333"
_READY = (
    f"curl -sf http://{_MASTER}/dir/status | grep -q DataNodes.*Url",
    f"curl -s -o /dev/null http://{_FILER}/buckets/",
    f"curl -sf {_HEALTH}",
)
_IDENTITIES = "/etc/iam/identities/"
#: The vendor's permissions as SeaweedFS's actions.
_ACTIONS = {"read": ("Read", "List"), "readwrite": ("Read", "Write", "List", "Tagging")}


def store_service(access_key: str, secret_key: Secret) -> Service:
    """SeaweedFS with one administrator, whose key the API's clients get for buckets.

    Args:
        access_key: of the administrator.
        secret_key: of the administrator.
    """
    admin = {
        "name": "rehearsal",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key.reveal()}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    argv = [
        "/usr/local/bin/weed",
        "mini",
        "-dir=/var/lib/rehearsal-s3",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.port={_S3_PORT}",
        f"-s3.config={ETC}/s3/identities.json",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        "-admin.ui=false",
        "-webdav=false",
    ]
    return Service(
        name="s3",
        unit=unit_text(
            "Object store of the rehearsal",
            "StateDirectory=rehearsal-s3",
            "WorkingDirectory=/var/lib/rehearsal-s3",
            "PrivateTmp=yes",
            f"ExecStart={' '.join(argv)}",
        ),
        # The store answers before its volumes and its filer do: objects cannot be read until then, and a bucket that
        # cannot be looked up is said not to exist.
        ready=("sh", "-c", " && ".join(_READY)),
        files=(("s3/identities.json", json.dumps({"identities": [admin]})),),
    )


def tls_service(addresses: tuple[str, ...], certificate: Path, key: Path) -> Service:
    """TLS in front of the object store.

    Args:
        addresses: to listen on, port 443.
        certificate: chain as PEM.
        key: its key as PEM.
    """
    lines = ["foreground = yes", "pid =", "syslog = no", "debug = warning", "sslVersionMin = TLSv1.2"]
    for number, address in enumerate(addresses):
        lines += [
            f"[s3-{number}]",
            f"accept = {address}:443",
            f"connect = 127.0.0.1:{_S3_PORT}",
            f"cert = {ETC}/s3/server.pem",
            f"key = {ETC}/s3/server.key",
        ]
    return Service(
        name="s3-tls",
        unit=unit_text("TLS for the object store", f"ExecStart=/usr/bin/stunnel4 {ETC}/s3/stunnel.conf"),
        files=(
            ("s3/stunnel.conf", "\n".join(lines) + "\n"),
            ("s3/server.pem", certificate.read_text(encoding="ascii")),
            ("s3/server.key", key.read_text(encoding="ascii")),
        ),
        doors=tuple((address, 443) for address in addresses),
        packages=("stunnel4",),
    )


class SeaweedKeys:
    """SeaweedFS's list of keys (:class:`rehearsal.api.backends.BucketKeys`), changed by its own shell.

    Runs where SeaweedFS's loopback is reached, in the router's namespace. Keys go in on standard input.

    Args:
        weed: the program.
    """

    def __init__(self, weed: Path) -> None:
        self._weed = weed

    def put_all(self, keys: tuple[BucketKey, ...]) -> None:
        """Makes the list exactly this, beside the administrator.

        Raises:
            HostError: the object store does not answer.
        """
        wanted = {key.access_key for key in keys}
        lines = [f"s3.configure -user {name} -delete -apply" for name in sorted(self._names() - wanted)]
        lines += [_configure(key) for key in keys]
        if not lines:
            return
        # it leaves logs of its own in the folder for temporary files, each time
        with tempfile.TemporaryDirectory(prefix="rehearsal-weed-") as own:
            done = subprocess.run(
                [str(self._weed), "shell", f"-master={_MASTER}", f"-filer={_FILER}"],
                input="\n".join(lines) + "\n",
                capture_output=True,
                text=True,
                env={**os.environ, "TMPDIR": own},
                timeout=60,
                check=False,
            )
        if done.returncode != 0 or not wanted <= self._names():
            raise HostError("The rehearsal's object store did not take its keys.", detail=done.stderr[-500:])

    def _names(self) -> set[str]:
        try:
            answer = httpx.get(
                f"http://{_FILER}{_IDENTITIES}", params={"limit": "10000"}, headers={"accept": "application/json"}
            )
        except httpx.HTTPError as error:
            raise HostError("The rehearsal's object store does not answer.", detail=str(error)) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return set()
        entries = answer.json().get("Entries") or []
        return {Path(entry["FullPath"]).name.removesuffix(".json") for entry in entries}


def _configure(key: BucketKey) -> str:
    actions: list[str] = []
    for bucket, permission in key.grants:
        if permission == "fullaccess" and not bucket:
            actions = ["Admin", "Read", "Write", "List", "Tagging"]
            break
        actions += [f"{action}:{bucket}" for action in _ACTIONS.get(permission, _ACTIONS["readwrite"])]
    words = ["-user", key.access_key, "-access_key", key.access_key, "-secret_key", key.secret_key.reveal()]
    if actions:
        words += ["-actions", ",".join(actions)]
    return f"s3.configure {shlex.join(words)} -apply"
