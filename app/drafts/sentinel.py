"""What a journal URL means; above all a primary that Sentinel elects, who is asked for at every connection.

`redis+sentinel://[user:password@]host:port,host:port/NAME[?sentinel_password=…]` (`rediss+sentinel://`: all with TLS).
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from app.drafts.connection import Address, JournalProtocol, ReplyError, pack_command
from app.errors import JournalUnavailableError

SENTINEL_PORT = 26379
SENTINEL_S_MAX = 1.0


class _Claim(NamedTuple):
    """Who is the primary, according to one sentinel. The highest epoch is the last election."""

    epoch: int
    host: str
    port: int


class SentinelAddress(Address):
    """The name of a primary, and where the sentinels are that know who bears it now."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        user, _, hosts = parts.netloc.rpartition("@")
        scheme = parts.scheme.removesuffix("+sentinel")
        self._service = unquote(parts.path.strip("/"))
        self._hosts = hosts
        if not self._service or not hosts:
            raise ValueError("REDIS_URL: a Sentinel URL is redis+sentinel://host:port,host:port/NAME")
        super().__init__(f"{scheme}://{user}{'@' if user else ''}{hosts.split(',')[0]}")
        password = parse_qs(parts.query).get("sentinel_password", [""])[0]
        sign_in = f":{password}@" if password else ""
        self.sentinels = [
            Address(f"{scheme}://{sign_in}{host if ':' in host else f'{host}:{SENTINEL_PORT}'}")
            for host in hosts.split(",")
        ]

    @property
    def name(self) -> str:
        """The primary's name and its sentinels."""
        return f"{self._service} of {self._hosts}"

    async def open(self, protocol: JournalProtocol) -> None:
        """Connect `protocol` to the server that bears the name and calls itself a primary.

        Raises JournalUnavailableError where the sentinels do not answer, or where the new primary is not one yet:
        trying again a moment later asks them again.
        """
        primary = await self.primary()
        await primary.open(protocol)
        protocol.peer = primary.name
        if not await is_primary(protocol):
            protocol.close()
            raise JournalUnavailableError(f"journal at {primary.name} is not the primary {self._service}, not yet")

    async def is_current(self, protocol: JournalProtocol) -> bool:
        """Return whether the sentinels still mean the server at the other end; True where they do not answer."""
        try:
            return protocol.peer == (await self.primary()).name
        except JournalUnavailableError:
            return True

    async def primary(self) -> Address:
        """Return the primary of the last election that a majority of the sentinels know of, or raise."""
        asking = [asyncio.ensure_future(self._ask(sentinel)) for sentinel in self.sentinels]
        claims: list[_Claim] = []
        try:
            for answer in asyncio.as_completed(asking, timeout=SENTINEL_S_MAX):
                claim = await answer
                if claim is not None:
                    claims.append(claim)
                if len(claims) > len(asking) // 2:
                    break
        except TimeoutError:
            pass  # those that answered are all there are
        finally:
            for task in asking:
                task.cancel()
        if not claims:
            raise JournalUnavailableError(f"no sentinel of {self._hosts} knows a primary {self._service}")
        newest = max(claims)
        return self.at(newest.host, newest.port)

    async def _ask(self, sentinel: Address) -> _Claim | None:
        protocol = JournalProtocol()
        try:
            await sentinel.open(protocol)
            # MASTER has the epoch; while an election is being carried out only the second names the new one.
            known, address = await protocol.send(
                [
                    pack_command(("SENTINEL", "MASTER", self._service)),
                    pack_command(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)),
                ]
            )
        except (JournalUnavailableError, ConnectionError):
            return None
        finally:
            protocol.close()
        if isinstance(known, ReplyError) or not isinstance(address, list):
            return None
        fields = dict(zip(known[::2], known[1::2], strict=False))
        return _Claim(int(fields.get(b"config-epoch", 0)), address[0].decode(), int(address[1]))


async def is_primary(protocol: JournalProtocol) -> bool:
    """Return whether the server at the other end calls itself a primary."""
    try:
        async with asyncio.timeout(SENTINEL_S_MAX):
            role = await protocol.call("ROLE")
    except (TimeoutError, ConnectionError):
        return False
    return isinstance(role, list) and bool(role) and role[0] == b"master"


def addresses_of(url: str) -> list[Address]:
    """Return where a journal URL points: one address, or those nodes of a Cluster that are asked where the others are.

    `redis+cluster://[user:password@]host:port,host:port` names several nodes, of which any may be away at the start.
    """
    scheme = url.partition("://")[0]
    if scheme.endswith("+sentinel"):
        return [SentinelAddress(url)]
    if not scheme.endswith("+cluster"):
        return [Address(url)]
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    return [Address(urlunsplit(parts._replace(netloc=f"{user}{at}{host}"))) for host in hosts.split(",")]
