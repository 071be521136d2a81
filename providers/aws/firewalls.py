"""Cloud firewalls over security groups.

A group belongs to one network and takes 60 rules of a family; a firewall of the contract belongs to a tag and to no
network. So a firewall is all groups that carry its name: in each network where a machine carries its tag it is there
whole, in as many groups ("parts") as its rules need, and machines have all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from providers.aws import rules, tags
from providers.aws.calls import LABEL, Aws
from providers.aws.rules import MOST_OF_A_FAMILY, Rule
from providers.contract import Firewall, InboundRule
from state.clock import wait_until
from state.errors import Conflict, NotFound, ProviderError, UsageError

#: Groups of one network interface: the default quota, the same page as the rules'.
MOST_GROUPS = 5
#: Parts that a firewall's rules may fill; one more is used while they change.
PARTS = 3
MOST_RULES = PARTS * MOST_OF_A_FAMILY

#: Seconds until machines on their end have left their groups.
_FREE_S = 600.0
#: Instances that are, and those that are on their way out of it.
ALIVE = ("pending", "running", "stopping", "stopped")


@dataclass(frozen=True, slots=True)
class _Part:
    id: str
    network_id: str
    number: int
    firewall: str
    tag: str
    rules: frozenset[Rule]

    def room(self, family: int) -> int:
        return MOST_OF_A_FAMILY - sum(1 for rule in self.rules if rule.family == family)


@dataclass(frozen=True, slots=True)
class Firewalls:
    """The firewalls of an account in its region."""

    aws: Aws

    def put(self, name: str, tag: str, inbound: tuple[InboundRule, ...]) -> Firewall:
        """Makes it exactly this wherever it is and wherever a machine carries the tag."""
        tags.check_tags((tag,))
        wanted = _checked(name, inbound)
        parts = self._parts(name)
        networks = {part.network_id for part in parts} | {vpc for vpc, _, _, _ in self._interfaces(tag)}
        for network_id in sorted(networks) or [self._holder(name)]:
            self._bring(name, tag, network_id, wanted)
        return _firewall(self._parts(name), name)

    def all(self, name_prefix: str) -> tuple[Firewall, ...]:
        """Those whose names begin so."""
        found: dict[str, list[_Part]] = {}
        for part in self._parts(None):
            found.setdefault(part.firewall, []).append(part)
        return tuple(_firewall(found[name], name) for name in sorted(found) if name.startswith(name_prefix))

    def delete(self, name: str) -> None:
        """Removes it as soon as no machine has it any more."""

        def gone() -> bool:
            try:
                for part in self._parts(name):
                    self.aws.call("ec2", "delete_security_group", GroupId=part.id)
            except NotFound:
                return False  # somebody else removes it too: look again
            except Conflict:
                return False
            return True

        wait_until(
            f"no machine to have the firewall {name}",
            gone,
            timeout_s=_FREE_S,
            clock=self.aws.clock,
            longest_s=5.0,
            hint="look in the AWS console which network interface has that security group; then repeat the command",
        )

    def groups_for(self, carried: Iterable[str], network_id: str) -> list[str]:
        """The groups of a machine about to be made there with those tags; brought to that network where they lack.

        Raises:
            UsageError: they are more than a machine may have.
        """
        marks = sorted(set(carried))
        found: list[str] = []
        parts = [part for part in self._parts(None) if part.tag in marks]
        for name in sorted({part.firewall for part in parts}):
            own = [part for part in parts if part.firewall == name]
            here = [part.id for part in own if part.network_id == network_id]
            found += here or self._bring(name, own[0].tag, network_id, _whole(own))
        if len(found) > MOST_GROUPS:
            raise UsageError(
                f"{LABEL} takes {MOST_GROUPS} security groups on a machine; its firewalls need {len(found)}.",
                hint="Put addresses together, or ask for more rules a group under Service Quotas in the AWS console.",
            )
        return found

    def _bring(self, name: str, tag: str, network_id: str, wanted: frozenset[Rule]) -> list[str]:
        """Makes the firewall in that network exactly this and gives its groups."""
        for left in reversed(range(4)):
            try:
                return self._bring_once(name, tag, network_id, wanted)
            except Conflict:
                # A lost answer to what was done, or somebody else's change: read again.
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _bring_once(self, name: str, tag: str, network_id: str, wanted: frozenset[Rule]) -> list[str]:
        parts = self._parts(name, network_id) or [self._make_part(name, tag, network_id, 1)]
        retagged = [part.id for part in parts if part.tag != tag]
        if retagged:
            self.aws.call(
                "ec2", "create_tags", repeatable=True, Resources=retagged, Tags=tags.pairs({tags.GUARDS: tag})
            )
        missing = set(wanted).difference(*(part.rules for part in parts))
        rest = self._add(parts, missing)
        while rest and len(parts) <= PARTS:
            parts.append(self._make_part(name, tag, network_id, max(part.number for part in parts) + 1))
            rest = self._add(parts[-1:], rest)
        self._attach(network_id, tag, [part.id for part in parts], detach=bool(retagged))
        for part in parts:
            rules.remove(self.aws, part.id, part.rules - wanted)
        if rest:  # more was new than fits beside the old
            left = self._add(self._parts(name, network_id), rest)
            if left:
                raise ProviderError(f"The firewall {name} has no room for {len(left)} of its rules.")
        return [part.id for part in parts]

    def _add(self, parts: list[_Part], missing: Iterable[Rule]) -> set[Rule]:
        """Adds what fits and gives what does not."""
        rest = sorted(missing)
        for part in parts:
            fitting = [
                rule for family in (4, 6) for rule in [r for r in rest if r.family == family][: part.room(family)]
            ]
            rules.add(self.aws, part.id, fitting)
            rest = [rule for rule in rest if rule not in set(fitting)]
        return set(rest)

    def _make_part(self, name: str, tag: str, network_id: str, number: int) -> _Part:
        pairs = tags.pairs({"Name": name, tags.FIREWALL: name, tags.GUARDS: tag, tags.PART: str(number)})
        group_name = name if number == 1 else f"{name}.{number}"
        about = f"Buildyard: machines with {tag}"
        group_id = rules.ensure_group(self.aws, group_name, network_id, pairs, about)

        def seen() -> _Part | None:
            return next((part for part in self._parts(name, network_id) if part.id == group_id), None)

        part = self.aws.appears(seen)
        if part is None:
            raise Conflict(
                f"There is a security group {group_name} that Buildyard did not make.", detail=f"group {group_id}"
            )
        return part

    def _attach(self, network_id: str, tag: str, group_ids: list[str], *, detach: bool) -> None:
        """Gives the groups to machines that carry the tag, and takes them from others when the tag changed."""
        for vpc, interface, held, carried in self._interfaces(None if detach else tag):
            if vpc != network_id:
                continue
            if tag in carried:
                shall = [*held, *(each for each in group_ids if each not in held)]
                default = self._default_group(network_id)
                shall = [each for each in shall if each != default]
            else:
                shall = [each for each in held if each not in group_ids] or [self._default_group(network_id)]
            if shall != held:
                self.aws.call("ec2", "modify_network_interface_attribute", NetworkInterfaceId=interface, Groups=shall)

    def _default_group(self, network_id: str) -> str:
        found = rules.described(self.aws, {"vpc-id": [network_id], "group-name": ["default"]})
        return str(found[0]["GroupId"])

    def _interfaces(self, tag: str | None) -> list[tuple[str, str, list[str], tuple[str, ...]]]:
        """Network, interface, groups and tags of each machine, of all or those with a tag."""
        filters = [{"Name": "instance-state-name", "Values": list(ALIVE)}]
        if tag is not None:
            filters.append({"Name": "tag-key", "Values": [tags.key_of(tag)]})
        found = []
        for reservation in self.aws.listed("ec2", "describe_instances", "Reservations", Filters=filters):
            for instance in reservation["Instances"]:
                carried = tags.words(instance)
                for interface in instance.get("NetworkInterfaces") or ():
                    held = [str(group["GroupId"]) for group in interface.get("Groups") or ()]
                    found.append((str(interface["VpcId"]), str(interface["NetworkInterfaceId"]), held, carried))
        return found

    def _parts(self, name: str | None, network_id: str | None = None) -> list[_Part]:
        filters: dict[str, list[str]] = {"tag-key": [tags.FIREWALL]} if name is None else {}
        if name is not None:
            filters[f"tag:{tags.FIREWALL}"] = [name]
        if network_id is not None:
            filters["vpc-id"] = [network_id]
        found = [_part(group) for group in rules.described(self.aws, filters)]
        return sorted(found, key=lambda part: (part.network_id, part.number))

    def _holder(self, name: str) -> str:
        """Where a firewall waits that no machine has yet: best its own deployment's network.

        Which one that is the driver can only guess, by the names; the guess decides nothing but where it waits.
        """
        ours: dict[str, str] = {}
        usual = ""
        for vpc in self.aws.listed("ec2", "describe_vpcs", "Vpcs"):
            network = tags.read(vpc).get(tags.NETWORK)
            if network is not None:
                ours[network] = str(vpc["VpcId"])
            elif vpc.get("IsDefault"):
                usual = str(vpc["VpcId"])

        def likeness(network: str) -> tuple[int, int]:
            same = (one == other for one, other in zip(network, name, strict=False))
            return sum(1 for _ in takewhile(bool, same)), -len(network)

        if ours:
            return ours[max(ours, key=likeness)]
        if not usual:
            raise ProviderError(
                f"There is no network yet that could hold the firewall {name}.",
                detail=f"{self.aws.region} has no default VPC",
                hint="Repeat the command once the deployment's network is there.",
            )
        return usual


def _checked(name: str, inbound: tuple[InboundRule, ...]) -> frozenset[Rule]:
    if any(not rule.sources for rule in inbound):
        raise UsageError(f"A rule of firewall {name} has no source.")
    try:
        wanted = rules.rules_of(inbound)
    except ValueError as error:
        raise UsageError(f"A source of firewall {name} is no address: {error}") from error
    for family, count in Counter(rule.family for rule in wanted).items():
        if count > MOST_RULES:
            raise UsageError(
                f"{LABEL} takes {MOST_RULES} sources of IPv{family} in a firewall; {name} would have {count}.",
                hint="Put neighbouring addresses into one range.",
            )
    return wanted


def _part(group: Mapping[str, Any]) -> _Part:
    pairs = tags.read(group)
    return _Part(
        id=str(group["GroupId"]),
        network_id=str(group["VpcId"]),
        number=int(pairs.get(tags.PART, "1")),
        firewall=pairs[tags.FIREWALL],
        tag=pairs.get(tags.GUARDS, ""),
        rules=rules.read_rules(group),
    )


def _whole(parts: Iterable[_Part]) -> frozenset[Rule]:
    """The rules of a firewall as its first network has them."""
    known = sorted(parts, key=lambda part: (part.network_id, part.number))
    return frozenset().union(*(part.rules for part in known if part.network_id == known[0].network_id))


def _firewall(parts: list[_Part], name: str) -> Firewall:
    """One whose networks differ, or which no network has whole, differs from what anybody put."""
    networks = {part.network_id: [p for p in parts if p.network_id == part.network_id] for part in parts}
    held = {_whole(own) for own in networks.values()}
    common = frozenset.intersection(*held) if held else frozenset()
    tag = ",".join(sorted({part.tag for part in parts}))
    return Firewall(name, name, tag, rules.inbound_of(common))
