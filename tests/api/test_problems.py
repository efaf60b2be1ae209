from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from app import errors
from app.api.exchange import Answer, read_body
from app.api.problems import EXCEPTION_HANDLERS, documented, of_error
from app.errors import InkfastError, JournalUnavailableError, OverloadedError, SeqGapError, TooManyRequestsError
from tests.api.conftest import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

ALL = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, InkfastError)]
SECRET = "Ada scored 17.5 in Algebra"


class Body(Struct):
    number: int


@get("/fails")
async def fails() -> Answer:
    raise ValueError(SECRET)


@get("/fails-with/{code:str}")
async def fails_with(code: FromPath[str]) -> Answer:
    cls = next(cls for cls in ALL if cls.code == code)
    raise cls(SECRET if cls.status >= 500 else "In words.", params={"n": 1})


@post("/takes", request_max_body_size=100)
async def takes(data: JSONBody[Body]) -> Answer:
    return Answer(str(data.number).encode())


@post("/takes-all")
async def takes_all(data: JSONBody[dict[str, Any]]) -> Answer:
    return Answer(json.dumps(data).encode())


@get("/numbers/{number:int}")
async def numbers(number: FromPath[int]) -> Answer:
    return Answer(str(number).encode())


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(
        [fails, fails_with, takes, takes_all, numbers],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    async with client_of(app) as client:
        yield client


def check_form(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = answer.json()
    assert set(problem) == {"type", "title", "status", "code", "detail", "params"}
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:inkfast:problem:{code}")
    return problem


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.code)
async def test_each_of_our_errors_is_a_problem(client: httpx.AsyncClient, cls: type[InkfastError]) -> None:
    answer = await client.get(f"/fails-with/{cls.code}")
    problem = check_form(answer, cls.status, cls.code)
    assert problem["params"] == {"n": 1}
    assert SECRET not in answer.text  # what is wrong with the machine is told in general words
    assert ("retry-after" in answer.headers) == (cls.status in {429, 503})
    assert ("www-authenticate" in answer.headers) == (cls.status == 401)


def test_no_two_errors_share_a_code_and_retryable_ones_may_be_tried_again() -> None:
    assert len({cls.code for cls in ALL}) == len(ALL)
    for cls in ALL:
        assert cls.retryable == (cls.status in {409, 429, 503})


@pytest.mark.parametrize(
    ("error", "low", "high"),
    [
        (JournalUnavailableError(""), 5, 15),
        (OverloadedError("", retry_after_s=2), 2, 6),
        (TooManyRequestsError("", retry_after_s=27), 27, 41),
    ],
)
def test_those_turned_away_together_do_not_return_together(error: InkfastError, low: int, high: int) -> None:
    said = {int(dict(of_error(error)._headers)[b"retry-after"]) for _ in range(300)}
    assert low <= min(said)
    assert max(said) <= high
    assert len(said) >= 4


def test_a_gap_says_what_is_expected() -> None:
    problem = json.loads(of_error(SeqGapError("", params={"expected_seq": 41}))._body)
    assert (problem["status"], problem["params"]) == (409, {"expected_seq": 41})


async def test_what_was_not_foreseen_tells_nothing_and_is_logged_by_its_id(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/fails")
    problem = check_form(answer, 500, "internal_error")
    assert "Ada" not in answer.text
    assert "Traceback" not in answer.text
    (record,) = [record for record in caplog.records if record.getMessage() == "request.failed"]
    fields: dict[str, Any] = record.fields  # type: ignore[attr-defined]  # app/telemetry.py puts it there
    assert fields["request_id"] == problem["params"]["request_id"]
    assert (fields["route"], fields["method"]) == ("/fails", "GET")
    assert fields["error"]["type"] == "builtins.ValueError"
    assert any("fails" in frame for frame in fields["error"]["frames"])
    assert "Ada" not in json.dumps(fields)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", b"", 404, "not_found"),
        ("GET", "/numbers/one", b"", 404, "not_found"),
        ("GET", "/numbers/" + "9" * 5000, b"", 404, "not_found"),
        ("GET", "/%00", b"", 404, "not_found"),
        ("POST", "/numbers/1", b"", 405, "method_not_allowed"),
        ("TRACE", "/numbers/1", b"", 405, "method_not_allowed"),
        ("BREW", "/numbers/1", b"", 405, "method_not_allowed"),
        ("POST", "/takes", b"{", 400, "unreadable_request"),
        ("POST", "/takes", b"\xff\xff", 400, "unreadable_request"),
        ("POST", "/takes", b"", 422, "malformed_request"),
        ("POST", "/takes", b"[]", 422, "malformed_request"),
        ("POST", "/takes", b'{"number":"seventeen"}', 422, "malformed_request"),
        ("POST", "/takes", b'{"number":1e999}', 400, "unreadable_request"),
        ("POST", "/takes", b" " * 101, 413, "request_too_large"),
    ],
)
async def test_what_the_framework_refuses_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    answer = await client.request(method, path, content=body, headers={"content-type": "application/json"})
    problem = check_form(answer, status, code)
    assert "seventeen" not in json.dumps(problem["params"])
    if status == 405:
        assert "GET" in answer.headers["allow"]


async def test_json_nested_without_end_is_unreadable(client: httpx.AsyncClient) -> None:
    body = b'{"a":' * 100_000
    answer = await client.post("/takes-all", content=body, headers={"content-type": "application/json"})
    check_form(answer, 400, "unreadable_request")


def test_the_document_knows_a_description_for_each_status() -> None:
    specs = documented(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
    assert all(spec.description for spec in specs.values())


async def body_of(parts: list[bytes], bytes_max: int) -> bytes:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        await asyncio.sleep(0)
        return messages.pop(0)

    return await read_body(receive, bytes_max)


async def test_a_body_is_read_whole_and_not_beyond_its_limit() -> None:
    assert await body_of([], 0) == b""
    assert await body_of([b"ab", b"", b"c"], 3) == b"abc"
    with pytest.raises(errors.RequestTooLargeError):
        await body_of([b"ab", b"cd"], 3)


async def test_a_client_that_leaves_in_the_middle_sent_nothing() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(errors.UnreadableRequestError):
        await read_body(receive, 10)
