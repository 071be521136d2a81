"""The policy table of the design, line by line, in both compilations."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from fleet.policy import DATABASE_PORT, HTTP_PORT, HTTPS_PORT, SSH_PORT, Policy, anyone_but
from providers.contract import InboundRule
from recipes.context import Node, Role

OPERATOR = "198.51.100.9"
STRANGER = "203.0.113.77"
WEB = Node("ws-1", Role.WEBSERVER, "192.0.2.11", "2001:db8::11", "10.20.0.11")
WEB_2 = Node("ws-2", Role.WEBSERVER, "192.0.2.12", "2001:db8::12", "10.20.0.12")
DATABASE = Node("db-1", Role.DATABASE, "192.0.2.14", "2001:db8::14", "10.20.0.14")
SCALER = Node("as-1", Role.AUTOSCALER, "192.0.2.15", "2001:db8::15", "10.20.0.15")
POLICY = Policy((WEB, WEB_2, DATABASE, SCALER), (OPERATOR,), "10.20.0.0/16")
CLOUDFLARE, CLOUDFLARE_V6 = "198.18.0.0/15", "2001:db8:cf00::/40"


def cloud_lets(rules: tuple[InboundRule, ...], source: str, port: int) -> bool:
    address = ip_address(source)
    return any(
        rule.port == port and any(address in ip_network(allowed) for allowed in rule.sources if _same(address, allowed))
        for rule in rules
    )


def _same(address: object, block: str) -> bool:
    return ip_network(block).version == getattr(address, "version", 0)


def ufw_lets(policy: Policy, node: Node, source: str, to: str, port: int) -> bool:
    return any(
        rule.port == port
        and rule.to in ("any", to)
        and (
            rule.source == "any"
            or (_same(ip_address(source), rule.source) and ip_address(source) in ip_network(rule.source))
        )
        for rule in policy.ufw(node)
    )


@pytest.mark.parametrize("node", [WEB, DATABASE, SCALER])
@pytest.mark.parametrize(
    ("source", "private", "allowed"),
    [
        (OPERATOR, False, True),
        (STRANGER, False, False),
        ("192.0.2.12", False, False),  # a neighbour over the public side
        ("10.20.0.12", True, True),  # a neighbour over the private side
        ("10.20.0.99", True, False),  # somebody else in the private network
    ],
)
def test_ssh_is_for_operators_outside_and_for_the_fleet_inside(
    node: Node, source: str, private: bool, allowed: bool
) -> None:
    to = node.private_ipv4 if private else node.public_ipv4
    assert ufw_lets(POLICY, node, source, to, SSH_PORT) is allowed
    assert cloud_lets(POLICY.cloud(node.role), source, SSH_PORT) is allowed


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        (WEB.private_ipv4, True),
        (WEB_2.private_ipv4, True),
        (SCALER.private_ipv4, True),
        (OPERATOR, False),
        (STRANGER, False),
        (WEB.public_ipv4, False),
        ("10.20.0.99", False),
    ],
)
def test_the_database_port_is_for_webservers_and_autoscalers_private_addresses(source: str, allowed: bool) -> None:
    assert ufw_lets(POLICY, DATABASE, source, DATABASE.private_ipv4, DATABASE_PORT) is allowed
    assert cloud_lets(POLICY.cloud(Role.DATABASE), source, DATABASE_PORT) is allowed
    assert not ufw_lets(POLICY, DATABASE, source, DATABASE.public_ipv4, DATABASE_PORT)


@pytest.mark.parametrize("port", [HTTP_PORT, HTTPS_PORT])
@pytest.mark.parametrize("source", [STRANGER, OPERATOR, DATABASE.public_ipv4])
def test_with_naked_dns_anyone_sees_the_site(source: str, port: int) -> None:
    assert ufw_lets(POLICY, WEB, source, WEB.public_ipv4, port)
    assert cloud_lets(POLICY.cloud(Role.WEBSERVER), source, port)


def test_with_naked_dns_v6_sees_the_site_too() -> None:
    assert ufw_lets(POLICY, WEB, "2001:db8:ffff::1", WEB.public_ipv6, HTTPS_PORT)
    assert cloud_lets(POLICY.cloud(Role.WEBSERVER), "2001:db8:ffff::1", HTTPS_PORT)


@pytest.mark.parametrize(
    ("source", "port", "allowed"),
    [
        (SCALER.private_ipv4, HTTPS_PORT, True),
        (DATABASE.private_ipv4, HTTPS_PORT, True),
        (WEB_2.private_ipv4, HTTPS_PORT, False),
        (DATABASE.private_ipv4, HTTP_PORT, False),
    ],
)
def test_private_https_is_for_probers_only(source: str, port: int, allowed: bool) -> None:
    assert ufw_lets(POLICY, WEB, source, WEB.private_ipv4, port) is allowed
    assert cloud_lets(POLICY.cloud(Role.WEBSERVER), source, port) is allowed


BEHIND = Policy(POLICY.fleet, (OPERATOR,), "10.20.0.0/16", visitors=(CLOUDFLARE, CLOUDFLARE_V6))


@pytest.mark.parametrize("port", [HTTP_PORT, HTTPS_PORT])
@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("198.18.3.4", True),
        ("2001:db8:cf00::9", True),
        (STRANGER, False),
        ("2001:db8:ffff::1", False),
        (OPERATOR, False),
        (DATABASE.public_ipv4, False),
    ],
)
def test_behind_cloudflare_only_its_ranges_reach_the_site(source: str, port: int, allowed: bool) -> None:
    to = WEB.public_ipv6 if ":" in source else WEB.public_ipv4
    assert ufw_lets(BEHIND, WEB, source, to, port) is allowed
    assert cloud_lets(BEHIND.cloud(Role.WEBSERVER), source, port) is allowed


def test_visitors_change_nothing_else() -> None:
    """Probers come over the private side, operators to SSH; an edge does neither, nor does it reach a database."""
    assert ufw_lets(BEHIND, WEB, SCALER.private_ipv4, WEB.private_ipv4, HTTPS_PORT)
    assert cloud_lets(BEHIND.cloud(Role.WEBSERVER), SCALER.private_ipv4, HTTPS_PORT)
    assert not ufw_lets(BEHIND, WEB, "198.18.3.4", WEB.private_ipv4, HTTPS_PORT)
    assert not ufw_lets(BEHIND, WEB, "198.18.3.4", WEB.public_ipv4, SSH_PORT)
    for role, node in ((Role.DATABASE, DATABASE), (Role.AUTOSCALER, SCALER)):
        assert BEHIND.cloud(role) == POLICY.cloud(role)
        assert BEHIND.ufw(node) == POLICY.ufw(node)


def test_where_the_clouds_firewall_leaves_the_private_side_alone_it_says_nothing_of_it_and_ufw_all() -> None:
    open_inside = replace(POLICY, filters_private=False)
    for role, node in ((Role.WEBSERVER, WEB), (Role.DATABASE, DATABASE), (Role.AUTOSCALER, SCALER)):
        rules = open_inside.cloud(role)
        assert open_inside.ufw(node) == POLICY.ufw(node)
        assert cloud_lets(rules, OPERATOR, SSH_PORT)
        assert not [rule for rule in rules for source in rule.sources if source.startswith("10.20.")]
        assert sum(len(rule.sources) for rule in rules) <= 7, "a vendor may count each source, and take fifty"
    assert not any(rule.port == DATABASE_PORT for rule in open_inside.cloud(Role.DATABASE))


def test_a_machine_has_rules_before_it_has_addresses() -> None:
    nobody = Policy((), (OPERATOR,))
    assert cloud_lets(nobody.cloud(Role.DATABASE), OPERATOR, SSH_PORT)
    assert not any(rule.port == DATABASE_PORT for rule in nobody.cloud(Role.DATABASE))


def test_anyone_is_everyone_but_the_private_network() -> None:
    blocks = [ip_network(block) for block in anyone_but("10.20.0.0/16")]
    assert not any(ip_address("10.20.3.4") in block for block in blocks if block.version == 4)
    for address in ("10.19.255.255", "10.21.0.0", "0.0.0.1", "255.255.255.255"):
        assert any(ip_address(address) in block for block in blocks if block.version == 4)
