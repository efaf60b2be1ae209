"""docs/openapi.json is what the code makes and what the service does: never a 500, never an answer not in it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import httpx
import pytest
import redis
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.model.grants import Grant, derive_grant_key, mint
from ops.openapi import PAGE, made
from tests.school import add_teacher, enroll
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.servers import ValkeyServer

ROOT = Path(__file__).parents[2]
SECRET = "for-schemathesis-and-long-enough-0123456789"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
schema = schemathesis.openapi.from_dict(json.loads(PAGE.read_text()))
few = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Service(NamedTuple):
    """A running API process, and a teacher of one of its sections."""

    url: str
    user_id: int
    section_id: int

    def bearer(self) -> dict[str, str]:
        """A grant of its own for each request: a sign-out among them ends only that one."""
        now = int(time.time())
        roles, sections = ("teacher", "districtAdministrator"), frozenset({self.section_id})
        grant = Grant(secrets.token_urlsafe(16), self.user_id, None, roles, (1,), sections, now, now + 900, "Ann Lee")
        return {"Authorization": f"Bearer {mint(grant, derive_grant_key(SECRET))}"}


@pytest.fixture(scope="module")
def service(module_database_url: str, valkey: ValkeyServer) -> Iterator[Service]:
    with redis.Redis.from_url(valkey.url) as journal:
        journal.flushall()
    user_id, section_id = asyncio.run(_school(module_database_url))
    with socket.create_server(("127.0.0.1", 0)) as listener:  # a port that was only chosen may be taken meanwhile
        process = subprocess.Popen(
            [sys.executable, "-m", "app.main", "--fd", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            env={"DATABASE_URL": module_database_url, "REDIS_URL": valkey.url, "INKFAST_SECRET_KEY": SECRET},
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            until(lambda: _is_ready(url), timeout_s=120, what="readiness")
            yield Service(url, user_id, section_id)
        finally:
            process.kill()
            process.wait()


async def _school(database_url: str) -> tuple[int, int]:
    connection = await asyncpg.connect(database_url)
    try:
        # Far from the numbers that are tried first: a stream of events of one's own section would not end.
        await connection.execute("SELECT setval(pg_get_serial_sequence('section', 'section_id'), 3999871)")
        user_id, (section_id,) = await add_teacher(connection, "teacher")
        student, _ = await add_teacher(connection, "student")
        await enroll(connection, section_id, student, "student")
        return user_id, section_id
    finally:
        await connection.close()


def _is_ready(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", timeout=5).is_success
    return False


def _check_answer(service: Service, case: Any) -> None:
    """Look up every answer in the document, until it is one of a service that has time.

    One that was held up for two seconds turns the next reading away: that is in the document too, with a time to come
    back, and says nothing of the others.
    """

    def is_served() -> bool:
        response = case.call(base_url=service.url, headers=service.bearer())
        case.validate_response(response, checks=CHECKS)
        is_refused = response.status_code == 503 and response.json()["code"] == "overloaded"
        return not (is_refused and "retry-after" in response.headers)

    until(is_served, timeout_s=60, what="an answer")


def test_the_document_is_what_the_code_makes() -> None:
    assert PAGE.read_text() == made(), "run `python -m ops.openapi --write`"


def test_the_document_speaks_of_this_machine_nowhere() -> None:
    assert not any(text in PAGE.read_text() for text in ("http://", "https://", str(ROOT), "127.0.0.1"))


@schema.parametrize()
@few
def test_whatever_is_sent_the_answer_is_in_the_document(service: Service, case: Any) -> None:
    _check_answer(service, case)


@schema.include(path_regex="section_id").parametrize()
@few
def test_what_is_sent_about_ones_own_section_is_answered_by_the_document(service: Service, case: Any) -> None:
    case.path_parameters["section_id"] = service.section_id
    _check_answer(service, case)
