"""Webservers on loopback addresses, each with its own habit: real TLS, certificates of an authority made here."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "shop.example.org"
PAGE = f"<html><title>A shop</title><a href='https://{HOST}/'>home</a></html>".encode()
HEALTH, LOAD = "/.well-known/buildyard/health", "/.well-known/buildyard/load"
FIGURES = {
    "cpu_percent": 12.5,
    "requests_per_s": 3.0,
    "connections": 4,
    "last_visit_s": 1.5,
    "disk_free_percent": 60.0,
}


class Authority:
    """Signs certificates for tests."""

    def __init__(self, name: str = "test authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(self._name).issuer_name(self._name)
        self._certificate = (
            builder.public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=90))
            .not_valid_after(now + timedelta(days=90))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, folder: Path, *, host: str = HOST, days: int = 30) -> ssl.SSLContext:
        """A server's TLS with a certificate for that host that ends in so many days (before today when negative)."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = folder / "pair.pem"
        file.write_bytes(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@dataclass
class Habit:
    """How a webserver answers; may be changed while it runs."""

    status: int = 200
    page: bytes = PAGE
    health: int = 200
    cause: dict[str, str] = field(default_factory=dict)
    load: dict[str, Any] | None = None
    load_age_s: float = 0.0
    hang: str = ""  # the path that is never answered
    drip_s: float = 0.0  # pause after each byte of the page
    redirect: str = ""
    cut: bool = False  # the page ends in the middle
    closing: bool = False  # each answer ends its connection, in good order
    asked: list[str] = field(default_factory=list)


class Sites:
    """Webservers at 127.0.0.2, 127.0.0.3, …, all on one port."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.authority = Authority()
        self._folder = folder
        self._stack = stack
        self._number = 1
        self._ended = threading.Event()
        stack.callback(self._ended.set)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]

    def address(self) -> str:
        """One where nobody listens."""
        self._number += 1
        return str(ipaddress.ip_address("127.0.0.0") + self._number)

    def serve(self, habit: Habit, context: ssl.SSLContext | None = None) -> str:
        """A webserver with that habit; its address."""
        address = self.address()
        server = ThreadingHTTPServer((address, self.port), _handler(habit, self._ended))
        server.daemon_threads = True
        tls = context or self.authority.issue(self._folder)
        # the handshake in the thread of the connection: one that does not end must not hold the next
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
        self._serve(server.serve_forever, server.shutdown, server.server_close)
        return address

    def mute(self) -> str:
        """Takes connections (the kernel does) and says nothing, as a frozen machine."""
        address = self.address()
        self._stack.enter_context(socket.create_server((address, self.port)))
        return address

    def hanging_up(self) -> str:
        """Takes connections and ends them at once."""
        address = self.address()
        server = self._stack.enter_context(socket.create_server((address, self.port)))
        server.settimeout(0.2)

        def accept() -> None:
            while not self._ended.is_set():
                try:
                    near, _ = server.accept()
                except TimeoutError:
                    continue
                except OSError:
                    return
                near.close()

        self._serve(accept, self._ended.set, lambda: None)
        return address

    def _serve(self, run: Callable[[], None], *ends: Callable[[], object]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._stack.callback(thread.join, 10)
        for end in reversed(ends):
            self._stack.callback(end)


@contextmanager
def sites(folder: Path) -> Iterator[Sites]:
    with ExitStack() as stack:
        yield Sites(folder, stack)


def _handler(habit: Habit, ended: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            habit.asked.append(self.path)
            if self.path == habit.hang:
                ended.wait(60)
                self.close_connection = True
            elif self.path == LOAD:
                body = json.dumps(habit.load).encode()
                written = formatdate(time.time() - habit.load_age_s, usegmt=True)
                self.answer(404 if habit.load is None else 200, body, {"Last-Modified": written})
            elif self.path == HEALTH:
                self.answer(habit.health, json.dumps({"healthy": habit.health == 200, **habit.cause}).encode())
            elif habit.redirect and self.path == "/":
                self.answer(302, b"", {"Location": habit.redirect})
            else:
                self.answer(habit.status, habit.page)

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            if habit.closing:
                self.send_header("Connection", "close")
            self.end_headers()
            if body is habit.page and habit.cut:
                self.wfile.write(body[:10])
                self.close_connection = True
            elif body is habit.page and habit.drip_s:
                for byte in body:
                    self.wfile.write(bytes((byte,)))
                    if ended.wait(habit.drip_s):
                        return
            else:
                self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    return Handler
