"""PostgreSQL is stopped, really: a teacher goes on listing, opening and saving, and is told from when that is."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import pytest
import redis
from click.testing import CliRunner

from app.drafts.keys import partition_of
from app.drafts.snapshots import ANSWER_S_MAX, SnapshotCache
from app.drafts.store import UNBOUND
from app.errors import JournalUnavailableError
from app.gradebook import read_section as app_read_section
from app.gradebook.cached_sections import KEEP_EVERY_S
from app.model.grants import Grant, derive_grant_key, mint
from app.settings import Settings
from ops import cli
from ops.incarnation import mint as mint_incarnation
from ops.servers import CacheServer
from tests.api.conftest import client_of, running, services
from tests.awake import Awake
from tests.conftest import SECRET_KEY, SILENCE_MS_MAX
from tests.until import until
from tests.world import (
    CO_TEACHER,
    OTHER_SECTION,
    QUIZ,
    SECTION,
    STRANGER,
    STUDENTS,
    TEACHER,
    Tab,
    flush_all,
    make_school,
    running_flusher,
    until_recorded,
)
from workers.catching_up import AWAY_S_MIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    import httpx
    from click.testing import Result
    from litestar import Litestar

    from ops.servers import PostgresServer

ANNA, BEN = STUDENTS[:2]
FLAGGED = pytest.mark.parametrize("is_noticed", [True, False], ids=["noticed", "not-noticed-yet"])


@pytest.fixture(scope="session")
def cache_server(server_dir: Path) -> Iterator[CacheServer]:
    server = CacheServer(server_dir / "cache-run", config={"maxmemory": "64mb"})
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def cache(cache_server: CacheServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(cache_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
async def settings(spare_database_url: str, redis_url: str, cache: redis.Redis, cache_server: CacheServer) -> Settings:
    await make_school(spare_database_url)
    return Settings(
        database_url=spare_database_url,
        redis_url=redis_url,
        secret_key=SECRET_KEY,
        journal_silence_ms_max=SILENCE_MS_MAX,
        snapshot_cache_url=cache_server.url,
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Litestar]:
    async with running(settings) as app:
        wait_for_the_cache(app, 5.0)
        yield app


def wait_for_the_cache(app: Litestar, answer_s_max: float) -> None:
    """A machine that is busy with other tests must not look like a cache that is away."""
    cached = services(app).read_section._cached
    assert cached is not None
    cached._cache._answer_s_max = answer_s_max


def asking(app: Litestar, user_id: int = TEACHER, sections: frozenset[int] | None = None) -> httpx.AsyncClient:
    """A client with a grant that names these sections; None: more than a grant can carry."""
    now = int(time.time())
    grant = Grant(f"g{user_id}", user_id, None, ("teacher",), (1,), sections, now - 1, now + 900, f"User {user_id}")
    client = client_of(app)
    client.headers["authorization"] = f"Bearer {mint(grant, derive_grant_key(SECRET_KEY))}"
    return client


@asynccontextmanager
async def stopped(postgres: PostgresServer, app: Litestar, *, is_noticed: bool = True) -> AsyncIterator[None]:
    postgres.stop()
    try:
        if is_noticed:
            await services(app).standing._revocations.look()
        yield
    finally:
        postgres.start()


async def kept(cache: redis.Redis, *names: str) -> None:
    """Wait until the cache holds these."""

    def all_there() -> bool:
        return all(cache.keys(f"*:{name}") for name in names)

    await asyncio.to_thread(until, all_there, timeout_s=30, what=f"{names} in the cache")


def save_of(tab: Tab, *edits: dict[str, Any]) -> dict[str, Any]:
    return {"content": tab.body(*edits), "headers": {"content-type": "application/json"}}


def scores(snapshot: dict[str, Any]) -> dict[int, tuple[str, str]]:
    cells = snapshot["cells"]
    return {
        student: (value.get("score"), state)
        for student, value, state, kind in zip(
            cells["student"], cells["value"], cells["state"], cells["kind"], strict=True
        )
        if kind == "score"
    }


@FLAGGED
async def test_a_teacher_lists_opens_and_saves(
    settings: Settings, spare_postgres: PostgresServer, cache: redis.Redis, app: Litestar, *, is_noticed: bool
) -> None:
    url = f"/api/v1/sections/{SECTION}"
    tab = Tab()
    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        saved = await client.post(f"{url}/edits", **save_of(tab, tab.edit(ANNA, "11")))
        assert saved.json()["outcomes"][0]["outcome"] == "drafted"
        await flush_all(settings)
        listed = (await client.get("/api/v1/sections")).json()
        before = (await client.get(url)).json()
        assert (listed["records_are_away"], before["records_are_away"]) == (False, False)
        await kept(cache, f"section:{SECTION}", f"teacher:{TEACHER}")
        async with stopped(spare_postgres, app, is_noticed=is_noticed):
            away = (await client.get("/api/v1/sections")).json()
            assert away["records_are_away"]
            assert away["sections"] == listed["sections"]
            assert away["as_of"] <= listed["as_of"]
            answer = await client.get(url)
            shown = answer.json()
            assert (answer.status_code, shown["records_are_away"]) == (200, True)
            assert shown["as_of"] <= before["as_of"]
            volatile = {"records_are_away", "as_of"}
            assert {k: v for k, v in shown.items() if k not in volatile} == {
                k: v for k, v in before.items() if k not in volatile
            }
            again = await client.get(url, headers={"if-none-match": answer.headers["etag"]})
            assert again.status_code == 304
            saved = await client.post(f"{url}/edits", **save_of(tab, tab.edit(ANNA, "12"), tab.edit(BEN, "13")))
            assert [o["outcome"] for o in saved.json()["outcomes"]] == ["drafted", "drafted"]
            changed = await client.get(url, headers={"if-none-match": answer.headers["etag"]})
            assert scores(changed.json()) == {ANNA: ("12", "drafted"), BEN: ("13", "drafted")}
            refused = await client.get(f"{url}/history", params={"kind": "score", "item": QUIZ, "student": ANNA})
            assert (refused.status_code, refused.json()["code"]) == (503, "records_unavailable")
        await services(app).standing._revocations.look()
        await flush_all(settings)
        after = (await client.get(url)).json()
        assert not after["records_are_away"]
        assert scores(after) == {ANNA: ("12", "recorded"), BEN: ("13", "recorded")}


async def test_what_was_recorded_after_the_section_was_kept_is_shown_from_the_journal(
    settings: Settings, spare_postgres: PostgresServer, cache: redis.Redis, app: Litestar
) -> None:
    tab = Tab()
    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        url = f"/api/v1/sections/{SECTION}"
        reserved = (await client.get(url)).json()["reserved_line_item_ids"]
        await kept(cache, f"section:{SECTION}")
        made = tab.edit(0, "", item=reserved[0], kind="line_item", value={"title": "Late", "result_value_max": "5"})
        await client.post(
            f"{url}/edits", **save_of(tab, made, tab.edit(ANNA, "7"), tab.edit(BEN, "4", item=reserved[0]))
        )
        await flush_all(settings)
        async with stopped(spare_postgres, app):
            shown = (await client.get(url)).json()
    assert scores(shown) == {ANNA: ("7", "recorded"), BEN: ("4", "recorded")}
    assert "Late" in [column["title"] for column in shown["line_items"]]
    assert reserved[0] not in shown["reserved_line_item_ids"]


async def test_what_was_kept_of_a_database_that_was_restored_since_is_not_shown(
    settings: Settings,
    spare_postgres: PostgresServer,
    cache: redis.Redis,
    app: Litestar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The flusher has found the restored database and dropped the journal's copies; this process has not found it."""
    tab, url = Tab(), f"/api/v1/sections/{SECTION}"
    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        await client.post(f"{url}/edits", **save_of(tab, tab.edit(ANNA, "11")))
        await flush_all(settings)
        assert scores((await client.get(url)).json()) == {ANNA: ("11", "recorded")}
        await kept(cache, f"section:{SECTION}")
        await client.post(f"{url}/edits", **save_of(tab, tab.edit(ANNA, "12")))
        await flush_all(settings)
        async with stopped(spare_postgres, app):
            assert scores((await client.get(url)).json()) == {ANNA: ("12", "recorded")}, "the journal has it"
        await mint_incarnation(settings)
        await flush_all(settings)
        cached = services(app).read_section._cached
        monkeypatch.setattr(cached, "records_are_away", lambda: True)  # so this process still believes
        monkeypatch.setattr(app_read_section, "LOOK_S_MAX", 0.0)
        shown = (await client.get(url)).json()
        assert (shown["records_are_away"], scores(shown)) == (False, {ANNA: ("12", "recorded")})


@pytest.mark.parametrize("incarnation", ["0192f7a0-0000-7000-8000-00000000beef", UNBOUND], ids=["bound", "being-bound"])
async def test_while_the_restored_database_is_away_again_nothing_older_is_shown(
    settings: Settings, spare_postgres: PostgresServer, cache: redis.Redis, app: Litestar, incarnation: str
) -> None:
    tab, url = Tab(), f"/api/v1/sections/{SECTION}"
    store, partition = services(app).read_section._store, partition_of(SECTION)
    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        await client.post(f"{url}/edits", **save_of(tab, tab.edit(ANNA, "11")))
        await flush_all(settings)
        await client.get(url)
        await kept(cache, f"section:{SECTION}")
        async with stopped(spare_postgres, app):
            assert (await client.get(url)).status_code == 200
            await store.write_incarnation(partition, incarnation, is_new=True)
            refused = await client.get(url)
            assert (refused.status_code, refused.json()["code"]) == (503, "records_unavailable")
            assert int(refused.headers["retry-after"]) > 0
        await services(app).standing._revocations.look()
        await flush_all(settings)
        assert scores((await client.get(url)).json()) == {ANNA: ("11", "recorded")}


@pytest.mark.parametrize("is_back", [False, True], ids=["past-the-journal", "and-then-through-it"])
async def test_what_was_recorded_past_the_journal_after_the_section_was_kept_is_not_hidden_by_it(
    settings: Settings,
    spare_postgres: PostgresServer,
    cache: redis.Redis,
    app: Litestar,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_back: bool,
) -> None:
    """Neither the journal nor what was kept has such an edit; and the journal forgets its heads when it is back."""
    tab = Tab()
    edit_cells = services(app).edit_cells

    async def away(*_: object, **__: object) -> NoReturn:
        raise JournalUnavailableError("the journal is away")

    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        url = f"/api/v1/sections/{SECTION}"
        await client.get(url)
        await kept(cache, f"section:{SECTION}")
        await client.post(f"{url}/edits", **save_of(tab, tab.edit(ANNA, "7")))
        await flush_all(settings)
        with monkeypatch.context() as patched:
            patched.setattr(edit_cells, "_journal", away)
            answer = (await client.post(f"{url}/edits", **save_of(tab, tab.edit(BEN, "8")))).json()
        assert [outcome["outcome"] for outcome in answer["outcomes"]] == ["recorded"]
        if is_back:
            cache.delete(*cache.keys("*:lately"))
            await client.get(url)
            await kept(cache, f"section:{SECTION}")
            await client.post(f"{url}/edits", **save_of(tab, tab.edit(ANNA, "9")))
            await flush_all(settings)
        async with stopped(spare_postgres, app):
            refused = await client.get(url)
        assert (refused.status_code, refused.json()["code"]) == (503, "records_unavailable")
        await services(app).standing._revocations.look()
        recorded = {ANNA: ("9" if is_back else "7", "recorded"), BEN: ("8", "recorded")}
        assert scores((await client.get(url)).json()) == recorded


async def test_what_was_not_kept_is_503_and_says_when_to_come_back(
    spare_postgres: PostgresServer, app: Litestar
) -> None:
    async with asking(app, TEACHER, frozenset({SECTION})) as client, stopped(spare_postgres, app):
        for path in ("", f"/{SECTION}"):
            answer = await client.get(f"/api/v1/sections{path}")
            assert (answer.status_code, answer.json()["code"]) == (503, "records_unavailable")
            assert int(answer.headers["retry-after"]) > 0
        page = await client.get(f"/sections/{SECTION}")
        assert page.status_code == 503
        assert "The records cannot be read just now." in page.text


# Who may see it


@FLAGGED
async def test_more_sections_than_a_grant_can_carry(
    spare_postgres: PostgresServer, cache: redis.Redis, app: Litestar, *, is_noticed: bool
) -> None:
    url = f"/api/v1/sections/{SECTION}"
    tab = Tab()
    async with asking(app) as client:
        await client.get("/api/v1/sections")
        await client.get(url)
        await kept(cache, f"section:{SECTION}", f"teacher:{TEACHER}")
        async with stopped(spare_postgres, app, is_noticed=is_noticed):
            assert len((await client.get("/api/v1/sections")).json()["sections"]) == 2
            assert (await client.get(url)).status_code == 200
            saved = await client.post(f"{url}/edits", **save_of(tab, tab.edit(ANNA, "9")))
            assert saved.json()["outcomes"][0]["outcome"] == "drafted"


@FLAGGED
async def test_nobody_sees_a_section_who_is_not_known_to_teach_it(
    spare_postgres: PostgresServer, cache: redis.Redis, app: Litestar, *, is_noticed: bool
) -> None:
    url = f"/api/v1/sections/{SECTION}"
    tab = Tab()
    async with (
        asking(app) as teacher,
        asking(app, STRANGER) as stranger,
        asking(app, STRANGER, frozenset({OTHER_SECTION})) as other,
        asking(app, CO_TEACHER) as unknown,
    ):
        await teacher.get(url)
        assert (await stranger.get(url)).status_code == 403
        assert (await stranger.get("/api/v1/sections")).json()["sections"] == []
        await kept(cache, f"section:{SECTION}", f"teacher:{STRANGER}")
        async with stopped(spare_postgres, app, is_noticed=is_noticed):
            for client, status in ((stranger, 403), (other, 403), (unknown, 503)):
                for path in (url, f"/sections/{SECTION}", f"/sections/{SECTION}/columns/{QUIZ}"):
                    answer = await client.get(path)
                    assert answer.status_code == status, path
                    assert "Family101" not in answer.text
                # A save is never refused by what was kept: they may have been given the section since.
                saved = await client.post(f"{url}/edits", **save_of(tab, tab.edit(ANNA, "9")))
                assert (saved.status_code, saved.json()["code"]) == (503, "records_unavailable")


async def test_another_installation_finds_nothing_in_a_shared_cache(
    settings: Settings, spare_postgres: PostgresServer, cache: redis.Redis, app: Litestar
) -> None:
    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        await client.get(f"/api/v1/sections/{SECTION}")
        await kept(cache, f"section:{SECTION}")
    theirs = msgspec.structs.replace(
        settings, secret_key="another-installation-with-another-secret", secret_key_previous=SECRET_KEY
    )
    async with (
        running(theirs) as other,
        asking(other, TEACHER, frozenset({SECTION})) as client,
        stopped(spare_postgres, other),
    ):
        assert (await client.get(f"/api/v1/sections/{SECTION}")).status_code == 503


# A cache that is not what it should be


@pytest.mark.parametrize("value", [b"", b"x", b"\x02of another release", b"\x01not zlib"])
async def test_a_damaged_value_is_no_value(
    spare_postgres: PostgresServer, cache: redis.Redis, app: Litestar, value: bytes
) -> None:
    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        await client.get(f"/api/v1/sections/{SECTION}")
        await client.get("/api/v1/sections")
        await kept(cache, f"section:{SECTION}", f"teacher:{TEACHER}")
        for key in cache.keys("*:section:*") + cache.keys("*:teacher:*"):
            cache.set(key, value)
        async with stopped(spare_postgres, app):
            assert (await client.get(f"/api/v1/sections/{SECTION}")).status_code == 503
            assert (await client.get("/api/v1/sections")).status_code == 503


async def test_a_value_of_another_type_is_no_value(
    spare_postgres: PostgresServer, cache: redis.Redis, app: Litestar
) -> None:
    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        await client.get(f"/api/v1/sections/{SECTION}")
        await kept(cache, f"section:{SECTION}")
        (key,) = [k for k in cache.keys("*:section:*") if not k.endswith(b":lately")]
        cache.delete(key)
        cache.lpush(key, "a list")
        async with stopped(spare_postgres, app):
            assert (await client.get(f"/api/v1/sections/{SECTION}")).status_code == 503


async def test_a_frozen_cache_slows_no_answer(
    spare_postgres: PostgresServer, cache_server: CacheServer, cache: redis.Redis, app: Litestar
) -> None:
    wait_for_the_cache(app, ANSWER_S_MAX)
    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        cache_server.process.send(signal.SIGSTOP)
        try:
            with Awake() as took:
                for _ in range(25):
                    assert (await client.get(f"/api/v1/sections/{SECTION}")).status_code == 200
            assert took.seconds < 25 * ANSWER_S_MAX / 2
            async with stopped(spare_postgres, app):
                with Awake() as took:
                    assert (await client.get(f"/api/v1/sections/{SECTION}")).status_code == 503
                assert took.seconds < 1.0, "0.2 s for the cache, and PostgreSQL refuses at once"
        finally:
            cache_server.process.send(signal.SIGCONT)


async def test_the_cache_is_waited_for_a_fifth_of_a_second_and_then_left_alone() -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with_it.append(writer)

    with_it: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for url in (f"redis://127.0.0.1:{port}", "redis://127.0.0.1:1", "unix:///nowhere/valkey.sock"):
        silent_cache = SnapshotCache(url)
        with Awake() as took:
            assert await silent_cache.get(b"k") is None
        assert took.seconds < 0.5
        with Awake() as took:
            assert [await silent_cache.get(b"k") for _ in range(20)] == [None] * 20
            assert not await silent_cache.put(b"k", b"v", 60)
        assert took.seconds < 0.2  # not one of them was waited for
        silent_cache.close()
    for writer in with_it:
        writer.close()
    server.close()
    assert await SnapshotCache("").get(b"k") is None


async def test_a_cache_that_was_away_is_used_again(cache_server: CacheServer, cache: redis.Redis) -> None:
    client = SnapshotCache(cache_server.url, answer_s_max=5)
    assert await client.put(b"k", b"v", 60)
    cache_server.stop()
    assert await client.get(b"k") is None
    cache_server.start()
    async with asyncio.timeout(30):
        while not await client.put(b"k", b"w", 60):
            await asyncio.sleep(0.05)
    assert await client.get(b"k") == b"w"
    client.close()


async def test_a_section_is_kept_every_three_minutes_by_all_processes_together(
    settings: Settings, cache: redis.Redis, app: Litestar
) -> None:
    url = f"/api/v1/sections/{SECTION}"
    async with running(settings) as second, asking(app) as one, asking(second) as two:
        wait_for_the_cache(second, 5.0)
        await one.get(url)
        await kept(cache, f"section:{SECTION}")
        (key,) = [k for k in cache.keys("*:section:*") if not k.endswith(b":lately")]
        cache.set(key, b"marked")
        await one.get(url)
        await two.get(url)
        for process in (app, second):
            await asyncio.gather(*services(process).read_section._cached._writing)  # type: ignore[union-attr]
        assert cache.get(key) == b"marked"
        assert 0 < cache.ttl(key + b":lately") <= KEEP_EVERY_S


# The plain page


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", r"The records cannot be reached just now\. This is how they stood at \d+:\d\d [ap]m"),
        ("es", r"no se puede llegar a los registros\. Así estaban a las? \d+:\d\d [ap]\.\sm\."),
    ],
)
async def test_the_plain_page_says_from_when_it_is(
    spare_postgres: PostgresServer, cache: redis.Redis, app: Litestar, language: str, said: str
) -> None:
    pages = (
        "/sections",
        f"/sections/{SECTION}",
        f"/sections/{SECTION}/columns/{QUIZ}",
        f"/sections/{SECTION}/attendance",
    )
    async with asking(app, TEACHER, frozenset({SECTION})) as client:
        client.headers["accept-language"] = language
        for path in pages:
            page = await client.get(path)
            assert page.status_code == 200
            assert not re.search(said, page.text)
        await kept(cache, f"section:{SECTION}", f"teacher:{TEACHER}")
        async with stopped(spare_postgres, app):
            for path in pages:
                page = await client.get(path)
                assert page.status_code == 200, path
                found = re.search(said + "[^.]*", page.text)
                assert found, path
                assert ("UTC" in found[0]) == (path == "/sections"), "a list has no school, hence no zone"
            assert "Given12 Family12" in (await client.get(pages[1])).text, "who else teaches it"


# Maintenance


async def inkfast(monkeypatch: pytest.MonkeyPatch, settings: Settings, *arguments: str) -> Result:
    for name, value in (
        ("DATABASE_URL", settings.database_url),
        ("REDIS_URL", settings.redis_url),
        ("INKFAST_SNAPSHOT_CACHE_URL", settings.snapshot_cache_url),
        ("INKFAST_SECRET_KEY", settings.secret_key),
    ):
        monkeypatch.setenv(name, value)
    return await asyncio.to_thread(CliRunner().invoke, cli.inkfast, ["maintenance", *arguments])


async def statusz(app: Litestar) -> Any:
    await services(app).maintenance.look()
    async with client_of(app) as client:
        return (await client.get("/statusz")).json()["maintenance"]


async def test_maintenance_from_start_to_stop(
    settings: Settings, spare_postgres: PostgresServer, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 5 * 3600))
    started = await inkfast(monkeypatch, settings, "start", "--until", end + "Z", "--reason", "new  <disks>")
    assert started.exit_code == 0, started.output
    assert re.search(r"kept: 2 sections \([\d.]+ s, [\d,]+ a second\), 2 teachers' lists", started.output)
    assert "all of it fits" in started.output
    shown = {"until": end + ":00.000Z", "reason": "new <disks>"}
    assert await statusz(app) == shown
    again = await inkfast(monkeypatch, settings, "start", "--until", end + "Z")
    assert again.exit_code == 1
    assert "is announced already" in str(again.exception)
    async with stopped(spare_postgres, app):
        # A process that starts meanwhile has it from the journal; and what nobody has opened can be opened.
        async with running(settings) as late, asking(late) as client:
            wait_for_the_cache(late, 5.0)
            assert (await client.get("/statusz")).json()["maintenance"] == shown
            assert len((await client.get("/api/v1/sections")).json()["sections"]) == 2
            assert (await client.get(f"/api/v1/sections/{OTHER_SECTION}")).json()["section"]["title"] == "Algebra 1B"
            english = (await client.get("/")).text
            spanish = (await client.get("/", headers={"accept-language": "es"}, follow_redirects=True)).text
            if "Maintenance is going on" not in english:
                english = (await client.get("/sections")).text
            assert re.search(r"Maintenance is going on\. It ends at \d+:\d\d [ap]m.* \(P[SD]T\)", english)
            assert "Reason: new &lt;disks&gt;" in english
            assert "Hay trabajos de mantenimiento. Terminan" in spanish
        told = await inkfast(monkeypatch, settings, "status")
        assert "PostgreSQL: away" in told.output
        assert "announced: maintenance until" in told.output
        ended = await inkfast(monkeypatch, settings, "stop")
        assert "taken back" in ended.output
        assert "it stands in the journal" in ended.output
        assert await statusz(app) is None
    await services(app).standing._revocations.look()
    assert await statusz(app) is None, "PostgreSQL still has the announcement, which was made before its end"
    assert "no maintenance is announced" in (await inkfast(monkeypatch, settings, "stop")).output
    assert "nothing announced" in (await inkfast(monkeypatch, settings, "status")).output


async def test_the_announcement_survives_the_journals_loss(
    settings: Settings, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() + 3600))
    await inkfast(monkeypatch, settings, "start", "--until", end)
    with redis.Redis.from_url(settings.redis_url) as journal:
        journal.flushall()
    assert await statusz(app) is not None


async def test_a_cache_that_is_too_small_is_named(
    settings: Settings, cache: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.config_set("maxmemory", "100kb")  # less than an empty server takes
    try:
        end = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() + 3600))
        started = await inkfast(monkeypatch, settings, "start", "--until", end)
    finally:
        cache.config_set("maxmemory", "64mb")
    found = re.search(r"(\d+) of them did not fit: the cache's maxmemory should be about", started.output)
    assert found is not None
    assert int(found[1]) >= 3, started.output  # the last one is pushed out by whatever is asked next


@pytest.mark.parametrize(
    ("until_", "said"),
    [
        ("2026-11-01T06:00", "is over; it is"),
        ("tomorrow", "is not a date and a time"),
        ("2126-11-24", "has no time of day"),
        ("2126-11-24T06:00", "more than 7 days"),
        ("2026-02-30T06:00", "is not a date and a time"),
    ],
)
async def test_a_bad_time_is_refused_in_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, until_: str, said: str
) -> None:
    refused = await inkfast(monkeypatch, settings, "start", "--until", until_)
    assert refused.exit_code == 1
    assert said in str(refused.exception)


async def test_nothing_is_announced_without_what_it_needs(
    settings: Settings, spare_postgres: PostgresServer, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() + 3600))
    async with stopped(spare_postgres, app):
        refused = await inkfast(monkeypatch, settings, "start", "--until", end)
        assert "PostgreSQL is away already" in str(refused.exception)
    silent = msgspec.structs.replace(settings, snapshot_cache_url="redis://127.0.0.1:1")
    refused = await inkfast(monkeypatch, silent, "start", "--until", end)
    assert "does not answer" in str(refused.exception)
    no_journal = msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:1")
    refused = await inkfast(monkeypatch, no_journal, "start", "--until", end)
    assert "the journal does not answer" in str(refused.exception)
    assert await statusz(app) is None
    without = msgspec.structs.replace(settings, snapshot_cache_url="")
    started = await inkfast(monkeypatch, without, "start", "--until", end)
    assert "no snapshot cache" in started.output
    assert await statusz(app) is not None


# Back again


async def test_the_flusher_tells_how_it_caught_up(
    settings: Settings, spare_postgres: PostgresServer, app: Litestar, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="inkfast")
    tab = Tab()
    async with asking(app, TEACHER, frozenset({SECTION})) as client, running_flusher(settings) as flusher:
        await client.post(f"/api/v1/sections/{SECTION}/edits", **save_of(tab, tab.edit(ANNA, "1")))
        await until_recorded(settings)
        async with stopped(spare_postgres, app):
            await _until(lambda: flusher._catching_up._away_since is not None)
            lost_at = flusher._catching_up._away_since
            assert lost_at is not None
            for score in ("2", "3"):
                answer = await client.post(f"/api/v1/sections/{SECTION}/edits", **save_of(tab, tab.edit(ANNA, score)))
                assert answer.json()["outcomes"][0]["outcome"] == "drafted"
            await _until(lambda: time.monotonic() - lost_at > AWAY_S_MIN)
        await _until(lambda: "records.caught_up" in caplog.messages)
    fields = {r.getMessage(): r.fields for r in caplog.records if hasattr(r, "fields")}
    assert fields["records.back"] == {"backlog_saves": 2}
    caught_up = fields["records.caught_up"]
    assert (caught_up["backlog_saves"], caught_up["saves"], caught_up["edits"]) == (2, 2, 2)
    assert caught_up["away_s"] > AWAY_S_MIN


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)
