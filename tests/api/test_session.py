from __future__ import annotations

import time
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest

from app.gradebook.sign_in import TRY_COSTS_S
from app.model.grants import derive_grant_key, read
from tests.api.conftest import OWN_PAGE, client_of
from tests.school import PASSWORD, add_teacher, add_user

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg
    import httpx
    from litestar import Litestar

    from app.settings import Settings

URL = "/api/v1/session"


async def sign_in(client: httpx.AsyncClient, username: str = "teacher", password: str = PASSWORD) -> httpx.Response:
    return await client.post(URL, json={"username": username, "password": password}, headers=OWN_PAGE)


def set_cookies(answer: httpx.Response) -> dict[str, Any]:
    return {m.key: m for line in answer.headers.get_list("set-cookie") for m in SimpleCookie(line).values()}


async def let_pass(database: asyncpg.Connection[Any], seconds: float) -> None:
    await database.execute("UPDATE login_session SET rotated_at = rotated_at - make_interval(secs => $1)", seconds)


async def test_signing_in_says_who_one_is_and_sets_cookies_that_no_script_reads(
    settings: Settings, database: asyncpg.Connection[Any], client: httpx.AsyncClient
) -> None:
    user_id, section_ids = await add_teacher(database, "teacher", 2)
    answer = await sign_in(client)
    assert answer.status_code == 200
    view = answer.json()
    assert (view["user_id"], view["name"], view["roles"]) == (user_id, "Ann Lee", ["teacher"])
    assert view["section_ids"] == section_ids
    key = derive_grant_key(settings.secret_key)
    assert read(view["grant"], {key.key_id: key}, time.time()).user_id == user_id
    cookies = set_cookies(answer)
    assert set(cookies) == {"inkfast_grant", "inkfast_login", "inkfast_device"}
    assert cookies["inkfast_grant"].value == view["grant"]
    for cookie in cookies.values():
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
        assert not cookie["secure"]
        assert not cookie["domain"]
        assert int(cookie["max-age"]) > 0
    assert int(cookies["inkfast_grant"]["max-age"]) == (15 * 60) + 24 * 3600
    assert answer.headers["cache-control"] == "no-store"


async def test_over_tls_cookies_are_bound_to_this_host(database: asyncpg.Connection[Any], with_settings: Any) -> None:
    await add_teacher(database, "teacher")
    async with (
        with_settings(public_url="https://grades.example") as app,
        client_of(app, base_url="https://grades.example") as client,
    ):
        answer = await sign_in(client)
        cookies = set_cookies(answer)
        assert set(cookies) == {"__Host-inkfast_grant", "__Host-inkfast_login", "__Host-inkfast_device"}
        assert all(cookie["secure"] for cookie in cookies.values())
        assert "strict-transport-security" in answer.headers
        assert (await client.get(URL)).status_code == 200
        # A name without the prefix, which another host of the domain could set, is not looked at.
        plain = {"cookie": f"inkfast_grant={answer.json()['grant']}"}
        async with client_of(app) as other:
            assert (await other.get(URL, headers=plain)).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "teacher", "password": "wrong"}, 401),
        ({"username": "nobody", "password": PASSWORD}, 401),
        ({"username": "teacher\x00", "password": PASSWORD}, 401),
        ({"username": "teacher", "password": "\x00"}, 401),
        ({"username": "teacher' OR 1=1 --", "password": PASSWORD}, 401),
        ({"username": "teacher", "password": "x" * 1024}, 401),
        ({"username": "teacher", "password": "x" * 1025}, 422),
        ({"username": "teacher", "password": "x" * 100_000}, 413),
        ({"username": "", "password": ""}, 422),
        ({"username": "teacher"}, 422),
        ({"username": ["teacher"], "password": PASSWORD}, 422),
        ({"username": "teacher", "password": None}, 422),
        ({"username": "teacher", "password": {"$ne": ""}}, 422),
        ([], 422),
        (None, 422),
        ("teacher", 422),
    ],
)
async def test_what_is_not_the_right_password_is_refused(
    database: asyncpg.Connection[Any], client: httpx.AsyncClient, body: Any, status: int
) -> None:
    await add_teacher(database, "teacher")
    answer = await client.post(URL, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "set-cookie" not in answer.headers
    assert PASSWORD not in answer.text
    assert await database.fetchval("SELECT count(*) FROM login_session") == 0


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"username":"\\ud800","password":"x"}', b"[" * 10_000])
async def test_a_body_that_is_no_json_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(URL, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}


async def test_wrong_name_and_wrong_password_look_the_same(
    database: asyncpg.Connection[Any], client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    await add_user(database, "disabled", is_enabled=False)
    texts = {(await sign_in(client, name, "wrong")).text for name in ("teacher", "nobody", "disabled")}
    assert len(texts) == 1
    assert '"code":"wrong_password"' in texts.pop()


async def test_too_many_wrong_passwords_say_when_to_come_back(
    database: asyncpg.Connection[Any], client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    began = time.monotonic()
    for _ in range(10):
        assert (await sign_in(client, password="wrong")).status_code == 401
    answer = await sign_in(client)
    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_requests"
    assert TRY_COSTS_S - (time.monotonic() - began) <= int(answer.headers["retry-after"]) <= 2 * TRY_COSTS_S


async def test_a_known_device_may_sign_in_while_somebody_guesses(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    await sign_in(client)
    async with client_of(app) as guesser:
        for _ in range(10):
            await sign_in(guesser, password="wrong")
        assert (await sign_in(guesser)).status_code == 429
    assert (await sign_in(client)).status_code == 200


async def test_a_cookie_that_somebody_chose_beforehand_is_not_adopted(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    await add_teacher(database, "attacker")
    async with client_of(app) as attacker:
        chosen = set_cookies(await sign_in(attacker, "attacker"))["inkfast_login"].value
        for value in (chosen, "0" * 32 + "." + "A" * 43, "attacker-chosen"):
            client.cookies.clear()
            client.cookies.set("inkfast_login", value)
            given = set_cookies(await sign_in(client))["inkfast_login"].value
            assert given != value
            assert given.partition(".")[0] != value.partition(".")[0]
        # The attacker's own login session was the one replaced, and never becomes the teacher's.
        answer = await attacker.get(URL)
        assert answer.status_code == 401 or answer.json()["name"] != "teacher"


async def test_renewing_changes_the_cookie_and_the_grant(
    database: asyncpg.Connection[Any], client: httpx.AsyncClient
) -> None:
    user_id, _ = await add_teacher(database, "teacher")
    first = set_cookies(await sign_in(client))
    await let_pass(database, 61)
    answer = await client.get(URL)
    assert answer.status_code == 200
    assert answer.json()["user_id"] == user_id
    assert "grant" not in answer.json()  # a script need not see what the browser keeps
    second = set_cookies(answer)
    assert set(second) == {"inkfast_grant", "inkfast_login"}
    assert all(second[name].value != first[name].value for name in second)


async def test_a_section_gained_is_in_the_next_grant(
    database: asyncpg.Connection[Any], client: httpx.AsyncClient
) -> None:
    _, (section_id,) = await add_teacher(database, "teacher")
    await sign_in(client)
    await database.execute("UPDATE enrollment SET hidden_at = now() WHERE section_id = $1", section_id)
    assert (await client.get(URL)).json()["section_ids"] == []


async def test_an_old_cookie_replayed_ends_the_login_session_of_both(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    stolen = set_cookies(await sign_in(client))["inkfast_login"].value
    await let_pass(database, 61)
    await client.get(URL)
    await let_pass(database, 61)
    async with client_of(app) as thief:
        thief.cookies.set("inkfast_login", stolen)
        answer = await thief.get(URL)
        assert answer.status_code == 401
        assert answer.json()["params"] == {"reason": "reused"}
    answer = await client.get(URL)
    assert answer.status_code == 401
    cookies = set_cookies(answer)
    assert (cookies["inkfast_login"]["max-age"], cookies["inkfast_grant"]["max-age"]) == ("0", "0")


async def test_two_tabs_that_renew_at_once_stay_signed_in(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    old = set_cookies(await sign_in(client))["inkfast_login"].value
    await let_pass(database, 61)
    first = set_cookies(await client.get(URL))["inkfast_login"].value
    async with client_of(app) as other_tab:
        other_tab.cookies.set("inkfast_login", old)
        assert set_cookies(await other_tab.get(URL))["inkfast_login"].value == first
    assert (await client.get(URL)).status_code == 200


@pytest.mark.parametrize("value", ["", "x", "0" * 32, "0" * 32 + "." + "A" * 43, "é", "a" * 5000])
async def test_a_made_up_login_cookie_renews_nothing(client: httpx.AsyncClient, value: str) -> None:
    answer = await client.get(URL, headers=[(b"cookie", b"inkfast_login=" + value.encode())])
    assert answer.status_code == 401


async def test_a_bearer_is_told_who_it_is_and_until_when(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    user_id, _ = await add_teacher(database, "teacher")
    view = (await sign_in(client)).json()
    async with client_of(app) as program:
        answer = await program.get(URL, headers={"authorization": f"Bearer {view['grant']}"})
        assert answer.status_code == 200
        assert answer.json()["user_id"] == user_id
        assert answer.json()["grant_expires_at"] == view["grant_expires_at"]
        assert "login_expires_at" not in answer.json()
        assert "set-cookie" not in answer.headers


async def test_signing_out_ends_the_cookies_and_the_grants_everywhere(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    view = (await sign_in(client)).json()
    login = client.cookies["inkfast_login"]
    answer = await client.delete(URL, headers=OWN_PAGE)
    assert answer.status_code == 204
    assert not answer.content
    assert set(client.cookies) == {"inkfast_device"}
    async with client_of(app) as copy:
        assert (await copy.get(URL, headers={"authorization": f"Bearer {view['grant']}"})).status_code == 401
        assert (await copy.get(URL, headers={"cookie": f"inkfast_login={login}"})).status_code == 401
    assert (await client.delete(URL, headers=OWN_PAGE)).status_code == 204  # again is no error


async def test_a_program_signs_out_with_its_grant(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    bearer = {"authorization": f"Bearer {(await sign_in(client)).json()['grant']}"}
    async with client_of(app) as program:
        assert (await program.delete(URL, headers=bearer)).status_code == 204
        assert (await program.get(URL, headers=bearer)).json()["params"] == {"reason": "revoked"}
    assert (await client.get(URL)).status_code == 200  # the browser's login session was not the program's to end


async def test_signing_out_everywhere_ends_every_device(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    await add_teacher(database, "teacher")
    await add_teacher(database, "colleague")
    await sign_in(client)
    async with client_of(app) as phone, client_of(app) as colleague:
        grant = (await sign_in(phone)).json()["grant"]
        await sign_in(colleague, "colleague")
        assert (await client.delete(f"{URL}?everywhere=true", headers=OWN_PAGE)).status_code == 204
        assert (await phone.get(URL)).status_code == 401
        assert (await phone.get(URL, headers={"authorization": f"Bearer {grant}"})).status_code == 401
        assert (await colleague.get(URL)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8000"},
    ],
)
async def test_another_site_can_neither_sign_in_nor_out(
    database: asyncpg.Connection[Any], client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await add_teacher(database, "teacher")
    credentials = {"username": "teacher", "password": PASSWORD}
    assert (await client.post(URL, json=credentials, headers=headers)).status_code == 403
    await sign_in(client)
    assert (await client.delete(URL, headers=headers)).status_code == 403
    assert (await client.get(URL)).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_form_of_any_page_cannot_sign_in(
    database: asyncpg.Connection[Any], client: httpx.AsyncClient, kind: str
) -> None:
    await add_teacher(database, "teacher")
    body = b'{"username":"teacher","password":"' + PASSWORD.encode() + b'"}'
    answer = await client.post(URL, content=body, headers={"content-type": kind})
    assert answer.status_code in {400, 415}
    assert "set-cookie" not in answer.headers


async def test_while_postgresql_is_away_one_is_told_so_and_keeps_what_one_has(
    database: asyncpg.Connection[Any],
    app: Litestar,
    client: httpx.AsyncClient,
    let_records: Callable[[str], Awaitable[None]],
) -> None:
    user_id, _ = await add_teacher(database, "teacher")
    await sign_in(client)
    await let_records("go away")
    answer = await client.get(URL)
    assert (answer.status_code, answer.json()["user_id"]) == (200, user_id)
    assert "set-cookie" not in answer.headers
    async with client_of(app) as stranger:
        refused = await sign_in(stranger)
        assert (refused.status_code, refused.json()["code"]) == (503, "records_unavailable")
        assert refused.json()["detail"] == "PostgreSQL is needed for this and is away."
        assert 5 <= int(refused.headers["retry-after"]) <= 15
        assert (await stranger.get(URL)).status_code == 401
    answer = await client.delete(URL, headers=OWN_PAGE)
    assert answer.status_code == 503
    assert set(client.cookies) == {"inkfast_device"}
