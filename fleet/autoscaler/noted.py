"""What the fleet record says already of a decision: then nothing has to be written down, and no lease is needed."""

from __future__ import annotations

from collections.abc import Container

from fleet.autoscaler.decision import Act, Decision
from state.fleet_record import FleetRecord


def is_noted(decision: Decision, record: FleetRecord, doomed: Container[str]) -> bool:
    """Whether the record says it.

    Args:
        decision: of a webserver more it can say nothing: decisions count those being built.
        doomed: names of those whose end has begun.
    """
    if decision.act is Act.BUILD:
        return False
    machine = record.machine(decision.machine)
    if machine is None:
        return True
    if decision.act is Act.ENTER_DNS:
        return not machine.out_of_dns
    if decision.act is Act.LEAVE_DNS:
        return bool(machine.out_of_dns)
    return bool(machine.leaving) and (decision.act is not Act.DESTROY or machine.name in doomed)
