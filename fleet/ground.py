"""What a deployment stands on beside its machines: buckets, private network, SSH key, DNS zone; each made once."""

from __future__ import annotations

from dataclasses import replace

from fleet.context import publish_operators
from fleet.deployment import ADMIN_KEY, BUCKETS, Deployment
from fleet.guardian import publish_guardian
from fleet.observe import own_network, zone_for
from fleet.program import has_autoscalers, upload_program
from fleet.release import upload_baseline
from fleet.slots import roles_of
from fleet.store_keys import ensure_machine_keys
from recipes.secrets import SecretKind, SecretSpec, public_line

#: Returned by an action: how much it changed and how much was right already.
Tally = tuple[int, int]
CHANGED: Tally = (1, 0)
UNCHANGED: Tally = (0, 1)


def bring_store(one: Deployment) -> Tally:
    """The buckets, the machines' keys to them, and what machines fetch from them."""
    made = [one.bucket(purpose).ensure() for purpose in BUCKETS]
    keys = ensure_machine_keys(one)
    lists = publish_operators(one) + publish_guardian(one)
    changed = sum(made) + keys + lists + upload_baseline(one) + upload_program(one)
    return (changed, len(made) + len(roles_of(one.settings)) + 3 + has_autoscalers(one) - changed)


def bring_network(one: Deployment) -> Tally:
    """The private network; its id goes into the record."""
    there = own_network(one.access.provider, one.names)
    network = one.access.provider.ensure_network(one.names.network, one.settings.region)
    one.record.update(lambda record: replace(record, network_id=network.id))
    return UNCHANGED if there is not None and there.id == network.id else CHANGED


def bring_ssh_key(one: Deployment) -> Tally:
    """Buildyard's own key at the provider."""
    public = public_line(one.secret(SecretSpec(ADMIN_KEY, SecretKind.SSH_KEY)), one.names.ssh_key)
    there = one.access.provider.ssh_keys(one.names.ssh_key)
    key = one.access.provider.ensure_ssh_key(one.names.ssh_key, public)
    one.record.update(lambda record: record.with_ssh_key(one.names.ssh_key, key.id))
    return UNCHANGED if any(each.id == key.id for each in there) else CHANGED


def bring_zone(one: Deployment) -> Tally:
    """A zone that covers the site's domain."""
    if zone_for(one.settings.domain, one.access.dns.zones()):
        return UNCHANGED
    one.access.dns.ensure_zone(one.settings.domain)
    return CHANGED
