"""What a drill is, and what it is given to work with."""

from __future__ import annotations

import contextlib
import enum
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ops.drill.load import Road

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ops.drill.figures import Facts
    from ops.drill.installation import DrillInstallation
    from ops.drill.stores import DrillStores

# "No more than in quiet running": the quiet drill's stall, times this, plus this. Two runs of the quiet drill differ by
# as much on a machine of two cores.
QUIET_FACTOR, QUIET_SPARE_S = 2.0, 0.5
# A client that was cut off tries again at a random moment of a span that doubles: 1, 2, 4, 8 s.
RETRY_S_MAX = 10.0


class Stand(enum.Enum):
    """What a drill happens in. Drills of one stand use the same installation, one after the other."""

    WHOLE = "`inkfast up` with its own servers, which its supervisor starts again"
    WIRED = "the stores are the drill's own, behind proxies"
    STEPPED = "as WIRED, and Valkey's clock can be set"
    RECORDED = "as WIRED, and it is recorded how much of Valkey's file was fsynced"
    SMALL_DISKS = "as WIRED, each store on a small disk of its own"
    RELEASES = "as WHOLE, from a copy of the code that a deploy replaces"


class Limit(NamedTuple):
    """How long a save may take from its first sending to its acknowledgement.

    `seconds`; None: no longer than in quiet running. `beyond_fault`: the length of the fault comes on top, because
    while it lasts nothing can be saved at all. `failed_saves_max`: saves that may be answered otherwise than 200.
    """

    seconds: float | None
    beyond_fault: bool = False
    failed_saves_max: int | None = None

    def stall_s_max(self, quiet_s: float, fault_s: float) -> float:
        """Return the bound."""
        if self.seconds is None:
            return quiet_s * QUIET_FACTOR + QUIET_SPARE_S
        return self.seconds + (fault_s if self.beyond_fault else 0.0)


KILLED = Limit(2.0)
FROZEN = Limit(4.0)
JOURNAL_AWAY = Limit(4.0)
AS_QUIET = Limit(None)
NEVER_FAILS = Limit(None, failed_saves_max=0)
FROZEN_RECORDS = Limit(4.0, failed_saves_max=0)
FAILOVER = Limit(6.0)
NOTHING_CAN_BE_SAVED = Limit(RETRY_S_MAX, beyond_fault=True)


class MissingError(Exception):
    """This machine lacks something; the message says what."""


class Scene:
    """One drill while it runs: the installation under load, and for how long to break it."""

    def __init__(
        self, installation: DrillInstallation, folder: Path, tokens: Path, *, hold_s: float, rng: random.Random
    ) -> None:
        self.installation = installation
        self.folder = folder
        self.tokens = tokens
        self.hold_s = hold_s
        self.rng = rng
        self.complaints: list[str] = []

    @property
    def stores(self) -> DrillStores:
        """The stores of a wired stand."""
        return self.installation.own_stores

    def hold(self) -> None:
        """Leave it broken for as long as was asked for."""
        time.sleep(self.hold_s)

    def expect(self, holds: object, complaint: str) -> None:
        """Note a complaint unless this is true; the drill goes on, and does not pass."""
        if not holds:
            self.complaints.append(complaint)


def direct(scene: Scene) -> AbstractContextManager[Road]:
    """Clients reach the service as everybody does."""
    return contextlib.nullcontext(Road(scene.installation.url))


def _ready() -> None:
    """Need nothing special."""


def _content(_scene: Scene, _facts: Facts) -> None:
    """Expect nothing more of the ledger."""


class Drill(NamedTuple):
    """One fault. `inject` breaks, holds and heals, and returns when it is healed.

    `hold_s`: of the full run. `fits_short`: it can be done within 20 s. `require` raises MissingError where the machine
    lacks something; `examine` looks at what the clients saw, after the audit.
    """

    name: str
    breaks: str
    inject: Callable[[Scene], None]
    limit: Limit = AS_QUIET
    stand: Stand = Stand.WHOLE
    hold_s: float = 5.0
    road: Callable[[Scene], AbstractContextManager[Road]] = direct
    require: Callable[[], None] = _ready
    examine: Callable[[Scene, Facts], None] = _content
    leaves_whole: bool = True
    fits_short: bool = True


class ClusterDrill(NamedTuple):
    """A failover of several machines' worth of servers: brings its own, and returns its figures.

    `run(folder, seconds=, seed=)`: acknowledged, lost, duplicated, out_of_order, wrong, stall_s, drain_s, all_recorded.
    `seconds`: of typing around each failover.
    """

    name: str
    breaks: str
    run: Callable[..., dict[str, Any]]
    limit: Limit
    seconds: float = 60.0


def ordered(drills: Collection[Drill]) -> list[Drill]:
    """Return them so that those of one stand follow each other, those that leave nothing whole at its end."""
    stands = list(Stand)
    return sorted(drills, key=lambda drill: (stands.index(drill.stand), not drill.leaves_whole))
