"""A site goes behind an edge and comes back: who reaches it meanwhile, by each layer, and how the list is followed.

The edge is a host in the block that the rehearsal publishes as Cloudflare's networks; it shows the certificate that
webservers demand, and passes on who its visitor is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rehearsal.authority import Authority
from rehearsal.edge import Edge
from rehearsal.folders import Folders
from rehearsal.room.room import Room
from tests.journeys.clouds import driver
from tests.journeys.conftest import Site, inside
from tests.journeys.test_5_allow import answers_of

pytestmark = pytest.mark.machines

FAMILIES = ("public_ipv4", "public_ipv6")
PROGRAM = "buildyard-cloudflare-ranges"
#: What the edge says its visitor is; nobody's address (RFC 5737).
VISITOR = "203.0.113.77"


def edge_of(site: Site) -> Edge:
    return Edge.of(Room(site.rehearsal).block, Folders(site.rehearsal).published_ranges)


def certificate(site: Site) -> tuple[str, ...]:
    """curl's words for what the edge shows to webservers."""
    edge, block = edge_of(site), Room(site.rehearsal).block
    authority = Authority(Folders(site.rehearsal).authority, block.prefix)
    chain, key = authority.ensure_server("edge", (edge.host_v4, edge.host_v6), shows=True)
    return ("--cert", str(chain), "--key", str(key))


def ask(site: Site, namespace: str, address: str, *words: str, port: int = 443) -> str:
    """The status that a host there gets from that address, "" where nobody answers it."""
    place = f"[{address}]" if ":" in address else address
    url = f"{'https' if port == 443 else 'http'}://{site.domain}/"
    roots = str(site.rehearsal / "site-roots.pem")
    done = inside(
        namespace,
        *("curl", "-sS", "--max-time", "6", "--cacert", roots, "-o", "/dev/null", "-w", "%{http_code}"),
        *("--resolve", f"{site.domain}:{port}:{place}", *words, url),
    )
    return done.stdout if done.returncode == 0 else ""


def reached(site: Site, namespace: str, *words: str) -> list[str]:
    """What that host gets on ports 80 and 443 of both families."""
    addresses = [site.address("ws-1", family) for family in FAMILIES]
    return [ask(site, namespace, address, *words, port=port) for address in addresses for port in (80, 443)]


OPEN, SHUT = ["301", "200"] * 2, [""] * 4


def answer(site: Site, dns: dict[str, object]) -> None:
    """Builds with other answers about the zone."""
    path = answers_of(site)
    values = yaml.safe_load(path.read_text())
    values.update(dns)
    path.write_text(yaml.safe_dump(values))
    built = site.json("build")
    assert built["ok"], built


def web_rules(site: Site) -> set[str]:
    """From where ufw on the webserver lets its public 443 be reached."""
    found, private = set(), site.address("ws-1", "private_ipv4")
    for line in site.on("ws-1", "sudo", "-n", "ufw", "show", "added").splitlines():
        words = line.split()
        if words[:2] == ["ufw", "allow"] and "443" in words and private not in words:
            found.add(words[words.index("from") + 1] if "from" in words else "any")
    return found


def look_up(site: Site) -> dict[str, object]:
    """What cron runs once a day, run now; the record it leaves."""
    (line,) = [
        line
        for line in site.on("ws-1", "cat", f"/etc/cron.d/{PROGRAM}").splitlines()
        if PROGRAM in line and not line.startswith("#")
    ]
    command = line.split(" root ", 1)[1]
    site.on("ws-1", "sudo", "-n", "sh", "-c", f"{command} >/dev/null 2>&1; true")
    record: dict[str, object] = json.loads(
        site.on("ws-1", "sudo", "-n", "cat", "/var/lib/buildyard/jobs/cloudflare-ranges.json")
    )
    return record


def published(v4: list[str], v6: list[str]) -> str:
    return json.dumps({"success": True, "errors": [], "messages": [], "result": {"ipv4_cidrs": v4, "ipv6_cidrs": v6}})


@pytest.fixture(scope="module")
def behind(site: Site) -> Iterator[Site]:
    """The site, behind the edge for as long as this file is looked at; at its end it is everybody's again."""
    edge_of(site).published.unlink(missing_ok=True)
    for namespace in (site.cloud.namespaces.foreign, site.cloud.namespaces.edge):
        assert reached(site, namespace) == OPEN, "naked, everybody reaches it"
    try:
        answer(site, {"dns": {"kind": "cloudflare"}, "cloudflare": {"proxied": True}})
        yield site
    finally:
        edge_of(site).published.unlink(missing_ok=True)
        answer(site, {"dns": {"kind": "cloudflare"}, "cloudflare": {"proxied": False}})
        answer(site, {"dns": {"kind": "provider"}})
    for namespace in (site.cloud.namespaces.foreign, site.cloud.namespaces.edge):
        assert reached(site, namespace) == OPEN, "and again"
    assert site.resolve(site.domain, "A") == [site.address("ws-1")]
    assert site.json("plan")["actions"] == []


def test_the_edge_reaches_it_and_nobody_else_does(behind: Site) -> None:
    spaces = behind.cloud.namespaces
    shown = certificate(behind)
    assert reached(behind, spaces.edge, *shown) == OPEN
    assert reached(behind, spaces.edge) == ["301", "403"] * 2, "who shows no certificate is turned away"
    assert reached(behind, spaces.foreign, *shown) == SHUT
    here = ask(behind, spaces.edge, behind.address("ws-1"), *shown, "--header", f"CF-Connecting-IP: {VISITOR}")
    assert here == "200"
    assert VISITOR in behind.on("ws-1", "sudo", "-n", "tail", "-n", "20", "/var/log/nginx/access.log")
    assert behind.resolve(behind.domain, "A") == [edge_of(behind).host_v4]
    assert behind.resolve(behind.domain, "AAAA") == [edge_of(behind).host_v6]
    status = behind.json("status")
    assert status["healthy"], status
    assert status["certificate"]["days_left"] > 1
    assert behind.json("plan")["actions"] == []


@pytest.mark.campaign
def test_each_layer_alone_keeps_everybody_else_out(behind: Site) -> None:
    spaces, shown = behind.cloud.namespaces, certificate(behind)
    room, machine = Room(behind.rehearsal), int(behind.address("ws-1", "provider_id"))
    try:
        assert room.exec_in(machine, ("ufw", "disable"), timeout_s=60).returncode == 0
        assert reached(behind, spaces.edge, *shown) == OPEN
        assert reached(behind, spaces.foreign, *shown) == SHUT, "the cloud alone"
        assert room.exec_in(machine, ("ufw", "--force", "enable"), timeout_s=60).returncode == 0
        with driver(behind.cloud) as provider:
            (web,) = (each for each in provider.firewalls("by-rehearsal-fw-") if each.tag.endswith("webserver"))
            provider.delete_firewall(web.id)
        assert reached(behind, spaces.edge, *shown) == OPEN
        assert reached(behind, spaces.foreign, *shown) == SHUT, "ufw alone"
    finally:
        mended = behind.json("build")
    assert (mended["ok"], mended["changed"]) == (True, 1)


@pytest.mark.campaign
def test_a_new_network_reaches_the_machine_by_cron_and_the_cloud_by_the_next_build(behind: Site) -> None:
    edge, block = edge_of(behind), Room(behind.rehearsal).block
    before = web_rules(behind)
    assert before == {edge.v4, edge.v6}
    edge.published.write_text(published([edge.v4, block.foreign_v4], [edge.v6, block.foreign_v6]))
    looked = look_up(behind)
    assert looked["exit_code"] == 0
    assert set(looked["last_lines"]) == {f"+ {block.foreign_v4}", f"+ {block.foreign_v6}"}  # type: ignore[call-overload]
    assert web_rules(behind) == before | {block.foreign_v4, block.foreign_v6}
    told = behind.on("ws-1", "sudo", "-n", "journalctl", "-o", "cat", "-t", f"buildyard-{PROGRAM}")
    assert f"+ {block.foreign_v4}" in told.splitlines()
    foreign, shown = behind.cloud.namespaces.foreign, certificate(behind)
    assert reached(behind, foreign, *shown) == SHUT, "the cloud's firewall does not know it yet"
    (planned,) = (each for each in behind.json("plan")["actions"] if "before the site" in each["target"])
    assert f"+ {block.foreign_v4}" in planned["reason"]
    assert behind.json("build")["ok"]
    assert reached(behind, foreign, *shown) == OPEN


@pytest.mark.campaign
@pytest.mark.parametrize("wrong", ["empty", "malformed", "halved"])
def test_a_list_that_cannot_be_is_refused_and_the_last_one_stays(behind: Site, wrong: str) -> None:
    edge = edge_of(behind)
    quarter = edge.v4.replace("/24", "/26")
    texts = {"empty": published([], [edge.v6]), "malformed": "<html>", "halved": published([quarter], [edge.v6])}
    rules = web_rules(behind)
    Path(edge.published).write_text(texts[wrong])
    looked = look_up(behind)
    assert looked["exit_code"] == 1
    assert "the last good list stays" in str(looked["last_lines"])
    assert web_rules(behind) == rules
    assert reached(behind, behind.cloud.namespaces.edge, *certificate(behind)) == OPEN
