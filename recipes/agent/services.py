"""systemd units."""

from __future__ import annotations

from recipes.agent.core import KINDS, Failed, Kind

PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
RUNNING = ("active", "reloading", "activating")
#: static and its like cannot be enabled: they start with the unit that wants them
ENABLED = ("enabled", "enabled-runtime", "static", "indirect", "generated", "transient", "alias", "linked")
NOT_ENABLED = ("disabled", "masked", "masked-runtime", "static", "indirect", "generated", "transient", "")


class Service(Kind):
    started = False

    def show(self) -> dict[str, dict[str, str]]:
        """All units of this recipe, asked at once; answers come in the order of the questions."""
        units = sorted({step["unit"] for step in self.agent.steps if step["kind"] == "Service"})
        options = [f"--property={name}" for name in PROPERTIES]
        result = self.agent.must(["systemctl", "show", *options, "--", *units], show=False, apart=True)
        blocks = [block for block in result.text.split("\n\n") if block.strip()]
        if len(blocks) != len(units):
            raise Failed(f"systemctl told of {len(blocks)} units, not of {len(units)}", result.tail)
        pairs = ([line.partition("=") for line in block.splitlines()] for block in blocks)
        return {unit: {key: value for key, _, value in lines} for unit, lines in zip(units, pairs)}  # noqa: B905 (3.9)

    def state(self) -> dict[str, str]:
        units: dict[str, dict[str, str]] = self.agent.once("units", self.show)
        return units[self.step["unit"]]

    def runs(self) -> bool:
        return self.state().get("ActiveState", "") in RUNNING

    def is_enabled(self) -> bool:
        state = self.state().get("UnitFileState", "")
        return state in ENABLED if self.step["enabled"] else state not in NOT_ENABLED

    def check(self) -> str | None:
        state = self.state()
        if state.get("LoadState") == "not-found" and (self.step["running"] or self.step["enabled"]):
            raise Failed(f"there is no unit {self.step['unit']}")
        diffs = []
        if self.step["running"] != self.runs():
            diffs.append(f"{state.get('ActiveState')} -> {'active' if self.step['running'] else 'inactive'}")
        if self.step["enabled"] != self.is_enabled():
            diffs.append(f"{state.get('UnitFileState')} -> {'enabled' if self.step['enabled'] else 'disabled'}")
        return "\n".join(diffs) or None

    def systemctl(self, *arguments: str) -> None:
        result = self.agent.run(["systemctl", *arguments, "--", self.step["unit"]])
        if result.code != 0:
            log = self.agent.run(
                ["journalctl", "--no-pager", "-q", "-o", "cat", "-n", "15", "-u", self.step["unit"]], show=False
            )
            raise Failed(f"systemctl {arguments[0]} failed", f"{result.tail}\n{log.tail}".strip())

    def reload_manager(self) -> None:
        """systemd reads changed unit files only when told."""
        if self.state().get("NeedDaemonReload") == "yes":
            self.agent.must(["systemctl", "daemon-reload"])

    def apply(self) -> None:
        self.reload_manager()
        if self.step["enabled"] != self.is_enabled():
            if self.step["enabled"] and self.state().get("UnitFileState", "").startswith("masked"):
                self.systemctl("unmask")
            self.systemctl("enable" if self.step["enabled"] else "disable")
        if self.step["running"] != self.runs():
            self.systemctl("start" if self.step["running"] else "stop")
            self.started = self.step["running"]

    def pay(self, applied: bool) -> None:
        if self.started or not self.step["running"]:
            return  # a fresh start has read everything
        if not applied:
            self.reload_manager()
        self.systemctl("reload-or-restart" if self.step["reload"] else "restart")


KINDS.update(Service=Service)
