"""Whom the Gateway Guardian lets in: names and the hashes of their passwords, in a signed list webservers pull.

The list in the deployment's configuration bucket is the only one, so that every build machine changes the same; it is
private to the deployment. A change is written down among the secrets first and taken out when it is published: so a
person can be added before there is a bucket, and a change that was cut off is published by whoever comes next.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Mapping

import bcrypt

from fleet.deployment import SIGNING_KEY, Deployment
from recipes import signed
from recipes.context import Guarded
from recipes.guardian import check_person, guardian_document, people_in
from recipes.secrets import SecretKind, SecretSpec
from recipes.signed import GUARDIAN_FILE
from state.errors import NotFound, StateError, UsageError
from state.secret import Secret
from state.secret_store import SecretStore

#: The secret that holds a list to be published: the document itself, whose serial says what it follows.
PENDING = "guardian-list"
SIGNATURE_FILE = f"{GUARDIAN_FILE}.sig"
#: Each step doubles what a guess costs, and what a request without a pass costs the webserver. Ten is what OWASP's
#: cheat sheet on storing passwords asks of bcrypt at least; these passwords are no words that one could guess.
BCRYPT_COST = 10
#: Without letters and digits that look alike.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
#: 31^20: 99 bits.
_GROUPS, _GROUP_LENGTH = 4, 5

#: From the people there are to those there shall be; raises when it cannot.
Change = Callable[[Mapping[str, str]], Mapping[str, str]]


def new_password() -> Secret:
    """One that nobody guesses and that can be read out and typed: four groups of five, with hyphens."""
    groups = ("".join(random.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return Secret("-".join(groups))


def hash_of(password: Secret) -> str:
    """What is kept of it; nginx gives it to the system's crypt, which knows bcrypt (docs/guardian.md).

    The library writes ``2b`` where others write ``2y``: both mean bcrypt without the error of 2011
    (https://www.openwall.com/lists/announce/2011/07/17/1).
    """
    made = bcrypt.hashpw(password.reveal().encode(), bcrypt.gensalt(BCRYPT_COST)).decode()
    return made.replace("$2b$", "$2y$", 1)


def added(name: str, hashed: str) -> Change:
    """Lets one more person in."""
    check_person(name)

    def change(people: Mapping[str, str]) -> Mapping[str, str]:
        if name in people:
            raise UsageError(
                f"{name} has a password already.", hint=f"buildyard guardian rotate {name} gives a new one"
            )
        return {**people, name: hashed}

    return change


def rotated(name: str, hashed: str) -> Change:
    """Gives a person another password; the one before ends."""

    def change(people: Mapping[str, str]) -> Mapping[str, str]:
        _must_be_there(name, people)
        return {**people, name: hashed}

    return change


def removed(name: str) -> Change:
    """Lets a person in no more."""

    def change(people: Mapping[str, str]) -> Mapping[str, str]:
        _must_be_there(name, people)
        return {each: hashed for each, hashed in people.items() if each != name}

    return change


def people_of(deployment: Deployment) -> dict[str, str]:
    """Name to hash, of a deployment that was built or begun.

    Raises:
        ProviderError: the store does not answer.
        StateError: the list is not signed by this deployment; nothing may follow it.
    """
    return people_in(_current(deployment))


def change_people(deployment: Deployment, change: Change, before_each: Callable[[], None]) -> tuple[str, ...]:
    """Changes who is let in and publishes it; to be called while the lease is held.

    Args:
        before_each: called before each change; raises when nothing may be changed any more (the lease is lost).

    Returns:
        Who is let in now.

    Raises:
        UsageError: the change cannot be made.
        ProviderError, StateError: as of :func:`people_of`.
    """
    current = _current(deployment)
    new = _following(current, change)
    before_each()
    deployment.secrets.set(PENDING, Secret(new.decode()))
    if _there(deployment) is not None:  # else a first build was cut off before the bucket: the next one publishes
        _publish(deployment, new)
    return tuple(people_in(new))


def change_people_to_be(secrets: SecretStore, change: Change) -> tuple[str, ...]:
    """The same before the first build, which publishes it."""
    new = _following(_pending(secrets), change)
    secrets.set(PENDING, Secret(new.decode()))
    return tuple(people_in(new))


def people_to_be(secrets: SecretStore) -> dict[str, str]:
    """Name to hash, before the first build."""
    return people_in(_pending(secrets))


def publish_guardian(deployment: Deployment) -> bool:
    """Puts the list where webservers pull it from, if it is not there as it should be.

    Returns:
        Whether it was not. Where the Guardian stands before nothing and nobody was added there is no list, and that is
        right.

    Raises:
        ProviderError, StateError: as of :func:`people_of`.
    """
    current = _current(deployment)
    if not signed.serial_of(current, GUARDIAN_FILE):
        if deployment.settings.guarded is Guarded.NOTHING:
            return False
        current = guardian_document(1, {})
    if _there(deployment) == (current, _sign(deployment, current)):
        deployment.secrets.delete(PENDING)
        return False
    _publish(deployment, current)
    return True


def _must_be_there(name: str, people: Mapping[str, str]) -> None:
    if name not in people:
        there = ", ".join(sorted(people)) or "nobody"
        raise UsageError(f"The Gateway Guardian does not know {name}.", detail=f"It knows {there}.")


def _following(current: bytes, change: Change) -> bytes:
    return guardian_document(signed.serial_of(current, GUARDIAN_FILE) + 1, change(people_in(current)))


def _current(deployment: Deployment) -> bytes:
    """The newest list, published or still to be; b"" when there is none."""
    there, signature = _there(deployment) or (b"", b"")
    pending = _pending(deployment.secrets)
    # ed25519 signs the same text the same way, so who has the key need not verify
    good = there if there and signature == _sign(deployment, there) else b""
    if signed.serial_of(pending, GUARDIAN_FILE) > signed.serial_of(good, GUARDIAN_FILE):
        return pending
    if there and not good:
        raise StateError(
            "The list of whom the Gateway Guardian lets in is not signed by this deployment.",
            detail="Webservers keep the one they have. Somebody altered it, or another build machine was cut off.",
            hint=f"find out who altered it; delete {GUARDIAN_FILE} and {SIGNATURE_FILE} in the bucket "
            f"{deployment.bucket_name('config')} by hand, then add everybody anew",
        )
    return good


def _there(deployment: Deployment) -> tuple[bytes, bytes] | None:
    """List and signature in the bucket, each b"" where there is none; None where there is no bucket yet."""
    bucket = deployment.bucket("config")
    try:
        found, signature = bucket.get(GUARDIAN_FILE), bucket.get(SIGNATURE_FILE)
    except NotFound:
        return None
    return (found[0] if found else b"", signature[0] if signature else b"")


def _pending(secrets: SecretStore) -> bytes:
    found = secrets.get(PENDING)
    return found.reveal().encode() if found is not None else b""


def _publish(deployment: Deployment, content: bytes) -> None:
    bucket = deployment.bucket("config")
    bucket.put(GUARDIAN_FILE, content)
    bucket.put(SIGNATURE_FILE, _sign(deployment, content))
    deployment.secrets.delete(PENDING)


def _sign(deployment: Deployment, content: bytes) -> bytes:
    return signed.sign(content, deployment.secret(SecretSpec(SIGNING_KEY, SecretKind.SSH_KEY)))
