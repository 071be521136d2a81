"""The leading autoscaler follows the list of networks from which an edge comes; see docs/decisions/0021."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fleet.deployment import Deployment
from fleet.edge import follow

#: How often the list is looked at. Webservers look once a day, each at a minute of its own; what they took over before
#: and a change of the fleet undid is put right within this.
LOOK_EVERY_S = 3600.0


class EdgeWatch:
    """When the list is looked at, and that a change is written down; the firewalls follow the fleet record.

    Args:
        deployment: as the leader's machine sees it.
        ensure: raises when nothing may be changed any more.
    """

    def __init__(self, deployment: Deployment, ensure: Callable[[], None]) -> None:
        self._all = deployment
        self._ensure = ensure
        self._looked_at = float("-inf")

    def is_due(self, now: float) -> bool:
        """Whether an edge stands before the site, and its list was not looked at for a while."""
        return self._all.settings.proxied and now - self._looked_at >= LOOK_EVERY_S

    def follow(self, _cancel: threading.Event) -> None:
        """One look.

        Raises:
            BuildyardError: there is no list, not even an earlier one.
        """
        self._ensure()
        self._looked_at = self._all.clock.now()
        follow(self._all)
