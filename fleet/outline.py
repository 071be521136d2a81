"""What a build would do, as far as answers and provider tell: for the review, before anything of ours exists.

It asks the provider and changes nothing, here or there. :mod:`fleet.preview` looks into the machines too.
"""

from __future__ import annotations

from fleet.edge import expected
from fleet.names import Names
from fleet.observe import observe
from fleet.plan import Plan, make_plan
from fleet.settings import Settings
from fleet.slots import slot_machine, slots_of
from providers.contract import Dns, Provider
from recipes.roles import recipe_names
from state.fleet_record import FleetRecord


def outline(
    settings: Settings, provider: Provider, dns: Dns, record: FleetRecord | None, operators: tuple[str, ...]
) -> Plan:
    """Compares the answers with what the provider has.

    Args:
        settings: the answers.
        provider: asked for what is there, and for prices.
        dns: asked for the site's records.
        record: what is known of the fleet; None when nothing was built.
        operators: CIDRs that may use SSH, as far as they are known.

    Raises:
        BuildyardError: the provider cannot be asked, or the answers ask for what cannot be done.
    """
    names = Names(settings.deployment)
    recipes = {
        slot_machine(names, slot): recipe_names(slot.role, settings.mode.value) for slot in slots_of(settings, record)
    }
    seen, edge = expected(settings, dns, record or FleetRecord.new(settings.deployment))
    return make_plan(
        settings,
        observe(provider, dns, names, settings.domain),
        seen,
        operators,
        provider.sizes(settings.region),
        recipes,
        edge=edge,
    )
