"""The built browser side in memory: which representation is chosen, what a name may reach, and when it is stale."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING

import pytest

from app.api import web_files
from app.api.web_files import WEB, WebFiles, accepted_encodings, digest_of_sources

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = b"export const nothing = 0;\n" * 20


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    files = {
        "home.html": b"<!doctype html>",
        "assets/home.ABCD1234.js": SCRIPT,
        "assets/home.ABCD1234.js.gz": gzip.compress(SCRIPT),
        "assets/home.ABCD1234.js.br": b"brotli",
        "assets/home.ABCD1234.js.map": b"{}",
    }
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    (tmp_path / "manifest.json").write_text(json.dumps({"sources": "0", "pages": {}, "files": sorted(files)}))
    return tmp_path


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (b"gzip, deflate, br, zstd", b"br"),
        (b"GZIP", b"gzip"),
        (b"br;q=0, gzip;q=0.5", b"gzip"),
        (b"br; q=0.000,identity", b""),
        (b"br;q=0.001", b"br"),
        (b"brotli, xgzip", b""),
        (b"", b""),
        (None, b""),
    ],
)
def test_the_smallest_that_the_client_reads(dist: Path, header: bytes | None, encoding: bytes) -> None:
    file = WebFiles(dist).asset("home.ABCD1234.js")
    assert file is not None
    chosen = file.choose(header)
    assert chosen.encoding == encoding
    assert chosen.encoding or chosen.body == SCRIPT
    assert len({r.etag for r in file.representations}) == 3


def test_a_coding_with_the_weight_nought_is_refused() -> None:
    assert accepted_encodings(b" br ; q = 0 , gzip ;q=1") == {b"gzip"}


@pytest.mark.parametrize(
    "name", ["../manifest.json", "home.html", "..", "", "home.ABCD1234.js.gz", "home.ABCD1234.JS", "a" * 500, "a\0b"]
)
def test_nothing_else_is_reached_by_a_name(dist: Path, name: str) -> None:
    assert WebFiles(dist).asset(name) is None


def test_a_file_of_the_next_build_is_found_on_the_disk(dist: Path) -> None:
    files = WebFiles(dist)
    (dist / "assets" / "home.NEXT5678.js").write_bytes(b"next")
    found = files.asset("home.NEXT5678.js")
    assert found is not None
    assert found.choose(None).body == b"next"
    assert files.asset("home.GONE5678.js") is None


def test_what_was_compressed_is_not_a_file_of_its_own(dist: Path) -> None:
    assert WebFiles(dist).file("assets/home.ABCD1234.js.br") is None


def test_without_a_build_there_is_the_icon_and_no_page(tmp_path: Path) -> None:
    files = WebFiles(tmp_path / "nothing")
    assert not files.is_built
    assert not files.is_stale
    assert files.page("home") is None
    assert files.file("icon.svg") is not None
    manifest = files.file("manifest.webmanifest")
    assert manifest is not None
    assert json.loads(manifest.choose(None).body)["start_url"] == "/app/"


def test_half_a_build_is_none(dist: Path) -> None:
    (dist / "assets" / "home.ABCD1234.js").unlink()
    assert not WebFiles(dist).is_built


def test_a_build_of_other_sources_is_stale(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert WebFiles(dist).is_stale
    monkeypatch.setattr(web_files, "digest_of_sources", lambda: "0")
    assert not WebFiles(dist).is_stale


def test_the_build_skips_the_same_folders() -> None:
    skipped = re.search(r"const skipped = new Set\(\[(.+?)\]\)", (WEB / "build.mjs").read_text())
    assert skipped is not None
    assert set(re.findall(r'"(\w+)"', skipped[1])) == web_files._NO_SOURCES


def test_the_digest_changes_with_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_files, "WEB", tmp_path)
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "a.ts").write_text("1")
    first = digest_of_sources()
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "a.js").write_text("1")
    assert digest_of_sources() == first
    (tmp_path / "grid" / "a.ts").rename(tmp_path / "grid" / "b.ts")
    assert digest_of_sources() != first
