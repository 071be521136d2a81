"""The rehearsal as Cloudflare: the real driver over its zones, proxied names, and a list of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from providers.cloudflare.dns import Cloudflare
from providers.contract import RecordSet
from providers.http import Patience
from rehearsal.edge import Edge
from rehearsal.room.block import Block
from state.clock import SystemClock
from state.errors import NotFound
from tests.providers.rehearsed import PaperNames, PaperRoom, serving
from tests.rehearsal.in_memory import TOKEN

ZONE = "example.org"


@pytest.fixture
def names() -> PaperNames:
    return PaperNames()


@pytest.fixture
def url(names: PaperNames) -> Iterator[str]:
    with serving(TOKEN, PaperRoom(), names) as found:
        yield found


@pytest.fixture
def driver(url: str) -> Iterator[Cloudflare]:
    made = Cloudflare(TOKEN, clock=SystemClock(), api_url=url, patience=Patience(settle_s=0.2, call_s=5))
    made.ensure_zone(ZONE)
    yield made
    made.close()


def test_a_proxied_name_leads_to_the_edge_and_keeps_its_addresses(driver: Cloudflare, names: PaperNames) -> None:
    www = RecordSet("www", "A", ("192.0.2.1", "192.0.2.2"), 60)
    driver.put_record_set(ZONE, www)
    assert names.rrsets["www.example.org.", "A"] == (60, ("192.0.2.1", "192.0.2.2"))
    driver.put_record_set(ZONE, www, proxied=True)
    assert driver.proxied_sets(ZONE) == {("www", "A")}
    (kept,) = (each for each in driver.record_sets(ZONE) if each.name == "www")
    assert kept.values == www.values
    assert names.rrsets["www.example.org.", "A"][1] == (Edge.of(Block(1), None).host_v4,)  # type: ignore[arg-type]
    driver.put_record_set(ZONE, www, proxied=False)
    assert names.rrsets["www.example.org.", "A"] == (60, ("192.0.2.1", "192.0.2.2"))
    driver.delete_record_set(ZONE, "www", "A")
    assert driver.record_sets(ZONE) == ()


def test_other_records_of_a_site(driver: Cloudflare, names: PaperNames) -> None:
    driver.put_record_set(ZONE, RecordSet("_acme-challenge", "TXT", ('a "proof"',), 60))
    driver.put_record_set(ZONE, RecordSet("blog", "CNAME", ("elsewhere.example.net",), 60))
    assert {(each.name, each.type): each.values for each in driver.record_sets(ZONE)} == {
        ("_acme-challenge", "TXT"): ('a "proof"',),
        ("blog", "CNAME"): ("elsewhere.example.net",),
    }
    assert names.rrsets["blog.example.org.", "CNAME"][1] == ("elsewhere.example.net.",)


def test_the_token_is_good_and_the_way_to_webservers_is_strict(driver: Cloudflare) -> None:
    assert driver.check_credentials(ZONE).missing_rights == ()
    driver.require_strict(ZONE)
    assert not driver.origin_pulls(ZONE)
    driver.put_origin_pulls(ZONE, True)
    assert driver.origin_pulls(ZONE)
    with pytest.raises(NotFound):
        driver.record_sets("nobodys.example")


def test_its_list_is_public_and_of_the_rehearsals_own_block(driver: Cloudflare, url: str) -> None:
    block = Block(1)
    assert driver.published_ranges() == ((block.edge_v4,), (block.edge_v6,))
    answer = httpx.get(f"{url}/client/v4/ips")
    assert answer.status_code == 200
    assert answer.json()["result"]["ipv4_cidrs"] == [block.edge_v4]


def test_what_a_journey_publishes_is_published_as_it_is(tmp_path) -> None:
    edge = Edge.of(Block(1), tmp_path / "list.json")
    assert json.loads(edge.listed())["success"] is True
    edge.published.write_text("<html>")
    assert edge.listed() == b"<html>"
