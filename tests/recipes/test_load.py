"""The program that tells a webserver's load, as a process; nginx's part is in the journeys."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recipes.texts import path_of
from state.clock import SystemClock, wait_until

PRIVATE = "10.88.128.5"
#: Ten times as often as on a machine.
EVERY_S = 0.5
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("buildyard_load", str(path_of("buildyard-load")))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("load")
    argv = [sys.executable, "-I", str(path_of("buildyard-load")), PRIVATE, str(made), str(EVERY_S)]
    with subprocess.Popen(argv) as process:
        try:
            yield made
            assert process.poll() is None, "whatever it is sent, it goes on"
        finally:
            process.kill()


def figures(folder: Path) -> dict[str, Any]:
    """The next ones that it writes."""
    file = folder / "load.json"
    before = file.stat().st_mtime_ns if file.exists() else 0
    wait_until(
        "new figures",
        lambda: file.exists() and file.stat().st_mtime_ns > before,
        timeout_s=30,
        clock=SystemClock(),
        first_s=0.01,
        longest_s=0.01,
    )
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def counted(folder: Path) -> tuple[float, dict[str, Any]]:
    """How many requests, up to figures with none; and those figures. It may be late with some."""
    total, before = 0.0, (folder / "load.json").stat().st_mtime
    while True:
        found, now = figures(folder), (folder / "load.json").stat().st_mtime
        total += found["requests_per_s"] * (now - before)
        before = now
        if total and not found["requests_per_s"]:
            return total, found


def visits(folder: Path, *words: str) -> None:
    """What nginx says of requests."""
    wait_until("the socket", (folder / "visits").exists, timeout_s=20, clock=SystemClock())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nginx:
        nginx.connect(str(folder / "visits"))
        for word in words:
            nginx.send(f"<190>Nov 27 10:00:00 ws-1 buildyard_visit: {word}".encode())


def test_figures(folder: Path) -> None:
    found = figures(folder)
    assert set(found) == {"cpu_percent", "requests_per_s", "connections", "last_visit_s", "disk_free_percent"}
    assert 0 <= found["cpu_percent"] <= 100
    disk = os.statvfs("/")
    by_df = 100 * disk.f_bavail / (disk.f_blocks - disk.f_bfree + disk.f_bavail)
    assert abs(found["disk_free_percent"] - min(by_df, 100 * disk.f_favail / disk.f_files)) < 5


def test_requests_are_counted_and_only_a_new_connection_is_a_visit(folder: Path) -> None:
    figures(folder)
    visits(folder, *["2 0.001"] * 40, "rubbish", "")
    total, later = counted(folder)
    assert total == pytest.approx(42, rel=0.3)
    assert later["last_visit_s"] >= EVERY_S, "of requests on connections that were there before nothing is a new visit"
    visits(folder, "1 0.250")
    total, last = counted(folder)
    assert total == pytest.approx(1, rel=0.3)
    assert last["last_visit_s"] <= later["last_visit_s"]


def row(local: str, remote: str, state: str = "01") -> str:
    return (
        f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000    33        0 4711 1 0 20 4 30 10 -1\n"
    )


def kernels(address: str, port: int) -> str:
    """An address as /proc/net/tcp shows it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    words = [int.from_bytes(packed[i : i + 4], sys.byteorder) for i in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


@pytest.mark.parametrize(
    ("local", "remote", "state", "counted"),
    [
        (("203.0.113.5", 443), ("198.51.100.7", 50_000), "01", 1),
        (("203.0.113.5", 80), ("10.1.2.3", 50_000), "01", 1),  # a private address on the public side is a visitor
        (("2001:db8::5", 443), ("2001:db8::9", 50_000), "01", 1),
        (("203.0.113.5", 443), ("198.51.100.7", 50_000), "06", 0),  # waits for its end
        (("0.0.0.0", 443), ("0.0.0.0", 0), "0A", 0),  # listens
        (("203.0.113.5", 1035), ("198.51.100.7", 50_000), "01", 0),
        ((PRIVATE, 50_000), ("10.88.128.9", 443), "01", 0),  # our own, to somebody else
        ((PRIVATE, 443), ("10.88.128.9", 50_000), "01", 0),  # a prober
        ((PRIVATE, 443), ("8.8.8.8", 50_000), "01", 1),  # a vendor translates public addresses
        (("::ffff:" + PRIVATE, 443), ("::ffff:10.88.128.9", 50_000), "01", 0),
    ],
)
def test_open_connections_of_visitors(
    program: ModuleType, local: tuple[str, int], remote: tuple[str, int], state: str, counted: int
) -> None:
    table = HEAD + row(kernels(*local), kernels(*remote), state)
    assert program.connections(table, PRIVATE) == counted


def test_the_real_table_can_be_read(program: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        table = Path("/proc/net/tcp").read_text()
        port = server.getsockname()[1]
        program.PORTS, before = (port,), program.PORTS
        try:
            assert program.connections(table, PRIVATE) == 1
            assert program.connections(table, "127.0.0.1") == 0
        finally:
            program.PORTS = before
