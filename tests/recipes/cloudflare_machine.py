"""A machine behind Cloudflare on paper: a folder, commands that note what they are told, a server with the list."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from recipes.texts import text_of

V4, V6 = ["198.18.0.0/20", "198.18.64.0/18", "198.19.0.0/16"], ["2001:db8:1000::/36", "2001:db8:2000::/36"]
OWN_V4, OWN_V6, PRIVATE = "192.0.2.11", "2001:db8::11", "10.1.0.11"

#: ufw, nginx and systemctl as far as the program knows them. Each call is noted; "fail" holds words that shall fail.
STUB = r"""#!/bin/sh
set -eu
folder='@FOLDER@'
name=${0##*/}
line="$name $*"
printf '%s\n' "$line" >>"$folder/calls"
touch "$folder/fail" "$folder/rules"
read -r fail <"$folder/fail" || true
case $line in
"${fail:-nothing}"*) echo "$name says no" >&2; exit 1 ;;
"ufw show added")
    echo "Added user rules (see 'ufw status' for running firewall):"
    sed 's/^/ufw allow /' "$folder/rules"
    ;;
"ufw "*)
    delete=
    [ "$2" = allow ] && { delete=yes; shift; }
    rule="to $7 port $9 proto $3"
    [ "$5" = any ] || rule="from $5 $rule"
    [ -n "$delete" ] || { printf '%s\n' "$rule" >>"$folder/rules"; exit; }
    grep -Fxq "$rule" "$folder/rules"
    grep -Fxv "$rule" "$folder/rules" >"$folder/left" || true
    mv "$folder/left" "$folder/rules"
    ;;
"systemctl is-active --quiet nginx") [ ! -e "$folder/nginx-is-off" ] ;;
esac
"""


@dataclass
class Publisher:
    """Answers every request with ``status`` and ``body``."""

    body: Any
    status: int = 200
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def published(v4: object = V4, v6: object = V6) -> dict[str, Any]:
    result = {"ipv4_cidrs": v4, "ipv6_cidrs": v6, "etag": "e"}
    return {"success": True, "errors": [], "messages": [], "result": result}


@contextmanager
def publishing() -> Iterator[Publisher]:
    """A server on loopback that tells the list."""
    told = Publisher(published())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(told.bytes())))
            self.end_headers()
            self.wfile.write(told.bytes())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_port}/client/v4/ips"
        yield told
        server.shutdown()
        thread.join()


class Machine:
    """A folder that is a machine to the program."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        text = text_of("buildyard-cloudflare-ranges")
        for place in ("/etc/buildyard", "/etc/nginx", "/var/lib/buildyard", "/run"):
            assert f'"{place}/' in text
            text = text.replace(f'"{place}/', f'"{folder}{place}/')
            (folder / place[1:]).mkdir(parents=True)
        self.program = folder / "program"
        self.program.write_text(text)
        self.conf = folder / "etc/buildyard/cloudflare.conf"
        self.conf.write_text(f"URL={url}\nCA=\nORIGIN_PULL_CA=/etc/buildyard/ca.pem\n")
        (folder / "etc/buildyard/public-addresses").write_text(f"{OWN_V4}\n{OWN_V6}\n")
        self.list = folder / "var/lib/buildyard/cloudflare-ranges"
        self.snippet = folder / "etc/nginx/buildyard-site.d/10-cloudflare.conf"
        (folder / "bin").mkdir()
        for name in ("ufw", "nginx", "systemctl"):
            stub = folder / "bin" / name
            stub.write_text(STUB.replace("@FOLDER@", str(folder)))
            stub.chmod(0o755)

    def run(self, *arguments: str, code: int = 0) -> str:
        """What it printed; the calls of this run only are in :attr:`calls`."""
        (self.folder / "calls").write_text("")
        done = subprocess.run(
            [sys.executable, "-I", str(self.program), *arguments],
            env={"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fail(self, words: str) -> None:
        (self.folder / "fail").write_text(words)

    def allow(self, *rules: str) -> None:
        (self.folder / "rules").write_text("".join(f"{rule}\n" for rule in rules))

    @property
    def calls(self) -> list[str]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line != "ufw show added"]

    @property
    def rules(self) -> set[str]:
        return set((self.folder / "rules").read_text().splitlines())
