"""Hosts that lack something: what is missing is named, each at once, and what works all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.room.leftovers import loops_of
from rehearsal.room.machine import nspawn_pid

HOUSE = Path(__file__).resolve().parents[3]
WITHOUT_FUSE = 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && exec "$@"'


@pytest.mark.machines
@pytest.mark.parametrize(
    ("way", "missing"),
    [
        (["setpriv", "--reuid=65534", "--clear-groups"], "you are not root"),
        (["unshare", "--mount", "sh", "-c", WITHOUT_FUSE, "sh"], "/dev/fuse"),
        (["setpriv", "--inh-caps=-sys_admin", "--bounding-set=-sys_admin"], "namespaces:"),
    ],
    ids=["not root", "no /dev/fuse", "no namespaces"],
)
def test_a_host_that_lacks_something_is_refused_with_its_name(way: list[str], missing: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for folder in (tmp_path, home):
        folder.chmod(0o777)
    done = subprocess.run(
        [*way, sys.executable, "-m", "rehearsal", "up", "--directory", str(home / "rehearsal")],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(HOUSE), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "cannot hold a rehearsal" in done.stderr
    assert f"- {missing}" in done.stderr
    assert "Building on a real cloud needs none of this" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.machines
def test_a_machine_of_the_same_name_within_a_container_is_somebody_elses() -> None:
    name = f"by0-like-{os.getpid()}"
    nspawn = ["bash", "-c", 'exec -a systemd-nspawn "$@"', "bash", sys.executable, "-c", "print(flush=True); input()"]
    found = []
    for container in ([], ["unshare", "--pid", "--fork", "--kill-child"]):
        argv = [*container, *nspawn, f"--machine={name}"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            process.stdout.readline()
            found.append(nspawn_pid(name) is not None)
            process.stdin.write(b"\n")
            process.stdin.close()
        assert nspawn_pid(name) is None
    assert found == [True, False]


@pytest.mark.machines
def test_a_disk_of_the_same_path_within_a_container_is_somebody_elses(tmp_path: Path) -> None:
    script = 'truncate -s 1M "$0/d" && loop=$(losetup -f --show "$0/d") && echo up && read _; losetup -d "$loop"'
    found = []
    for container in ([], ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$4" && exec "$@"', "sh"]):
        argv = [*container, "sh", "-c", script, str(tmp_path)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline() == b"up\n"
            found.append(len(loops_of(tmp_path)))
            process.stdin.write(b"\n")
            process.stdin.close()
        assert loops_of(tmp_path) == ()
    assert found == [1, 0]
