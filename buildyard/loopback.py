"""The site of a rehearsal in a browser on this machine: an HTTP proxy on 127.0.0.1 that knows where the site is.

The site's names are in the rehearsal's DNS only, and this machine's resolver and trust store are not touched; so the
browser asks this proxy (CONNECT, RFC 9110 section 9.3.6), which leads to the webserver and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import selectors
import socket
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

from fleet.deployment import Deployment
from recipes.context import Role
from state.errors import HostError, StateError

CONNECT_TIMEOUT_S = 10.0
#: A browser keeps quiet connections; after this long without a byte one is closed.
IDLE_S = 120.0
#: Longest request line and header line that is read.
LINE_BYTES = 8192


class _Proxy(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, hosts: tuple[str, ...], webserver: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.hosts = hosts
        self.webserver = webserver


class _Handler(StreamRequestHandler):
    server: _Proxy

    def handle(self) -> None:
        words = self.rfile.readline(LINE_BYTES).decode("latin-1").split()
        while self.rfile.readline(LINE_BYTES).strip():
            pass
        if len(words) < 2:
            return
        verb, target = words[0], words[1]
        if verb != "CONNECT":
            self._answer("400 Bad Request", "This is a proxy: set it as the browser's HTTPS proxy.")
            return
        host, _, port = target.rpartition(":")
        if host not in self.server.hosts or port not in ("80", "443"):
            self._answer("403 Forbidden", f"Only {', '.join(self.server.hosts)} can be reached here.")
            return
        try:
            site = socket.create_connection((self.server.webserver, int(port)), CONNECT_TIMEOUT_S)
        except OSError as problem:
            self._answer("502 Bad Gateway", f"The webserver does not answer: {problem}.")
            return
        with site:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _pass_on(self.connection, site)

    def _answer(self, status: str, text: str) -> None:
        body = text.encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)


def _pass_on(browser: socket.socket, site: socket.socket) -> None:
    """Both ways, until one side ends or neither has said anything for a while."""
    others = {browser: site, site: browser}
    with selectors.DefaultSelector() as selector:
        for each in others:
            selector.register(each, selectors.EVENT_READ)
        while True:
            ready = selector.select(IDLE_S)
            if not ready:
                return
            for key, _ in ready:
                source = key.fileobj
                assert isinstance(source, socket.socket)
                try:
                    data = source.recv(65536)
                    if not data:
                        return
                    others[source].sendall(data)
                except OSError:
                    return


def serve(deployment: Deployment, port: int, *, as_json: bool = False) -> int:
    """Serves until Ctrl-C; prints how to look and which authority to trust, first of all, as lines or as one object.

    Raises:
        StateError: there is no webserver yet, or nobody but an edge reaches it.
        HostError: the port is taken.
    """
    if deployment.settings.proxied:
        raise StateError(
            "The site stands behind an edge: its webservers let nobody else in, this machine neither.",
            hint="buildyard status asks each webserver for its page from within",
        )
    record = deployment.record.load()
    webservers = [each for each in (record.machines if record else ()) if each.role == Role.WEBSERVER.value]
    if not webservers or not webservers[0].public_ipv4:
        raise StateError("There is no webserver yet.", hint="buildyard build")
    try:
        proxy = _Proxy(port, deployment.settings.hosts, webservers[0].public_ipv4)
    except OSError as problem:
        raise HostError(f"Port {port} cannot be used: {problem.strerror}.", hint="buildyard open --port N") from problem
    with proxy, tempfile.TemporaryDirectory(prefix="buildyard-open-") as folder:
        authority = Path(folder) / "site-authority.pem"
        authority.write_text(deployment.access.site_ca_pem)
        url, prints = deployment.settings.url, fingerprints(deployment.access.site_ca_pem)
        address = f"http://127.0.0.1:{proxy.server_address[1]}"
        if as_json:
            found = {"url": url, "proxy": address, "authority_file": str(authority), "authority_sha256": prints}
            print(json.dumps({"ok": True, **found}), flush=True)
            return _serve(proxy)
        print(f"{url} is served through {address} while this runs (Ctrl-C ends it).\n")
        print(f"  curl --proxy {address} --cacert {authority} {url}")
        print(f"  chromium --proxy-server={address} --user-data-dir=$(mktemp -d) {url}\n")
        print("Authority of its certificate (SHA-256):")
        for line in prints:
            print(f"  {line}")
        print(flush=True)
        return _serve(proxy)


def _serve(proxy: _Proxy) -> int:
    with suppress(KeyboardInterrupt):
        proxy.serve_forever(poll_interval=0.2)
    return 0


def fingerprints(pem: str) -> tuple[str, ...]:
    """SHA-256 of each certificate, as browsers show it."""
    end = "-----END CERTIFICATE-----"
    blocks = [block + end for block in pem.split(end) if "BEGIN CERTIFICATE" in block]
    digests = [hashlib.sha256(ssl.PEM_cert_to_DER_cert(block.strip())).hexdigest().upper() for block in blocks]
    return tuple(":".join(digest[i : i + 2] for i in range(0, len(digest), 2)) for digest in digests)
