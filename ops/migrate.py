"""`inkfast migrate`: bring the database to the newest schema with dbmate; forward only.

There is no way down: a migration that was wrong is followed by one that puts it right, or the database is restored.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ops.processes import ServerError

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = ROOT / "app" / "records" / "migrations"
SCHEMA = ROOT / "app" / "records" / "schema.sql"
LOCK_WAIT = "60s"  # another `migrate` may be at work; none of ours takes longer


def dbmate_program() -> Path:
    """Return the wheel's binary: it lies beside the interpreter, under its own name."""
    program = Path(sys.executable).with_name("dbmate")
    if not program.is_file():
        raise ServerError(f"no program {program}: run ./ops/up, which installs it")
    return program


def dbmate_url(dsn: str) -> str:
    """Write the DSN as dbmate's driver wants it: a socket folder is `socket=`, and without TLS by name."""
    parts = urlsplit(dsn)
    query = dict(parse_qsl(parts.query))
    folder = query.pop("host", "")
    if folder.startswith("/"):
        query = {"socket": folder, "sslmode": "disable", **query}
    elif folder:
        query["host"] = folder
    netloc = parts.netloc.removesuffix("@") + "@" if folder.startswith("/") else parts.netloc
    return urlunsplit(("postgres", netloc, parts.path, urlencode(query, quote_via=quote), ""))


def migrate(dsn: str) -> str:
    """Apply every pending migration, each in its own transaction, in order; return what dbmate said.

    On ServerError the migrations before the failing one stay applied, the failing one has left nothing.
    """
    done = subprocess.run(
        [
            dbmate_program(),
            *("--url", dbmate_url(dsn), "--migrations-dir", MIGRATIONS, "--no-dump-schema"),
            *("--migration-lock", "--migration-lock-timeout", LOCK_WAIT, "up", "--strict"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",  # dbmate reads a `.env` of the folder it starts in
    )
    if done.returncode != 0:
        raise ServerError("migrate: " + (done.stderr.strip() or done.stdout.strip()))
    return done.stdout
