"""The cloud's network: a router namespace, routed and without a bridge, linked to this host and to every machine.

Sysctls are written within the namespaces. On the host: one veth, two routes, one nftables table, and ``ip_forward``
(``shared.py``); v6 goes no further than this host, because forwarding it would end the host's own autoconfiguration.
"""

from __future__ import annotations

import json
from pathlib import Path

from rehearsal.contract import Addresses
from rehearsal.room.block import Block
from rehearsal.room.programs import attempt, run

_GATEWAY_V4 = "169.254.1.1"
_GATEWAY_V6 = "fe80::1"

# Rejections of the firewall must not be thinned out by the kernel's limits: a scan would take them for silence.
_ROUTER_SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv4.icmp_ratemask": "0",
    "net.ipv6.icmp.ratelimit": "0",
    # the limit of all ICMP together (1000/s) holds for the types of this list: one that is never sent
    "net.ipv6.icmp.ratemask": "127",
}


def router(block: Block) -> str:
    """The name of the router's namespace."""
    return f"{block.prefix}-router"


def foreign(block: Block) -> str:
    """The name of the namespace of a host somewhere else in the world."""
    return f"{block.prefix}-foreign"


def edge(block: Block) -> str:
    """The name of the namespace of a host in what stands for Cloudflare's ranges."""
    return f"{block.prefix}-edge"


def machine_space(block: Block, machine_id: int) -> str:
    """The name of a machine's namespace."""
    return f"{block.prefix}-m{machine_id}"


def uplink(block: Block) -> str:
    """The host's end of the link to the router."""
    return f"{block.prefix}-up"


def namespaces(block: Block) -> tuple[str, ...]:
    """Those of this rehearsal that exist."""
    listed = json.loads(run(["ip", "-j", "netns", "list"]) or "[]")
    return tuple(sorted(item["name"] for item in listed if item["name"].startswith(f"{block.prefix}-")))


def machines_on_host() -> int:
    """How many machines of all rehearsals have a namespace."""
    folder = Path("/run/netns")
    return sum(1 for item in folder.glob("by*-m*")) if folder.is_dir() else 0


def make_cloud(block: Block) -> None:
    """Makes the router, its link to the host, the foreign host and the edge; what is there stays."""
    space, up = router(block), uplink(block)
    if space not in namespaces(block):
        attempt(["ip", "link", "del", up])  # of a router that is gone
        run(["ip", "netns", "add", space])
    _sysctls(space, _ROUTER_SYSCTLS)
    if not Path("/sys/class/net", up).exists():
        run(["ip", "link", "add", up, "type", "veth", "peer", "name", "uplink", "netns", space])
    inside = [f"addr replace {block.uplink_v4(2)}/24 dev uplink"]
    inside += ["link set uplink up", "link set lo up", f"route replace default via {block.uplink_v4(1)}"]
    _ip(space, inside)
    _ip(space, [f"addr replace {block.uplink_v6(2)}/64 dev uplink nodad"], "-6")
    for v4, v6 in block.services():
        _ip(space, [f"addr replace {v4}/32 dev lo"])
        _ip(space, [f"addr replace {v6}/128 dev lo nodad"], "-6")
    _ip("", [f"addr replace {block.uplink_v4(1)}/24 dev {up}", f"link set {up} up"])
    _ip("", [f"addr replace {block.uplink_v6(1)}/64 dev {up} nodad"], "-6")
    # The whole block goes to the router, the private network too: its refusal is better than the default route.
    if not _is_routed(block):  # else it speaks from where it was told to: `up` is repeated by every command
        route_host(block, 1)
    _make_host(block, foreign(block), "foreign", block.foreign_v4, block.foreign_v6)
    _make_host(block, edge(block), "edge", block.edge_v4, block.edge_v6)


def route_host(block: Block, host: int) -> None:
    """From which of its addresses the build machine speaks to the rehearsal."""
    up = uplink(block)
    if host != 1:
        _ip("", [f"addr replace {block.uplink_v4(host)}/24 dev {up}"])
        _ip("", [f"addr replace {block.uplink_v6(host)}/64 dev {up} nodad"], "-6")
    v4 = f"route replace {block.network_v4} via {block.uplink_v4(2)} dev {up} src {block.uplink_v4(host)}"
    v6 = f"route replace {block.network_v6} via {block.uplink_v6(2)} dev {up} src {block.uplink_v6(host)}"
    _ip("", [v4])
    _ip("", [v6], "-6")


def make_machine(block: Block, machine_id: int, addresses: Addresses) -> None:
    """Makes a machine's namespace with its public and private link; what is there stays."""
    space, core = machine_space(block, machine_id), router(block)
    links = {f"m{machine_id}": "pub0", f"p{machine_id}": "prv0"}
    there = _links(core)
    if space in namespaces(block) and all(name in there for name in links):
        return
    remove_machine(block, machine_id)
    run(["ip", "netns", "add", space])
    for outer, inner in links.items():
        _ip(core, [f"link add {outer} type veth peer name {inner} netns {space}"])
        _ip(core, [f"addr add {_GATEWAY_V4}/32 dev {outer}", f"link set {outer} up"])
        _ip(core, [f"addr add {_GATEWAY_V6}/64 dev {outer} nodad"], "-6")
    public, private = addresses.public_ipv4, addresses.private_ipv4
    _ip(core, [f"route add {public}/32 dev m{machine_id}", f"route add {private}/32 dev p{machine_id}"])
    _ip(core, [f"route add {addresses.public_ipv6}/128 dev m{machine_id}"], "-6")
    _ip(space, ["link set lo up", "link set pub0 up", "link set prv0 up"])
    _ip(space, [f"addr add {public}/32 dev pub0", f"addr add {private}/32 dev prv0"])
    _ip(space, [f"route add default via {_GATEWAY_V4} dev pub0 onlink src {public}"])
    _ip(space, [f"route add {block.private_v4} via {_GATEWAY_V4} dev prv0 onlink src {private}"])
    _ip(space, [f"addr add {addresses.public_ipv6}/128 dev pub0 nodad"], "-6")
    _ip(space, [f"route add default via {_GATEWAY_V6} dev pub0 src {addresses.public_ipv6}"], "-6")


def unplug(block: Block, machine_id: int) -> None:
    """Its links are down: a machine that is off answers nothing, and refuses nothing. Its next start makes new ones."""
    space = machine_space(block, machine_id)
    if space in namespaces(block):
        _ip(space, ["link set pub0 down", "link set prv0 down"])


def remove_machine(block: Block, machine_id: int) -> None:
    """Removes a machine's namespace and links; nothing when they are gone."""
    core = router(block)
    if core in namespaces(block):
        for name in (f"m{machine_id}", f"p{machine_id}"):
            attempt(["ip", "-n", core, "link", "del", name])
    if machine_space(block, machine_id) in namespaces(block):
        run(["ip", "netns", "del", machine_space(block, machine_id)])


def remove_cloud(block: Block) -> None:
    """Removes everything of this rehearsal from the network."""
    for space in namespaces(block):
        run(["ip", "netns", "del", space])
    attempt(["ip", "link", "del", uplink(block)])


def load(space: str, ruleset: str) -> None:
    """Loads nftables text in a namespace ("" for the host), in one transaction."""
    run([*(["nsenter", f"--net=/run/netns/{space}"] if space else []), "nft", "-f", "-"], stdin=ruleset)


def _make_host(block: Block, space: str, name: str, v4: str, v6: str) -> None:
    """A plain host behind the router: second address of its networks, the router has the first."""
    core = router(block)
    if space in namespaces(block) and name in _links(core):
        return
    attempt(["ip", "netns", "del", space])
    attempt(["ip", "-n", core, "link", "del", name])
    run(["ip", "netns", "add", space])
    base_v4, base_v6 = v4.removesuffix("0/24"), v6.removesuffix("/64")
    _ip(core, [f"link add {name} type veth peer name eth0 netns {space}"])
    _ip(core, [f"addr add {base_v4}1/24 dev {name}", f"link set {name} up"])
    _ip(core, [f"addr add {base_v6}1/64 dev {name} nodad"], "-6")
    _ip(space, ["link set lo up", "link set eth0 up", f"addr add {base_v4}2/24 dev eth0"])
    _ip(space, [f"route add default via {base_v4}1"])
    _ip(space, [f"addr add {base_v6}2/64 dev eth0 nodad"], "-6")
    _ip(space, [f"route add default via {base_v6}1"], "-6")


def _is_routed(block: Block) -> bool:
    return all(
        json.loads(run(["ip", "-j", family, "route", "show", "exact", target]) or "[]")
        for family, target in (("-4", block.network_v4), ("-6", block.network_v6))
    )


def _links(space: str) -> tuple[str, ...]:
    return tuple(link["ifname"] for link in json.loads(run(["ip", "-j", "-n", space, "link", "show"]) or "[]"))


def _ip(space: str, commands: list[str], *options: str) -> None:
    """Several commands of ip in one go; the words are names and addresses of ours, never a user's."""
    where = ["-n", space] if space else []
    run(["ip", *where, *options, "-batch", "-"], stdin="\n".join(commands) + "\n")


def _sysctls(space: str, values: dict[str, str]) -> None:
    words = [f"{name}={value}" for name, value in values.items()]
    run(["nsenter", f"--net=/run/netns/{space}", "sysctl", "-q", "-w", *words])
