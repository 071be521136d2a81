"""Answers that would make two deployments work on the same things, or that cannot be trusted: refused, nothing lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from state.fleet_record import FleetRecord
from state.fleet_store import FleetStore
from tests.buildyard.test_cli import buildyard
from tests.recipes.test_baseline import add, baseline

ANSWERS = {
    "deployment": {"name": "shop"},
    "site": {"domain": "shop.rehearsal.test"},
    "provider": {"name": "rehearsal", "region": "lon1"},
    "mode": "development",
    "machines": {
        "image": "debian-12-x64",
        "webserver_size": "s-1vcpu-1gb",
        "database_size": "s-1vcpu-1gb",
    },
    "certificate": {"email": "webmaster@shop.rehearsal.test"},
    "application": {
        "name": "wordpress",
        "source": "virgin",
        "title": "A shop",
        "admin_user": "editor",
        "admin_email": "webmaster@shop.rehearsal.test",
    },
}


def answers(folder: Path, **sections: dict[str, str]) -> Path:
    path = folder / "answers.yaml"
    path.write_text(yaml.safe_dump({**ANSWERS, **sections}))
    return path


def kept(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and not path.name.endswith(".lock")}


def refused(home: Path, *words: str) -> str:
    """What is said; the files of the home are as before, and there is a way on."""
    before = kept(home)
    done = buildyard(*words, home=home)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "Next:" in done.stderr
    assert kept(home) == before
    return done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    done = buildyard("new", "--answers", str(answers(tmp_path)), home=home)
    assert done.returncode == 0, done.stderr
    return home


def test_the_same_answers_once_more_are_no_harm(tmp_path: Path, home: Path) -> None:
    before = kept(home)
    assert buildyard("new", "--answers", str(answers(tmp_path)), home=home).returncode == 0
    assert kept(home) == before


def test_a_taken_name_is_refused_for_a_new_deployment(tmp_path: Path, home: Path) -> None:
    other = answers(tmp_path, site={"domain": "other.rehearsal.test"})
    said = refused(home, "new", "--answers", str(other))
    assert "There is a deployment shop already" in said
    assert "site.domain" in said


def test_a_domain_belongs_to_one_deployment(tmp_path: Path, home: Path) -> None:
    other = answers(tmp_path, deployment={"name": "other"})
    assert "shop.rehearsal.test is that of the deployment shop" in refused(home, "new", "--answers", str(other))


@pytest.mark.parametrize("command", ["plan", "build", "rehearse"])
def test_answers_of_one_deployment_are_not_taken_for_another(tmp_path: Path, home: Path, command: str) -> None:
    said = refused(home, command, "--deployment", "other", "--answers", str(answers(tmp_path)))
    assert "for the deployment shop, not for other" in said


def test_answers_of_another_lineage_are_refused(tmp_path: Path, home: Path) -> None:
    foreign = tmp_path / "foreign.yaml"
    foreign.write_text((home / "deployments/shop/answers.yaml").read_text().replace("lineage: ", "lineage: 0"))
    assert "belongs to another deployment" in refused(home, "build", "--answers", str(foreign))


@pytest.mark.parametrize(("key", "value"), [("name", "digitalocean"), ("region", "nyc3")])
def test_a_built_deployment_is_not_moved_by_its_answers(tmp_path: Path, home: Path, key: str, value: str) -> None:
    store = FleetStore(home / "deployments/shop/fleet.json")
    store.create(replace(FleetRecord.new("shop"), provider="rehearsal", region="lon1"))
    moved = answers(tmp_path, provider={**ANSWERS["provider"], key: value})  # type: ignore[dict-item]
    for command in ("plan", "build"):
        said = refused(home, command, "--yes", "--answers", str(moved))
        assert "was built at rehearsal in lon1" in said
        assert "buildyard destroy first" in said


def test_a_cloud_without_a_passphrase_is_refused_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    provider = {"name": "digitalocean", "region": "lon1"}
    taken = buildyard("new", "--yes", "--answers", str(answers(tmp_path, provider=provider)), home=home)
    assert taken.returncode == 0, taken.stderr
    for command in ("plan", "build", "destroy"):
        done = buildyard(command, "--yes", "--plain", home=home)
        assert done.returncode == 1
        assert "passphrase" in done.stderr
        assert "BUILDYARD_PASSPHRASE_FILE" in done.stderr
        assert "Traceback" not in done.stderr
    assert list((home / "deployments/shop/runs").iterdir()) == []


def test_a_baseline_that_was_altered_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    folder = baseline(tmp_path / "baseline")
    (folder / "database.sql.gz").write_bytes(b"something else")
    assert "database.sql.gz has a wrong checksum" in _rehearsed(tmp_path, folder)


def test_a_baseline_that_climbs_out_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    folder = baseline(tmp_path / "baseline", lambda tar: add(tar, "../../etc/cron.d/job", b"* * * * * root true\n"))
    assert "../../etc/cron.d/job would be written outside" in _rehearsed(tmp_path, folder)


def _rehearsed(tmp_path: Path, folder: Path) -> str:
    application = {"application": {**ANSWERS["application"], "source": "baseline", "baseline": str(folder)}}
    file = answers(tmp_path, **application)  # type: ignore[arg-type]
    home = tmp_path / "home"
    done = buildyard("rehearse", "--plain", "--yes", "--answers", str(file), home=home)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "Next:" in done.stderr
    assert list((home / "deployments/shop/runs").iterdir()) == []
    assert not (home / "rehearsal-passphrase").exists()
    return done.stderr


@pytest.mark.parametrize("words", [("status",), ("ssh", "ws-1", "--", "true"), ("logs", "ws-1"), ("allow",)])
def test_looking_at_what_is_not_built_starts_no_cloud(home: Path, words: tuple[str, ...]) -> None:
    assert "shop is not built" in refused(home, *words)
