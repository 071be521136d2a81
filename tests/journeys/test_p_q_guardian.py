"""The Gateway Guardian before the whole site: who gets in, who no longer does, and an autoscaler that does not mind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from recipes.guardian import REALM
from recipes.webserver import HEALTH_PATH
from tests.journeys.autoscaling import SHORT, comes_true, policy, reasons, settled, webservers
from tests.journeys.conftest import Deployed
from tests.journeys.test_5_allow import answers_of
from tests.journeys.test_p_q_application import curl

pytestmark = [pytest.mark.machines, pytest.mark.campaign]

#: Cron pulls each minute, and the pull takes its time.
SOON_S = 90.0


def login(site: Deployed, name: str, password: str) -> tuple[str, ...]:
    """curl's words for it; the password stands in a file only."""
    file = Path(site.home) / f"netrc-{name}"
    file.touch(mode=0o600)
    file.write_text(f"machine {site.domain} login {name} password {password}\n")
    return ("--netrc-file", str(file))


def code(site: Deployed, machine: str, *words: str, path: str = "/") -> str:
    """The status a visitor gets from that webserver."""
    return curl(site, machine, "-o", "/dev/null", "-w", "%{http_code}", *words, f"https://{site.domain}{path}")


@contextmanager
def guarded(site: Deployed) -> Iterator[None]:
    """The site stands behind the Guardian as long as the ``with`` lasts."""
    answers = answers_of(site)
    before = yaml.safe_load(answers.read_text())
    stands = {**before, "access": {**before.get("access", {}), "guardian": "site"}}
    answers.write_text(yaml.safe_dump(stands))
    try:
        built = site.buildyard("build", "--plain", "--yes")
        assert built.returncode == 0, built.stderr[-4000:]
        yield
    finally:
        now = yaml.safe_load(answers.read_text())
        now["access"]["guardian"] = "nothing"
        answers.write_text(yaml.safe_dump(now))
        opened = site.buildyard("build", "--plain", "--yes")
        assert opened.returncode == 0, opened.stderr[-4000:]


def test_a_guarded_site_lets_in_whom_it_knows_and_its_autoscaler_minds_nothing(production: Deployed) -> None:
    settled(production)
    before, began = set(webservers(production)), time.time()
    anna = login(production, "anna", production.json("guardian", "add", "anna")["password"])
    berta_password = production.json("guardian", "add", "berta")["password"]
    berta = login(production, "berta", berta_password)
    wrong = login(production, "wrong", berta_password)
    try:
        with guarded(production):
            for machine in before:
                asked = curl(production, machine, "-i", f"https://{production.domain}/")
                assert f'basic realm="{REALM.lower()}"' in asked.lower()
                assert code(production, machine) == code(production, machine, *wrong) == "401"
                assert code(production, machine, *anna) == code(production, machine, *berta) == "200"
                assert code(production, machine, path=HEALTH_PATH) == "200"
                jar = str(production.home / f"pass-{machine}")
                assert code(production, machine, *anna, "-c", jar) == "200"
                assert code(production, machine, "-b", jar) == "200", "a pass spares the next bcrypt"
            status = production.json("status")
            assert status["healthy"], status
            assert {each["reason"] for each in webservers(production).values()} == {"serving"}

            assert production.json("guardian", "remove", "anna")["people"] == ["berta"]
            removed = time.time()
            for machine in before:
                jar = str(production.home / f"pass-{machine}")
                # the pass first: passwords may be tried once a second
                gone = lambda machine=machine, jar=jar: (  # noqa: E731
                    code(production, machine, "-b", jar) == "401" and code(production, machine, *anna) == "401"
                )
                comes_true(production, f"{machine} to forget anna", gone, SOON_S)
                assert code(production, machine, *berta) == "200"
            print(f"Out after {time.time() - removed:.0f} s at the most.")

            with policy(production, **SHORT, target=3):
                comes_true(production, "three webservers", lambda: len(webservers(production)) == 3, 240)
                settled(production)
                (new,) = set(webservers(production)) - before
                assert code(production, new) == code(production, new, *anna) == "401"
                assert code(production, new, *berta) == "200"
                assert production.json("scale", "2")["target"] == 2
        for machine in webservers(production):
            assert code(production, machine) == "200", "nobody is asked any more"
    finally:
        for name in production.json("guardian", "list")["people"]:
            production.json("guardian", "remove", name)
    assert set(webservers(production)) == before, "the youngest went, nobody was replaced"
    assert " is ill" not in reasons(production, began)
    settled(production)
