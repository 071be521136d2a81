"""The passphrase of the secrets, asked at a terminal: never empty, and twice when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildyard.program import Program
from state.clock import SystemClock
from state.encrypted_file import Cost, EncryptedFileStore
from state.errors import SecretsError
from state.paths import DeploymentPaths, Home
from state.secret import Secret

RIGHT = "correct horse"
Types = Callable[..., None]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(Home(tmp_path), {}, SystemClock())


@pytest.fixture
def shop(program: Program) -> DeploymentPaths:
    return program.home.deployment("shop").create()


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Iterator[Types]:
    """A person at a terminal who types these texts; all of them, and no more."""
    typed: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: typed.pop(0))
    yield lambda *texts: typed.extend(texts)
    assert typed == []


def test_a_new_one_is_asked_twice(program: Program, shop: DeploymentPaths, types: Types) -> None:
    types(RIGHT, "correct hrose", RIGHT, RIGHT)
    store = program.secret_store(shop, "digitalocean", may_ask=True)
    store.set("digitalocean.token", Secret("t"))
    assert EncryptedFileStore(shop.encrypted_secrets, Secret(RIGHT)).names() == ("digitalocean.token",)


def test_the_one_of_a_file_that_is_there_is_asked_once(program: Program, shop: DeploymentPaths, types: Types) -> None:
    EncryptedFileStore(shop.encrypted_secrets, Secret(RIGHT), Cost(n=2)).set("a", Secret("b"))
    types(RIGHT)
    assert program.secret_store(shop, "digitalocean", may_ask=True).names() == ("a",)


def test_an_empty_one_is_refused(
    program: Program, shop: DeploymentPaths, types: Types, capsys: pytest.CaptureFixture[str]
) -> None:
    types("", "", "")
    with pytest.raises(SecretsError, match="No passphrase was given"):
        program.secret_store(shop, "digitalocean", may_ask=True)
    assert "protects nothing" in capsys.readouterr().err
    assert not shop.encrypted_secrets.exists()
