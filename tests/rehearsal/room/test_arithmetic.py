"""Addresses, blocks and the firewall's text: what needs no machine."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from rehearsal.contract import Addresses, Filter, MachineRequest
from rehearsal.room import block as blocks
from rehearsal.room.block import Block, choose
from rehearsal.room.filters import cloud_ruleset
from rehearsal.room.host import check_host
from rehearsal.room.record import read, record_of, write
from rehearsal.room.seed import Surroundings, plant, strip_identity
from state.errors import HostError, StateError, UsageError

NET = ipaddress.ip_network
MACHINE = Addresses("10.88.64.8", "fdb1:1dba:0:64::8", "10.88.128.8")


def test_every_machine_has_addresses_of_its_own_inside_its_networks() -> None:
    block = Block(3)
    seen: set[str] = set()
    for machine_id in range(0, 16_256, 7):
        one = block.machine(machine_id)
        assert ipaddress.ip_address(one.public_ipv4) in NET(block.public_v4)
        assert ipaddress.ip_address(one.public_ipv6) in NET(block.public_v6)
        assert ipaddress.ip_address(one.private_ipv4) in NET(block.private_v4)
        assert not one.public_ipv4.endswith((".0", ".255"))
        these = {one.public_ipv4, one.public_ipv6, one.private_ipv4}
        assert not these & seen
        seen |= these


def test_the_networks_of_a_block_do_not_overlap() -> None:
    block = Block(99)
    v4 = [block.public_v4, block.private_v4, block.foreign_v4, block.edge_v4, f"{block.uplink_v4(0)}/24"]
    v4 += [f"{block.service_v4('api')}/24"]
    nets = [NET(text, strict=False) for text in v4]
    assert all(net.subnet_of(NET(block.network_v4)) for net in nets)
    assert not any(a.overlaps(b) for a in nets for b in nets if a is not b)
    for text in (block.public_v6, block.foreign_v6, block.edge_v6):
        assert NET(text).subnet_of(NET(block.network_v6))


def test_a_block_is_chosen_that_no_route_and_no_other_rehearsal_touches() -> None:
    chosen = choose(frozenset({0}), (NET("10.89.4.0/24"), NET("fdb1:1dba:2::/64")))
    assert chosen == Block(3)


def test_within_a_companys_wide_route_a_block_is_still_found_but_not_on_a_narrow_one() -> None:
    assert choose(frozenset(), (NET("10.0.0.0/8"), NET("10.88.0.0/16"))) == Block(1)


def test_no_block_left_is_said() -> None:
    assert choose(frozenset(range(blocks.MOST_REHEARSALS)), ()) is None


def test_a_rehearsal_keeps_its_block_and_another_gets_another(tmp_path: Path) -> None:
    one, two, registry = tmp_path / "one", tmp_path / "two", tmp_path / "registry"
    one.mkdir()
    two.mkdir()
    first = blocks.claim(one, registry)
    second = blocks.claim(two, registry)
    assert first != second
    assert blocks.claim(one, registry) == first == blocks.claimed(one)
    blocks.release(first, one, registry)
    assert blocks.claimed(one) is None
    assert blocks.owner_of(first, registry) is None


def test_a_block_that_another_took_meanwhile_is_refused(tmp_path: Path) -> None:
    one, registry = tmp_path / "one", tmp_path / "registry"
    one.mkdir()
    first = blocks.claim(one, registry)
    (registry / first.prefix).write_text(str(tmp_path / "two"))
    with pytest.raises(HostError, match="used by another"):
        blocks.claim(one, registry)


@pytest.mark.parametrize(
    "text", ["", "{", '{"version": 1}', '{"version": 2, "index": 1}', '{"version": 1, "index": 500}']
)
def test_a_broken_record_of_the_block_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "block.json").write_text(text)
    with pytest.raises(StateError, match=r"block\.json"):
        blocks.claimed(tmp_path)


@pytest.mark.parametrize(
    "rule",
    [
        ("tcp", 0, 80, "0.0.0.0/0"),
        ("tcp", 90, 80, "0.0.0.0/0"),
        ("tcp", 1, 70000, "::/0"),
        ("sctp", 1, 2, "::/0"),
        ("tcp", 1, 2, "everyone"),
        ("tcp", 1, 2, "10.0.0.0/8; flush ruleset"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: tuple[str, int, int, str]) -> None:
    with pytest.raises(UsageError):
        cloud_ruleset((Filter(MACHINE, (rule,)),))


def test_a_machine_without_a_firewall_has_no_rules_and_one_with_an_empty_one_is_shut() -> None:
    nothing = cloud_ruleset((Filter(MACHINE, None),))
    assert "machine0" not in nothing
    assert "ct state" not in nothing  # its connections are not even tracked: a scan would fill the kernel's table
    shut = cloud_ruleset((Filter(MACHINE, ()),))
    assert "jump machine0" in shut
    assert "accept" not in shut.partition("chain machine0 {")[2].partition("}")[0]


def test_without_root_it_is_said_what_is_missing_and_what_still_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(HostError) as raised:
        check_host(tmp_path)
    assert raised.value.exit_code == 2
    assert "not root" in raised.value.detail
    assert "real cloud" in raised.value.detail


def _request(user_data: str = "") -> MachineRequest:
    return MachineRequest(7, "db-1", "bookworm", 1, 512, 10, ("ssh-ed25519 AAAA a",), user_data, MACHINE)


def test_a_machines_record_is_read_as_it_was_written_and_a_broken_one_is_said(tmp_path: Path) -> None:
    record = record_of(_request(), Path("/images/x"))
    write(tmp_path, record)
    assert read(tmp_path) == record
    (tmp_path / "machine.json").write_text('{"version": 7}')
    with pytest.raises(StateError, match=r"machine\.json"):
        read(tmp_path)


def test_what_a_machine_is_given_never_follows_a_link_out_of_its_disk(tmp_path: Path) -> None:
    outside = tmp_path / "hosts"
    outside.write_text("the host's own")
    (tmp_path / "disk/etc").mkdir(parents=True)
    (tmp_path / "disk/etc/hosts").symlink_to(outside)
    plant(tmp_path / "disk", _request(), "i-1", Surroundings("10.88.255.3", "http://10.88.255.5:3142"))
    assert outside.read_text() == "the host's own"
    assert "127.0.1.1 db-1" in (tmp_path / "disk/etc/hosts").read_text()


def test_what_is_removed_from_a_copy_is_never_the_hosts(tmp_path: Path) -> None:
    hosts = tmp_path / "host/authorized_keys"
    hosts.parent.mkdir()
    hosts.write_text("the host's own")
    (tmp_path / "disk/root").mkdir(parents=True)
    (tmp_path / "disk/root/.ssh").symlink_to(hosts.parent)
    (tmp_path / "disk/etc").symlink_to(hosts.parent)
    strip_identity(tmp_path / "disk")
    assert hosts.read_text() == "the host's own"
    assert not (hosts.parent / "machine-id").exists()


def test_a_copy_of_a_disk_is_nobodys(tmp_path: Path) -> None:
    plant(tmp_path, _request("#cloud-config\nsecret: yes\n"), "i-1", Surroundings("10.88.255.3", ""))
    (tmp_path / "etc/ssh").mkdir()
    (tmp_path / "etc/ssh/ssh_host_ed25519_key").write_text("key")
    (tmp_path / "etc/machine-id").write_text("4711\n")
    strip_identity(tmp_path)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if "ssh_host" in path.name or path.name == "user-data"]
    assert (tmp_path / "etc/machine-id").read_text() == ""
