"""The pages arrive, built, from the real service."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from app.api.web_files import WEB, WebFiles
from ops.build_web import find_node
from tests.web.laptop import answered
from tests.web.sizes import LARGE

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
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    for name in ("home.FORMER22.js", "home.FORMER22.js.gz", "home.OLDEST11.js"):
        (dist / "assets" / name).write_bytes(name.encode())
    files = sorted(f"assets/{path.name}" for path in (dist / "assets").iterdir())
    manifest = dist / "manifest.json"
    manifest.write_text(json.dumps({"sources": "0", "files": files, "kept": [files[-1]]}))
    node = find_node()
    for is_kept, is_next in ((True, False), (True, False), (False, True)):
        if is_next:
            manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "sources": "1"}))
        subprocess.run([node.program, "build.mjs", "--out", dist], cwd=WEB, env=node.environment(), check=True)
        built = WebFiles(dist)
        assert built.is_built
        assert built.sources not in {"0", "1"}
        assert (built.asset("home.FORMER22.js") is not None) == is_kept
        assert built.asset("home.OLDEST11.js") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist"]
