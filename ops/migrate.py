"""`inkfast migrate`: bring the database to the newest schema with dbmate; forward only.

There is no way down: a migration that was wrong is followed by one that puts it right, or the database is restored.
"""

from __future__ import annotations

import asyncio
import difflib
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import click

from app.records.pool import writable_url
from ops.installation import data_dir_option, settings_environment
from ops.processes import ServerError
from ops.servers import PostgresServer, postgres_bin

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
    query.pop("target_session_attrs", None)  # its driver would hand it to the server
    folder = query.pop("host", "")
    if folder.startswith("/"):
        query = {"socket": folder, "sslmode": "disable", **query}
    elif folder:
        query["host"] = folder
    netloc = parts.netloc.removesuffix("@") + "@" if folder.startswith("/") else parts.netloc
    return urlunsplit(("postgres", netloc, parts.path, urlencode(query, quote_via=quote), ""))


def apply_migrations(dsn: str) -> str:
    """Apply every pending migration, each in its own transaction, in order; return what dbmate said.

    On ServerError the migrations before the failing one stay applied, the failing one has left nothing.
    """
    if "," in urlsplit(dsn).netloc:
        dsn = asyncio.run(writable_url(dsn))  # its driver takes one host
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


def dump_schema() -> str:
    """Return the schema that the migrations make from nothing, from a server of its own; the same on every machine."""
    with tempfile.TemporaryDirectory(prefix="ink-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        server = PostgresServer(Path(folder) / "pg", Path(folder) / "run", fast=True)
        server.start()
        try:
            apply_migrations(server.dsn)
            dump = subprocess.run(
                [postgres_bin() / "pg_dump", "--schema-only", "--no-owner", "--no-privileges", server.dsn],
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            server.stop()
    # Left out: versions of server and program, and psql's guard with a random key.
    noise = ("-- Dumped ", "\\restrict ", "\\unrestrict ")
    lines = [line for line in dump.stdout.splitlines() if not line.startswith(noise)]
    return "-- Made by `inkfast migrate --write` from the migrations; for reading.\n" + "\n".join(lines).strip() + "\n"


@click.command()
@click.option("--check", is_flag=True, help="Only check that app/records/schema.sql is what the migrations make.")
@click.option("--write", is_flag=True, help="Write app/records/schema.sql anew from the migrations.")
@data_dir_option
def migrate(data_dir: Path, *, check: bool, write: bool) -> None:
    """Bring the database to the newest schema, forward only, in order.

    The database is DATABASE_URL, else the one that `inkfast up` is running in --data-dir.
    """
    if check or write:
        made = dump_schema()
        kept = SCHEMA.read_text() if SCHEMA.exists() else ""
        if write:
            SCHEMA.write_text(made)
        elif made != kept:
            names = ("schema.sql", "what the migrations make")
            click.echo("\n".join(difflib.unified_diff(kept.splitlines(), made.splitlines(), *names, lineterm="")))
            raise ServerError("app/records/schema.sql is not what the migrations make: run `inkfast migrate --write`")
        return
    said = apply_migrations(settings_environment(data_dir)["DATABASE_URL"])
    click.echo(said.strip() or "the schema is the newest")
