"""Vultr's firewall groups: a machine is in one at most, rules are single things, and a group knows no tags.

So the group's description carries the tag beside the name, machines join it in the request that makes them, and those
that exist join when the firewall is put. A group filters the public side only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from providers.contract import Firewall, InboundRule, Protocols
from providers.http import Api
from providers.named import named, only
from providers.vultr import api
from state.errors import Conflict, NotFound, UsageError

#: ``max_rule_count`` of the description's example; a rule has one source.
MOST_RULES = 50

#: How a name and a tag stand in a description; neither has blanks or brackets.
_DESCRIPTION = re.compile(r"(?P<name>\S+) \((?P<tag>[^\s()]+)\)")

#: What takes a machine out of its group (docs.vultr.com/reference/vultr-cli/instance/update-firewall-group).
_NO_GROUP = "0"


def described(name: str, tag: str) -> str:
    """The description of a group.

    Raises:
        UsageError: the name could not be read back.
    """
    text = f"{name} ({tag})"
    if not _DESCRIPTION.fullmatch(text) or set(name) & set("()"):
        raise UsageError(f"The name of a firewall has no blanks and no brackets: {name!r}.")
    return text


def read_description(text: str) -> tuple[str, str]:
    """(Name, tag) of a group; one that somebody made by hand has no tag."""
    found = _DESCRIPTION.fullmatch(text)
    return (found["name"], found["tag"]) if found else (text, "")


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule of the API: lets one source in."""

    protocol: str
    port: str
    source: str

    def body(self) -> Mapping[str, Any]:
        network = ip_network(self.source)
        # In lower case, as the vendor's own clients send it; the description has capitals.
        body: dict[str, Any] = {
            "ip_type": f"v{network.version}",
            "protocol": self.protocol,
            "subnet": str(network.network_address),
            "subnet_size": network.prefixlen,
        }
        if self.port:
            body["port"] = self.port
        return body


def _read_rule(body: Mapping[str, Any]) -> tuple[str, _Rule]:
    source = body.get("source") or ""
    # "cloudflare" or a load balancer, written by hand, differs from each of ours.
    network = f"{body['subnet']}/{body['subnet_size']}"
    subnet = f"source:{source}" if source else str(ip_network(network, strict=False))
    protocol = str(body["protocol"]).lower()
    return str(body["id"]), _Rule(protocol, str(body.get("port") or "") if protocol != "icmp" else "", subnet)


def _rules(name: str, inbound: tuple[InboundRule, ...]) -> list[_Rule]:
    """One rule a source, each once.

    Raises:
        UsageError: a source is no network, or they are too many.
    """
    rules: dict[_Rule, None] = {}
    for rule in inbound:
        if not rule.sources:
            raise UsageError(f"A rule of firewall {name} has no source.")
        for source in rule.sources:
            try:
                network = str(ip_network(source, strict=False))
            except ValueError as error:
                raise UsageError(f"{source} is no source of a rule of firewall {name}.") from error
            port = "" if rule.protocol is Protocols.ICMP else str(rule.port)
            rules[_Rule(rule.protocol.value, port, network)] = None
    if len(rules) > MOST_RULES:
        raise UsageError(
            f"Vultr takes {MOST_RULES} rules in a firewall, and each source is one; {name} would have {len(rules)}.",
            hint="Let fewer addresses in.",
        )
    return list(rules)


def _inbound(rules: Iterable[_Rule]) -> tuple[InboundRule, ...]:
    """Rules of one protocol and port as one, sources in the order of addresses."""
    sources: dict[tuple[Protocols, int], list[str]] = {}
    for rule in rules:
        known = rule.protocol in {each.value for each in Protocols}
        protocol = Protocols(rule.protocol) if known else Protocols.TCP
        port = int(rule.port) if rule.port.isdecimal() else 0 if not rule.port and known else -1
        sources.setdefault((protocol, port), []).append(rule.source if known else f"{rule.protocol}:{rule.source}")
    return tuple(InboundRule(protocol, port, _ordered(found)) for (protocol, port), found in sorted(sources.items()))


def _ordered(sources: Iterable[str]) -> tuple[str, ...]:
    def place(source: str) -> tuple[int, int, int, str]:
        try:
            network = ip_network(source)
        except ValueError:
            return (0, 0, 0, source)
        return (network.version, int(network.network_address), network.prefixlen, "")

    return tuple(sorted(sources, key=place))


@dataclass(frozen=True, slots=True)
class _Group:
    id: str
    name: str
    tag: str


def _read_group(body: Mapping[str, Any]) -> _Group:
    return _Group(body["id"], *read_description(body.get("description") or ""))


@dataclass(frozen=True, slots=True)
class Firewalls:
    """The firewall groups of an account."""

    api: Api

    def put(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        """Makes the group of that name exactly this: what is new is let in before what is old is shut out.

        Raises:
            Conflict: a machine that it would guard is in another group.
        """
        api.check_tag(tag)
        wanted = _rules(name, inbound)
        description = described(name, tag)
        standing = only(self._groups(), name)
        self._members(tag, standing)  # raises before anything is made
        group = standing or self._create(name, description)
        if group.tag != tag:
            self.api.call(api.CHANGE_GROUP.at(id=group.id), body={"description": description})
        self._bring(group, wanted)
        # Only now: a group without its rules lets nobody in.
        members = self._members(tag, group)
        for member, its in members.items():
            if not its:
                self._join(member, group.id)
        if group.tag != tag:
            for body in self._machines():
                if body.get("firewall_group_id") == group.id and body["id"] not in members:
                    self._join(body["id"], _NO_GROUP)
        return Firewall(group.id, name, tag, self._inbound(group.id))

    def all(self, name_prefix: str) -> tuple[Firewall, ...]:
        """Those whose names begin so, with their rules."""
        groups = named(self._groups(), name_prefix)
        return tuple(Firewall(group.id, group.name, group.tag, self._inbound(group.id)) for group in groups)

    def delete(self, firewall_id: str) -> None:
        """Removes a group; machines leave it (docs.vultr.com/products/network/firewall-groups/management/delete)."""
        self.api.delete(api.DELETE_GROUP.at(id=firewall_id))

    def group_of(self, tags: Iterable[str]) -> str | None:
        """The id of the group that guards a machine with these tags.

        Raises:
            UsageError: there are several, and a machine can only be in one.
        """
        groups = [group for group in self._groups() if group.tag and group.tag in set(tags)]
        if len(groups) > 1:
            names = ", ".join(group.name for group in groups)
            raise UsageError(
                f"At Vultr a machine is in one firewall group; this one would be in {names}.",
                hint="Delete the one that is not wanted any more.",
            )
        return groups[0].id if groups else None

    def _groups(self) -> list[_Group]:
        return self.api.listed(api.GROUPS, _read_group)

    def _create(self, name: str, description: str) -> _Group:
        return self.api.create(
            api.CREATE_GROUP,
            body={"description": description},
            find=lambda: only(self._groups(), name),
            reader=lambda answer: _read_group(answer["firewall_group"]),
            looked=True,
        )

    def _members(self, tag: str, group: _Group | None) -> Mapping[str, str]:
        """The group ("" for none) of each machine with that tag, by its id."""
        members = {
            str(body["id"]): str(body.get("firewall_group_id") or "")
            for body in self._machines()
            if tag in (body.get("tags") or ())
        }
        others = [member for member, its in members.items() if its and (group is None or its != group.id)]
        if others:
            raise Conflict(
                f"At Vultr a machine is in one firewall group; in another one already: {', '.join(others)}.",
                hint="Take it out of that group in the control panel, then repeat the command.",
            )
        return members

    def _machines(self) -> list[Mapping[str, Any]]:
        return self.api.listed(api.MACHINES, lambda body: body)

    def _join(self, machine_id: str, group_id: str) -> None:
        with suppress(NotFound):  # deleted meanwhile
            self.api.call(api.CHANGE_MACHINE.at(id=machine_id), body={"firewall_group_id": group_id})

    def _listed(self, group_id: str) -> list[tuple[str, _Rule]]:
        return self.api.listed(api.RULES.at(id=group_id), _read_rule)

    def _inbound(self, group_id: str) -> tuple[InboundRule, ...]:
        return _inbound(rule for _, rule in self._listed(group_id))

    def _bring(self, group: _Group, wanted: list[_Rule]) -> None:
        """Adds what is missing, then removes what is too much; in a full group a removal makes room for each."""
        there = self._listed(group.id)
        stale = [rule_id for rule_id, rule in there if rule not in wanted]
        seen: set[_Rule] = set()
        for rule_id, rule in there:
            if rule in wanted and rule in seen:
                stale.append(rule_id)
            seen.add(rule)
        count = len(there)
        for rule in wanted:
            if rule in seen:
                continue
            if count == MOST_RULES:
                self._remove(group, stale.pop())
                count -= 1
            self._add(group, rule)
            count += 1
        for rule_id in stale:
            self._remove(group, rule_id)

    def _add(self, group: _Group, rule: _Rule) -> None:
        self.api.create(
            api.CREATE_RULE.at(id=group.id),
            body=rule.body(),
            find=lambda: next((rule_id for rule_id, found in self._listed(group.id) if found == rule), None),
            reader=lambda answer: str(answer["firewall_rule"]["id"]),
            looked=True,
        )

    def _remove(self, group: _Group, rule_id: str) -> None:
        self.api.delete(api.DELETE_RULE.at(id=group.id, rule=rule_id))
