"""The README and the other pages stay true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from buildyard.cli import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"./start {command}" in README


def test_every_exit_code_is_in_the_readme() -> None:
    for code in ("0 done", "1 failed", "2 wrong usage or answers", "3 done but degraded", "130 stopped"):
        assert code in " ".join(README.split())


def test_every_page_and_file_that_is_named_exists() -> None:
    for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")):
        for name in re.findall(
            r"`((?:docs|tests|recipes|fleet|state|providers|buildyard|wizard)/[\w./-]+)`", page.read_text()
        ):
            if not any(word in name for word in ("VENDOR", "NAME", "APPLICATION", "NNNN")):
                assert (ROOT / name).exists(), f"{page.name} names {name}"


@pytest.mark.parametrize("decision", sorted(ROOT.glob("docs/decisions/*.md")), ids=lambda path: path.stem)
def test_a_decision_names_its_alternatives(decision: Path) -> None:
    text = decision.read_text()
    assert text.startswith(f"# {decision.name[:4]} ")
    assert len(text.splitlines()) > 5
