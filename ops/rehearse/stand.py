"""What a rehearsal runs against: an installation of its own for the run, or one that is there."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

from app.settings import Settings
from ops.drill.installation import DrillInstallation
from ops.drill.stores import DrillStores
from ops.installation import Installation, settings_environment
from ops.processes import ServerError, alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NEVER_OURS = "is not an Inkfast service"
ASK_S_MAX = 5.0
PARTS = ("flusher", "housekeeping", "snapshots", "disk-guard")
API_MAX = 16


class Target(NamedTuple):
    """A service that serves. `settings`: its stores, None where they cannot be reached; `pids`: its parts, by name."""

    url: str
    settings: Settings | None
    pids: Callable[[], Mapping[str, int]]
    installation: DrillInstallation | None = None


class RehearsalStores(DrillStores):
    """PostgreSQL and Valkey of the rehearsal's own, without the drills' proxies: nothing stands in the way."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.postgres.start()
            stack.callback(self.postgres.stop)
            self.valkey.start()
            stack.callback(self.valkey.stop)
            stack.enter_context(self.proxies)  # idle: nobody is sent there
            self._stack = stack.pop_all()
        return self

    def proxied(self) -> dict[str, str]:
        """Return where the service finds them: where they are."""
        return self.direct()


@contextlib.contextmanager
def embedded(
    api_processes: int, folder: Path | None, logs: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """Start an installation, as durable as in production, and throw it away afterwards; logs are kept."""
    # Sockets want a short path, and servers one that they may walk to.
    place = Path(tempfile.mkdtemp(prefix="inkfast-rehearsal-", dir=folder))
    place.chmod(0o711)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        stores = stack.enter_context(RehearsalStores(place / "stores", records_config={}))
        installation = DrillInstallation(place / "data", 0, settings, stores, workers=api_processes)
        stack.callback(_keep_logs, place, logs)
        stack.enter_context(installation)
        yield Target(installation.url, installation.settings, lambda: _pids_of(installation, stores), installation)


def _keep_logs(place: Path, logs: Path) -> None:
    logs.mkdir(parents=True, exist_ok=True)
    for log in (*(place / "data" / "log").glob("*.log"), *(place / "stores" / "run").glob("*.log")):
        shutil.copy(log, logs / log.name)


def _pids_of(installation: DrillInstallation, stores: DrillStores) -> dict[str, int]:
    found = _pids_in(installation.installation)
    for name, server in (("postgres", stores.postgres), ("journal", stores.valkey)):
        if server.process.running:
            found[name] = server.pid
    return found


def _pids_in(installation: Installation) -> dict[str, int]:
    names = {name: name for name in PARTS} | {f"api-{n}": f"api-{n}" for n in range(1, API_MAX)}
    names |= {"postgres": "postgres", "valkey": "journal"}
    found = {}
    for name, part in names.items():
        with contextlib.suppress(OSError, ValueError):
            pid = int(installation.pid_path(name).read_text())
            if alive(pid):
                found[part] = pid
    return found


def existing(url: str, data_dir: Path, say: Callable[[str], None]) -> Target:
    """Return a service that is there; ServerError where that is no Inkfast. Its stores are those of `data_dir`."""
    check_is_ours(url)
    installation = Installation(data_dir)
    try:
        settings: Settings | None = Settings.from_env(settings_environment(data_dir))
    except ServerError as error:
        say(f"the stores cannot be reached, so that the run will not be valid: {error}")
        settings = None
    return Target(url, settings, lambda: _pids_in(installation))


def check_is_ours(url: str) -> None:
    """Return if an Inkfast answers there, which says so on its public page; ServerError otherwise."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or 80
        more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    except ValueError as error:
        raise ServerError(f"{url} is no address: {error}") from error
    if parts.scheme != "http" or not host:
        raise ServerError(f"{url!r}: an http:// address is needed (rehearse behind the proxy that ends TLS)")
    if more:
        raise ServerError(f"{url}: an address alone is needed: the rest of it, and a user's name, would not be heeded")
    connection = http.client.HTTPConnection(host, port, timeout=ASK_S_MAX)
    try:
        connection.request("GET", "/statusz")
        answer = connection.getresponse()
        found = json.loads(answer.read())
        if answer.status != http.HTTPStatus.OK or not {"saving", "recording", "next_save_ms"} <= found.keys():
            raise ServerError(f"{url} {NEVER_OURS}: /statusz says something else")
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        raise ServerError(f"{url} {NEVER_OURS}: {type(error).__name__} {error}") from error
    finally:
        connection.close()
