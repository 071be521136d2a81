"""The driver as the tests open it."""

from __future__ import annotations

import httpx

from providers.contract import Machine, MachineSpec, MachineStatus
from providers.hetzner.driver import Hetzner
from providers.http import Patience
from state.secret import Secret
from tests.providers.contract import ACTION
from tests.providers.scripted import FakeClock

S3_KEY, S3_SECRET = Secret("A1B2C3D4E5F6G7H8I9J0"), Secret("s3secret" * 5)


def make(token: str, transport: httpx.BaseTransport, clock: FakeClock) -> Hetzner:
    patience = Patience(settle_s=2)
    return Hetzner(Secret(token), S3_KEY, S3_SECRET, clock=clock, transport=transport, patience=patience)


def bring_up(provider: Hetzner, spec: MachineSpec, action_tag: str = ACTION) -> Machine:
    machine = provider.create_machine(spec, action_tag)
    for _ in range(10):
        if provider.machine(machine.id).status is MachineStatus.RUNNING:
            break
    return provider.machine(machine.id)
