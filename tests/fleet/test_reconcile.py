"""The account against the record: what is ours, an orphan, missing or somebody else's; and who may be deleted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from fleet.reconcile import Standing, Thing, delete_orphans, reconcile
from providers.contract import FULL_ACCESS, MachineSpec, RecordSet
from recipes.context import Role
from tests.fleet.paper import Ground, build


def by_standing(things: tuple[Thing, ...], standing: Standing) -> set[tuple[str, str]]:
    return {(thing.kind, thing.name) for thing in things if thing.standing is standing}


def machine(ground: Ground, name: str, *tags: str) -> str:
    network = ground.provider.networks("by-shop-net")[0]
    spec = MachineSpec(name, network.region, "s-1vcpu-1gb", "debian-12-x64", network.id, "", tags[:-1])
    return ground.provider.create_machine(spec, tags[-1]).id


def test_after_a_build_all_is_ours_and_has_its_price(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    things = reconcile(shop)
    assert {thing.standing for thing in things} == {Standing.OURS}
    prices = {thing.name: thing.price_per_month for thing in things if thing.kind == "machine"}
    assert prices == {"db-1": Decimal(6), "ws-1": Decimal(6)}
    kinds = {thing.kind for thing in things}
    assert kinds == {"machine", "cloud firewall", "private network", "SSH key", "store key", "DNS record"}


def test_each_thing_is_what_it_is_and_only_orphans_go(ground: Ground) -> None:
    shop, other = ground.deployment("shop"), ground.deployment("shop-x")
    assert build(shop).ok
    assert build(other).ok
    names = shop.names
    left = machine(ground, "ws-1", names.tag, names.role_tag(Role.WEBSERVER), names.action_tag("ws-1", 99))
    guest = machine(ground, "guest", names.tag, "somebody-else")
    gone = next(each for each in shop.record.load().machines if each.name == "ws-1")  # type: ignore[union-attr]
    ground.provider.delete_machine(gone.provider_id)
    firewall = names.firewall(Role.AUTOSCALER)
    ground.provider.put_firewall(firewall, names.role_tag(Role.AUTOSCALER), ground.provider.firewalls("by-")[0].inbound)
    ground.provider.create_bucket_key(names.store_key("autoscaler", shop.bucket_suffix), FULL_ACCESS)
    things = reconcile(shop)
    orphans = by_standing(things, Standing.ORPHAN)
    key = ("store key", names.store_key("autoscaler", shop.bucket_suffix))
    assert orphans == {("machine", "ws-1"), ("cloud firewall", firewall), key}
    assert {thing.id for thing in things if thing.standing is Standing.ORPHAN and thing.kind == "machine"} == {left}
    assert by_standing(things, Standing.MISSING) == {("machine", "ws-1")}
    foreign = by_standing(things, Standing.FOREIGN)
    assert ("machine", "guest") in foreign
    assert ("private network", other.names.network) in foreign
    assert ("SSH key", other.names.ssh_key) in foreign

    said: list[str] = []
    assert delete_orphans(things, lambda: None, said.append) == 3
    assert len(said) == 3
    after = reconcile(shop)
    assert by_standing(after, Standing.ORPHAN) == set()
    assert by_standing(after, Standing.FOREIGN) == foreign
    assert guest in {each.id for each in ground.provider.machines(names.tag)}
    assert {thing.standing for thing in reconcile(other)} >= {Standing.OURS}
    assert by_standing(reconcile(other), Standing.MISSING) == set()


def test_nothing_goes_when_the_lease_is_lost_on_the_way(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    names = shop.names
    left = machine(ground, "ws-1", names.tag, names.role_tag(Role.WEBSERVER), names.action_tag("ws-1", 99))

    def lost() -> None:
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError):
        delete_orphans(reconcile(shop), lost, lambda _: None)
    assert left in {each.id for each in ground.provider.machines(names.tag)}


def test_a_record_that_leads_elsewhere_is_foreign_and_one_that_vanished_is_missing(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    record = shop.record.load()
    assert record is not None
    made = record.dns[0]
    ground.provider.put_record_set(made.zone, RecordSet(made.name, made.type, ("203.0.113.77",), 60))
    shop.record.update(lambda old: replace(old, dns=old.dns[1:]))
    things = [thing for thing in reconcile(shop) if thing.kind == "DNS record"]
    assert {thing.standing for thing in things} == {Standing.OURS, Standing.FOREIGN}
    shop.record.update(lambda old: old.with_dns(made))
    assert Standing.MISSING in {thing.standing for thing in reconcile(shop)}
