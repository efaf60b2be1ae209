"""`inkfast doctor` finds what would lose an edit, and says so in words that can be acted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ops.doctor import examine_machine, examine_servers
from ops.servers import ValkeyServer

if TYPE_CHECKING:
    from pathlib import Path

    from app.settings import Settings


async def test_unsafe_settings_are_found(settings: Settings, server_dir: Path) -> None:
    unsafe = ValkeyServer(server_dir / "unsafe", server_dir / "run-unsafe", config={"appendfsync": "everysec"})
    unsafe.start()
    try:
        lines = await examine_servers(msgspec.structs.replace(settings, redis_url=unsafe.url))
    finally:
        unsafe.stop()
    bad = {line.subject.split()[-1] for line in lines if line.advice}
    assert bad == {"appendfsync", "fsync", "full_page_writes", "synchronous_commit"}, (
        "the tests' PostgreSQL is unsafe too"
    )


async def test_the_tests_journal_is_safe(settings: Settings) -> None:
    lines = await examine_servers(settings)
    assert not [line for line in lines if line.subject.startswith("journal") and line.advice]
    assert [line.value for line in lines if line.subject == "schema"] == ["newest"]


async def test_servers_that_are_away_are_lines_too(settings: Settings, tmp_path: Path) -> None:
    gone = msgspec.structs.replace(
        settings, redis_url=f"unix://{tmp_path}/no.sock", database_url=f"postgresql://x@/x?host={tmp_path}"
    )
    assert [line.value for line in await examine_servers(gone)] == ["away", "away"]


def test_the_machine_is_looked_at(tmp_path: Path) -> None:
    assert [line.subject for line in examine_machine(tmp_path)] == ["Python", "free disk space"]
