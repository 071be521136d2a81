"""What machines may reach: everything, but for the cloud's metadata service, which after set-up is root's only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from state.clock import SystemClock, wait_until
from tests.journeys.conftest import Site, inside

pytestmark = pytest.mark.machines

METADATA = "169.254.169.254"
#: curl's exit code for "could not connect".
NO_CONNECTION = 7
SERVER = """\
import http.server, socketserver, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"who you are")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    address_family = 10 if ":" in sys.argv[1] else 2
Server((sys.argv[1], int(sys.argv[2])), Answer).serve_forever()
"""


@contextmanager
def server(namespace: str, address: str, port: int) -> Iterator[None]:
    """A web server there."""
    process = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", SERVER, address, str(port)]
    )
    url = f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"
    try:
        wait_until(
            f"a server at {address}",
            lambda: inside(namespace, "curl", "-s", "--noproxy", "*", url).returncode == 0,
            timeout_s=20,
            clock=SystemClock(),
        )
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def metadata(site: Site) -> Iterator[None]:
    """A metadata service of the cloud: the rehearsal has none, and a real one is not asked."""
    router = site.cloud.namespaces.router
    subprocess.run(["ip", "-n", router, "addr", "add", f"{METADATA}/32", "dev", "lo"], check=True)
    try:
        with server(router, METADATA, 80):
            yield
    finally:
        subprocess.run(["ip", "-n", router, "addr", "del", f"{METADATA}/32", "dev", "lo"], check=True)


def curl(site: Site, machine: str, url: str, user: str) -> tuple[int, str]:
    """Exit code and page, asked for by that user of the machine."""
    asked = site.on(
        machine,
        *("sudo", "-n", "-u", user, "sh", "-c"),
        f"curl -s --noproxy '*' --max-time 5 '{url}'; printf ' %s' $?",
    )
    page, _, code = asked.rpartition(" ")
    return int(code), page


@pytest.mark.usefixtures("metadata")
@pytest.mark.parametrize("machine", ["ws-1", "db-1"])
def test_only_root_reaches_the_metadata_service(site: Site, machine: str) -> None:
    assert curl(site, machine, f"http://{METADATA}/", "root") == (0, "who you are")
    for user in ("nobody", "www-data" if machine == "ws-1" else "mysql", site.on(machine, "id", "-un").strip()):
        assert curl(site, machine, f"http://{METADATA}/", user) == (NO_CONNECTION, ""), user


@pytest.mark.parametrize("machine", ["ws-1", "db-1"])
def test_everything_else_is_reached_by_everybody(site: Site, machine: str) -> None:
    foreign = site.cloud.namespaces.foreign
    shown = inside(foreign, "ip", "-o", "addr", "show", "dev", "eth0", "scope", "global").stdout.splitlines()
    addresses = [line.split()[3].partition("/")[0] for line in shown]
    assert len(addresses) == 2
    for address in addresses:
        url = f"http://[{address}]:8080/" if ":" in address else f"http://{address}:8080/"
        with server(foreign, address, 8080):
            assert curl(site, machine, url, "nobody") == (0, "who you are")
