"""AWS on paper: moto's server on loopback, seen through botocore's events.

Each request is judged by AWS's own models, which botocore holds (what they refuse is never sent) and by moto; what
moto lets pass and AWS does not is in :mod:`tests.providers.aws.aws_habits`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import botocore.session
import httpx
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError, ResponseStreamingError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import ThreadedMotoServer
from werkzeug.test import Client

from state.secret import Secret
from tests.providers.aws.aws_habits import Habits
from tests.providers.fake import Fault

KEY = Secret("AKIA0123456789ABCDEF")
SECRET = Secret("0f/" + "Zx9+" * 9 + "q")
REGION = "eu-central-1"
_ACCOUNT = "123456789012"

#: Official images as their publishers name them: owner, name, first disk, made on that day of 2026.
IMAGES = (
    ("136693071363", "debian-12-amd64-20260101-1", "/dev/xvda", 1),
    ("136693071363", "debian-12-amd64-20260301-9", "/dev/xvda", 60),
    ("136693071363", "debian-12-amd64-20260201-5", "/dev/xvda", 32),
    ("136693071363", "debian-12-backports-amd64-20260401-2", "/dev/xvda", 91),
    ("136693071363", "debian-13-amd64-20260301-9", "/dev/xvda", 60),
    ("136693071363", "debian-11-amd64-20260301-9", "/dev/xvda", 60),
    ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260301", "/dev/sda1", 60),
    ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20260301", "/dev/sda1", 60),
    ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-oracular-24.10-amd64-server-20260301", "/dev/sda1", 60),
    ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-plucky-25.04-amd64-server-20260301", "/dev/sda1", 60),
    ("999999999999", "debian-12-amd64-20260601-1", "/dev/xvda", 150),
)

#: Answers of refusal that the driver asks for on purpose: a look for what may be gone, a deletion that waits, a dry
#: run. All others are faults of the driver.
EXPECTED = frozenset(
    {
        "DBInstanceNotFound",
        "DependencyViolation",
        "DryRunOperation",
        "IncorrectInstanceState",
        "InvalidDBInstanceState",
        "InvalidInstanceID.NotFound",
        "InvalidVpcID.NotFound",
        "NoSuchEntity",
        "ParameterNotFound",
        "InvalidClientTokenId",
        "InvalidAMIID.Unavailable",
        "InvalidAMIID.NotFound",
        "DBSubnetGroupNotFoundFault",
        "FileSystemNotFound",
    }
)


class Cloud:
    """moto with AWS's habits, and what was asked of it.

    Attributes:
        asked: each request as (operation, parameters).
        refused: codes of the answers that were refusals.
        problems: requests that AWS's own models refuse.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        # The server's own application, without the way through a socket: half of the time went there.
        self._moto = Client(DomainDispatcherApplication(create_backend_app))
        self._plain: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        """A new account."""
        moto_api_backend.reset()
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.refused: list[str] = []
        self.problems: list[str] = []
        self.habits = Habits(self.look)
        self._laid: list[tuple[str, int, Fault]] = []
        backend = ec2_backends[_ACCOUNT][REGION]
        for number, (owner, name, root, day) in enumerate(IMAGES):
            made = Ami(
                backend,
                f"ami-{number:017x}",
                name=name,
                owner_id=owner,
                virtualization_type="hvm",
                architecture="x86_64",
                root_device_type="ebs",
                root_device_name=root,
                creation_date=datetime.fromordinal(datetime(2026, 1, 1, tzinfo=UTC).toordinal() + day - 1),
                region_name=f"{REGION}a",
                public=True,
            )
            backend.amis[made.id] = made

    def look(self, service: str) -> Any:
        """A client whose requests nobody watches."""
        if service not in self._plain:
            client = botocore.session.Session().create_client(
                service,
                region_name=REGION,
                endpoint_url=self.url,
                aws_access_key_id="looker",
                aws_secret_access_key="looker",
            )
            client.meta.events.register("before-send", lambda request, **_: self._ask(request))
            self._plain[service] = client
        return self._plain[service]

    def operations(self) -> list[str]:
        """The names of all operations that were asked for, in order."""
        return [operation for operation, _ in self.asked]

    def lay(self, _method: str, operation: str, fault: Fault, *, times: int = 1) -> None:
        """That fault meets the next requests of that operation, as :meth:`tests.providers.fake.Faulty.lay` does it."""
        self._laid.append((operation, times, fault))

    def watch(self, client: Any) -> None:
        """Stands between a client of the driver's and moto."""
        events, secret = client.meta.events, client._request_signer._credentials.secret_key

        def asked(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> dict[str, Any]:
            self.asked.append((model.name, params))
            self.problems.append(f"{model.name} was never sent")  # taken away when its turn comes
            context["asked"] = params
            return self.habits.adapted(model.name, params)

        def judged(model: Any, context: dict[str, Any], **_: Any) -> Any:
            self.problems.remove(f"{model.name} was never sent")
            service = str(model.service_model.service_name)
            try:
                if service == "sts" and secret != SECRET.reveal():
                    self.habits.new_key_is_known(model.name)
                elif secret != SECRET.reveal():
                    raise refusal(
                        "AuthFailure", "AWS was not able to validate the provided access credentials", model.name, 401
                    )
                return self.habits.before(model.name, context["asked"])
            except ClientError as error:
                self.refused.append(error.response["Error"]["Code"])
                raise

        def answered(http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
            if http_response.status_code >= 400 and isinstance(http_response, Laid):
                return  # a fault that was laid
            if http_response.status_code >= 400:
                self.refused.append(str(parsed["Error"]["Code"]))
                return
            try:
                self.habits.after(model.name, context["asked"], parsed)
            except ClientError as error:
                self.refused.append(error.response["Error"]["Code"])
                raise

        events.register("provide-client-params", asked)
        events.register("before-call", judged)
        events.register("before-send", self._send)
        events.register("after-call", answered)

    def _ask(self, request: Any) -> AWSResponse:
        answer = self._moto.open(
            request.url.removeprefix(self.url),
            base_url=self.url,
            method=request.method,
            headers=[
                (name, value.decode() if isinstance(value, bytes) else value) for name, value in request.headers.items()
            ],
            data=request.body or b"",
        )
        return Whole(request.url, answer.status_code, dict(answer.headers), answer.data)

    def _send(self, request: Any, event_name: str, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        for number, (name, times, fault) in enumerate(self._laid):
            if name == operation:
                self._laid[number : number + 1] = [(name, times - 1, fault)] if times > 1 else []
                return self._faulty(request, operation, fault)
        return self._ask(request)

    def _faulty(self, request: Any, operation: str, fault: Fault) -> AWSResponse:
        """The faults of all drivers' tests speak httpx; this translates both ways."""

        def go_on() -> httpx.Response:
            answer = self._ask(request)
            if operation == "RunInstances":
                params = next(params for name, params in reversed(self.asked) if name == operation)
                found = re.search(r"<instanceId>(i-\w+)</instanceId>", answer.text)
                assert found
                self.habits.remember_lost(params, found[1])
            return httpx.Response(answer.status_code, content=answer.content)

        try:
            response = fault(httpx.Request("POST", request.url), go_on)
            response.read()
        except httpx.ReadTimeout as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except httpx.ReadError as error:
            raise ConnectionClosedError(endpoint_url=request.url, request=request, error=error) from error
        except httpx.RemoteProtocolError as error:
            raise ResponseStreamingError(error=error) from error
        return Laid(request.url, response.status_code, dict(response.headers), response.content)


class Whole(AWSResponse):
    """An answer that came from no socket."""

    def __init__(self, url: str, status: int, headers: Mapping[str, str], content: bytes) -> None:
        super().__init__(url, status, headers, None)
        self._content = content


class Laid(Whole):
    """The answer of a fault."""


def refusal(code: str, message: str, operation: str, status: int = 400) -> ClientError:
    """As botocore raises it."""
    told = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, operation)  # type: ignore[arg-type]


def xml_refusal(code: str, status: int) -> Fault:
    """A fault: EC2 answers with that code."""

    def answer(_request: httpx.Request, _go_on: Callable[[], httpx.Response]) -> httpx.Response:
        body = f"<Response><Errors><Error><Code>{code}</Code><Message>no</Message></Error></Errors></Response>"
        return httpx.Response(status, text=body)

    return answer


@contextmanager
def moto_server() -> Iterator[str]:
    """moto on a free port of loopback."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
        assert server._server is not None
        server._server.server_close()
