"""The command line as a script meets it: names, exit codes, what it loads, what it says when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from buildyard.cli import COMMANDS, HIDDEN, parser
from tests import forked


def buildyard(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own, nobody at its terminal, no keyring."""
    environment = {
        "PATH": os.environ["PATH"],
        "BUILDYARD_HOME": str(home),
        "HOME": str(home),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    done = forked.run(*words, environment=environment)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_is_for(command: str) -> None:
    module = __import__(f"buildyard.commands.{command.replace('-', '_')}", fromlist=["run"])
    assert module.__doc__
    assert COMMANDS[command]


def test_the_scripts_contract_holds_for_every_command() -> None:
    words = {
        "ssh": ["ws-1"],
        "logs": ["ws-1"],
        "protect": ["ws-1"],
        "replace": ["ws-1"],
        "drain": ["ws-1"],
        "scale": ["3"],
        "guardian": ["list"],
        "autoscaler": ["--folder", "/etc/buildyard/autoscaler"],
        "simulate": ["trace.csv", "--capacity-per-machine", "60"],
        "run-detached": ["--run", "x", "--job", "build"],
    }
    for command in (*COMMANDS, *HIDDEN):
        parsed = parser().parse_args(
            [command, "--deployment", "shop", "--plain", "--json", "--yes", *words.get(command, [])]
        )
        assert (parsed.deployment, parsed.plain, parsed.json, parsed.yes) == ("shop", True, True, True)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, contextlib\n"
        "from buildyard.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "heavy = [m for m in ('textual', 'fabric', 'paramiko', 'boto3', 'httpx', 'questionary', 'rehearsal.cloud')"
        " if m in sys.modules]\n"
        "print('heavy:', heavy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
    )
    assert "heavy: []" in done.stdout


def test_without_a_deployment_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = buildyard("status", home=tmp_path)
    assert done.returncode == 2
    assert "There is no deployment" in done.stderr
    assert "buildyard rehearse" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_errors_are_json_on_the_last_line(tmp_path: Path) -> None:
    done = buildyard("status", "--json", home=tmp_path)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["ok"] is False
    assert answer["hint"]


@pytest.mark.parametrize("words", [["frobnicate", "--json"], ["build", "--json", "--frobnicate"]])
def test_wrong_words_are_json_too_for_who_reads_json(words: list[str], tmp_path: Path) -> None:
    answer = json.loads(buildyard(*words, home=tmp_path).stdout.splitlines()[-1])
    assert answer["ok"] is False
    assert "--help" in answer["hint"]


def test_a_shell_is_not_shown_as_json(tmp_path: Path) -> None:
    done = buildyard("ssh", "--json", "ws-1", home=tmp_path)
    assert done.returncode == 2
    assert "ssh --json MACHINE -- COMMAND" in json.loads(done.stdout.splitlines()[-1])["hint"]


@pytest.mark.parametrize("words", [["frobnicate"], ["build", "--frobnicate"], ["ssh"]])
def test_wrong_words_end_with_2_and_the_way_to_help(words: list[str], tmp_path: Path) -> None:
    done = buildyard(*words, home=tmp_path)
    assert done.returncode == 2
    assert "--help" in done.stderr


def test_as_many_webservers_as_dns_can_hold_and_no_more(tmp_path: Path) -> None:
    done = buildyard("rehearse", "--mode", "production", "--webservers", "29", "--plain", "--yes", home=tmp_path)
    assert done.returncode == 2
    assert "from 1 to 28" in done.stderr
    assert not list(tmp_path.glob("deployments/*"))


def test_more_webservers_than_development_has_are_refused_with_a_reason(tmp_path: Path) -> None:
    done = buildyard("rehearse", "--webservers", "3", "--plain", "--yes", home=tmp_path)
    assert done.returncode == 2
    assert "one webserver, not 3" in done.stderr
    assert "buildyard rehearse --mode production --webservers 3" in done.stderr
    assert not list(tmp_path.glob("deployments/*"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("site: [unclosed", "line"),
        ("site:\n  domian: shop.example.org\n", "site.domain"),
        ("version: 99\n", "newer"),
        ("provider:\n  token: dop_v1_0123456789abcdef0123456789abcdef\n", "secret"),
    ],
)
def test_a_bad_answers_file_is_refused_and_nothing_is_written(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    home = tmp_path / "home"
    done = buildyard("rehearse", "--plain", "--yes", "--answers", str(file), home=home)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(home.glob("deployments/*/answers.yaml"))
