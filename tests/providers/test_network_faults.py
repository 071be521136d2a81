"""Faults on a real connection: servers that stall, dribble, hang up, or are not there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from providers.bucket import Bucket
from providers.digitalocean.driver import DigitalOcean
from providers.http import Patience
from state.clock import SystemClock
from state.errors import ProviderError, Unavailable
from state.secret import Secret

TOKEN = Secret("canary-token-0123456789")
HASTY = Patience(request_s=0.3, call_s=1.0, first_pause_s=0.05, longest_pause_s=0.1, settle_s=0.1)


@contextmanager
def server(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A loopback server which does with each connection what it is told."""
    over = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def one(connection: socket.socket) -> None:
            with connection:
                connection.recv(65536)
                try:
                    serve(connection, over)
                except OSError:
                    return  # the client hung up, as it should

        def accept() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
                threads[-1].start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            for thread in (acceptor, *threads):
                thread.join(timeout=5)


def stall(_connection: socket.socket, over: threading.Event) -> None:
    over.wait(10)


def dribble(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not over.wait(0.05):
        connection.sendall(b" ")


def half(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: "x"\r\n\r\n{"droplets": [')


def hang_up(_connection: socket.socket, _over: threading.Event) -> None: ...


def nonsense(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize("serve", [stall, dribble, half, hang_up, nonsense])
def test_the_driver_ends_by_its_deadline(serve: Callable[[socket.socket, threading.Event], None]) -> None:
    with server(serve) as url:
        driver = DigitalOcean(TOKEN, api_url=url, clock=SystemClock(), patience=HASTY)
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            driver.machines("by-demo-fleet")
        assert time.monotonic() - began < HASTY.call_s + 2 * HASTY.request_s + 1
        assert TOKEN.reveal() not in caught.value.text()
        driver.close()


@pytest.mark.parametrize("serve", [half, hang_up, nonsense])
def test_a_store_that_breaks_off_is_a_provider_error(serve: Callable[[socket.socket, threading.Event], None]) -> None:
    with server(serve) as url:
        bucket = Bucket(url, "us-east-1", "ACCESS", TOKEN, "b")
        with pytest.raises(ProviderError) as caught:
            bucket.put_if_absent("a", b"1") if serve is not half else bucket.get("a")
        assert TOKEN.reveal() not in caught.value.text()
        bucket.close()
