"""Stores that are away for a while, out of memory, or put back from a backup."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.errors import RecordsUnavailableError
from ops.drill import journal
from ops.drill.faults.processes import family, frozen
from ops.drill.installation import HEAL_S_MAX, wait_until
from ops.drill.scene import FROZEN, JOURNAL_AWAY, NEVER_FAILS, NOTHING_CAN_BE_SAVED, Drill, Scene, Stand
from ops.incarnation import mint
from ops.servers import postgres_bin

if TYPE_CHECKING:
    from pathlib import Path

    from app.settings import Settings
    from ops.drill.figures import Facts


UNAVAILABLE = 503
BACKUP_S_MAX = 120


def _stop_postgres(scene: Scene) -> None:
    scene.stores.postgres.stop()
    scene.hold()
    scene.stores.postgres.start()


def _stop_valkey(scene: Scene) -> None:
    scene.stores.valkey.stop()
    scene.hold()
    scene.stores.valkey.start()


def _stop_both(scene: Scene) -> None:
    scene.stores.valkey.stop()
    scene.stores.postgres.stop()
    scene.hold()
    status, retry_after = _try_to_save(scene)
    scene.expect(status == UNAVAILABLE, f"a save was answered {status}, not 503, while both stores were away")
    scene.expect(retry_after, "the 503 did not say when to try again (Retry-After)")
    scene.stores.start_again()


def _try_to_save(scene: Scene) -> tuple[int, str | None]:
    """Ask what a save would be told now: status, and Retry-After."""
    grant = json.loads(scene.tokens.read_text().splitlines()[0])
    body = {
        "client_id": "0192f7a0-0000-7000-8000-000000000001",
        "sent_at": "2026-11-23T08:00:00.000Z",
        "exceptions_seen_seq": 0,
        "edits": [],
    }
    connection = http.client.HTTPConnection(urlsplit(scene.installation.url).netloc, timeout=HEAL_S_MAX)
    headers = {"Authorization": f"Bearer {grant['token']}", "Content-Type": "application/json"}
    try:
        connection.request("POST", f"/api/v1/sections/{grant['sections'][0]}/edits", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["Retry-After"]
    finally:
        connection.close()


def _only_503(scene: Scene, facts: Facts) -> None:
    others = {f"{status} {code}" for status, code in facts.failures if status not in {UNAVAILABLE, 409}}
    scene.expect(not others, f"saves were answered otherwise than 503: {', '.join(sorted(others))}")


def _freeze_both(scene: Scene) -> None:
    pids = [scene.stores.valkey.pid, *family(scene.stores.postgres.pid)]
    frozen(pids, scene.hold_s)


def _out_of_memory(scene: Scene) -> None:
    """Allow Valkey less memory than it has in use: it takes no write, and still lets things be removed."""
    settings = scene.installation.settings
    limit = journal.command(settings, "CONFIG", "GET", "maxmemory")[1]
    journal.command(settings, "CONFIG", "SET", "maxmemory", "1mb")
    try:
        scene.hold()
    finally:
        journal.command(settings, "CONFIG", "SET", "maxmemory", limit)


def _restore_postgres(scene: Scene) -> None:
    """Take a backup, go on, destroy the database; put the backup back and replay every byte of WAL since.

    That takes a while, as with a large database: meanwhile the server can be read, and shows what is long past.
    """
    server = scene.stores.postgres
    folder = scene.stores.folder
    backup, archive, destroyed = folder / "backup", folder / "archive", folder / "destroyed"
    owner = server.dsn_of("postgres", "postgres")
    program: list[str | Path] = [
        postgres_bin() / "pg_basebackup",
        "-d",
        owner,
        "-D",
        backup,
        "-X",
        "none",
        "-c",
        "fast",
        "--no-sync",
    ]
    subprocess.run(program, check=True, timeout=BACKUP_S_MAX, capture_output=True)
    scene.hold()
    server.stop()
    server.data_dir.rename(destroyed)
    shutil.copytree(destroyed / "pg_wal", archive, ignore=shutil.ignore_patterns("archive_status", "summaries"))
    backup.rename(server.data_dir)
    _ask_for_recovery(server.data_dir, archive)
    _give(archive, destroyed)
    server.start()
    scene.hold()
    _replay_all(owner)
    settings = scene.installation.settings
    wait_until(lambda: _is_renewed(settings), HEAL_S_MAX, "the end of PostgreSQL's recovery", pause_s=0.05)
    for path in (archive, destroyed):
        shutil.rmtree(path)


def _is_renewed(settings: Settings) -> bool:
    try:
        asyncio.run(mint(settings))
    except RecordsUnavailableError:  # it takes no connections yet, or only to read
        return False
    return True


def _ask_for_recovery(data_dir: Path, archive: Path) -> None:
    with (data_dir / "postgresql.auto.conf").open("a") as file:
        file.write(f"restore_command = 'cp \"{archive}/%f\" \"%p\"'\nrecovery_target_timeline = 'latest'\n")
        file.write("recovery_min_apply_delay = '1h'\n")  # nothing that was committed after the backup
    (data_dir / "recovery.signal").touch()


def _replay_all(owner: str) -> None:
    program: list[str | Path] = [postgres_bin() / "psql", "-d", owner, "-qX"]
    program += ["-c", "ALTER SYSTEM SET recovery_min_apply_delay = 0", "-c", "SELECT pg_reload_conf()"]
    subprocess.run(program, check=True, timeout=BACKUP_S_MAX, capture_output=True)


def _give(folder: Path, like: Path) -> None:
    """Let the user of PostgreSQL read it."""
    owner = like.stat()
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)


def _flap(scene: Scene) -> None:
    """Let each store go away in turn, twice, for a moment."""
    for _ in range(2):
        for server in (scene.stores.valkey, scene.stores.postgres):
            server.kill()
            time.sleep(scene.rng.uniform(0.2, 0.8))
            server.start()


DRILLS = (
    Drill("stop-postgres", "PostgreSQL is stopped", _stop_postgres, NEVER_FAILS, Stand.WIRED, 20.0),
    Drill("stop-valkey", "Valkey is stopped", _stop_valkey, JOURNAL_AWAY, Stand.WIRED, 10.0),
    Drill(
        "stop-both",
        "both stores are stopped",
        _stop_both,
        NOTHING_CAN_BE_SAVED,
        Stand.WIRED,
        examine=_only_503,
    ),
    Drill("freeze-both", "both stores are frozen (SIGSTOP)", _freeze_both, NOTHING_CAN_BE_SAVED, Stand.WIRED),
    Drill("stores-in-turn", "each store is killed in turn, again and again", _flap, FROZEN, Stand.WIRED),
    Drill("journal-out-of-memory", "Valkey takes no more writes", _out_of_memory, JOURNAL_AWAY, Stand.WIRED),
    Drill(
        "postgres-restored-from-backup",
        "the database is destroyed; backup and WAL are put back",
        _restore_postgres,
        NEVER_FAILS,
        Stand.WIRED,
        leaves_whole=False,
    ),
)
