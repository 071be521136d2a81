"""A visitor for a while, as a program of its own: started in a namespace by :mod:`tests.journeys.visitors`.

It asks the authoritative server for the site's addresses and keeps the answer for a time of its own, asks for a page
so often a second, and tries the next address when one fails, as browsers do. A line of JSON for each request: when it
began, how long it took, whether a page came, from which address, and what went wrong on the way.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import socket
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import dns.exception
import dns.message
import dns.query

#: One address is given up after this and the next one tried; curl's and browsers' are shorter for connecting alone.
ATTEMPT_S = 3.0
#: A busy site shall not be asked by more at once than these.
MOST_AT_ONCE = 40


class Names:
    """The site's addresses, asked for anew when the answer is older than ``ttl_s``."""

    def __init__(self, host: str, server: str, ttl_s: float) -> None:
        self._host = host
        self._server = server.rpartition(":")
        self._ttl_s = ttl_s
        self._lock = threading.Lock()
        self._answer: tuple[float, list[str]] = (0.0, [])

    def addresses(self) -> list[str]:
        with self._lock:
            at, known = self._answer
            if time.monotonic() - at > self._ttl_s or not known:
                try:
                    known = self._ask()
                    self._answer = (time.monotonic(), known)
                except (dns.exception.DNSException, OSError):
                    pass  # as resolvers do: what is known holds until there is an answer
            return random.sample(known, len(known))

    def _ask(self) -> list[str]:
        host, _, port = self._server
        answer = dns.query.udp(dns.message.make_query(self._host, "A"), host, port=int(port), timeout=2)
        return sorted(item.to_text() for rrset in answer.answer for item in rrset)


class Visitor:
    """Asks for pages over connections of its own."""

    def __init__(self, host: str, names: Names, trust: ssl.SSLContext, *, keep_alive: bool) -> None:
        self._host = host
        self._names = names
        self._trust = trust
        self._keep_alive = keep_alive
        self._open: http.client.HTTPSConnection | None = None

    def visit(self, path: str) -> dict[str, object]:
        began, trouble = time.time(), []
        if self._open is not None:
            found = self._over(self._open, path)
            if found == "":
                return self._line(began, self._open.host, trouble, ok=True)
            # the server may have closed a connection that was kept; browsers begin a new one then
            trouble.append(f"kept connection: {found}")
            self._drop()
        for address in self._names.addresses():
            connection = _Connection(address, self._host, self._trust)
            found = self._over(connection, path)
            if found == "":
                if self._keep_alive:
                    self._open = connection
                else:
                    connection.close()
                return self._line(began, address, trouble, ok=True)
            trouble.append(f"{address}: {found}")
            connection.close()
        return self._line(began, "", trouble, ok=False)

    def close(self) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = None

    def _over(self, connection: http.client.HTTPSConnection, path: str) -> str:
        headers = {"Host": self._host, "Connection": "keep-alive" if self._keep_alive else "close"}
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        return "" if answer.status == 200 else f"HTTP {answer.status}"

    def _line(self, began: float, address: str, trouble: list[str], *, ok: bool) -> dict[str, object]:
        took = time.time() - began
        return {"at": began, "took_s": round(took, 3), "ok": ok, "address": address, "trouble": trouble}


class _Connection(http.client.HTTPSConnection):
    """To an address, by the site's name."""

    def __init__(self, address: str, name: str, trust: ssl.SSLContext) -> None:
        super().__init__(address, timeout=ATTEMPT_S, context=trust)
        self._name = name
        self._trust = trust

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        try:
            self.sock = self._trust.wrap_socket(plain, server_hostname=self._name)
        except BaseException:
            plain.close()
            raise


def main() -> int:
    words = argparse.ArgumentParser()
    words.add_argument("--host", required=True)
    words.add_argument("--dns", required=True, help="address:port of the authoritative server")
    words.add_argument("--ca-file", required=True)
    words.add_argument("--path", action="append", required=True, help="asked for in turn")
    words.add_argument("--per-s", type=float, required=True)
    words.add_argument("--ttl-s", type=float, default=5.0)
    words.add_argument("--keep-alive", action="store_true")
    words.add_argument("--visitors", type=int, default=1, help="so many with connections and names of their own")
    told = words.parse_args()
    trust = ssl.create_default_context(cafile=told.ca_file)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()

    def one() -> Visitor:
        return Visitor(told.host, Names(told.host, told.dns, told.ttl_s), trust, keep_alive=told.keep_alive)

    visitors = [one() for _ in range(told.visitors)]
    writing = threading.Lock()

    def ask(visitor: Visitor, path: str, free: threading.Lock) -> None:
        try:
            line = json.dumps(visitor.visit(path))
        finally:
            free.release()
        with writing:
            print(line, flush=True)

    # A kept connection serves one request at a time.
    free = [threading.Lock() for _ in visitors]
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        number, next_at = 0, time.monotonic()
        while not ended.is_set():
            which = number % len(visitors)
            path = told.path[number % len(told.path)]
            # without a kept connection each request is on its own
            lock = free[which] if told.keep_alive else threading.Lock()
            if lock.acquire(blocking=False):
                pool.submit(ask, visitors[which], path, lock)
            number += 1
            next_at += 1 / told.per_s
            ended.wait(max(0.0, next_at - time.monotonic()))
    for visitor in visitors:
        visitor.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
