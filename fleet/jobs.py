"""How the periodic work on a machine went the last time: its own records, not remembered here."""

from __future__ import annotations

import json
from typing import Any

from fleet.links import Links
from state.errors import BuildyardError
from state.fleet_record import MachineRecord
from state.printable import printable

#: One line a record (see ``recipes/files/buildyard-job``); everybody there may read them.
_RECORDS = ("sh", "-c", "cd /var/lib/buildyard/jobs && grep -hs '' *.json || true")


def failed_jobs(links: Links, known: MachineRecord) -> tuple[str, ...]:
    """A sentence for each periodic job that ended badly the last time; none where the machine cannot be asked."""
    try:
        answer = links.to(known).run(_RECORDS, timeout_s=10)
    except BuildyardError:
        return ()
    return tuple(sentence for line in answer.stdout.splitlines() if (sentence := _sentence(line)))


def _sentence(line: bytes) -> str:
    """About one record; "" when it went well, or is none."""
    try:
        record: dict[str, Any] = json.loads(line)
        if record["exit_code"] == 0:
            return ""
        said = record["last_lines"] or [f"ended with {record['exit_code']}"]
        return printable(f"{record['name']}: {said[-1]}")
    except (ValueError, KeyError, TypeError):
        return ""
