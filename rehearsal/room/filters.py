"""The cloud firewall as nftables text for the router: v4 and v6 alike, replaced as a whole in one transaction.

What it closes is answered "administratively prohibited", so that a scan of all ports ends soon, and so that the two
layers can be told apart: silence is the machine's own firewall.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from rehearsal.contract import Addresses, Filter
from rehearsal.room.block import Block
from state.errors import UsageError

_TABLE = "table inet cloud"
_GUARD = "table inet guard"
_TRANSPORTS = ("tcp", "udp")
_ICMP_ERRORS = (
    "icmp type { destination-unreachable, time-exceeded, parameter-problem } accept",
    "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
)


def cloud_ruleset(filters: Sequence[Filter]) -> str:
    """The whole cloud firewall; a machine that is not named, or without a firewall, is open.

    Raises:
        UsageError: a rule that cannot be: unknown protocol, ports upside down, a source that is no CIDR.
    """
    guarded = [item for item in filters if item.accepts is not None]
    if not guarded:
        # not even tracked: a scan of machines that only guard themselves would fill the kernel's table of connections
        return f"{_TABLE}\ndelete {_TABLE}\n{_TABLE} {{ }}\n"
    lines = [_TABLE, f"delete {_TABLE}", f"{_TABLE} {{"]
    for number, item in enumerate(guarded):
        lines += [f"  chain machine{number} {{"]
        lines += [f"    {rule}" for rule in _rules(item.accepts or ())]
        lines += ["    reject with icmpx type admin-prohibited", "  }"]
    lines += ["  chain transit {", "    type filter hook forward priority filter; policy accept;"]
    lines += ["    ct state established,related accept", "    ct state invalid drop"]
    lines += [f"    {rule}" for rule in _ICMP_ERRORS]
    lines += _jumps("ip", ((address, n) for n, item in enumerate(guarded) for address in _v4(item.addresses)))
    lines += _jumps("ip6", ((item.addresses.public_ipv6, n) for n, item in enumerate(guarded)))
    return "\n".join([*lines, "  }", "}", ""])


def guard_ruleset(block: Block, machines: Iterable[tuple[int, Addresses]]) -> str:
    """What no firewall of a customer changes: machines send from their own addresses only, private stays private."""
    own_v4, own_v6 = [], []
    for machine_id, addresses in machines:
        own_v4 += [f"m{machine_id} . {addresses.public_ipv4}", f"p{machine_id} . {addresses.private_ipv4}"]
        own_v6 += [f"m{machine_id} . {addresses.public_ipv6}"]
    return "\n".join(
        [
            _GUARD,
            f"delete {_GUARD}",
            f"{_GUARD} {{",
            "  set own_v4 {",
            "    type ifname . ipv4_addr",
            *_elements(own_v4),
            "  }",
            "  set own_v6 {",
            "    type ifname . ipv6_addr",
            *_elements(own_v6),
            "  }",
            "  chain senders {",
            "    type filter hook prerouting priority raw; policy accept;",
            '    iifname { "uplink", "foreign", "edge", "lo" } accept',
            "    ip6 saddr fe80::/10 accept",
            "    ip6 saddr :: icmpv6 type nd-neighbor-solicit accept",
            "    meta nfproto ipv4 iifname . ip saddr @own_v4 accept",
            "    meta nfproto ipv6 iifname . ip6 saddr @own_v6 accept",
            "    meta nfproto { ipv4, ipv6 } drop",
            "  }",
            "  chain private {",
            "    type filter hook forward priority filter - 10; policy accept;",
            f'    ip daddr {block.private_v4} iifname != "p*" reject with icmpx type no-route',
            f'    iifname "p*" ip daddr != {block.private_v4} reject with icmpx type no-route',
            "    # a link-local address (a vendor's metadata service) is nobody's beyond this cloud",
            '    oifname "uplink" ip daddr 169.254.0.0/16 reject with icmpx type no-route',
            "  }",
            "}",
            "",
        ]
    )


def _rules(accepts: Iterable[tuple[str, int, int, str]]) -> list[str]:
    rules = []
    for protocol, first, last, source in accepts:
        try:
            network = ipaddress.ip_network(source, strict=False)
        except ValueError as wrong:
            raise UsageError(f"The firewall's source {source!r} is no CIDR.") from wrong
        family = "ip" if network.version == 4 else "ip6"
        origin = "" if network.prefixlen == 0 else f"{family} saddr {network} "
        if protocol in _TRANSPORTS:
            if not 1 <= first <= last <= 65535:
                raise UsageError(f"The firewall's ports {first}-{last} cannot be.")
            what = f"{protocol} dport {first}-{last}"
        elif protocol == "icmp":
            what = f"meta l4proto {'icmp' if network.version == 4 else 'ipv6-icmp'}"
        else:
            raise UsageError(f"The firewall knows no protocol {protocol!r}.")
        rules.append(f"meta nfproto {'ipv4' if network.version == 4 else 'ipv6'} {origin}{what} accept")
    return list(dict.fromkeys(rules))


def _v4(addresses: Addresses) -> tuple[str, ...]:
    return tuple(address for address in (addresses.public_ipv4, addresses.private_ipv4) if address)


def _jumps(family: str, targets: Iterable[tuple[str, int]]) -> list[str]:
    pairs = ", ".join(f"{address} : jump machine{number}" for address, number in targets if address)
    return [f"    {family} daddr vmap {{ {pairs} }}"] if pairs else []


def _elements(values: Sequence[str]) -> list[str]:
    return [f"    elements = {{ {', '.join(values)} }}"] if values else []
