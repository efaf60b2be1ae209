"""One frozen Settings, the only reader of the environment. Every name ends in its unit; docs/settings.md lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


DATABASE_SCHEMES = ("postgresql", "postgres")
JOURNAL_SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
)


class SettingsError(ValueError):
    """A setting in the environment cannot be used; the message names the variable."""


def _doc(text: str) -> Any:
    return Meta(description=text)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. Environment names: DATABASE_URL, REDIS_URL, else INKFAST_<NAME>."""

    database_url: Annotated[str, _doc("PostgreSQL DSN; of one host or several, only one that can be written is used.")]
    redis_url: Annotated[
        str, _doc("URL of the journal: redis://, rediss://, unix://, redis+cluster://, or redis+sentinel://HOSTS/NAME.")
    ]
    secret_key: Annotated[str, _doc("At least 32 characters; signs grants and receipts (keys are derived from it).")]
    secret_key_previous: Annotated[
        str | None, _doc("The secret_key before this one: its grants are honoured until they end.")
    ] = None
    public_url: Annotated[str, _doc("Address that browsers use; https:// turns on Secure and __Host- cookies.")] = (
        "http://127.0.0.1:8000"
    )

    snapshot_cache_url: Annotated[
        str, _doc("A second, disposable Valkey/Redis that keeps sections for when PostgreSQL is away; empty: none.")
    ] = ""

    save_window_ms: Annotated[int, _doc("`next_save_ms` in quiet times: how long a client collects edits.")] = 5_000
    save_window_ms_max: Annotated[int, _doc("`next_save_ms` under load: at most so much.")] = 60_000
    commit_queue_edits_max: Annotated[int, _doc("Edits that may wait in one API process before it answers 503.")] = (
        20_000
    )
    commit_wait_ms_max: Annotated[int, _doc("How long a save may wait for a store before it is answered 503.")] = 5_000
    journal_silence_ms_max: Annotated[
        int,
        _doc(
            "A journal's server that is silent for so long is taken for away, and edits go to PostgreSQL directly. "
            "At most twice as long where this process got no core meanwhile; "
            "what the machine stood still does not count."
        ),
    ] = 1_000
    direct_connections_max: Annotated[
        int, _doc("PostgreSQL connections of one API process for edits while the journal is away.")
    ] = 2
    direct_queue_edits_max: Annotated[
        int, _doc("Edits that may wait for those connections before a save is answered 503.")
    ] = 5_000
    journal_replicas_min: Annotated[
        int, _doc("Replica fsyncs (WAITAOF) an acknowledgement waits for; 0 without replicas.")
    ] = 0
    journal_memory_clean_percent_max: Annotated[
        int, _doc("Above this share of maxmemory clean heads are evicted, oldest first.")
    ] = 50
    journal_disk_free_percent_min: Annotated[
        int, _doc("Disk guard of `inkfast up`: below this share of free room the journal takes nothing new,")
    ] = 15
    journal_disk_free_mib_max: Annotated[int, _doc("but not where so much is free: 20 minutes of the design load,")] = (
        2_048
    )
    journal_disk_free_mib_min: Annotated[int, _doc("and in any case below this: draining and rewriting take room.")] = (
        64
    )
    journal_ballast_mib: Annotated[
        int, _doc("File kept beside the journal, given away when its server cannot write; at most 5 % of the disk.")
    ] = 64
    journal_unsafe: Annotated[
        bool, _doc("Start although the journal's durability settings are wrong. For benchmarks only.")
    ] = False

    api_niceness: Annotated[
        int, _doc("How far API processes stand back behind journal, flusher and PostgreSQL on their machine (nice).")
    ] = 5
    database_connections_max: Annotated[int, _doc("PostgreSQL connections of one API process.")] = 20
    database_acquire_ms_max: Annotated[int, _doc("How long a request may wait for a PostgreSQL connection.")] = 2_000
    reading_wait_ms_max: Annotated[
        int, _doc("How long a reading may wait for its share, a sixth of those connections, before it is answered 503.")
    ] = 250
    sign_on_wait_ms_max: Annotated[int, _doc("The same for signing on, of which the share is a quarter.")] = 3_000
    report_wait_ms_max: Annotated[int, _doc("The same for histories, one at a time: what can wait goes first.")] = 1_000
    database_statement_ms_max: Annotated[int, _doc("statement_timeout of reads made for requests.")] = 5_000

    flush_batch_rows_max: Annotated[int, _doc("Edits in one flush transaction.")] = 2_000
    flush_linger_ms: Annotated[int, _doc("Longest wait for a batch to fill before it is flushed.")] = 400
    flush_lanes: Annotated[
        int, _doc("Flushers in one flusher process, each with its own share of partitions and its own connection.")
    ] = 2
    lease_ms: Annotated[int, _doc("A flusher that does not renew its partitions for this long loses them.")] = 10_000

    grant_minutes: Annotated[int, _doc("Term of a grant; the login session renews it.")] = 15
    grant_grace_hours: Annotated[
        int, _doc("How long past their term grants are honoured while PostgreSQL is away.")
    ] = 24
    login_session_idle_hours: Annotated[int, _doc("A login session unused for this long ends.")] = 72
    login_session_days: Annotated[int, _doc("A login session ends at the latest after this.")] = 14
    password_processes: Annotated[int, _doc("Processes that hash passwords, apart from those that save.")] = 1
    roster_cache_s: Annotated[
        int, _doc("How long an API process trusts its copy of a section's roster before it reads it anew.")
    ] = 120
    heartbeat_fd: Annotated[
        int | None, _doc("Pipe on which this process shows that it lives; the supervisor sets it.")
    ] = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings, or raise SettingsError naming the variable that is missing or unusable."""
        values: dict[str, Any] = {}
        for field, type_ in get_type_hints(cls).items():
            name = env_name(field)
            if name in environ:
                try:
                    values[field] = msgspec.convert(environ[name], type_, strict=False)
                except msgspec.ValidationError as error:
                    raise SettingsError(f"{name}: {error}") from None
        for info in msgspec.structs.fields(cls):
            if info.required and info.name not in values:
                raise SettingsError(f"{env_name(info.name)} is not set")
        settings = cls(**values)
        if len(settings.secret_key) < 32:
            raise SettingsError("INKFAST_SECRET_KEY: needs at least 32 characters")
        _check_store_url("DATABASE_URL", settings.database_url, DATABASE_SCHEMES)
        _check_store_url("REDIS_URL", settings.redis_url, JOURNAL_SCHEMES)
        if settings.snapshot_cache_url:
            _check_store_url("INKFAST_SNAPSHOT_CACHE_URL", settings.snapshot_cache_url, JOURNAL_SCHEMES)
        return settings


def _check_store_url(name: str, url: str, schemes: Collection[str]) -> None:
    """Raise SettingsError where no store's client could read its address; that is not shown: it may hold a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SettingsError(f"{name}: is no address") from None
    if parts.scheme not in schemes:
        raise SettingsError(f"{name}: begins with none of {', '.join(f'{scheme}://' for scheme in schemes)}")
    for host in parts.netloc.rpartition("@")[2].split(","):
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
            raise SettingsError(
                f"{name}: a port is no number from 1 to 65535 (in a password, / # ? @ are written %2F %23 %3F %40)"
            )


def env_name(field: str) -> str:
    """Name of a field in the environment."""
    return field.upper() if field in {"database_url", "redis_url"} else f"INKFAST_{field.upper()}"
