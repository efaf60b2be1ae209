"""The OpenAPI document: generated, kept in docs/openapi.json, served nowhere.

Litestar knows paths and parameters. Bodies are read and written as bytes by the handlers themselves, so that their
forms are named here, by operation, and described by msgspec, which is what decodes and encodes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from litestar.openapi import OpenAPIConfig

from app import VERSION
from app.api import edits
from app.api.health import StatusView
from app.api.problems import Problem
from app.api.sections import History, SectionList
from app.api.session import Credentials, SessionView
from app.gradebook.read_section import SectionSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar import Litestar

JSON, TEXT, EVENTS = "application/json", "text/plain", "text/event-stream"
METHODS = ("get", "post", "put", "patch", "delete")


class Form(NamedTuple):
    """What an operation takes, and what it answers when all is well: by status a type, a media type, or nothing."""

    answers: dict[int, Any]
    takes: Any = None
    is_public: bool = False


FORMS: dict[str, Form] = {
    "SaveEdits": Form({200: edits.ANSWER}, edits.REQUEST),
    "ListSections": Form({200: SectionList}),
    "ReadSection": Form({200: SectionSnapshot, 304: None}),
    "ReadHistory": Form({200: History}),
    "WatchSections": Form({200: EVENTS}),
    "SignIn": Form({200: SessionView}, Credentials, is_public=True),
    "RenewSession": Form({200: SessionView}),
    "SignOut": Form({204: None}),
    "IsAlive": Form({200: TEXT}, is_public=True),
    "IsReady": Form({200: TEXT}, is_public=True),
    "ReadStatus": Form({200: StatusView}, is_public=True),
    "ReadMetrics": Form({200: TEXT}),
}
DESCRIPTIONS = {200: "Done.", 204: "Done; there is nothing to say.", 304: "It is what If-None-Match names."}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds until another try.", "schema": {"type": "integer"}}}
_ETAG = {"ETag": {"description": "Names this state of the section.", "schema": {"type": "string"}}}
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The grant of a sign-in or of `inkfast token`."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "inkfast_grant",
        "description": "With TLS `__Host-` before it.",
    },
}


def config() -> OpenAPIConfig:
    """Return what Litestar needs to describe paths and parameters."""
    return OpenAPIConfig(title="Inkfast", version=VERSION, use_handler_docstrings=True)


def document(app: Litestar) -> dict[str, Any]:
    """Return the document of an application that was built with `config()`."""
    made = app.openapi_schema.to_schema()
    described = [t for form in FORMS.values() for t in (*form.answers.values(), form.takes) if isinstance(t, type)]
    types = list(dict.fromkeys([*described, Problem]))
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(types, schemas, strict=True))
    for operation in _operations(made):
        _describe(operation, FORMS[operation["operationId"]], schema_of)
    return {
        "openapi": made["openapi"],
        "info": {**made["info"], "description": "What went wrong has a stable `code`; see docs/protocol.md."},
        "paths": {path: made["paths"][path] for path in sorted(made["paths"])},
        "components": {"schemas": dict(sorted(components.items())), "securitySchemes": _SECURITY_SCHEMES},
    }


def _operations(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, item in made["paths"].items():
        if path.startswith("/api/") or path in {"/livez", "/readyz", "/statusz", "/metrics"}:
            yield from (item[method] for method in METHODS if method in item)


def _describe(operation: dict[str, Any], form: Form, schema_of: dict[Any, Any]) -> None:
    problems = {
        status: _problem(int(status), answer, schema_of)
        for status, answer in operation["responses"].items()
        if "application/problem+json" in answer.get("content", {})
    }
    answers = {str(status): _answer(status, what, schema_of) for status, what in form.answers.items()}
    operation["responses"] = dict(sorted({**answers, **problems}.items()))
    operation.pop("summary", None)
    operation.pop("deprecated", None)
    if form.takes is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema_of[form.takes]}}}
    operation["security"] = [] if form.is_public else [{"bearer": []}, {"cookie": []}]


def _answer(status: int, what: Any, schema_of: dict[Any, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": DESCRIPTIONS[status]}
    if isinstance(what, str):
        answer["content"] = {what: {"schema": {"type": "string"}}}
    elif what is not None:
        answer["content"] = {JSON: {"schema": schema_of[what]}}
    if status == 304 or what is SectionSnapshot:
        answer["headers"] = _ETAG
    return answer


def _problem(status: int, answer: dict[str, Any], schema_of: dict[Any, Any]) -> dict[str, Any]:
    described = {
        "description": answer["description"],
        "content": {"application/problem+json": {"schema": schema_of[Problem]}},
    }
    return described | ({"headers": _RETRY_AFTER} if status in {429, 503} else {})
