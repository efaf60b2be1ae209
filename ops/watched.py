"""One service that the supervisor keeps running, what is heard of it, and when its silence is too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ops.processes import waited_for_core_s

if TYPE_CHECKING:
    from ops.processes import Process
    from ops.pulse import Pulse

RESTART_S_MIN = 0.1
STEADY_S = 2.0  # having run this long, a service starts again without the wait earned by earlier ends
START_S_MAX = 60.0  # until the first sign of life


class Service(Protocol):
    """Something that can be started again: an embedded server, or a process of the application."""

    process: Process

    def spawn(self) -> None:
        """Start it without waiting; ServerError when it cannot be started now."""

    def stop(self) -> None:
        """Ask it to end, and return when it has."""

    def pulse(self) -> Pulse | None:
        """Return how the process that was just spawned shows that it works; None where its end is all to be seen."""


class Watched:
    """One service, and the run of it that goes on. `is_kept`: it is started again whenever it ends."""

    def __init__(self, name: str, service: Service, *, is_kept: bool = True) -> None:
        self.name = name
        self.service = service
        self.is_kept = is_kept
        self.group: int | None = None
        self.started_at = 0.0
        self.wait_s = RESTART_S_MIN
        self.due_at: float | None = None
        self.pulse: Pulse | None = None
        self._spared_at = 0.0
        self._waited: tuple[float | None, float] = (None, 0.0)  # as of which beat, and how long for a core until then

    @property
    def is_ready(self) -> bool:
        """Whether it runs and has said that it can do its work."""
        return self.service.process.running and self.pulse is not None and self.pulse.is_ready

    def look(self, now: float) -> None:
        """Hear what has come."""
        if self.pulse is None:
            return
        self.pulse.look(now)
        if self.pulse.heard_at != self._waited[0]:
            self._waited = (self.pulse.heard_at, waited_for_core_s(self.service.process.pid))

    def starved_s(self) -> float:
        """Return how long it has waited for a core since it was heard last, or since this was asked last."""
        heard_at, before_s = self._waited
        waited_s = waited_for_core_s(self.service.process.pid)
        self._waited = (heard_at, waited_s)
        return max(0.0, waited_s - before_s)

    def spare(self, since: float) -> None:
        """Count its silence from this moment on."""
        self._spared_at = since

    def silent_s(self, now: float) -> float:
        """Return how long nothing was heard of it."""
        heard_at = self.pulse.heard_at if self.pulse is not None else None
        return now - max(self._spared_at, self.started_at if heard_at is None else heard_at)

    def alarm_at(self, now: float) -> float | None:
        """Return when its silence will have been too long; None where it is not listened to."""
        if self.pulse is None or not self.is_kept or not self.service.process.running:
            return None
        allowed_s = START_S_MAX if self.pulse.heard_at is None else self.pulse.silent_s_max
        return now - self.silent_s(now) + allowed_s

    def end(self, now: float) -> None:
        """Note that its run has ended: if it had been doing its work, the next one begins without a long wait."""
        has_worked = self.pulse is None or self.pulse.heard_at is not None
        if has_worked and now - self.started_at > STEADY_S:
            self.wait_s = RESTART_S_MIN
