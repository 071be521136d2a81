"""All of this machine that a rehearsal could change: as it was before all tests, so it is after them.

``python -m tests.journeys.host remember FILE`` before, ``python -m tests.journeys.host compare FILE`` after.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from state.clock import SystemClock, wait_until
from state.errors import DeadlineExceeded

#: The last processes of a machine end a moment after it.
SETTLE_S = 10
#: Counters of the kernel, not settings.
_COUNTERS = re.compile(r"nf_conntrack_count|icmp_msgs")


def host_state() -> dict[str, tuple[str, ...]]:
    """Everything a rehearsal could change on this machine, in lines that compare."""

    def lines(*words: str) -> tuple[str, ...]:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        return tuple(sorted(done.stdout.splitlines()))

    links = (line.split(":")[1].strip() for line in lines("ip", "-o", "link"))
    registry = Path("/run/buildyard")
    tree = Path("/sys/fs/cgroup")
    return {
        "rehearsals": tuple(sorted(path.name for path in registry.glob("by*"))) if registry.is_dir() else (),
        "links": tuple(sorted(links)),
        "addresses": tuple(re.sub(r"(valid_lft|preferred_lft) \S+", "", line) for line in lines("ip", "-o", "addr")),
        "namespaces": lines("ip", "netns"),
        "routes": lines("ip", "route", "show", "table", "all"),
        "routes of v6": lines("ip", "-6", "route", "show", "table", "all", "type", "unicast"),
        "nft": tuple(re.sub(r"packets \d+ bytes \d+", "", line) for line in lines("nft", "list", "ruleset")),
        "mounts": tuple(sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())),
        "loop devices": tuple(line.split(":")[0] for line in lines("losetup", "-a")),
        "cgroups": tuple(sorted(str(path) for way in ("buildyard*", "*/buildyard*") for path in tree.glob(way))),
        "sysctl": tuple(
            line for line in lines("sysctl", "-a", "-r", r"^(net|fs\.inotify)\.") if not _COUNTERS.search(line)
        ),
        "processes": tuple(sorted(set(_our_processes()))),
    }


def _our_processes() -> Iterable[str]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if any(word in command for word in ("nspawn", "rehearsal", "pdns_server", "weed ", "pebble", "dnsmasq")):
                yield command[:120]


def differences(before: Mapping[str, Iterable[str]], after: Mapping[str, Iterable[str]]) -> list[str]:
    """What is there more, or no longer; nothing but names while somebody else rehearses on this machine too."""
    others = bool(list(before["rehearsals"]))
    found = []
    for what, lines in before.items():
        if others and what != "rehearsals":
            continue
        old, new = set(lines), set(after[what])
        if what == "sysctl":  # a module of the kernel that was loaded meanwhile brought settings of its own
            known = {line.partition(" = ")[0] for line in old}
            new = {line for line in new if line.partition(" = ")[0] in known}
        found += [f"{what}: + {line}" for line in sorted(new - old)]
        found += [f"{what}: - {line}" for line in sorted(old - new)]
    return found


def main(verb: str, path: Path) -> int:
    """1 when something differs, and says what."""
    if verb == "remember":
        path.write_text(json.dumps(host_state()))
        return 0
    before = json.loads(path.read_text())
    try:
        wait_until(
            "the host to be as it was",
            lambda: not differences(before, host_state()),
            timeout_s=SETTLE_S,
            clock=SystemClock(),
        )
    except DeadlineExceeded:
        print("The tests left this machine changed:", *differences(before, host_state()), sep="\n  ")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], Path(sys.argv[2])))
