"""The reference role by Buildyard: ``python -m bench.engine.ours FOLDER``; the folder holds hosts.json, key, files/."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.engine.role import recipe
from recipes.report import Report
from recipes.run import run_recipe
from recipes.ssh import Address, open_link
from state.events import StepStatus
from state.journal import Journal
from state.secret import Redactor


def main(folder: Path) -> None:
    """Runs the role on all hosts at once, host keys pinned, every event in a journal."""
    hosts = [Address(**host) for host in json.loads((folder / "hosts.json").read_text(encoding="utf-8"))]
    role = recipe(folder)
    redact = Redactor()
    with Journal(folder / "journal", redact) as journal, ThreadPoolExecutor(len(hosts)) as pool:

        def one(address: Address) -> Report:
            with open_link(address, folder / "key") as link:
                return run_recipe(
                    link,
                    role,
                    machine=address.host,
                    emit=journal.emit,
                    redact=redact,
                    cancel=threading.Event(),
                    deadline_s=300.0,
                )

        for address, report in zip(hosts, pool.map(one, hosts), strict=True):
            print(address.host, *(f"{status.value}={report.count(status)}" for status in StepStatus))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
