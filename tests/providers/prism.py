"""Prism as a second judge: a proxy between a driver and the vendor's cloud on paper, which says what it finds.

It is no part of the checkout: :func:`installed` gets it from the npm registry that this machine is set up for.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from state.clock import SystemClock, wait_until
from tests.providers.description import CHECKOUT

VERSION = "5.14.2"
#: Seconds for npm, and until Prism has read a description: the largest takes six on an idle machine.
_INSTALL_S, _READ_S = 300.0, 120.0
#: Where a request was really going: Prism knows one address behind it.
_HOST = "X-Asked-Host"
#: About connections and lengths; each hop has its own.
_OF_THE_HOP = frozenset({"connection", "content-length", "content-encoding", "host", "keep-alive", "transfer-encoding"})


def installed() -> Path:
    """Prism's program, under ``.campaign``; installed unless it is there.

    Raises:
        AssertionError: npm could not.
    """
    home = CHECKOUT / ".campaign" / f"prism-{VERSION}"
    program = home / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    if not program.exists():
        home.parent.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=home.parent, prefix="prism-"))
        # Scripts of packages are not run: Prism works without, and nobody here has read them.
        argv = ["npm", "install", "--prefix", str(made), "--ignore-scripts", "--no-audit", "--no-fund"]
        npm = subprocess.run(
            [*argv, f"@stoplight/prism-cli@{VERSION}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=_INSTALL_S,
        )
        assert npm.returncode == 0, f"npm did not install Prism {VERSION}; is a registry set up?\n{npm.stderr[-2000:]}"
        # Whole or not at all: what breaks off is not taken for Prism next time.
        made.rename(home)
    return program


class Second(httpx.BaseTransport):
    """Sends a driver's requests through Prism, and keeps what it says against them.

    Args:
        prism_url: where Prism listens.
        base: the path of the description's server, which Prism does not have in its paths.
    """

    def __init__(self, prism_url: str, base: str) -> None:
        self._url = httpx.URL(prism_url)
        self._base = base
        self._inner = httpx.HTTPTransport()
        self.count = 0
        #: Each as ``METHOD path: place message``, in Prism's words.
        self.violations: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        path = request.url.raw_path.decode()
        assert path.startswith(self._base), path
        headers = {name: value for name, value in request.headers.items() if name not in _OF_THE_HOP}
        passed = httpx.Request(
            request.method,
            self._url.copy_with(raw_path=path.removeprefix(self._base).encode()),
            headers={**headers, _HOST: request.url.host},
            content=request.content or None,
        )
        response = self._inner.handle_request(passed)
        response.read()
        self.count += 1
        line = f"{request.method} {path}"
        self.violations += [f"{line}: {each}" for each in _against_the_request(response.headers.get("sl-violations"))]
        return httpx.Response(
            response.status_code,
            headers={name: value for name, value in response.headers.items() if name not in _OF_THE_HOP},
            content=response.content,
        )

    def close(self) -> None:
        self._inner.close()


def _against_the_request(text: str | None) -> Iterator[str]:
    """What Prism says of the request; of the answer it says more, which other tests look at."""
    # A long list is announced in front and breaks off in the middle; what is against the request comes first in it.
    rest = (text or "[]").removeprefix("Too many violations! ").removeprefix("[")
    while rest and rest[0] != "]":
        try:
            one, end = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            yield "and more, which Prism left out"
            return
        place = one.get("location") or ["request"]
        if place[0] != "request":
            return
        yield f"{'.'.join(map(str, place))} {one['message']}"
        rest = rest[end:].removeprefix(",")


class Elsewhere(httpx.BaseTransport):
    """A cloud that answers at another address.

    Args:
        url: where.
    """

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url)
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = self._url.copy_with(raw_path=request.url.raw_path)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class Door:
    """A loopback port behind which a cloud on paper answers, another one for each test.

    Args:
        base: the path of the vendor's server.
    """

    def __init__(self, base: str) -> None:
        self.cloud: httpx.BaseTransport | None = None
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_HOP}
                host = next(headers.pop(name) for name in list(headers) if name.lower() == _HOST.lower())
                url = f"https://{host}{base}{self.path}"
                assert door.cloud is not None
                answered = door.cloud.handle_request(httpx.Request(self.command, url, headers=headers, content=body))
                answered.read()
                self.send_response(answered.status_code)
                for name, value in answered.headers.items():
                    if name not in _OF_THE_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answered.content)))
                self.end_headers()
                self.wfile.write(answered.content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - so http.server calls them

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # Its threads end with Prism, which keeps connections open; whoever closes this ends Prism first.
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def prism(description: Path, upstream: str) -> Iterator[str]:
    """The URL of Prism before ``upstream``; what it finds is in the header ``sl-violations`` of each answer.

    Without ``--errors``: with it, Prism would answer in the cloud's place, and the driver would not come further.

    Raises:
        AssertionError: it ended instead, with what it said.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryFile("w+") as said:
        argv = ["node", str(installed()), "proxy", str(description), upstream, "--host", "127.0.0.1"]
        process = subprocess.Popen([*argv, "--port", str(port)], stdout=said, stderr=subprocess.STDOUT)
        try:

            def listens() -> bool:
                if process.poll() is not None:
                    said.seek(0)
                    raise AssertionError(f"Prism ended with {process.returncode}: {said.read()[-3000:]}")
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0

            wait_until(f"Prism to read {description.name}", listens, timeout_s=_READ_S, clock=SystemClock())
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=10)
