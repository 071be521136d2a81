"""The home: where the environment says, private, and no name climbs out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from state.errors import StateError, UsageError
from state.paths import HOME_VARIABLE, Home


def test_the_environment_names_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Home.from_environment({HOME_VARIABLE: str(tmp_path)}).root == tmp_path
    monkeypatch.chdir(tmp_path)
    assert Home.from_environment({HOME_VARIABLE: "here"}).root == tmp_path / "here"
    assert Home.from_environment({}).root.name == "buildyard"


def test_folders_are_private_and_a_shared_folder_above_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    paths = Home(tmp_path).deployment("shop").create()
    assert {folder.stat().st_mode & 0o777 for folder in (paths.folder, paths.runs, paths.logs)} == {0o700}
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    paths.create()


@pytest.mark.parametrize("name", ["../other", "a/b", "", "A", ".", "x" * 40])
def test_no_name_climbs_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        Home(tmp_path).deployment(name)


def test_deployments_are_those_with_answers(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert home.deployments() == ()
    for name in ("shop", "blog", "empty"):
        home.deployment(name).create()
    for name in ("shop", "blog"):
        home.deployment(name).answers.write_text("version: 1\n")
    assert [paths.name for paths in home.deployments()] == ["blog", "shop"]


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError) as caught:
        Home(tmp_path / "file").deployment("shop").create()
    assert caught.value.hint
