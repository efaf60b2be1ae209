"""The profiles of a rehearsal: how many teachers are active when, what they do, and where that is from."""

from __future__ import annotations

from typing import NamedTuple

from loadtests.rehearsal.habits import Habits

TYPING, SIGNING_ON, STREAMING = "typing", "signing on", "streaming"
Curve = tuple[tuple[float, float], ...]  # (share of the duration, share of the teachers), rising in the first

LIVELY = Habits()


class Profile(NamedTuple):
    """One kind of day. `source` says what its figures rest on, in words for the report."""

    name: str
    title: str
    teachers: int
    duration_s: float
    curve: Curve
    source: str
    habits: Habits = LIVELY
    work: str = TYPING
    has_objectives: bool = True  # False: only loss is judged, unless a file of objectives is given
    password_share: float = 0.0  # of those who arrive: they sign on with a password; the others hold a grant
    save_window_ms: int = 0  # that an installation of its own is set to; 0: as always
    overload: tuple[float, float] | None = None  # between these shares of the duration more comes than can be served
    typing_from: float = 0.0  # share of the duration: until then pages are opened, and nobody types

    def active_share(self, at: float) -> float:
        """Return which share of the teachers is there at this share of the duration (0 to 1)."""
        before = self.curve[0]
        for point in self.curve:
            if at <= point[0]:
                span = point[0] - before[0]
                return point[1] if span <= 0 else before[1] + (point[1] - before[1]) * (at - before[0]) / span
            before = point
        return self.curve[-1][1]


MODEL = "keystroke-level model (Card, Moran, Newell), 11.8 cells a minute for an active teacher"
PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "smoke",
            "a school tries it out",
            20,
            20.0,
            ((0.0, 1.0), (1.0, 1.0)),
            "no claim: short bursts and pauses, to see that everything works",
            Habits(
                gap_s=0.6, pause_s=2.0, burst_min=4, burst_max=10, first_look_s=0.5, paste_share=0.1, roll_share=0.1
            ),
            has_objectives=False,
        ),
        Profile(
            "deadline-evening",
            "an ordinary deadline day, its busiest hours",
            2_080,
            1_800.0,
            ((0.0, 0.5), (0.35, 1.0), (0.55, 1.0), (0.8, 0.6), (1.0, 0.4)),
            "44 % of 26,000 teachers on the last day of a 5-day window (1/t law, Alfi et al. 2007), 20 % of them at "
            "once; shape of a day with a midnight deadline: HMRC Self Assessment 2018 and 2022, busiest hour 8 %, last "
            "hour 4 %; " + MODEL,
            password_share=0.1,
        ),
        Profile(
            "after-dismissal",
            "the rush after dismissal, days before the cut-off",
            4_000,
            1_200.0,
            ((0.0, 0.1), (0.2, 1.0), (0.7, 1.0), (1.0, 0.5)),
            "the outage of 4 November 2014, 2 to 4 pm on a Tuesday; 44 % of teachers, 35 % of them at once; " + MODEL,
            password_share=0.1,
        ),
        Profile(
            "everyone-at-once",
            "every teacher of the district types",
            26_000,
            600.0,
            ((0.0, 0.02), (0.3, 1.0), (1.0, 1.0)),
            "the design load: 26,000 teachers, about 5,100 edits/s; " + MODEL,
        ),
        Profile(
            "last-minutes",
            "all type in the last two minutes, on open pages",
            26_000,
            600.0,
            ((0.0, 0.02), (0.7, 1.0), (1.0, 1.0)),
            "the design load without its openings, within a column's time: what is typed goes to the browsers' disks "
            "and the journal, and is recorded afterwards; " + MODEL,
            typing_from=0.8,
        ),
        Profile(
            "attendance-bell",
            "the roll of the first period",
            26_000,
            600.0,
            ((0.0, 0.01), (0.1, 0.12), (0.2, 0.27), (0.3, 0.40), (0.5, 0.65), (1.0, 1.0)),
            "26,000 first-period rolls within 10 minutes, 15 % of them in the busiest minute (assumption); opening "
            "bell of UCAS 2013: 17 times the day's mean; all present and the exceptions go out as one gesture",
            Habits(first_look_s=12.0, roll_share=1.0, leave_after_bursts=1, begins_midway=False),
        ),
        Profile(
            "pd-day-burst",
            "a training day: everybody comes back from the same meeting",
            13_000,
            600.0,
            ((0.0, 0.05), (0.05, 1.0), (0.45, 1.0), (0.5, 0.3), (0.55, 1.0), (0.95, 1.0), (1.0, 0.3)),
            "half the district within half a minute, twice (assumption; second peak of the UK's register-to-vote of "
            "7 June 2016); a third of the columns is pasted",
            Habits(paste_share=0.35, pause_s=60.0, first_look_s=5.0),
        ),
        Profile(
            "sign-on-storm",
            "everybody signs on with a password",
            26_000,
            600.0,
            ((0.0, 0.0), (0.1, 0.3), (1.0, 1.0)),
            "26,000 in 10 minutes: 43/s in the mean, 130/s in the first minute (assumption); UCAS 2011 planned for "
            "three times the year before, and got four",
            Habits(pause_s=120.0),
            work=SIGNING_ON,
            password_share=1.0,
        ),
        Profile(
            "recovery-after-outage",
            "everybody comes back with what was typed while the service was away",
            8_000,
            600.0,
            ((0.0, 0.3), (0.05, 1.0), (1.0, 1.0)),
            "after two hours away in the rush about 8,000 teachers hold up to 780 cells each (a report card of 165 "
            "students and 4 marks, or of 26 and 35); full jitter as in Amazon's Builders' Library; " + MODEL,
            Habits(backlog_max=780),
        ),
        Profile(
            "overload",
            "four times what the service can do, and then half of it",
            32_000,
            300.0,
            ((0.0, 0.02), (0.4, 1.0), (0.68, 1.0), (0.7, 0.12), (1.0, 0.12)),
            "UCAS 2011 got four times the year before, and had planned for three; here a save window of half a second "
            "and quick typists stand for ten times as many teachers",
            Habits(gap_s=1.0, pause_s=2.0, first_look_s=1.0, paste_share=0.0, switch_share=0.02, read_share=0.02),
            save_window_ms=500,
            overload=(0.4, 0.68),
        ),
        Profile(
            "idle-streams",
            "every browser is open, and nobody types",
            26_000,
            300.0,
            ((0.0, 0.02), (0.3, 1.0), (1.0, 1.0)),
            "one stream of events a browser (docs/protocol.md)",
            work=STREAMING,
        ),
        Profile(
            "soak",
            "half an ordinary deadline day, for hours",
            1_000,
            4 * 3600.0,
            ((0.0, 0.2), (0.02, 1.0), (1.0, 1.0)),
            "no claim: to see what grows; " + MODEL,
        ),
    )
}
