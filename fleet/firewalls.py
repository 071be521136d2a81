"""The cloud's firewalls as the policy says, changed in place: one way to do it, for builds and for a moved operator."""

from __future__ import annotations

from fleet.deployment import Deployment
from fleet.observe import own_firewalls, own_network
from fleet.plan import policy_of, same_rules
from fleet.slots import roles_of
from state.fleet_record import FleetRecord


def bring_firewalls(deployment: Deployment, record: FleetRecord) -> tuple[int, int]:
    """Makes every role's firewall what the policy says for the addresses known so far; ids go into the record.

    Returns:
        How many were changed, and how many were right already.
    """
    one, provider = deployment, deployment.access.provider
    network = own_network(provider, one.names)
    policy = policy_of(
        one.settings,
        record,
        one.operators,
        network.ip_range if network else "",
        filters_private=provider.capabilities.firewall_filters_private_network,
    )
    there = {firewall.name: firewall for firewall in own_firewalls(provider, one.names)}
    changed = 0
    roles = roles_of(one.settings)
    for role in roles:
        name, rules = one.names.firewall(role), policy.cloud(role)
        firewall = there.get(name)
        if firewall is None or same_rules(firewall.inbound) != same_rules(rules):
            firewall = provider.put_firewall(name, one.names.role_tag(role), rules)
            changed += 1
        made = firewall
        one.record.update(lambda old, name=name, made=made: old.with_firewall(name, made.id))  # type: ignore[misc]
    return (changed, len(roles) - changed)
