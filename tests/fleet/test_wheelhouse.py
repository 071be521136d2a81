"""The program for autoscaler machines: what is in it, that equal source is equal bytes, and that nothing is missing."""

from __future__ import annotations

import hashlib
import importlib.metadata as installed
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from fleet import wheelhouse
from fleet.own_wheel import PACKAGES, make_own_wheel, source_root
from fleet.pins import PINS_FILE, Pins, installed_version, pins_of
from fleet.wheelhouse import NEEDS, make_wheelhouse, python_of
from state.errors import AnswersError, HostError, StateError, Unavailable

#: What must never run on an autoscaler machine.
SHOWN_TO_PEOPLE = ("textual", "questionary", "rich", "prompt_toolkit", "keyring.backends", "screens", "rehearsal")


def own_wheel(root: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return make_own_wheel(root, folder, "0.1.0", ["httpx==0.28.1"], "3.11")


def copy_of_source(folder: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(source_root() / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_equal_source_gives_equal_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    copy = copy_of_source(tmp_path / "copy")
    (copy / "fleet" / "pins.py").touch()
    (copy / "fleet" / ".pins.py.swp").write_text("an editor's")
    first, second = own_wheel(source_root(), tmp_path / "1"), own_wheel(copy, tmp_path / "2")
    assert first.read_bytes() == second.read_bytes()
    (copy / "fleet" / "pins.py").write_text("# changed\n")
    assert own_wheel(copy, tmp_path / "3").read_bytes() != first.read_bytes()


def test_the_wheel_installs_and_its_command_runs(tmp_path: Path) -> None:
    """By the real pip, which checks the record of its files; without dependencies, which other tests look at."""
    wheel = own_wheel(source_root(), tmp_path / "wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(tmp_path / "there"), str(wheel)], check=True)
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from buildyard.cli import main; sys.exit(main())"
    words = [sys.executable, "-I", "-c", code, str(tmp_path / "there"), "autoscaler", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--folder" in done.stdout
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "recipes/files/buildyard-program" in names
    assert not [name for name in names if name.startswith(("screens", "rehearsal", "tests")) or "__pycache__" in name]


def test_a_source_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="package buildyard is not in"):
        own_wheel(tmp_path, tmp_path / "wheel")


def loaded(code: str) -> list[str]:
    """The modules that are loaded after this code ran in a fresh interpreter."""
    printed = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", printed], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_everything_the_service_may_import_is_in_the_program() -> None:
    """All of these packages is imported: whatever a code path loads later is there too."""
    code = (
        "import importlib, pkgutil\n"
        "for name in ('fleet', 'recipes', 'providers', 'state'):\n"
        "    for each in pkgutil.walk_packages(importlib.import_module(name).__path__, name + '.'):\n"
        "        importlib.import_module(each.name)\n"
        "import buildyard.on_machine, buildyard.program, platformdirs\n"
        "from buildyard.cli import parser\n"
        "parser()"
    )
    here = installed.packages_distributions()
    needed = {found for name in loaded(code) for found in here.get(name.partition(".")[0], ())}
    there = {re.sub(r"[-_.]+", "-", name).lower() for name in wheelhouse._reach(NEEDS)}
    # what others import only if it happens to be there: httpx its own command line, invoke and fabric pip's helpers
    optional = {"rich", "click", "pygments", "setuptools", "backports-tarfile", "buildyard", "markdown-it-py", "mdurl"}
    missing = {re.sub(r"[-_.]+", "-", name).lower() for name in needed} - there - optional
    assert missing == set()


def test_the_services_modules_load_nothing_that_shows_or_asks() -> None:
    code = "from buildyard.cli import parser\nparser()\nimport buildyard.on_machine, buildyard.program"
    modules = loaded(f"{code}\nimport fleet.autoscaler.service, fleet.autoscaler.notify")
    # rich comes along with httpx where it is installed (its own command line); on the machine it is not
    forbidden = [name for name in SHOWN_TO_PEOPLE if name != "rich"]
    assert [name for name in modules if name.startswith(tuple(forbidden))] == []


@pytest.fixture
def without_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache, and a registry of two packages: what pip fetches is no matter of unit tests."""

    def download(folder: Path, _python: str, _versions: list[str], _work: Path) -> None:
        folder.mkdir()
        for name in ("httpx-0.28.1-py3-none-any.whl", "PyYAML-6.0.4-cp311-cp311-manylinux2014_x86_64.whl"):
            (folder / name).write_bytes(f"{name} is here".encode())
        fetched.append(1)

    fetched: list[int] = []
    monkeypatch.setattr(wheelhouse, "_download", download)
    return tmp_path / "cache"


def test_the_lock_file_names_every_wheel_with_its_checksum(without_registry: Path) -> None:
    made = make_wheelhouse("3.11", without_registry)
    again = make_wheelhouse("3.11", without_registry)
    assert (again.sha256, again.path) == (made.sha256, made.path)
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    with tarfile.open(made.path) as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
        owners = {(each.uid, each.gid, each.mtime) for each in archive.getmembers()}
    assert owners == {(0, 0, 0)}
    assert content.pop(PINS_FILE).decode() == made.pins.text
    lines = made.pins.text.splitlines()
    assert lines[0] == "# Buildyard for Python 3.11 on x86_64"
    assert [line.partition("==")[0] for line in lines[1:]] == ["buildyard", "httpx", "pyyaml"]
    sums = {hashlib.sha256(data).hexdigest() for data in content.values()}
    assert {line.rpartition(":")[2] for line in lines[1:]} == sums


def test_another_python_or_another_source_is_another_program(without_registry: Path, tmp_path: Path) -> None:
    here, there = make_wheelhouse("3.11", without_registry), make_wheelhouse("3.13", without_registry)
    copy = copy_of_source(tmp_path / "copy")
    same = make_wheelhouse("3.11", without_registry, copy)
    (copy / "state" / "clock.py").write_text("# changed\n")
    changed = make_wheelhouse("3.11", without_registry, copy)
    assert same.pins.version == here.pins.version
    assert len({here.pins.version, there.pins.version, changed.pins.version}) == 3


def test_versions_are_those_that_run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def download(folder: Path, _python: str, versions: list[str], _work: Path) -> None:
        asked.append(versions)
        folder.mkdir()

    monkeypatch.setattr(wheelhouse, "_download", download)
    make_wheelhouse("3.12", tmp_path)
    for name in ("botocore", "cryptography", "pynacl", "httpcore"):
        assert f"{name}=={installed.version(name)}" in asked[0]
    assert not [one for one in asked[0] if one.startswith(("textual=", "questionary=", "keyring=", "boto3-stubs="))]


def test_without_network_one_is_told_what_failed_and_nothing_half_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a registry that refuses connections; pip reads these variables
    for name, value in (("PIP_INDEX_URL", "http://127.0.0.1:9/"), ("PIP_CONFIG_FILE", "/dev/null"),
                        ("PIP_RETRIES", "0"), ("PIP_FIND_LINKS", ""), ("PIP_EXTRA_INDEX_URL", "")):  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(Unavailable, match=r"Python 3\.11.*could not be fetched") as caught:
        make_wheelhouse("3.11", tmp_path)
    assert caught.value.detail
    assert [path.name for path in (tmp_path / "wheelhouses").iterdir() if not path.name.endswith(".lock")] == []


@pytest.mark.parametrize(
    ("image", "python"), [("debian-12-x64", "3.11"), ("debian-13-x64", "3.13"), ("ubuntu-24-04-x64", "3.12")]
)
def test_each_system_has_its_python(image: str, python: str) -> None:
    assert python_of(image) == python


@pytest.mark.parametrize("image", ["ubuntu-22-04-x64", "debian-120", "fedora-41-x64", ""])
def test_a_system_without_a_known_python_is_refused(image: str) -> None:
    with pytest.raises(AnswersError, match="No autoscaler can run on"):
        python_of(image)


def test_an_installed_program_knows_its_version(tmp_path: Path) -> None:
    pins = Pins("3.11", "x86_64", ("a==1 --hash=sha256:00",))
    assert installed_version(tmp_path) == ""
    (tmp_path / PINS_FILE).write_text(pins.text)
    assert installed_version(tmp_path) == pins.version
    (tmp_path / PINS_FILE).write_text("anything else")
    assert installed_version(tmp_path) == ""


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "httpx-0.28.1.tar.gz").write_bytes(b"")
    with pytest.raises(StateError, match="is no wheel"):
        pins_of([tmp_path / "httpx-0.28.1.tar.gz"], "3.11", "x86_64")
