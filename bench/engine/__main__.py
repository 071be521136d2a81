"""``python -m bench.engine [--json] [--rounds 5] [--peers FOLDER]``: the figures of docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from bench.engine.machines import Machines, machines
from bench.engine.peers import ROOT, Contender, contenders, install, prepare
from bench.engine.role import READY, RESET
from recipes.ssh import Address, open_link

MACHINES = 4
PAGE = ROOT / "docs" / "performance.md"


def main() -> int:
    """Measures; the last line on standard output is the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine")
    parser.add_argument("--json", action="store_true", help="nothing but the result on standard output")
    parser.add_argument("--rounds", type=int, default=5, help="medians of so many")
    parser.add_argument("--first-rounds", type=int, default=3, help="first runs, each after a reset of the machines")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-bench", help="environment of the peers")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the machines go when it is ended from outside
    peers = install(options.peers.resolve())
    # short: the socket of Ansible's shared connection lies in it, and its path may have 108 characters
    with tempfile.TemporaryDirectory(prefix="be-") as name, machines(MACHINES) as made:
        folder = Path(name)
        prepare(folder, made)
        who = contenders(folder, peers)
        first = _first_runs(who, made, folder, options.first_rounds)
        again = _rounds(who, folder, options.rounds)
    if options.write:
        PAGE.write_text(_page(first, again, options), encoding="utf-8")
    result = {"no_change_s": _medians(again), "first_run_s": _medians(first)}
    if not options.json:
        print(_table(first, again))
    print(json.dumps(result))
    return 0


def _first_runs(who: tuple[Contender, ...], made: Machines, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Each contender on machines from which the role was taken away."""
    times: dict[str, list[float]] = {one.name: [] for one in who if one.changes}
    _on_all(made, READY)
    for _round in range(rounds):
        for one in who:
            if one.changes:
                _on_all(made, RESET)
                times[one.name].append(_timed(one, folder))
                _timed(who[-1], folder)  # equal checks pass: it has done its work
    return times


def _rounds(who: tuple[Contender, ...], folder: Path, rounds: int) -> dict[str, list[float]]:
    """Nothing to change: in turns, so that noise of the machine meets all."""
    times: dict[str, list[float]] = {one.name: [] for one in who}
    for one in who:
        _timed(one, folder)
    for _round in range(rounds):
        for one in who:
            times[one.name].append(_timed(one, folder))
    return times


def _timed(one: Contender, folder: Path) -> float:
    """The whole process."""
    begun = time.perf_counter()
    done = subprocess.run(
        one.argv,
        cwd=folder,
        env={**os.environ, **one.environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"{one.name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    print(f"{one.name} {seconds:.3f}", file=sys.stderr)
    return seconds


def _on_all(made: Machines, script: str) -> None:
    def one(address: Address) -> None:
        with open_link(address, made.key) as link:
            done = link.run(["sh", "-c", script], timeout_s=180)
            if done.exit_code != 0:
                raise SystemExit(done.stderr.decode())

    with ThreadPoolExecutor(len(made.addresses)) as pool:
        list(pool.map(one, made.addresses))


def _medians(times: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(statistics.median(values), 3) for name, values in times.items()}


def _table(first: dict[str, list[float]], again: dict[str, list[float]]) -> str:
    ours = statistics.median(again["buildyard"])
    rows = ["| | no change, s | all rounds | ours / it | first run, s |", "|---|---|---|---|---|"]
    for name, values in again.items():
        median = statistics.median(values)
        rounds = " ".join(f"{value:.2f}" for value in values)
        begun = f"{statistics.median(first[name]):.2f}" if name in first else "-"
        rows.append(f"| {name} | {median:.3f} | {rounds} | {ours / median:.3f} | {begun} |")
    return "\n".join(rows)


def _page(first: dict[str, list[float]], again: dict[str, list[float]], options: argparse.Namespace) -> str:
    bin_folder = options.peers / "bin"
    listed = [str(bin_folder / "pip"), "list", "--format=json"]
    known = json.loads(subprocess.run(listed, capture_output=True, text=True, check=True).stdout)
    versions = {item["name"]: item["version"] for item in known}
    return f"""# Performance

Written by `python -m bench.engine --write`; nothing here is typed by hand.

The reference role is 17 operations: 4 packages, a user, a folder, 10 files, a line in a file, a cron job, 2 services.
It runs on {MACHINES} rehearsal machines at once. Whole processes are timed, all contenders in one go and in turns:
medians of {options.rounds} rounds with nothing to change, and of {options.first_rounds} first runs, each after
the role's work was taken away (curl and ufw purged). Host keys are verified by all. Buildyard writes its journal.
`bare` is one Fabric round trip a machine with a shell script of equal checks; it changes nothing.

{_table(first, again)}

{os.cpu_count()} cores, Python {platform.python_version()}, fabric {version("fabric")}, pyinfra {versions["pyinfra"]},
ansible-core {versions["ansible-core"]} with pipelining, ControlPersist and forks = 10. Other work on the same computer
makes seconds vary; compare the ratios.
"""


if __name__ == "__main__":
    sys.exit(main())
