"""Who may talk to whom: the one policy, compiled twice, for the cloud's firewall and for ufw.

The table is in the design, section 2. Sources are exact addresses and follow the fleet. "Anyone" leaves the private
network out, so that a neighbour gets no further over the private side than its own line of the table says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network

from providers.contract import InboundRule, Protocols
from recipes.context import Node, Role
from recipes.steps import AllowRule
from state.fleet_record import MachineRecord

SSH_PORT = 1035
DATABASE_PORT = 2035
HTTP_PORT = 80
HTTPS_PORT = 443

#: Who reaches a webserver's private 443 to see whether it is well.
PROBERS = (Role.AUTOSCALER, Role.DATABASE)
#: Who speaks with the database.
DATABASE_CLIENTS = (Role.AUTOSCALER, Role.WEBSERVER)


def node_of(record: MachineRecord) -> Node:
    """A recorded machine as recipes and the policy see it."""
    return Node(record.name, Role(record.role), record.public_ipv4, record.public_ipv6, record.private_ipv4)


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the rules depend on.

    Attributes:
        fleet: all machines with the addresses known so far.
        operators: CIDRs that may use SSH from outside.
        private_range: CIDR of the private network, "" while it is unknown.
        visitors: CIDRs that reach 80 and 443 over the public side, such as the networks of an edge that stands before
            the site; empty for anyone.
        serves_database: the database machine has a database of its own, not only a client of a managed one.
        filters_private: the cloud's firewall stands before private addresses too. Where it does not, rules for them
            would say nothing, and fill up the vendor's number of rules.
    """

    fleet: tuple[Node, ...]
    operators: tuple[str, ...]
    private_range: str = ""
    visitors: tuple[str, ...] = ()
    filters_private: bool = True
    serves_database: bool = True

    def cloud(self, role: Role) -> tuple[InboundRule, ...]:
        """The cloud firewall of all machines with that role."""
        rules = [
            InboundRule(Protocols.ICMP, 0, ("0.0.0.0/0", "::/0")),
            _tcp(SSH_PORT, [*self.operators, *self._cloud_private()]),
        ]
        if role is Role.DATABASE and self.serves_database:
            rules.append(_tcp(DATABASE_PORT, self._cloud_private(DATABASE_CLIENTS)))
        if role is Role.WEBSERVER:
            web = self.visitors or anyone_but(self.private_range if self.filters_private else "")
            rules.append(_tcp(HTTP_PORT, web))
            rules.append(_tcp(HTTPS_PORT, [*web, *self._cloud_private(PROBERS)]))
        return tuple(rule for rule in rules if rule.sources)

    def ufw(self, node: Node) -> tuple[AllowRule, ...]:
        """What ufw lets in on that machine."""
        rules = [
            AllowRule(port=SSH_PORT, source=source, to=to)
            for source in self.operators
            for to in _own_public(node, source)
        ]
        rules += self._from_private(node, SSH_PORT, tuple(Role))
        if node.role is Role.DATABASE and self.serves_database:
            rules += self._from_private(node, DATABASE_PORT, DATABASE_CLIENTS)
        if node.role is Role.WEBSERVER:
            for port in (HTTP_PORT, HTTPS_PORT):
                if self.visitors:
                    rules += [
                        AllowRule(port=port, source=source, to=to)
                        for source in self.visitors
                        for to in _own_public(node, source)
                    ]
                else:
                    publics = (node.public_ipv4, node.public_ipv6)
                    rules += [AllowRule(port=port, source="any", to=to) for to in publics if to]
            rules += self._from_private(node, HTTPS_PORT, PROBERS)
        return tuple(dict.fromkeys(rules))

    def _cloud_private(self, roles: Iterable[Role] = tuple(Role)) -> list[str]:
        return self._private_hosts(roles) if self.filters_private else []

    def _private_hosts(self, roles: Iterable[Role] = tuple(Role)) -> list[str]:
        wanted = set(roles)
        return [f"{node.private_ipv4}/32" for node in self.fleet if node.private_ipv4 and node.role in wanted]

    def _from_private(self, node: Node, port: int, roles: Iterable[Role]) -> list[AllowRule]:
        wanted = set(roles)
        return [
            AllowRule(port=port, source=other.private_ipv4, to=node.private_ipv4)
            for other in self.fleet
            if other.name != node.name and other.role in wanted and other.private_ipv4 and node.private_ipv4
        ]


def database_sources(fleet: Iterable[Node]) -> tuple[str, ...]:
    """Who may connect to a managed database: each machine of the fleet by its exact addresses, and nobody else.

    Both of a machine's IPv4 addresses: vendors reach their databases by the private side, by the public one, or by
    either. IPv6 is left out: DigitalOcean and Linode take none there.
    """
    addresses = (address for node in fleet for address in (node.private_ipv4, node.public_ipv4) if address)
    return tuple(sorted(dict.fromkeys(map(as_cidr, addresses))))


def anyone_but(private_range: str) -> tuple[str, ...]:
    """All of IPv4 and IPv6 without that private range, as CIDRs."""
    everything = IPv4Network("0.0.0.0/0")
    if not private_range:
        return ("0.0.0.0/0", "::/0")
    rest = sorted(everything.address_exclude(IPv4Network(private_range)))
    return (*(str(block) for block in rest), "::/0")


def as_cidr(address: str) -> str:
    """An address or CIDR in its one spelling: ``192.0.2.7`` becomes ``192.0.2.7/32``.

    Raises:
        ValueError: it is neither.
    """
    return str(ip_network(address, strict=False))


def _tcp(port: int, sources: Iterable[str]) -> InboundRule:
    return InboundRule(Protocols.TCP, port, tuple(sorted(dict.fromkeys(as_cidr(source) for source in sources))))


def _own_public(node: Node, source: str) -> tuple[str, ...]:
    """The machine's public address of the source's family; none when it has none."""
    version = ip_network(source, strict=False).version
    own = node.public_ipv4 if version == 4 else node.public_ipv6
    return (str(ip_address(own)),) if own else ()
