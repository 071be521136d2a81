"""A home on disk, a provider that answers at once, and secrets in a real encrypted file."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fleet.names import Names
from fleet.observe import Observed
from fleet.plan import Plan, make_plan
from fleet.settings import read_settings
from fleet.slots import slot_machine, slots_of
from providers.contract import Account, Capabilities, Image, Region, Size
from recipes.roles import recipe_names
from state.encrypted_file import Cost, EncryptedFileStore
from state.errors import Unauthorized, Unavailable
from state.fleet_record import FleetRecord
from state.paths import DeploymentPaths, Home
from state.questions import Answered
from state.secret import Secret
from wizard.keeper import DeploymentKeeper
from wizard.questions import all_questions

#: A token of the right shape, which the provider below takes.
GOOD_TOKEN = "dop_v1_" + "0a" * 32
QUICK = Cost(n=2**10)


class SmallCloud:
    """The questions' side of a provider: two regions, three sizes."""

    name = "small"
    label = "Small cloud"
    capabilities = Capabilities(False, True, False, True, True, 255, 50)

    def __init__(self) -> None:
        self.token = GOOD_TOKEN
        self.is_away = False
        self.asked = 0

    def check_credentials(self) -> Account:
        if self.token != GOOD_TOKEN:
            raise Unauthorized("The token does not work.", hint="Make a new one.")
        return Account("someone", "active")

    def regions(self) -> tuple[Region, ...]:
        self.asked += 1
        if self.is_away:
            raise Unavailable("The cloud does not answer.", hint="Look at your network.")
        return (Region("ams3", "Amsterdam", True), Region("nyc1", "New York", False))

    def sizes(self, region: str) -> tuple[Size, ...]:
        return (
            Size("s-512mb", 1, 512, 10, Decimal(4), ("ams3",)),
            Size("s-1gb", 1, 1024, 25, Decimal(6), ("ams3",)),
            Size("s-2gb", 1, 2048, 50, Decimal(12), ("ams3",)),
        )

    def images(self) -> tuple[Image, ...]:
        return (Image("debian-12-x64", "12 x64", "Debian"), Image("ubuntu-24-04-x64", "24.04 x64", "Ubuntu"))


def plan_of(answers: Answered, cloud: SmallCloud) -> Plan:
    """What a build would do where nothing is there yet."""
    settings = read_settings(answers)
    names = Names(settings.deployment)
    return make_plan(
        settings,
        Observed(None, None, (), (), "", ()),
        FleetRecord.new(settings.deployment),
        (),
        cloud.sizes("ams3"),
        {slot_machine(names, slot): recipe_names(slot.role, settings.mode.value) for slot in slots_of(settings, None)},
    )


@pytest.fixture
def cloud() -> SmallCloud:
    return SmallCloud()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def keeper(home: Home) -> DeploymentKeeper:
    return keeper_of(home)


def keeper_of(home: Home, name: str = "") -> DeploymentKeeper:
    """A keeper over that home, as a new run of the program makes it."""

    def open_secrets(paths: DeploymentPaths, _values: Mapping[str, Any]) -> EncryptedFileStore:
        return EncryptedFileStore(paths.encrypted_secrets, Secret("the passphrase"), QUICK)

    return DeploymentKeeper(home, all_questions(), open_secrets, name)
