"""The gradebook's pages and files, as a browser, a proxy and a scanner ask for them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from app import main
from app.api.web_assets import POLICY
from app.api.web_files import WebFiles
from tests.api.conftest import client_of, running
from tests.school import PASSWORD, add_teacher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg
    import httpx

    from app.settings import Settings

PAGES = {
    "/app/": "home",
    "/app/sections/4001": "gradebook",
    "/app/sections/4001/attendance": "attendance",
    "/app/receipts": "receipts",
    "/app/compatibility": "compatibility",
}
SCRIPT = b"export {};\n" * 50
AS_IT_IS = {"accept-encoding": "identity"}


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build with every page, which the application finds at its start."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    files = {f"{name}.html": f"<!doctype html><title>{name}</title>".encode() for name in PAGES.values()}
    files |= {
        "sw.js": b"self",
        "sw.js.map": b"{}",
        "assets/home.ABCD1234.js": SCRIPT,
        "assets/home.ABCD1234.js.map": b"{}",
        "assets/lone.ABCD1234.js": SCRIPT,
    }
    for name, body in files.items():
        (folder / name).write_bytes(body)
    (folder / "assets/home.ABCD1234.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "manifest.json").write_text(json.dumps({"sources": "0", "files": sorted(files)}))
    monkeypatch.setattr(main, "WebFiles", lambda: WebFiles(folder))
    return folder


@pytest.fixture
async def web(dist: Path, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with running(settings) as app, client_of(app) as client:
        yield client


@pytest.fixture
async def unbuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(main, "WebFiles", lambda: WebFiles(tmp_path / "nothing"))
    async with running(settings) as app, client_of(app) as client:
        yield client


async def test_every_page_is_there_for_anybody_under_a_strict_policy(web: httpx.AsyncClient) -> None:
    for address, name in PAGES.items():
        answer = await web.get(address)
        assert answer.status_code == 200
        assert answer.text == f"<!doctype html><title>{name}</title>"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers
        again = await web.get(address, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] == POLICY


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == rules["worker-src"] == "'self'"
    assert "unsafe" not in POLICY
    assert "*" not in POLICY


async def test_an_asset_is_kept_for_good_and_sent_as_small_as_may_be(web: httpx.AsyncClient) -> None:
    small = await web.get("/app/assets/home.ABCD1234.js", headers={"accept-encoding": "gzip, br"})
    plain = await web.get("/app/assets/home.ABCD1234.js", headers=AS_IT_IS)
    assert small.content == plain.content == SCRIPT
    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(small.headers["content-length"]) < int(plain.headers["content-length"]) == len(SCRIPT)
    assert small.headers["etag"] != plain.headers["etag"]
    for answer in (small, plain):
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    again = await web.get("/app/assets/home.ABCD1234.js", headers={**AS_IT_IS, "if-none-match": plain.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["cache-control"] == plain.headers["cache-control"]


async def test_a_script_names_its_source_map_if_there_is_one(web: httpx.AsyncClient) -> None:
    script = await web.get("/app/assets/home.ABCD1234.js")
    source_map = await web.get(f"/app/assets/{script.headers['sourcemap']}")
    assert (source_map.status_code, source_map.headers["content-type"]) == (200, "application/json")
    assert "sourcemap" not in source_map.headers
    assert "sourcemap" not in (await web.get("/app/assets/lone.ABCD1234.js")).headers


async def test_the_service_worker_is_asked_about_each_time(web: httpx.AsyncClient) -> None:
    answer = await web.get("/app/sw.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["content-security-policy"] == POLICY
    assert (await web.get("/app/sw.js.map")).status_code == 200
    manifest = await web.get("/app/manifest.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
    for icon in manifest.json()["icons"]:
        assert (await web.get(icon["src"])).headers["content-type"] == icon["type"]


async def test_without_its_slash_the_address_is_corrected(web: httpx.AsyncClient) -> None:
    answer = await web.get("/app")
    assert (answer.status_code, answer.headers["location"]) == (308, "/app/")


@pytest.mark.parametrize(
    "address",
    [
        "/app/assets/home.GONE1234.js",
        "/app/assets/..%2fmanifest.json",
        "/app/assets/%2e%2e/manifest.json",
        "/app/manifest.json",
        "/app/sections/x",
        "/app/sections/4001/grades",
        "/app/nothing",
        "/app/home.html",
    ],
)
async def test_there_is_nothing_else(web: httpx.AsyncClient, address: str) -> None:
    answer = await web.get(address)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


async def test_without_a_build_there_is_a_page_that_says_so_and_leads_on(unbuilt: httpx.AsyncClient) -> None:
    for language, words in (("en", "has not been built"), ("es", "no está construido")):
        for address in PAGES:
            answer = await unbuilt.get(address, headers={"accept-language": language})
            assert answer.status_code == 404
            assert words in answer.text
            assert "./ops/up" in answer.text
            assert 'href="/sections"' in answer.text
            assert "script-src" not in answer.headers["content-security-policy"]
    assert (await unbuilt.get("/app/sw.js")).status_code == 404
    assert (await unbuilt.get("/app/assets/home.ABCD1234.js")).status_code == 404
    assert (await unbuilt.get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    "address",
    ["/app/", "/app/sw.js", "/app/assets/home.ABCD1234.js", "/", "/livez", "/plain/plain.css", "/app", "/nope"],
)
async def test_head_is_what_get_is_without_its_body(web: httpx.AsyncClient, address: str) -> None:
    whole, head = await web.get(address), await web.head(address)
    assert head.status_code == whole.status_code
    assert head.content == b""
    assert dict(head.headers) | {"date": ""} == dict(whole.headers) | {"date": ""}


async def test_head_asks_who_somebody_is_and_changes_nothing(web: httpx.AsyncClient) -> None:
    assert (await web.head("/api/v1/sections")).status_code == 401
    assert (await web.head("/api/v1/sections/4001/edits")).status_code == 405
    assert (await web.head("/api/v1/events?sections=1")).status_code == 405


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Open the gradebook"), ("es", "Abrir el libro de calificaciones")]
)
async def test_the_plain_page_leads_to_the_gradebook(
    web: httpx.AsyncClient, database: asyncpg.Connection[Any], language: str, words: str
) -> None:
    _, (section,) = await add_teacher(database, "teacher")
    await web.post("/api/v1/session", json={"username": "teacher", "password": PASSWORD})
    for address, leads_to in (("/sections", "/app/"), (f"/sections/{section}", f"/app/sections/{section}")):
        page = (await web.get(address, headers={"accept-language": language})).text
        assert f'href="{leads_to}">{words}</a>' in page
        assert (await web.get(leads_to)).status_code == 200


async def test_the_plain_page_does_not_lead_to_a_gradebook_that_is_not_built(
    unbuilt: httpx.AsyncClient, database: asyncpg.Connection[Any]
) -> None:
    await add_teacher(database, "teacher")
    await unbuilt.post("/api/v1/session", json={"username": "teacher", "password": PASSWORD})
    assert "/app/" not in (await unbuilt.get("/sections")).text
