"""The network of the machine room: who reaches whom, and what the cloud firewall does about it."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from rehearsal.contract import Filter
from rehearsal.room.room import Room
from state.clock import wait_until
from tests.rehearsal.room.ground import CLOCK, Keys, knock

pytestmark = pytest.mark.machines


def test_port_22_is_never_open_while_a_machine_boots(room: Room, keys: Keys) -> None:
    addresses = room.reserve(3)
    seen: list[int] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            for address in (addresses.public_ipv4, addresses.public_ipv6):
                with suppress(OSError):
                    socket.create_connection((address, 22), 0.2).close()
                    seen.append(22)
            seen.append(0)
            stop.wait(0.005)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        room.create(keys.request(room, 3))

        def answers() -> bool:
            with suppress(OSError):
                socket.create_connection((addresses.public_ipv4, 1035), 1).close()
                return True
            return False

        wait_until("sshd", answers, timeout_s=60, clock=CLOCK)
    finally:
        stop.set()
        thread.join()
        room.delete(3)
    assert len(seen) > 20
    assert 22 not in seen


def test_machines_reach_each_other_and_the_services_addresses(room: Room) -> None:
    other = room.reserve(2)
    for address in (other.public_ipv4, other.public_ipv6, other.private_ipv4):
        done = room.exec_in(1, ["python3", "-c", f"import socket; socket.create_connection(('{address}', 1035), 3)"])
        assert done.returncode == 0, f"{address}: {done.stderr}"
    service = room.block.service_v4("api")
    refused = room.exec_in(1, ["python3", "-c", f"import socket; socket.create_connection(('{service}', 9), 3)"])
    assert "ConnectionRefused" in refused.stderr


def test_private_addresses_are_out_of_reach_for_all_but_machines(room: Room) -> None:
    private = room.reserve(1).private_ipv4
    for namespace in ("", room.foreign_namespace, room.edge_namespace):
        assert knock(room, namespace, private, 1035) == "prohibited"


def test_the_cloud_firewall_lets_in_exactly_what_it_says(room: Room) -> None:
    one, two = room.reserve(1), room.reserve(2)
    block = room.block
    program = "import socket;[socket.create_server((a, p), family=f) for p in (443, 2035) for a, f in PAIRS]"
    pairs = "[('0.0.0.0', socket.AF_INET), ('::', socket.AF_INET6)]"
    program = f"import socket,time\nkept={program.replace('PAIRS', pairs).partition(';')[2]}\ntime.sleep(60)"
    room.exec_in(1, ["systemd-run", "--unit=ports", "--quiet", "python3", "-c", program])
    wait_until(
        "the ports", lambda: knock(room, "", one.public_ipv4, 2035) == "open", timeout_s=10, clock=CLOCK
    )  # nothing guards it yet
    try:
        room.apply_filters(
            (
                Filter(
                    one,
                    (
                        ("tcp", 1035, 1035, f"{block.uplink_v4(1)}/32"),
                        ("tcp", 1035, 1035, f"{block.uplink_v6(1)}/128"),
                        ("tcp", 443, 443, block.edge_v4),
                        ("tcp", 443, 443, block.edge_v6),
                        ("tcp", 2035, 2035, f"{two.private_ipv4}/32"),
                    ),
                ),
                Filter(two, None),
            )
        )
        for address in (one.public_ipv4, one.public_ipv6):
            met = {
                (who, port): knock(room, space, address, port)
                for who, space in (("host", ""), ("foreign", room.foreign_namespace), ("edge", room.edge_namespace))
                for port in (1035, 443, 2035)
            }
            assert {pair for pair, what in met.items() if what == "open"} == {("host", 1035), ("edge", 443)}, met
            assert set(met.values()) == {"open", "prohibited"}
        assert knock(room, room.foreign_namespace, two.public_ipv4, 1035) == "open"
        reached = {
            (address, port): room.exec_in(
                2, ["python3", "-c", f"import socket; socket.create_connection(('{address}', {port}), 2)"]
            ).returncode
            == 0
            for address in (one.private_ipv4, one.public_ipv4, one.public_ipv6)
            for port in (1035, 443, 2035)
        }
        assert {pair for pair, is_open in reached.items() if is_open} == {(one.private_ipv4, 2035)}
    finally:
        room.apply_filters(())
        room.exec_in(1, ["systemctl", "stop", "ports"])
    assert knock(room, room.foreign_namespace, one.public_ipv4, 1035) == "open"


def test_a_connection_outlives_a_change_of_the_firewall(room: Room) -> None:
    one = room.reserve(1)
    with socket.create_connection((one.public_ipv4, 1035), 5) as link:
        assert link.recv(4) == b"SSH-"
        try:
            room.apply_filters((Filter(one, ()),))
            link.sendall(b"SSH-2.0-test\r\n")
            assert link.recv(100)
            assert knock(room, "", one.public_ipv4, 1035) == "prohibited"
        finally:
            room.apply_filters(())


def test_a_machine_cannot_send_from_anothers_address(room: Room) -> None:
    one, two = room.reserve(1), room.reserve(2)
    stolen, target = two.private_ipv4, room.block.service_v4("dns")
    room.exec_in(1, ["ip", "addr", "add", f"{stolen}/32", "dev", "lo"])
    catch = "import socket; s = socket.socket(2, 2); s.bind(('%s', 5353)); s.settimeout(%s); print(s.recvfrom(9))"
    throw = "import socket; s = socket.socket(2, 2); s.bind(('%s', 0)); s.sendto(b'x', ('%s', 5353))"
    try:
        for source, is_heard in ((one.public_ipv4, True), (stolen, False)):
            argv = ["nsenter", f"--net=/run/netns/{room.router_namespace}", sys.executable, "-c"]
            with subprocess.Popen([*argv, catch % (target, 2)], stdout=subprocess.PIPE, text=True, stderr=-3) as ear:
                wait_until(
                    "the listener",
                    lambda: ":5353" in room.exec_from(room.router_namespace, ["ss", "-lun"]).stdout,
                    timeout_s=5,
                    clock=CLOCK,
                )
                assert room.exec_in(1, ["python3", "-c", throw % (source, target)]).returncode == 0
                heard = ear.communicate()[0]
            assert (source in heard) is is_heard
    finally:
        room.exec_in(1, ["ip", "addr", "del", f"{stolen}/32", "dev", "lo"])


def test_machines_cannot_start_a_conversation_with_the_build_machine(room: Room) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        talk = f"import socket; socket.create_connection(('{room.block.uplink_v4(1)}', {port}), 1.5)"
        assert "timed out" in room.exec_in(1, ["python3", "-c", talk]).stderr


def test_the_build_machine_moves_to_another_address(room: Room) -> None:
    one = room.reserve(1)
    room.apply_filters((Filter(one, (("tcp", 1035, 1035, f"{room.block.uplink_v4(1)}/32"),)),))
    try:
        assert knock(room, "", one.public_ipv4, 1035) == "open"
        moved = room.speak_from(10)
        assert knock(room, "", one.public_ipv4, 1035) == "prohibited"
        room.apply_filters((Filter(one, (("tcp", 1035, 1035, f"{moved}/32"),)),))
        assert knock(room, "", one.public_ipv4, 1035) == "open"
    finally:
        room.speak_from(1)
        room.apply_filters(())


def test_echoes_are_let_in_by_a_rule_only_and_errors_always(room: Room) -> None:
    one = room.reserve(1)
    ping = (
        "import socket,struct,sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.settimeout(1)\n"
        "number = int(sys.argv[2])\n"
        "s.sendto(struct.pack('!BBHHH', 8, 0, 65535 - (2048 + number), number, 0), (sys.argv[1], 0))\n"
        "print(s.recv(99)[20])"
    )
    numbers = itertools.count(7)  # one that was let in once is a conversation, and goes on

    def echo() -> str:
        return room.exec_from(
            room.foreign_namespace, [sys.executable, "-c", ping, one.public_ipv4, str(next(numbers))]
        ).stdout.strip()

    try:
        assert echo() == "0"
        room.apply_filters((Filter(one, ()),))
        assert echo() == "3"  # unreachable, says the firewall
        room.apply_filters((Filter(one, (("icmp", 0, 0, "0.0.0.0/0"),)),))
        assert echo() == "0"
    finally:
        room.apply_filters(())
