"""Makes one machine: intent is written before the cloud is asked, so a run that was cut off adopts what it made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

from fleet.context import ContextMaker
from fleet.deployment import ADMIN_KEY, ADMIN_USER, Deployment, first_host_key
from fleet.images import image_for
from fleet.slots import Slot
from providers.contract import Machine, MachineSpec, MachineStatus
from recipes.context import Role
from recipes.roles import user_data
from recipes.secrets import SecretKind, SecretSpec, public_line
from state.clock import wait_until
from state.errors import Conflict, NotFound, ProviderError, RateLimited, Unavailable
from state.events import Event, Kind
from state.fleet_record import FleetRecord, MachineRecord, Stage

#: DigitalOcean says 55 s for a droplet; slow days and other vendors take minutes.
RUNNING_DEADLINE_S = 600.0
#: Refusals that go away by themselves.
_PASSING = (Conflict, RateLimited, Unavailable)


def make_machine(deployment: Deployment, slot: Slot, name: str, contexts: ContextMaker) -> bool:
    """The machine of that slot exists, runs, and its addresses are in the record.

    Returns:
        Whether it was made now (or a machine that an interrupted run asked for was adopted, or one that was switched
        off was started).
    """
    record = deployment.record
    known = (record.load() or FleetRecord.new(deployment.settings.deployment)).machine(name)
    if known is not None and known.provider_id and _gone(deployment, known):
        known = None
        record.update(lambda old: old.without(name))
    if known is None:
        known = intend(deployment, slot, name)
    made = not known.provider_id
    if made:
        known = _ask(deployment, known, contexts)
    return _wait(deployment, known) or made


def _gone(deployment: Deployment, known: MachineRecord) -> bool:
    try:
        deployment.access.provider.machine(known.provider_id)
    except NotFound:
        return True
    return False


def intend(deployment: Deployment, slot: Slot, name: str, *, replaces: str = "", out_of_dns: str = "") -> MachineRecord:
    """Slot, epoch and first host key are fixed, and written down, before the cloud hears of the machine.

    Args:
        replaces: the machine whose place it takes.
        out_of_dns: why visitors do not come to it as soon as it is built, "" when they do.
    """
    epoch = (deployment.record.load() or FleetRecord.new(deployment.settings.deployment)).epoch
    key = deployment.secret(SecretSpec(first_host_key(name, epoch), SecretKind.SSH_KEY))
    machine = MachineRecord(
        name=name,
        role=slot.role.value,
        slot=slot.number,
        epoch=epoch,
        first_host_key=public_line(key),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        image=deployment.settings.image,
        replaces=replaces,
        out_of_dns=out_of_dns,
    )
    deployment.record.update(lambda old: old.with_machine(machine))
    return machine


def _ask(deployment: Deployment, known: MachineRecord, contexts: ContextMaker) -> MachineRecord:
    spec = machine_spec(deployment, known, contexts)
    machine = _from_image(deployment, Role(known.role), spec) or create(deployment, spec)
    known = replace(known, provider_id=machine.id, stage=Stage.CREATED)
    deployment.record.update(lambda old: old.with_machine(known))
    return known


def machine_spec(deployment: Deployment, known: MachineRecord, contexts: ContextMaker) -> MachineSpec:
    """The bare machine that the cloud is asked for; its action's tag is the last of its tags."""
    names, settings, role = deployment.names, deployment.settings, Role(known.role)
    record = deployment.record.load() or FleetRecord.new(settings.deployment)
    admin = public_line(deployment.secret(SecretSpec(ADMIN_KEY, SecretKind.SSH_KEY)), names.ssh_key)
    return MachineSpec(
        name=known.name,
        region=settings.region,
        size=settings.sizes[role],
        image=settings.image,
        network_id=record.network_id,
        user_data=user_data(
            admin_user=ADMIN_USER,
            admin_keys=contexts.admin_keys(admin),
            first_contact_key=deployment.known_secret(first_host_key(known.name, known.epoch)),
        ),
        tags=(names.tag, names.role_tag(role), names.action_tag(known.name, known.epoch)),
        ssh_key_ids=(record.ssh_key_ids[names.ssh_key],),
    )


def create(deployment: Deployment, spec: MachineSpec) -> Machine:
    """Asks the cloud for it; one that an interrupted run asked for is adopted."""
    return deployment.access.provider.create_machine(spec, spec.tags[-1])


def _from_image(deployment: Deployment, role: Role, spec: MachineSpec) -> Machine | None:
    """The machine, made from the deployment's image; None when there is none, or the provider refuses it."""

    def tell(text: str) -> None:
        deployment.emit(Event(Kind.NOTE, text=f"{spec.name} is made from {text}", machine=spec.name))

    try:
        image = image_for(deployment, role)
        if image is None:
            return None
        machine = create(deployment, replace(spec, image=image.id))
    except _PASSING:
        raise  # it says nothing of the image
    except ProviderError as refused:
        tell(f"bare: the provider does not give the image. {refused.summary}")
        return None
    tell(f"the image {image.name}.")
    return machine


def _wait(deployment: Deployment, known: MachineRecord) -> bool:
    """Until it runs and its addresses are in the record; whether it was switched off and had to be started."""
    provider = deployment.access.provider
    off = provider.machine(known.provider_id).status is MachineStatus.OFF
    if off:
        deployment.emit(Event(Kind.NOTE, text=f"{known.name} is switched off: it is started.", machine=known.name))
        provider.power_on(known.provider_id)
    machine = wait_running(deployment, known)
    deployment.record.update(lambda old: old.with_machine(with_addresses(old.machine(known.name) or known, machine)))
    return off


def wait_running(deployment: Deployment, known: MachineRecord) -> Machine:
    """The machine, as soon as it runs and has its addresses.

    Raises:
        DeadlineExceeded: it does not.
    """
    provider = deployment.access.provider

    def running() -> Machine | None:
        machine = provider.machine(known.provider_id)
        ready = machine.status is MachineStatus.RUNNING and machine.public_ipv4 and machine.private_ipv4
        return machine if ready else None

    return wait_until(
        f"{known.name} to run at {provider.label}",
        running,
        timeout_s=RUNNING_DEADLINE_S,
        clock=deployment.clock,
        hint=f"look at {known.name} in the provider's console, then run buildyard build again",
    )


def with_addresses(known: MachineRecord, machine: Machine) -> MachineRecord:
    """What is known of it, with what the cloud says now that it runs."""
    return replace(
        known,
        public_ipv4=machine.public_ipv4,
        public_ipv6=str(ip_address(machine.public_ipv6)) if machine.public_ipv6 else "",
        private_ipv4=machine.private_ipv4,
        stage=Stage.RUNNING if known.stage in (Stage.ASKED, Stage.CREATED) else known.stage,
    )
