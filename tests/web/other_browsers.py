"""Firefox and WebKit as Debian has them: a teacher's work in each, from signing in to what stands in PostgreSQL.

`.venv/bin/python -m tests.web.other_browsers` runs it for both, `… firefox` for one; `./ops/test` runs Chromium alone,
for these two would take it past its time. What is missing is said, with the line that installs it. Pictures of the
pages are kept beside those of Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest

from ops.drill.chaos_proxy import NO_FAULT, ChaosProxy
from ops.environment import environment
from tests.browsing import screenshots
from tests.school import PASSWORD
from tests.web.outbox_page import PAGE, build_package, token_of
from tests.web.roll_page import ATTENDANCE, PRESENT, ROLL_TAKEN, eventually
from tests.web.rounds import FAULTS, KILL_S_MAX, compare
from tests.web.sizes import sized
from tests.web.webdriver import BROWSERS, CONTROL, DOWN, ENTER, HOME, SHIFT, Firefox, OtherBrowser, WebKit
from tests.world import Tab, fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool

pytestmark = sized(12, 6, filled=0)
ONE = pytest.mark.parametrize("window", ["firefox"], indirect=True)
EVERYTHING = "Everything is in the records"
CELL = ".grid-input"
# From here on, what no script of the page catches is kept.
LISTEN = """() => {
    window.failed = [];
    window.addEventListener("error", ({ message }) => window.failed.push(message));
    window.addEventListener("unhandledrejection", ({ reason }) => window.failed.push(`${reason}`));
}"""
HAS_WORKER = """async () => "serviceWorker" in navigator
    && !!(await navigator.serviceWorker.ready).active && navigator.serviceWorker.controller !== null"""
FINDINGS = """() => Object.fromEntries([...document.querySelectorAll("[data-ability]")]
    .map(({ dataset }) => [dataset.ability, dataset.verdict]))"""
# What each browser finds of itself. A driven WebKit keeps all of it in memory, which a page cannot know.
CAN = {
    "disk": "yes",
    "strict": "yes",
    "offline": "yes",
    "tabs": "yes",
    "leaving": "yes",
    "clock": "yes",
    "private": "unknown",
}
ABILITIES = {
    Firefox: {**CAN, "lasting": "partly", "space": "yes"},
    WebKit: {**CAN, "lasting": "unknown", "space": "unknown"},
}
# The bare outbox, on an address of the service that has no policy against scripts.
MODULE = PAGE.partition('<script type="module">')[2].partition("</script>")[0]
START_OUTBOX = """(text, outbox) => {
    const address = URL.createObjectURL(new Blob([outbox], { type: "text/javascript" }));
    window.told = [];
    const module = Object.assign(document.createElement("script"), { type: "module" });
    module.textContent = text.replace("/outbox/outbox.min.js", address)
        .replace("console.debug(JSON.stringify(edit))", "window.told.push(edit)");
    document.head.append(module);
}"""
LOOK = "() => window.isReady === true && window.outbox.status().storage !== 'memory' && window.look()"
TYPE = "(cells, prefix) => void window.type(cells, prefix)"
TAKE = "() => window.told.splice(0)"
ALL_SETTLED = """() => {
    window.outbox.flush();
    const { storage, storing, queued, sending, drafted } = window.outbox.status();
    return storage !== "memory" && storing + queued + sending + drafted === 0;
}"""
SEND = "() => void window.dispatchEvent(new Event('online'))"


@pytest.fixture(params=BROWSERS)
async def window(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OtherBrowser]:
    """A window of each browser."""
    async with BROWSERS[request.param](tmp_path) as window:
        yield window


class Teacher:
    """Somebody at the gradebook in one of these windows."""

    def __init__(self, window: OtherBrowser, service: Service, school: GradebookSchool) -> None:
        self.window, self.service, self.school = window, service, school
        self.section = f"/app/sections/{school.section}"

    async def sign_in(self) -> None:
        """By the form; returns when the sections are listed."""
        await self.open("/app/", "input[name=username]")
        for field, text in (("username", self.school.teacher_name), ("password", PASSWORD)):
            await self.window.click(f"input[name={field}]")
            await self.window.type(text)
        await self.window.type(ENTER)
        await self.window.until_said("h1", "Sections of Elena Ruiz")

    async def open(self, path: str, css: str) -> None:
        """Open a page of the service; returns when it has such an element."""
        await self.window.go(f"{self.service.url}{path}")
        await self.window.run(LISTEN)
        await self.window.until_there(css)

    async def open_gradebook(self) -> None:
        """Return when its first cell can be typed into."""
        await self.open(self.section, CELL)

    async def go_to_row(self, row: int) -> None:
        """Make this row's cell of the first column the active one; counted from 0."""
        await self.window.click(CELL)
        await self.window.press(CONTROL, HOME)
        await self.window.type(DOWN * row)

    async def score(self, *scores: str, row: int = 0) -> None:
        """Type these down the first column, from this row on."""
        await self.go_to_row(row)
        for one in scores:
            await self.window.type(one + ENTER)

    async def until_status(self, words: str) -> None:
        """Wait until the status line says this."""
        await self.window.until_said(".top .status", words)

    async def has_its_disk(self) -> None:
        """The page has its disk: what it knows of its work it has read there."""
        await self.window.until("() => document.querySelector('.top .status')?.dataset.state !== undefined")
        assert await self.window.run("() => document.querySelector('.top .status').dataset.state") != "nowhere"

    async def until_recorded(self, *scores: str, column: int = 0) -> None:
        """Wait until PostgreSQL has these in a column, from the first student on, and the page says so."""
        await self.window.run(SEND)
        await eventually(lambda: self.scores(column), [*scores])
        await self.until_status(EVERYTHING)

    async def scores(self, column: int = 0) -> list[str]:
        """Return what PostgreSQL has in a column, in the order of the students."""
        rows = await fetch(
            self.service.settings,
            """SELECT student_id, value ->> 'score' AS score FROM cell
               WHERE section_id = $1 AND kind = 1 AND item = $2 AND value ->> 'score' IS NOT NULL""",
            self.school.section,
            self.school.columns[column],
        )
        found = {row["student_id"]: row["score"] for row in rows}
        return [found[student] for student in self.school.students if student in found]

    async def roll(self, kind: int) -> list[Any]:
        """Return what PostgreSQL has of the roll."""
        rows = await fetch(
            self.service.settings,
            "SELECT value FROM cell WHERE section_id = $1 AND kind = $2",
            self.school.section,
            kind,
        )
        return [json.loads(row["value"]) for row in rows]

    async def shoot(self, name: str) -> None:
        """Keep a picture of the window."""
        await self.window.shoot(screenshots() / f"{type(self.window).__name__.lower()}-{name}.png")


@pytest.fixture
async def teacher(window: OtherBrowser, service: Service, school: GradebookSchool) -> AsyncIterator[Teacher]:
    """Signed in; no script of the page that is open at the end has failed."""
    teacher = Teacher(window, service, school)
    await teacher.sign_in()
    yield teacher
    assert await window.run("() => window.failed") == []


async def test_scores_are_typed_changed_and_taken_back(teacher: Teacher, window: OtherBrowser) -> None:
    await teacher.open_gradebook()
    await teacher.score("7", "8", "9")
    await teacher.until_recorded("7", "8", "9")
    await teacher.shoot("gradebook")
    await teacher.score("5", row=1)
    await teacher.until_recorded("7", "5", "9")
    await window.press(CONTROL, "z")
    await teacher.until_recorded("7", "8", "9")


async def test_a_block_is_pasted_from_another_page_and_copied_on(teacher: Teacher, window: OtherBrowser) -> None:
    """By the browser's own clipboard: the keys that a person presses, and no event of the test's making."""
    await window.go("data:text/html,<textarea>7%098%0A9%0910</textarea>")
    await window.click("textarea")
    await window.press(CONTROL, "a")
    await window.press(CONTROL, "c")
    await teacher.open_gradebook()
    await teacher.go_to_row(0)
    await window.press(CONTROL, "v")
    await teacher.until_recorded("7", "9")
    await teacher.until_recorded("8", "10", column=1)
    await teacher.go_to_row(0)
    await window.press(SHIFT, DOWN)
    await window.press(CONTROL, "c")
    await teacher.go_to_row(2)
    await window.press(CONTROL, "v")
    await teacher.until_recorded("7", "9", "7", "9")


async def test_the_roll_is_taken(teacher: Teacher, window: OtherBrowser) -> None:
    await teacher.open(f"{teacher.section}/attendance", ".student")
    await window.click(".student input[value=unexcused_absence]")
    await window.until_there(".foot .last")  # what was just done takes room, and the button its place
    await window.click(".take")
    await window.until_said(".roll-state", "You took the roll")
    await window.run(SEND)
    await teacher.until_status(EVERYTHING)
    await teacher.shoot("roll")
    marks = await teacher.roll(ATTENDANCE)
    assert marks.count({"category": "unexcused_absence"}) == 1
    assert marks.count(PRESENT) == len(teacher.school.students) - 1
    await eventually(lambda: teacher.roll(ROLL_TAKEN), [{"taken": True}])


async def test_in_spanish(teacher: Teacher, window: OtherBrowser) -> None:
    await teacher.open_gradebook()
    await window.click("button[lang=es]")
    await window.until_there("html[lang=es]")
    await window.run(LISTEN)
    await teacher.score("7,5")
    await window.until_said(".top .status", "registr")
    await eventually(teacher.scores, ["7.5"])
    await teacher.shoot("spanish")


async def test_a_colleague_s_score_arrives_by_itself(teacher: Teacher, window: OtherBrowser) -> None:
    await teacher.open_gradebook()
    school, service = teacher.school, teacher.service
    token = await token_of(service, school.co_teacher_name)
    tab = Tab(user_id=school.co_teacher, section_id=school.section)
    body = tab.body(tab.edit(school.students[3], "6.25", item=school.columns[0]))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=service.url, headers=headers, trust_env=False) as client:
        answer = await client.post(f"/api/v1/sections/{school.section}/edits", content=body)
    assert answer.json()["outcomes"][0]["outcome"] in {"drafted", "recorded"}
    await window.until_said("tbody td", "6.25")


async def test_what_one_window_has_typed_the_other_shows_and_it_is_recorded_once(
    teacher: Teacher, window: OtherBrowser
) -> None:
    one, two = await window.window(), await window.open_window()
    await teacher.open_gradebook()
    await window.turn_to(two)
    await teacher.open_gradebook()
    teacher.service.stop()
    await window.turn_to(one)
    await teacher.score("6.25")
    await window.turn_to(two)
    await window.until_said("tbody td", "6.25")
    await teacher.until_status("1 change is on this computer")
    teacher.service.start()
    await window.run(SEND)
    await window.turn_to(one)
    await teacher.until_recorded("6.25")
    entries = await fetch(
        teacher.service.settings, "SELECT status::text FROM edit_log WHERE section_id = $1", teacher.school.section
    )
    assert [entry["status"] for entry in entries] == ["A"]


async def test_going_to_and_fro_leaves_the_disk_to_the_next_page(teacher: Teacher, window: OtherBrowser) -> None:
    """WebKit keeps a page that is left, for going back, with what it was just writing; others would wait for that."""
    scores = [str(turn % 10) for turn in range(len(teacher.school.students))]
    for row, score in enumerate(scores):
        await teacher.open_gradebook()
        await teacher.score(score, row=row)
        await teacher.open("/app/", "main li")
        await teacher.has_its_disk()
    await teacher.open_gradebook()
    await teacher.until_recorded(*scores)


async def test_somebody_else_s_section_is_refused_in_words(teacher: Teacher, window: OtherBrowser) -> None:
    await teacher.open(f"/app/sections/{teacher.school.section + 1_000_000}", "main.empty")
    await window.until_said("main.empty", "This is not one of your sections.")
    await teacher.shoot("not-yours")


async def test_without_the_service_a_page_opens_and_what_is_typed_waits_and_arrives(
    teacher: Teacher, window: OtherBrowser
) -> None:
    await teacher.open_gradebook()
    await window.until(HAS_WORKER)
    teacher.service.stop()
    await teacher.score("4", "5")
    await teacher.until_status("2 changes are on this computer")
    await teacher.open_gradebook()
    await teacher.until_status("2 changes are on this computer")
    await teacher.shoot("offline")
    teacher.service.start()
    await teacher.until_recorded("4", "5")


@ONE
async def test_after_a_loss_of_power_the_page_opens_without_the_service(teacher: Teacher, window: Firefox) -> None:
    await teacher.open_gradebook()
    await window.until(HAS_WORKER)
    teacher.service.stop()
    await teacher.score("6", "1", "2")
    await teacher.until_status("3 changes are on this computer")
    await window.kill()
    await window.forget()
    await window.start()
    await teacher.open_gradebook()
    await teacher.until_status("3 changes are on this computer")
    await teacher.score("3", row=3)
    await teacher.until_status("4 changes are on this computer")
    await teacher.shoot("after-a-loss-of-power")
    teacher.service.start()
    await teacher.until_recorded("6", "1", "2", "3")


async def test_what_the_browser_can_do_is_said(teacher: Teacher, window: OtherBrowser) -> None:
    await teacher.open("/app/compatibility", "[data-verdict]")
    await window.until(HAS_WORKER)
    await teacher.open("/app/compatibility", "main")
    await window.until("() => document.querySelectorAll('[data-verdict]').length === 9")
    assert await window.run(FINDINGS) == ABILITIES[type(window)]
    await teacher.shoot("compatibility")


@asynccontextmanager
async def _outbox(disk: Path, proxy: ChaosProxy, school: GradebookSchool, token: str) -> AsyncIterator[Firefox]:
    """Open the bare outbox, with what is on the disk; Firefox is killed at the end."""
    async with Firefox(disk) as window:
        mine = {"user": school.teacher, "token": token, "section": school.section, "name": "inkfast"}
        await window.go(f"http://127.0.0.1:{proxy.port}/livez#{urlencode(mine)}")
        await window.run(START_OUTBOX, MODULE, (await asyncio.to_thread(build_package)).decode())
        await window.until(LOOK)
        yield window


async def test_kills_of_firefox_lose_nothing_that_was_on_this_computer(
    service: Service, school: GradebookSchool, tmp_path: Path
) -> None:
    """Somebody types, and every process of Firefox is killed at a random moment: as in rounds.py, on one outbox."""
    rounds = int(environment().get("INKFAST_ROUNDS", "3"))
    chance = random.Random(rounds)
    token = await token_of(service, school.teacher_name)
    cells = [[item, student] for item in school.columns for student in school.students]
    told: list[dict[str, Any]] = []
    proxy = ChaosProxy(("127.0.0.1", service.port))
    await proxy.start()
    try:
        for number in range(rounds):
            before = len(told)
            async with _outbox(tmp_path, proxy, school, token) as window:
                await proxy.set(chance.choice(FAULTS))
                await window.run(TYPE, cells, f"r{number}")
                while len(told) == before:
                    told += await window.run(TAKE)
                await asyncio.sleep(chance.random() * KILL_S_MAX)  # the moment is the experiment
                told += await window.run(TAKE)
            await proxy.set(NO_FAULT)
        async with _outbox(tmp_path, proxy, school, token) as window:
            await window.until(ALL_SETTLED)
    finally:
        await proxy.close()
    report = await compare(told, school, service.settings, rounds)
    sys.stdout.write(f"{report}\n")
    assert report.is_whole, report
    assert report.recorded > rounds, "too little was typed to say anything"


def main() -> int:
    """Run it by hand, with servers of its own."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.web.other_browsers",
        description="A teacher's work in Debian's Firefox and WebKit, against a service of its own.",
    )
    parser.add_argument("browsers", nargs="*", metavar="browser", help=f"of {', '.join(BROWSERS)}; both unless told")
    parser.add_argument("--rounds", type=int, default=3, help="how often Firefox is killed while somebody types")
    wanted = parser.parse_args()
    chosen = wanted.browsers or list(BROWSERS)
    if unknown := set(chosen) - set(BROWSERS):
        parser.error(f"no such browser: {', '.join(unknown)}")
    packages = {program: package for one in chosen for program, package in BROWSERS[one].packages.items()}
    if missing := [package for program, package in packages.items() if not Path(program).exists()]:
        sys.stderr.write(f"not installed: apt-get install --no-install-recommends {' '.join(missing)}\n")
        return 2
    given = {**environment(), "INKFAST_ROUNDS": str(wanted.rounds)}
    test = [sys.executable, "-m", "pytest", "-vvs", "-k", " or ".join(chosen), "tests/web/other_browsers.py"]
    return subprocess.run(test, env=given, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
