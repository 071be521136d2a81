"""The API as one ASGI application: token, rate limit, request ids and errors around the resources."""

from __future__ import annotations

import hmac
import itertools
import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.api.account import AccountApi
from rehearsal.api.answers import Answer, ApiError, Call, Operation
from rehearsal.api.backends import BucketKeys, NameServer
from rehearsal.api.catalogue import Catalogue
from rehearsal.api.cloudflare import Cloudflare
from rehearsal.api.clusters import Clusters
from rehearsal.api.databases import Databases
from rehearsal.api.domains import Domains
from rehearsal.api.droplet_actions import DropletActions
from rehearsal.api.droplets import Droplets
from rehearsal.api.filters import Guard
from rehearsal.api.firewalls import Firewalls
from rehearsal.api.machines import Machines
from rehearsal.api.rate_limit import RateLimit
from rehearsal.api.snapshots import Snapshots
from rehearsal.api.spaces_keys import SpacesKeys
from rehearsal.api.tags import Tags
from rehearsal.api.vpcs import Vpcs
from rehearsal.authority import Authority
from rehearsal.contract import MachineRoom
from rehearsal.edge import Edge
from rehearsal.habits import Habits
from rehearsal.store import Store
from state.clock import Clock, SystemClock
from state.secret import Secret

LOG = logging.getLogger(__name__)


def make_app(
    store: Store,
    room: MachineRoom,
    token: Secret,
    *,
    names: NameServer,
    bucket_keys: BucketKeys,
    authority: Authority,
    private_range: str,
    edge: Edge,
    habits: Habits | None = None,
    clock: Clock | None = None,
) -> Starlette:
    """Builds the API. Its lifespan brings rooms, zones and keys to what the store says before the first answer.

    Args:
        store: what was promised.
        room: machines and network.
        token: the one bearer token it knows.
        names: the name server behind domains.
        bucket_keys: the object store's list of keys.
        authority: vouches for managed databases.
        private_range: the block private addresses are from.
        edge: what stands for Cloudflare.
        habits: what to do as other vendors do.
        clock: for the rate limit.
    """
    habits, clock = habits or Habits(), clock or SystemClock()
    guard = Guard(store, room, private_filtering=habits.private_filtering)
    machines = Machines(store, room, guard)
    clusters = Clusters(store, room, guard, authority, clock)
    vpcs = Vpcs(store, private_range)
    domains = Domains(store, names, edge)
    spaces_keys = SpacesKeys(store, bucket_keys)
    resources = (
        AccountApi(store, _account_id(store)),
        Catalogue(store),
        Tags(store, guard),
        vpcs,
        Droplets(store, room, machines, vpcs, guard),
        DropletActions(store, machines, snapshots=habits.snapshots),
        Snapshots(store, machines),
        Firewalls(store, guard),
        domains,
        Cloudflare(store, domains),
        spaces_keys,
        Databases(store, room, clusters, guard, vpcs, offered=habits.managed_databases),
    )
    limit = RateLimit(habits.requests_per_hour, clock, refuse_every=habits.refuse_every)
    door = _Door(token, limit, store, fail_every=habits.fail_every)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for reconcile in (machines.reconcile, clusters.reconcile, domains.reconcile, spaces_keys.reconcile):
            await run_in_threadpool(reconcile)
        yield
        await run_in_threadpool(clusters.close)
        await run_in_threadpool(machines.close)

    operations = [operation for resource in resources for operation in resource.operations()]
    return Starlette(
        routes=[
            # public, as the vendor's own is: machines ask for it, and have no token
            Route("/client/v4/ips", lambda _request: Response(edge.listed(), media_type="application/json")),
            *(Route(o.path, door.endpoint(o), methods=[o.method]) for o in operations),
        ],
        exception_handlers={HTTPException: door.no_route},
        lifespan=lifespan,
    )


class _Door:
    """Lets requests with the token in and gives every answer its headers."""

    def __init__(self, token: Secret, limit: RateLimit, store: Store, *, fail_every: int) -> None:
        self._store = store
        self._token = token
        self._limit = limit
        self._fail_every = fail_every
        self._admitted = itertools.count(1)

    def endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        """What Starlette calls for one operation."""

        async def serve(request: Request) -> Response:
            try:
                self._check(request)
                call = await _read(request)
                answer = await run_in_threadpool(self._perform, operation, call)
            except ApiError as error:
                return self._refusal(error)
            except Exception:
                LOG.exception("%s %s failed", operation.method, operation.path)
                return self._refusal(ApiError(500, "server_error", "Unexpected server-side error"))
            return self._answer(answer)

        return serve

    def _perform(self, operation: Operation, call: Call) -> Answer:
        if operation.method != "GET":
            return operation.endpoint(call)
        with self._store.reading():
            return operation.endpoint(call)

    async def no_route(self, request: Request, error: Exception) -> Response:
        """What has no route: 401 comes first here too."""
        try:
            self._check(request)
        except ApiError as refused:
            return self._refusal(refused)
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 405:
            return self._refusal(ApiError(405, "method_not_allowed", "This method is not allowed here."))
        return self._refusal(ApiError(404, "not_found", "The resource you were accessing could not be found."))

    def _check(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        known = hmac.compare_digest(given.strip().encode(), self._token.reveal().encode())
        if scheme.lower() != "bearer" or not known:
            raise ApiError(401, "unauthorized", "Unable to authenticate you")
        if not self._limit.admit():
            raise ApiError(429, "too_many_requests", "API Rate limit exceeded.")
        if self._fail_every and next(self._admitted) % self._fail_every == 0:
            raise ApiError(500, "server_error", "Unexpected server-side error")

    def _answer(self, answer: Answer) -> Response:
        headers = {**self._limit.headers(), "x-request-id": str(uuid.uuid4())}
        if answer.body is None:
            return Response(status_code=answer.status, headers=headers)
        return JSONResponse(answer.body, answer.status, headers=headers)

    def _refusal(self, error: ApiError) -> Response:
        headers = self._limit.headers()
        request_id = str(uuid.uuid4())
        if error.status == 429:
            headers["retry-after"] = str(self._limit.wait_s())
        body = {"id": error.id, "message": error.message, "request_id": request_id}
        return JSONResponse(body, error.status, headers={**headers, "x-request-id": request_id})


async def _read(request: Request) -> Call:
    raw = await request.body()
    body = {}
    if raw:
        try:
            body = json.loads(raw)
        except ValueError:
            raise ApiError(400, "bad_request", "The request body is not JSON.") from None
        if not isinstance(body, dict):
            raise ApiError(400, "bad_request", "The request body is no JSON object.")
    origin = f"{request.url.scheme}://{request.url.netloc}"
    return Call(
        path={key: str(value) for key, value in request.path_params.items()},
        query=dict(request.query_params),
        body=body,
        url=f"{origin}{request.url.path}",
        origin=origin,
    )


def _account_id(store: Store) -> str:
    with store.transaction():
        account = store.get("account", "self")
        if account is None:
            account = {"uuid": str(uuid.uuid4())}
            store.put("account", "self", account)
    id_: str = account["uuid"]
    return id_
