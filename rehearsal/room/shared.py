"""What a rehearsal changes on the host itself, and shares with other rehearsals: undone by the last one that leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rehearsal.room.block import Block
from rehearsal.room.network import load, uplink
from rehearsal.room.programs import attempt, run
from state.files import write_file

_ORIGINALS = "originals.json"
_NETNS = Path("/run/netns")
_INOTIFY = "fs.inotify.max_user_instances"
_INOTIFY_PER_MACHINE = 5  # measured: 128 instances were too few for more than 24 machines
_INOTIFY_HOST = 32  # what a host's own programs hold


def host_table(block: Block) -> str:
    """The nftables table of a rehearsal on the host."""
    return f"{block.prefix}-host"


def open_host(block: Block, registry: Path) -> None:
    """Lets the rehearsal's machines out to the package archives, and nothing of them in.

    Call it with the registry locked, before the first namespace is made.
    """
    originals = _read(registry)
    if "netns_was_mounted" not in originals:
        originals["netns_was_mounted"] = _netns_is_mounted()
        _write(registry, originals)
    _set(registry, "net.ipv4.ip_forward", "1")
    table = f"table inet {host_table(block)}"
    load(
        "",
        f"""{table}
        delete {table}
        {table} {{
          chain out {{
            type nat hook postrouting priority srcnat; policy accept;
            ip saddr {block.network_v4} oifname != "{uplink(block)}" masquerade
          }}
          chain in {{
            type filter hook input priority filter; policy accept;
            iifname != "{uplink(block)}" accept
            ct state established,related accept
            meta l4proto {{ icmp, ipv6-icmp }} accept
            ip saddr {block.uplink_v4(2)} accept
            ip6 saddr {block.uplink_v6(2)} accept
            drop
          }}
        }}
        """,
    )
    for rule in _foreign_chain_rules(block) if _host_drops_transit() else ():
        if attempt(["iptables", "-C", *rule]).returncode != 0:
            run(["iptables", "-I", *rule])


def close_host(block: Block) -> None:
    """Removes the rehearsal's own table and rules from the host."""
    attempt(["nft", "delete", "table", "inet", host_table(block)])
    if _has_filter_table():
        for rule in _foreign_chain_rules(block):
            attempt(["iptables", "-D", *rule])


def make_place_for(machines: int, registry: Path) -> None:
    """Raises the host's limit of inotify instances when that many machines on it need more."""
    needed = machines * _INOTIFY_PER_MACHINE + _INOTIFY_HOST
    if needed > int(_sysctl(_INOTIFY).read_text(encoding="utf-8")):
        _set(registry, _INOTIFY, str(max(1024, needed * 2)))


def restore_host(registry: Path) -> None:
    """Puts back what the first rehearsal found; what somebody else has changed since stays. Only for the last one."""
    originals = _read(registry)
    for name, (before, ours) in originals.get("sysctls", {}).items():
        if _sysctl(name).read_text(encoding="utf-8").strip() == ours:
            _sysctl(name).write_text(before, encoding="utf-8")
    if originals.get("netns_was_mounted") is False and _netns_is_mounted() and not any(_NETNS.iterdir()):
        run(["umount", str(_NETNS)])
        _NETNS.rmdir()
    (registry / _ORIGINALS).unlink(missing_ok=True)


def _set(registry: Path, name: str, value: str) -> None:
    current = _sysctl(name).read_text(encoding="utf-8").strip()
    if current == value:
        return
    originals = _read(registry)
    before = originals.setdefault("sysctls", {}).get(name, (current, value))[0]
    originals["sysctls"][name] = (before, value)
    _write(registry, originals)
    _sysctl(name).write_text(value, encoding="utf-8")


def _sysctl(name: str) -> Path:
    return Path("/proc/sys", *name.split("."))


def _netns_is_mounted() -> bool:
    """Whether iproute2 has bound its folder onto itself; of the same device, so that only the table of mounts tells."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return any(line.split(" ")[1] == str(_NETNS) for line in mounts)


def _host_drops_transit() -> bool:
    """Whether another table (Docker's, ufw's) drops what this host would forward, whatever ours accepts."""
    if _has_filter_table() and attempt(["iptables", "-S", "FORWARD"]).stdout.startswith("-P FORWARD DROP"):
        return True
    chains = json.loads(run(["nft", "-j", "list", "chains"]) or "{}").get("nftables", [])
    found = [item["chain"] for item in chains if "chain" in item]
    return any(chain.get("hook") == "forward" and chain.get("policy") == "drop" for chain in found)


def _has_filter_table() -> bool:
    """Whether iptables has its table already; asking iptables itself would make one."""
    legacy = Path("/proc/net/ip_tables_names")
    tables = run(["nft", "list", "tables"]).splitlines()
    return "table ip filter" in tables or (legacy.exists() and "filter" in legacy.read_text(encoding="utf-8").split())


def _foreign_chain_rules(block: Block) -> tuple[list[str], ...]:
    comment = ["-m", "comment", "--comment", f"{block.prefix} rehearsal"]
    back = ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]
    return (
        ["FORWARD", "-i", uplink(block), *comment, "-j", "ACCEPT"],
        ["FORWARD", "-o", uplink(block), *back, *comment, "-j", "ACCEPT"],
    )


def _read(registry: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((registry / _ORIGINALS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _write(registry: Path, originals: dict[str, Any]) -> None:
    write_file(registry / _ORIGINALS, json.dumps(originals).encode())
