"""The site's names follow the answers, and nobody else's record is touched."""

from __future__ import annotations

import pytest

from fleet.build import Build
from fleet.deployment import Deployment
from fleet.graph import Change
from fleet.plan import DNS
from providers.contract import RecordSet
from tests.fleet.paper import Ground, build


def addresses(ground: Ground, zone: str) -> dict[tuple[str, str], tuple[str, ...]]:
    found = ground.provider.record_sets(zone)
    return {(each.name, each.type): each.values for each in found if each.type in ("A", "AAAA", "CNAME")}


def planned(one: Deployment) -> tuple[Change, str]:
    from threading import Event

    action = next(each for each in Build(one, Event()).plan().actions if each.id == DNS)
    return action.change, action.reason


def test_a_name_the_site_no_longer_has_is_taken_out_of_dns(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    assert set(addresses(ground, "shop.example.org")) == {(n, t) for n in ("@", "www") for t in ("A", "AAAA")}
    bare = ground.deployment("shop", site__www=False)
    change, reason = planned(bare)
    assert change is Change.CHANGE
    assert "www.shop.example.org A" in reason
    assert build(bare).ok
    assert set(addresses(ground, "shop.example.org")) == {("@", "A"), ("@", "AAAA")}
    assert planned(bare)[0] is Change.CHECK
    assert build(bare).changed == 0


def test_a_domain_the_site_left_no_longer_leads_to_it(ground: Ground) -> None:
    assert build(ground.deployment("shop")).ok
    moved = ground.deployment("shop", site__domain="new.example.org")
    assert "shop.example.org A" in planned(moved)[1]
    assert build(moved).ok
    assert addresses(ground, "shop.example.org") == {}
    assert set(addresses(ground, "new.example.org")) == {(n, t) for n in ("@", "www") for t in ("A", "AAAA")}


@pytest.mark.parametrize(
    "live",
    [
        RecordSet("@", "A", ("203.0.113.5",), 300),
        RecordSet("www", "CNAME", ("elsewhere.example.net",), 300),
        RecordSet("@", "AAAA", ("2001:db8:ffff::5",), 300),
    ],
)
def test_a_record_that_leads_elsewhere_is_left_alone_and_said_first(ground: Ground, live: RecordSet) -> None:
    shop = ground.deployment("shop")
    ground.provider.ensure_zone("shop.example.org")
    ground.provider.put_record_set("shop.example.org", live)
    change, reason = planned(shop)
    assert change is Change.CHANGE
    assert live.values[0] in reason
    result = build(shop)
    assert list(result.outcome.failed) == [DNS]
    problem = result.outcome.failed[DNS]
    assert "did not make" in problem.summary
    assert live.values[0] in problem.detail
    assert "delete that record" in problem.hint
    assert addresses(ground, "shop.example.org") == {(live.name, live.type): live.values}
    # as the hint says
    ground.provider.delete_record_set("shop.example.org", live.name, live.type)
    assert build(shop).ok


def test_a_record_of_ours_that_somebody_changed_is_mended(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    before = addresses(ground, "shop.example.org")
    ground.provider.put_record_set("shop.example.org", RecordSet("@", "A", ("203.0.113.5",), 60))
    assert planned(shop)[0] is Change.CHANGE
    assert build(shop).ok
    assert addresses(ground, "shop.example.org") == before


def test_a_build_cut_off_between_asking_and_writing_down_still_knows_its_record(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    for machine in ground.provider.machines(shop.names.tag):
        if machine.name == "ws-1":
            ground.provider.delete_machine(machine.id)

    real = ground.provider.put_record_set

    def cut(zone: str, wanted: RecordSet) -> None:
        real(zone, wanted)
        raise OSError("killed here")

    monkeypatch.setattr(ground.provider, "put_record_set", cut)
    assert not build(shop).ok
    monkeypatch.undo()
    assert build(shop).ok
    assert build(shop).changed == 0
