"""What every driver must survive. A driver's test subclasses :class:`FaultContract` and gives it what it needs."""

from __future__ import annotations

import pytest

from providers.contract import MachineSpec, Provider
from state.errors import ProviderError
from tests.providers.contract import ACTION, FLEET
from tests.providers.fake import FAULTS, Faulty
from tests.providers.scripted import FakeClock


class FaultContract:
    """Needs fixtures ``provider`` (over ``faulty``, by ``clock``), ``faulty``, ``clock``, ``region``, ``spec``.

    Attributes:
        create: (method, part of the path) of the request that makes a machine.
        read: of the one that lists machines.
    """

    create: tuple[str, str]
    read: tuple[str, str]

    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    def test_a_machine_is_made_once_whatever_becomes_of_the_first_try(
        self, provider: Provider, faulty: Faulty, clock: FakeClock, spec: MachineSpec, fault: object
    ) -> None:
        faulty.lay(*self.create, fault)  # type: ignore[arg-type]
        made = provider.create_machine(spec, ACTION)
        assert [machine.id for machine in provider.machines(FLEET)] == [made.id]

    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    def test_a_list_is_read_again(
        self, provider: Provider, faulty: Faulty, clock: FakeClock, spec: MachineSpec, fault: object
    ) -> None:
        made = provider.create_machine(spec, ACTION)
        faulty.lay(*self.read, fault, times=2)  # type: ignore[arg-type]
        assert [machine.id for machine in provider.machines(FLEET)] == [made.id]

    def test_a_vendor_that_stays_down_is_given_up_with_a_hint_and_without_a_credential(
        self, provider: Provider, faulty: Faulty, clock: FakeClock, credential: str
    ) -> None:
        faulty.lay(*self.read, FAULTS["500"], times=1000)  # type: ignore[arg-type]
        began = clock.monotonic()
        with pytest.raises(ProviderError) as caught:
            provider.machines(FLEET)
        assert clock.monotonic() - began <= 180
        assert caught.value.hint
        assert credential not in caught.value.text()
