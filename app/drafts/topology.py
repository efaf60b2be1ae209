"""Which server holds which partition: one server, the primary that Sentinel names, or the primaries of a Cluster.

redis-py's cluster pipeline has no EVALSHA and its WAITAOF no key to route by, so the slot map is kept here: learnt
from any node with CLUSTER SLOTS, corrected by MOVED. Each node has one pinned connection per use (committing, reading).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from redis.crc import key_slot

from app.drafts.connection import CONNECT_S_MAX, Address, JournalProtocol, Reply, ReplyError, pack_command
from app.drafts.doctor import require_durable_server
from app.drafts.keys import PARTITIONS, STREAM
from app.drafts.sentinel import addresses_of, is_primary
from app.errors import JournalUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCRIPTS = Path(__file__).parent / "scripts"
SLOT_OF_PARTITION = tuple(key_slot(key) for key in STREAM)
REDIRECT_RETRIES_MAX = 40
REDIRECT_PAUSE_S = 0.025
DEPOSED = ("READONLY", "NOREPLICAS")  # what a primary answers that has been replaced, or is cut off from the others
ANSWER_S_MAX = 10.0  # no command takes as long: the server is frozen or cut off, and the connection worthless
ASKING = pack_command(("ASKING",))


class Script:
    """A Lua script of scripts/, known to servers by its digest."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (_SCRIPTS / f"{name}.lua").read_bytes()
        self.digest = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()


ACCEPT, DRAIN, EVICT = Script("accept"), Script("drain"), Script("evict")
SCRIPTS = (ACCEPT, DRAIN, EVICT)


class Node:
    """One server: a connection that is opened on first use, and again after it was lost.

    `is_checked`: whoever is at the other end must be as durable as the doctor demands. It may be another server than
    last time: started again with other settings, promoted, or away when this process started.
    """

    def __init__(self, address: Address, *, is_checked: bool = False) -> None:
        self.address = address
        self._is_checked = is_checked
        self._protocol: JournalProtocol | None = None
        self._opening = asyncio.Lock()
        self.is_away = False  # a circuit breaker says so: do not wait for it

    def opened(self) -> JournalProtocol | None:
        """Return the open connection, if there is one."""
        protocol = self._protocol
        return protocol if protocol is not None and protocol.is_open else None

    async def connection(self) -> JournalProtocol:
        """Return an open connection with every script loaded, or raise JournalUnavailableError."""
        protocol = self.opened()
        if protocol is not None:
            return protocol
        async with self._opening:
            protocol = self.opened()
            if protocol is None:
                protocol = JournalProtocol()
                await self.address.open(protocol)
                try:
                    await self.load_scripts(protocol)
                    if self._is_checked:
                        await require_durable_server(self.address.name, protocol)
                except BaseException:  # also where whoever waits for it has given up
                    protocol.close()
                    raise
                self._protocol = protocol
            return protocol

    async def load_scripts(self, protocol: JournalProtocol) -> None:
        """Make every script known to the server (it forgets them when it restarts)."""
        try:
            replies = await protocol.send([pack_command(("SCRIPT", "LOAD", script.text)) for script in SCRIPTS])
        except ConnectionError as error:
            raise JournalUnavailableError(f"journal at {self.address.name}: {error}") from None
        for reply in replies:
            if isinstance(reply, ReplyError):
                protocol.close()
                raise JournalUnavailableError(f"journal at {self.address.name}: {reply}")

    async def leave_former_primary(self) -> None:
        """Close the connection if the server at its other end has been deposed: the next goes to its successor."""
        protocol = self.opened()
        if protocol is not None and not (await is_primary(protocol) and await self.address.is_current(protocol)):
            protocol.close()

    def close(self) -> None:
        """Close the connection."""
        if self._protocol is not None:
            self._protocol.close()


class Topology:
    """The slot map, and one Node per server."""

    def __init__(self, url: str, *, is_checked: bool = False) -> None:
        self.seed, *others = addresses_of(url)
        self._is_checked = is_checked
        self._nodes: dict[str, Node] = {}
        self._of_partition: list[str] = [self.seed.name] * PARTITIONS
        self._learning = asyncio.Lock()
        for address in (self.seed, *others):
            self._add(address)

    def _add(self, address: Address) -> Node:
        if address.name not in self._nodes:
            self._nodes[address.name] = Node(address, is_checked=self._is_checked)
        return self._nodes[address.name]

    def node(self, partition: int) -> Node:
        """Return the server that holds a partition, as far as is known."""
        return self._nodes[self._of_partition[partition]]

    def nodes(self) -> list[Node]:
        """Return every server that holds a partition."""
        return [self._nodes[name] for name in dict.fromkeys(self._of_partition)]

    async def learn(self, without: Node | None = None) -> None:
        """Read the slot map from any node that answers (`without`: not this one, which was lost or refused).

        Without a Cluster there is no map: a connection that turns out to lead to a deposed primary is closed. Raises
        JournalUnavailableError if no node answers.
        """
        if not self.seed.is_cluster:
            if without is not None:
                await without.leave_former_primary()
            return
        async with self._learning:
            for node in dict.fromkeys([*self.nodes(), *self._nodes.values()]):
                if node is without:
                    continue
                try:
                    async with asyncio.timeout(CONNECT_S_MAX):
                        slots = await (await node.connection()).call("CLUSTER", "SLOTS")
                except (JournalUnavailableError, OSError, TimeoutError):
                    continue
                if isinstance(slots, list) and slots:
                    self._take(slots)
                    return
        raise JournalUnavailableError("no node of the journal's cluster answers")

    def _take(self, slots: list[Reply]) -> None:
        for first, last, primary, *_ in slots:
            host = (primary[0] or b"").decode() or self.seed.host
            name = self._add(self.seed.at(host, int(primary[1]))).address.name
            for partition, slot in enumerate(SLOT_OF_PARTITION):
                if first <= slot <= last:
                    self._of_partition[partition] = name

    def moved(self, partition: int, error: str) -> None:
        """Take over what a MOVED error says: `MOVED slot host:port`."""
        self._of_partition[partition] = self.at_redirect(error).address.name

    def at_redirect(self, error: str) -> Node:
        """Return the node that a MOVED or ASK error names."""
        host, _, port = error.split()[2].rpartition(":")
        return self._add(self.seed.at(host or self.seed.host, int(port)))

    async def call(self, partition: int, *command: bytes | str) -> Reply:
        """Run one command on the server of a partition, following redirections.

        Raises JournalUnavailableError when the server cannot be reached or refuses; whether the command took effect
        is then unknown.
        """
        return (await self.pipeline(partition, [command]))[0]

    async def pipeline(self, partition: int, commands: Sequence[tuple[bytes | str, ...]]) -> list[Reply]:
        """Run commands of one partition in one round trip; redirected ones are repeated where they belong."""
        packed = [pack_command(command) for command in commands]
        replies = await self.exchange(self.node(partition), packed)
        for i, reply in enumerate(replies):
            if isinstance(reply, ReplyError):
                replies[i] = await self.retry(partition, packed[i], str(reply))
        return replies

    async def scatter(self, calls: Sequence[tuple[int, bytes]]) -> list[Reply]:
        """Run packed commands, each with its partition, in a round trip to each server; replies in the same order.

        What is redirected is repeated where it belongs. JournalUnavailableError where a server does not answer; what
        others were asked to do may have been done.
        """
        by_node: dict[Node, list[int]] = {}
        for at, (partition, _) in enumerate(calls):
            by_node.setdefault(self.node(partition), []).append(at)
        replies: list[Reply] = [None] * len(calls)
        for node, places in by_node.items():
            for at, reply in zip(places, await self.exchange(node, [calls[at][1] for at in places]), strict=True):
                replies[at] = await self.retry(*calls[at], str(reply)) if isinstance(reply, ReplyError) else reply
        return replies

    async def exchange(self, node: Node, packed: Sequence[bytes]) -> list[Reply]:
        """Return a server's replies to packed commands; error replies are values.

        Raises JournalUnavailableError where it does not answer; the slot map has then been read anew, so that trying
        again goes to the server that has taken its place.
        """
        if node.is_away:
            raise JournalUnavailableError(f"journal at {node.address.name} is away", retry_after_s=2)
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return await (await node.connection()).send(packed)
        except TimeoutError:
            node.close()
            error: Exception = JournalUnavailableError(f"journal at {node.address.name} does not answer")
        except ConnectionError as lost:
            error = JournalUnavailableError(str(lost))
        except JournalUnavailableError as unavailable:
            error = unavailable
        with contextlib.suppress(JournalUnavailableError):
            await self.learn(without=node)
        raise error

    async def retry(self, partition: int, packed: bytes, error: str) -> Reply:
        """Repeat one refused command: after NOSCRIPT, MOVED, ASK, TRYAGAIN, READONLY; other errors are raised."""
        for _ in range(REDIRECT_RETRIES_MAX):
            node, ask = self.node(partition), False
            try:
                if error.startswith("MOVED"):
                    self.moved(partition, error)
                    node = self.node(partition)
                elif error.startswith("ASK"):
                    node, ask = self.at_redirect(error), True
                elif error.startswith("NOSCRIPT"):
                    await node.load_scripts(await node.connection())
                elif error.startswith(DEPOSED):
                    await self.learn(without=node)
                    await asyncio.sleep(REDIRECT_PAUSE_S)
                elif error.startswith(("TRYAGAIN", "CLUSTERDOWN")):
                    await asyncio.sleep(REDIRECT_PAUSE_S)
                else:
                    raise JournalUnavailableError(error)
                reply = (await self.exchange(node, [ASKING, packed] if ask else [packed]))[-1]
            except ConnectionError as lost:
                raise JournalUnavailableError(str(lost)) from None
            if not isinstance(reply, ReplyError):
                return reply
            error = str(reply)
        raise JournalUnavailableError(error)

    def close(self) -> None:
        """Close every connection."""
        for node in self._nodes.values():
            node.close()
