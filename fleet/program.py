"""The program for autoscaler machines: put into the artefact bucket, fetched by the machines from there."""

from __future__ import annotations

from fleet.deployment import Deployment
from fleet.release import ADDRESS_LIFETIME_S
from fleet.slots import roles_of
from fleet.store_keys import OWN, known_key
from fleet.wheelhouse import Wheelhouse, python_of
from recipes.context import ProgramRelease, Role
from state.secret import Secret

#: Stands for a program that is still to be put into the store (only plans see that).
UNMADE_PROGRAM = ProgramRelease(Secret("https://store.invalid/program"), "0" * 64, "not-made-yet")


def has_autoscalers(deployment: Deployment) -> bool:
    """Whether the program is needed at all."""
    return Role.AUTOSCALER in roles_of(deployment.settings)


def upload_program(deployment: Deployment) -> bool:
    """Puts the running program into the artefact bucket; its name there is its version, so it goes once.

    Returns:
        Whether anything was sent.

    Raises:
        BuildyardError: it cannot be made (see :func:`fleet.wheelhouse.make_wheelhouse`) or sent.
    """
    if deployment.inside or not has_autoscalers(deployment):
        return False
    wheelhouse = _wheelhouse(deployment)
    bucket, key = deployment.bucket("artefacts"), program_key(wheelhouse.pins.version)
    if key in bucket.keys(key):
        return False
    bucket.upload_file(key, wheelhouse.path)
    return True


def program_of(deployment: Deployment) -> ProgramRelease:
    """What autoscaler machines are told of the program; sends nothing.

    Before the first build there is no key to the store: a plan then tells of a program whose address is to come.
    """
    handed = deployment.handed
    if handed is not None:
        version, sha256 = handed.program_version, handed.program_sha256
    elif known_key(deployment.record, deployment.secrets, OWN) is None:
        return UNMADE_PROGRAM
    else:
        wheelhouse = _wheelhouse(deployment)
        version, sha256 = wheelhouse.pins.version, wheelhouse.sha256
    address = deployment.bucket("artefacts").presigned_get(program_key(version), ADDRESS_LIFETIME_S)
    return ProgramRelease(address, sha256, version)


def program_key(version: str) -> str:
    """Its name in the artefact bucket."""
    return f"programs/{version}/program.tar"


def _wheelhouse(deployment: Deployment) -> Wheelhouse:
    return deployment.wheelhouse(python_of(deployment.settings.image))
