"""The finer kinds of refusal that the client tells apart; to everybody else they are their base class."""

from __future__ import annotations

from collections.abc import Mapping

from state.errors import Conflict, NotFound, ProviderError, RateLimited, Unauthorized, Unavailable


class Forbidden(Unauthorized):
    """The credentials are right but may not do this."""


class Unsent(Unavailable):
    """No connection: what was asked has certainly not happened."""


class Limited(RateLimited):
    retry_after_s: float | None = None


class Busy(Unavailable):
    retry_after_s: float | None = None


class Hopeless(Unsent):
    """Repeating cannot help."""


SUMMARIES: Mapping[type[ProviderError], str] = {
    Unauthorized: "does not accept the token",
    Forbidden: "does not let this token do that",
    NotFound: "has no such thing",
    Conflict: "says it is taken or in use",
}
HINTS: Mapping[type[ProviderError], str] = {
    Unauthorized: "Make a new token in the vendor's control panel and give it with: buildyard new",
    Forbidden: "Give the token the right named above, or make one with full access.",
}
