"""AWS's API through botocore: one way to time out, to retry, to page, to adopt and to fail, as
:mod:`providers.http` is for all others."""

from __future__ import annotations

import os
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoRegionError,
    ParamValidationError,
    SSLError,
)
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError

from providers.aws.codes import HINTS, kind_of
from providers.http import Patience
from providers.refusals import SUMMARIES, Busy, Hopeless, Limited, Unsent
from state.clock import Clock, wait_until
from state.errors import Conflict, DeadlineExceeded, ProviderError, RateLimited, Unavailable, UsageError
from state.secret import Redactor, Secret

T = TypeVar("T")
LABEL = "AWS"

#: Descriptions of services are large; read once in a process.
_LOADER = create_loader()
#: How each service's lists go on: the parameter and what it is in the answer.
_PAGES = {
    "ec2": ("NextToken", "NextToken"),
    "rds": ("Marker", "Marker"),
    "iam": ("Marker", "Marker"),
    "efs": ("Marker", "NextMarker"),
    "route53": ("Marker", "NextMarker"),
}
#: Operations of EC2 that give pages only when asked for them.
_PAGED = frozenset(
    f"describe_{things}"
    for things in ("images", "instances", "internet_gateways", "security_groups", "subnets", "vpcs")
)
#: Operations that may be sent again when the answer was lost: they read, or say how a thing shall be.
_REPEATABLE = re.compile(r"(describe|list|get|delete|modify|put|terminate|stop|start|change|deregister)_")


@dataclass(slots=True)
class Aws:
    """One account in one region; safe to use from several threads.

    Args:
        key, secret: the access key's two halves.
        region: such as ``eu-central-1``.
        clock: where time comes from.
        endpoint_url: answers for all services, "" for AWS itself.
        patience: how long requests may take.
        jitter: gives numbers from 0 to 1.
        page_items: most items of a page of EC2's lists; AWS takes 5 to 1000.
        watch: is shown each new client, for tests.
    """

    key: Secret
    secret: Secret
    region: str
    clock: Clock
    endpoint_url: str = ""
    patience: Patience = field(default_factory=Patience)
    jitter: Callable[[], float] = random.random
    page_items: int = 1000
    watch: Callable[[Any], None] | None = None
    _clients: dict[str, Any] = field(init=False, repr=False, default_factory=dict)
    _lock: Any = field(init=False, repr=False, default_factory=threading.Lock)
    _redact: Redactor = field(init=False, repr=False)
    _session: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._redact = Redactor((self.key, self.secret))
        # The user's own ~/.aws and AWS_PROFILE are for other things.
        self._session = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        self._session.register_component("data_loader", _LOADER)

    def close(self) -> None:
        """Ends the connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def call(
        self, service: str, operation: str, /, *, repeatable: bool | None = None, **parameters: Any
    ) -> dict[str, Any]:
        """Does one operation and gives its answer.

        Repeats it within ``patience.call_s`` when AWS throttles or is not reached; after a lost answer only if the
        operation may be repeated.

        Args:
            service: botocore's name of it, such as ``ec2``.
            operation: botocore's name of it, such as ``describe_instances``.
            repeatable: whether it may be sent twice; None leaves that to its name.
            parameters: as the operation takes them.

        Raises:
            ProviderError: or one of its kinds; never holds a credential.
        """
        again = bool(_REPEATABLE.match(operation)) if repeatable is None else repeatable
        end = self.clock.monotonic() + self.patience.call_s
        tries = 0
        while True:
            try:
                return self._once(service, operation, parameters)
            except RateLimited as error:
                failure: ProviderError = error
            except Unavailable as error:
                if isinstance(error, Hopeless) or not (again or isinstance(error, Unsent)):
                    raise
                failure = error
            pause = self.jitter() * min(self.patience.longest_pause_s, self.patience.first_pause_s * 2**tries)
            tries += 1
            if self.clock.monotonic() + pause >= end:
                failure.hint = failure.hint or f"Gave up after {tries} tries. Try again in {max(pause, 60):.0f} s."
                raise failure
            self.clock.sleep(pause)

    def listed(self, service: str, operation: str, items: str, /, **parameters: Any) -> list[dict[str, Any]]:
        """All items of a list over all its pages; ``items`` is their name in the answer."""
        ask, told = _PAGES[service]
        if service == "ec2" and operation in _PAGED and not any(name.endswith("Ids") for name in parameters):
            parameters["MaxResults"] = self.page_items
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        while True:
            answer = self.call(service, operation, **parameters)
            found += answer.get(items) or ()
            following = answer.get(told)
            if not following:
                return found
            if following in seen:
                raise ProviderError(f"{LABEL} answers a list whose pages never end ({service} {operation}).")
            seen.add(following)
            parameters[ask] = following

    def made(self, make: Callable[[], T], find: Callable[[], T | None], *, looked: bool = False) -> T:
        """Makes a thing once: what ``find`` sees is adopted, before it is asked for and after an answer was lost.

        Args:
            make: asks for it.
            find: looks it up by its name or tag.
            looked: the caller just looked and there was none.
        """
        found = None if looked else find()
        if found is not None:
            return found
        for last in (False, False, True):
            try:
                return make()
            except Conflict:
                found = self.appears(find)
                if found is None:
                    raise
                return found
            except Unavailable:
                found = self.appears(find)
                if found is not None:
                    return found
                if last:
                    raise
        raise AssertionError("the last try returns or raises")

    def appears(self, find: Callable[[], T | None]) -> T | None:
        """What ``find`` sees within ``patience.settle_s``: AWS's lists lag behind its creates."""
        try:
            return wait_until("what was made", find, timeout_s=self.patience.settle_s, clock=self.clock)
        except DeadlineExceeded:
            return None

    def hide(self, *secrets: Secret) -> None:
        """Learns secrets that must never be shown."""
        self._redact.add(*secrets)

    def _once(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        what = f"{service} {operation}"
        # Without causes: botocore hangs the request, signature and user data included, on its errors.
        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**parameters)
            return answer
        except ClientError as error:
            raise self._refused(error, what) from None
        except ParamValidationError as error:
            names = sorted(set(re.findall(r"parameter:? \"?([\w.\[\]]+)", str(error))))
            raise UsageError(
                f"{LABEL} has no such request.", detail=f"{what}: parameters {', '.join(names)}", hint="Report this."
            ) from None
        except SSLError as error:
            raise Hopeless(
                f"The certificate of {LABEL} is not trusted; nothing was sent.",
                detail=self._redact(f"{what}: {error}"),
                hint="Check the clock of this machine, and that nothing stands between it and the internet.",
            ) from None
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise Unsent(
                f"{LABEL} cannot be reached.",
                detail=self._redact(f"{what}: {error}"),
                hint="Check this machine's network, and that the region's name is right; then try again.",
            ) from None
        except NoRegionError:
            raise UsageError("No region is chosen.", hint="answer provider.region") from None
        except (BotoCoreError, ResponseParserError) as error:
            # The text of a broken answer may hold what was asked; its kind says enough.
            raise Unavailable(
                f"{LABEL} did not answer, or its answer broke off.", detail=f"{what}: {type(error).__name__}"
            ) from None

    def _refused(self, error: ClientError, what: str) -> ProviderError:
        problem = error.response.get("Error", {})
        code = str(problem.get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        kind, hint = kind_of(code, status)
        detail = self._redact(f"{what}: {status} {code}: {problem.get('Message', '')}")
        if issubclass(kind, Limited):
            return Limited(f"{LABEL} limits how often it may be asked.", detail=detail, hint=hint)
        if issubclass(kind, Busy):
            return Busy(f"{LABEL} has a fault of its own ({status}).", detail=detail, hint=hint)
        known = next((each for each in kind.__mro__ if each in SUMMARIES), None)
        summary = SUMMARIES[known].replace("token", "access key") if known else "refused what it was asked"
        return kind(f"{LABEL} {summary}.", detail=detail, hint=hint or HINTS.get(kind, ""))

    def _client(self, service: str) -> Any:
        with self._lock:
            client = self._clients.get(service)
            if client is None:
                client = self.client_for(service, self.key, self.secret)
                self._clients[service] = client
            return client

    def client_for(self, service: str, key: Secret, secret: Secret) -> Any:
        """A botocore client with these credentials; the caller closes it."""
        client = self._session.create_client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint_url or None,
            aws_access_key_id=key.reveal(),
            aws_secret_access_key=secret.reveal(),
            config=Config(
                connect_timeout=min(10.0, self.patience.request_s),
                read_timeout=self.patience.request_s,
                # :meth:`call` repeats, by our clock and with our deadline.
                retries={"total_max_attempts": 1, "mode": "standard"},
                ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # newer than the stubs
                user_agent_extra="buildyard",
                # An endpoint of one's own is not behind the proxy for the internet.
                proxies={} if self.endpoint_url else None,
            ),
        )
        if self.watch is not None:
            self.watch(client)
        return client
