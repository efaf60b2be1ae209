"""PostgreSQL and Valkey of a drill's own, behind proxies: to be stopped, filled, cut off and put back."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote

from ops.drill.chaos_proxy import ProxyThread
from ops.servers import DATABASE, OWNER, PostgresServer, ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

# A backup is put back with all WAL since: none of it may be recycled meanwhile.
WHOLE_WAL: Mapping[str, str] = {"wal_keep_size": "1GB"}
# For disks of a few hundred MiB.
SMALL_WAL: Mapping[str, str] = {"max_wal_size": "64MB", "min_wal_size": "32MB", "shared_buffers": "32MB"}


class DrillStores:
    """Use as a context: both run, as durable as ever. The service knows only the addresses of the proxies."""

    def __init__(
        self,
        folder: Path,
        *,
        records_dir: Path | None = None,
        journal_dir: Path | None = None,
        journal_binary: Path | None = None,
        records_config: Mapping[str, str] = WHOLE_WAL,
    ) -> None:
        self.folder = folder
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        run = folder / "run"
        self.postgres = PostgresServer(records_dir or folder / "pg", run, config=records_config)
        self.valkey = ValkeyServer(journal_dir or folder / "valkey", run, binary=journal_binary)
        self._wire = folder / "wire"
        self._wire.mkdir(mode=0o700, exist_ok=True)
        self._stack = contextlib.ExitStack()
        self.proxies = ProxyThread()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.postgres.start()
            stack.callback(self.postgres.stop)
            self.valkey.start()
            stack.callback(self.valkey.stop)
            stack.enter_context(self.proxies)
            sockets = Path(unquote(self.postgres.dsn.rpartition("host=")[2]))
            self.postgres_proxy = self.proxies.start(sockets / ".s.PGSQL.5432", self._wire / ".s.PGSQL.5432")
            self.valkey_proxy = self.proxies.start(self.valkey.socket_path, self._wire / "valkey.sock")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def proxied(self) -> dict[str, str]:
        """Return where the service finds them."""
        wire = quote(str(self._wire))
        return {
            "DATABASE_URL": f"postgresql://{OWNER}@/{DATABASE}?host={wire}",
            "REDIS_URL": f"unix://{wire}/valkey.sock",
        }

    def direct(self) -> dict[str, str]:
        """Return where they really are: for the audit, and for what a drill does by hand."""
        return {"DATABASE_URL": self.postgres.dsn, "REDIS_URL": self.valkey.url}

    def start_again(self) -> None:
        """Start whichever does not run; return when both answer."""
        for server in (self.postgres, self.valkey):
            if not server.process.running:
                server.process.kill_session()
                server.start()
