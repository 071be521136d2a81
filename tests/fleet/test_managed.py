"""A database that the provider runs: made once, open to the fleet's exact addresses only, gone with its deployment."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from fleet.build import Build, Result
from fleet.deployment import Deployment
from fleet.destroy import destroy
from fleet.graph import Action, Change
from fleet.managed import bring_database, bring_sources, own_database, server_of
from fleet.plan import DATABASE, DNS, SOURCES, Plan
from fleet.policy import DATABASE_PORT, database_sources
from fleet.reconcile import Standing, delete_orphans, reconcile
from providers.contract import Capabilities
from providers.databases import DatabaseSpec, Engine, ManagedDatabase
from recipes.context import Node, Role
from state.errors import AnswersError, ProviderError, Stopped
from state.fleet_record import FleetRecord, MachineRecord, Stage
from tests.fleet.paper import Ground, outside

MANAGED = {"database__kind": "managed", "database__size": "db-s-1vcpu-1gb"}


def managed(ground: Ground, name: str = "shop") -> Deployment:
    return ground.deployment(name, **MANAGED)


def build(one: Deployment) -> Result:
    run = Build(one, threading.Event())
    return run.run(outside(run.plan()))


def there(one: Deployment) -> ManagedDatabase:
    found = own_database(one)
    assert found is not None
    return found


def record_of(one: Deployment) -> FleetRecord:
    found = one.record.load()
    assert found is not None
    return found


def planned(one: Deployment) -> dict[str, Action]:
    return {action.id: action for action in Build(one, threading.Event()).plan().actions}


def ready(one: Deployment) -> None:
    """As after a finished build."""
    for machine in record_of(one).machines:
        one.record.update(lambda old, each=machine: old.with_machine(replace(each, stage=Stage.READY)))  # type: ignore[misc]


def test_it_is_made_once_and_lets_in_the_fleets_exact_addresses(ground: Ground) -> None:
    shop = managed(ground)
    first = planned(shop)[DATABASE]
    assert (first.change, first.price_per_month) == (Change.CREATE, None)
    assert build(shop).ok
    made = there(shop)
    own = {f"{address}/32" for each in record_of(shop).machines for address in (each.private_ipv4, each.public_ipv4)}
    assert (made.name, made.ready, set(made.sources)) == ("by-shop-db", True, own)
    assert record_of(shop).database_id == made.id
    assert build(shop).changed == 0
    assert there(shop).id == made.id
    assert planned(shop)[DATABASE].change is Change.CHECK


def test_who_needs_it_waits_for_it_and_it_for_the_machines_addresses(ground: Ground) -> None:
    actions = planned(managed(ground))
    assert DATABASE in actions["recipe:db-1:database"].waits_for
    assert actions[DATABASE].waits_for == (SOURCES,)
    assert {"machine:db-1", "machine:ws-1"} <= set(actions[SOURCES].waits_for)
    assert DATABASE not in planned(ground.deployment("other"))


def test_a_list_that_somebody_opened_is_closed_again(ground: Ground) -> None:
    shop = managed(ground)
    assert build(shop).ok
    before = there(shop)
    ground.provider.put_database_sources(before.id, (*before.sources, "203.0.113.0/24"))
    assert bring_sources(shop, record_of(shop)) == (1, 0)
    assert there(shop).sources == before.sources
    assert bring_sources(shop, record_of(shop)) == (0, 1)


def test_sources_follow_the_fleet(ground: Ground) -> None:
    shop = managed(ground)
    assert build(shop).ok
    before = set(there(shop).sources)
    new = MachineRecord("as-1", Role.AUTOSCALER.value, 1, 1, "9", "198.51.100.9", "2001:db8::9", "10.77.0.9")
    production = ground.deployment("shop", **MANAGED, mode="production", machines__autoscaler_size="s-1vcpu-1gb")
    production.record.update(lambda old: old.with_machine(new))
    run = Build(production, threading.Event())
    only_sources = (Action(SOURCES, Change.CHANGE, "sources", "a machine came"),)
    assert run.run(Plan(only_sources, None)).ok
    assert set(there(shop).sources) == before | {"198.51.100.9/32", "10.77.0.9/32"}
    production.record.update(lambda old: old.without("as-1"))
    assert Build(production, threading.Event()).run(Plan(only_sources, None)).ok
    assert set(there(shop).sources) == before


def test_no_source_is_wider_than_one_address() -> None:
    nodes = (
        Node("ws-1", Role.WEBSERVER, "192.0.2.1", "2001:db8::1", "10.1.0.1"),
        Node("ws-2", Role.WEBSERVER, "", "", ""),
    )
    assert database_sources(nodes) == ("10.1.0.1/32", "192.0.2.1/32")


def test_the_database_machine_has_no_port_for_a_database_it_does_not_run(ground: Ground) -> None:
    def ports(one: Deployment) -> set[int]:
        assert build(one).ok
        (found,) = (each for each in ground.provider.firewalls(one.names.firewall(Role.DATABASE)))
        return {rule.port for rule in found.inbound}

    assert DATABASE_PORT in ports(ground.deployment("own"))
    assert DATABASE_PORT not in ports(managed(ground))


def test_a_run_that_was_cut_off_after_the_order_adopts_what_it_ordered(ground: Ground) -> None:
    shop = managed(ground)
    run = Build(shop, threading.Event())
    plan = outside(run.plan())
    assert run.run(Plan(tuple(each for each in plan.actions if each.id not in (DATABASE, DNS)), None)).ok
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped, match="the next build waits for it"):
        bring_database(shop, record_of(shop), stop)
    ordered = there(shop).id
    assert build(shop).ok
    assert [each.id for each in ground.provider.databases("by-")] == [ordered]


def test_it_goes_with_its_deployment_and_a_neighbours_stays(ground: Ground) -> None:
    shop, other = managed(ground), managed(ground, "shop-db")
    assert build(shop).ok
    assert build(other).ok
    assert by_standing(shop, Standing.OURS) == {"by-shop-db"}
    assert by_standing(shop, Standing.FOREIGN) == {"by-shop-db-db"}
    destroy(shop)
    assert [each.name for each in ground.provider.databases("by-")] == ["by-shop-db-db"]
    assert record_of(shop).database_id == ""


def test_one_that_is_gone_is_missing_and_made_anew_with_a_warning(ground: Ground) -> None:
    shop = managed(ground)
    assert build(shop).ok
    ground.provider.delete_database(there(shop).id)
    assert by_standing(shop, Standing.MISSING) == {"by-shop-db"}
    action = planned(shop)[DATABASE]
    assert action.change is Change.REPLACE
    assert "empty" in action.reason


def test_one_that_nobody_wants_is_an_orphan(ground: Ground) -> None:
    shop = ground.deployment("shop")
    assert build(shop).ok
    network = record_of(shop).network_id
    spec = DatabaseSpec("by-shop-db", Engine.MYSQL, "lon1", "db-s-1vcpu-1gb", network, ("192.0.2.1/32",))
    ground.provider.ensure_database(spec)
    assert by_standing(shop, Standing.ORPHAN) == {"by-shop-db"}
    assert delete_orphans(reconcile(shop), lambda: None, lambda _: None) == 1
    assert ground.provider.databases("by-") == ()


def by_standing(one: Deployment, standing: Standing) -> set[str]:
    return {each.name for each in reconcile(one) if each.kind == "managed database" and each.standing is standing}


def test_content_is_not_left_behind_by_another_answer(ground: Ground) -> None:
    shop, own = managed(ground), ground.deployment("own")
    assert build(shop).ok
    assert build(own).ok
    ready(own)
    with pytest.raises(AnswersError, match="The content is in a managed database") as back:
        planned(ground.deployment("shop"))
    assert "managed" in back.value.hint
    with pytest.raises(AnswersError, match="The content is on the database machine"):
        planned(ground.deployment("own", **MANAGED))


def test_a_size_or_a_provider_that_has_none_is_refused_before_anything_is_made(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = ground.deployment("shop", database__kind="managed", database__size="huge")
    with pytest.raises(AnswersError, match="no managed database of size 'huge'") as caught:
        planned(huge)
    assert "db-s-1vcpu-1gb" in caught.value.hint
    without = Capabilities(True, True, False, True, True, 255, 50)
    monkeypatch.setattr(ground.provider, "capabilities", without)
    with pytest.raises(AnswersError, match="runs no databases"):
        planned(managed(ground))


def test_a_token_that_may_not_read_the_password_is_said(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = managed(ground)
    assert build(shop).ok
    assert server_of(shop) is not None
    seen = there(shop)
    monkeypatch.setattr(ground.provider, "database", lambda _: replace(seen, password=None))
    monkeypatch.setattr(ground.provider, "databases", lambda _: (replace(seen, password=None),))
    assert server_of(shop) is None
    with pytest.raises(ProviderError, match="tells no password"):
        bring_database(shop, record_of(shop), threading.Event())


def test_its_password_is_in_no_event(ground: Ground) -> None:
    shop = managed(ground)
    assert build(shop).ok
    server = server_of(shop)
    assert server is not None
    assert server.password.reveal() not in repr(ground.events)
    assert server.password.reveal() not in shop.redact(f"x {server.password.reveal()}")
