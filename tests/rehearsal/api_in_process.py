"""The API in this process, as a test meets it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rehearsal.habits import Habits
from rehearsal.store import Store
from state.clock import Clock
from tests.rehearsal.described import Described
from tests.rehearsal.in_memory import TOKEN, MemoryKeys, MemoryNames, MemoryRoom, TestClient, make_test_app

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0zG0WxO6Yh3uY4kq8i6m3l6k2N3W8yqv5m4Yx1c2d3 someone@example.com"
BOX = {"name": "box-1", "size": "s-1vcpu-1gb", "image": "debian-12-x64", "region": "fra1"}


class Api:
    """The API as a test meets it: every answer is compared with the vendor's description."""

    def __init__(
        self, path: Path, described: Described, habits: Habits | None = None, clock: Clock | None = None
    ) -> None:
        self.room, self.names, self.keys = MemoryRoom(), MemoryNames(), MemoryKeys()
        self._path, self._described, self._habits, self._clock = path, described, habits, clock
        self._clients: list[TestClient] = []
        self.start()

    def start(self) -> None:
        app = make_test_app(
            self._path, room=self.room, names=self.names, keys=self.keys, habits=self._habits, clock=self._clock
        )
        headers = {"authorization": f"Bearer {TOKEN.reveal()}"}
        self.client = TestClient(app, base_url="https://api.example.com", headers=headers)
        self.client.__enter__()
        self._clients.append(self.client)

    def store(self) -> Store:
        """What it wrote down."""
        return Store(self._path / "store.sqlite")

    def restart(self) -> None:
        self.close()
        self.start()

    def close(self) -> None:
        while self._clients:
            self._clients.pop().__exit__(None, None, None)

    def ask(self, method: str, path: str, expect: int, **more: Any) -> Any:
        answer = self.client.request(method, f"/v2{path}", **more)
        assert answer.status_code == expect, answer.text
        self._described.check(answer)
        return answer.json() if answer.content else None

    def get(self, path: str, expect: int = 200, **more: Any) -> Any:
        return self.ask("GET", path, expect, **more)

    def post(self, path: str, body: Any, expect: int = 201) -> Any:
        return self.ask("POST", path, expect, json=body)

    def delete(self, path: str, expect: int = 204) -> Any:
        return self.ask("DELETE", path, expect)

    def droplet(self, **more: Any) -> dict[str, Any]:
        """A droplet that is active."""
        made = self.post("/droplets", {**BOX, **more}, 202)["droplet"]
        return eventually(lambda: self._active(made["id"]))

    def _active(self, id_: int) -> dict[str, Any] | None:
        found: dict[str, Any] = self.get(f"/droplets/{id_}")["droplet"]
        return found if found["status"] == "active" else None

    def firewall(self, **more: Any) -> dict[str, Any]:
        rule = {"protocol": "tcp", "ports": "1035", "sources": {"addresses": ["192.0.2.1"]}}
        body = {"name": "guard", "inbound_rules": [rule], **more}
        made: dict[str, Any] = self.post("/firewalls", body, 202)["firewall"]
        return made


def eventually(probe: Callable[[], Any]) -> Any:
    """What the API does in the background is a matter of milliseconds here."""
    end = time.monotonic() + 5
    while not (value := probe()):
        assert time.monotonic() < end, "it did not come"
        threading.Event().wait(0.01)
    return value
