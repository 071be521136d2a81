"""The client under all drivers: what it repeats, how long, and what it never says."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from providers.http import Api, BearerToken, Patience
from providers.operations import Dialect, Operation, Refusal
from state.errors import Conflict, NotFound, ProviderError, RateLimited, Unauthorized, Unavailable
from state.secret import Secret
from tests.providers.scripted import FakeClock, HalfAnswer, Scripted, Step, answer

TOKEN = Secret("canary-token-0123456789")
GET = Operation("GET", "/things/{id}").at(id="7")
LIST = Operation("GET", "/things", "things")
CREATE = Operation("POST", "/things")
TIMEOUT = httpx.ReadTimeout("timed out")
NO_ROUTE = httpx.ConnectError("[Errno 111] Connection refused")


def next_page(body: Any, query: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return {**query, "page": body["next"]} if body.get("next") else None


DIALECT = Dialect(
    "Cloudy",
    explain=lambda _status, body: Refusal(ProviderError, body["message"]) if body and "message" in body else None,
    next_page=next_page,
    first_page={"size": 2},
    total=lambda body: body.get("total"),
)


def client(
    *steps: Step, clock: FakeClock | None = None, jitter: Callable[[], float] = lambda: 1.0
) -> tuple[Api, Scripted, FakeClock]:
    clock = clock or FakeClock()
    transport = Scripted(*steps)
    api = Api(
        DIALECT,
        "https://cloudy.example",
        BearerToken(TOKEN, DIALECT.label),
        (TOKEN,),
        clock,
        transport=transport,
        patience=Patience(),
        jitter=jitter,
    )
    return api, transport, clock


def test_the_token_is_sent_and_blanks_in_a_path_are_quoted() -> None:
    api, transport, _ = client(answer(200, {}))
    api.call(Operation("GET", "/things/{id}").at(id="a/../b c"))
    assert transport.lines() == ["GET /things/a%2F..%2Fb%20c"]
    assert transport.asked[0].headers["Authorization"] == f"Bearer {TOKEN.reveal()}"


@pytest.mark.parametrize("fault", [answer(500), answer(503), TIMEOUT, NO_ROUTE, httpx.ReadError("reset")])
def test_what_may_be_repeated_is_repeated_with_growing_pauses(fault: Step) -> None:
    faults = [fault if isinstance(fault, Exception) else answer(fault.status_code) for _ in range(4)]
    api, _, clock = client(*faults, answer(200, {"ok": True}))
    assert api.call(GET) == {"ok": True}
    assert clock.slept == [0.5, 1.0, 2.0, 4.0]


def test_pauses_are_drawn_from_nothing_to_the_longest() -> None:
    for share in (0.0, 0.25, 1.0):
        api, _, clock = client(*(answer(500) for _ in range(8)), answer(200, {}), jitter=lambda share=share: share)
        api.call(GET)
        assert clock.slept == [share * pause for pause in (0.5, 1, 2, 4, 8, 16, 20, 20)]


def test_retry_after_is_honoured_in_seconds_and_as_a_date() -> None:
    clock = FakeClock()
    api, _, _ = client(
        answer(429, Retry_After="7"),
        lambda _request: answer(429, Retry_After=formatdate(clock.now() + 9, usegmt=True)),
        answer(200, {}),
        clock=clock,
        jitter=lambda: 0.0,
    )
    api.call(GET)
    assert clock.slept == [7.0, pytest.approx(9.0, abs=1)]


def test_a_limit_longer_than_the_deadline_is_told_at_once() -> None:
    api, transport, clock = client(answer(429, {"message": "API Rate limit exceeded."}, Retry_After="3000"))
    with pytest.raises(RateLimited) as caught:
        api.call(GET)
    assert clock.slept == []
    assert len(transport.asked) == 1
    assert "API Rate limit exceeded." in caught.value.detail
    assert "3000 s" in caught.value.hint


def test_a_limited_create_is_repeated_since_nothing_happened() -> None:
    api, transport, _ = client(answer(429, Retry_After="1"), NO_ROUTE, answer(201, {"id": 1}))
    assert api.call(CREATE, body={"name": "a"}) == {"id": 1}
    assert len(transport.asked) == 3


@pytest.mark.parametrize("fault", [answer(500), answer(502), TIMEOUT, httpx.ReadError("reset")])
def test_a_create_whose_answer_is_lost_is_never_repeated_blindly(fault: Step) -> None:
    api, transport, _ = client(fault)
    with pytest.raises(Unavailable):
        api.call(CREATE, body={"name": "a"})
    assert len(transport.asked) == 1


def test_it_gives_up_at_its_deadline() -> None:
    clock = FakeClock()
    api, _, _ = client(*(answer(503) for _ in range(50)), clock=clock)
    began = clock.monotonic()
    with pytest.raises(Unavailable) as caught:
        api.call(GET)
    assert clock.monotonic() - began <= Patience().call_s
    assert "tries" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, ProviderError), (401, Unauthorized), (403, Unauthorized), (404, NotFound), (409, Conflict)],
)
def test_refusals_carry_the_vendors_words_and_are_not_repeated(status: int, error: type[ProviderError]) -> None:
    api, transport, _ = client(answer(status, {"message": "because of the moon"}))
    with pytest.raises(error) as caught:
        api.call(GET)
    assert len(transport.asked) == 1
    assert "because of the moon" in caught.value.text()
    assert caught.value.summary.startswith("Cloudy ")


def test_a_redirect_does_not_take_the_token_elsewhere() -> None:
    api, transport, _ = client(answer(302, Location="https://elsewhere.example/"))
    with pytest.raises(ProviderError):
        api.call(GET)
    assert len(transport.asked) == 1


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"things": [{"id"'])
def test_an_answer_that_is_not_whole_is_asked_for_again(text: bytes) -> None:
    api, _, _ = client(httpx.Response(200, content=text), answer(200, {"things": [], "total": 0}))
    if text:
        assert api.listed(LIST, lambda item: item) == []
    else:
        with pytest.raises(Unavailable, match="form"):
            api.listed(LIST, lambda item: item)


def test_a_body_that_breaks_off_is_asked_for_again() -> None:
    api, transport, _ = client(httpx.Response(200, stream=HalfAnswer()), answer(200, {"ok": 1}))
    assert api.call(GET) == {"ok": 1}
    assert len(transport.asked) == 2


def test_an_answer_that_dribbles_ends() -> None:
    clock = FakeClock()

    class Dribble(httpx.SyncByteStream):
        def __iter__(self):  # type: ignore[no-untyped-def]
            while True:
                clock.time += 5
                yield b" "

    api, _, _ = client(*(httpx.Response(200, stream=Dribble()) for _ in range(50)), clock=clock)
    with pytest.raises(Unavailable):
        api.call(GET)


def test_an_answer_without_end_is_not_read() -> None:
    class Flood(httpx.SyncByteStream):
        def __iter__(self):  # type: ignore[no-untyped-def]
            while True:
                yield b" " * 1024 * 1024

    api, _, _ = client(httpx.Response(201, stream=Flood()))
    with pytest.raises(Unavailable):
        api.call(CREATE, body={})


def test_pages_are_read_to_the_end_and_nothing_twice() -> None:
    api, transport, _ = client(
        answer(200, {"things": [{"id": 1}, {"id": 2}], "next": 2, "total": 3}),
        answer(200, {"things": [{"id": 2}, {"id": 3}], "total": 3}),
    )
    assert [item["id"] for item in api.listed(LIST, lambda item: item, query={"tag": "x"})] == [1, 2, 3]
    assert transport.lines() == ["GET /things?tag=x&size=2", "GET /things?tag=x&size=2&page=2"]


def test_a_list_that_shrank_between_two_pages_is_read_again() -> None:
    api, _, _ = client(
        answer(200, {"things": [{"id": 1}, {"id": 2}], "next": 2, "total": 4}),
        # 1 was deleted meanwhile: 3 moved to the page already read.
        answer(200, {"things": [{"id": 4}], "total": 3}),
        answer(200, {"things": [{"id": 2}, {"id": 3}], "next": 2, "total": 3}),
        answer(200, {"things": [{"id": 4}], "total": 3}),
    )
    assert [item["id"] for item in api.listed(LIST, lambda item: item)] == [2, 3, 4]


def test_pages_without_end_are_refused() -> None:
    pages = (answer(200, {"things": [{"id": 1}], "next": 1}) for _ in range(5))
    api, _, _ = client(*pages)
    with pytest.raises(ProviderError, match="never end"):
        api.listed(LIST, lambda item: item, query={"page": 1})


def test_a_create_is_adopted_after_its_answer_was_lost() -> None:
    made: list[int] = []

    def make(_request: httpx.Request) -> httpx.Response:
        made.append(1)
        raise TIMEOUT

    api, transport, clock = client(make)
    looks = iter([None, None, None, "the one"])
    assert api.create(CREATE, body={}, find=lambda: next(looks), reader=str) == "the one"
    assert made == [1]
    assert len(transport.asked) == 1
    assert sum(clock.slept) <= Patience().settle_s


def test_a_create_that_never_appears_is_asked_for_again() -> None:
    api, transport, _ = client(TIMEOUT, answer(201, {"id": 5}))
    assert api.create(CREATE, body={}, find=lambda: None, reader=lambda body: body["id"]) == 5
    assert len(transport.asked) == 2


def test_a_create_that_is_there_is_not_asked_for() -> None:
    api, transport, _ = client()
    assert api.create(CREATE, body={}, find=lambda: "there", reader=str) == "there"
    assert transport.asked == []


def test_a_create_that_another_run_won_is_adopted() -> None:
    api, _, _ = client(answer(409, {"message": "taken"}))
    looks = iter([None, "theirs"])
    assert api.create(CREATE, body={}, find=lambda: next(looks), reader=str) == "theirs"


def test_a_name_that_somebody_else_has_is_a_conflict() -> None:
    api, _, _ = client(answer(409, {"message": "taken"}))
    with pytest.raises(Conflict, match="taken"):
        api.create(CREATE, body={}, find=lambda: None, reader=str)


@pytest.mark.parametrize(
    "fault",
    [
        answer(401, {"message": f"the token {TOKEN.reveal()} is wrong"}),
        answer(500, {"message": TOKEN.reveal()}),
        httpx.ReadError(f"while sending Bearer {TOKEN.reveal()}"),
        httpx.ConnectError(TOKEN.reveal()),
        TIMEOUT,
        httpx.Response(201, content=TOKEN.reveal().encode()),
        answer(201, {"what": TOKEN.reveal()}),
    ],
)
def test_the_token_is_in_no_error_log_or_repr(fault: Step, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api, _, _ = client(*(fault for _ in range(60)))
    with pytest.raises(ProviderError) as caught:
        api.read(CREATE, lambda body: body["id"], body={"name": "a"})
    error = caught.value
    frames = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), capture_locals=True)
    ours = [str(frame.locals) for frame in frames if "tests" not in frame.filename]
    assert ours
    shown = traceback.format_exception(error)
    for text in (*ours, *shown, error.text(), repr(error), repr(api), caplog.text):
        assert TOKEN.reveal() not in text


@pytest.mark.parametrize("text", ["two words-0123456789", "line\nbreak-0123456789", "tökèn-0123456789"])
def test_a_token_no_header_can_carry_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        BearerToken(Secret(text), DIALECT.label)
    assert text not in caught.value.text()
