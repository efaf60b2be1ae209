"""The embedded servers: durable settings, second starts, and ends that leave nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import redis.asyncio

if TYPE_CHECKING:
    from app.settings import Settings


async def test_each_test_gets_a_migrated_database(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM flush_partition") == 64
        await connection.execute("DELETE FROM flush_partition")
    finally:
        await connection.close()


async def test_and_another_one_is_fresh(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM flush_partition") == 64
    finally:
        await connection.close()


async def test_the_journal_server_is_durable(redis_url: str) -> None:
    client = redis.asyncio.Redis.from_url(redis_url)
    try:
        config = await client.config_get("append*")
        assert config["appendonly"] == "yes"
        assert config["appendfsync"] == "always"
        assert await client.dbsize() == 0
    finally:
        await client.aclose()
