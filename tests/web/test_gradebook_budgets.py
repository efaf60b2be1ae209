"""What the gradebook weighs, when its first cell can be typed into, and how soon a score is on the disk.

Machines that run tests are shared, and jitter only ever adds. A score on the disk is held to its budget in the best
of a few tries, and the budget is longer where a bare entry in a store takes longer than on a quiet machine. The first
cell is told in time on the processor, as a machine six times slower would take it: other programs do not change that.
"""

from __future__ import annotations

import re
import statistics
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.web.grade_page import GradePage, open_grades
from tests.web.laptop import hold_first_save, wait_for_worker
from tests.web.page_weight import loaded_by, scripts_of, style_of, words_of
from tests.web.processor_time import ProcessorTime
from tests.web.sizes import LARGE, ORDINARY

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

# What the page loads by itself, with its words in one language; and with all that is fetched when somebody asks for it.
FIRST_BYTES_MAX = 35 * 1024
WHOLE_BYTES_MAX = 56 * 1024
STYLE_BYTES_MAX = 8 * 1024
SLOWER = 6
COLD_MS_MAX, WARM_MS_MAX = 2_500, 1_200
ON_DISK_P95_MS_MAX = 100
TRIES = 5
VALUES = 40

# What a disk and a processor that have nothing else to do need for one entry in a store, with a strict transaction.
QUIET_FLOOR_P95_MS = 12

OBSERVE = """() => {
    window.kept = [];
    let asked = 0;
    const input = document.querySelector(".grid-input");
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") asked = performance.now(); }, true);
    const isNew = ({ target, oldValue }) => target.matches?.("td.is-queued") && !/is-queued/.test(oldValue ?? "");
    new MutationObserver((records) => {
        for (const record of records) if (isNew(record)) window.kept.push(performance.now() - asked);
    }).observe(document.querySelector(".grid-table"), {
        subtree: true, attributes: true, attributeFilter: ["class"], attributeOldValue: true,
    });
}"""
# The floor: one entry after the other into a store of its own, each waited for.
FLOOR = """async (count) => {
    const opened = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = reject;
    });
    const request = indexedDB.open("floor", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("entries", { autoIncrement: true });
    const database = await opened(request);
    const times = [];
    for (let i = 0; i < count; i += 1) {
        const begun = performance.now();
        const transaction = database.transaction("entries", "readwrite", { durability: "strict" });
        transaction.objectStore("entries").put({ value: i });
        await new Promise((resolve) => { transaction.oncomplete = resolve; });
        times.push(performance.now() - begun);
    }
    database.close();
    return times;
}"""


@ORDINARY
@pytest.mark.parametrize("locale", ["en-US", "es-MX"])
async def test_what_the_page_weighs(
    open_page: OpenPage, service: Service, school: GradebookSchool, locale: str
) -> None:
    grades = await open_grades(open_page, service, school, locale=locale)
    scripts, words = await loaded_by(grades.page, ".js"), await loaded_by(grades.page, ".json")
    first = sum(scripts.values()) + sum(words.values())
    whole = sum(scripts_of("gradebook").values()) + sum(words_of("gradebook", locale[:2]).values())
    said = f"{locale}: {first} bytes by itself, {sum(words.values())} of them words; {whole} with everything"
    sys.stderr.write(f"{said}\n")
    assert not [name for name in scripts if re.match(r"(parts|trouble|unavailable|sign_in)\.", name)], scripts
    assert sorted(name.split("-")[0] for name in words) == ["gradebook", "shared"]
    assert first <= FIRST_BYTES_MAX, said
    assert whole <= WHOLE_BYTES_MAX, said


def test_its_style() -> None:
    assert style_of("gradebook") <= STYLE_BYTES_MAX


@LARGE
async def test_the_first_cell_can_be_typed_into_in_time(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    cold, warm = [], []
    for _ in range(3):
        page = await open_page("/app/compatibility")
        cold.append(await _first_cell_ms(page, school))
        await wait_for_worker(page)
        warm.append(await _first_cell_ms(page, school))
        await page.close()
    said = f"ms at a sixth of this processor, cold {[round(ms) for ms in cold]}, warm {[round(ms) for ms in warm]}"
    sys.stderr.write(f"{said}\n")
    assert statistics.median(cold) <= COLD_MS_MAX, said
    assert statistics.median(warm) <= WARM_MS_MAX, said


async def _first_cell_ms(page: Page, school: GradebookSchool) -> float:
    """Open the gradebook; return how long the processor was needed until its first cell had the input over it."""
    async with ProcessorTime(page) as time:
        await page.goto(f"/app/sections/{school.section}", wait_until="commit")
        await expect(page.locator(".grid-input")).to_be_attached(timeout=60_000)
    return time.ms * SLOWER


@LARGE
async def test_a_score_is_on_this_computer_at_once(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/compatibility")
    await hold_first_save(page, school.section, 600_000)  # what is told is the disk's time alone
    await page.goto(f"/app/sections/{school.section}")
    grades = await GradePage(page, service, school).ready()
    await page.keyboard.press("Control+End")
    await grades.input.focus()
    await page.keyboard.press("Control+Home")
    await page.keyboard.press("End")
    await page.evaluate(OBSERVE)
    found: list[tuple[int, int]] = []
    for _ in range(TRIES):
        await _type_down(grades)
        typed = _p95(await page.evaluate("window.kept.splice(0)"))
        floor = _p95(await page.evaluate(FLOOR, VALUES))
        found.append((round(typed), round(floor)))
        if typed <= ON_DISK_P95_MS_MAX * max(1, floor / QUIET_FLOOR_P95_MS):
            sys.stderr.write(f"p95 in ms (score, floor): {found}\n")
            return
    raise AssertionError(f"p95 in ms (score, floor): {found}")


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


async def _type_down(grades: GradePage) -> None:
    for value in range(VALUES):
        await grades.page.keyboard.type(str(value % 10))
        await grades.page.keyboard.press("Enter")
        await grades.page.wait_for_function("count => window.kept.length >= count", arg=value + 1)
