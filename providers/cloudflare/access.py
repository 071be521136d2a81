"""Cloudflare Access: a log-in before a part of the site, as an application with one policy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.cloudflare import api
from providers.edge import AccessGate
from providers.http import Api
from state.errors import Conflict, UsageError

#: Our policy's name within an application.
POLICY = "buildyard"

_ADDRESS = re.compile(r"[^@\s]*@[^@\s]+\.[^@\s]+")
_HOURS = re.compile(r"([0-9]+)h(?:0m0s)?")


@dataclass(frozen=True, slots=True)
class _Policy:
    id: str
    name: str
    decision: str
    allowed: tuple[str, ...]
    plain: bool
    reusable: bool


@dataclass(frozen=True, slots=True)
class Gates:
    """The applications of a zone.

    Args:
        api: the client.
    """

    api: Api

    def all(self, zone_id: str) -> tuple[AccessGate, ...]:
        """Every gate with who gets through; what is no address stands as the vendor's own words."""
        found = []
        for app_id, gate in self._apps(zone_id):
            allowing = [policy for policy in self._policies(zone_id, app_id) if policy.decision == "allow"]
            allowed = tuple(dict.fromkeys(who for policy in allowing for who in policy.allowed))
            found.append(AccessGate(gate.name, gate.place, allowed, gate.session_h))
        return tuple(found)

    def put(self, zone_id: str, gate: AccessGate) -> None:
        """Makes the gate; an application without a policy lets nobody in, so there is no open moment."""
        _check(gate)
        app_id = self._put_app(zone_id, gate)
        standing = self._policies(zone_id, app_id)
        if reusable := [policy.name for policy in standing if policy.reusable]:
            raise Conflict(
                f"The log-in before {gate.place} has rules that belong to the whole account: {', '.join(reusable)}.",
                detail="They may let others in than those who were named; other applications may need them.",
                hint="Take them off that application in Cloudflare's control panel, under Access, then try again.",
            )
        kept = self._put_policy(zone_id, app_id, gate, standing)
        for policy in standing:
            if policy.id != kept:
                self.api.delete(api.DELETE_POLICY.at(zone=zone_id, app=app_id, id=policy.id))

    def delete(self, zone_id: str, place: str) -> None:
        """Removes the gate at that place; none is no error."""
        for app_id, gate in self._apps(zone_id):
            if gate.place == place:
                self.api.delete(api.DELETE_GATE.at(zone=zone_id, id=app_id))

    def _put_app(self, zone_id: str, gate: AccessGate) -> str:
        body = {
            "type": "self_hosted",
            "name": gate.name,
            "domain": gate.place,
            "session_duration": f"{gate.session_h}h",
            "app_launcher_visible": False,
        }

        def find() -> tuple[str, AccessGate] | None:
            return next(((id_, one) for id_, one in self._apps(zone_id) if one.place == gate.place), None)

        def read(answer: Mapping[str, Any]) -> tuple[str, AccessGate]:
            return str(answer[api.RESULT]["id"]), _gate(answer[api.RESULT])

        app_id, there = self.api.create(api.CREATE_GATE.at(zone=zone_id), body=body, find=find, reader=read)
        if (there.name, there.session_h) != (gate.name, gate.session_h):
            self.api.call(api.PUT_GATE.at(zone=zone_id, id=app_id), body=body)
        return app_id

    def _put_policy(self, zone_id: str, app_id: str, gate: AccessGate, standing: list[_Policy]) -> str:
        body = {"name": POLICY, "decision": "allow", "include": [_rule(who) for who in gate.allowed]}

        known = next((policy for policy in standing if policy.name == POLICY), None)
        if known is None:

            def find() -> str | None:
                fresh = self._policies(zone_id, app_id)
                return next((policy.id for policy in fresh if policy.name == POLICY), None)

            return self.api.create(
                api.CREATE_POLICY.at(zone=zone_id, app=app_id),
                body=body,
                find=find,
                reader=lambda answer: str(answer[api.RESULT]["id"]),
                looked=True,
            )
        if (known.decision, set(known.allowed), known.plain) != ("allow", set(gate.allowed), True):
            self.api.call(api.PUT_POLICY.at(zone=zone_id, app=app_id, id=known.id), body=body)
        return known.id

    def _apps(self, zone_id: str) -> list[tuple[str, AccessGate]]:
        apps = self.api.listed(
            api.GATES.at(zone=zone_id), lambda body: (str(body["id"]), str(body.get("type")), _gate(body))
        )
        return [(id_, gate) for id_, type_, gate in apps if type_ == "self_hosted"]

    def _policies(self, zone_id: str, app_id: str) -> list[_Policy]:
        def read(body: Mapping[str, Any]) -> _Policy:
            return _Policy(
                id=str(body["id"]),
                name=str(body.get("name", "")),
                decision=str(body.get("decision", "")),
                allowed=tuple(_who(rule) for rule in body.get("include") or ()),
                plain=not (body.get("exclude") or body.get("require")),
                reusable=bool(body.get("reusable")),
            )

        return self.api.listed(api.POLICIES.at(zone=zone_id, app=app_id), read)


def _check(gate: AccessGate) -> None:
    if not gate.allowed:
        raise UsageError(f"Nobody would get through to {gate.place}.", hint="name an e-mail address or @example.org")
    for who in gate.allowed:
        if not _ADDRESS.fullmatch(who):
            raise UsageError(f"{who!r} is neither an e-mail address nor @ and a domain.")


def _gate(body: Mapping[str, Any]) -> AccessGate:
    hours = _HOURS.fullmatch(str(body.get("session_duration", "")))
    return AccessGate(str(body.get("name", "")), str(body.get("domain", "")), (), int(hours[1]) if hours else 0)


def _rule(who: str) -> dict[str, dict[str, str]]:
    return {"email_domain": {"domain": who[1:]}} if who.startswith("@") else {"email": {"email": who}}


def _who(rule: Mapping[str, Any]) -> str:
    if "email" in rule:
        return str(rule["email"]["email"])
    if "email_domain" in rule:
        return f"@{rule['email_domain']['domain']}"
    return json.dumps(rule, sort_keys=True)
