"""The package as others get it: its size, its files, its types, and its conformance test against our own service."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING

import pytest

from ops.build_web import find_node, install_modules
from tests.web.outbox_page import PACKAGE, build_package, token_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool

GZIP_BYTES_MAX = 5_120
USER = """import { openOutbox, type Outbox, type OutboxStatus } from "@inkfast/outbox";
import { shortForm } from "@inkfast/outbox/receipt";
import { rescue, restore } from "@inkfast/outbox/rescue";
const outbox: Outbox = openOutbox({ user: 1 });
const status: OutboxStatus = outbox.status();
export const queued: number = status.queued;
export const brought: Promise<number> = rescue(outbox).then((file) => restore(outbox, file));
export const short: string = shortForm("r1.x");
// @ts-expect-error: there is no such state
export const wrong: boolean = outbox.newest(1, { kind: "score", item: 1, student: 2 })?.state === "saved";
"""


def test_the_package_stays_small() -> None:
    size = len(gzip.compress(build_package(), 9, mtime=0))
    assert size <= GZIP_BYTES_MAX


async def run(*command: object, cwd: Path) -> tuple[int, str]:
    """Run a program of node; return its exit status, and what it has said."""
    node = find_node()
    process = await asyncio.create_subprocess_exec(
        *(str(part) for part in command),
        cwd=cwd,
        env=node.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_a_packed_package_works_where_it_is_unpacked(tmp_path: Path) -> None:
    node = find_node()
    install_modules(node, with_dev=True)
    status, said = await run(*node.npm, "pack", "--json", "--pack-destination", tmp_path, cwd=PACKAGE)
    assert status == 0, said
    packed = tmp_path / json.loads(said[said.index("[") :])[0]["filename"]
    home = tmp_path / "node_modules" / "@inkfast" / "outbox"
    home.mkdir(parents=True)
    status, said = await run("tar", "-xzf", packed, "-C", home, "--strip-components=1", cwd=tmp_path)
    assert status == 0, said
    for name in (
        "dist/index.js",
        "dist/index.d.ts",
        "dist/rescue.js",
        "dist/receipt.js",
        "README.md",
        "examples/index.html",
        "conformance/run.mjs",
    ):
        assert (home / name).exists(), name
    about = json.loads((home / "package.json").read_text())
    assert ("dependencies" in about, about["sideEffects"]) == (False, False)
    (tmp_path / "user.ts").write_text(USER)
    compiler = PACKAGE.parent / "node_modules" / "typescript" / "bin" / "tsc"
    flags = ["--noEmit", "--strict", "--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022"]
    status, said = await run(
        node.program, compiler, *flags, "--types", "", "--ignoreConfig", tmp_path / "user.ts", cwd=tmp_path
    )
    assert status == 0, said


@pytest.mark.parametrize("school", [{"filled": 0, "columns": 2}], indirect=True)
async def test_our_own_service_keeps_the_protocol(service: Service, school: GradebookSchool) -> None:
    token = await token_of(service, school.teacher_name)
    where = ["--url", service.url, "--token", token, "--section", school.section]
    status, said = await run(find_node().program, "conformance/run.mjs", *where, cwd=PACKAGE)
    assert status == 0, "\n".join(line for line in said.splitlines() if not line.startswith("ok"))
    assert said.count("\nok ") > 30


async def test_conformance_asks_again_where_a_server_has_no_time() -> None:
    answers = iter([(503, "Retry-After: 0\r\n", "{}"), (200, "", '{"reserved_line_item_ids": [], "students": []}')])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status, fields, body = next(answers)
        writer.write(f"HTTP/1.1 {status} .\r\n{fields}Content-Length: {len(body)}\r\n".encode())
        writer.write(f"Connection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        where = ["--url", url, "--token", "ikg1.x", "--section", 1]
        status, said = await run(find_node().program, "conformance/run.mjs", *where, cwd=PACKAGE)
    assert status == 1
    assert "needs at least ten active students" in said


async def test_conformance_says_what_is_not_kept(service: Service, school: GradebookSchool) -> None:
    token = await token_of(service, school.stranger_name)
    where = ["--url", service.url, "--token", token, "--section", school.section]
    status, said = await run(find_node().program, "conformance/run.mjs", *where, cwd=PACKAGE)
    assert status == 1
    assert "not_permitted" in said
