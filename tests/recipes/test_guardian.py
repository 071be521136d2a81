"""The Gateway Guardian on a webserver: its steps, its list, its hook."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from recipes import guardian, webserver
from recipes.context import Context, Guarded
from recipes.secrets import SecretKind, SecretSpec, generate, public_line
from recipes.shared_config import steps as shared_steps
from recipes.signed import serial_of, sign
from recipes.steps import Absent, File, Service, Step
from recipes.texts import path_of
from state.errors import UsageError
from tests.recipes.guarded_site import guarded_context
from tests.recipes.test_roles import DATA, WEB

#: Of no passwords, but of the form; the same in each process, so that tests keep their names.
ANNA, BERTA = f"$2y$10${'a' * 53}", f"$2y$10${'b' * 53}"


def paths(context: Context) -> list[str]:
    return [step.path for step in webserver.steps(context) if isinstance(step, File)]


def test_before_nothing_there_is_nothing_of_it_on_the_webserver() -> None:
    context = guarded_context(Guarded.NOTHING)
    assert not [path for path in paths(context) if "guardian" in path]
    site = next(step for step in webserver.steps(context) if isinstance(step, File) and step.label == "site")
    assert "auth_basic" not in str(site.content)
    assert "AUTHORIZATION" not in str(site.content)
    gone = [step.path for step in webserver.steps(context) if isinstance(step, Absent)]
    assert {guardian.HOOK, guardian.FOLDER} < set(gone)
    names = [step for step in shared_steps(context) if isinstance(step, File) and step.path.endswith("shared.names")]
    assert "guardian" not in str(names[0].content)


@pytest.mark.parametrize("stands_before", [Guarded.ADMIN, Guarded.SITE])
def test_a_webserver_pulls_the_list_and_no_other_machine_does(stands_before: Guarded) -> None:
    context = guarded_context(stands_before)
    assert guardian.HOOK in paths(context)
    for node, pulls in ((WEB, True), (DATA, False)):
        steps = list(shared_steps(dataclasses.replace(context, node=node)))
        names = next(step for step in steps if isinstance(step, File) and step.path.endswith("shared.names"))
        assert ("guardian operator\n" in str(names.content)) is pulls


@pytest.mark.parametrize("stands_before", list(Guarded))
def test_settings_that_need_others_come_after_them_and_go_before_them(stands_before: Guarded) -> None:
    """A build that is cut off between two of them leaves an nginx that can be started."""
    steps: list[Step] = list(webserver.steps(guarded_context(stands_before)))
    labels = [step.label for step in steps]
    site = labels.index("site")
    if stands_before is Guarded.NOTHING:
        assert labels.index("no Guardian in nginx") > site
    else:
        assert labels.index("people the Guardian knows") < labels.index("Guardian in nginx") < site
    assert isinstance(steps[-1], Service)


def test_a_list_is_sorted_and_may_be_empty() -> None:
    content = guardian.guardian_document(3, {"berta": BERTA, "anna@example.org": ANNA})
    assert content.decode() == f"buildyard-shared 1 guardian 3\nanna@example.org:{ANNA}\nberta:{BERTA}\n"
    assert guardian.people_in(content) == {"anna@example.org": ANNA, "berta": BERTA}
    empty = guardian.guardian_document(4, {})
    assert (guardian.people_in(empty), serial_of(empty, "guardian")) == ({}, 4)


@pytest.mark.parametrize("name", ["", "Anna", "anna:", "a b", "#anna", "-anna", "anna\nberta", "a" * 65, "ännchen"])
def test_a_name_that_would_break_the_list_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a person's name"):
        guardian.guardian_document(1, {name: ANNA})


@pytest.mark.parametrize("kept", ["", "anna's", "{PLAIN}x", ANNA.replace("$2y$10", "$2y$09"), ANNA + "x", ANNA + "\n"])
def test_what_is_no_bcrypt_hash_is_refused(kept: str) -> None:
    with pytest.raises(UsageError, match="no hash of a password"):
        guardian.guardian_document(1, {"anna": kept})


class Machine:
    """Where the hook works, with programs that note what they are asked and fail when they shall."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "guardian"
        self.folder.mkdir()
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.noted = folder / "noted"
        for name in ("nginx", "systemctl", "chgrp"):
            program = self.programs / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.noted}\n[ ! -e {folder}/{name}-fails ]\n')
            program.chmod(0o755)
        self.list = folder / "list"
        self.root = folder

    def take(self, text: str) -> subprocess.CompletedProcess[str]:
        self.list.write_text(text)
        self.noted.write_text("")
        words = ["sh", str(path_of("hook-guardian")), str(self.list), str(self.folder)]
        environment = {"PATH": f"{self.programs}:/usr/bin:/bin"}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.folder.iterdir()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_hook_puts_the_list_in_place_and_gives_a_new_token(machine: Machine) -> None:
    done = machine.take(f"anna:{ANNA}\n")
    assert done.returncode == 0, done.stderr
    first = machine.files()
    assert first["people"] == f"anna:{ANNA}\n"
    assert set(first) == {"people", "token.map"}
    assert first["token.map"].startswith("default ")
    assert len(first["token.map"]) == len("default ;\n") + 64
    assert (machine.folder / "people").stat().st_mode & 0o777 == 0o640
    assert (machine.folder / "token.map").stat().st_mode & 0o777 == 0o600
    noted = machine.noted.read_text()
    assert noted.endswith("nginx -t -q\nsystemctl is-active --quiet nginx\nsystemctl reload nginx\n")
    assert noted.startswith("chgrp www-data ")
    assert machine.take(f"berta:{BERTA}\n").returncode == 0
    assert machine.files()["people"] == f"berta:{BERTA}\n"
    assert machine.files()["token.map"] != first["token.map"], "who was removed has no pass any more"


def test_the_hook_takes_an_empty_list(machine: Machine) -> None:
    assert machine.take(f"anna:{ANNA}\n").returncode == 0
    done = machine.take("")
    assert done.returncode == 0, done.stderr
    assert machine.files()["people"] == ""


@pytest.mark.parametrize(
    "line",
    ["anna:", "anna", f":{ANNA}", "anna:{PLAIN}secret", f"anna:{ANNA}:x", f"Anna:{ANNA}",
     f"anna:{ANNA.replace('2y', '1')}",     f"anna: {ANNA}", " ", "", f"anna:{ANNA}\r"],
)  # fmt: skip
def test_the_hook_takes_no_other_line(machine: Machine, line: str) -> None:
    assert machine.take(f"anna:{ANNA}\n").returncode == 0
    before = machine.files()
    done = machine.take(f"berta:{BERTA}\n{line}\n")
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert machine.files() == before
    assert machine.noted.read_text() == ""


@pytest.mark.parametrize("failing", ["nginx", "chgrp"])
def test_the_list_before_stays_when_nginx_does_not_take_the_new_one(machine: Machine, failing: str) -> None:
    (machine.root / f"{failing}-fails").touch()
    assert machine.take(f"anna:{ANNA}\n").returncode == 1
    assert machine.files() == {}, "there was none"
    (machine.root / f"{failing}-fails").unlink()
    assert machine.take(f"anna:{ANNA}\n").returncode == 0
    before = machine.files()
    (machine.root / f"{failing}-fails").touch()
    assert machine.take(f"berta:{BERTA}\n").returncode == 1
    assert machine.files() == before


def test_a_webserver_takes_the_signed_list_and_no_other(machine: Machine) -> None:
    """buildyard-pull and the hook as they are, but for where their files lie."""
    root, key = machine.root, generate(SecretSpec("signer", SecretKind.SSH_KEY))
    (root / "store").mkdir()
    (root / "hooks").mkdir()
    (root / "signers").write_text(f'operator namespaces="buildyard-shared" {public_line(key)}\n')
    (root / "names").write_text("guardian operator\n")
    (root / "hooks/guardian").write_text(f'#!/bin/sh\nexec sh {path_of("hook-guardian")} "$1" {machine.folder}\n')
    (root / "hooks/guardian").chmod(0o755)
    (machine.programs / "buildyard-s3").write_text(
        f"#!/bin/sh\n[ -f {root}/store/$2 ] || exit 4\ncp {root}/store/$2 $3\n"
    )
    (machine.programs / "buildyard-s3").chmod(0o755)
    text = path_of("buildyard-pull").read_text()
    for old, new in (
        ("/var/lib/buildyard/shared", "copies"),
        ("/etc/buildyard/allowed_signers", "signers"),
        ("/etc/buildyard/shared.d", "hooks"),
        ("/etc/buildyard/shared.names", "names"),
        ("/run/buildyard-pull", "run-pull"),
        ("PATH=", f"PATH={machine.programs}:"),
    ):
        assert old in text
        text = text.replace(old, new if new.startswith("PATH") else f"{root}/{new}")

    def pull(content: bytes, signature: bytes) -> int:
        for name, data in (("guardian", content), ("guardian.sig", signature)):
            (root / "store" / name).write_bytes(data)
        return subprocess.run(["sh", "-c", text], capture_output=True, check=False).returncode

    def people() -> str:
        return (machine.folder / "people").read_text()

    first = guardian.guardian_document(1, {"anna": ANNA})
    second = guardian.guardian_document(2, {})
    assert pull(first, sign(first, key)) == 0
    assert people() == f"anna:{ANNA}\n"
    stranger = generate(SecretSpec("stranger", SecretKind.SSH_KEY))
    assert pull(second, sign(second, stranger)) == 1, "somebody else's word"
    assert people() == f"anna:{ANNA}\n"
    assert pull(second, sign(second, key)) == 0
    assert people() == "", "nobody is let in"
    assert pull(first, sign(first, key)) == 1, "an old list played back"
    assert people() == ""
