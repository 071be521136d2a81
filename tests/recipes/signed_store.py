"""A store that gives files over HTTPS to who has their signed address; a process, so that it can live in a namespace.

usage: python -m tests.recipes.signed_store ADDRESS FOLDER CHAIN KEY SIGNATURE    prints its port when it listens
"""

from __future__ import annotations

import functools
import ssl
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class Files(SimpleHTTPRequestHandler):
    """Files below one folder."""

    signature = ""

    def do_GET(self) -> None:
        if not self.path.endswith(f"?X-Amz-Signature={self.signature}"):
            self.send_error(403)
        else:
            super().do_GET()

    def log_message(self, *_words: object) -> None: ...


def main(address: str, folder: str, chain: str, key: str, signature: str) -> None:
    """Serves until it is ended."""
    Files.signature = signature
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    with ThreadingHTTPServer((address, 0), functools.partial(Files, directory=folder)) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
