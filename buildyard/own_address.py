"""This machine's addresses as the internet sees them, for ``access.operators: auto`` at a vendor.

Asked is Cloudflare's resolver at its own addresses, over HTTPS: that needs no name, and its certificate is for these
addresses. Its ``/cdn-cgi/trace`` answers lines of ``key=value``, of which ``ip=`` is who asked. Each family is asked
over itself, so an answer is believed only if it is of that family and one that the internet routes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import httpx

from state.errors import Unavailable

#: Address family and whom to ask.
ECHOES = ((4, "https://1.1.1.1/cdn-cgi/trace"), (6, "https://[2606:4700:4700::1111]/cdn-cgi/trace"))
TIMEOUT_S = 5.0
#: The answer is a dozen short lines.
LARGEST_BYTES = 16 * 1024


def own_addresses(transport: httpx.BaseTransport | None = None) -> tuple[str, ...]:
    """The public addresses this machine comes from, v4 first; one family may be missing.

    Args:
        transport: for tests.

    Raises:
        Unavailable: neither family got an answer; asks for the address.
    """
    with ThreadPoolExecutor(len(ECHOES), thread_name_prefix="echo") as pool:
        answers = list(pool.map(lambda echo: _asked(echo, transport), ECHOES))
    found = tuple(address for address, _ in answers if address)
    if not found:
        raise Unavailable(
            "This machine's public address could not be found out, so nobody would be allowed to use SSH.",
            detail="\n".join(why for _, why in answers),
            hint="set access.operators in the answers to the address you come from, such as 198.51.100.7, in place of "
            "auto",
        )
    return found


def _asked(echo: tuple[int, str], transport: httpx.BaseTransport | None) -> tuple[str, str]:
    """The address, or "" and why there is none."""
    version, url = echo
    try:
        # Not through a proxy: the machines will see the proxy's address only if SSH went through it too.
        with (
            httpx.Client(timeout=TIMEOUT_S, trust_env=False, transport=transport, follow_redirects=False) as client,
            client.stream("GET", url) as answer,
        ):
            answer.raise_for_status()
            text = next(answer.iter_bytes(LARGEST_BYTES), b"").decode(errors="replace")
        value = next((line[3:].strip() for line in text.splitlines() if line.startswith("ip=")), "")
        address = ip_address(value)
    except httpx.HTTPError as problem:
        return "", f"{url}: {problem or type(problem).__name__}"
    except ValueError:
        return "", f"{url}: the answer names no address"
    if address.version != version or not address.is_global:
        return "", f"{url}: the answer names {address}, which is no public IPv{version} address"
    return str(address), ""
