"""./start before Python: what it refuses and says, what it installs, and how little it does the second time."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "cat", "cksum", "dirname", "env", "grep", "mkdir", "mktemp", "rm", "tail", "tr")
#: Stands for the interpreter and for the one in .venv: says what it was asked for, makes environments of itself.
PYTHON = r"""#!/bin/sh
case "$*" in
*-m\ venv*) mkdir -p "$3/bin" && cat "$0" >"$3/bin/python" && chmod +x "$3/bin/python" && echo venv >>"$LOG" ;;
*-m\ pip*) echo "pip $*" >>"$LOG"; [ -z "${PIP_FAILS:-}" ] || { echo 'Could not find a version'; exit 1; } ;;
*-m\ buildyard*) shift 2; echo "program <$*>" ;;
esac
"""
STUBS = {
    "uname": '#!/bin/sh\necho "${SYSTEM:-Linux}"\n',
    "id": '#!/bin/sh\ncase $1 in -u) echo "${UID_HERE:-0}" ;; *) echo somebody ;; esac\n',
    "sleep": "#!/bin/sh\n:\n",
    # A package is installed when apt-get was told to install it.
    "dpkg-query": '#!/bin/sh\nfor name; do :; done\ngrep -qx "$name" "$INSTALLED" && echo installed\n',
    "apt-get": r"""#!/bin/sh
echo "apt-get $*" >>"$LOG"
case $1 in
update)
  [ -z "${NO_NETWORK:-}" ] || { echo "E: Failed to fetch the archive"; exit 100; }
  [ ! -e "$INSTALLED.locked" ] || { rm "$INSTALLED.locked"; echo "E: Could not get lock X"; exit 100; } ;;
install) shift; for word; do case $word in -*) ;; *) echo "$word" >>"$INSTALLED" ;; esac; done ;;
esac
""",
    "python3": PYTHON,
    "chmod": f'#!/bin/sh\nexec {shutil.which("chmod")} "$@"\n',
}


@dataclass(frozen=True)
class Checkout:
    """A fresh checkout on a machine where every program it meets is a stub."""

    folder: Path
    ground: Path

    def start(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        settings = {"LOG": str(self.ground / "log"), "INSTALLED": str(self.ground / "installed"), "TMPDIR": "/tmp"}
        return subprocess.run(
            [os.path.relpath(self.folder / "start", cwd or self.ground), *words],
            env={"PATH": str(self.ground / "bin"), **settings, **env},
            cwd=cwd or self.ground,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def done(self) -> list[str]:
        """What was really done so far."""
        log = self.ground / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "a folder, 'quoted' & spaced"
    folder.mkdir()
    for name in ("start", "pyproject.toml"):
        shutil.copy(HOUSE / name, folder)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    for name, text in STUBS.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "installed").touch()
    return Checkout(folder, tmp_path)


def test_another_system_than_linux_is_refused(checkout: Checkout) -> None:
    done = checkout.start("rehearse", "--yes", SYSTEM="Darwin")
    assert done.returncode == 2
    assert "runs on Linux" in done.stderr
    assert "this is Darwin" in done.stderr
    assert checkout.done() == []


def test_who_is_not_root_gets_the_command_for_root(checkout: Checkout) -> None:
    done = checkout.start("rehearse", "--yes", UID_HERE="1000")
    assert done.returncode == 2
    assert "only be installed by root" in done.stderr
    assert "you are somebody" in done.stderr
    hint = next(line for line in done.stderr.splitlines() if "next:" in line)
    assert "sudo apt-get install" in hint
    assert " mmdebstrap" in hint
    assert checkout.done() == []


def test_who_is_not_root_needs_no_root_where_nothing_is_missing(checkout: Checkout) -> None:
    assert checkout.start("setup", "--yes").returncode == 0
    assert checkout.start("status", UID_HERE="1000").stdout == "program <status>\n"


def test_nobody_to_ask_installs_nothing(checkout: Checkout) -> None:
    done = checkout.start("rehearse")
    assert done.returncode == 2
    assert "These Debian packages are missing:" in done.stderr
    assert "repeat with --yes" in done.stderr
    assert checkout.done() == []


def test_without_a_network_it_says_so_and_shows_apts_last_words(checkout: Checkout) -> None:
    done = checkout.start("rehearse", "--yes", NO_NETWORK="1")
    assert done.returncode == 2
    assert "Failed to fetch the archive" in done.stderr
    assert "check the network" in done.stderr
    assert checkout.done() == ["apt-get update -q"]


def test_a_machine_that_updates_itself_after_its_boot_is_waited_for(checkout: Checkout) -> None:
    (checkout.ground / "installed.locked").touch()
    assert checkout.start("rehearse", "--yes").returncode == 0
    assert checkout.done()[:2] == ["apt-get update -q"] * 2


OLD_PYTHON = """#!/bin/sh
case "$*" in
*version_info*) exit 1 ;;
*python_version*) echo 3.10.12 ;;
esac
"""


def test_a_python_that_is_too_old_is_named_and_pip_is_not_even_tried(checkout: Checkout) -> None:
    (checkout.ground / "bin" / "python3").write_text(OLD_PYTHON)  # Ubuntu 22.04
    done = checkout.start("rehearse", "--yes")
    assert done.returncode == 2
    assert "Python 3.11 or newer is missing" in done.stderr
    assert "python3 is 3.10.12" in done.stderr
    assert "next: on Ubuntu 22.04: apt-get install python3.11" in done.stderr
    assert "check the network" not in done.stderr
    assert [line for line in checkout.done() if line.startswith(("venv", "pip"))] == []
    (checkout.ground / "bin" / "python3.11").write_text(PYTHON)
    (checkout.ground / "bin" / "python3.11").chmod(0o755)
    again = checkout.start("rehearse", "--yes")
    assert again.stdout == "program <rehearse --yes>\n", again.stderr


def test_packages_of_python_that_could_not_be_installed_are_tried_again(checkout: Checkout) -> None:
    done = checkout.start("rehearse", "--yes", PIP_FAILS="1")
    assert done.returncode == 2
    assert "Could not find a version" in done.stderr
    assert "check the network, then repeat" in done.stderr
    again = checkout.start("rehearse", "--yes")
    assert again.returncode == 0
    assert again.stdout == "program <rehearse --yes>\n"


def test_the_second_time_only_stamps_are_compared(checkout: Checkout) -> None:
    first = checkout.start("rehearse", "--yes", "--answers", "a b")
    assert first.stdout == "program <rehearse --yes --answers a b>\n", first.stderr
    did = checkout.done()
    assert [line.split()[0] for line in did] == ["apt-get", "apt-get", "venv", "pip"]
    assert "[rehearsal]" in did[-1]
    began = time.monotonic()
    # What was installed for a rehearsal is enough for every other command, from any folder.
    for words in (("rehearse", "--yes"), ("status",)):
        again = checkout.start(*words, cwd=Path("/"))
        assert again.stdout == f"program <{' '.join(words)}>\n"
        assert again.stderr == ""
    assert time.monotonic() - began < 2 * 1.0
    assert checkout.done() == did


def test_what_is_needed_now_or_lies_elsewhere_is_installed(checkout: Checkout) -> None:
    checkout.start("setup", "--yes")
    checkout.start("rehearse", "--yes")
    assert len([line for line in checkout.done() if line.startswith("pip")]) == 2
    moved = checkout.folder.rename(checkout.ground / "elsewhere")
    assert Checkout(moved, checkout.ground).start("status").stdout == "program <status>\n"
    assert len([line for line in checkout.done() if line.startswith("pip")]) == 3


def test_check_stops_at_a_file_that_is_not_formatted(tmp_path: Path) -> None:
    shutil.copy(HOUSE / "check", tmp_path)
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for path, text in (
        (tmp_path / "start", "#!/bin/sh\n"),
        (tools / "ruff", '#!/bin/sh\necho "ruff $*"\n[ "$1" != format ]\n'),
        (tools / "mypy", "#!/bin/sh\necho mypy\n"),
    ):
        path.write_text(text)
        path.chmod(0o755)
    done = subprocess.run([tmp_path / "check", "quick"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "mypy" not in done.stdout
