"""What things are called at the provider: made from deployment, slot and epoch only, so that a repeated or
interrupted create finds what it made before."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from recipes.context import Role

#: The machine that an image of webservers is taken of; it is in no slot, so it has no number.
MOULD = "mould"
#: Hexadecimal digits at the end of an image's name.
IMAGE_DIGEST = 16
#: Short names of roles, as people see them: ``ws-1``.
SHORT = {Role.AUTOSCALER: "as", Role.WEBSERVER: "ws", Role.DATABASE: "db"}


def bucket_suffix(lineage: str) -> str:
    """What makes a deployment's bucket names its own; the lineage is its own random text."""
    return hashlib.sha256(lineage.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one deployment's things.

    Args:
        deployment: its name; checked by :func:`state.questions.check_name`.
    """

    deployment: str

    @property
    def prefix(self) -> str:
        """What the name of each thing begins with; ``by-`` marks all of Buildyard."""
        return f"by-{self.deployment}"

    @property
    def tag(self) -> str:
        """On every machine of the deployment. The trailing word keeps ``by-a`` apart from ``by-a-b``."""
        return f"{self.prefix}-fleet"

    @property
    def network(self) -> str:
        return f"{self.prefix}-net"

    @property
    def ssh_key(self) -> str:
        return f"{self.prefix}-key"

    @property
    def database(self) -> str:
        """The managed database; the short role word keeps within the 32 characters that Linode takes."""
        return f"{self.prefix}-db"

    def role_tag(self, role: Role) -> str:
        """On every machine of that role; the role's firewall hangs on it."""
        return f"{self.prefix}-role-{role.value}"

    def firewall(self, role: Role) -> str:
        return f"{self.prefix}-fw-{role.value}"

    def machine(self, role: Role, slot: int) -> str:
        """The host name, such as ``ws-1``."""
        return f"{SHORT[role]}-{slot}"

    def action_tag(self, machine: str, epoch: int) -> str:
        """On the one machine that this slot and epoch made: an interrupted create is adopted by it."""
        return f"{self.prefix}-made-{machine}-{epoch}"

    def made_by(self, tag: str) -> tuple[str, int] | None:
        """Machine and epoch of an action tag of this deployment; None for any other tag.

        The whole tag counts: what merely begins like ours may be that of a deployment whose name begins like ours.
        """
        machines = rf"(?:{'|'.join(SHORT.values())})-\d+|{MOULD}"
        found = re.fullmatch(rf"{re.escape(self.prefix)}-made-({machines})-(\d+)", tag)
        return (found[1], int(found[2])) if found else None

    def owns_tag(self, tag: str) -> bool:
        """Whether this very deployment gave it."""
        return tag == self.tag or tag in map(self.role_tag, Role) or self.made_by(tag) is not None

    def image(self, digest: str) -> str:
        """An image for webservers; the digest is of what it is made from."""
        return f"{self.prefix}-image-{digest}"

    def owns_image(self, name: str) -> bool:
        """Whether it is an image of this very deployment."""
        return re.fullmatch(rf"{re.escape(self.image(''))}[0-9a-f]{{{IMAGE_DIGEST}}}", name) is not None

    def store_key(self, holder: str, suffix: str) -> str:
        """A key to the object store; the suffix, as in :meth:`bucket`, makes it this deployment's beyond doubt."""
        return f"{self.prefix}-store-{holder}-{suffix}"

    def bucket(self, purpose: str, suffix: str) -> str:
        """A bucket's name; names are shared by all customers of a store, so a random suffix is part of it."""
        return f"{self.prefix}-{purpose}-{suffix}"
