"""A site behind Cloudflare: made ready first, closed to everybody else, opened again; its networks are followed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fleet import plan as ids
from fleet.autoscaler.edge_watch import LOOK_EVERY_S, EdgeWatch
from fleet.autoscaler.webservers import addresses
from fleet.build import Build
from fleet.deployment import Deployment
from fleet.edge import follow
from fleet.graph import Change
from fleet.plan import Plan
from fleet.seen import read_answer
from providers.cloudflare.dns import Cloudflare
from providers.http import Patience
from recipes.context import Role
from state.clock import SystemClock
from state.errors import AnswersError, Conflict, ProviderError, Unauthorized
from state.secret import Secret
from tests.fleet.autoscaler_world import World, world
from tests.fleet.paper import Ground, build
from tests.providers.cloudflare.described import cloudflare
from tests.providers.cloudflare.fake import ALL_RIGHTS, TOKEN, V4, V6, FakeCloudflare
from tests.providers.description import Description

__all__ = ["world"]

ZONE = "shop.example.org"
RANGES = (*V4, *V6)


@pytest.fixture(scope="session")
def descriptions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Description, ...]:
    return cloudflare(tmp_path_factory.mktemp("cloudflare"))


@pytest.fixture
def vendor(descriptions: tuple[Description, ...]) -> Iterator[FakeCloudflare]:
    fake = FakeCloudflare(descriptions)
    yield fake
    assert fake.problems == []


@pytest.fixture
def edge(vendor: FakeCloudflare) -> Iterator[Cloudflare]:
    vendor.settings[vendor.add_zone(ZONE)]["ssl"] = "strict"
    driver = Cloudflare(Secret(TOKEN), clock=SystemClock(), transport=vendor, patience=Patience(settle_s=0.2, call_s=5))
    yield driver
    driver.close()


def behind(ground: Ground, edge: Cloudflare, **answers: Any) -> Deployment:
    one = ground.deployment("shop", **{"dns__kind": "cloudflare", "cloudflare__proxied": True, **answers})
    return replace(one, access=replace(one.access, dns=edge))


def web_sources(ground: Ground) -> set[str]:
    """Who reaches port 443 of a webserver from outside, by the cloud's firewall."""
    (web,) = (each for each in ground.provider.firewalls("by-shop-fw-") if each.tag.endswith("webserver"))
    (rule,) = (rule for rule in web.inbound if rule.port == 80)
    return set(rule.sources)


def settings_of(vendor: FakeCloudflare) -> dict[str, str]:
    (found,) = vendor.settings.values()
    return found


def said(ground: Ground) -> str:
    return "\n".join(event.text for event in ground.events)


def planned(one: Deployment) -> Plan:
    return Build(one, threading.Event(), check_only=True).plan()


def test_behind_it_webservers_let_its_networks_in_and_nobody_else(
    ground: Ground, edge: Cloudflare, vendor: FakeCloudflare
) -> None:
    shop = behind(ground, edge)
    assert build(shop).ok
    assert web_sources(ground) == set(RANGES)
    assert edge.proxied_sets(ZONE) == {(name, kind) for name in ("@", "www") for kind in ("A", "AAAA")}
    assert settings_of(vendor)["tls_client_auth"] == "on"
    assert build(shop).changed == 0
    assert not [each for each in planned(shop).changes if each.id in (ids.EDGE, ids.FIREWALLS, ids.DNS)]


def test_nothing_is_made_behind_an_edge_that_checks_no_certificate(
    ground: Ground, edge: Cloudflare, vendor: FakeCloudflare
) -> None:
    settings_of(vendor)["ssl"] = "full"
    result = build(behind(ground, edge))
    problem = result.outcome.failed[ids.EDGE]
    assert isinstance(problem, Conflict)
    assert "Full (strict)" in problem.hint
    assert ground.provider.machines("by-shop") == ()
    assert ground.provider.firewalls("by-shop-fw-") == ()


def test_a_right_that_is_missing_is_named(ground: Ground, edge: Cloudflare, vendor: FakeCloudflare) -> None:
    shop = behind(ground, edge)
    vendor.rights = ALL_RIGHTS - {"settings:edit"}
    problem = build(shop).outcome.failed[ids.EDGE]
    assert isinstance(problem, Unauthorized)
    assert "Zone Settings: Edit" in problem.summary


def test_a_site_that_goes_behind_it_leads_there_before_its_doors_close(
    ground: Ground, edge: Cloudflare, vendor: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build(behind(ground, edge, cloudflare__proxied=False)).ok
    assert {"0.0.0.0/0", "::/0"} & web_sources(ground)
    assert edge.proxied_sets(ZONE) == frozenset()
    shop, seen, real = behind(ground, edge), [], ground.provider.put_firewall

    def put(name: str, *rest: Any) -> Any:
        seen.append((name, len(edge.proxied_sets(ZONE)), settings_of(vendor)["tls_client_auth"]))
        return real(name, *rest)

    monkeypatch.setattr(ground.provider, "put_firewall", put)
    actions = {each.id: each for each in planned(shop).actions}
    assert actions[ids.EDGE].change is Change.CHANGE
    assert "3 networks only" in actions[ids.EDGE].reason
    assert "webserver" in actions[ids.FIREWALLS].reason
    assert "cloudflare first" in actions[ids.DNS].reason
    assert edge.proxied_sets(ZONE) == frozenset(), "a plan changes nothing"
    assert build(shop).ok
    assert seen == [("by-shop-fw-webserver", 4, "on")]
    assert web_sources(ground) == set(RANGES)


def test_a_site_that_leaves_it_is_everybodys_again(ground: Ground, edge: Cloudflare) -> None:
    assert build(behind(ground, edge)).ok
    naked = behind(ground, edge, cloudflare__proxied=False)
    actions = {each.id: each for each in planned(naked).actions}
    assert ids.EDGE not in actions
    assert "the webservers" in actions[ids.DNS].reason
    assert build(naked).ok
    assert {"0.0.0.0/0", "::/0"} & web_sources(ground)
    assert edge.proxied_sets(ZONE) == frozenset()
    assert build(naked).changed == 0


def test_a_changed_list_is_told_and_reaches_the_firewall(
    ground: Ground, edge: Cloudflare, vendor: FakeCloudflare
) -> None:
    shop = behind(ground, edge)
    assert build(shop).ok
    vendor.ranges["ipv4_cidrs"] = [V4[1], "203.0.113.0/24"]
    change = next(each for each in planned(shop).changes if each.id == ids.EDGE)
    assert change.reason == f"its networks changed: + 203.0.113.0/24, - {V4[0]}"
    assert web_sources(ground) == set(RANGES)
    assert build(shop).ok
    assert web_sources(ground) == {V4[1], "203.0.113.0/24", *V6}
    assert f"+ 203.0.113.0/24, - {V4[0]}" in said(ground)


@pytest.mark.parametrize(
    ("v4", "why"),
    [([V4[0]], "covers 20 % of the IPv4 addresses"), ([], "not usable"), (["nonsense"], "not usable")],
)
def test_a_list_that_cannot_be_is_refused_and_the_last_one_stays(
    ground: Ground, edge: Cloudflare, vendor: FakeCloudflare, v4: list[str], why: str
) -> None:
    shop = behind(ground, edge)
    assert build(shop).ok
    vendor.ranges["ipv4_cidrs"] = v4
    assert build(shop).changed == 0
    assert web_sources(ground) == set(RANGES)
    assert why in said(ground)
    assert "The last good list of Cloudflare's networks stays: 3 networks." in said(ground)
    vendor.problems.clear()  # such an answer is none of the vendor's


def test_without_any_list_nothing_is_planned(ground: Ground, edge: Cloudflare, vendor: FakeCloudflare) -> None:
    vendor.ranges["ipv4_cidrs"] = []
    with pytest.raises(ProviderError, match="not usable"):
        planned(behind(ground, edge))


def test_who_only_serves_the_zone_cannot_stand_before_the_site(ground: Ground) -> None:
    with pytest.raises(AnswersError, match="cannot stand before the site") as caught:
        planned(ground.deployment("shop", provider__proxied=True))
    assert "provider.proxied to false" in caught.value.hint


class TestTheAutoscaler:
    """Which has the fleet record and a public list: it needs no right of its own for it."""

    @pytest.fixture
    def fleet(self, world: World, edge: Cloudflare) -> World:
        one = world.one
        settings = replace(one.settings, dns="cloudflare", proxied=True)
        world.one = replace(one, settings=settings, access=replace(one.access, dns=edge))
        return world

    def test_its_webservers_are_behind_the_edge_too(self, fleet: World, edge: Cloudflare) -> None:
        fleet.policy = replace(fleet.policy, target=2)
        with fleet.autoscaler():
            fleet.comes_true("two webservers behind it", lambda: len(fleet.webservers) == 2)
            fleet.comes_true("the firewall to know the edge", lambda: web_sources(fleet.ground) == set(RANGES))
            fleet.comes_true("the names to lead there", lambda: ("@", "A") in edge.proxied_sets(ZONE))
        assert fleet.record.edge_ranges == RANGES

    def test_it_looks_every_hour_and_a_change_is_for_everybody(self, fleet: World, vendor: FakeCloudflare) -> None:
        watch = EdgeWatch(fleet.one, lambda: None)
        now = fleet.one.clock.now()
        assert watch.is_due(now)
        watch.follow(threading.Event())
        known = addresses(fleet.record)
        assert not watch.is_due(now + 60)
        assert watch.is_due(now + LOOK_EVERY_S + 5)
        vendor.ranges["ipv4_cidrs"] = [*V4, "203.0.113.0/24"]
        watch.follow(threading.Event())
        assert addresses(fleet.record) != known
        assert not follow(fleet.one)

    def test_a_naked_site_is_none_of_its_business(self, world: World) -> None:
        assert not EdgeWatch(world.one, lambda: None).is_due(world.one.clock.now())


class TestALookFromWithin:
    """What curl on a webserver says of its page."""

    VERBOSE = "*  subject: CN=x\n*  start date: Jan  1 00:00:00 2026 GMT\n*  expire date: Jan  1 00:00:00 2099 GMT\n"

    def test_a_page_that_is_served(self) -> None:
        page = read_answer("<p>hello</p>\nbuildyard-status 200 0.125", self.VERBOSE)
        assert (page.ok, page.reason, page.body, page.milliseconds) == (True, "serving", "<p>hello</p>", 125)
        assert page.certificate_days is not None
        assert page.certificate_days > 20_000

    @pytest.mark.parametrize(
        ("out", "errors", "reason"),
        [
            ("no\nbuildyard-status 503 0.1", VERBOSE, "HTTP 503"),
            ("\nbuildyard-status 000 0.1", "* x\ncurl: (7) Failed to connect\n", "Failed to connect"),
            ("", "", "curl on that machine told nothing"),
        ],
    )
    def test_one_that_is_not(self, out: str, errors: str, reason: str) -> None:
        page = read_answer(out, errors)
        assert (page.ok, page.reason) == (False, reason)


def test_the_roles_that_serve_pages_learn_of_it_and_no_others() -> None:
    from recipes.roles import recipe_names

    for mode in ("development", "production"):
        names = [name for name, _ in recipe_names(Role.WEBSERVER, mode)]
        assert names.index("cloudflare") == names.index("webserver") + 1
        assert "cloudflare" not in [name for name, _ in recipe_names(Role.DATABASE, mode)]
