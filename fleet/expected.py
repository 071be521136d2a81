"""How long a run will take, from what earlier runs of the same kind took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from fleet.progress import Progress
from state.events import Event, Kind
from state.journal import read
from state.runs import medians_s

#: Older ones tell of another program, another size, another fleet.
NEWEST = 10


@dataclass(frozen=True, slots=True)
class Expected:
    """Medians of earlier runs that ended well.

    Attributes:
        run_s: seconds of whole runs by kind (see :class:`fleet.standing.Snapshot`).
        recipe_s: seconds by kind of run and recipe.
    """

    run_s: Mapping[str, float] = field(default_factory=dict)
    recipe_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def of_recipe(self, kind: str, recipe: str) -> float:
        """How long a recipe takes in a run of that kind; 0 where nobody knows."""
        return self.recipe_s.get(kind, {}).get(recipe, 0.0)


def expected(folders: Iterable[Path]) -> Expected:
    """Reads earlier runs; takes a moment for each.

    Args:
        folders: of runs, newest last; only the newest few are read.

    Raises:
        StateError: a journal cannot be read.
    """
    whole: dict[str, list[float]] = {}
    journals: dict[str, list[list[Event]]] = {}
    for folder in list(folders)[-NEWEST:]:
        progress, kept = Progress(), []
        for event in read(folder):
            progress.apply(event)
            if event.kind in (Kind.STEP_STARTED, Kind.STEP_FINISHED):
                kept.append(event)
        snapshot = progress.snapshot()
        if snapshot.exit_code == 0:
            whole.setdefault(snapshot.kind, []).append(snapshot.elapsed_s(0.0))
            journals.setdefault(snapshot.kind, []).append(kept)
    return Expected(
        {kind: median(seconds) for kind, seconds in whole.items()},
        {kind: medians_s(events) for kind, events in journals.items()},
    )
