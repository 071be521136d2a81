"""Show the recovery key: one line, with which another stick takes the deployment over when this one is lost."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from state.errors import UsageError

if TYPE_CHECKING:
    from buildyard.program import Program


def add(_one: argparse.ArgumentParser) -> None:
    """No words of its own."""


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Reads it from the secrets; the cloud is not asked, and it goes to this terminal only."""
    from fleet.names import bucket_suffix
    from fleet.recovery import SEAL
    from fleet.recovery_key import RecoveryKey
    from fleet.settings import read_settings
    from state.files import write_file

    paths = program.paths(arguments.deployment)
    answers = program.answers(paths)
    settings = read_settings(answers.values)
    seal = program.secret_store(paths, settings.provider, may_ask=not arguments.yes).get(SEAL)
    if seal is None:
        raise UsageError(
            f"{paths.name} has no recovery key yet.",
            detail="The first build makes it, as soon as there is a bucket to keep the copy in.",
            hint=f"buildyard build --deployment {paths.name}",
        )
    write_file(paths.recovery_key_shown, b"")  # runs need not speak of it any more
    suffix = bucket_suffix(answers.lineage)
    text = RecoveryKey(settings.provider, settings.region, settings.deployment, suffix, seal).text.reveal()
    if arguments.json:
        print(json.dumps({"ok": True, "deployment": paths.name, "recovery_key": text}))
        return 0
    print(text)
    print(f"\nWrite it down and keep it elsewhere than this stick. Whoever has it and a token of {settings.provider}")
    print(f"has {paths.name}; whoever has only one of the two has nothing. When this stick is lost: buildyard adopt")
    return 0
