"""Kinds of steps that need a real machine: packages, users, units, ufw, cron, SQL. One machine for all, in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from bench.engine.machines import Machines, machines
from recipes.report import Report
from recipes.run import run_recipe
from recipes.ssh import Address, Link, open_link
from recipes.steps import (
    AllowRule,
    Cron,
    File,
    FirewallRules,
    Package,
    Recipe,
    Script,
    Service,
    Sql,
    Step,
    User,
    UserCrontab,
)
from state.clock import SystemClock, wait_until
from state.errors import StepFailed, Stopped
from state.events import Event, Kind, StepStatus
from state.secret import Redactor, Secret

pytestmark = [pytest.mark.machines, pytest.mark.timeout(600)]


@dataclass
class Box:
    """One machine, its link, and recipes run on it."""

    link: Link
    machines: Machines
    room_host: str

    def run(self, *steps: Step, check_only: bool = False, name: str = "test") -> Report:
        return run_recipe(
            self.link,
            Recipe(name, steps),
            machine="box",
            emit=lambda _event: None,
            redact=Redactor(),
            check_only=check_only,
            cancel=threading.Event(),
            deadline_s=400.0,
        )

    def settles(self, *steps: Step) -> Report:
        """Check-only foretells, the first run changes, the second changes nothing; the first's report."""
        foretold = self.run(*steps, check_only=True)
        first = self.run(*steps)
        changed = {result.label for result in first.results if result.status is StepStatus.CHANGED}
        assert changed == {r.label for r in foretold.results if r.status is StepStatus.WOULD_CHANGE}
        second = self.run(*steps)
        assert second.count(StepStatus.UNCHANGED) == len(steps), second.results
        return first

    def says(self, *argv: str) -> str:
        done = self.link.run(list(argv), timeout_s=30)
        assert done.exit_code == 0, done
        return done.stdout.decode()


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with machines(1) as made:
        link = open_link(made.addresses[0], made.key)
        try:
            yield Box(link, made, made.room.block.uplink_v4(1))
        finally:
            link.close()


def test_packages_are_installed_once(box: Box) -> None:
    first = box.settles(Package(label="p", names=("sl", "curl")), Package(label="q", names=("curl", "cron")))
    assert first.results[0].diff == "install sl"
    assert "sl" in box.says("ls", "/usr/games")


def test_packages_wait_for_the_lock_that_another_holds(box: Box) -> None:
    hold = "import fcntl,os,time;f=open('/var/lib/dpkg/lock-frontend','w');fcntl.lockf(f,2);print(1,flush=True);"
    other = open_link(box.machines.addresses[0], box.machines.key)
    holder = threading.Thread(
        target=lambda: other.run(["python3", "-c", f"{hold}open('/run/held','w');time.sleep(3)"], timeout_s=30)
    )
    holder.start()
    wait_until("the lock to be held", lambda: exists(box, "/run/held"), timeout_s=20, clock=SystemClock())
    begun = time.monotonic()
    box.settles(Package(label="p", names=("hello",)))
    assert time.monotonic() - begun > 1
    holder.join(20)
    other.close()


def exists(box: Box, path: str) -> bool:
    return box.link.run(["test", "-e", path], timeout_s=10).exit_code == 0


def test_an_interrupted_dpkg_is_finished_first(box: Box) -> None:
    box.says(
        "sh",
        "-c",
        "dpkg --unpack /var/cache/apt/archives/hello_*.deb 2>/dev/null || true; touch /var/lib/dpkg/updates/0000",
    )
    box.says("sh", "-c", "sed -n '/^Package: hello$/,/^$/p' /var/lib/dpkg/status > /var/lib/dpkg/updates/0000")
    box.settles(Package(label="p", names=("figlet",)))


CUT_OFF = """
cd "$(mktemp -d)"
apt-get -qq update
apt-get download lynx-common
dpkg-deb -R lynx-common_*.deb tree
printf '#!/bin/sh\\nkill -9 $PPID\\n' > tree/DEBIAN/preinst
chmod 755 tree/DEBIAN/preinst
dpkg-deb -b tree cut-off.deb
dpkg -i cut-off.deb || dpkg-query -W -f '${db:Status-Abbrev}\\n' lynx-common
"""


def test_a_package_whose_unpacking_was_cut_off_is_made_whole_first(box: Box) -> None:
    assert box.says("sh", "-ec", CUT_OFF).split()[-1] == "iHR"
    box.settles(Package(label="p", names=("toilet",)))
    assert box.says("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", "lynx-common").strip() == "ii"
    assert box.says("dpkg", "--audit") == ""


def test_a_package_that_does_not_exist_fails_with_apts_words(box: Box) -> None:
    with pytest.raises(StepFailed) as caught:
        box.run(Package(label="p", names=("no-such-package-here",)))
    assert "Unable to locate package no-such-package-here" in caught.value.detail


def test_users_and_their_keys(box: Box) -> None:
    key = box.machines.public_key
    operator = User(label="op", name="operator", groups=("sudo", "adm"), authorized_keys=(key,))
    service = User(label="svc", name="shop-svc", system=True, shell="/usr/sbin/nologin")
    homed = User(label="h", name="homed", home="/srv/homed", authorized_keys=())
    box.settles(operator, service, homed)
    assert box.says("id", "-nG", "operator").split() == ["operator", "adm", "sudo"]
    assert box.says("getent", "passwd", "shop-svc").strip().endswith(":/nonexistent:/usr/sbin/nologin")
    box.says("sh", "-c", "echo intruder >> ~operator/.ssh/authorized_keys; chmod 644 ~operator/.ssh/authorized_keys")
    diff = box.run(operator).results[0].diff
    assert "-intruder" in diff
    assert "0644" in diff
    box.settles(replace(operator, shell="/bin/sh"))


def unit(text: str = "one") -> tuple[Step, ...]:
    body = (
        f"[Unit]\nDescription={text}\n[Service]\nExecStartPre=/bin/sh -c 'echo start >> /run/shop.log'\n"
        "ExecStart=/bin/sleep 100000\nExecReload=/bin/sh -c 'echo reload >> /run/shop.log'\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )
    file = File(label="unit", path="/etc/systemd/system/shop.service", content=body, notifies=("shop",))
    return (file, Service(label="shop", unit="shop"))


def test_units_start_once_and_take_notice_of_changes(box: Box) -> None:
    box.settles(*unit())
    assert box.says("cat", "/run/shop.log").split() == ["start"], "a fresh start has read everything"
    box.settles(*unit("two"))
    assert box.says("cat", "/run/shop.log").split() == ["start", "start"]
    assert box.says("systemctl", "show", "-P", "Description", "shop").strip() == "two"
    box.settles(unit("three")[0], Service(label="shop", unit="shop", reload=True))
    assert box.says("cat", "/run/shop.log").split() == ["start", "start", "reload"]
    box.says("systemctl", "stop", "shop")
    assert box.run(*unit("three")).results[1].diff == "inactive -> active"
    box.settles(Service(label="off", unit="shop", running=False, enabled=False))
    box.says("systemctl", "mask", "--now", "cron")
    box.settles(Service(label="cron", unit="cron"))


def test_a_unit_that_does_not_start_shows_its_log(box: Box) -> None:
    body = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo the reason is rain; exit 1'\n"
    file = File(label="unit", path="/etc/systemd/system/rain.service", content=body)
    with pytest.raises(StepFailed) as caught:
        box.run(file, Service(label="rain", unit="rain", enabled=False))
    assert "the reason is rain" in caught.value.detail
    with pytest.raises(StepFailed, match=r"there is no unit no-such\.service"):
        box.run(Service(label="none", unit="no-such"))


def test_cron_gets_its_arguments_right(box: Box) -> None:
    job = Cron(label="c", name="shop", schedule="* * * * *", command=("printf", "%s|", "a b", "50%", "it's", '"$x"'))
    crontab = UserCrontab(label="u", user="operator", schedule="5 * * * *", command="/bin/true --all")
    box.settles(job, crontab)
    line = box.says("tail", "-n1", "/etc/cron.d/shop").split("root ", 1)[1].replace("\\%", "%")
    command = line.rpartition(" 2>&1 | logger")[0]
    assert box.says("sh", "-c", command) == 'a b|50%|it\'s|"$x"|'
    box.settles(replace(crontab, schedule="6 * * * *"))
    assert box.says("crontab", "-l", "-u", "operator") == "6 * * * * /bin/true --all\n"


def test_a_full_disk_costs_nothing_that_was_there(box: Box) -> None:
    box.says("sh", "-c", "mkdir -p /mnt/tiny; mount -t tmpfs -o size=64k tmpfs /mnt/tiny; echo old > /mnt/tiny/f")
    with pytest.raises(StepFailed, match="No space left on device; what was there stays"):
        box.run(File(label="f", path="/mnt/tiny/f", content="x" * 200_000))
    assert box.says("sh", "-c", "ls -A /mnt/tiny; cat /mnt/tiny/f").split() == ["f", "old"]
    box.settles(File(label="f", path="/mnt/tiny/f", content="fits"))


def rules(box: Box, *more: AllowRule) -> FirewallRules:
    return FirewallRules(label="fw", allow=(AllowRule(port=1035, source=f"{box.room_host}/32"), *more))


def test_ufw_has_exactly_the_declared_rules(box: Box) -> None:
    many = (
        AllowRule(port=443, source="any"),
        AllowRule(port=80, source="10.1.2.3/16"),
        AllowRule(port=2035, source="10.9.9.9", to=box.machines.addresses[0].host),
        AllowRule(port=53, source="2001:db8::/32", protocol="udp"),
    )
    box.settles(rules(box, *many))
    for foreign in ("deny 25", "limit 99/tcp comment 'my rule'", "allow OpenSSH", "route allow in on pub0 from 9.9.9.9",
                    "allow out 53", "allow 1:5/tcp", "insert 1 deny from 9.9.9.9"):  # fmt: skip
        box.says("sh", "-c", f"ufw {foreign}")
    box.settles(rules(box, *many[:1]))
    text = box.says("ufw", "status")
    assert "443/tcp" in text
    assert not any(word in text for word in ("25 ", "99/tcp", "OpenSSH", "9.9.9.9", "2035", "53/udp", "1:5"))
    assert "443/tcp (v6)" in text


def test_rules_flushed_or_switched_off_by_hand_are_found_and_mended(box: Box) -> None:
    box.says("sh", "-c", "iptables -P INPUT ACCEPT; iptables -F; iptables -X")
    assert "not in the kernel" in box.settles(rules(box)).results[0].diff
    box.says("sh", "-c", "ufw disable; ufw default allow incoming")
    assert "ufw is off -> on" in box.settles(rules(box)).results[0].diff
    assert "-P INPUT DROP" in box.says("iptables", "-S", "INPUT")
    assert "-P INPUT DROP" in box.says("ip6tables", "-S", "INPUT")


def test_rules_that_would_lock_us_out_are_refused(box: Box) -> None:
    with pytest.raises(StepFailed, match="lock out"):
        box.run(FirewallRules(label="fw", allow=(AllowRule(port=443, source="any"),)))
    # the right door of another address
    with pytest.raises(StepFailed, match="lock out"):
        box.run(FirewallRules(label="fw", allow=(AllowRule(port=1035, source=box.room_host, to="192.0.2.9"),)))
    assert box.run(rules(box)).count(StepStatus.UNCHANGED) == 1


def test_sql_is_asked_before_it_is_told(box: Box) -> None:
    password = Secret("it's a \\ pass' OR 1=1; -- ü")
    quoted = password.reveal().replace("\\", "\\\\").replace("'", "\\'")
    who = "user='shop' AND host='localhost'"
    user = Sql(
        label="user",
        check=f"SELECT COUNT(*) FROM mysql.global_priv WHERE {who}",
        expects="1",
        apply=Secret(f"CREATE USER shop@localhost IDENTIFIED BY '{quoted}'"),
    )
    database = Sql(label="db", check="SHOW DATABASES LIKE 'shop'", expects="shop", apply="CREATE DATABASE shop")
    box.run(Package(label="p", names=("mariadb-server",)), Service(label="s", unit="mariadb"))
    box.settles(database, user)
    done = box.link.run(
        ["sh", "-c", 'read -r p; exec mariadb --user=shop --password="$p" -e "SELECT 1"'],
        timeout_s=20,
        stdin=password.reveal().encode() + b"\n",
    )
    assert done.exit_code == 0 or b"Access denied" not in done.stderr
    with pytest.raises(StepFailed) as caught:
        box.run(replace(user, expects="2", apply=Secret(f"CREATE USER x IDENTIFIED BY '{quoted}' NONSENSE")))
    assert "pass'" not in caught.value.text()


def test_through_sudo_with_a_pty_of_its_own_stopping_ends_the_step_and_no_more(box: Box) -> None:
    """Debian 13 and Ubuntu set use_pty: input's end and the frames must come through it all the same."""
    sudoers = "operator ALL=(ALL) NOPASSWD: ALL\nDefaults use_pty\n"
    box.run(
        File(label="sudoers", path="/etc/sudoers.d/op", content=sudoers, mode=0o440, validate=("visudo", "-cf", "{}"))
    )
    script = 'touch "$1/begun"; echo begun; while [ ! -e "$1/go" ]; do sleep 0.05; done; touch "$1/done"'
    slow = Script(label="slow", check='test -e "$1/done"', apply=script, arguments=("/run",))
    after = Script(label="next", check='test -e "$1/next"', apply='touch "$1/next"', arguments=("/run",))
    cancel = threading.Event()
    first = box.machines.addresses[0]
    with open_link(Address(first.host, first.port, "operator", first.host_key), box.machines.key) as link:

        def emit(event: Event) -> None:
            if event.kind is Kind.OUTPUT:
                cancel.set()

        def run(stop: threading.Event) -> Report:
            return run_recipe(
                link,
                Recipe("pty", (slow, after)),
                machine="box",
                emit=emit,
                redact=Redactor(),
                cancel=stop,
                deadline_s=60.0,
            )

        with pytest.raises(Stopped):
            run(cancel)
        box.says("touch", "/run/go")
        wait_until("the step to end", lambda: exists(box, "/run/done"), timeout_s=20, clock=SystemClock())
        again = run(threading.Event())
        assert [result.status for result in again.results] == [StepStatus.UNCHANGED, StepStatus.CHANGED]
