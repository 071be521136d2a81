"""Journals as a build writes them, with times that do not change from run to run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fleet.graph import Action, Change
from fleet.planned import PLAN_KEY, plan_data
from state.events import Event, Kind
from state.journal import Journal, write_runner
from state.process import ProcessIdentity
from state.secret import Redactor

BEGAN = 1_795_000_000.0
URL = "https://shop.example.org/"
_COMMON = ("base", "host-key", "firewall", "mail", "shared-config")
RECIPES = {
    "db": (*_COMMON, "database", "certificate", "caretaker"),
    "ws": (*_COMMON, "webserver", "wordpress", "certificate"),
}
STEPS = {"base": 22, "firewall": 3, "shared-config": 20, "database": 14, "webserver": 23, "wordpress": 8}
#: How long each takes, and how much it changes.
TAKES = {
    "machine": (0.4, 1),
    "reach": (8.6, 0),
    "base": (41.3, 16),
    "host-key": (0.6, 4),
    "firewall": (2.1, 1),
    "mail": (0.1, 0),
    "shared-config": (11.4, 20),
    "database": (47.9, 9),
    "webserver": (62.2, 21),
    "wordpress": (9.3, 8),
    "certificate": (13.0, 3),
    "caretaker": (0.7, 3),
}
APT = (
    "Get:37 http://deb.debian.org/debian bookworm/main amd64 mariadb-common all 1:10.11.19-0+deb12u1 [37.1 kB]",
    "Fetched 18.4 MB in 1s (14.2 MB/s)",
    "Selecting previously unselected package mariadb-common.",
    "Preparing to unpack .../03-mariadb-common_1%3a10.11.19-0+deb12u1_all.deb ...",
    "Unpacking mariadb-common (1:10.11.19-0+deb12u1) ...",
    "Setting up [mariadb-common] (1:10.11.19-0+deb12u1) ...",
)


def plan_of(machines: Sequence[str]) -> list[Action]:
    """A plan as :mod:`fleet.plan` makes it."""
    cloud = ("store", "network", "ssh-key", "zone")
    titles = ("buckets", "private network", "SSH key", "DNS zone of shop.example.org")
    actions = [Action(id_, Change.CREATE, title, "…") for id_, title in zip(cloud, titles, strict=True)]
    actions.append(Action("firewalls", Change.CREATE, "cloud firewalls", "…", ("network",)))
    needs = ("network", "ssh-key", "firewalls", "store")
    made = tuple(f"machine:{name}" for name in machines)
    actions += [
        Action(id_, Change.CREATE, f"machine {name} (s-1vcpu-1gb, lon1)", "the fleet lacks it", needs, name)
        for id_, name in zip(made, machines, strict=True)
    ]
    actions.append(Action("sources", Change.CHANGE, "cloud firewalls", "…", (*made, "firewalls", "zone")))
    last = []
    for name in machines:
        before = f"reach:{name}"
        actions.append(Action(before, Change.CHECK, f"SSH to {name}", "…", ("sources",), name))
        for recipe in RECIPES[name[:2]]:
            waits = [before]
            if name.startswith("ws") and recipe == "wordpress":
                waits += ["recipe:db-1:database"] if "db-1" in machines else []
            before = f"recipe:{name}:{recipe}"
            actions.append(Action(before, Change.CREATE, f"{recipe} on {name}", "…", tuple(waits), name))
        last.append(before)
    actions.append(Action("dns", Change.CHANGE, "DNS of shop.example.org", "…", tuple(last)))
    actions.append(Action("site", Change.CHECK, URL, "looked at from outside", ("dns",)))
    return actions


@dataclass
class StillClock:
    """A clock that shows one time; what waits by it waits a moment."""

    at: float

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(0.005)


class Story:
    """Writes a journal.

    Args:
        folder: of the run.
        machines: names, such as ``db-1``.
    """

    def __init__(self, folder: Path, machines: Sequence[str] = ("db-1", "ws-1")) -> None:
        self.folder = folder
        self.at = BEGAN
        self.actions = {action.id: action for action in plan_of(machines)}
        self.machines = machines
        self._journal = Journal(folder, Redactor())

    def tell(self, kind: Kind, text: str = "", *, after: float = 0.0, **more: Any) -> None:
        """One event, so many seconds after the one before."""
        self.at += after
        self._journal.emit(Event(kind, text, at=self.at, **more))

    def begin(self, *, planned: bool = True) -> Story:
        """A run that begins; its runner is this very process."""
        write_runner(self.folder, ProcessIdentity.of_this_process())
        self.tell(Kind.RUN_STARTED, "build shop", data={"command": "build"})
        self.tell(Kind.NOTE, "rehearsal: the rehearsal is up", after=1)
        if planned:
            steps = {id_: STEPS.get(id_.rpartition(":")[2], 2) for id_ in self.actions if id_.startswith("recipe")}
            data = {PLAN_KEY: plan_data(self.actions.values(), steps)}
            self.tell(Kind.NOTE, "24 of 28 actions change something", after=1, data=data)
        return self

    def start(self, *ids: str) -> Story:
        """Actions that begin now."""
        for id_ in ids:
            action = self.actions[id_]
            data = {"change": action.change.value, "reason": action.reason}
            self.tell(Kind.ACTION_STARTED, action.target, machine=action.machine, action=id_, data=data)
        return self

    def end(self, *ids: str, after: float = 0.0) -> Story:
        """Actions that end well, so long after what was told last."""
        self.at += after
        for id_ in ids:
            action = self.actions[id_]
            seconds, changed = TAKES.get(id_.rpartition(":")[2], TAKES.get(id_.partition(":")[0], (0.8, 1)))
            data = {"ok": True, "seconds": seconds, "changed": changed, "unchanged": 0 if changed else 1}
            self.tell(Kind.ACTION_FINISHED, action.target, machine=action.machine, action=id_, data=data)
        return self

    def whole(self, *ids: str, after: float = 1.0) -> Story:
        """Actions that begin now and end after so long."""
        return self.start(*ids).end(*ids, after=after)

    def up_to(self, machine: str, recipe: str) -> Story:
        """Everything on a machine before that recipe, which begins."""
        for each in RECIPES[machine[:2]]:
            if each == recipe:
                return self.start(f"recipe:{machine}:{each}")
            self.whole(f"recipe:{machine}:{each}", after=0.5)
        return self

    def step(self, machine: str, recipe: str, label: str, *, status: str = "changed", ms: int = 800) -> Story:
        """A step; without a status it runs on."""
        who: dict[str, Any] = {
            "machine": machine,
            "recipe": recipe,
            "step": label,
            "action": f"recipe:{machine}:{recipe}",
        }
        self.tell(Kind.STEP_STARTED, label, **who)
        if status:
            data = {"status": status, "ms": ms, "diff": ""}
            self.tell(Kind.STEP_FINISHED, label, after=ms / 1000, data=data, **who)
        return self

    def says(self, machine: str, recipe: str, label: str, lines: Sequence[str]) -> Story:
        """What a machine prints."""
        action = f"recipe:{machine}:{recipe}"
        for line in lines:
            self.tell(Kind.OUTPUT, line, machine=machine, recipe=recipe, step=label, action=action, after=0.1)
        return self

    def fails(self, machine: str, recipe: str, step: str, summary: str, detail: str, hint: str) -> Story:
        """A recipe that fails in a step."""
        who: dict[str, Any] = {"machine": machine, "recipe": recipe, "action": f"recipe:{machine}:{recipe}"}
        self.tell(Kind.STEP_FINISHED, step, step=step, data={"status": "failed", "ms": 900, "diff": ""}, **who)
        data = {"ok": False, "seconds": 31.0, "summary": summary, "detail": detail, "hint": hint}
        self.tell(Kind.ACTION_FINISHED, summary, data=data, **who)
        return self

    def over(self, *, ok: bool = True, code: int | None = None, text: str = "Done.") -> Story:
        """The end of the run."""
        data = {"ok": ok, "changed": 3, "unchanged": 1, "failed": int(not ok), "seconds": 60.0}
        data["exit_code"] = code if code is not None else int(not ok)
        self.tell(Kind.RUN_FINISHED, text, after=1, data=data)
        return self

    def dies(self) -> Story:
        """Its process is gone: another one has its number."""
        me = ProcessIdentity.of_this_process()
        write_runner(self.folder, replace(me, started_at=me.started_at - 1))
        return self

    @property
    def clock(self) -> StillClock:
        """Shows the time four seconds after what was told last."""
        return StillClock(self.at + 4)


def cloud_and_machines(story: Story) -> Story:
    """A build that has its machines and can log in."""
    story.begin().start("store", "network", "ssh-key", "zone").end("store", "network", "ssh-key", "zone", after=1.2)
    story.whole("firewalls").whole(*(f"machine:{name}" for name in story.machines), after=12).whole("sources")
    return story.whole(*(f"reach:{name}" for name in story.machines), after=8.6)


def in_the_middle(folder: Path, machines: Sequence[str] = ("db-1", "ws-1")) -> Story:
    """Each machine is at its main recipe and prints."""
    story = cloud_and_machines(Story(folder, machines))
    for name in machines:
        recipe, step = ("database", "MariaDB") if name.startswith("db") else ("webserver", "nginx and PHP")
        story.up_to(name, recipe).step(name, recipe, "repository").step(name, recipe, step, status="")
        story.says(name, recipe, step, APT)
    return story


def waiting(folder: Path) -> Story:
    """ws-1 has done what it can and waits for the database."""
    story = cloud_and_machines(Story(folder))
    story.up_to("db-1", "database").step("db-1", "database", "MariaDB", status="")
    story.says("db-1", "database", "MariaDB", APT)
    story.up_to("ws-1", "webserver").end("recipe:ws-1:webserver", after=31)
    story.at += 27
    return story


WHY = """its check ended with 1
nginx: [emerg] unknown directive "brotl" in /etc/nginx/conf.d/10-site.conf:12
nginx: configuration file /etc/nginx/nginx.conf test failed"""
FAILURE = (
    "nginx starts (recipe webserver on ws-1) failed: its check ended with 1",
    WHY,
    "mend the cause and run the same command again: what is done stays done",
)


def failed(folder: Path, *, over: bool = True) -> Story:
    """nginx does not start on ws-1; the database is done."""
    story = cloud_and_machines(Story(folder)).up_to("db-1", "")
    story.up_to("ws-1", "webserver").step("ws-1", "webserver", "nginx and PHP").step("ws-1", "webserver", "site")
    story.says("ws-1", "webserver", "nginx and PHP", [f"Setting up php8.2-fpm, part {n} …" for n in range(1, 25)])
    story.step("ws-1", "webserver", "nginx starts", status="")
    story.fails("ws-1", "webserver", "nginx starts", *FAILURE)
    return story.over(ok=False, text="Failed: nginx did not start.") if over else story


def done(folder: Path) -> Story:
    """Everything went well."""
    story = cloud_and_machines(Story(folder)).up_to("db-1", "").up_to("ws-1", "")
    return story.whole("dns").whole("site", after=2).over()


LOST = {
    "summary": "db-1 stopped answering during MariaDB (recipe database).",
    "detail": "The connection to it was lost: it gave no sign of life for 30 s (it hangs, is off, or the network to it "
    "is cut)\nThe last it printed:\n" + "\n".join(APT),
    "hint": "look at db-1 in the provider's console, then run the same command again: it goes on; a machine that is "
    "off is started, one that is gone is made anew",
}


def lost(folder: Path) -> Story:
    """db-1 stops answering while it installs; its step never ends."""
    story = in_the_middle(folder).end("recipe:ws-1:webserver", after=31)
    data = {"ok": False, "seconds": 47.0, **LOST}
    action = "recipe:db-1:database"
    story.tell(Kind.ACTION_FINISHED, LOST["summary"], machine="db-1", action=action, data=data, after=16)
    return story.over(ok=False, text="Failed: db-1 stopped answering.")
