"""What is known about one deployment: how it stands and why, its machines, its last runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from fleet.cost import is_free, short_per_month
from screens import signs
from screens.looking import Seen
from screens.widgets.fleet_table import FleetTable
from screens.wording import ago, duration, since
from state.runs import Run, RunState

#: How a run ended, as a sign, a word and a colour.
RUN_STATES = {
    RunState.RUNNING: (signs.DOING, "running", "$primary"),
    RunState.DONE: (signs.DONE, "done", "$success"),
    RunState.FAILED: (signs.FAILED, "failed", "$error"),
    RunState.INTERRUPTED: (signs.WARNING, "cut off", "$warning"),
}
#: What a run is called while it goes on.
DOING = {"build": "building", "destroy": "destroying", "rehearse": "building"}
#: Runs that are shown; all of them are in the list of runs.
MOST_RUNS = 8


@dataclass(frozen=True, slots=True)
class Stand:
    """How a deployment stands, in a sign, a word and a colour.

    Attributes:
        why: the rest of the sentence.
    """

    sign: str
    word: str
    style: str
    why: str = ""


def stand_of(seen: Seen, now: float) -> Stand:
    """The one thing to know about it first."""
    run, card, status = seen.running, seen.card, seen.status
    if run is not None:
        why = f"{since(now - run.started_at)}; a shows it" if run.started_at else "a shows it"
        return Stand(signs.DOING, DOING.get(run.command, run.command), "$primary", why)
    if not card.built and seen.destroyed is not None:
        return Stand(signs.TODO, "destroyed", "$foreground-muted", "its answers are still here; b builds it again")
    if not card.complete:
        return Stand(signs.TODO, "unfinished", "$warning", "some questions are not answered yet; c goes on")
    if not card.built:
        return Stand(signs.TODO, "not built", "$foreground-muted", "all is answered; b builds it")
    if seen.locked:
        return Stand(signs.WARNING, "locked", "$warning", "its secrets need the passphrase; r asks for it")
    if seen.problem is not None:
        return Stand(signs.WARNING, "unknown", "$warning", "it could not be looked at")
    if status is None:
        return Stand(signs.WAITING, "looking…", "$foreground-muted", "provider, DNS, machines and page are asked")
    if status.healthy:
        return Stand(signs.DONE, "healthy", "$success", status.reason)
    return Stand(signs.FAILED, "not healthy", "$error", status.reason)


class DeploymentCard(VerticalScroll):
    """One deployment; scrolls when it is longer than its place."""

    DEFAULT_CSS = """
    DeploymentCard { height: 1fr; }
    DeploymentCard > Static { height: auto; }
    DeploymentCard > .card-problem { margin-top: 1; }
    DeploymentCard > FleetTable { margin-top: 1; }
    DeploymentCard > .card-runs { margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        yield Static("", classes="card-facts", markup=False)
        yield Static("", classes="card-problem", markup=False)
        yield FleetTable()
        yield Static("", classes="card-runs", markup=False)

    def show(self, seen: Seen, now: float) -> None:
        """Shows what is known.

        Args:
            now: seconds since the epoch.
        """
        self.border_title = seen.card.name
        self.border_subtitle = _freshness(seen, now)
        self._fill(".card-facts", facts(seen, now))
        self._fill(".card-problem", problem(seen))
        self._fill(".card-runs", last_runs(seen.card.runs, now))
        table = self.query_one(FleetTable)
        table.display = seen.status is not None and bool(seen.status.machines)
        if seen.status is not None:
            table.show(seen.status.machines, seen.status.reason, priced=not is_free(seen.card.provider))

    def _fill(self, selector: str, content: Content) -> None:
        part = self.query_one(selector, Static)
        part.display = bool(content)
        part.update(content)


def facts(seen: Seen, now: float) -> Content:
    """How it stands and why; where it is; what it costs."""
    stand, card, status = stand_of(seen, now), seen.card, seen.status
    lines = [Content.assemble((f"{stand.sign} {stand.word}", f"bold {stand.style}"), _after(stand.why)), Content("")]
    lines.append(_fact("address", card.url or "not chosen yet"))
    where = [part for part in (card.mode, f"on {card.provider}" if card.provider else "") if part]
    if status is not None:
        where.append(f"· {short_per_month(status.cost_per_month, card.provider)}")
    if where:
        lines.append(_fact("runs as", " ".join(where)))
    if status is not None:
        for entry in status.dns:
            found = ", ".join(map(str, entry.get("addresses", ())))
            lines.append(_fact("DNS", f"{entry.get('name')} → {found or 'no address'}"))
        days = status.certificate.get("days_left")
        lines.append(_fact("certificate", "none seen" if days is None else f"{days} days left"))
    return Content("\n").join(lines)


def problem(seen: Seen) -> Content:
    """Why the last look failed, and what to do."""
    if seen.problem is None or seen.locked:
        return Content("")
    found = seen.problem
    lines = [Content.styled(f"{signs.WARNING} {found.summary}", "$warning")]
    lines += [Content.styled("  " + line, "$foreground-muted") for line in found.detail.splitlines()[:5]]
    if found.hint:
        lines.append(Content.styled(f"  Next: {found.hint}", "$accent"))
    return Content("\n").join(lines)


def last_runs(runs: Iterable[Run], now: float) -> Content:
    """A line a run, the newest first."""
    rows = [run_words(run, now) for run in list(runs)[:MOST_RUNS]]
    if not rows:
        return Content("")
    lines = [Content.styled("last runs", "$foreground-muted")]
    for (sign, word, style), command, when, took in rows:
        lines.append(Content.assemble((f"{sign} ", style), f"{command:9} ", (f"{word:9}", style), f"{when:14} {took}"))
    return Content("\n").join(lines)


def run_words(run: Run, now: float) -> tuple[tuple[str, str, str], str, str, str]:
    """(sign, word and colour), command, when it ended or began, how long it took."""
    at = run.finished_at or run.started_at
    when = ago(now - at) if at else "–"
    took = f"took {duration(run.finished_at - run.started_at)}" if run.started_at and run.finished_at else ""
    return RUN_STATES[run.state], run.command or "run", when, took


def _freshness(seen: Seen, now: float) -> str:
    if seen.looking:
        return "looking…" if seen.status is None else f"seen {ago(now - seen.status_at)} · looking again…"
    return f"seen {ago(now - seen.status_at)}" if seen.status is not None else ""


def _fact(label: str, text: str) -> Content:
    return Content.assemble((f"{label:12}", "$foreground-muted"), text)


def _after(why: str) -> str:
    return f" · {why}" if why else ""
