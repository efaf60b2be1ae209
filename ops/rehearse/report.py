"""The report of a run: one HTML file without anything from elsewhere. Its first line is the verdict, in plain words."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtests.rehearsal.histogram import Histogram
from ops.rehearse.charts import Band, Chart, Line, draw, draw_percentiles, short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ops.rehearse.run import Outcome

_CSS = Path(__file__).with_name("report.css")
Row = dict[str, float]
PARTS = (("API", 1), ("journal", 2), ("flusher", 3), ("PostgreSQL", 4), ("generator", 6), ("other", 5))
PERCENTS = (
    *range(0, 90, 5),
    *(90 + step / 2 for step in range(18)),
    *(99 + step / 20 for step in range(18)),
    99.9,
    99.95,
    99.99,
)


def html_of(outcome: Outcome) -> str:
    """Return the page."""
    run, rows = outcome.run, outcome.rows
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(run['verdict'])}: rehearsal {escape(run['profile'])}</title>",
            f"<style>{_CSS.read_text()}</style></head><body><main>",
            _heading(run),
            _tiles(run),
            _objectives(run),
            f'<h2>What happened</h2><div class="charts">{"".join(_charts(run, rows))}</div>',
            _tables(run),
            _audit(run),
            _about(run),
            "</main></body></html>\n",
        ]
    )


def _heading(run: Mapping[str, Any]) -> str:
    word, _, rest = run["verdict_words"].partition(":")
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in run["reasons"])
    listed = f'<ul class="reasons">{reasons}</ul>' if len(run["reasons"]) > 1 else ""
    scale = f", at a scale of {run['scale']:g}" if run["scale"] != 1 else ""
    began = run["began_at"].replace("T", " ").replace("+00:00", " UTC")
    about = f"{run['profile']}: {run['title']}{scale}. Begun {began}, on {run['host']}"
    return (
        f'<h1 class="{escape(run["verdict"])}"><b>{escape(word)}</b>:{escape(rest)}</h1>'
        f'<p class="about">{escape(about)}.</p>{listed}'
    )


def ms(value: float | None) -> str:
    """Write a duration for a person."""
    if value is None:
        return "–"
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def _tiles(run: Mapping[str, Any]) -> str:
    audit, ages, generator = run["audit"], run["age_ms"], run["generator"]
    lost = (
        "not audited" if not audit["audited"] else f"{audit['lost']} / {audit['duplicated']} / {audit['out_of_order']}"
    )
    whole = audit["audited"] and not (audit["lost"] or audit["duplicated"] or audit["out_of_order"])
    tiles = [
        (lost, "lost / twice / out of order", "good" if whole else "bad"),
        (f"{run['teachers_reached']:,}", f"teachers, on {generator['sockets']:,} connections", ""),
        (f"{run['edits_per_s']['drafted']:,.0f}/s", f"edits saved of {run['edits_per_s']['offered']:,.0f}/s typed", ""),
        (ms(ages["drafted"]["p99"]), f"edit to drafted, p99 (half: {ms(ages['drafted']['p50'])})", ""),
        (ms(ages["recorded"]["p99"]), f"edit to recorded, p99 (half: {ms(ages['recorded']['p50'])})", ""),
        (ms(run["request_ms"]["p99"]), f"request, p99 ({run['requests_per_s']:,.0f} requests/s)", ""),
        (f"{_or_dash(run['oldest_unrecorded_s_max'])} s", "oldest un-recorded edit, at worst", ""),
        (
            ms(generator["lag_ms_p99"]),
            f"generator late, p99 (CPU {generator['cpu']:.0%})",
            "" if generator["valid"] else "bad",
        ),
    ]
    made = [
        f'<div class="tile {css}"><b>{escape(big)}</b><span>{escape(small)}</span></div>' for big, small, css in tiles
    ]
    return f'<div class="tiles">{"".join(made)}</div>'


def _or_dash(value: float | None) -> str:
    return "–" if value is None else short(value)


def _objectives(run: Mapping[str, Any]) -> str:
    if not run["slo"]:
        return "<h2>Objectives</h2><p>Only loss, and that everything is recorded in the end.</p>"
    rows = []
    for one in run["slo"]:
        css, word = ("ok", "held") if one["holds"] else ("no", "missed")
        value = "–" if one["value"] is None else f"{one['value']:,.6g} {one['unit']}"
        bound = "at least" if one["is_floor"] else "at most"
        rows.append(
            f'<tr><td class="{css}">{word}</td><td>{escape(one["words"])}</td><td class="n">{escape(value)}</td>'
            f'<td class="n">{bound} {one["limit"]:,.6g} {escape(one["unit"])}</td></tr>'
        )
    head = '<tr><th></th><th>objective</th><th class="n">seen</th><th class="n">limit</th></tr>'
    return f"<h2>Objectives</h2><div class='scroll'><table>{head}{''.join(rows)}</table></div>"


def _line(name: str, colour: int, rows: Sequence[Row], key: str, factor: float = 1.0) -> Line:
    return Line(name, colour, [(row["at"], row[key] * factor) for row in rows if key in row])


def _limit(run: Mapping[str, Any], name: str) -> tuple[float, str] | None:
    found = [one for one in run["slo"] if one["name"] == name]
    return (found[0]["limit"], f"objective: {found[0]['limit']:,.6g} {found[0]['unit']}") if found else None


def _charts(run: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    seconds = rows[-1]["at"] if rows else 1.0
    bands = [Band(f["name"], f["at_s"], f["until_s"] or seconds) for f in run["faults"]]
    charts = [
        Chart(
            "Edits typed and saved",
            "edits/s",
            [
                _line("typed", 6, rows, "offered"),
                _line("drafted", 1, rows, "drafted"),
                _line("known to be recorded", 3, rows, "recorded"),
            ],
            "Teachers type whatever the service does. Drafted: on the journal's disk. Recorded: as teachers are told.",
        ),
        Chart(
            "Edit-to-drafted age",
            "ms",
            [
                _line("p50", 1, rows, "drafted_ms_p50"),
                _line("p95", 2, rows, "drafted_ms_p95"),
                _line("p99", 5, rows, "drafted_ms_p99"),
            ],
            "From the moment the edit was due to be typed until its save was answered, with window and retries.",
            limit=_limit(run, "drafted_age_ms_p99"),
        ),
        Chart(
            "Requests",
            "ms",
            [_line("p50", 1, rows, "request_ms_p50"), _line("p99", 5, rows, "request_ms_p99")],
            logarithmic=True,
            limit=_limit(run, "request_ms_p99"),
        ),
        Chart(
            "Oldest un-recorded edit",
            "s",
            [_line("in the journal", 2, rows, "oldest_unrecorded_s")],
            "As the service's public page says it.",
            limit=_limit(run, "oldest_unrecorded_s_max"),
        ),
        Chart("Depth of the journal", "entries", [_line("saves not yet recorded", 2, rows, "journal_depth")]),
        Chart("Errors by kind", "a second", _errors(rows), "The six most frequent kinds." if _errors(rows) else ""),
        Chart("CPU", "cores", [_line(part, colour, rows, f"cpu_{part}") for part, colour in PARTS], stacked=True),
        Chart("Memory", "MiB", [_line(part, colour, rows, f"memory_{part}") for part, colour in PARTS], stacked=True),
        Chart(
            "Is the generator honest?",
            "ms late",
            [
                _line("timers, p99", 6, rows, "lag_ms_p99"),
                _line("longest wait for a socket", 4, rows, "socket_wait_ms"),
            ],
            "Late timers make the run invalid. A wait for a socket is the service's slowness, and is in the ages.",
            limit=(run["generator"]["late_ms_max"], f"invalid above {run['generator']['late_ms_max']:g} ms"),
        ),
        Chart(
            "Teachers and streams",
            "people",
            [_line("are in", 1, rows, "teachers"), _line("sent", 6, rows, "teachers_wanted"), *_streams(rows)],
        ),
    ]
    return [*(draw(chart, seconds, bands) for chart in charts), _percentiles(run)]


def _errors(rows: Sequence[Row]) -> list[Line]:
    kinds = [name for name in rows[0] if name.startswith("error: ")] if rows else []
    return [_line(name.removeprefix("error: "), at + 1, rows, name) for at, name in enumerate(kinds)]


def _streams(rows: Sequence[Row]) -> list[Line]:
    line = _line("streams open", 4, rows, "streams")
    return [line] if any(value for _, value in line.points) else []


def _percentiles(run: Mapping[str, Any]) -> str:
    lines = []
    for name, words, colour in (
        ("drafted", "edit to drafted", 1),
        ("told", "edit to told recorded", 3),
        ("request", "request", 5),
    ):
        histogram = Histogram.of_plain(run["histograms"][name])
        found = [(float(percent), histogram.percentile_ms(percent)) for percent in PERCENTS]
        lines.append(Line(words, colour, [(percent, value) for percent, value in found if value is not None]))
    return draw_percentiles(
        "By percentile, over the whole run", "ms", lines, "Each step to the right: ten times fewer."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f'<th class="{"n" if at else ""}">{escape(name)}</th>' for at, name in enumerate(head))
    lines = [
        "<tr>"
        + "".join(f'<td class="{"n" if at else ""}">{escape(cell)}</td>' for at, cell in enumerate(row))
        + "</tr>"
        for row in rows
    ]
    return f'<div class="scroll"><table><tr>{cells}</tr>{"".join(lines)}</table></div>'


def _tables(run: Mapping[str, Any]) -> str:
    cost = [
        (
            part,
            f"{one['cpu_s']:,.1f}",
            "–" if one["cpu_s_per_1000_edits"] is None else f"{one['cpu_s_per_1000_edits']:.3f}",
            f"{one['memory_mib_max']:,.0f}",
        )
        for part, one in run["cost"].items()
    ]
    answered = run["request_ms_by_name"]
    requests = [
        (name, f"{count:,}", *(f"{answered[name][p]:,.0f}" if name in answered else "–" for p in ("p50", "p95", "p99")))
        for name, count in run["requests_by_name"].items()
    ]
    errors = [(name, f"{count:,}") for name, count in run["errors"].items()] or [("none", "0")]
    faults = [
        (
            f["name"],
            f"{f['at_s']:.0f} s",
            "–" if f["until_s"] is None else f"{f['until_s'] - f['at_s']:.1f} s",
            f["complaint"] or "healed",
        )
        for f in run["faults"]
    ]
    parts = [
        f"<div><h3>Cost</h3>{_table(('part', 'CPU-seconds', 'for 1,000 edits', 'MiB at most'), cost)}</div>",
        f"<div><h3>Requests</h3>{_table(('kind', 'number', 'p50, ms', 'p95', 'p99'), requests)}</div>",
        f"<div><h3>Errors by kind</h3>{_table(('kind', 'number'), errors)}</div>",
    ]
    if faults:
        parts.append(f"<div><h3>Faults</h3>{_table(('what was broken', 'at', 'until healed', 'result'), faults)}</div>")
    return f'<h2>In figures</h2><div class="side">{"".join(parts)}</div>'


def _audit(run: Mapping[str, Any]) -> str:
    audit = run["audit"]
    if not audit["audited"]:
        return f"<h2>Loss audit</h2><p>Not made: {escape(audit['why_not'])}.</p>"
    words = f"{audit['sent']:,} edits that left the generator were looked for in history, journal and quarantine"
    words += f", in {audit['seconds']:.0f} s."
    return f"<h2>Loss audit</h2><p>{escape(words)}</p><pre>{escape(chr(10).join(audit['lines']))}</pre>"


def _about(run: Mapping[str, Any]) -> str:
    machine, generator = run["machine"], run["generator"]
    each = _or_dash(generator["teachers_per_socket"])
    who = f"{run['teachers']:,} on {generator['sockets']:,} kept-alive connections, {each} to each; from "
    who += f"{generator['processes']} generator process(es)"
    rows = [
        ("command", run["command"]),
        ("profile", f"{run['source']}"),
        ("teachers", who),
        ("processes of the API", str(run["processes"]["api"] or "unknown")),
        (
            "machine",
            f"{machine['processor']}, {machine['cores']} cores, {machine['memory_mib']:,} MiB, {machine['system']}",
        ),
        ("load before the run", f"{run['load_average_before']:g} (average of a minute)"),
        ("revision", f"{run['revision'] or 'unknown'}, Python {machine['python']}, seed {run['seed']}"),
        (
            "not measured",
            "TLS, a proxy, a network, one connection for each browser; the generator shared the machine",
        ),
    ]
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(words)}</td></tr>" for name, words in rows)
    return f"<h2>How it was run</h2><div class='scroll'><table>{lines}</table></div>"
