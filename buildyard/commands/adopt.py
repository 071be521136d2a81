"""Take a deployment over onto this build machine, when the stick that built it is lost; nothing of it is changed."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from state.errors import UsageError
from state.secret import Secret

if TYPE_CHECKING:
    from buildyard.program import Program

#: Variables that name files, for their owner only, with what is asked otherwise.
KEY_VARIABLE = "BUILDYARD_RECOVERY_KEY_FILE"
TOKEN_VARIABLE = "BUILDYARD_TOKEN_FILE"


def add(_one: argparse.ArgumentParser) -> None:
    """No words of its own: what it needs is secret, and words are seen by every process."""


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Asks for recovery key and token, or takes them from files; says what this build machine has now."""
    from buildyard.adopting import adopt, needed_credentials, refuse_other_name, refuse_there
    from fleet.recovery_key import read_recovery_key

    may_ask = not arguments.yes and sys.stdin.isatty()
    key = read_recovery_key(
        _secret(program.environment, KEY_VARIABLE, "recovery key", "Recovery key: ", may_ask=may_ask).reveal()
    )
    refuse_other_name(key, arguments.deployment)
    refuse_there(program.home.deployment(key.deployment))
    credentials: dict[str, Secret] = {}
    for question in needed_credentials(key):
        what = question.label
        prompt = f"{what}, such as a new one from the control panel: "
        variable = _variable_of(question.key)
        credentials[question.key] = _secret(program.environment, variable, what, prompt, may_ask=may_ask)
    print(f"Looking for the recovery copy of {key.deployment} at {key.provider} …", file=sys.stderr, flush=True)
    done = adopt(program, key, credentials, may_ask=may_ask)
    name = done.paths.name
    if arguments.json:
        counts = {"machines": done.machines, "answers": done.answers, "secrets": done.secrets}
        print(json.dumps({"ok": True, "deployment": name, "mode": done.mode, "provider": key.provider, **counts}))
        return 0
    print(f"{name} is this build machine's now too: {done.mode} mode at {key.provider} in {key.region}.")
    print(f"Taken over: {done.answers} answers, {done.secrets} secrets, the record of {done.machines} machines.")
    print("A build machine that still has it goes on working; one run at a time changes the deployment (the lease).")
    if credentials:
        print("Was the lost one stolen? Withdraw its credentials in the provider's control panel.")
        print("Others than before are handed to the machines that need one by the next build.")
    print(f"Next: buildyard allow --deployment {name}, if this machine has another address than the lost one;")
    print(f"      buildyard plan --deployment {name} shows what a build would do.")
    return 0


def _variable_of(name: str) -> str:
    """``BUILDYARD_TOKEN_FILE`` for a vendor's token, ``BUILDYARD_EXOSCALE_KEY_FILE`` for ``exoscale.key``."""
    return TOKEN_VARIABLE if name.endswith(".token") else f"BUILDYARD_{name.replace('.', '_').upper()}_FILE"


def _secret(environment: Mapping[str, str], variable: str, what: str, prompt: str, *, may_ask: bool) -> Secret:
    """From the file that the variable names, else asked for; it is not shown while it is typed.

    Raises:
        UsageError: nobody can be asked, or nothing was typed.
        SecretsError: the file cannot be used.
    """
    from state.secret_store import secret_from

    found = secret_from(environment, variable, what)
    if found is not None:
        return found
    if not may_ask:
        raise UsageError(
            f"adopt needs the {what}, and there is nobody to ask.",
            hint=f"write it into a file only you can read (chmod 600) and name that file in {variable}",
        )
    typed = getpass.getpass(prompt).strip()
    if not typed:
        raise UsageError(f"No {what} was given.", hint="repeat the command when you have it")
    return Secret(typed)
