"""Looks at the site from outside, through one webserver's own address, as a visitor's browser would."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx

from recipes.context import Guarded
from recipes.guardian import REALM
from recipes.load import LOOKS
from recipes.webserver import HEALTH_PATH

#: One of the pages the Guardian stands before when it stands before the admin pages.
_ADMIN_PAGE = "/wp-admin/"


@dataclass(frozen=True, slots=True)
class Page:
    """What came back.

    Attributes:
        ok: the page is served, by a certificate that is valid for the name, and the Gateway Guardian asks where it
            shall.
        reason: one sentence why (not).
        milliseconds: until the whole page was there.
        status: HTTP status, 0 when there was none.
        body: the page's text.
        asked: the Gateway Guardian asked for a password.
        certificate_days: whole days the certificate is still valid, None when none was seen.
    """

    ok: bool
    reason: str
    milliseconds: int
    status: int = 0
    body: str = ""
    certificate_days: int | None = None
    asked: bool = False


def trust(ca_pem: str) -> ssl.SSLContext:
    """Trusts exactly that authority, or the system's when it is ""."""
    return ssl.create_default_context(cadata=ca_pem) if ca_pem else ssl.create_default_context()


def look(
    address: str,
    host: str,
    ca_pem: str,
    *,
    timeout_s: float = 8.0,
    guarded: Guarded = Guarded.NOTHING,
    port: int = 443,
) -> Page:
    """Fetches ``https://host/`` from that address; certificate and host name are checked.

    Where the Gateway Guardian stands before the site, whoever looks from outside is asked for a password and has none:
    then the page counts as served when the Guardian asks and the webserver says of itself that it is well.

    Args:
        address: IPv4 or IPv6 of the webserver.
        host: the site's domain.
        ca_pem: see :func:`trust`.
        timeout_s: for each of at most two requests.
        guarded: what the Guardian shall stand before, as seen from where the look comes from.
    """
    began = time.monotonic()
    netloc = f"[{address}]" if ":" in address else address
    try:
        with httpx.Client(
            base_url=f"https://{netloc}:{port}",
            headers={"Host": host, "User-Agent": LOOKS},
            verify=trust(ca_pem),
            timeout=timeout_s,
            trust_env=False,
        ) as client:
            page = _fetched(client, host, "/", began)
            if guarded is Guarded.SITE:
                return _behind_guardian(client, host, page)
            if guarded is Guarded.ADMIN and page.ok and not _is_asked(_get(client, host, _ADMIN_PAGE)[0]):
                return replace(page, ok=False, reason=f"{_ADMIN_PAGE} is served, and the Gateway Guardian does not ask")
            return page
    except httpx.TimeoutException:
        return Page(False, f"no answer within {timeout_s:g} s", _since(began))
    except httpx.HTTPError as problem:
        return Page(False, _why(problem), _since(began))


def _fetched(client: httpx.Client, host: str, path: str, began: float) -> Page:
    response, days = _get(client, host, path)
    code, took = response.status_code, _since(began)
    asked = _is_asked(response)
    reason = "serving" if code == httpx.codes.OK else f"HTTP {code}"
    if asked:
        reason = "the Gateway Guardian asks for a password"
    return Page(code == httpx.codes.OK, reason, took, code, response.text, days, asked)


def _behind_guardian(client: httpx.Client, host: str, page: Page) -> Page:
    """What a look from outside can say of a site that it is not let in to."""
    if page.ok:
        return replace(page, ok=False, reason="served, and the Gateway Guardian does not ask for a password")
    if not page.asked:
        return page
    code = _get(client, host, HEALTH_PATH)[0].status_code
    if code != httpx.codes.OK:
        return replace(page, reason=f"the Gateway Guardian asks, but behind it the webserver is not well (HTTP {code})")
    return replace(page, ok=True, reason="serving, behind the Gateway Guardian")


def _is_asked(response: httpx.Response) -> bool:
    challenge = response.headers.get("WWW-Authenticate", "")
    return response.status_code == httpx.codes.UNAUTHORIZED and challenge == f'Basic realm="{REALM}"'


def _get(client: httpx.Client, host: str, path: str) -> tuple[httpx.Response, int | None]:
    """The whole answer, and how many days the certificate is valid."""
    request = client.build_request("GET", path, extensions={"sni_hostname": host})
    response = client.send(request, stream=True)
    try:
        days = _days_left(response)
        response.read()
    finally:
        response.close()
    return response, days


def _days_left(response: httpx.Response) -> int | None:
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    certificate = tls.getpeercert() if tls is not None else None
    if not certificate:
        return None
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    return (ends - datetime.now(UTC)).days


def _why(problem: httpx.HTTPError) -> str:
    text = str(problem) or type(problem).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "certificate not valid: " + text.split("verify failed:")[-1].split("(_ssl")[0].strip(" :]")
    if "refused" in text.lower():
        return "connection refused"
    if "No route" in text or "unreachable" in text:
        return "not reachable (firewall or machine off)"
    return text


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
