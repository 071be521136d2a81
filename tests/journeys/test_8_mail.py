"""The site sends mail through an SMTP server of the answers, and its password is seen by nobody."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.room.room import Room
from state.encrypted_file import EncryptedFileStore
from state.secret import Secret
from tests.journeys.conftest import HOUSE, Site
from tests.journeys.traces import Watcher, files_below, leaks

pytestmark = pytest.mark.machines

MACHINES = ("ws-1", "db-1")
NAME = "smtp.mail.test"
PASSWORD = Secret("canary \\ \"of' $(the) mail 4e1b")
ANSWERS = {"kind": "smtp", "host": NAME, "port": 587, "user": "shop", "from": "shop@mail.test"}


@dataclass
class Sink:
    """The server's mails as they come."""

    process: subprocess.Popen[str]
    lines: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self) -> dict[str, Any]:
        """The next mail; a minute is msmtp's patience twice."""
        return self.lines.get(timeout=60)


@pytest.fixture(scope="module")
def sink(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """On the foreign host, with a certificate that the machines trust and a name they find."""
    folder = tmp_path_factory.mktemp("smtp")
    address = Room(site.rehearsal).block.foreign_v4.replace("0/24", "2")
    chain, key = certificate(folder)
    words = [sys.executable, "-m", "tests.journeys.smtp_sink", address, "587", str(chain), str(key)]
    process = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{site.cloud.namespaces.foreign}", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=HOUSE,
    )
    sink = Sink(process)
    reader = threading.Thread(target=sink.read, daemon=True)
    reader.start()
    trust = "cat >/usr/local/share/ca-certificates/mail-test.crt; update-ca-certificates >/dev/null 2>&1"
    forget = "rm /usr/local/share/ca-certificates/mail-test.crt; update-ca-certificates -f >/dev/null 2>&1"
    try:
        assert sink.next() == {"listening": True}
        for machine in MACHINES:
            told = f'printf "%s\\n" "$1" | {{ {trust}; }}; echo "$2" >>/etc/hosts'
            site.on(machine, "sudo", "-n", "sh", "-c", told, "sh", chain.read_text(), f"{address} {NAME}")
        yield sink
    finally:
        process.terminate()
        process.communicate(timeout=10)
        reader.join(10)
        for machine in MACHINES:
            site.on(machine, "sudo", "-n", "sh", "-c", f'{forget}; sed -i "/ $1$/d" /etc/hosts', "sh", NAME)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A server's certificate for the name, its own authority: who trusts it trusts nothing else."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}")
    subprocess.run(
        ["openssl", "req", "-x509", *kind, *names, "-keyout", str(key), "-out", str(chain)],
        check=True,
        capture_output=True,
    )
    return chain, key


@pytest.fixture(scope="module", autouse=True)
def answered(site: Site, sink: Sink) -> Iterator[None]:
    """The answers name the server, and building puts it to use; afterwards nothing of it is left."""
    folder = site.home / "deployments" / "rehearsal"
    path = folder / "answers.yaml"
    before = path.read_text()
    store = EncryptedFileStore(folder / "secrets.encrypted", Secret((site.home / "rehearsal-passphrase").read_text()))
    answers = yaml.safe_load(before)
    answers["mail"] = ANSWERS
    try:
        store.set("mail.password", PASSWORD)
        path.write_text(yaml.safe_dump(answers))
        with Watcher() as watcher:
            built = site.json("build")
        assert built["ok"] is True, built
        assert leaks({"mail": PASSWORD}, [("ps", text) for text in watcher.seen]) == []
        assert site.json("plan")["actions"] == []
        yield
    finally:
        path.write_text(before)
        store.delete("mail.password")
        assert site.json("build")["ok"] is True
        for machine in MACHINES:
            assert site.on(machine, "sh", "-c", "ls /etc/msmtprc 2>/dev/null || true") == ""


def test_a_forgotten_password_comes_by_mail(site: Site, sink: Sink) -> None:
    """WordPress, PHP's mail() as the application's user, msmtp, TLS, login: the whole way."""
    with Watcher() as watcher:
        asked = site.foreign(
            *("curl", "-sS", "--max-time", "90", "--cacert", str(site.rehearsal / "site-roots.pem")),
            *("--resolve", f"{site.domain}:443:{site.address('ws-1')}", "-o", "/dev/null", "-w", "%{redirect_url}"),
            *("-d", "user_login=editor", f"https://{site.domain}/wp-login.php?action=lostpassword"),
            timeout_s=100,
        )
        assert "checkemail=confirm" in asked.stdout, asked
        mail = sink.next()
    assert mail["from"] == ANSWERS["from"]
    assert mail["to"] == [f"webmaster@{site.domain}"]
    assert "action=rp" in mail["text"]
    assert mail["tls"] is True
    assert mail["login"] == [ANSWERS["user"], PASSWORD.reveal()]
    assert leaks({"mail": PASSWORD}, [("ps", text) for text in watcher.seen]) == []


@pytest.mark.parametrize("machine", MACHINES)
def test_root_of_every_machine_can_send(site: Site, sink: Sink, machine: str) -> None:
    text = "Subject: from cron\n\nIt is well.\n"
    site.on(machine, "sudo", "-n", "sh", "-c", 'printf "%s" "$1" | sendmail keeper@mail.test', "sh", text)
    mail = sink.next()
    assert mail["to"] == ["keeper@mail.test"]
    assert "It is well." in mail["text"]


@pytest.mark.parametrize("machine", MACHINES)
def test_others_there_cannot_read_the_password_and_no_log_has_it(site: Site, machine: str) -> None:
    refused = site.buildyard("ssh", machine, "--", "cat", "/etc/msmtprc")
    assert refused.returncode == 1
    assert "Permission denied" in refused.stderr
    logs = site.on(machine, "sudo", "-n", "journalctl", "--no-pager").encode()
    assert leaks({"mail": PASSWORD}, [("log", logs)]) == []


def test_the_deployments_own_files_do_not_have_it(site: Site) -> None:
    kept = files_below(site.home / "deployments", without=("secrets.encrypted",))
    assert leaks({"mail": PASSWORD}, kept) == []
