from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app import telemetry
from app.api import guards
from app.api.guards import Guard
from app.errors import NotPermittedError, SignInRequiredError, UnsupportedMediaTypeError
from app.model.grants import Grant, derive_grant_key, mint
from app.settings import Settings
from tests.api.conftest import OWN_PAGE, client_of, running, services
from tests.school import PASSWORD, add_teacher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg
    import httpx
    from litestar import Litestar
    from litestar.types import HTTPScope

NOW = 1_800_000_000
SECRET = "s" * 40
KEY = derive_grant_key(SECRET)
GRANT = Grant("g" * 22, 12, None, ("teacher",), (1,), frozenset({4001}), NOW, NOW + 900, "Ann Lee")


class NoRevocations:
    """A set that is told what it holds."""

    def __init__(self) -> None:
        self.records_are_away = False
        self.refused: set[str] = set()

    def refuses(self, grant: Grant) -> bool:
        return grant.grant_id in self.refused


class Clock:
    def __init__(self) -> None:
        self.now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def revocations() -> NoRevocations:
    return NoRevocations()


@pytest.fixture
def make(clock: Clock, revocations: NoRevocations) -> Callable[..., Guard]:
    def guard(**changes: Any) -> Guard:
        settings = Settings(database_url="", redis_url="", secret_key=SECRET, **changes)
        return Guard(settings, revocations, now=clock)  # type: ignore[arg-type]  # it has what is used

    return guard


def request(method: str = "GET", path: str = "/api/v1/sections/4001", **headers: str) -> HTTPScope:
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "headers": pairs}  # type: ignore[typeddict-item]  # what is looked at


def bearer(grant: Grant = GRANT, secret: str = SECRET) -> str:
    return f"Bearer {mint(grant, derive_grant_key(secret))}"


def test_a_bearer_and_a_cookie_are_read(make: Callable[..., Guard]) -> None:
    guard = make()
    assert guard.teacher(request(authorization=bearer())) == GRANT
    assert guard.teacher(request(authorization=bearer().replace("Bearer", "bearer"))) == GRANT
    cookie = f"a=b; inkfast_grant={mint(GRANT, KEY)}; inkfast_grant2=x"
    assert guard.user(request(cookie=cookie)) == GRANT


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer ikg1.x.y.z"},
        {"authorization": bearer(secret="another secret of forty characters......")},
        {"authorization": bearer()[:-1]},
        {"authorization": bearer()[:60]},
        {"authorization": bearer() + "x"},
        {"authorization": "Bearer " + "é" * 100},
        {"authorization": "Bearer " + "x" * 1_000_000},
        {"authorization": f"Basic {mint(GRANT, KEY)}"},
        {"cookie": "inkfast_grant="},
        {"cookie": "inkfast_grant=\xff\xfe"},
        {"cookie": f"inkfast_login={mint(GRANT, KEY)}"},
        {"cookie": f"__Host-inkfast_grant={mint(GRANT, KEY)}"},
        {"cookie": ";;;===;;"},
        {"x_authorization": bearer()},
    ],
)
def test_without_a_grant_of_ours_one_has_to_sign_in(make: Callable[..., Guard], headers: dict[str, str]) -> None:
    with pytest.raises(SignInRequiredError):
        make().teacher(request(**headers))


def test_a_bearer_that_is_wrong_is_not_made_good_by_a_cookie(make: Callable[..., Guard]) -> None:
    with pytest.raises(SignInRequiredError):
        make().teacher(request(authorization="Bearer wrong", cookie=f"inkfast_grant={mint(GRANT, KEY)}"))


def test_its_term_is_looked_at_each_time_although_the_signature_is_not(
    make: Callable[..., Guard], clock: Clock
) -> None:
    guard = make()
    assert guard.teacher(request(authorization=bearer())) == GRANT
    clock.now = NOW + 900
    for reading in (guard.teacher, guard.user):
        with pytest.raises(SignInRequiredError) as caught:
            reading(request(authorization=bearer()))
        assert caught.value.params == {"reason": "expired"}


def test_while_postgresql_is_away_teaching_goes_on_past_the_term_and_nothing_else_does(
    make: Callable[..., Guard], clock: Clock, revocations: NoRevocations
) -> None:
    guard = make()
    revocations.records_are_away = True
    in_grace = telemetry.GRANTS_IN_GRACE._value.get()
    clock.now = NOW + 900 + 24 * 3600 - 1
    assert guard.teacher(request(authorization=bearer())) == GRANT
    assert telemetry.GRANTS_IN_GRACE._value.get() == in_grace + 1
    with pytest.raises(SignInRequiredError):
        guard.user(request(authorization=bearer()))
    revocations.records_are_away = False
    with pytest.raises(SignInRequiredError):
        guard.teacher(request(authorization=bearer()))
    revocations.records_are_away = True
    clock.now += 1
    with pytest.raises(SignInRequiredError):
        guard.teacher(request(authorization=bearer()))


def test_revocation_is_looked_at_each_time_also_in_the_grace(
    make: Callable[..., Guard], clock: Clock, revocations: NoRevocations
) -> None:
    guard = make()
    guard.teacher(request(authorization=bearer()))
    revocations.refused.add(GRANT.grant_id)
    with pytest.raises(SignInRequiredError):
        guard.teacher(request(authorization=bearer()))
    revocations.records_are_away = True
    clock.now = NOW + 1000
    with pytest.raises(SignInRequiredError):
        guard.teacher(request(authorization=bearer()))


def test_grants_of_the_secret_before_are_read_while_secrets_change(make: Callable[..., Guard]) -> None:
    old = bearer(secret="o" * 40)
    with pytest.raises(SignInRequiredError):
        make().teacher(request(authorization=old))
    assert make(secret_key_previous="o" * 40).teacher(request(authorization=old)) == GRANT


def test_what_is_kept_of_verified_grants_is_bounded(
    make: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "GRANTS_KEPT_MAX", 20)
    guard = make()
    for number in range(100):
        grant = msgspec.structs.replace(GRANT, user_id=number)
        assert guard.teacher(request(authorization=bearer(grant))) == grant
        with pytest.raises(SignInRequiredError):
            guard.teacher(request(authorization=f"Bearer forged{number}"))
        assert len(guard._verified) <= 20
    assert guard.teacher(request(authorization=bearer())) == GRANT


COOKIE = f"inkfast_grant={mint(GRANT, KEY)}"
JSON = {"content_type": "application/json"}


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "HTTP://127.0.0.1:8000"},
        {"origin": "http://gradebook.local:8000", "host": "gradebook.local:8000"},
    ],
)
def test_a_cookie_changes_something_from_our_own_pages(make: Callable[..., Guard], headers: dict[str, str]) -> None:
    for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        assert make().teacher(request("POST", cookie=COOKIE, content_type=kind, **headers)) == GRANT
    assert make().user(request("DELETE", cookie=COOKIE, **headers)) == GRANT


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": ""},
        {"sec_fetch_site": "cross-site", "origin": "http://127.0.0.1:8000"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:8000.evil.example"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://evil.example", "host": "127.0.0.1:8000"},
        {"referer": "http://127.0.0.1:8000/"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_cookie_changes_nothing_from_another_site(
    make: Callable[..., Guard], headers: dict[str, str], method: str
) -> None:
    with pytest.raises(NotPermittedError) as caught:
        make().teacher(request(method, cookie=COOKIE, **JSON, **headers))
    assert caught.value.params == {"reason": "other_site"}


def test_over_tls_the_host_alone_does_not_make_an_origin_ours(make: Callable[..., Guard]) -> None:
    guard = make(public_url="https://grades.example")
    cookie = f"__Host-inkfast_grant={mint(GRANT, KEY)}"
    good = request("POST", cookie=cookie, origin="https://grades.example", **JSON)
    assert guard.teacher(good) == GRANT
    for origin in ("https://evil.example", "http://grades.example"):
        host = origin.partition("//")[2]
        with pytest.raises(NotPermittedError):
            guard.teacher(request("POST", cookie=cookie, origin=origin, host=host, **JSON))


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_a_cookie_with_a_form_is_refused_by_the_api(make: Callable[..., Guard], kind: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        make().teacher(request("POST", cookie=COOKIE, sec_fetch_site="same-origin", content_type=kind))
    page = request("POST", "/plain/sections/4001", cookie=COOKIE, sec_fetch_site="same-origin", content_type=kind)
    assert make().teacher(page) == GRANT  # a page without scripts sends forms, from our own site


def test_a_bearer_needs_none_of_this(make: Callable[..., Guard]) -> None:
    assert make().teacher(request("POST", authorization=bearer(), sec_fetch_site="cross-site")) == GRANT


def test_what_is_meant_for_one_person_is_not_done_under_the_grant_of_another(make: Callable[..., Guard]) -> None:
    for who in ({"authorization": bearer()}, {"cookie": COOKIE, "sec_fetch_site": "same-origin", **JSON}):
        assert make().teacher(request("POST", inkfast_user="12", **who)) == GRANT
        for meant in ("13", "", "012", "12, 13"):
            with pytest.raises(SignInRequiredError) as caught:
                make().teacher(request("POST", inkfast_user=meant, **who))
            assert caught.value.params == {"reason": "other_person"}


def test_a_known_grant_costs_a_look_into_a_dictionary(make: Callable[..., Guard]) -> None:
    guard, scope = make(), request("POST", host="x", accept="*/*", content_length="300", authorization=bearer())
    guard.teacher(scope)
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(1_000):
            guard.teacher(scope)
        best = min(best, time.perf_counter() - started)
    assert best / 1_000 < 10e-6  # about 1.3 µs on the test machine, against 11 µs for a signature


# The whole application: what one process revokes, the others refuse.


async def test_a_revocation_reaches_another_process_within_seconds(
    database: asyncpg.Connection[Any], app: Litestar, settings: Settings
) -> None:
    await add_teacher(database, "teacher")
    by_itself = running(settings, looks_by_itself=True)
    async with by_itself as other_app, client_of(app) as client, client_of(other_app) as other:
        grant = (await client.post("/api/v1/session", json={"username": "teacher", "password": PASSWORD})).json()[
            "grant"
        ]
        headers = {"authorization": f"Bearer {grant}"}
        assert (await other.get("/api/v1/session", headers=headers)).status_code == 200
        await client.delete("/api/v1/session", headers=OWN_PAGE)
        async with asyncio.timeout(60):
            while (await other.get("/api/v1/session", headers=headers)).is_success:
                await asyncio.sleep(0.05)


async def test_a_process_that_starts_without_postgresql_knows_what_was_revoked(
    database: asyncpg.Connection[Any],
    app: Litestar,
    settings: Settings,
    let_records: Callable[[str], Awaitable[None]],
) -> None:
    user_id, _ = await add_teacher(database, "teacher")
    await add_teacher(database, "colleague")
    bearers = []
    for username in ("teacher", "colleague"):
        async with client_of(app) as other:
            body = {"username": username, "password": PASSWORD}
            bearers.append(
                {"authorization": f"Bearer {(await other.post('/api/v1/session', json=body)).json()['grant']}"}
            )
    await services(app).sign_in.end_everywhere(user_id)
    await let_records("go away")
    async with running(settings, looks_by_itself=True) as late, client_of(late) as client_of_late:
        answers = [await client_of_late.get("/api/v1/session", headers=headers) for headers in bearers]
        assert [answer.status_code for answer in answers] == [401, 200]
        guard = services(late).guard
        assert guard._revocations.records_are_away
        await let_records("come back")
        async with asyncio.timeout(60):
            while guard._revocations.records_are_away:
                await asyncio.sleep(0.05)


async def test_every_endpoint_of_the_api_but_signing_in_and_out_needs_a_grant(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    asked = []
    for route in app.routes:
        path = route.path
        for part in route.path_parameters.values():
            path = path.replace("{" + part.full + "}", "4001")
        for method in route.methods - {"OPTIONS"}:
            if not path.startswith("/api/") and path != "/metrics":
                continue
            if path == "/api/v1/session" and method != "GET":
                continue
            params: dict[str, str | int] = {"kind": "score", "item": 1, "student": 1, "sections": "1"}
            answer = await client.request(method, path, params=params)
            assert answer.status_code == 401, (method, route.path)
            assert answer.headers["www-authenticate"] == "Bearer"
            asked.append(path)
    assert len(asked) >= 7


async def test_nobody_ends_anothers_login_session(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    await add_teacher(database, "attacker")
    credentials = {"username": "teacher", "password": PASSWORD}
    await client.post("/api/v1/session", json=credentials)
    victim = uuid.UUID(client.cookies["inkfast_login"].partition(".")[0])
    async with client_of(app) as attacker:
        await attacker.post("/api/v1/session", json=credentials | {"username": "attacker"})
        attacker.cookies.set("inkfast_login", f"{victim.hex}.{'A' * 43}")
        assert (await attacker.delete("/api/v1/session", headers=OWN_PAGE)).status_code == 204
    assert (await client.get("/api/v1/session")).status_code == 200
