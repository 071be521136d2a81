"""What can be done with a deployment now, with the key, the sentence and the command of each."""

from __future__ import annotations

from screens.dialogs.menu import Entry
from screens.looking import Seen
from screens.widgets.deployment_card import run_words
from state.runs import RunState


def actions_of(seen: Seen) -> tuple[Entry, ...]:
    """The menu of one deployment, the likely one first."""
    card, run = seen.card, seen.running
    goes_on = f"A run goes on ({run.command}): wait for its end, or look at it with a." if run is not None else ""
    nothing = "" if card.built else "Nothing is built yet."
    unfinished = "" if card.complete else "Some questions are not answered yet; c goes on with them."

    def command(words: str) -> str:
        return f"buildyard {words} --deployment {card.name}"

    change = "Change the answers" if card.complete else "Go on answering"
    entries = [
        Entry(
            "build",
            "Mend, or build what was changed" if card.built else "Build it",
            "b",
            "Makes what the answers say. What is right already stays as it is, so it may be repeated.",
            command("build"),
            unfinished or goes_on,
        ),
        Entry(
            "change",
            change,
            "c",
            "Asks, then shows the plan and the price before anything happens.",
            command("new"),
            goes_on,
        ),
        Entry(
            "logs",
            "Logs of all machines",
            "l",
            "What the machines' systems say, in one list; can be searched.",
            _log_command(seen),
            nothing,
        ),
        Entry(
            "login",
            "The administrator's login",
            "p",
            "Where the site's administrator logs in. The password is shown only when you ask again.",
            command("status --password"),
            nothing,
        ),
        Entry(
            "look", "Look again now", "r", "Asks provider, DNS, every machine and the page.", command("status"), nothing
        ),
        Entry(
            "runs",
            "Runs so far",
            "v",
            "Every build and what it did, step by step, as it happened.",
            command("replay"),
            "" if card.runs else "There was no run yet.",
        ),
        Entry(
            "destroy",
            "Destroy it",
            "D",
            "Removes machines, network, DNS records and buckets. Asks for the name first.",
            command("destroy"),
            nothing or goes_on,
        ),
    ]
    if card.mode == "production":
        what = "What the autoscaler sees and decides, as it happens; pause, scale, replace, drain, protect from there."
        entries.insert(2, Entry("watch", "Watch the autoscaler", "w", what, command("watch"), nothing))
    if run is not None:
        what = "Watch the run that goes on. Leaving the page does not stop it."
        entries.insert(0, Entry("attach", f"Watch the {run.command}", "a", what, command("attach")))
    if not card.complete:
        entries.insert(0, entries.pop(next(n for n, entry in enumerate(entries) if entry.id == "change")))
    return tuple(entries)


def runs_of(seen: Seen, now: float) -> tuple[Entry, ...]:
    """The runs to choose from, newest first.

    Args:
        now: seconds since the epoch.
    """
    entries = []
    for run in seen.card.runs:
        (sign, word, _), command, when, took = run_words(run, now)
        live = run.state is RunState.RUNNING
        purpose = "Goes on now." if live else f"Plays it again from its beginning. Run {run.id}."
        verb = "attach" if live else "replay"
        same = f"buildyard {verb} {run.id} --deployment {seen.card.name}"
        entries.append(Entry(run.id, f"{sign} {command:9} {word:9} {when:14} {took}".rstrip(), "", purpose, same))
    return tuple(entries)


def _log_command(seen: Seen) -> str:
    machines = seen.status.machines if seen.status is not None else ()
    name = machines[0].name if machines else "MACHINE"
    return f"buildyard logs {name} --deployment {seen.card.name}"
