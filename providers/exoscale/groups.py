"""Exoscale's security groups as firewalls: a group is one, its description is the tag, its rules are single things."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from providers.contract import Firewall, InboundRule, Protocols
from providers.exoscale import api
from providers.exoscale.machines import Machines
from providers.exoscale.zones import Zones
from state.errors import Conflict, UsageError

#: Rules in one firewall, each with one source: ours. The vendor publishes none that we found; each rule is an
#: operation of its own that takes a second or more, and a page full of them would not be changed in time.
MOST_RULES = 100

#: The group the vendor puts a machine into when nobody names one.
_DEFAULT = "default"

_PROTOCOLS: Mapping[str, Protocols] = {
    "tcp": Protocols.TCP,
    "udp": Protocols.UDP,
    "icmp": Protocols.ICMP,
    "icmpv6": Protocols.ICMP,
}

#: A rule as the API has it, in a form that compares; ICMP types and codes of -1 are "any".
Rule = tuple[str, str, int, int, str, int, int]


@dataclass(frozen=True, slots=True)
class _Group:
    id: str
    name: str
    tag: str
    rules: Mapping[str, Rule]


@dataclass(frozen=True, slots=True)
class Groups:
    """The security groups of an organization; they hold in all its zones."""

    zones: Zones
    machines: Machines

    def put(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        """Makes the group exactly this: new rules come before old ones go, and rules before machines."""
        api.check_tag(tag)
        wanted = _rules(name, inbound)
        group = self._ensure(name, tag)
        standing = set(group.rules.values())
        for rule in wanted:
            if rule not in standing:
                self._add(group, rule)
        for rule_id, rule in group.rules.items():
            if rule not in wanted:
                operation = api.DELETE_RULE.at(id=group.id, rule=rule_id)
                self.zones.remove(self.zones.home, operation, f"a rule of firewall {name}")
        self._guard(group)
        return _firewall(self._one(group.id))

    def of_tags(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        """The ids of all firewalls that hang on one of these tags."""
        return tuple(an_id for an_id, _, tag in self._listed() if tag in tags)

    def named(self, name_prefix: str) -> tuple[Firewall, ...]:
        """Firewalls by the beginning of their names."""
        ids = [an_id for an_id, name, _ in self._listed() if name.startswith(name_prefix)]
        return tuple(_firewall(self._one(an_id)) for an_id in ids)

    def delete(self, group_id: str) -> None:
        """Takes all machines out of it and removes it."""
        for member in self.machines.members():
            if group_id in member.group_ids:
                self.machines.regroup(member, group_id, inside=False)
        # a machine that is being deleted is in it until it has gone
        self.zones.remove(self.zones.home, api.DELETE_GROUP.at(id=group_id), f"firewall {group_id}")

    def _ensure(self, name: str, tag: str) -> _Group:
        def find() -> str | None:
            return next((an_id for an_id, its_name, _ in self._listed() if its_name == name), None)

        group_id = self.zones.make(
            self.zones.home, api.CREATE_GROUP, f"firewall {name}", body={"name": name, "description": tag}, find=find
        )
        group = self._one(group_id)
        if group.tag != tag:
            raise Conflict(
                f"There is a security group {name} at Exoscale that is not for {tag}.",
                detail=f"its description is {group.tag!r}; the vendor does not let it be changed",
                hint="remove it in the portal, or rename the deployment",
            )
        return group

    def _add(self, group: _Group, rule: Rule) -> None:
        def find() -> str | None:
            return next((rule_id for rule_id, one in self._one(group.id).rules.items() if one == rule), None)

        self.zones.make(
            self.zones.home,
            api.ADD_RULE.at(id=group.id),
            f"a rule of firewall {group.name}",
            body=_rule_body(rule),
            find=find,
            looked=True,
        )

    def _guard(self, group: _Group) -> None:
        """Puts every machine with its tag into the group, and then out of the one nobody chose."""
        default = next((an_id for an_id, name, _ in self._listed() if name == _DEFAULT), "")
        for member in self.machines.members():
            if group.tag in member.tags:
                if group.id not in member.group_ids:
                    self.machines.regroup(member, group.id, inside=True)
                if default in member.group_ids:
                    self.machines.regroup(member, default, inside=False)

    def _listed(self) -> list[tuple[str, str, str]]:
        return self.zones.home.listed(
            api.GROUPS, lambda body: (str(body["id"]), str(body["name"]), str(body.get("description") or ""))
        )

    def _one(self, group_id: str) -> _Group:
        def read(body: Mapping[str, Any]) -> _Group:
            rules = {str(rule["id"]): _read_rule(rule) for rule in body.get("rules") or ()}
            return _Group(str(body["id"]), str(body["name"]), str(body.get("description") or ""), rules)

        return self.zones.home.read(api.GROUP.at(id=group_id), read)


def _rules(name: str, inbound: tuple[InboundRule, ...]) -> list[Rule]:
    """Single rules, each once.

    Raises:
        UsageError: there are too many, or one is none.
    """
    if any(not rule.sources for rule in inbound):
        raise UsageError(f"A rule of firewall {name} has no source.")
    rules = list(dict.fromkeys(_rule(rule, source) for rule in inbound for source in rule.sources))
    if len(rules) > MOST_RULES:
        raise UsageError(
            f"A firewall at Exoscale has {MOST_RULES} rules at most, one for each source; {name} would have "
            f"{len(rules)}.",
            hint="Let networks in where there are many addresses.",
        )
    return rules


def _rule(rule: InboundRule, source: str) -> Rule:
    try:
        network = ip_network(source, strict=False)
    except ValueError as error:
        raise UsageError(f"{source} is no address that a firewall can let in.") from error
    if rule.protocol is Protocols.ICMP:
        return ("ingress", "icmp" if network.version == 4 else "icmpv6", 0, 0, str(network), -1, -1)
    return ("ingress", rule.protocol.value, rule.port, rule.port, str(network), -1, -1)


def _rule_body(rule: Rule) -> dict[str, Any]:
    direction, protocol, first, last, network, icmp_type, icmp_code = rule
    body: dict[str, Any] = {"flow-direction": direction, "protocol": protocol, "network": network}
    if protocol.startswith("icmp"):
        return {**body, "icmp": {"type": icmp_type, "code": icmp_code}}
    return {**body, "start-port": first, "end-port": last}


def _read_rule(body: Mapping[str, Any]) -> Rule:
    """A rule; one that somebody made by hand and our values cannot express still differs from each of ours."""
    icmp = body.get("icmp") or {}
    source = str(body.get("network") or f"group:{(body.get('security-group') or {}).get('id')}")
    with suppress(ValueError):
        source = str(ip_network(source, strict=False))
    return (
        str(body.get("flow-direction")),
        str(body.get("protocol")),
        int(body.get("start-port") or 0),
        int(body.get("end-port") or 0),
        source,
        int(icmp.get("type", -1)),
        int(icmp.get("code", -1)),
    )


def _firewall(group: _Group) -> Firewall:
    sources: dict[tuple[Protocols, int], list[str]] = {}
    for direction, protocol, first, last, source, icmp_type, icmp_code in group.rules.values():
        if direction != "ingress":
            continue
        plain = protocol in _PROTOCOLS and first == last and (icmp_type, icmp_code) == (-1, -1)
        kind, port = _PROTOCOLS.get(protocol, Protocols.TCP), first if plain else -1
        sources.setdefault((kind, port), []).append(source)
    rules = (InboundRule(kind, port, tuple(sorted(found, key=_by_version))) for (kind, port), found in sources.items())
    return Firewall(group.id, group.name, group.tag, tuple(rules))


def _by_version(source: str) -> tuple[bool, str]:
    return ":" in source, source
