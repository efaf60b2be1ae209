"""What a colleague enters arrives while one types; one stream a browser, whichever of its tabs is alive."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.web.conftest import sign_in
from tests.web.laptop import answered, judge_saves, type_down
from tests.web.sizes import sized

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import CDPSession, Locator, Page, Route

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

    Colleague = Callable[[int, str], Awaitable[None]]

SMALL = sized(5, 3, filled=0)


def streams_of(page: Page) -> list[str]:
    """The streams that a tab asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/v1/events" in request.url else None)
    return asked


@pytest.fixture
async def colleague(service: Service, school: GradebookSchool, open_page: OpenPage) -> Colleague:
    """`await colleague(row, "17")`: the co-teacher enters a score into the first column, in a browser of their own."""
    page = await open_page("/app/compatibility", as_user=None)
    await sign_in(page, service, school.co_teacher_name)
    client, made = str(uuid.uuid4()), iter(range(1, 100))

    async def enter(row: int, score: str) -> None:
        seq = next(made)
        edit: dict[str, Any] = {
            "edit_id": str(uuid.uuid4()),
            "seq": seq,
            "kind": "score",
            "item": school.columns[0],
            "student": school.students[row],
            "base": None,
            "value": {"score": score},
            "entered_at": "2026-11-06T22:00:00Z",
        }
        answer = await answered(
            lambda: page.context.request.post(
                f"{service.url}/api/v1/sections/{school.section}/edits",
                data={"client_id": client, "sent_at": "2026-11-06T22:00:00Z", "edits": [edit]},
                headers={"origin": service.url},
            )
        )
        assert answer.ok, await answer.text()
        assert [outcome["outcome"] for outcome in (await answer.json())["outcomes"]] == ["drafted"]

    return enter


async def two_tabs(open_page: OpenPage, school: GradebookSchool) -> tuple[Page, Page, list[str]]:
    """The gradebook in two tabs of one browser, the first of which has the stream; and the streams of the second."""
    first = await open_page("/app/compatibility")
    streams = streams_of(first)
    async with first.expect_response(lambda response: "/api/v1/events" in response.url):
        await first.goto(f"/app/sections/{school.section}")
    assert len(streams) == 1
    second = await first.context.new_page()
    others = streams_of(second)
    await second.goto(f"/app/sections/{school.section}")
    await expect(second.get_by_role("grid")).to_be_visible()
    return first, second, others


def row(page: Page, number: int) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader")).nth(number)


@SMALL
async def test_two_tabs_share_one_stream(open_page: OpenPage, school: GradebookSchool, colleague: Colleague) -> None:
    first, second, others = await two_tabs(open_page, school)
    await colleague(0, "7")
    await expect(row(first, 0)).to_contain_text("7")
    await expect(row(second, 0)).to_contain_text("7")
    assert others == []


@SMALL
async def test_who_else_has_the_section_open_is_shown_and_goes(open_page: OpenPage, school: GradebookSchool) -> None:
    page = await open_page(f"/app/sections/{school.section}")
    await expect(page.get_by_role("grid")).to_be_visible()
    other = await open_page(f"/app/sections/{school.section}", as_user=school.co_teacher_name)
    await expect(page.get_by_text("Sam Okafor")).to_be_visible()
    await expect(other.get_by_text("Elena Ruiz")).to_be_visible()
    await other.close()
    await expect(page.get_by_text("Sam Okafor")).to_have_count(0, timeout=60_000)


@SMALL
async def test_a_tab_that_is_closed_hands_the_stream_over(
    open_page: OpenPage, school: GradebookSchool, colleague: Colleague
) -> None:
    first, second, others = await two_tabs(open_page, school)
    async with second.expect_response(lambda response: "/api/v1/events" in response.url, timeout=60_000):
        await first.close(run_before_unload=False)
    assert len(others) == 1
    await colleague(1, "8")
    await expect(row(second, 1)).to_contain_text("8")


@SMALL
async def test_a_frozen_tab_does_not_leave_the_others_blind(
    open_page: OpenPage, school: GradebookSchool, colleague: Colleague
) -> None:
    first, second, others = await two_tabs(open_page, school)
    devtools = await _freezer(first)
    async with second.expect_response(lambda response: "/api/v1/events" in response.url, timeout=60_000):
        await devtools.send("Debugger.pause")
    assert len(others) == 1
    await colleague(2, "9")
    await expect(row(second, 2)).to_contain_text("9")
    # It comes back, and is a tab like any other.
    await devtools.send("Debugger.resume")
    await colleague(3, "4")
    await expect(row(first, 3)).to_contain_text("4")
    assert len(others) == 1


async def _freezer(page: Page) -> CDPSession:
    """Whom to say `Debugger.pause`: not a line of the page's script runs from then on, and nobody has told it."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Debugger.enable")
    return devtools


async def _refuse_in(page: Page) -> None:
    """Have the service say to this tab that whatever it sends is refused, and settled with that."""

    def refuse(sent: dict[str, Any], told: dict[str, Any]) -> None:
        for outcome in told["outcomes"]:
            outcome |= {"outcome": "rejected", "code": "score_out_of_range", "params": {"min": "0", "max": "20"}}
        told["drafted_seq"] = told["recorded_seq"] = max((edit["seq"] for edit in sent["edits"]), default=0)

    await judge_saves(page, refuse)


async def _hide_own_scores(page: Page, school: GradebookSchool, times: int | None = None) -> None:
    """Have the service show the section to this tab, so often, as if all that its teacher has sent was refused."""

    async def show(route: Route) -> None:
        answer = await route.fetch()
        told = {}
        if answer.ok:
            section = await answer.json()
            shown = [n for n, author in enumerate(section["cells"]["author_id"]) if author != school.teacher]
            section["cells"] = {name: [column[n] for n in shown] for name, column in section["cells"].items()}
            told = {"json": section}
        await route.fulfill(response=answer, **told)

    await page.route(f"**/api/v1/sections/{school.section}", show, times=times)


@SMALL
async def test_a_tab_that_comes_back_does_not_show_what_was_refused_and_dismissed_elsewhere(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    """On the disk nothing is left of it, as of what is recorded: so the section is read after the disk."""
    service.stop_flusher()
    first = await open_page("/app/compatibility")
    # It hears of no other tab: as one that the browser has put aside.
    await first.add_init_script("delete window.BroadcastChannel")
    await judge_saves(first, lambda _, told: told.update(next_save_ms=600_000))
    await _hide_own_scores(first, school)
    await first.goto(f"/app/sections/{school.section}")
    await expect(first.get_by_role("grid")).to_be_visible()
    await type_down(first, 1, 0, first=8)
    await expect(first.locator(".status")).to_contain_text("Saved at the district")
    await expect(row(first, 0)).to_contain_text("8")
    # It would read the section by itself some seconds after its stream began, in the midst of what comes.
    devtools = await _freezer(first)
    await devtools.send("Debugger.pause")
    second = await first.context.new_page()
    await _refuse_in(second)
    await second.goto(f"/app/sections/{school.section}")
    await second.get_by_role("button", name="Needs attention (1)").click()
    await second.get_by_role("button", name="I have seen it").last.click()
    await expect(second.get_by_text("Nothing needs your attention.")).to_be_visible()
    await first.route(f"**/api/v1/sections/{school.section}", lambda route: route.abort())
    await _hide_own_scores(first, school, times=1)
    await devtools.send("Debugger.resume")
    await first.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
    await expect(first.locator(".status")).not_to_contain_text("Saved at the district")
    await expect(row(first, 0)).not_to_contain_text("8")


@SMALL
async def test_a_browser_without_locks_or_channels_has_a_stream_in_each_tab(
    open_page: OpenPage, school: GradebookSchool, colleague: Colleague
) -> None:
    page = await open_page("/app/compatibility")
    await page.context.add_init_script("delete Navigator.prototype.locks; delete window.BroadcastChannel")
    async with page.expect_response(lambda response: "/api/v1/events" in response.url):
        await page.goto(f"/app/sections/{school.section}")
    await colleague(3, "6")
    await expect(row(page, 3)).to_contain_text("6")
