"""A webserver's nginx with the recipe's own settings, on loopback addresses: only paths and ports are this machine's.

nginx is the one on PATH, else Debian's, unpacked into the test's folder and installed nowhere.
"""

from __future__ import annotations

import base64
import dataclasses
import grp
import http.client
import json
import os
import shutil
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from recipes import webserver
from recipes.context import Context, Guarded
from recipes.guardian import FOLDER
from recipes.load import FOLDER as LOAD
from recipes.steps import File
from state.clock import SystemClock, wait_until
from tests.object_store import free_ports
from tests.recipes.test_roles import WEB, context_for
from tests.recipes.tls_sites import HOST, Authority

#: Where visitors come in, and where probers do; the latter come from an address that stands for a private one.
PUBLIC, PRIVATE, PROBER = "127.0.0.1", "127.0.0.2", "127.0.0.3"
FILES = ("index.php", "wp-login.php", "wp-admin/index.php", "wp-admin/admin-ajax.php", "wp-admin/admin-post.php",
         "wp-admin/css/login.css", "wp-content/a.css")  # fmt: skip
_PARAMS = ("QUERY_STRING $query_string", "REQUEST_METHOD $request_method", "SCRIPT_NAME $fastcgi_script_name",
           "REQUEST_URI $request_uri", "REMOTE_ADDR $remote_addr", "REMOTE_USER $remote_user")  # fmt: skip


def guarded_context(stands_before: Guarded) -> Context:
    """The context of a webserver whose Guardian stands there, with the private address of here."""
    context = context_for(dataclasses.replace(WEB, private_ipv4=PRIVATE), domain=HOST)
    return dataclasses.replace(context, answers={**context.answers, "access.guardian": stands_before.value})


def nginx_program(folder: Path) -> str:
    """nginx itself."""
    there = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if there is None:
        # as root apt hands the download to its own user, who must be able to write here
        downloads = folder / "packages"
        downloads.mkdir(mode=0o777)
        words = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "nginx"]
        subprocess.run(words, cwd=downloads, check=True, capture_output=True)
        (package,) = downloads.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "unpacked")], check=True)
        there = str(folder / "unpacked/usr/sbin/nginx")
    return there


@dataclass
class GuardedSite:
    """nginx as it runs.

    Attributes:
        passed: what the application was told by the last request, by FastCGI's names.
        failing: the path at which the application answers 500.
        visitor: from which of many addresses the public asks; each may try so many passwords.
    """

    folder: Path
    program: str
    port: int
    trust: ssl.SSLContext
    passed: dict[str, str] = field(default_factory=dict)
    failing: str = ""
    visitor: int = 1

    @property
    def guardian(self) -> Path:
        return self.folder / "guardian"

    def allow(self, people: Mapping[str, str], token: str = "") -> None:
        """Names and hashes, and the token of the list; nginx looks at the token when it is reloaded."""
        people_file = self.guardian / "people"
        people_file.write_text("".join(f"{name}:{hashed}\n" for name, hashed in people.items()))
        people_file.chmod(0o644)
        token_file = self.guardian / "token.map"
        token_file.unlink(missing_ok=True)
        if token:
            token_file.write_text(f"default {token};\n")

    def get(
        self, path: str, *, who: str = "", agent: str = "", cookie: str = "", private: bool = False, bearer: str = ""
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Status, headers and body.

        Args:
            who: ``name:password``.
            private: over the private network, as probers come.
        """
        to, source = (PRIVATE, PROBER) if private else (PUBLIC, f"127.0.9.{self.visitor}")
        line = http.client.HTTPSConnection(HOST, self.port, timeout=20, context=self.trust)
        plain = socket.create_connection((to, self.port), 20, (source, 0))
        line.sock = self.trust.wrap_socket(plain, server_hostname=HOST)
        headers = {"Host": HOST}
        if who:
            headers["Authorization"] = "Basic " + base64.b64encode(who.encode()).decode()
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        if agent:
            headers["User-Agent"] = agent
        if cookie:
            headers["Cookie"] = cookie
        try:
            line.request("GET", path, headers=headers)
            answer = line.getresponse()
            return answer.status, answer.headers, answer.read().decode(errors="replace")
        finally:
            line.close()

    def reload(self) -> None:
        """As systemd does it; returns when a worker with the new settings answers."""
        workers = self._workers()
        subprocess.run([*self._words(), "-s", "reload"], check=True, capture_output=True)
        wait_until(
            "nginx's new workers",
            lambda: self._workers().isdisjoint(workers) or None,
            timeout_s=30,
            clock=SystemClock(),
        )

    def test(self) -> subprocess.CompletedProcess[str]:
        """``nginx -t``."""
        return subprocess.run([*self._words(), "-t"], capture_output=True, text=True, check=False)

    def _words(self) -> list[str]:
        return [self.program, "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)]

    def _workers(self) -> set[str]:
        master = (self.folder / "nginx.pid").read_text().strip()
        return set(Path(f"/proc/{master}/task/{master}/children").read_text().split())


@contextmanager
def guarded_site(folder: Path, program: str, context: Context) -> Iterator[GuardedSite]:
    """The webserver of that context; its domain must be tls_sites.HOST."""
    assert context.domain == HOST
    folder.chmod(0o755)
    authority = Authority()
    (port,) = free_ports(1)
    site = GuardedSite(folder, program, port, ssl.create_default_context(cadata=authority.pem))
    for name in ("guardian", "tls", "app/current", "app/pages", "load", "logs", "temp"):
        (folder / name).mkdir(parents=True)
    for name in FILES:
        place = folder / "app/current" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(name)
    (folder / "app/pages/503.html").write_text("back soon")
    (folder / "load/load.json").write_text("{}")
    authority.issue(folder / "tls")
    for name in ("fullchain.pem", "key.pem"):
        shutil.copy(folder / "tls/pair.pem", folder / "tls" / name)
    site.allow({})
    (folder / "nginx.conf").write_text(_main(folder))
    params = "".join(f"fastcgi_param {each};\n" for each in _PARAMS)
    (folder / "fastcgi_params").write_text(params)
    conf = {step.path: str(step.content) for step in webserver.steps(context) if isinstance(step, File)}
    for path, text in conf.items():
        if path.startswith("/etc/nginx/"):
            (folder / "conf").mkdir(exist_ok=True)
            # conf.d comes before sites-available, as in Debian's nginx.conf
            (folder / "conf" / path.removeprefix("/etc/nginx/").replace("/", "-")).with_suffix(".conf").write_text(
                _here(text, folder, port)
            )
    with _application(folder / "php.sock", site):
        process = subprocess.Popen([*site._words(), "-g", "daemon off;"], stderr=subprocess.PIPE)
        try:
            wait_until("nginx", lambda: _answers(process, port) or None, timeout_s=30, clock=SystemClock())
            yield site
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _main(folder: Path) -> str:
    # a test's folder is its owner's alone, so the workers are its owner's too
    user = "" if os.geteuid() else f"user root {grp.getgrgid(os.getegid()).gr_name};\n"
    temp = "".join(f"    {kind}_temp_path {folder}/temp/{kind};\n"
                   for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))  # fmt: skip
    return (
        f"{user}worker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/logs/error.log;\n"
        f"events {{}}\nhttp {{\n{temp}    include {folder}/conf/*.conf;\n}}\n"
    )


def _here(text: str, folder: Path, port: int) -> str:
    lines = [line for line in text.splitlines() if "listen [::]" not in line]
    moved = "\n".join(lines) + "\n"
    (other,) = free_ports(1)
    for old, new in (
        ("listen 80", f"listen {PUBLIC}:{other}"),
        ("listen 443", f"listen {port}"),
        ("10.0.0.0/8 1;", f"{PROBER}/32 1;"),
        (FOLDER, str(folder / "guardian")),
        (LOAD, str(folder / "load")),
        (webserver.APPLICATION, str(folder / "app")),
        ("/etc/buildyard/tls/current", str(folder / "tls")),
        ("/var/log/nginx", str(folder / "logs")),
        ("unix:/run/php/buildyard-health.sock", f"unix:{folder}/php.sock"),
        ("unix:/run/php/buildyard.sock", f"unix:{folder}/php.sock"),
    ):
        moved = moved.replace(old, new)
    return moved


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    if process.poll() is not None:
        assert process.stderr is not None
        raise AssertionError(process.stderr.read().decode())
    with socket.socket() as line:
        return line.connect_ex((PUBLIC, port)) == 0


@contextmanager
def _application(path: Path, site: GuardedSite) -> Iterator[None]:
    """Speaks FastCGI (https://fastcgi-archives.github.io/FastCGI_Specification.html), one request a connection."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            params = b""
            while True:
                _, kind, request, length, padding = struct.unpack("!BBHHBx", self.rfile.read(8))
                content = self.rfile.read(length)
                self.rfile.read(padding)
                if kind == 4:
                    params += content
                if kind == 5 and not length:
                    break
            site.passed = _pairs(params)
            status = b"Status: 500 ill\r\n" if site.passed["REQUEST_URI"] == site.failing else b""
            body = status + b"Content-Type: text/plain\r\n\r\n" + json.dumps(site.passed).encode()
            for answer, data in ((6, body), (6, b""), (3, bytes(8))):
                self.wfile.write(struct.pack("!BBHHBx", 1, answer, request, len(data), 0) + data)

    with socketserver.ThreadingUnixStreamServer(str(path), Answer) as server:
        path.chmod(0o777)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def _pairs(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0

    def length() -> int:
        nonlocal at
        size = data[at]
        if size < 128:
            at += 1
            return size
        at += 4
        return int(struct.unpack("!I", data[at - 4 : at])[0]) & 0x7FFFFFFF

    while at < len(data):
        name, value = length(), length()
        found[data[at : at + name].decode()] = data[at + name : at + name + value].decode(errors="replace")
        at += name + value
    return found
