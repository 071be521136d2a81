"""The recovery key: one line, written down by a person, that says where a deployment is and opens its recovery copy."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets as random
from dataclasses import dataclass

from state.errors import SecretsError
from state.questions import check_name
from state.secret import Secret

#: 160 bits, so that nothing has to be made costly to guess; they are 32 characters of base32 (RFC 4648) without a rest.
_KEY_BYTES = 20
_GROUP = 4
_KEY_CHARACTERS = 32
#: 20 bits: of a million slips of the pen one is not noticed at once.
_CHECK_CHARACTERS = 4
#: A provider's and a region's name become part of an address: nothing that could lead elsewhere.
_PLACE = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SUFFIX = re.compile(r"[0-9a-f]{8}")
#: What is easily read wrongly from paper; base32 has none of the digits.
_LOOK_ALIKE = str.maketrans("018", "olb")
_HINT = "copy the whole line that `buildyard recovery-key` showed: PROVIDER/REGION/NAME/NUMBER/nine groups of letters"


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """What a person keeps away from the stick.

    Attributes:
        provider, region: where the deployment and its object store are.
        suffix: in the names of its buckets.
        seal: what the recovery copy is sealed with.
    """

    provider: str
    region: str
    deployment: str
    suffix: str
    seal: Secret

    @property
    def text(self) -> Secret:
        """As it is written down."""
        place = f"{self.provider}/{self.region}/{self.deployment}/{self.suffix}"
        return Secret(f"{place}/{self.seal.reveal()}-{_check(place, self.seal.reveal())}")


def new_seal() -> Secret:
    """A new secret half, in groups of four as it is written down."""
    return Secret(_grouped(base64.b32encode(random.token_bytes(_KEY_BYTES)).decode().lower()))


def read_recovery_key(text: str) -> RecoveryKey:
    """A recovery key as somebody typed it: large letters, blanks and missing hyphens do no harm.

    Raises:
        SecretsError: it is none, or holds a slip of the pen.
    """
    parts = "".join(text.split()).lower().split("/")
    if len(parts) != 5:
        raise SecretsError("This is no recovery key.", hint=_HINT)
    provider, region, deployment, suffix, typed = parts
    letters = typed.replace("-", "").translate(_LOOK_ALIKE)
    shaped = (
        _PLACE.fullmatch(provider)
        and _PLACE.fullmatch(region)
        and not check_name(deployment)
        and _SUFFIX.fullmatch(suffix)
        and re.fullmatch(rf"[a-z2-7]{{{_KEY_CHARACTERS + _CHECK_CHARACTERS}}}", letters)
    )
    if not shaped:
        raise SecretsError("This is no whole recovery key.", hint=_HINT)
    seal, check = _grouped(letters[:_KEY_CHARACTERS]), letters[_KEY_CHARACTERS:]
    if check != _check("/".join(parts[:4]), seal):
        raise SecretsError(
            "The recovery key is not right: its last group does not fit the rest.",
            detail="At least one character, of the place or of the groups, was read or typed wrongly.",
            hint="compare it with what was written down; nobody was asked and nothing was changed",
        )
    return RecoveryKey(provider, region, deployment, suffix, Secret(seal))


def _grouped(letters: str) -> str:
    return "-".join(letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))


def _check(place: str, seal: str) -> str:
    digest = hashlib.sha256(f"buildyard recovery key\0{place}/{seal}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:_CHECK_CHARACTERS]
