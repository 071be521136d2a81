"""A real object store for tests: SeaweedFS on loopback, with one key."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from providers.bucket import Bucket
from state.clock import SystemClock, wait_until
from state.errors import ProviderError
from state.secret import Secret

ACCESS_KEY, SECRET_KEY = "AKCANARY", Secret("canary-secret-0123456789")

#: Every port the store opens, so that none meets another service's default.
PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
    "s3.port.iceberg",
    "s3.port.lance",
    "webdav.port",
    "admin.port",
    "admin.port.grpc",
)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def object_store(folder: Path) -> Iterator[str]:
    """One that keeps its objects in that folder; its address."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    program = Path(sys.executable).with_name("weed")
    argv = [
        str(program),
        f"-logdir={folder}",
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-admin.ui=false",
    ]
    argv += [f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/filer.sock"]
    # Real stores do not make a bucket because somebody writes to it.
    argv += ["-s3.autoCreateBucket=false"]
    argv += [f"-{name}={port}" for name, port in ports.items()]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY.reveal(),
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    log = (folder / "log").open("wb")
    process = subprocess.Popen(argv, env=environment, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{ports['s3.port']}"

    def ready() -> bool:
        assert process.poll() is None, (folder / "log").read_text("utf-8", "replace")[-2000:]
        bucket = Bucket(url, "us-east-1", ACCESS_KEY, SECRET_KEY, "ready")
        try:
            bucket.ensure()
            bucket.put("a", b"a")
        except ProviderError:
            return False
        finally:
            bucket.close()
        return True

    try:
        wait_until("the object store", ready, timeout_s=60, clock=SystemClock())
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)
        log.close()
