"""The pages arrive, built, from the real service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.web.sizes import LARGE

if TYPE_CHECKING:
    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage


@LARGE
async def test_a_large_section_is_there_for_who_is_signed_in(
    open_page: OpenPage, school: GradebookSchool, service: Service
) -> None:
    page = await open_page("/app/")
    answer = await page.context.request.get(f"/api/v1/sections/{school.section}")
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
