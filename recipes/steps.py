"""The words recipes are written in. A step says what shall be so; it runs nothing.

A recipe is a generator of steps. :mod:`recipes.compiler` turns all of them into one program for the machine,
:mod:`recipes.agent` is that program: it checks each step before it applies it. To add a kind of step: a class here,
a check and an apply in the agent, a test.

``notifies`` names Service steps that follow: they are reloaded or restarted once, at their own place in the recipe,
when the step changed something. The agent notes the debt on disk before it applies, so a run that was cut off in
between still pays it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from state.secret import Secret

Content = str | bytes | Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What all steps have.

    Attributes:
        label: what it is for, for a person; unique in its recipe ("nginx site").
        notifies: units of Service steps that must take notice of a change.
        timeout_s: the machine ends the step after this long.
    """

    label: str
    notifies: tuple[str, ...] = ()
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Step):
    """Debian packages are installed (any version, no recommends); waits for the dpkg lock of the first boot."""

    names: tuple[str, ...]
    timeout_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class File(Step):
    """A file with exactly this content; written beside and renamed. A Secret's diff is never shown."""

    path: str
    content: Content
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    #: argv that must accept the new file before it takes the place of the old; "{}" stands for its path
    validate: tuple[str, ...] = ()
    #: argv that runs before a change; when it fails nothing is changed
    guard: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Step):
    """A file holds this whole line; a line that matches the regular expression ``replaces`` gives way to it."""

    path: str
    line: str
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent(Step):
    """Nothing is at that path (a folder goes with all it holds)."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory(Step):
    path: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symlink(Step):
    """``path`` points to ``target``, switched atomically."""

    path: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Step):
    """A user; exactly these authorised keys when ``authorized_keys`` is not None."""

    name: str
    shell: str = "/bin/bash"
    home: str = ""
    system: bool = False
    groups: tuple[str, ...] = ()
    authorized_keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Step):
    """A systemd unit runs and starts at boot (or neither); a notified one is reloaded or restarted."""

    unit: str
    running: bool = True
    enabled: bool = True
    reload: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron(Step):
    """``/etc/cron.d/NAME`` with one job; its output goes to the system's log under ``buildyard-NAME``."""

    name: str
    schedule: str
    command: tuple[str, ...]
    user: str = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCrontab(Step):
    """A user's own crontab holds this line."""

    user: str
    schedule: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowRule:
    """One thing ufw lets in, from ``source`` (address, CIDR or "any") to ``to`` (an own address or "any")."""

    port: int
    source: str
    to: str = "any"
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallRules(Step):
    """ufw is on, drops what is not allowed, and allows exactly these; new rules are added before old ones go.

    Attributes:
        guard: argv that runs before anything but an addition; when it fails nothing is changed.
    """

    allow: tuple[AllowRule, ...]
    guard: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Step):
    """The general case: ``apply`` runs when ``check`` does not exit 0.

    Attributes:
        check: argv; without it the step runs whenever one of the steps labelled in ``when_changed`` changed.
        apply: argv.
        stdin: what ``apply`` reads; secrets go this way, never into argv or environment.
        check_stdin: what ``check`` reads.
        environment: names and values that are no secret.
        when_changed: labels of earlier steps (the debt is kept on disk as with ``notifies``).
    """

    apply: tuple[str, ...]
    check: tuple[str, ...] = ()
    stdin: Content = ""
    check_stdin: Content = ""
    environment: tuple[tuple[str, str], ...] = ()
    when_changed: tuple[str, ...] = ()
    user: str = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script(Step):
    """As Command, but both are sh scripts (``set -eu``); constant texts; values are ``arguments`` ($1, $2, …)."""

    apply: str
    check: str = ""
    arguments: tuple[str, ...] = ()
    stdin: Content = ""
    check_stdin: Content = ""
    when_changed: tuple[str, ...] = ()
    user: str = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sql(Step):
    """A statement for the local MariaDB (as root, over its socket), when ``check`` does not give ``expects``.

    Attributes:
        check: a query; its output is compared with ``expects`` (tab-separated rows, no header).
        apply: statements; may be a Secret (passwords), which then is never shown.
    """

    check: Content
    expects: str
    apply: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Step):
    """Asks the machine something: what ``command`` prints comes back as ``Report.facts[label]``; changes nothing."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named list of steps for one machine; ``name`` is unique in that machine's build ("base", "firewall", …)."""

    name: str
    steps: tuple[Step, ...] = field(default_factory=tuple)
