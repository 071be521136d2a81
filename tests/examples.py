"""How many examples a property is tried with: a change is checked with a part of them, a campaign with all."""

from __future__ import annotations

import os

#: Set by ``./check --campaign``. Hypothesis finds others each time, so many checks see what one campaign sees.
ALL = "BUILDYARD_ALL_EXAMPLES"


def examples(in_campaigns: int) -> int:
    """How many it is now: all of them, or one in five.

    Args:
        in_campaigns: as many as show a fault that was planted, again and again.
    """
    return in_campaigns if os.environ.get(ALL) else max(3, in_campaigns // 5)
