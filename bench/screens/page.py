"""The program under test: the real app with the real build page over a run's folder; only the cloud is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast

from screens.app import BuildyardApp
from screens.backend import Backend
from screens.build import BuildPage


class NoBackend:
    """Nothing is started or stopped here."""


def main() -> int:
    """``python -m bench.screens.page FOLDER STATS``: shows the run; at the end writes how many lines were taken."""
    folder, stats = Path(sys.argv[1]), Path(sys.argv[2])
    page = BuildPage("bench", folder, url="https://bench.example.org", detail="12 machines")
    app = BuildyardApp(cast("Backend", NoBackend()), (lambda: page,))
    code = app.run() or 0
    stats.write_text(json.dumps({"lines": sum(output.told for output in page.outputs.values())}))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
