"""Rules of security groups: read, compared and changed in place, added before removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from providers.aws.calls import Aws
from providers.contract import InboundRule, Protocols
from state.errors import Conflict, NotFound

#: Rules of one family in one group: docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html (the default
#: quota; IPv4 and IPv6 are counted apart).
MOST_OF_A_FAMILY = 60
#: Times that a group somebody else changes at the same moment is read again.
_TRIES = 4


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One source that may reach one port, as AWS counts rules.

    Attributes:
        protocol: ``tcp``, ``udp``, ``icmp``, ``icmpv6``, or what somebody wrote by hand.
        first, last: ports; -1 for none.
        source: a CIDR, or the id of a group or prefix list.
    """

    protocol: str
    first: int
    last: int
    source: str

    @property
    def family(self) -> int:
        return 6 if ":" in self.source else 4


def rules_of(inbound: Iterable[InboundRule]) -> frozenset[Rule]:
    """The contract's rules as AWS's: one a source, ping by its name in each family."""
    found = set()
    for rule in inbound:
        for text in rule.sources:
            source = ip_network(text, strict=False)
            if rule.protocol is Protocols.ICMP:
                found.add(Rule("icmp" if source.version == 4 else "icmpv6", -1, -1, str(source)))
            else:
                found.add(Rule(rule.protocol.value, rule.port, rule.port, str(source)))
    return frozenset(found)


def inbound_of(rules: Iterable[Rule]) -> tuple[InboundRule, ...]:
    """AWS's rules as the contract's; one that our values cannot express still differs from each of ours."""
    found: dict[tuple[Protocols, int], list[str]] = {}
    for rule in rules:
        if rule.protocol in ("icmp", "icmpv6") and rule.first == -1:
            found.setdefault((Protocols.ICMP, 0), []).append(rule.source)
        elif rule.protocol in ("tcp", "udp") and rule.first == rule.last:
            found.setdefault((Protocols(rule.protocol), rule.first), []).append(rule.source)
        else:
            strange = f"{rule.protocol} {rule.first}-{rule.last} {rule.source}"
            found.setdefault((Protocols.TCP, -1), []).append(strange)
    return tuple(
        InboundRule(protocol, port, tuple(sorted(set(sources), key=_order)))
        for (protocol, port), sources in sorted(found.items())
    )


def _order(source: str) -> tuple[int, bytes, str]:
    try:
        network = ip_network(source)
    except ValueError:
        return 9, b"", source
    return network.version, network.network_address.packed, source


def read_rules(group: Mapping[str, Any]) -> frozenset[Rule]:
    """All inbound rules of a group as EC2 describes it."""
    found = set()
    for body in group.get("IpPermissions") or ():
        protocol, first, last = body["IpProtocol"], body.get("FromPort", -1), body.get("ToPort", -1)
        for items, key in (
            ("IpRanges", "CidrIp"),
            ("Ipv6Ranges", "CidrIpv6"),
            ("UserIdGroupPairs", "GroupId"),
            ("PrefixListIds", "PrefixListId"),
        ):
            found |= {Rule(protocol, first, last, each[key]) for each in body.get(items) or ()}
    return frozenset(found)


def permissions(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Rules as EC2 takes them."""
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for rule in sorted(rules):
        body = found.setdefault((rule.protocol, rule.first, rule.last), {"IpProtocol": rule.protocol})
        if rule.protocol != "-1":
            body |= {"FromPort": rule.first, "ToPort": rule.last}
        if rule.source.startswith("sg-"):
            body.setdefault("UserIdGroupPairs", []).append({"GroupId": rule.source})
        elif rule.source.startswith("pl-"):
            body.setdefault("PrefixListIds", []).append({"PrefixListId": rule.source})
        elif rule.family == 6:
            body.setdefault("Ipv6Ranges", []).append({"CidrIpv6": rule.source})
        else:
            body.setdefault("IpRanges", []).append({"CidrIp": rule.source})
    return list(found.values())


def described(aws: Aws, filters: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Groups by EC2's filters."""
    return aws.listed(
        "ec2",
        "describe_security_groups",
        "SecurityGroups",
        Filters=[{"Name": name, "Values": list(values)} for name, values in filters.items()],
    )


def add(aws: Aws, group_id: str, rules: Iterable[Rule]) -> None:
    """Lets them in; Conflict when one is there already (so after a lost answer)."""
    if wanted := permissions(rules):
        aws.call("ec2", "authorize_security_group_ingress", repeatable=True, GroupId=group_id, IpPermissions=wanted)


def remove(aws: Aws, group_id: str, rules: Iterable[Rule]) -> None:
    """Lets them in no more; what is gone already is no error."""
    if unwanted := permissions(rules):
        try:
            aws.call("ec2", "revoke_security_group_ingress", repeatable=True, GroupId=group_id, IpPermissions=unwanted)
        except NotFound:
            return


def ensure_group(aws: Aws, name: str, network_id: str, pairs: list[dict[str, str]], about: str) -> str:
    """The id of the group of that name in that network, made without inbound rules where there is none."""

    def find() -> str | None:
        found = described(aws, {"vpc-id": [network_id], "group-name": [name]})
        return next((str(group["GroupId"]) for group in found), None)

    def make() -> str:
        answer = aws.call(
            "ec2",
            "create_security_group",
            GroupName=name,
            Description=about,
            VpcId=network_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": pairs}],
        )
        return str(answer["GroupId"])

    return aws.made(make, find)


def set_rules(aws: Aws, group_id: str, wanted: frozenset[Rule]) -> None:
    """Makes the rules of one group exactly these; adds first, then removes."""
    for left in reversed(range(_TRIES)):
        group = described(aws, {"group-id": [group_id]})
        held = read_rules(group[0]) if group else frozenset()
        try:
            add(aws, group_id, wanted - held)
            remove(aws, group_id, held - wanted)
            return
        except Conflict:
            if not left:
                raise
