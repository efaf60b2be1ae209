"""Bad networks: between clients and the service, and between the service and its stores."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ops.drill.chaos_proxy import NO_FAULT, Fault, Kind, ProxyThread
from ops.drill.load import Road
from ops.drill.scene import (
    FROZEN,
    FROZEN_RECORDS,
    JOURNAL_AWAY,
    NEVER_FAILS,
    NOTHING_CAN_BE_SAVED,
    Drill,
    Limit,
    MissingError,
    Scene,
    Stand,
)
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CUT = Fault(Kind.CUT, share=0.5)
REFUSE = Fault(Kind.REFUSE)
RESET = Fault(Kind.RESET)
HANG = Fault(Kind.HANG)
SLOW = Fault(Kind.DELAY, delay_s=0.3)
SLOW_STORE = Fault(Kind.DELAY, delay_s=0.05)
DRIP = Fault(Kind.DRIP, delay_s=0.01, piece_bytes=64)
# A client waits 8 s for an answer before it tries again.
UNANSWERED = Limit(8.0 + 10.0, beyond_fault=True)
PROGRAM_S_MAX = 10


class _ClientRoad:
    """The proxy on the clients' way, shared by the road and the fault of one drill."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._set: Callable[[Fault], None] = _no_road

    @contextlib.contextmanager
    def road(self, scene: Scene) -> Iterator[Road]:
        """Put the proxy between clients and service."""
        service = urlsplit(scene.installation.url)
        with ProxyThread() as thread:
            proxy = thread.start((service.hostname or "127.0.0.1", service.port or 80))
            self._set = partial(thread.set, proxy)
            yield Road(f"http://127.0.0.1:{proxy.port}")

    def inject(self, scene: Scene) -> None:
        """Break that way, and mend it."""
        self._set(self._fault)
        scene.hold()
        self._set(NO_FAULT)


def _no_road(_fault: Fault) -> None:
    raise ServerError("nothing is between clients and service yet")


def _client(name: str, breaks: str, fault: Fault, limit: Limit) -> Drill:
    way = _ClientRoad(fault)
    return Drill(f"client-api-{name}", f"between clients and API: {breaks}", way.inject, limit, road=way.road)


def _store(store: str, fault: Fault) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        stores = scene.stores
        proxy = stores.valkey_proxy if store == "valkey" else stores.postgres_proxy
        stores.proxies.set(proxy, fault)
        try:
            scene.hold()
        finally:
            stores.proxies.set(proxy, NO_FAULT)

    return inject


def _wire(store: str, name: str, breaks: str, fault: Fault, limit: Limit) -> Drill:
    shown = {"valkey": "Valkey", "postgres": "PostgreSQL"}[store]
    return Drill(
        f"api-{store}-{name}", f"between service and {shown}: {breaks}", _store(store, fault), limit, Stand.WIRED
    )


def _run(*words: str) -> bool:
    done = subprocess.run(words, capture_output=True, check=False, timeout=PROGRAM_S_MAX)
    return done.returncode == 0


class _Namespace:
    """Clients in a network of their own, with one cable to the service."""

    def __init__(self) -> None:
        number = os.getpid() % 250
        self._name = f"inkfast-{os.getpid()}"
        self._cable, self._far = f"ink{number}a", f"ink{number}b"
        self._near_ip, self._far_ip = f"10.211.{number}.1", f"10.211.{number}.2"

    def require(self) -> None:
        """Raise MissingError where no network namespace can be made."""
        if shutil.which("ip") is None:
            raise MissingError("the program `ip` (Debian: iproute2)")
        if os.geteuid() != 0:
            raise MissingError("root, to make a network namespace")
        if not _run("ip", "netns", "add", self._name):
            raise MissingError("the right to make a network namespace")
        _run("ip", "netns", "delete", self._name)

    @contextlib.contextmanager
    def road(self, scene: Scene) -> Iterator[Road]:
        """Lay the cable, and let a proxy carry what comes out of it to the service."""
        name, far = self._name, self._far
        inside = ("ip", "netns", "exec", name)
        steps = (
            ("ip", "netns", "add", name),
            ("ip", "link", "add", self._cable, "type", "veth", "peer", "name", far, "netns", name),
            ("ip", "address", "add", f"{self._near_ip}/30", "dev", self._cable),
            ("ip", "link", "set", self._cable, "up"),
            (*inside, "ip", "address", "add", f"{self._far_ip}/30", "dev", far),
            (*inside, "ip", "link", "set", far, "up"),
        )
        try:
            for step in steps:
                if not _run(*step):
                    raise MissingError(f"the right to do this: {' '.join(step)}")
            service = urlsplit(scene.installation.url)
            with ProxyThread() as thread:
                proxy = thread.start((service.hostname or "127.0.0.1", service.port or 80), (self._near_ip, 0))
                yield Road(f"http://{self._near_ip}:{proxy.port}", inside)
        finally:
            _run("ip", "netns", "delete", name)
            _run("ip", "link", "delete", self._cable)

    def inject(self, scene: Scene) -> None:
        """Pull the cable: packets vanish, and nobody is told."""
        _run("ip", "link", "set", self._cable, "down")
        try:
            time.sleep(scene.hold_s)
        finally:
            _run("ip", "link", "set", self._cable, "up")


_partition = _Namespace()

DRILLS = (
    _client("cut-after-request", "half of the answers are lost, after the request has arrived", CUT, UNANSWERED),
    _client("refuse", "connections are refused", REFUSE, NOTHING_CAN_BE_SAVED),
    _client("reset", "connections are reset", RESET, NOTHING_CAN_BE_SAVED),
    _client("delay", "every piece takes 0.3 s longer", SLOW, FROZEN),
    _client("drip", "64 bytes at a time", DRIP, FROZEN),
    Drill(
        "client-api-partition",
        "between clients and API: a network namespace whose cable is pulled",
        _partition.inject,
        UNANSWERED,
        road=_partition.road,
        require=_partition.require,
    ),
    _wire("valkey", "delay", "every piece takes 50 ms longer", SLOW_STORE, FROZEN),
    _wire("valkey", "cut", "half of the answers are lost", CUT, JOURNAL_AWAY),
    _wire("valkey", "refuse", "connections are refused", REFUSE, JOURNAL_AWAY),
    _wire("valkey", "partition", "no byte passes", HANG, JOURNAL_AWAY),
    _wire("postgres", "delay", "every piece takes 50 ms longer", SLOW_STORE, FROZEN_RECORDS),
    _wire("postgres", "cut", "half of the answers are lost", CUT, NEVER_FAILS),
    _wire("postgres", "partition", "no byte passes", HANG, FROZEN_RECORDS),
)
