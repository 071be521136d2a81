"""The whole way by keys alone in a terminal of 80×24: closed in the wizard and in the middle of a build, and a machine
dies."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from state.clock import SystemClock, wait_until
from state.journal import read, read_runner, runner_is_alive
from tests.journeys.clouds import driver
from tests.journeys.conftest import BUILD_TIMEOUT_S, Deployed, Site, environment, run_buildyard
from tests.journeys.terminal import Terminal

pytestmark = [pytest.mark.machines, pytest.mark.timeout(2 * BUILD_TIMEOUT_S)]

NAME, DOMAIN = "second", "second.rehearsal.test"
#: Question and what is typed (nothing: the likely answer is taken), up to the one at which the terminal is closed.
BEFORE = (
    ("Name of the deployment", NAME),
    ("Domain of the site", DOMAIN),
    ("Where shall the machines run", ""),
    ("Which mode", ""),
    ("Which region", ""),
    ("Which operating system", ""),
    ("What size is a webserver", ""),
    ("What size is the database machine", ""),
    ("Time zone of the machines", ""),
    ("Who serves the domain's DNS", ""),
    ("Serve www", ""),
    ("E-mail address for the certificate", "you@example.org"),
    (r"Certificate authority \(ACME", ""),
)
#: Step 6.
AFTER = (
    ("Which database", ""),
    ("Which application", ""),
    ("What does it start from", ""),
    ("Title of the site", ""),
    ("User name of the site", ""),
    ("E-mail address of the site", ""),
    ("Which addresses may use SSH", ""),
    ("Further public SSH keys", ""),
    ("What shall the Gateway Guardian", ""),
    ("How shall the site send mail", ""),
)
LIVE_LIST_S = 120


def answer(terminal: Terminal, questions: tuple[tuple[str, str], ...]) -> None:
    for question, text in questions:
        terminal.wait_for(question, LIVE_LIST_S)
        if text:
            terminal.type(text)
        terminal.keys("Enter")


@pytest.fixture
def second(site: Site) -> Iterator[Path]:
    """The folder of a deployment of its own beside the site, ended whatever happens."""
    folder = site.home / "deployments" / NAME
    try:
        yield folder
    finally:
        for run in (folder / "runs").glob("*/"):
            runner = read_runner(run)
            if runner is not None and runner.is_alive():  # it holds the lease, which a removal needs
                os.kill(runner.pid, signal.SIGTERM)
                wait_until(
                    "the run to end", lambda run=run: not runner_is_alive(run), timeout_s=60, clock=SystemClock()
                )  # type: ignore[misc]
        if folder.exists():
            site.buildyard("destroy", "--deployment", NAME, "--yes", "--plain")


def test_wizard_build_and_dashboard_survive_closed_terminals(site: Site, second: Path) -> None:
    env = environment(site.home)
    with Terminal(("new",), env) as terminal:
        terminal.wait_for("How would you like to begin")
        terminal.keys("End", "Enter")  # ask me everything
        answer(terminal, BEFORE)
        terminal.wait_for("Which database")
        terminal.close()
    kept = yaml.safe_load((second / "answers.yaml").read_text())
    assert kept["certificate"]["email"] == "you@example.org"

    with Terminal(("new",), env) as terminal:
        shown = terminal.wait_for("Which (database|mode|region)|Name of the deployment|begin", LIVE_LIST_S)
        assert "Which database" in shown, "it asks again what was answered"
        answer(terminal, AFTER)
        terminal.wait_for(r"✔ \d+ changes", LIVE_LIST_S)  # before, there is nothing to agree to
        terminal.keys("Enter")
        terminal.wait_for(f"Building {DOMAIN}", 60)
        run = the_run(second)
        wait_until(
            "a recipe on db-1",
            lambda: any(each.recipe and each.machine == "db-1" for each in read(run)),
            timeout_s=120,
            clock=SystemClock(),
        )
        terminal.close()
    assert runner_is_alive(run), "the run ended with its terminal"

    with Terminal(("attach", "--deployment", NAME), env) as one, Terminal(("attach", "--deployment", NAME), env) as two:
        for terminal in (one, two):
            terminal.wait_for(f"Building {DOMAIN}", 60)
        two.keys("d")
        assert two.wait_for_end() == 0
        assert the_run(second) == run, "a second run was begun"
        switch_off(site, "db-1")
        one.wait_for("db-1 stopped answering", 90)
        one.wait_for("Details", BUILD_TIMEOUT_S)  # the other machine goes on meanwhile: what does not need db-1 is done
        one.keys("Enter")
        failure = one.wait_for("(?s)db-1 stopped answering during .*(recipe .*).*Next: look at db-1 in the")
        assert "Step " in failure
        one.keys("r")
        one.wait_for(f"Done: https://{DOMAIN}/ is served", BUILD_TIMEOUT_S)
        one.keys("Enter")
        assert one.wait_for_end() == 0
    page = site.visit_by_name(f"https://{DOMAIN}/", "-4")
    assert page.returncode == 0, page.stderr

    with Terminal((), env) as terminal:
        terminal.wait_for(rf"{NAME}\s+healthy", 60)
        select(terminal, NAME)
        terminal.keys("D")
        terminal.wait_for("(?i)type")
        terminal.type(NAME)
        terminal.keys("Enter")
        terminal.wait_for(r"Destroying|28 of|steps", 60)
        terminal.wait_for(f"✔ Done: all of {NAME} is removed", 180)
        terminal.keys("Enter")
        terminal.wait_for(rf"{NAME}\s+destroyed", 60)
        terminal.keys("q")
        assert terminal.wait_for_end() == 0
    assert not (second / "fleet.json").exists()


def switch_off(site: Site, machine: str) -> None:
    """As the provider's console does it: at once, whatever the machine is doing."""
    with driver(site.cloud) as provider:
        (one,) = (each for each in provider.machines(f"by-{NAME}-fleet") if each.name == machine)
        provider.power_off(one.id)


def the_run(folder: Path) -> Path:
    (run,) = (each for each in (folder / "runs").iterdir() if each.is_dir())
    return run


def select(terminal: Terminal, name: str) -> None:
    """Moves down the list of deployments until the card of that one is shown; others may stand before it."""
    card = r"╭─ (?!Deployments)(\S+) ─"
    found = re.search(card, terminal.wait_for(card))
    assert found
    shown = [found[1]]
    while shown[-1] != name:
        assert len(set(shown)) == len(shown), f"{name} is not in the list, only {shown}"
        terminal.keys("Down")
        found = re.search(card, terminal.wait_for(rf"╭─ (?!Deployments|{shown[-1]} )(\S+) ─"))
        assert found
        shown.append(found[1])


@pytest.mark.campaign
def test_from_nothing_to_a_page_and_back_to_nothing(tmp_path: Path) -> None:
    """Three times Enter: a template, a build; then the dashboard, and the end."""
    home = tmp_path / "home"
    env = environment(home)
    try:
        with Terminal((), env) as terminal:
            terminal.wait_for("How would you like to begin")
            terminal.keys("Enter")
            terminal.wait_for(r"✔ \d+ changes", 300)
            terminal.keys("Enter")
            terminal.wait_for(r"Done: https://site\.rehearsal\.test/ is served", BUILD_TIMEOUT_S)
            page = Deployed(home, {}).visit_by_name("https://site.rehearsal.test/", "-6")
            assert page.returncode == 0, page.stderr
            terminal.keys("Enter")
            terminal.wait_for(r"rehearsal\s+healthy", 60)
            terminal.keys("D")
            terminal.wait_for("(?i)type")
            terminal.type("rehearsal")
            terminal.keys("Enter")
            terminal.wait_for("✔ Done: all of rehearsal is removed", 180)
            terminal.keys("Enter")
            terminal.wait_for(r"rehearsal\s+destroyed", 120)
            terminal.keys("q")
            assert terminal.wait_for_end() == 0
    finally:
        run_buildyard(home, "destroy", "--yes", "--plain")
