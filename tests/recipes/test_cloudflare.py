"""A webserver behind Cloudflare: the program as a process, between commands of paper and a server on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.policy import Policy
from recipes import cloudflare
from recipes.steps import Absent, Cron, File, Script, Service
from recipes.texts import path_of, text_of
from state.errors import AnswersError
from tests.recipes.cloudflare_machine import (
    OWN_V4,
    OWN_V6,
    PRIVATE,
    V4,
    V6,
    Machine,
    Publisher,
    published,
    publishing,
)
from tests.recipes.test_roles import WEB, context_for


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as told:
        yield told


@pytest.fixture
def machine(tmp_path: Path, publisher: Publisher) -> Machine:
    return Machine(tmp_path, publisher.url)


def rule(source: str, port: int) -> str:
    return f"from {source} to {OWN_V6 if ':' in source else OWN_V4} port {port} proto tcp"


def wanted(*sources: str) -> set[str]:
    return {rule(source, port) for source in sources for port in (80, 443)}


OTHERS = (f"from 198.51.100.9 to {OWN_V4} port 1035 proto tcp", f"from 10.1.0.15 to {PRIVATE} port 443 proto tcp")


def test_the_first_run_puts_the_list_in_the_place_of_everybody(machine: Machine) -> None:
    everybody = [f"to {own} port {port} proto tcp" for own in (OWN_V4, OWN_V6) for port in (80, 443)]
    machine.allow(*everybody, *OTHERS)
    assert machine.run("check", code=1) == "there is no list yet\n"
    said = machine.run()
    assert said.splitlines() == [f"+ {network}" for network in (*V4, *V6)]
    assert machine.rules == wanted(*V4, *V6) | set(OTHERS), "SSH and probers stay"
    assert machine.list.read_text().split() == [*V4, *V6]
    text = machine.snippet.read_text()
    assert [line for line in text.splitlines() if line.startswith("set_real_ip_from")] == [
        f"set_real_ip_from {network};" for network in (*V4, *V6)
    ]
    assert "real_ip_header CF-Connecting-IP;" in text
    assert "ssl_client_certificate /etc/buildyard/ca.pem;" in text
    assert machine.run("check") == ""


def test_new_rules_come_before_nginx_and_nginx_before_old_ones_go(machine: Machine) -> None:
    machine.allow(f"to {OWN_V4} port 443 proto tcp")
    machine.run()
    kinds = [" ".join(call.split()[:2]) for call in machine.calls]
    assert kinds == [
        *["ufw allow"] * 10,
        "nginx -t",
        "systemctl is-active",
        "systemctl reload",
        "ufw delete",
    ]


def test_the_second_run_changes_nothing(machine: Machine) -> None:
    machine.run()
    assert machine.run() == ""
    assert machine.calls == []


def test_the_difference_is_told_and_only_that_is_done(machine: Machine, publisher: Publisher) -> None:
    machine.run()
    publisher.body = published([*V4[1:], "203.0.113.0/24"])
    assert machine.run().splitlines() == ["+ 203.0.113.0/24", f"- {V4[0]}"]
    assert [call.split()[1] for call in machine.calls if call.startswith("ufw")] == ["allow"] * 2 + ["delete"] * 2
    assert machine.rules == wanted(*V4[1:], "203.0.113.0/24", *V6)
    assert machine.run("check") == ""


def test_rules_changed_by_hand_are_found_and_mended(machine: Machine) -> None:
    machine.run()
    machine.allow(*(machine.rules - wanted(V4[0])), f"to {OWN_V4} port 443 proto tcp", *OTHERS)
    said = machine.run("check", code=1)
    assert f"not in force: ufw proto tcp from {V4[0]} to {OWN_V4} port 443" in said
    assert f"too much: ufw proto tcp from any to {OWN_V4} port 443" in said
    assert machine.calls == [], "a check changes nothing"
    machine.run()
    assert machine.rules == wanted(*V4, *V6) | set(OTHERS)


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (published([]), 200, "its list of IPv4 networks is empty"),
        (published(V4, []), 200, "its list of IPv6 networks is empty"),
        (published(None), 200, "its list of IPv4 networks is empty"),
        (published("198.18.0.0/20"), 200, "its list of IPv4 networks is empty"),
        (published([1, 2, 3]), 200, "no list of networks"),
        (published([*V4, "nonsense"]), 200, "no list of networks"),
        (published([*V4, "198.18.0.1/20"]), 200, "no list of networks"),
        (published([*V4, "; rm -rf /"]), 200, "no list of networks"),
        (published(V6, V4), 200, "mixed up"),
        (published([*V4, "0.0.0.0/0"]), 200, "0.0.0.0/0 is wider than any network of Cloudflare's"),
        (published(V4, [*V6, "::/0"]), 200, "::/0 is wider than any network of Cloudflare's"),
        (published(V4[:2]), 200, "covers 23 % of the IPv4 addresses"),
        (published(V4, ["2001:db8:1000::/40"]), 200, "of the IPv6 addresses"),
        ({"success": False, "result": None}, 200, "no list of networks"),
        ([], 200, "no list of networks"),
        (b"<html>", 200, "no list of networks"),
        (b"", 200, "no list of networks"),
        (b"x" * 300_000, 200, "ips: curl"),
        (published(), 404, "404"),
        (published(), 302, "no list of networks"),
    ],
)
def test_a_list_that_cannot_be_is_refused_and_the_last_good_one_stays(
    machine: Machine, publisher: Publisher, body: object, status: int, why: str
) -> None:
    machine.run()
    rules, text = machine.rules, machine.snippet.read_text()
    publisher.body, publisher.status = body, status
    if status == 302:
        publisher.body = b"moved"
    said = machine.run(code=1)
    assert why in said
    assert "the last good list stays: 5 networks" in said
    assert (machine.rules, machine.snippet.read_text()) == (rules, text)
    assert machine.calls == []
    assert machine.run("check") == ""


def test_a_shorter_list_that_covers_as_much_is_taken(machine: Machine, publisher: Publisher) -> None:
    publisher.body = published(["198.18.0.0/18", "198.18.64.0/18", "198.18.128.0/18", "198.18.192.0/18"])
    machine.run()
    publisher.body = published(["198.18.0.0/16"])
    machine.run()
    assert machine.rules == wanted("198.18.0.0/16", *V6)


def test_without_a_list_nothing_is_changed(machine: Machine, publisher: Publisher) -> None:
    machine.allow(*OTHERS)
    publisher.status = 404
    assert "there is no earlier list; nothing was changed" in machine.run(code=1)
    assert machine.calls == []
    assert not machine.snippet.exists()


def test_while_nobody_answers_the_last_good_list_is_put_in_force(machine: Machine, publisher: Publisher) -> None:
    machine.run()
    machine.snippet.unlink()
    machine.allow(*OTHERS)
    publisher.status = 404
    machine.run(code=1)
    assert machine.rules == wanted(*V4, *V6) | set(OTHERS)
    assert machine.snippet.exists()


@pytest.mark.parametrize("damage", ["nonsense\n", "198.18.0.1/20\n", ""])
def test_a_damaged_list_is_none(machine: Machine, damage: str) -> None:
    machine.run()
    machine.list.write_text(damage)
    machine.run()
    assert machine.list.read_text().split() == [*V4, *V6]


def test_nginx_that_does_not_accept_it_gets_the_old_snippet_back(machine: Machine, publisher: Publisher) -> None:
    machine.run()
    text = machine.snippet.read_text()
    publisher.body = published([*V4[1:], "203.0.113.0/24"])
    machine.fail("nginx -t")
    said = machine.run(code=1)
    assert "nginx does not accept the new list; the old one stays" in said
    assert "nginx says no" in said
    assert machine.snippet.read_text() == text
    assert not any(call.startswith(("systemctl", "ufw delete")) for call in machine.calls)
    assert machine.rules >= wanted(*V4, *V6), "nobody who got in before is kept out"
    assert machine.list.read_text().split() == [*V4, *V6], "the next run tries again"
    machine.fail("no more")
    machine.run()
    assert machine.rules == wanted(*V4[1:], "203.0.113.0/24", *V6)


def test_the_first_snippet_goes_again_when_nginx_does_not_accept_it(machine: Machine) -> None:
    machine.fail("nginx -t")
    machine.run(code=1)
    assert not machine.snippet.exists()
    assert not machine.list.exists()


def test_a_rule_that_cannot_be_added_takes_nobody_away(machine: Machine, publisher: Publisher) -> None:
    machine.run()
    publisher.body = published([*V4[1:], "203.0.113.0/24"])
    machine.fail("ufw allow proto tcp from 203.0.113.0/24")
    assert "ufw says no" in machine.run(code=1)
    assert machine.rules == wanted(*V4, *V6)


def test_nginx_that_is_off_is_not_reloaded(machine: Machine) -> None:
    (machine.folder / "nginx-is-off").touch()
    machine.run()
    assert "systemctl reload nginx" not in machine.calls


def test_without_origin_pulls_nginx_asks_for_no_certificate(machine: Machine) -> None:
    machine.conf.write_text("".join(machine.conf.read_text().splitlines(keepends=True)[:2]))
    machine.run()
    text = machine.snippet.read_text()
    assert "real_ip_header" in text
    assert "ssl_" not in text


def test_settings_that_changed_are_seen_and_brought(machine: Machine) -> None:
    machine.run()
    machine.conf.write_text(machine.conf.read_text().replace("ca.pem", "other.pem"))
    assert "not in force" in machine.run("check", code=1)
    machine.run()
    assert "other.pem" in machine.snippet.read_text()


def test_settings_without_an_address_are_told(machine: Machine) -> None:
    machine.conf.write_text("")
    assert "does not say where the list is" in machine.run(code=1)


def test_a_machine_without_ipv6_has_rules_for_its_own_family_only(machine: Machine) -> None:
    (machine.folder / "etc/buildyard/public-addresses").write_text(f"{OWN_V4}\n")
    machine.run()
    assert machine.rules == wanted(*V4)


def test_the_builds_rules_are_the_programs_own(machine: Machine) -> None:
    """Neither undoes the other: what the policy makes of the same list is what the program looks for."""
    policy = Policy((WEB,), ("198.51.100.9",), "10.1.0.0/16", visitors=(*V4, *V6))
    (machine.folder / "etc/buildyard/public-addresses").write_text(f"{WEB.public_ipv4}\n{WEB.public_ipv6}\n")
    machine.allow(*(f"from {one.source} to {one.to} port {one.port} proto {one.protocol}" for one in policy.ufw(WEB)))
    before = machine.rules
    machine.run()
    assert machine.rules == before
    assert not any(call.startswith("ufw") for call in machine.calls)


def test_a_network_of_one_address_is_that_address(machine: Machine, publisher: Publisher) -> None:
    """ufw tells it either way; both are one rule, and taking one back would take the other."""
    publisher.body = published([*V4, "203.0.113.7/32"])
    machine.run()
    assert rule("203.0.113.7", 443) in machine.rules
    machine.allow(*(one.replace("203.0.113.7 ", "203.0.113.7/32 ") for one in machine.rules))
    machine.run()
    assert machine.calls == []


def test_a_usage_that_is_none(machine: Machine) -> None:
    assert "usage:" in machine.run("please", code=2)


def behind(**answers: object) -> list[Any]:
    return list(cloudflare.steps(context_for(WEB, proxied=True, answers=answers)))


def test_a_webserver_behind_cloudflare_gets_program_settings_and_a_daily_run() -> None:
    made = behind()
    files = {step.path: step for step in made if isinstance(step, File)}
    assert files["/etc/buildyard/cloudflare.conf"].content == (
        "URL=https://api.cloudflare.com/client/v4/ips\n"
        "CA=/etc/ssl/certs/ca-certificates.crt\n"
        "ORIGIN_PULL_CA=/etc/buildyard/cloudflare-origin-pull-ca.pem\n"
    )
    assert files["/usr/local/sbin/buildyard-cloudflare-ranges"].mode == 0o755
    (script,) = (step for step in made if isinstance(step, Script))
    assert script.check == "buildyard-cloudflare-ranges check\n"
    (cron,) = (step for step in made if isinstance(step, Cron))
    assert cron.command == (
        "/usr/local/sbin/buildyard-job",
        "cloudflare-ranges",
        "--",
        "/usr/local/sbin/buildyard-cloudflare-ranges",
    )
    minute, hour, *rest = cron.schedule.split()
    assert 0 <= int(minute) < 60
    assert 0 <= int(hour) < 24
    assert rest == ["*"] * 3
    assert len({step.label for step in made}) == len(made)


def test_a_rehearsal_publishes_its_own_list_and_shows_its_own_certificate() -> None:
    made = behind(**{"cloudflare.ranges_url": "https://cloud.test/ips", "cloudflare.origin_pull_ca_pem": "PEM\n"})
    files = {step.path: step.content for step in made if isinstance(step, File)}
    assert "URL=https://cloud.test/ips\nCA=/etc/buildyard/store-ca.pem\n" in str(
        files["/etc/buildyard/cloudflare.conf"]
    )
    assert files["/etc/buildyard/cloudflare-origin-pull-ca.pem"] == "PEM\n"


@pytest.mark.parametrize("answer", [False, "no"])
def test_origin_pulls_may_be_left_out(answer: object) -> None:
    made = behind(**{"cloudflare.origin_pulls": answer})
    (conf,) = (step for step in made if isinstance(step, File) and step.path.endswith("cloudflare.conf"))
    assert "ORIGIN_PULL_CA" not in str(conf.content)


@pytest.mark.parametrize("url", ["http://cloud.test/ips", "file:///etc/passwd", "https://", "cloud.test"])
def test_a_list_from_an_address_that_others_can_write_is_refused(url: str) -> None:
    with pytest.raises(AnswersError) as caught:
        behind(**{"cloudflare.ranges_url": url})
    assert caught.value.hint


def test_elsewhere_nothing_of_it_is_left() -> None:
    made = list(cloudflare.steps(context_for(WEB)))
    paths = {step.path for step in made if isinstance(step, Absent)}
    assert {"/etc/cron.d/buildyard-cloudflare-ranges", cloudflare.SNIPPET} <= paths
    (service,) = (step for step in made if isinstance(step, Service))
    assert service.reload


def test_the_site_reads_the_snippet_and_its_variables() -> None:
    site = text_of("nginx-site.conf")
    assert "include @PARTS@/*.conf;" in site
    assert "$buildyard_prober" in text_of("nginx-common.conf")
    assert f'SNIPPET_FILE = "{cloudflare.SNIPPET}"' in text_of("buildyard-cloudflare-ranges")


def test_the_authority_is_cloudflares_and_signs_itself() -> None:
    path = str(path_of("buildyard-cloudflare-origin-pull-ca.pem"))
    run: Callable[..., Any] = subprocess.run
    verified = run(["openssl", "verify", "-check_ss_sig", "-CAfile", path, path], capture_output=True, text=True)
    assert verified.stdout.strip().endswith("OK")
    shown = run(
        ["openssl", "x509", "-in", path, "-noout", "-subject", "-checkend", "0"], capture_output=True, text=True
    )
    assert "CN = origin-pull.cloudflare.net" in shown.stdout
    assert shown.returncode == 0
