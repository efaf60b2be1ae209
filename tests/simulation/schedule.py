"""Seeded faults: what breaks, when, and for how long. Everything is healed in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.simulation.clock import Process
    from tests.simulation.district import District, Service

FAULTS_MAX = 6


class Schedule:
    """The faults of one simulation, planned before it begins."""

    def __init__(self, district: District, rng: random.Random, duration_s: float) -> None:
        self._d = district
        self._rng = rng
        self.process = district.network_process
        self.may_lose = rng.random() < 0.3
        network = district.network
        network.loss = rng.choice((0.0, 0.0, 0.002, 0.01, 0.05))
        network.spikes = rng.choice((0.0, 0.0, 0.005, 0.02))
        district.records.sync_doubts = rng.choice((0.0, 0.0, 0.0, 0.05))
        for _ in range(rng.randint(0, FAULTS_MAX)):
            fault = rng.choice(self._catalogue())
            self.process.call_at(rng.uniform(0.2, duration_s), self._strike, fault)

    def _catalogue(self) -> list[Callable[[], None]]:
        return [
            self.kill_api,
            self.freeze_api,
            self.kill_flusher,
            self.kill_flusher,
            self.freeze_flusher,
            self.crash_journal,
            self.crash_journal,
            self.crash_over_drafts,
            self.crash_over_drafts,
            self.lose_under_drain,
            self.lose_under_drain,
            self.freeze_journal,
            self.fill_journal,
            self.stop_records,
            self.stop_records,
            self.freeze_records,
            self.cut_connections,
            self.close_network,
            self.step_clock,
            self.evict,
            self.evict,
        ]

    def _strike(self, fault: Callable[[], None]) -> None:
        if not self._d.network.is_healed:
            fault()

    def _later(self, seconds: float, do: Callable[..., None], *args: object) -> None:
        self.process.call_at(self._d.loop.time() + seconds, do, *args)

    def _kill(self, service: Service) -> None:
        if not service.process.is_dead:
            away_s = self._rng.uniform(0.1, 2.0)
            self._d.note("fault: kill", service.process.name, f"for {away_s:.2f} s")
            service.kill()
            self._later(away_s, service.start)

    def _freeze(self, process: Process, seconds: float) -> None:
        self._d.note("fault: freeze", process.name, f"for {seconds:.2f} s")
        process.freeze()
        self._later(seconds, process.thaw)

    def kill_api(self) -> None:
        self._kill(self._rng.choice(self._d.apis))

    def kill_flusher(self) -> None:
        self._kill(self._rng.choice(self._d.flushers))

    def freeze_api(self) -> None:
        self._freeze(self._rng.choice(self._d.apis).process, self._rng.uniform(0.1, 3.0))

    def freeze_flusher(self) -> None:
        self._freeze(self._rng.choice(self._d.flushers).process, self._rng.choice((0.3, 2.5, 4.0)))

    def freeze_journal(self) -> None:
        self._freeze(self._d.journal.process, self._rng.choice((0.3, 1.5, 4.0)))

    def freeze_records(self) -> None:
        self._freeze(self._d.records.process, self._rng.choice((0.3, 1.5, 4.0)))

    def crash_journal(self) -> None:
        journal = self._d.journal
        if not journal.is_up:
            return
        away_s = self._rng.choice((0.05, 0.5, 1.5, 4.0))
        journal.crash()
        is_lost = self.may_lose and self._rng.random() < 0.8
        if is_lost:
            journal.lose_directory()
        self._d.note("fault: the journal crashes", f"for {away_s:.2f} s", "and loses everything" if is_lost else "")
        self._later(away_s, self._restart_journal)

    def crash_over_drafts(self) -> None:
        """Nothing is recorded for a while, and then the journal goes: what comes directly is based on what it holds."""
        for flusher in self._d.flushers:
            self._freeze(flusher.process, self._rng.uniform(1.5, 4.0))
        self._later(self._rng.uniform(0.5, 1.4), self.crash_journal)

    def lose_under_drain(self) -> None:
        """The journal is lost between a flusher's COMMIT and its drain, which comes when others are in their place."""
        if self.may_lose:
            self._d.at_next_flush = self._lose_now

    def _lose_now(self, owner: object) -> None:
        self._d.at_next_flush = None
        for service in self._d.flushers:
            if service.flusher is not None and service.flusher.owner == owner and self._d.journal.is_up:
                self._freeze(service.process, self._rng.uniform(1.0, 3.0))
                self._d.note("fault: the journal loses everything under a drain")
                self._d.journal.crash()
                self._d.journal.lose_directory()
                self._d.lost_under_drain = True
                self._later(0.05, self._restart_journal)

    def _restart_journal(self) -> None:
        if not self._d.journal.is_up:
            self._d.note("the journal is back")
            self._d.journal.restart()

    def fill_journal(self) -> None:
        self._d.note("fault: the journal is full")
        self._d.journal.is_full = True
        self._later(self._rng.uniform(0.3, 3.0), self._empty_journal)

    def _empty_journal(self) -> None:
        self._d.journal.is_full = False

    def stop_records(self) -> None:
        records = self._d.records
        if records.is_up:
            away_s = self._rng.choice((0.1, 1.0, 3.0, 6.0))
            self._d.note("fault: the records stop", f"for {away_s:.2f} s")
            records.stop()
            self._later(away_s, self._start_records)

    def _start_records(self) -> None:
        self._d.note("the records are back")
        self._d.records.start()

    def cut_connections(self) -> None:
        self._d.note("fault: connections are cut")
        self._d.journal.cut_some()
        self._d.records.cut_some(self._rng)

    def close_network(self) -> None:
        source = self._rng.choice(self._d.services()).process
        target = self._rng.choice((self._d.journal.process, self._d.records.process))
        seconds = self._rng.uniform(0.2, 3.0)
        self._d.note("fault: no way from", source.name, "to", target.name, f"for {seconds:.2f} s")
        self._d.network.close(source, target, seconds)
        server = self._d.journal if target is self._d.journal.process else self._d.records
        server.cut_all_of(source)

    def step_clock(self) -> None:
        processes = [*(s.process for s in self._d.services()), self._d.journal.process, self._d.records.process]
        process, seconds = self._rng.choice(processes), self._rng.choice((-60.0, -1.5, -0.2, 0.3, 1.5, 120.0))
        self._d.note("fault: the clock of", process.name, f"steps by {seconds} s")
        process.wall_offset_s += seconds

    def evict(self) -> None:
        section_id = self._rng.choice(self._d.sections)
        self._d.note("housekeeping evicts", section_id)
        self._rng.choice(self._d.apis).evict(section_id)

    def heal(self) -> None:
        """No more faults: everything is there, and stays."""
        self._d.note("everything is healed")
        self._d.network.is_healed = True
        self._d.at_next_flush = None
        self._d.records.sync_doubts = 0.0
        self._d.journal.is_full = False
        self._restart_journal()
        if not self._d.records.is_up:
            self._start_records()
        for process in (self._d.journal.process, self._d.records.process, *(s.process for s in self._d.services())):
            process.thaw()
