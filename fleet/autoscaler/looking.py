"""Makes the view: the fleet record, what probers saw, prices, and what was decided before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fleet.autoscaler.decision import Act, Decision, Decisions
from fleet.autoscaler.load import remember
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.probing import Seen
from fleet.autoscaler.view import Phase, View, WebserverView
from fleet.autoscaler.webservers import webservers_of
from fleet.dns import is_in_dns
from state.fleet_record import FleetRecord, MachineRecord, Stage


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars a month, None where unknown."""

    webserver: Decimal | None
    others: Decimal


@dataclass
class Memory:
    """What one leader remembers of its own decisions; a new leader begins with nothing and so scales in late."""

    began_at: float
    scaled_out_at: float = 0.0
    scaled_in_at: float = 0.0
    recommended: tuple[tuple[float, int], ...] = ()

    def __post_init__(self) -> None:
        # It does not know when the one before it scaled in last.
        self.scaled_in_at = self.scaled_in_at or self.began_at

    def decided(self, decisions: Decisions, policy: ScalingPolicy, now: float) -> None:
        """Remembers what the load rules wanted."""
        self.recommended = remember(self.recommended, decisions, policy, now)

    def done(self, decision: Decision, now: float) -> None:
        """Remembers an act that changed the number."""
        if decision.act is Act.BUILD and not decision.replaces:
            self.scaled_out_at = now
        elif decision.act is Act.DRAIN:
            self.scaled_in_at = now


def make_view(record: FleetRecord, seen: Seen, memory: Memory, prices: Prices) -> View:
    """Everything known at one moment."""
    return View(
        webservers=tuple(_webserver(machine, seen, record) for machine in webservers_of(record)),
        probers=seen.probers,
        database_problem=seen.database_problem,
        recommended_before=memory.recommended,
        scaled_out_at=memory.scaled_out_at,
        scaled_in_at=memory.scaled_in_at,
        price_per_webserver=prices.webserver,
        price_of_others=prices.others,
    )


def _webserver(machine: MachineRecord, seen: Seen, record: FleetRecord) -> WebserverView:
    created = datetime.fromisoformat(machine.created_at).timestamp() if machine.created_at else 0.0
    if machine.leaving:
        phase, since = Phase.LEAVING, machine.leaving_since
    elif machine.stage is Stage.READY:
        phase, since = Phase.SERVING, machine.ready_at or created
    else:
        phase, since = Phase.BUILDING, created
    return WebserverView(
        name=machine.name,
        phase=phase,
        since=since,
        in_dns=is_in_dns(machine, record),
        observations=seen.observations.get(machine.name, ()),
        load=seen.loads.get(machine.name),
        replaces=machine.replaces,
        left_dns_at=machine.left_dns_at,
    )
