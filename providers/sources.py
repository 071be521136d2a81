"""Who may connect to a managed database: never nobody, never everybody."""

from __future__ import annotations

from ipaddress import ip_network

from state.errors import UsageError

#: A network this wide or wider is the internet, whatever it is called: private networks have 8 bits at least.
_LEAST_PREFIX = {4: 8, 6: 16}


def checked_sources(sources: tuple[str, ...]) -> tuple[str, ...]:
    """The sources as CIDRs, each once and in order.

    Args:
        sources: addresses or CIDRs, v4 or v6.

    Raises:
        UsageError: there are none, one is no address, or one would let everybody in.
    """
    if not sources:
        raise UsageError("A managed database needs somebody who may connect.", hint="name its machines' addresses")
    found = set()
    for source in sources:
        try:
            network = ip_network(source, strict=False)
        except ValueError as error:
            raise UsageError(f"{source} is no address that may connect to a database.") from error
        if network.prefixlen < _LEAST_PREFIX[network.version]:
            raise UsageError(
                f"{source} would let the internet connect to the database.",
                hint="name the private network or exact addresses",
            )
        found.add(network)
    return tuple(str(network) for network in sorted(found, key=lambda one: (one.version, one)))
