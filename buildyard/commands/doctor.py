"""Does this machine have what Buildyard needs, and what works without it."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(_one: argparse.ArgumentParser) -> None:
    """No words of its own."""


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Looks at Python, programs, rights, keyring and home; 0 when a rehearsal and a build are possible."""
    from buildyard.checkup import examine

    findings = examine(program)
    if arguments.json:
        print(json.dumps({"ok": all(each.ok for each in findings), "findings": [each.as_json() for each in findings]}))
    else:
        for each in findings:
            print(f"{'✔' if each.ok else '✖'} {each.what}: {each.text}")
            if each.hint:
                print(f"    Next: {each.hint}")
    return 0 if all(each.ok for each in findings) else 1
