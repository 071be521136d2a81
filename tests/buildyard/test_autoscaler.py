"""The autoscaler's service from the two files it is handed: composed, watched over, refused when they are another's."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildyard.on_machine import OnMachine, compose
from fleet import links
from fleet.autoscaler.handed import read_settings_file
from fleet.autoscaler.notify import Notify
from fleet.beginning import begin
from fleet.context import ContextMaker, publish_operators, published_operators
from fleet.deployment import ADMIN_KEY, Deployment
from fleet.links import Links
from fleet.pins import PINS_FILE
from fleet.program import program_key
from fleet.store_keys import OWN, known_key, own_key
from recipes import autoscaler as recipe
from recipes.context import AutoscalerFiles, Context, Node, Release, Role
from recipes.ssh import Address, Link
from recipes.steps import File
from state.clock import SystemClock
from state.errors import SecretsError, StateError, Unreachable
from state.events import Event, Kind
from state.fleet_record import MachineRecord, Stage
from state.journal import read
from state.secret import Secret
from tests.fleet import paper
from tests.fleet.paper import Ground, build
from tests.fleet.test_slots import PRODUCTION

NODE = Node("as-1", Role.AUTOSCALER, "192.0.2.13", "", "10.1.0.13")
BASELINE = Release(
    "one", "wordpress", Secret("https://gone.invalid/a"), "a" * 64, Secret("https://b"), "b" * 64, "https://x.invalid"
)


@pytest.fixture
def shop(tmp_path: Path) -> Any:
    """A production deployment as the build machine has it, after its first build."""
    with paper.ground(tmp_path / "ground") as ground:
        yield ground, built(ground)


def built(ground: Ground) -> Deployment:
    own = ("deployment.name", "site.domain")
    answers = {key.replace(".", "__"): value for key, value in PRODUCTION.items() if key not in own}
    # by the vendor's own address, which is not asked here
    one = ground.deployment("shop", **{**answers, "provider__name": "digitalocean", "machines__image": "debian-12-x64"})
    begin(one, ground.paths("shop"))
    one.bucket("state").ensure()  # as taking the lease does
    assert build(one).ok
    return one


def context_of(one: Deployment, node: Node = NODE) -> Context:
    return ContextMaker(one).make(node, (node,))


def files_of(one: Deployment) -> AutoscalerFiles:
    files = context_of(one).autoscaler
    assert files is not None
    return files


def handed(folder: Path, files: AutoscalerFiles) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "settings.json").write_text(files.settings)
    (folder / "credentials.json").write_text(files.credentials.reveal())
    return folder


def prefix_of(ground: Ground, folder: Path) -> Path:
    """Where that program is installed."""
    folder.mkdir(exist_ok=True)
    (folder / PINS_FILE).write_text(ground.wheelhouse("3.11").pins.text)
    return folder


def on_machine(ground: Ground, one: Deployment, folder: Path) -> OnMachine:
    there = handed(folder / "handed", files_of(one))
    return compose(there, folder / "home", SystemClock(), prefix=prefix_of(ground, folder / "prefix"))


def test_the_program_goes_into_the_artefact_bucket_once(shop: tuple[Ground, Deployment]) -> None:
    ground, one = shop
    program = files_of(one).program
    assert list(ground.store.buckets[one.bucket_name("artefacts")]) == [program_key(program.version)]
    assert program.version == ground.wheelhouse("3.11").pins.version
    assert build(one).changed == 0


def test_machines_of_other_roles_are_told_nothing_of_it(shop: tuple[Ground, Deployment]) -> None:
    _, one = shop
    for role in (Role.WEBSERVER, Role.DATABASE):
        assert context_of(one, replace(NODE, name="x", role=role)).autoscaler is None


def test_a_deployment_works_on_the_machine_as_on_the_build_machine(
    shop: tuple[Ground, Deployment], tmp_path: Path
) -> None:
    ground, one = shop
    there = on_machine(ground, one, tmp_path)
    inside = there.deployment
    with there.journal:
        assert there.machine == "as-1"
        assert inside.inside
        assert not one.inside
        assert (inside.settings, inside.names, inside.lineage) == (one.settings, one.names, one.lineage)
        assert (inside.operators, inside.bucket_suffix) == (one.operators, one.bucket_suffix)
        assert inside.known_secret(ADMIN_KEY) == one.known_secret(ADMIN_KEY)
        assert inside.access.credentials == one.access.credentials
        inside.emit(Event(Kind.NOTE, text=f"with {one.known_secret(ADMIN_KEY).reveal()}"))
    (note,) = read(tmp_path / "home" / "journal")
    assert "PRIVATE KEY" not in note.text.replace("BEGIN OPENSSH PRIVATE KEY", "").replace(
        "END OPENSSH PRIVATE KEY", ""
    )
    assert one.known_secret(ADMIN_KEY).reveal().splitlines()[2] not in note.text


def test_recipes_are_the_same_from_inside(shop: tuple[Ground, Deployment], tmp_path: Path) -> None:
    """Else autoscaler and build machine would undo each other's work: "scale to 4, then build: 0 changes"."""
    ground, one = shop
    with (there := on_machine(ground, one, tmp_path)).journal:
        # the real one has its bucket and provider behind the network; here they are the paper ones
        inside = replace(
            there.deployment, access=one.access, record=one.record, open_bucket=lambda name: ground.store.open(name)
        )
        for role, name in ((Role.WEBSERVER, "ws-3"), (Role.AUTOSCALER, "as-1")):
            node = replace(NODE, name=name, role=role)
            assert context_of(inside, node) == context_of(one, node)


def test_a_baseline_is_known_inside_without_its_files(shop: tuple[Ground, Deployment]) -> None:
    _, one = shop
    told = read_settings_file(files_of(one).settings.encode(), "x")
    with_release = replace(told, handed=replace(told.handed, release=BASELINE))
    assert "gone.invalid" not in with_release.text
    found = read_settings_file(with_release.text.encode(), "x")
    assert found.text == with_release.text
    assert found.handed.release is not None
    answers = {**one.settings.answers, "application.source": "baseline", "application.baseline": "/nowhere.tar"}
    inside = replace(
        one, inside=True, handed=found.handed, settings=replace(one.settings, baseline="/nowhere.tar", answers=answers)
    )
    release = context_of(inside, replace(NODE, role=Role.WEBSERVER)).release
    assert release is not None
    assert (release.id, release.webroot_sha256) == ("one", "a" * 64)
    assert "/baselines/one/webroot.tar.gz?" in release.webroot_url.reveal()


def test_the_key_to_the_store_is_the_roles_own_and_narrower(shop: tuple[Ground, Deployment], tmp_path: Path) -> None:
    ground, one = shop
    mine = own_key(one.record, one.secrets)
    assert mine.secret_key.reveal() not in files_of(one).credentials.reveal()
    with (there := on_machine(ground, one, tmp_path)).journal:
        inside = own_key(one.record, there.deployment.secrets)
    assert inside == known_key(one.record, one.secrets, Role.AUTOSCALER.value)
    assert inside != mine
    assert inside != known_key(one.record, one.secrets, OWN)


def test_nothing_secret_is_in_the_settings_or_in_a_file_others_read(shop: tuple[Ground, Deployment]) -> None:
    _, one = shop
    context = context_of(one)
    secrets: dict[str, str] = json.loads(files_of(one).credentials.reveal())
    for step in recipe.steps(context):
        shown = repr(step)
        if isinstance(step, File) and not isinstance(step.content, Secret):
            shown += step.content if isinstance(step.content, str) else step.content.decode()
        assert "canary" not in shown, step.label
        for name, secret in secrets.items():
            assert secret not in shown, (step.label, name)
        if isinstance(step, File) and step.path.endswith(".json"):
            assert (step.mode, step.owner) == (0o600, "root")


def test_settings_of_another_program_are_refused(shop: tuple[Ground, Deployment], tmp_path: Path) -> None:
    ground, one = shop
    folder, prefix = handed(tmp_path / "handed", files_of(one)), prefix_of(ground, tmp_path / "prefix")
    (prefix / PINS_FILE).write_text((prefix / PINS_FILE).read_text() + "more==1 --hash=sha256:00\n")
    with pytest.raises(StateError, match=r"settings are for program [0-9a-f]{16}; this is program [0-9a-f]{16}\."):
        compose(folder, tmp_path / "home", SystemClock(), prefix=prefix)
    # a checkout, or a program installed by hand, is none at all
    with pytest.raises(StateError, match="this is program of no known version"):
        compose(folder, tmp_path / "home", SystemClock(), prefix=tmp_path)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("content", ["", "{}", '{"form": 2}', '{"form": 1, "machine": "as-1"}', "[]"])
def test_settings_that_cannot_be_read_are_told(shop: tuple[Ground, Deployment], tmp_path: Path, content: str) -> None:
    ground, one = shop
    folder = handed(tmp_path / "handed", files_of(one))
    (folder / "settings.json").write_text(content)
    with pytest.raises(StateError, match=r"settings\.json") as caught:
        compose(folder, tmp_path / "home", SystemClock(), prefix=prefix_of(ground, tmp_path / "prefix"))
    assert "buildyard build" in caught.value.hint
    (folder / "settings.json").unlink()
    with pytest.raises(StateError, match=r"settings\.json is missing"):
        compose(folder, tmp_path / "home", SystemClock())


def test_credentials_that_lack_one_are_told_by_name(shop: tuple[Ground, Deployment], tmp_path: Path) -> None:
    ground, one = shop
    folder = handed(tmp_path / "handed", files_of(one))
    (folder / "credentials.json").write_text('{"a": "b"}')
    with pytest.raises(SecretsError, match="lack state-key"):
        compose(folder, tmp_path / "home", SystemClock(), prefix=prefix_of(ground, tmp_path / "prefix"))


def test_machines_are_reached_by_their_private_address_from_inside(
    shop: tuple[Ground, Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one = shop
    tried: list[str] = []

    def open_link(address: Address, _key: object, *, timeout_s: float) -> Link:
        assert timeout_s
        tried.append(address.host)
        raise Unreachable("not here")

    monkeypatch.setattr(links, "open_link", open_link)
    machine = MachineRecord("ws-1", "webserver", 1, 1, public_ipv4="192.0.2.1", private_ipv4="10.1.0.1",
                            host_key="ssh-ed25519 AAAA", stage=Stage.READY)  # fmt: skip
    for inside in (False, True):
        with pytest.raises(Unreachable):
            Links(replace(one, inside=inside)).to(machine)
    assert tried == ["192.0.2.1", "10.1.0.1"]


def test_operators_follow_the_signed_list(shop: tuple[Ground, Deployment]) -> None:
    ground, one = shop
    moved = replace(one, operators=("203.0.113.9/32",))
    assert publish_operators(moved)
    assert published_operators(one) == ("203.0.113.9/32",)
    ground.store.buckets[one.bucket_name("config")]["operators"] += b"0.0.0.0/0\n"
    with pytest.raises(StateError, match="not signed"):
        published_operators(one)


def test_systemd_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        notify = Notify.from_environment({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notify.ready("as-1 of shop")
        notify.alive()
        notify.stopping()
        told = [listener.recv(1000).decode() for _ in range(3)]
    assert told == ["READY=1\nSTATUS=as-1 of shop\nWATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]
    Notify.from_environment({}).ready("nobody listens")


def test_the_command_runs_until_it_is_told_to_end(shop: tuple[Ground, Deployment], tmp_path: Path) -> None:
    """As systemd starts it, but for the program's folder: this one's is told by a lock file beside its interpreter."""
    ground, one = shop
    folder, prefix = handed(tmp_path / "handed", files_of(one)), prefix_of(ground, tmp_path / "prefix")
    code = f"import sys; sys.prefix = {str(prefix)!r}; from buildyard.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "autoscaler", "--folder", str(folder), "--home", str(tmp_path / "home")]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert listener.recv(1000).decode().startswith("READY=1\nSTATUS=as-1 of shop, program ")
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "buildyard", "autoscaler", "--folder", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"The settings file {tmp_path}/settings.json is missing." in done.stderr
    assert "Next: run buildyard build on the build machine" in done.stderr
