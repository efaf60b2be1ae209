"""What `inkfast up` leaves in its data directory for the other commands: where the servers are, and the secret key."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.environment import environment
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_DATA_DIR = Path(__file__).resolve().parent.parent / "data"


class Installation:
    """One data directory: `pg18/`, `valkey/`, `run/`, `log/`, `secret_key`, `settings.json`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.run_dir = self.data_dir / "run"
        self.log_dir = self.data_dir / "log"
        self.journal_dir = self.data_dir / "valkey"
        self._settings = self.data_dir / "settings.json"

    def read(self) -> dict[str, Any]:
        """Return what was written last; empty when nothing ever was."""
        try:
            values = json.loads(self._settings.read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise ServerError(f"{self._settings} is damaged: remove it, and start again")
        return values

    def write(self, **changes: Any) -> None:
        """Keep `changes` beside what is there; a crash leaves the old file or the new one, whole."""
        text = json.dumps({**self.read(), **changes}, indent=2, sort_keys=True) + "\n"
        _replace(self._settings, text)

    def secret_key(self) -> str:
        """Return the key that signs grants and receipts; made on the first call, readable only for its owner."""
        path = self.data_dir / "secret_key"
        with contextlib.suppress(FileNotFoundError):
            return path.read_text().strip()
        key = secrets.token_urlsafe(48)
        _replace(path, key + "\n")
        return key

    def pid_path(self, name: str) -> Path:
        """Return where the supervisor keeps the process id of one of its processes."""
        return self.run_dir / f"{name}.pid"


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".unfinished")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def settings_environment(data_dir: Path) -> dict[str, str]:
    """Return the environment for `Settings.from_env`: what is set, else what `inkfast up` wrote in `data_dir`.

    ServerError when neither names the servers.
    """
    given = dict(environment())
    installation = Installation(data_dir)
    written = installation.read()
    for name, key in (
        ("DATABASE_URL", "database_url"),
        ("REDIS_URL", "redis_url"),
        ("INKFAST_SNAPSHOT_CACHE_URL", "snapshot_cache_url"),
        ("INKFAST_PUBLIC_URL", "public_url"),
    ):
        if name not in given and key in written:
            given[name] = written[key]
    if "DATABASE_URL" not in given or "REDIS_URL" not in given:
        raise ServerError(f"no servers: set DATABASE_URL and REDIS_URL, or run `inkfast up` (nothing in {data_dir})")
    if "INKFAST_SECRET_KEY" not in given:
        given["INKFAST_SECRET_KEY"] = installation.secret_key()
    return given


def data_dir_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--data-dir`, as a Path called `data_dir`."""
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_DATA_DIR,
        show_default=True,
        help="The directory that `inkfast up` keeps its data in; DATABASE_URL and REDIS_URL come before it.",
    )(function)
