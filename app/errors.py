"""The closed set of errors that may leave the service: a stable code, an HTTP status, and whether to try again.

Sentences for people are made by the client (or the plain page) from `code` and `params`, in the person's language.
"""

from __future__ import annotations

from typing import Any, ClassVar


class InkfastError(Exception):
    """A whole request could not be served; per-edit trouble is a value, never an exception."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, params: dict[str, Any] | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.params = params or {}
        self.retry_after_s = retry_after_s


class MalformedRequestError(InkfastError):
    """The request's form is wrong; sending it again unchanged cannot help."""

    code = "malformed_request"
    status = 422


class UnreadableRequestError(InkfastError):
    """The body is not JSON at all."""

    code = "unreadable_request"
    status = 400


class RequestTooLargeError(InkfastError):
    """The body is over its limit; the client halves the batch."""

    code = "request_too_large"
    status = 413


class UnsupportedMediaTypeError(InkfastError):
    """The body has to be application/json."""

    code = "unsupported_media_type"
    status = 415


class SignInRequiredError(InkfastError):
    """No grant, or one that has expired or was revoked; the outbox is kept."""

    code = "sign_in_required"
    status = 401


class WrongPasswordError(InkfastError):
    """The user name or the password is wrong; which of them is not said."""

    code = "wrong_password"
    status = 401


class NotPermittedError(InkfastError):
    """Signed in, but this is not theirs to see or to change."""

    code = "not_permitted"
    status = 403


class NotFoundError(InkfastError):
    """No such thing."""

    code = "not_found"
    status = 404


class SeqGapError(InkfastError):
    """The first `seq` is above `drafted_seq` + 1: nothing was accepted; send from `params["expected_seq"]`."""

    code = "seq_gap"
    status = 409
    retryable = True


class TooManyRequestsError(InkfastError):
    """This caller goes too fast; always with Retry-After."""

    code = "too_many_requests"
    status = 429
    retryable = True


class JournalUnavailableError(InkfastError):
    """The journal could not take the edits; the outbox keeps them. Always with Retry-After."""

    code = "journal_unavailable"
    status = 503
    retryable = True


class RecordsUnavailableError(InkfastError):
    """PostgreSQL is needed for this and is away. Always with Retry-After."""

    code = "records_unavailable"
    status = 503
    retryable = True


class OverloadedError(InkfastError):
    """Waited too long in a queue. Always with Retry-After."""

    code = "overloaded"
    status = 503
    retryable = True
