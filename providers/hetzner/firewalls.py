"""Hetzner's cloud firewalls: by label on every server that has it, and in the create request of every new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from providers.contract import Firewall, InboundRule, Protocols
from providers.hetzner import api
from providers.hetzner.actions import Actions, action_ids
from providers.http import Api
from providers.named import named
from providers.operations import Operation
from state.errors import Conflict, NotFound, UsageError

#: Rules in a firewall, addresses in a rule (the API description's ``rule`` and ``set_rules``), and all addresses of all
#: rules: https://docs.hetzner.com/cloud/firewalls/overview#limits names 500 "effective rules"; that one address in one
#: rule is one of them is our reading.
MOST_RULES, MOST_SOURCES, MOST_EFFECTIVE = 50, 100, 500

#: Those the contract speaks of; the vendor knows ESP and GRE as well.
_PROTOCOLS = frozenset(each.value for each in Protocols)
_SERVER, _SELECTOR = "server", "label_selector"


def check_rules(name: str, inbound: tuple[InboundRule, ...]) -> None:
    """Refuses what the vendor would refuse, before anything is made.

    Raises:
        UsageError: too many rules, or a rule with too many addresses or none.
    """
    hint = "Put addresses that may use the same port into one rule, or neighbouring ones into one network."
    if len(inbound) > MOST_RULES:
        raise UsageError(
            f"Hetzner takes {MOST_RULES} rules in a firewall; {name} would have {len(inbound)}.", hint=hint
        )
    if any(not 1 <= len(rule.sources) <= MOST_SOURCES for rule in inbound):
        raise UsageError(f"A rule of firewall {name} has no source or more than {MOST_SOURCES}.", hint=hint)
    effective = sum(len(rule.sources) for rule in inbound)
    if effective > MOST_EFFECTIVE:
        raise UsageError(
            f"Hetzner takes {MOST_EFFECTIVE} addresses over all rules of a firewall; {name} would have {effective}.",
            hint=hint,
        )


def rules_body(inbound: tuple[InboundRule, ...]) -> list[dict[str, Any]]:
    """The rules as they are sent. There is no outbound one: without any, all outbound traffic is let through."""
    return [
        {
            "direction": "in",
            "protocol": rule.protocol.value,
            "source_ips": [_cidr(source) for source in rule.sources],
            **({} if rule.protocol is Protocols.ICMP else {"port": str(rule.port)}),
        }
        for rule in inbound
    ]


def read_firewall(body: Mapping[str, Any]) -> Firewall:
    return Firewall(
        id=str(body["id"]),
        name=body["name"],
        tag=",".join(_selectors(body)),
        inbound=tuple(_read_rule(rule) for rule in body["rules"]),
    )


def _read_rule(body: Mapping[str, Any]) -> InboundRule:
    """A rule; one that somebody wrote by hand and our values cannot express still differs from each of ours."""
    protocol, ports = body["protocol"], body.get("port") or "0"
    sources = [_cidr(source) for source in body.get("source_ips") or ()]
    if body["direction"] != "in" or protocol not in _PROTOCOLS:
        sources += [str(each) for each in body.get("destination_ips") or ()]
        return InboundRule(Protocols.TCP, -1, tuple(f"{body['direction']}:{protocol}:{each}" for each in sources))
    return InboundRule(Protocols(protocol), int(ports) if ports.isdecimal() else -1, tuple(sources))


def _cidr(address: str) -> str:
    try:
        return str(ip_network(address, strict=False))
    except ValueError:
        return address


def _selectors(body: Mapping[str, Any]) -> list[str]:
    return [str(each[_SELECTOR]["selector"]) for each in body["applied_to"] if each["type"] == _SELECTOR]


def _servers(body: Mapping[str, Any]) -> list[int]:
    return [int(each[_SERVER]["id"]) for each in body["applied_to"] if each["type"] == _SERVER]


def _resources(selectors: Iterable[str], servers: Iterable[int]) -> list[dict[str, Any]]:
    return [
        *({"type": _SELECTOR, _SELECTOR: {"selector": selector}} for selector in selectors),
        *({"type": _SERVER, _SERVER: {"id": server}} for server in servers),
    ]


@dataclass(frozen=True, slots=True)
class Firewalls:
    """The firewalls of a project."""

    api: Api
    actions: Actions

    def put(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        """Makes the firewall of that name exactly this, and waits until every server has it."""
        check_rules(name, inbound)
        rules = rules_body(inbound)
        body = {"name": name, "rules": rules, "apply_to": _resources([tag], [])}
        standing = self._of(name)
        if standing is None:
            standing, begun = self.api.create(
                api.CREATE_FIREWALL,
                body=body,
                find=lambda: (found, ()) if (found := self._of(name)) else None,
                reader=lambda answer: (dict(answer["firewall"]), action_ids(answer)),
                looked=True,
            )
            self.actions.finish(begun, f"the firewall {name} to guard its machines")
            made = read_firewall(standing)
            if (made.tag, made.inbound) == (tag, tuple(map(_read_rule, rules))):
                return made
        self._act(standing, api.SET_RULES, {"rules": rules})
        self._move(standing, tag)
        return read_firewall(self._one(str(standing["id"])))

    def listed(self, name_prefix: str) -> tuple[Firewall, ...]:
        """By the beginning of their names."""
        return named(self.api.listed(api.FIREWALLS, read_firewall), name_prefix)

    def guarding(self, tags: tuple[str, ...]) -> list[int]:
        """The ids of those that guard a machine with such tags."""

        def read(body: Mapping[str, Any]) -> int | None:
            return int(body["id"]) if set(_selectors(body)) & set(tags) else None

        return [found for found in self.api.listed(api.FIREWALLS, read) if found is not None]

    def delete(self, firewall_id: str) -> None:
        """Takes it off whatever it guards, then removes it: the vendor deletes none that is in use."""

        def gone() -> bool:
            try:
                body = self._one(firewall_id)
            except NotFound:
                return True
            try:
                if body["applied_to"]:
                    self._act(body, api.REMOVE, {"remove_from": _resources(_selectors(body), _servers(body))})
                self.api.call(api.DELETE_FIREWALL.at(id=firewall_id))
            except (Conflict, NotFound):
                return False  # a server left in that moment, or still has it: look again
            return True

        self.actions.wait(f"the firewall {firewall_id} to guard nothing", gone)

    def _move(self, body: Mapping[str, Any], tag: str) -> None:
        """Lets it guard that tag's machines only; the new ones are guarded before the old ones are not."""
        others = [selector for selector in _selectors(body) if selector != tag]
        if tag not in _selectors(body):
            with suppress(api.AlreadyApplied):
                self._act(body, api.APPLY, {"apply_to": _resources([tag], [])})
        if others:
            carriers = set(self.api.listed(api.SERVERS, lambda each: int(each["id"]), query={"label_selector": tag}))
            strangers = [server for server in _servers(body) if server not in carriers]
            self._act(body, api.REMOVE, {"remove_from": _resources(others, strangers)})

    def _act(self, firewall: Mapping[str, Any], operation: Operation, body: Mapping[str, Any]) -> None:
        what = f"the firewall {firewall['name']} to be changed on its machines"

        def begun() -> tuple[str, ...] | None:
            try:
                return self.api.read(operation.at(id=str(firewall["id"])), action_ids, body=body)
            except Conflict:
                return None  # another change of it is not over

        self.actions.finish(self.actions.wait(what, begun), what)

    def _one(self, firewall_id: str) -> dict[str, Any]:
        return self.api.read(api.FIREWALL.at(id=firewall_id), lambda answer: dict(answer["firewall"]))

    def _of(self, name: str) -> dict[str, Any] | None:
        found = self.api.listed(api.FIREWALLS, dict, query={"name": name})
        return next((body for body in found if body["name"] == name), None)
