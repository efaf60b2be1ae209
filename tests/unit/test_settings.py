"""The settings that a process starts with: what cannot be used is refused by its name, and never shown."""

from __future__ import annotations

import pytest

from app.settings import Settings, SettingsError
from tests.conftest import SECRET_KEY

GOOD = {
    "DATABASE_URL": "postgresql://inkfast@db.example:5432/inkfast",
    "REDIS_URL": "redis://journal.example:6379",
    "INKFAST_SECRET_KEY": SECRET_KEY,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql:///inkfast?host=/run/postgresql"),
        ("DATABASE_URL", "postgres://ink:s3cret%2F@[::1]:5432,db2.example/inkfast?sslmode=verify-full"),
        ("REDIS_URL", "unix:///run/valkey/valkey.sock"),
        ("REDIS_URL", "rediss://:s3cret@journal.example/0"),
        ("REDIS_URL", "redis+cluster://a.example:7000,b.example:7001,[2001:db8::1]:7002"),
        ("REDIS_URL", "redis+sentinel://a.example,b.example:26379/journal"),
        ("INKFAST_SNAPSHOT_CACHE_URL", ""),
        ("INKFAST_SNAPSHOT_CACHE_URL", "redis://127.0.0.1:6380"),
    ],
)
def test_addresses_of_stores_that_clients_can_read_are_taken(name: str, value: str) -> None:
    settings = Settings.from_env({**GOOD, name: value})
    assert value in {settings.database_url, settings.redis_url, settings.snapshot_cache_url}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("DATABASE_URL", "postgresql://ink@db:abc/inkfast", "a port is no number"),
        ("DATABASE_URL", "postgresql://ink@db:0/inkfast", "a port is no number"),
        ("DATABASE_URL", "postgresql://ink@db:5432,db2:65536/inkfast", "a port is no number"),
        ("DATABASE_URL", "postgresql://ink:s3cret/word@db/inkfast", "a port is no number"),
        ("DATABASE_URL", "postgresql://[::1/inkfast", "is no address"),
        ("DATABASE_URL", "mysql://ink:s3cret@db/inkfast", "begins with none of postgresql://, postgres://"),
        ("DATABASE_URL", "", "begins with none of"),
        ("REDIS_URL", "journal.example:6379", "begins with none of redis://"),
        ("REDIS_URL", "redis+cluster://a:7000,b:s3cret", "a port is no number"),
        ("REDIS_URL", "redis://:s3cret@journal:\u0663", "a port is no number"),
        ("INKFAST_SNAPSHOT_CACHE_URL", "http://cache", "begins with none of redis://"),
        ("INKFAST_SECRET_KEY", "s3cret", "needs at least 32 characters"),
        ("INKFAST_SAVE_WINDOW_MS", "soon", "Expected `int`"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name_and_not_shown(name: str, value: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({**GOOD, name: value})
    assert str(refused.value).startswith(f"{name}: ")
    assert why in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("name", GOOD)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        Settings.from_env({other: value for other, value in GOOD.items() if other != name})
