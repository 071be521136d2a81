"""Cloudflare's API v4 as data: its operations, its dialect, and how it names what a token lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.operations import Dialect, Operation, Refusal
from providers.refusals import Forbidden
from state.errors import Conflict, NotFound, ProviderError, Unauthorized

#: The lists are under this key, and so is everything else.
RESULT = "result"

#: What stands before all paths.
ROOT = "/client/v4"
_ZONE = f"{ROOT}/zones/{{zone}}"

ACCOUNTS = Operation("GET", f"{ROOT}/accounts", RESULT)
RANGES = Operation("GET", f"{ROOT}/ips")
ZONES = Operation("GET", f"{ROOT}/zones", RESULT)
CREATE_ZONE = Operation("POST", f"{ROOT}/zones")
RECORDS = Operation("GET", f"{_ZONE}/dns_records", RESULT)
CREATE_RECORD = Operation("POST", f"{_ZONE}/dns_records")
PATCH_RECORD = Operation("PATCH", f"{_ZONE}/dns_records/{{id}}", repeatable=True)
DELETE_RECORD = Operation("DELETE", f"{_ZONE}/dns_records/{{id}}")
SETTING = Operation("GET", f"{_ZONE}/settings/{{setting}}")
PATCH_SETTING = Operation("PATCH", f"{_ZONE}/settings/{{setting}}", repeatable=True)
GATES = Operation("GET", f"{_ZONE}/access/apps", RESULT)
CREATE_GATE = Operation("POST", f"{_ZONE}/access/apps")
PUT_GATE = Operation("PUT", f"{_ZONE}/access/apps/{{id}}")
DELETE_GATE = Operation("DELETE", f"{_ZONE}/access/apps/{{id}}")
POLICIES = Operation("GET", f"{_ZONE}/access/apps/{{app}}/policies", RESULT)
CREATE_POLICY = Operation("POST", f"{_ZONE}/access/apps/{{app}}/policies")
PUT_POLICY = Operation("PUT", f"{_ZONE}/access/apps/{{app}}/policies/{{id}}")
DELETE_POLICY = Operation("DELETE", f"{_ZONE}/access/apps/{{app}}/policies/{{id}}")

#: Codes in the answers, gathered from reports of others; the description names none.
#: 1000, 6003, 6111: no token, or one of another form. 9109 is said both of a token that does not exist and of one that
#: may not do this (github.com/octodns/octodns-cloudflare/issues/60).
_NO_TOKEN = frozenset({1000, 6003, 6111})
#: 1061: the zone exists. 81057, 81058: the record does, or one just like it (github.com/certbot/certbot/pull/10725).
#: 81053: another record of that name forbids it.
_TAKEN = frozenset({1061, 81053, 81057, 81058})
#: 81044: no such record. 7003: no such zone.
_ABSENT = frozenset({7003, 81044})


def _explain(status: int, body: Any) -> Refusal | None:
    errors = body.get("errors") if isinstance(body, Mapping) else None
    found = [one for one in errors if isinstance(one, Mapping)] if isinstance(errors, list) else []
    if not found:
        return None
    # The first one is often only "Invalid request headers"; its chain says which and why.
    chain = [link for one in found for link in one.get("error_chain") or () if isinstance(link, Mapping)]
    codes = {one.get("code") for one in (*found, *chain)}
    message = "; ".join(f"{one.get('message')} ({one.get('code')})" for one in (*found, *chain))
    if (status in (400, 401, 403) and codes & _NO_TOKEN) or "Invalid access token" in message:
        return Refusal(Unauthorized, message)
    if status == 403:
        return Refusal(Forbidden, message)
    if codes & _TAKEN:
        return Refusal(Conflict, message)
    if codes & _ABSENT:
        return Refusal(NotFound, message)
    return Refusal(ProviderError, message)


def _next_page(body: Any, query: Mapping[str, Any]) -> Mapping[str, Any] | None:
    told = body.get("result_info") or {}
    page, per_page, total = int(query["page"]), int(told.get("per_page") or 0), int(told.get("total_count") or 0)
    return {**query, "page": page + 1} if per_page and page * per_page < total else None


def _total(body: Any) -> int | None:
    total = (body.get("result_info") or {}).get("total_count")
    return int(total) if total is not None else None


#: 50 is the largest page of zones; records would take more.
DIALECT = Dialect(
    "Cloudflare", explain=_explain, next_page=_next_page, first_page={"per_page": 50, "page": 1}, total=_total
)
