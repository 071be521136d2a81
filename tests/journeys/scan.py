"""Every TCP port of some addresses, as nmap sees them from a network namespace."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

ALL_PORTS = 65535
SCAN_TIMEOUT_S = 150
#: A rejected port is answered at once and nmap finds the pace itself; a silent one is asked twice, at a pace that a
#: namespace's link keeps without loss. The short wait keeps nmap's list of open questions short: it walks along it.
_REJECTED = ("-T4", "--max-retries", "4", "--max-rtt-timeout", "200ms", "--initial-rtt-timeout", "100ms")
_SILENT = ("-T4", "--max-retries", "1", "--max-rtt-timeout", "200ms", "--initial-rtt-timeout", "100ms")
_SILENT_PACE = ("--min-rate", "10000")


@dataclass(frozen=True, slots=True)
class Seen:
    """All ports of one address.

    Attributes:
        open: somebody listens there and may be spoken to.
        closed: how many ports let us through to where nobody listens.
        refusals: how many of the others were kept from us in which way, in nmap's words.
    """

    open: frozenset[int]
    closed: int
    refusals: Mapping[str, int]


def scan(namespace: str, addresses: Iterable[str], *, silent: bool, ports: Collection[int] = ()) -> dict[str, Seen]:
    """Looks at all ports of all addresses.

    Args:
        namespace: "" for this host.
        addresses: all of one family.
        silent: whether a closed port is expected to say nothing.
        ports: only these, if any are named.
    """
    targets = tuple(addresses)
    where = ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []
    family = ["-6"] if ":" in targets[0] else []
    pace = (*_SILENT, *_SILENT_PACE) if silent else _REJECTED
    chosen = ",".join(map(str, sorted(ports))) or "-"
    done = subprocess.run(
        [*where, "nmap", *family, "-sS", "-n", "-Pn", f"-p{chosen}", "--send-eth", *pace, "-oX", "-", *targets],
        capture_output=True,
        text=True,
        timeout=SCAN_TIMEOUT_S,
        check=True,
    )
    seen = parse(done.stdout, len(ports) or ALL_PORTS)
    assert set(seen) == set(targets), done.stderr
    return seen


def parse(report: str, count: int = ALL_PORTS) -> dict[str, Seen]:
    """What ``nmap -oX`` says, by address; every one of ``count`` ports must be accounted for."""
    found = {}
    for host in ET.fromstring(report).iter("host"):
        address = host.find("address")
        assert address is not None
        opened: set[int] = set()
        closed = 0
        refusals: Counter[str] = Counter()
        for port in host.iter("port"):
            state = port.find("state")
            assert state is not None
            match state.attrib["state"]:
                case "open":
                    opened.add(int(port.attrib["portid"]))
                case "closed":
                    closed += 1
                case _:
                    refusals[state.attrib["reason"]] += 1
        for others in host.iter("extraports"):
            if others.attrib["state"] == "closed":
                closed += int(others.attrib["count"])
            else:
                for reason in others.iter("extrareasons"):
                    refusals[reason.attrib["reason"]] += int(reason.attrib["count"])
        assert len(opened) + closed + refusals.total() == count, (address.attrib, opened, closed, refusals)
        found[address.attrib["addr"]] = Seen(frozenset(opened), closed, dict(refusals))
    return found
