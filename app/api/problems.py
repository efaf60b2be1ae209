"""What went wrong, as application/problem+json (RFC 9457) with a stable `code`; sentences for people are the client's.

429 and 503 always say when to come back, each a little differently, so that those who were turned away together do not
return together. What was not foreseen is 500 `internal_error`: its body tells nothing, the log has it by the same id.
"""

from __future__ import annotations

import logging
import math
import secrets
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from app import telemetry
from app.api.exchange import NO_STORE, Answer
from app.errors import (
    InkfastError,
    JournalUnavailableError,
    MalformedRequestError,
    NotFoundError,
    NotPermittedError,
    OverloadedError,
    RecordsUnavailableError,
    RequestTooLargeError,
    SeqGapError,
    SignInRequiredError,
    TooManyRequestsError,
    UnreadableRequestError,
    UnsupportedMediaTypeError,
)
from app.jitter import jittered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar import Request
    from litestar.types import HTTPScope

_PROBLEM: Final = "application/problem+json"
MEDIA_TYPE: Final = _PROBLEM.encode()
RETRY_AFTER_S: Final = 5
FAULTS_MAX: Final = 20


class Problem(Struct):
    """Body of every answer that is an error."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    params: dict[str, Any]


# What Litestar itself can find wrong before a handler runs; its own sentences may quote what was sent.
_OF_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("unreadable_request", "The request cannot be read."),
    401: ("sign_in_required", "Sign in first."),
    403: ("not_permitted", "This is not yours to see or to change."),
    404: ("not_found", "There is no such thing."),
    405: ("method_not_allowed", "This cannot be done here."),
    413: ("request_too_large", "The body is too large."),
    415: ("unsupported_media_type", "The body has to be application/json."),
    422: ("malformed_request", "The form of the request is wrong."),
}
_encode = msgspec.json.Encoder(enc_hook=str).encode


def answer(
    status: int, code: str, detail: str, params: dict[str, Any] | None = None, *, retry_after_s: int | None = None
) -> Answer:
    """Return a problem as an answer."""
    title = code.replace("_", " ").capitalize()
    body = _encode(Problem(f"urn:inkfast:problem:{code}", title, status, code, detail, params or {}))
    made = Answer(body, status=status, media_type=MEDIA_TYPE, headers=(NO_STORE,))
    if status in {429, 503}:
        made.add_header((b"retry-after", b"%d" % _spread(retry_after_s or RETRY_AFTER_S, status)))
    elif status == 401:
        made.add_header((b"www-authenticate", b"Bearer"))
    return made


def _spread(seconds: int, status: int) -> int:
    # 429 knows when the caller may come back; 503 only guesses, and spreads its guess wide.
    return math.ceil(jittered(seconds, 1, 1.5 if status == 429 else 3))


def of_error(error: InkfastError) -> Answer:
    """Return one of our own errors as an answer. What is wrong with the machine is told in general words only."""
    detail = error.detail if error.status < 500 else (error.__doc__ or "").split(". ", 1)[0].rstrip(".") + "."
    return answer(error.status, error.code, detail, error.params, retry_after_s=error.retry_after_s)


def of_exception(scope: HTTPScope, error: Exception) -> Answer:
    """Return what a handler has raised as an answer: one of our own errors, or what nobody foresaw."""
    if isinstance(error, InkfastError):
        return of_error(error)
    request_id = report(scope, error)
    if isinstance(error, RecursionError):
        # JSON nested so deeply that the decoder gave up; logged, in case it was we who ran in a circle.
        return answer(400, *_OF_STATUS[400])
    return answer(500, "internal_error", "Something unexpected went wrong.", {"request_id": request_id})


def _of_validation(_request: Request[Any, Any, Any], error: ValidationException) -> Answer:
    """Litestar's 400 for a request that can be read and does not fit: the place and the reason, not the value."""
    faults = [
        {"at": str(fault.get("key", ""))[:100], "reason": str(fault.get("message", ""))[:200]}
        for fault in (error.extra if isinstance(error.extra, list) else [])[:FAULTS_MAX]
        if isinstance(fault, dict)
    ]
    return answer(422, *_OF_STATUS[422], {"faults": faults} if faults else None)


def _of_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Answer:
    known = _OF_STATUS.get(error.status_code)
    if known is None:
        return of_exception(request.scope, error)
    made = answer(error.status_code, *known)
    if isinstance(error, MethodNotAllowedException) and error.headers:
        made.add_header((b"allow", str(error.headers.get("allow", "")).encode()))
    return made


def report(scope: HTTPScope, error: Exception) -> str:
    """Log what nobody foresaw; return the id under which the log has it."""
    request_id = secrets.token_hex(8)
    telemetry.UNEXPECTED_ERRORS.labels(type(error).__name__).inc()
    telemetry.log(
        telemetry.Event.REQUEST_FAILED,
        level=logging.ERROR,
        error=error,
        request_id=request_id,
        method=scope["method"],
        route=scope.get("path_template", "unmatched"),
    )
    return request_id


# An Answer is all that Litestar asks of the response of an exception handler.
EXCEPTION_HANDLERS: Final[dict[int | type[Exception], Any]] = {
    ValidationException: _of_validation,
    HTTPException: _of_http_exception,
    Exception: lambda request, error: of_exception(request.scope, error),
}

_DOCUMENTED: Final[tuple[type[InkfastError], ...]] = (
    UnreadableRequestError,
    SignInRequiredError,
    NotPermittedError,
    NotFoundError,
    SeqGapError,
    RequestTooLargeError,
    UnsupportedMediaTypeError,
    MalformedRequestError,
    TooManyRequestsError,
    JournalUnavailableError,
)


def documented(*statuses: int) -> dict[int, ResponseSpec]:
    """Return what the OpenAPI document says about the problems that an endpoint can answer with."""
    specs: dict[int, ResponseSpec] = {}
    for status in statuses:
        words = [cls.__doc__ or "" for cls in _DOCUMENTED if cls.status == status]
        if status == 503:
            words = [cls.__doc__ or "" for cls in (JournalUnavailableError, RecordsUnavailableError, OverloadedError)]
        specs[status] = ResponseSpec(
            data_container=Problem, description=" ".join(words), generate_examples=False, media_type=_PROBLEM
        )
    return specs
