"""The secrets of a machine that works for the deployment: what it was handed it cannot change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from state.errors import SecretsError
from state.handed_secrets import HandedSecrets
from state.secret import Secret


def store(folder: Path) -> HandedSecrets:
    (folder / "credentials.json").write_text(json.dumps({"token": "handed-token", "salts": "handed-salts"}))
    return HandedSecrets(
        folder / "credentials.json", folder / "own" / "keys.json", lambda name: name.startswith("first-")
    )


def test_what_was_handed_is_read_and_never_changed(tmp_path: Path) -> None:
    secrets = store(tmp_path)
    assert secrets.get("token") == Secret("handed-token")
    assert secrets.get("unknown") is None
    secrets.set("token", Secret("handed-token"))  # the same is no change
    with pytest.raises(SecretsError, match="token is the build machine's"):
        secrets.set("token", Secret("another"))
    with pytest.raises(SecretsError, match="token is the build machine's"):
        secrets.delete("token")
    assert secrets.names() == ("salts", "token")


def test_a_secret_the_fleet_shares_is_not_made_here(tmp_path: Path) -> None:
    secrets = store(tmp_path)
    with pytest.raises(SecretsError, match="build machine's to make") as caught:
        secrets.set("database-password", Secret("made-up-here"))
    assert "buildyard build" in caught.value.hint
    assert "made-up-here" not in caught.value.text()
    assert secrets.get("database-password") is None


def test_its_own_ones_outlive_the_service_and_are_for_it_only(tmp_path: Path) -> None:
    secrets = store(tmp_path)
    secrets.set("first-1", Secret("one"))
    secrets.set("first-2", Secret("two"))
    secrets.delete("first-1")
    secrets.delete("first-1")
    again = store(tmp_path)
    assert again.names() == ("first-2", "salts", "token")
    assert again.get("first-2") == Secret("two")
    assert (tmp_path / "own" / "keys.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", ["{", "[]", '{"token": 5}', '{"token": ""}', '"handed-token"'])
def test_a_damaged_file_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    store(tmp_path)
    (tmp_path / "credentials.json").write_text(content)
    with pytest.raises(SecretsError, match="damaged") as caught:
        HandedSecrets(tmp_path / "credentials.json", tmp_path / "own.json", lambda _name: True)
    assert caught.value.__context__ is None
    with pytest.raises(SecretsError, match="missing"):
        HandedSecrets(tmp_path / "none.json", tmp_path / "own.json", lambda _name: True)
