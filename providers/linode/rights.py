"""What a token for Linode must be allowed, and how one finds out."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import httpx

from providers.http import BearerToken
from providers.linode import api
from providers.operations import Operation
from state.secret import Secret


@dataclass(frozen=True, slots=True)
class Right:
    """A scope (techdocs.akamai.com/linode-api/reference/get-started#oauth).

    Attributes:
        scope: without ``:read_write``.
        purpose: what it is needed for.
        probe: what a token without it may not read.
        write: whether reading alone is too little.
    """

    scope: str
    purpose: str
    probe: Operation
    write: bool = True

    @property
    def text(self) -> str:
        """For a person."""
        return f"{self.scope}:{'read_write' if self.write else 'read_only'} ({self.purpose})"

    def is_among(self, scopes: frozenset[str]) -> bool:
        """Whether a token with these scopes has it; ``*`` is all of them."""
        enough = {"*", f"{self.scope}:read_write", f"{self.scope}:*"}
        return bool(scopes & (enough if self.write else enough | {f"{self.scope}:read_only"}))


RIGHTS = (
    Right("account", "SSH keys", api.KEYS),
    Right("databases", "managed databases", api.DATABASES.at(engine="mysql")),
    Right("domains", "DNS", api.ZONES),
    Right("firewall", "firewalls of the machines", api.FIREWALLS),
    Right("images", "images of webservers", api.IMAGES),
    Right("ips", "private addresses", api.PRIVATE_ADDRESSES, write=False),
    Right("linodes", "machines", api.MACHINES),
    Right("object_storage", "keys for buckets", api.BUCKET_KEYS),
    Right("vpc", "private networks", api.NETWORKS),
)

#: Tags are for these alone, and by tags machines are found (techdocs.akamai.com/linode-api/reference/get-tags).
UNRESTRICTED = "a token of an unrestricted user (tags, by which machines are found)"


class ScopedToken(BearerToken):
    """Sends a token and remembers the scopes that the API says it has."""

    def __init__(self, token: Secret, label: str) -> None:
        super().__init__(token, label)
        self.scopes: frozenset[str] = frozenset()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        flow = super().auth_flow(request)
        response = yield next(flow)
        # On each answer, refusals too; the description does not know it. Without it, what may be read decides.
        self.scopes = frozenset(response.headers.get("X-OAuth-Scopes", "").replace(",", " ").split())
