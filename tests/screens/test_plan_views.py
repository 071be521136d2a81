"""A plan as table and as graph: what stands together, what waits for what, at every width."""

from __future__ import annotations

from decimal import Decimal

import pytest
from rich.cells import cell_len

from fleet.graph import Action, Change
from fleet.plan import Plan
from screens.widgets.plan_graph import graph, stages
from screens.widgets.plan_table import table
from wizard.plan_rows import rows, touched

NETWORK = Action("network", Change.CREATE, "private network", "machines talk over it")
FIREWALLS = Action("firewalls", Change.CREATE, "cloud firewalls", "rules differ", ("network",))
KEY = Action("key", Change.CHECK, "SSH key", "Buildyard logs in with it")
DB = Action("machine:db-1", Change.CREATE, "machine db-1 (small)", "lacks it", ("firewalls",), "db-1", Decimal(6))
WS = Action("machine:ws-1", Change.REPLACE, "machine ws-1 (small)", "is gone", ("firewalls",), "ws-1", None)
DB_1 = Action("recipe:db-1:base", Change.CREATE, "base on db-1", "the machine is new", (DB.id,), "db-1")
DB_2 = Action("recipe:db-1:database", Change.CREATE, "database on db-1", "the machine is new", (DB_1.id,), "db-1")
WS_1 = Action("recipe:ws-1:site", Change.CREATE, "site on ws-1", "the machine is new", (WS.id, DB_2.id), "ws-1")
DNS = Action("dns", Change.CHANGE, "DNS of shop.example.org", "shall point to ws-1", (WS_1.id,))
PLAN = Plan((NETWORK, KEY, FIREWALLS, DB, WS, DB_1, DB_2, WS_1, DNS), Decimal(12))


def test_recipes_of_a_machine_are_one_row_and_what_only_looks_is_none() -> None:
    assert [(row.what, row.price, row.more) for row in rows(PLAN)] == [
        ("private network", "", ""),
        ("cloud firewalls", "", ""),
        ("machine db-1 (small)", "6.00", ""),
        ("machine ws-1 (small)", "unknown", ""),
        ("db-1: 2 recipes", "", "base, database"),
        ("ws-1: 1 recipe", "", "site"),
        ("DNS of shop.example.org", "", ""),
    ]


def test_the_graph_has_a_stage_where_the_place_changes_and_a_lane_a_machine() -> None:
    found = [
        (stage.at_provider, {lane: [each.id for each in actions] for lane, actions in stage.lanes.items()})
        for stage in stages(PLAN.actions)
    ]
    assert found == [
        (True, {"cloud": ["network", "key", "firewalls"]}),
        (False, {"db-1": [DB.id, DB_1.id, DB_2.id], "ws-1": [WS.id, WS_1.id]}),
        (True, {"cloud": ["dns"]}),
    ]


def test_arrows_say_what_waits_for_what() -> None:
    shown = " ".join(graph(PLAN, 78).plain.split())
    assert "+ private network · = SSH key · + cloud firewalls ⇠ private network" in shown
    assert "db-1 + machine (small) → + base → + database" in shown
    assert "ws-1 ± machine (small) → + site ⇠ db-1 database" in shown


@pytest.mark.parametrize("width", [60, 78, 118, 240])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    for line in (*table(PLAN, width).plain.splitlines(), *graph(PLAN, width).plain.splitlines()):
        assert cell_len(line) <= width


def test_what_is_touched_is_said_in_sentences() -> None:
    assert touched(PLAN) == (
        "Makes: private network, cloud firewalls, machine db-1 (small)",
        "Changes: DNS of shop.example.org",
        "Replaces: machine ws-1 (small)",
        "Sets up: db-1 (2 recipes), ws-1 (1 recipe)",
    )


def test_nothing_to_do_is_said_too() -> None:
    nothing = Plan((KEY,), Decimal(12))
    assert "Nothing would change" in table(nothing, 78).plain
    assert touched(nothing)[0].startswith("Nothing")
