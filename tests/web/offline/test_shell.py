"""The pages arrive, built, from the real service."""

from __future__ import annotations

import gzip
import json
import subprocess
from typing import TYPE_CHECKING

from app.api.web_files import DIST, WEB, WebFiles
from ops.build_web import find_node
from tests.web.laptop import answered
from tests.web.sizes import LARGE
from tests.web.web_copy import build, copy_web, manifest_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage


@LARGE
async def test_a_large_section_is_there_for_who_is_signed_in(
    open_page: OpenPage, school: GradebookSchool, service: Service
) -> None:
    page = await open_page("/app/")
    answer = await answered(lambda: page.context.request.get(f"/api/v1/sections/{school.section}"))
    section = await answer.json()
    assert len(section["students"]) == 200
    assert [student["student_id"] for student in section["students"]] == school.students
    assert [column["line_item_id"] for column in section["line_items"]] == school.columns
    assert len(section["cells"]["kind"]) == 200 * 60 * 0.8
    assert set(section["cells"]["state"]) == {"recorded"}


async def test_a_page_is_built(open_page: OpenPage) -> None:
    page = await open_page("/app/", as_user=None)
    script = await page.locator("script").get_attribute("src")
    assert script is not None
    head = await page.context.request.head(script)
    assert head.status == 200
    assert "immutable" in head.headers["cache-control"]


def test_the_files_of_the_build_before_are_kept_once(tmp_path: Path) -> None:
    """While processes are replaced one by one, a page of an old one asks a new one for its script.

    The same sources built again take nothing away; the next ones take what was kept before.
    """
    web = copy_web(tmp_path)
    dist = web / "dist"
    files = [f"assets/{name}" for name in ("home.FORMER22.js", "home.FORMER22.js.gz", "home.OLDEST11.js")]
    for name in files:
        (dist / name).write_bytes(name.encode())
    (dist / "manifest.json").write_text(
        json.dumps({**manifest_of(dist), "sources": "0", "files": files, "kept": [files[-1]]})
    )
    for is_kept, is_next in ((True, False), (True, False), (False, True)):
        if is_next:
            (dist / "manifest.json").write_text(json.dumps({**manifest_of(dist), "sources": "1"}))
        build(web)
        built = WebFiles(dist)
        assert built.is_built
        assert built.sources not in {"0", "1"}
        assert (built.asset("home.FORMER22.js") is not None) == is_kept
        assert built.asset("home.OLDEST11.js") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web"]
    assert not list(web.glob(".dist-*"))


def test_what_the_build_before_has_packed_is_taken_over_where_it_is_whole(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    bodies = {
        name: f"{name} {'abc' * 400} {name}".encode()
        for name in ("same.js", "cut.js", "other.css", "gone.html", "new.js")
    }
    for folder in (before, now):
        (folder / "assets").mkdir(parents=True)
        for name, body in bodies.items():
            (folder / "assets" / name).write_bytes(body)
    (before / "assets" / "new.js").write_bytes(b"what it was before")
    pack(before, tmp_path / "nothing")
    packed = {path.name: path.read_bytes() for path in (before / "assets").iterdir()}
    weaker = gzip.compress(bodies["same.js"], 1, mtime=0)
    (before / "assets" / "same.js.gz").write_bytes(weaker)
    (before / "assets" / "cut.js.gz").write_bytes(packed["cut.js.gz"][:-9])
    (before / "assets" / "other.css.br").write_bytes(packed["cut.js.br"])
    (before / "assets" / "gone.html.br").unlink()
    same_way = json.dumps({"packedBy": manifest_of(DIST)["packedBy"]})
    for said in ("{}", '{"packedBy": "zopfli 0.1"}', same_way[:-1], same_way):
        (before / "manifest.json").write_text(said)
        pack(now, before)
        found = {path.name: path.read_bytes() for path in (now / "assets").iterdir()}
        assert found.pop("same.js.gz") == (weaker if said == same_way else packed["same.js.gz"])
        assert gzip.decompress(found.pop("new.js.gz")) == found.pop("new.js") == bodies["new.js"]
        assert found.pop("new.js.br") != packed["new.js.br"]
        assert found.items() <= packed.items()


def pack(folder: Path, before: Path) -> None:
    """Put .gz and .br beside what is in a folder, as a build does that replaces `before`."""
    script = "const [out, target] = process.argv.slice(1); await (await import('./build.mjs')).compress(out, target)"
    node = find_node()
    command = [node.program, "--input-type=module", "-e", script, folder, before]
    subprocess.run(command, cwd=WEB, env=node.environment(), check=True)
