"""The end of one deployment touches nothing but what is its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.destroy import destroy
from fleet.names import Names
from fleet.observe import observe
from providers.contract import MachineSpec, RecordSet
from recipes.context import Role
from state.errors import ProviderError
from tests.fleet.paper import Ground, build

#: Whose names begin with those of a deployment "shop".
NEIGHBOURS = ("shop-fw-x", "shop-net", "shop-key", "shop-role-webserver", "shop-made-ws-1")


@pytest.mark.parametrize("neighbour", ["shop-x", "shop-fw-x", "shop-made-ws-1"])
def test_a_deployment_whose_name_begins_with_the_destroyed_ones_keeps_all_it_has(
    ground: Ground, neighbour: str
) -> None:
    shop, other = ground.deployment("shop"), ground.deployment(neighbour)
    assert build(shop).ok
    assert build(other).ok
    before = observe(ground.provider, ground.provider, other.names, other.settings.domain)
    assert {machine.name for machine in before.machines} == {"db-1", "ws-1"}
    destroy(shop)
    after = observe(ground.provider, ground.provider, other.names, other.settings.domain)
    assert after == before
    for machine in after.machines:
        role = Role.WEBSERVER if machine.name == "ws-1" else Role.DATABASE
        assert {other.names.tag, other.names.role_tag(role), other.names.action_tag(machine.name, 1)} == set(
            machine.tags
        )


def test_own_tags_are_known_by_all_of_their_letters() -> None:
    names = Names("shop")
    own = [names.tag, *map(names.role_tag, Role), names.action_tag("ws-1", 1), names.action_tag("db-12", 34)]
    assert all(map(names.owns_tag, own))
    for neighbour in map(Names, NEIGHBOURS):
        theirs = [
            neighbour.tag,
            *map(neighbour.role_tag, Role),
            *(neighbour.action_tag(f"{short}-1", 2) for short in ("as", "ws", "db")),
        ]
        assert not any(map(names.owns_tag, theirs))
    assert names.made_by("by-shop-made-ws-12-7") == ("ws-12", 7)
    for strange in ("by-shop-made-ws-1", "by-shop-made-ws-1-x", "by-shop-made-ws-1-2\n", "by-shop-made-mail-1-2"):
        assert not names.owns_tag(strange)


def test_nothing_of_it_is_left_and_a_second_time_finds_nothing(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    assert destroy(shop) > 8
    left = observe(ground.provider, ground.provider, shop.names, shop.settings.domain)
    assert (left.machines, left.firewalls, left.network, left.ssh_key) == ((), (), None, None)
    assert not [each for each in left.records if each.type in ("A", "AAAA")]
    asked: list[str] = []
    ground.provider.delete_tags(lambda tag: bool(asked.append(tag)))
    assert not [tag for tag in asked if tag.startswith("by-shop")]
    assert ground.store.buckets == {}
    for holder in ("webserver", "database"):
        assert ground.provider.bucket_keys(shop.names.store_key(holder, shop.bucket_suffix)) == ()
    destroy(shop)


def test_records_that_lead_elsewhere_are_not_destroyed(ground: Ground) -> None:
    shop = ground.deployment("shop")
    zone = shop.settings.domain
    ground.provider.ensure_zone(zone)
    live = RecordSet("@", "A", ("203.0.113.5",), 300)
    ground.provider.put_record_set(zone, live)
    assert not build(shop).ok  # stops before DNS
    destroy(shop)
    assert live in ground.provider.record_sets(zone)


def test_an_address_somebody_added_to_a_record_of_ours_stays(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    zone = shop.settings.domain
    made = next(each for each in ground.provider.record_sets(zone) if (each.name, each.type) == ("www", "A"))
    ground.provider.put_record_set(zone, replace(made, values=(*made.values, "203.0.113.5")))
    destroy(shop)
    left = [each for each in ground.provider.record_sets(zone) if each.type in ("A", "AAAA")]
    assert [(each.name, each.values) for each in left] == [("www", ("203.0.113.5",))]


def test_records_of_an_earlier_domain_go_too(ground: Ground) -> None:
    assert build(ground.deployment("shop")).ok
    destroy(ground.deployment("shop", site__domain="new.example.org"))
    assert not [each for each in ground.provider.record_sets("shop.example.org") if each.type in ("A", "AAAA")]


def test_a_machine_somebody_else_made_stays(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    elsewhere = ground.provider.ensure_network("theirs", shop.settings.region)
    spec = MachineSpec(
        "theirs", shop.settings.region, "s-1vcpu-1gb", shop.settings.image, elsewhere.id, "", (shop.names.tag,)
    )
    theirs = ground.provider.create_machine(spec, "theirs-1")
    destroy(shop)
    assert [machine.id for machine in ground.provider.machines(shop.names.tag)] == [theirs.id]
    assert any(theirs.id in event.text and "stays" in event.text for event in ground.events)


def test_a_record_that_does_not_go_is_said(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    monkeypatch.setattr(ground.provider, "delete_record_set", lambda *_: None)
    with pytest.raises(ProviderError, match=r"DNS record www.shop.example.org AAAA") as caught:
        destroy(shop)
    assert caught.value.hint
