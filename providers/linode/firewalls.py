"""Linode's Cloud Firewalls: each on the machines that carry its tag, changed in place.

The vendor's firewalls know machines, not tags. So a firewall keeps its tag among its own; a machine is made with it
(:meth:`Firewalls.of`), and those that were there before are given to it when it is put.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from providers.contract import Firewall, InboundRule, Protocols
from providers.http import Api
from providers.linode import api
from providers.linode.labels import FIREWALL, firewall_name, firewall_tags, label_of
from providers.named import named
from state.errors import UsageError

#: In one firewall, and sources in one rule: the API description's ``rules``; outbound takes none of them.
MOST_RULES, _MOST_SOURCES = 25, 255


@dataclass(frozen=True, slots=True)
class Firewalls:
    """The firewalls of an account.

    Attributes:
        tagged: the ids of the machines with a tag.
    """

    api: Api
    tagged: Callable[[str], tuple[int, ...]]

    def put(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        """Makes the firewall of that name exactly this, and guards every machine with the tag by it."""
        if len(inbound) > MOST_RULES:
            raise UsageError(
                f"Linode takes {MOST_RULES} rules in a firewall; {name} would have {len(inbound)}.",
                hint="Put addresses that may use the same port into one rule.",
            )
        if any(not 1 <= len(rule.sources) <= _MOST_SOURCES for rule in inbound):
            raise UsageError(f"A rule of firewall {name} has no source or more than {_MOST_SOURCES}.")
        tags, rules = firewall_tags(name, tag), _rules_body(inbound)
        standing = self._body(name) or self._make(name, tag, {"tags": tags, "rules": rules})
        firewall = str(standing["id"])
        if not _has(standing["rules"], rules):
            # Replaces the whole set at once.
            self.api.call(api.PUT_RULES.at(id=firewall), body=rules)
        if set(standing["tags"]) != set(tags) or standing["status"] != "enabled":
            self.api.call(api.CHANGE_FIREWALL.at(id=firewall), body={"tags": tags, "status": "enabled"})
        self._guard(firewall, tag, leave=read(standing).tag != tag)
        return Firewall(firewall, name, tag, _rules_of({"rules": rules}))

    def _make(self, name: str, tag: str, body: dict[str, Any]) -> dict[str, Any]:
        """A new one, which guards the machines that are there from its first moment on."""
        body["label"] = label_of(name, FIREWALL)
        if machines := self.tagged(tag):
            body["devices"] = {"linodes": list(machines)}

        def made(answer: Any) -> dict[str, Any]:
            return dict(answer)

        return self.api.create(api.CREATE_FIREWALL, body=body, find=lambda: self._body(name), reader=made, looked=True)

    def listed(self, name_prefix: str) -> tuple[Firewall, ...]:
        """By the beginning of their names."""
        return named(self.api.listed(api.FIREWALLS, read), name_prefix)

    def delete(self, firewall_id: str) -> None:
        """Removes it; its machines are without one then."""
        self.api.delete(api.DELETE_FIREWALL.at(id=firewall_id))

    def of(self, tags: tuple[str, ...]) -> int | None:
        """The firewall for a machine with these tags.

        Raises:
            UsageError: there are several; a machine can have one
                (techdocs.akamai.com/linode-api/reference/post-firewalls).
        """
        found = [firewall for firewall in self.api.listed(api.FIREWALLS, read) if firewall.tag in tags]
        if len(found) > 1:
            raise UsageError(
                f"Linode lets one firewall guard a machine; {' and '.join(each.name for each in found)} both would.",
                hint="give the machine one of their tags only",
            )
        return int(found[0].id) if found else None

    def _body(self, name: str) -> dict[str, Any] | None:
        return next((body for body in self.api.listed(api.FIREWALLS, dict) if read(body).name == name), None)

    def _guard(self, firewall: str, tag: str, *, leave: bool) -> None:
        """Gives the firewall all machines with that tag; with ``leave``, takes it off those that are without."""
        machines = self.tagged(tag)
        guarded = self._guarded(firewall)
        for machine in machines:
            if machine not in guarded:
                self.api.create(
                    api.CREATE_DEVICE.at(id=firewall),
                    body={"id": machine, "type": "linode"},
                    find=lambda machine=machine: self._guarded(firewall).get(machine),  # type: ignore[misc]
                    reader=lambda answer: str(answer["id"]),
                    looked=True,
                )
        if leave:
            for machine, device in guarded.items():
                if machine not in machines:
                    self.api.delete(api.DELETE_DEVICE.at(id=firewall, device=device))

    def _guarded(self, firewall: str) -> dict[int, str]:
        """The machines of a firewall, each with the id of their connection."""
        devices = self.api.listed(api.DEVICES.at(id=firewall), dict)
        return {
            int(device["entity"]["id"]): str(device["id"]) for device in devices if device["entity"]["type"] == "linode"
        }


def read(body: Mapping[str, Any]) -> Firewall:
    name, tag = firewall_name(body["label"], body.get("tags") or [])
    return Firewall(id=str(body["id"]), name=name, tag=tag, inbound=_rules_of(body))


def _rules_body(inbound: tuple[InboundRule, ...]) -> dict[str, Any]:
    """The rules as they are sent, whole. Outbound is open (design, chapter 2)."""
    return {
        "inbound_policy": "DROP",
        "inbound": [_rule_body(rule) for rule in inbound],
        "outbound_policy": "ACCEPT",
        "outbound": [],
    }


def _has(standing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a firewall has these rules already; the API adds fields of its own to each."""
    return (
        _rules_of({"rules": standing}) == _rules_of({"rules": wanted})
        and not standing.get("outbound")
        and all(standing[policy] == wanted[policy] for policy in ("inbound_policy", "outbound_policy"))
    )


def _rule_body(rule: InboundRule) -> dict[str, Any]:
    networks = [ip_network(source, strict=False) for source in rule.sources]
    addresses = {
        key: [str(network) for network in networks if network.version == version]
        for key, version in (("ipv4", 4), ("ipv6", 6))
    }
    body: dict[str, Any] = {
        "action": "ACCEPT",
        "protocol": rule.protocol.value.upper(),
        # An empty list is refused.
        "addresses": {key: values for key, values in addresses.items() if values},
    }
    if rule.protocol is not Protocols.ICMP:
        body["ports"] = str(rule.port)
    return body


def _rules_of(body: Mapping[str, Any]) -> tuple[InboundRule, ...]:
    return tuple(_read_rule(rule) for rule in body["rules"].get("inbound") or ())


def _read_rule(body: Mapping[str, Any]) -> InboundRule:
    """A rule; one that somebody wrote by hand and our values cannot express still differs from each of ours."""
    addresses = body.get("addresses") or {}
    sources = tuple(_cidr(each) for key in ("ipv4", "ipv6") for each in addresses.get(key) or ())
    protocol, ports = str(body.get("protocol")).lower(), str(body.get("ports") or "0")
    known = protocol in tuple(Protocols) and body.get("action") == "ACCEPT"
    return InboundRule(
        protocol=Protocols(protocol) if known else Protocols.TCP,
        port=int(ports) if known and ports.isdecimal() else -1,
        sources=sources,
    )


def _cidr(address: str) -> str:
    try:
        return str(ip_network(address, strict=False))
    except ValueError:
        return address
