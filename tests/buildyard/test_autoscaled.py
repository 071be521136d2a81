"""The autoscaler as this build machine reaches it: policy and status in the state bucket, machines at the provider."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from buildyard.autoscaled import change, follow_leader, known
from buildyard.cli import parser
from fleet.autoscaler.heard import Heard
from fleet.autoscaler.leaders import leaders_of
from fleet.autoscaler.published import publish
from fleet.autoscaler.wishes import pause, protect, resume, scale, unprotect
from fleet.deployment import Deployment
from fleet.scaling import bring_policy
from fleet.site import Page
from state.errors import StateError, Unreachable, UsageError
from state.fleet_record import Stage
from tests.fleet import paper
from tests.fleet.paper import Ground
from tests.fleet.test_scaling import deployed, in_force


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with paper.ground(tmp_path) as one:
        yield one


@pytest.fixture
def shop(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    one = deployed(ground)
    bring_policy(one)
    monkeypatch.setattr("fleet.seen.look", lambda *_, **__: Page(True, "", 5, certificate_days=61))
    return one


def run(shop: Deployment, *words: str) -> int:
    arguments: argparse.Namespace = parser().parse_args([*words, "--deployment", "shop", "--yes"])
    program: Any = SimpleNamespace(paths=lambda name: name, open_built=lambda _paths, **_: shop)
    code: int = arguments.run(arguments, program)
    return code


def test_wishes_reach_the_policy_in_the_bucket_and_change_nothing_else(shop: Deployment) -> None:
    before = in_force(shop)
    assert change(shop, scale(3)).target == 3
    change(shop, pause())
    change(shop, protect("ws-1"))
    assert in_force(shop) == replace(before, target=3, paused=True, protected=frozenset({"ws-1"}))
    change(shop, resume())
    change(shop, unprotect("ws-1"))
    assert in_force(shop) == replace(before, target=3)
    with pytest.raises(UsageError, match="cannot be changed like that"):
        change(shop, scale(99))
    assert in_force(shop).target == 3


def test_the_commands_do_what_the_keys_do(shop: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    shop.record.update(lambda old: old.with_machine(_webserver("ws-1")))
    assert run(shop, "pause") == 0
    assert run(shop, "protect", "ws-1", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "ok": True,
        "paused": True,
        "target": in_force(shop).target,
        "protected": ["ws-1"],
        "replacing": [],
        "drained": [],
    }
    with pytest.raises(UsageError, match="no webserver ws-9") as refused:
        run(shop, "protect", "ws-9")
    assert refused.value.hint == "one of: ws-1"
    assert run(shop, "protect", "ws-1", "--off") == run(shop, "resume") == 0
    assert (in_force(shop).paused, in_force(shop).protected) == (False, frozenset())


def test_what_is_asked_for_one_webserver_is_meant_for_that_machine(
    shop: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = shop.clock.now() + 60  # its clock is ahead of the one here
    shop.record.update(lambda old: old.with_machine(replace(_webserver("ws-1"), ready_at=ahead)))
    assert run(shop, "replace", "ws-1") == 0
    assert "Another webserver takes the place of ws-1." in capsys.readouterr().out
    (asked,) = in_force(shop).replacing
    assert asked.asked_at > ahead
    assert run(shop, "drain", "ws-1", "--json") == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["drained"], answer["replacing"]) == (["ws-1"], []), "the later wish counts"
    assert run(shop, "drain", "ws-1", "--off") == run(shop, "drain", "ws-7", "--off") == 0
    assert in_force(shop).drained == ()


@pytest.mark.parametrize("command", ["replace", "drain"])
def test_only_a_webserver_that_serves_can_be_replaced_or_drained(shop: Deployment, command: str) -> None:
    shop.record.update(lambda old: old.with_machine(_webserver("ws-1")))
    shop.record.update(lambda old: old.with_machine(replace(_webserver("ws-2"), stage=Stage.REACHED)))
    shop.record.update(lambda old: old.with_machine(replace(_webserver("ws-3"), leaving="1 of 2 is enough.")))
    for name, why in (("db-1", "no webserver db-1"), ("ws-2", "still being built"), ("ws-3", "goes already")):
        with pytest.raises(UsageError, match=why) as refused:
            run(shop, command, name)
        assert refused.value.hint
    assert (in_force(shop).replacing, in_force(shop).drained) == ((), ())


def test_a_protected_or_drained_one_is_not_replaced_and_it_says_what_to_do(shop: Deployment) -> None:
    shop.record.update(lambda old: old.with_machine(_webserver("ws-1")))
    for word in ("protect", "drain"):
        run(shop, word, "ws-1")
        with pytest.raises(UsageError, match=f"ws-1 is {word}") as refused:
            run(shop, "replace", "ws-1")
        assert f"buildyard {word} ws-1 --off" in refused.value.hint
        run(shop, word, "ws-1", "--off")
    run(shop, "replace", "ws-1")
    run(shop, "protect", "ws-1")
    assert in_force(shop).replacing == (), "protecting takes it back"


def test_the_leader_is_who_the_state_bucket_says(shop: Deployment) -> None:
    state = shop.sealed_state()
    with leaders_of(shop, state) as leaders:
        with pytest.raises(StateError, match="No autoscaler has led yet"):
            leaders.who()
        publish(state, {"leader": "as-2", "epoch": 4, "at": 1.0})
        assert leaders.who() == "as-2"
        with pytest.raises(Unreachable, match="no address of it"):
            leaders.connect("as-2")


def test_what_the_journal_does_not_say_comes_from_record_provider_and_page(shop: Deployment) -> None:
    shop.access.provider.ensure_zone("example.org")
    assert known(shop).prices == {}
    paper.build(shop)
    shop.record.update(
        lambda old: replace(old, machines=tuple(replace(one, stage=Stage.READY) for one in old.machines))
    )
    found = known(shop)
    assert found.record is not None
    assert set(found.prices) == {machine.name for machine in found.record.machines} >= {"as-1", "ws-1", "db-1"}
    assert all(price > 0 for price in found.prices.values())
    webservers = sorted(one.public_ipv4 for one in found.record.machines if one.role == "webserver")
    assert [one for one in found.dns[shop.settings.domain] if "." in one] == webservers
    assert found.certificate_days == 61


def test_a_deployment_without_an_autoscaler_says_so(ground: Ground) -> None:
    blog = ground.deployment("blog")
    with pytest.raises(UsageError, match="development mode: it has no autoscaler"):
        known(blog)
    with pytest.raises(UsageError, match="development mode: it has no autoscaler"):
        follow_leader(blog, Heard(), threading.Event())


def _webserver(name: str) -> Any:
    from tests.fleet.autoscaler_journal import machine

    return machine(name, "webserver", 21)


def test_a_simulation_asks_by_the_deployments_own_policy(
    shop: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("timestamp,value\n0,10\n600,10000\n1800,10\n")
    change(shop, scale(2))
    change(shop, protect("ws-1"))
    assert run(shop, "simulate", str(trace), "--capacity-per-machine", "60", "--json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["machines"]["most"] == in_force(shop).maximum
