"""Refuse to start on a journal that could lose an acknowledged edit (docs/redis-keys.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.drafts.connection import ReplyError
from app.errors import JournalUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.drafts.connection import JournalProtocol
    from app.drafts.topology import Node, Topology

WANTED = {
    "appendonly": ("yes", "without it nothing is on disk when the server stops"),
    "appendfsync": ("always", "with everysec a power cut loses about a second of acknowledged edits"),
    "no-appendfsync-on-rewrite": ("no", "with yes, appendfsync is switched off during every rewrite"),
    "maxmemory-policy": ("noeviction", "an eviction would be a lost edit"),
}
VERSION_MIN = (7, 0)
# The disk guard closes a journal with this maxmemory: nothing new is taken, and what is there can be drained.
CLOSED_BYTES = 1


class UnsafeJournalError(JournalUnavailableError):
    """The journal answers, and could lose what it acknowledges."""


class Finding(NamedTuple):
    """One thing that was looked at; `problem` says what to do, or is empty. `advice`: what to do though it is safe."""

    subject: str
    value: str
    problem: str
    advice: str = ""


async def examine(topology: Topology) -> list[Finding]:
    """Return a finding for each setting of each server, or raise JournalUnavailableError if one does not answer."""
    findings: list[Finding] = []
    for node in topology.nodes():
        findings += await _examine_node(node)
    return findings


async def _examine_node(node: Node) -> list[Finding]:
    return await _examine_connection(node.address.name, await node.connection())


async def _examine_connection(name: str, connection: JournalProtocol) -> list[Finding]:
    info = await connection.call("INFO", "server")
    assert info is not None  # noqa: S101 -- INFO always answers
    names = [*WANTED, "maxmemory"]
    reply = await connection.call("CONFIG", "GET", *names)
    if isinstance(reply, ReplyError) or isinstance(info, ReplyError):
        raise JournalUnavailableError(f"journal at {name}: {reply if isinstance(reply, ReplyError) else info}")
    config = {reply[i].decode(): reply[i + 1].decode() for i in range(0, len(reply), 2)}
    fields = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    where = f"journal {name}"
    version = fields["redis_version"]
    numbers = tuple(int(part) for part in version.split(".")[:2])
    too_old = "" if numbers >= VERSION_MIN else "needs Redis 7.0 or newer, or Valkey 8 or newer"
    findings = [Finding(f"{where} version", str(fields.get("valkey_version", version)), too_old)]
    for setting, (wanted, why) in WANTED.items():
        value = str(config.get(setting, ""))
        findings.append(Finding(f"{where} {setting}", value, "" if value == wanted else f"set it to {wanted}: {why}"))
    memory = str(config.get("maxmemory", "0"))
    unlimited = "set it: without a limit the machine kills the server instead of the server refusing"
    is_closed = memory == str(CLOSED_BYTES)
    closed = "the disk guard has closed it: free some room on its disk, and it opens again" if is_closed else ""
    findings.append(Finding(f"{where} maxmemory", memory, unlimited if memory == "0" else "", closed))
    return findings


async def require_durable(topology: Topology) -> None:
    """Raise UnsafeJournalError naming every setting that could lose an acknowledged edit."""
    _refuse(await examine(topology))


async def require_durable_server(name: str, connection: JournalProtocol) -> None:
    """Raise UnsafeJournalError as `require_durable` does, about the server at the other end of a connection."""
    try:
        _refuse(await _examine_connection(name, connection))
    except ConnectionError as error:
        raise JournalUnavailableError(f"journal at {name}: {error}") from None


def _refuse(findings: Sequence[Finding]) -> None:
    bad = [f"{f.subject} is {f.value!r}: {f.problem}" for f in findings if f.problem]
    if bad:
        raise UnsafeJournalError("; ".join(bad), retry_after_s=5)
