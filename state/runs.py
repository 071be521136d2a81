"""Runs of a deployment: which there were, which were cut off, how long recipes took."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median

from state.errors import UsageError
from state.events import Event, Kind, StepStatus
from state.files import file_error
from state.journal import JOURNAL, START_S, parse_line, read_runner, runner_is_alive
from state.paths import DeploymentPaths

#: RUN_FINISHED is the last line; a longer last line than this is not one.
_TAIL_BYTES = 64 * 1024


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # its process died before it could say how it ended


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan.

    Attributes:
        id: sorts by age.
        folder: where its journal is.
        command: what was run.
        started_at, finished_at: seconds since the epoch; None where unknown.
    """

    id: str
    folder: Path
    state: RunState
    command: str
    started_at: float | None
    finished_at: float | None


def runs(paths: DeploymentPaths) -> tuple[Run, ...]:
    """All runs, oldest first.

    Raises:
        StateError: the folder cannot be read.
    """
    try:
        folders = sorted(entry for entry in paths.runs.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise file_error(paths.runs, "read", error) from error
    return tuple(_run(folder) for folder in folders)


def run(paths: DeploymentPaths, run_id: str = "") -> Run:
    """One run by its id or the beginning of it; the newest when none is given.

    Raises:
        UsageError: there is none, or more than one.
    """
    all_runs = runs(paths)
    if not run_id:
        if not all_runs:
            raise UsageError(f"{paths.name} has no runs yet.", hint="Run `buildyard build`.")
        return all_runs[-1]
    found = [each for each in all_runs if each.id == run_id] or [
        each for each in all_runs if each.id.startswith(run_id)
    ]
    if len(found) != 1:
        newest = ", ".join(each.id for each in all_runs[-5:]) or "none"
        word = "no run" if not found else f"{len(found)} runs"
        raise UsageError(f"{paths.name} has {word} named {run_id}.", hint=f"The newest ones: {newest}.")
    return found[0]


def interrupted(paths: DeploymentPaths) -> tuple[Run, ...]:
    """Runs whose process died before the end, oldest first: `build` takes up what they left."""
    return tuple(each for each in runs(paths) if each.state is RunState.INTERRUPTED)


def medians_s(journals: Iterable[Iterable[Event]]) -> Mapping[str, float]:
    """How long each recipe usually took on a machine: medians of earlier runs in which no step of it failed.

    Args:
        journals: events of earlier runs.

    Returns:
        Seconds by recipe.
    """
    durations: dict[str, list[float]] = {}
    for events in journals:
        for (_machine, recipe), seconds in _durations_s(events).items():
            durations.setdefault(recipe, []).append(seconds)
    return {recipe: median(values) for recipe, values in durations.items()}


def _durations_s(events: Iterable[Event]) -> dict[tuple[str, str], float]:
    first: dict[tuple[str, str], float] = {}
    last: dict[tuple[str, str], float] = {}
    failed: set[tuple[str, str]] = set()
    for event in events:
        if event.recipe is None or event.machine is None:
            continue
        key = (event.machine, event.recipe)
        if event.kind is Kind.STEP_STARTED:
            first.setdefault(key, event.at)
        elif event.kind is Kind.STEP_FINISHED:
            first.setdefault(key, event.at - float(event.data.get("ms", 0)) / 1000)
            last[key] = event.at
            if event.data.get("status") == StepStatus.FAILED:
                failed.add(key)
    return {key: last[key] - first[key] for key in last if key not in failed}


def _run(folder: Path) -> Run:
    # Asked first: a run that ends in between is then seen as finished.
    alive = runner_is_alive(folder) or _is_beginning(folder)
    first, last = _first_and_last(folder / JOURNAL)
    finished = last if last is not None and last.kind is Kind.RUN_FINISHED else None
    if finished is not None:
        state = RunState.DONE if finished.data.get("ok") else RunState.FAILED
    else:
        state = RunState.RUNNING if alive else RunState.INTERRUPTED
    return Run(
        id=folder.name,
        folder=folder,
        state=state,
        command=str(first.data.get("command", "")) if first is not None else "",
        started_at=first.at if first is not None else None,
        finished_at=finished.at if finished is not None else None,
    )


def _is_beginning(folder: Path) -> bool:
    """Its runner was started a moment ago and has not written down yet who it is."""
    try:
        return read_runner(folder) is None and time.time() - folder.stat().st_mtime < START_S
    except OSError:
        return False


def _first_and_last(path: Path) -> tuple[Event | None, Event | None]:
    """The first and the last whole line, without reading what may be hundreds of megabytes in between."""
    try:
        with path.open("rb") as file:
            first = parse_line(file.readline())
            end = file.seek(0, 2)
            file.seek(max(0, end - _TAIL_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None, None
    except OSError as error:
        raise file_error(path, "read", error) from error
    return first, next((event for line in reversed(lines) if (event := parse_line(line)) is not None), None)
