"""A deployment stays where it was built: another provider or region in its answers would orphan its machines."""

from __future__ import annotations

from state.errors import AnswersError
from state.fleet_record import FleetRecord


def refuse_moved(record: FleetRecord | None, provider: str, region: str) -> None:
    """What the answers say must be where the first run began; before that, anything goes.

    Args:
        record: of the deployment, None when it was never built.
        provider, region: as the answers have them.

    Raises:
        AnswersError: it was built elsewhere.
    """
    if record is None or not record.provider:
        return
    there, wanted = (record.provider, record.region), (provider, region)
    if there != wanted:
        raise AnswersError(
            f"{record.deployment} was built at {' in '.join(there)}; the answers say {' in '.join(wanted)}.",
            detail="A deployment is not moved by its answers: its machines would run on, and cost, where nobody looks.",
            hint=f"set provider.name to {there[0]} and provider.region to {there[1]} again; "
            "to build it elsewhere, run buildyard destroy first, or give the new one another deployment.name",
        )
