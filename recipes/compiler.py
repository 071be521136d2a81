"""Turns a recipe into one program for the machine.

The program is text: the files of :mod:`recipes.agent` that the recipe's kinds of steps need, joined, and the steps as
data. Both go to the machine's standard input behind a constant command, so nothing of a recipe, secrets least of all,
is ever in an argument list, an environment or a file of the machine that a step did not ask for.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
import shlex
import zlib
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

from recipes.steps import (
    AllowRule,
    Command,
    Cron,
    File,
    FirewallRules,
    Package,
    Recipe,
    Script,
    Service,
    Sql,
    Step,
    UserCrontab,
)
from state.secret import Secret

#: Which file of recipes/agent holds a kind of step; files are joined in this order.
FILES = {
    "files": ("File", "Line", "Absent", "Directory", "Symlink"),
    "packages": ("Package",),
    "services": ("Service",),
    "users": ("User", "UserCrontab"),
    "commands": ("Command", "Script", "Sql", "Fact"),
    "firewall": ("FirewallRules",),
}
NEEDS_FILES = ("users", "firewall")

#: Reads program and steps, each behind its length, and runs the program; -S: without site-packages it starts faster.
BOOTSTRAP = (
    "import sys,zlib\n"
    "r=sys.stdin.buffer.read\n"
    "def g():\n"
    " n=int.from_bytes(r(4),'big')\n"
    " return zlib.decompress(r(n))\n"
    "c=compile(g(),'buildyard','exec')\n"
    "d={'__name__':'buildyard'}\n"
    "exec(c,d)\n"
    "import json\n"
    "d['main'](json.loads(g()))\n"
)
INTERPRETER = ("python3", "-I", "-S", "-c", BOOTSTRAP)

STATE_FOLDER = "/var/lib/buildyard"
_UNIT_KINDS = (".service", ".socket", ".timer", ".mount", ".path", ".target")


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled recipe.

    Attributes:
        recipe: its name.
        labels: of its steps, in order; frames speak of steps by number.
        data: what goes to standard input of :data:`INTERPRETER`; holds secrets.
    """

    recipe: str
    labels: tuple[str, ...]
    data: bytes = field(repr=False)


def compile_recipe(
    recipe: Recipe,
    *,
    check_only: bool = False,
    deadline_s: float = 1800.0,
    lock_s: float = 600.0,
    folder: str = STATE_FOLDER,
) -> Program:
    """Makes the program.

    Args:
        recipe: what shall be so.
        check_only: only say what would change.
        deadline_s: the program gives up after this long.
        lock_s: how long it waits for another run on the same machine.
        folder: where the machine keeps debts and lock.

    Raises:
        ValueError: the recipe contradicts itself (a label twice, a notified unit without Service step, …).
    """
    _check(recipe)
    payload = {
        "recipe": recipe.name,
        "check_only": check_only,
        "deadline_s": deadline_s,
        "lock_s": lock_s,
        "folder": folder,
        "steps": [_lower(step, recipe) for step in recipe.steps],
    }
    kinds = frozenset(step["kind"] for step in payload["steps"])  # type: ignore[attr-defined]
    data = b"".join(
        len(packed).to_bytes(4, "big") + packed
        for packed in (_agent(kinds), zlib.compress(json.dumps(payload).encode(), 6))
    )
    return Program(recipe.name, tuple(step.label for step in recipe.steps), data)


@cache
def _agent(kinds: frozenset[str]) -> bytes:
    """The packed source of the program for these kinds."""
    return zlib.compress(agent_source(kinds).encode(), 9)


def agent_source(kinds: frozenset[str]) -> str:
    """The source of the program for these kinds: one text, imports of its own files taken out."""
    names = [name for name, held in FILES.items() if kinds & set(held)]
    if set(names) & set(NEEDS_FILES) and "files" not in names:
        names.insert(0, "files")
    folder = resources.files("recipes.agent")
    files = (f"{name}.py" for name in ("wire", "disk", "core", *names))
    text = "\n".join(folder.joinpath(file).read_text(encoding="utf-8") for file in files)
    text = re.sub(r"^from recipes\.agent[^\n(]* import (\([^)]*\)|[^\n]*)\n", "", text, flags=re.MULTILINE)
    future = "from __future__ import annotations\n"
    return future + text.replace(future, "")


def _check(recipe: Recipe) -> None:
    """Refuses what could not work; these are mistakes of a recipe's author."""
    known: set[str] = set()
    for position, step in enumerate(recipe.steps):
        where = f"recipe {recipe.name!r}, step {step.label!r}"
        if step.label in known:
            raise ValueError(f"{where}: the label is there twice")
        later = {unit_name(other.unit) for other in recipe.steps[position + 1 :] if isinstance(other, Service)}
        for unit in step.notifies:
            if unit_name(unit) not in later:
                raise ValueError(f"{where}: notifies {unit!r}, but no Service step for it follows")
        if isinstance(step, Command | Script):
            for label in step.when_changed:
                if label not in known:
                    raise ValueError(f"{where}: when_changed names {label!r}, which is no earlier step")
            if not step.check and not step.when_changed:
                raise ValueError(f"{where}: needs a check or when_changed, or it would run each time")
        if isinstance(step, Package):
            for name in step.names:
                if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+(:[a-z0-9]+)?", name):
                    raise ValueError(f"{where}: {name!r} is no name of a package")
        if isinstance(step, UserCrontab) and "\n" in step.schedule + step.command:
            raise ValueError(f"{where}: a line of cron holds no line end")
        path = getattr(step, "path", "/x")
        if not path.startswith("/") or path.rstrip("/") == "" or "\0" in path or ".." in path.split("/"):
            raise ValueError(f"{where}: {path!r} is no absolute path of a thing")
        known.add(step.label)


def unit_name(unit: str) -> str:
    """The unit with its kind: "nginx" is nginx.service."""
    return unit if unit.endswith(_UNIT_KINDS) else f"{unit}.service"


def _lower(step: Step, recipe: Recipe) -> dict[str, Any]:
    """The step as data for the agent."""
    debts = [_unit_debt(unit) for unit in step.notifies]
    debts += [
        _step_debt(recipe, other)
        for other in recipe.steps
        if isinstance(other, Command | Script) and step.label in other.when_changed
    ]
    debt = ""
    if isinstance(step, Service):
        debt = _unit_debt(step.unit)
    elif isinstance(step, Command | Script) and step.when_changed:
        debt = _step_debt(recipe, step)
    if isinstance(step, Cron):
        step = _cron_file(step)
    lowered: dict[str, Any] = {"kind": type(step).__name__, "debts": debts, "debt": debt}
    contents = _content_fields(step)
    for item in fields(step):
        value = getattr(step, item.name)
        if item.name in contents:
            lowered[item.name] = _content(value)
        elif isinstance(step, FirewallRules) and item.name == "allow":
            lowered["allow"] = [_rule(allow) for allow in step.allow]
        else:
            lowered[item.name] = _plain(value, f"recipe {recipe.name!r}, step {step.label!r}, {item.name}")
    if isinstance(step, Service):
        lowered["unit"] = unit_name(step.unit)
    return lowered


def _content_fields(step: Step) -> tuple[str, ...]:
    if isinstance(step, File):
        return ("content",)
    if isinstance(step, Command | Script):
        return ("stdin", "check_stdin")
    return ("check", "apply") if isinstance(step, Sql) else ()


def _content(content: str | bytes | Secret) -> dict[str, Any]:
    if isinstance(content, Secret):
        return {"text": content.reveal(), "secret": True}
    if isinstance(content, bytes):
        return {"base64": base64.b64encode(content).decode(), "secret": False}
    return {"text": content, "secret": False}


def _plain(value: Any, where: str) -> Any:
    """JSON values only: what is anything else here would be seen in an argument list, or is a mistake."""
    if isinstance(value, tuple):
        return [_plain(item, where) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{where}: a {type(value).__name__} cannot stand here; secrets go into content or stdin")


def _unit_debt(unit: str) -> str:
    return "unit-" + hashlib.sha256(unit_name(unit).encode()).hexdigest()[:24]


def _step_debt(recipe: Recipe, step: Step) -> str:
    return "step-" + hashlib.sha256(f"{recipe.name}\n{step.label}".encode()).hexdigest()[:24]


def _cron_file(step: Cron) -> File:
    """``/etc/cron.d/NAME``; run-parts' rule for names, cron's rule for the percent sign."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", step.name):
        raise ValueError(f"cron job {step.name!r}: use letters, digits, _ and - (cron ignores other files)")
    command = shlex.join(step.command)
    if "\n" in command or "\n" in step.schedule:
        raise ValueError(f"cron job {step.name!r}: a line of cron holds no line end")
    command = command.replace("%", "\\%")
    text = (
        "# written by Buildyard; changes are overwritten\n"
        "SHELL=/bin/sh\n"
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"{step.schedule} {step.user} {command} 2>&1 | logger -t buildyard-{step.name}\n"
    )
    return File(
        label=step.label,
        notifies=step.notifies,
        timeout_s=step.timeout_s,
        path=f"/etc/cron.d/{step.name}",
        content=text,
    )


def _rule(allow: AllowRule) -> dict[str, Any]:
    """The rule in the one spelling that the agent compares."""
    source, to = _address(allow.source), _address(allow.to)
    versions = {ipaddress.ip_network(item).version for item in (source, to) if item != "any"}
    if len(versions) > 1:
        raise ValueError(f"rule for port {allow.port}: {source} and {to} are of different families")
    if allow.protocol not in ("tcp", "udp", "any") or not 0 < allow.port < 65_536:
        raise ValueError(f"rule for port {allow.port}/{allow.protocol}: no such thing")
    family = f"v{versions.pop()}" if versions else "any"
    return {"port": allow.port, "protocol": allow.protocol, "source": source, "to": to, "family": family}


def _address(text: str) -> str:
    if text == "any":
        return text
    network = ipaddress.ip_network(text, strict=False)
    if network.prefixlen == 0:
        raise ValueError(f'{text}: say "any" when both families are meant; a single open family is not offered')
    return str(network.network_address) if network.num_addresses == 1 else str(network)
