"""What Hetzner does on its own time: each change is an action that is asked after until it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from providers.hetzner import api
from providers.http import Api
from state.clock import Clock, wait_until
from state.errors import NotFound, ProviderError

T = TypeVar("T")

#: Seconds; the vendor names none: power, firewalls and records are done within seconds.
ACTION_S = 300.0


def action_ids(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """The actions that an answer says were begun."""
    begun = [answer.get("action"), *(answer.get("actions") or ())]
    return tuple(str(action["id"]) for action in begun if action)


@dataclass(frozen=True, slots=True)
class Actions:
    """The actions of a project."""

    api: Api
    clock: Clock

    def wait(self, what: str, probe: Callable[[], T | None], timeout_s: float = ACTION_S) -> T:
        """Asks until there is an answer; see :func:`state.clock.wait_until`."""
        hint = "look in Hetzner Console what holds it; then repeat the command"
        return wait_until(what, probe, timeout_s=timeout_s, clock=self.clock, longest_s=5.0, hint=hint)

    def finish(self, ids: Iterable[str], what: str, timeout_s: float = ACTION_S) -> None:
        """Waits until all of them are over.

        Raises:
            ProviderError: one failed.
            DeadlineExceeded: after ``timeout_s`` seconds for one.
        """
        for action_id in ids:
            self.wait(what, lambda action_id=action_id: self._over(action_id, what), timeout_s)  # type: ignore[misc]

    def _over(self, action_id: str, what: str) -> bool:
        action = self.api.read(api.ACTION.at(id=action_id), lambda answer: dict(answer["action"]))
        if action["status"] != "error" or self._was_about_gone_servers(action):
            return bool(action["status"] != "running")
        error = action.get("error") or {}
        raise ProviderError(
            f"Hetzner's action {action.get('command', '')} failed; waited for {what}.",
            detail=f"action {action_id}: {error.get('message', 'no reason given')} ({error.get('code', '')})",
            hint="Try again; if it fails again, look at the project in Hetzner Console.",
        )

    def _was_about_gone_servers(self, action: Mapping[str, Any]) -> bool:
        """A server that is deleted in the same moment needs no firewall any more."""
        servers = [str(each["id"]) for each in action.get("resources") or () if each["type"] == "server"]
        return bool(servers) and not any(map(self._is_there, servers))

    def _is_there(self, server_id: str) -> bool:
        try:
            self.api.call(api.SERVER.at(id=server_id))
        except NotFound:
            return False
        return True
