"""Failing over: the primary of a running `inkfast cluster start` is killed, and another one takes its place."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

import redis

from ops.cluster.journal import client_of, primary_of
from ops.cluster.records import members
from ops.drill.installation import wait_until
from ops.installation import Installation
from ops.processes import ServerError

if TYPE_CHECKING:
    from pathlib import Path

TAKEOVER_S_MAX = 90.0
API_PORTS = (2, 4)  # places in the list of ports, after etcd's
FIRST_RECORDS_PORT = 8


class Failover(NamedTuple):
    """Who was killed, who took over, and how long there was no primary."""

    killed: str
    successor: str
    seconds: float


def fail_journal(data_dir: Path, slot: int = 0) -> Failover:
    """SIGKILL the primary that serves `slot`; return when another server serves it. ServerError when none does."""
    installation = Installation(data_dir)
    url, ports = str(installation.read()["redis_url"]), list(installation.read()["ports"])
    old = primary_of(url, slot)
    name = f"valkey-{ports.index(old) + 1}"
    began = time.monotonic()
    os.kill(_pid(installation, name), signal.SIGKILL)
    wait_until(lambda: _successor(url, slot, old) is not None, TAKEOVER_S_MAX, f"another primary after {name}")
    successor = _successor(url, slot, old) or old
    return Failover(name, f"valkey-{ports.index(successor) + 1}", time.monotonic() - began)


def _successor(url: str, slot: int, old: int) -> int | None:
    """Return the port of a primary that is not the old one, and says so itself."""
    with contextlib.suppress(ServerError, redis.RedisError):
        port = primary_of(url, slot)
        if port != old:
            with client_of(port) as client:
                return port if client.info("replication")["role"] == "master" else None
    return None


def fail_records(data_dir: Path) -> Failover:
    """SIGKILL Patroni and PostgreSQL of the primary; return when the standby is the primary, else ServerError."""
    installation = Installation(data_dir)
    ports = list(installation.read()["ports"])[FIRST_RECORDS_PORT:]
    apis = [ports[place] for place in API_PORTS]
    name = _leader(apis)
    if name is None:
        raise ServerError("Patroni knows no primary")
    number = name.rpartition("-")[2]
    postmaster = installation.data_dir / "records" / f"pg-{number}" / "postmaster.pid"
    began = time.monotonic()
    os.kill(_pid(installation, name), signal.SIGKILL)
    os.kill(int(postmaster.read_text().split()[0]), signal.SIGKILL)
    wait_until(lambda: _leader(apis) not in {None, name}, TAKEOVER_S_MAX, f"another primary after {name}")
    return Failover(name, str(_leader(apis)), time.monotonic() - began)


def _leader(api_ports: list[int]) -> str | None:
    """Return who is the primary and takes writes, according to a Patroni that answers."""
    for port in api_ports:
        for member in members(port):
            if member["role"] == "leader" and member["state"] == "running":
                return str(member["name"])
    return None


def _pid(installation: Installation, name: str) -> int:
    try:
        return int(installation.pid_path(name).read_text())
    except (OSError, ValueError):
        raise ServerError(f"{name} is not running in {installation.data_dir}") from None
