"""Shows results: on the screen, as raw data, and as docs/benchmarks.md, which is made from all raw data that is there."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as ScreenTable

from bench.result import Column, Result, Row, Table, Verdict

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
ORDER = ("accept", "latency", "drain", "schedule", "million", "neighbour", "memory", "growth")
FORMS = ("full", "short")
"""Of one scenario the page shows the larger form that is there."""
HOLDS = {True: "holds", False: "**does not hold**", None: "not told by this form"}

HEAD = """# Benchmarks

Made by `make bench` (a short form) and `make bench-full` (hours), or one part at a time
(`make bench ARGS=drain`); each replaces its own part of this page. The raw data, one value for each run, lies in `bench/results/`.

**What is done.** The unit of work is one post on one account: accepted durably, one HTTP call with 1 KB to a platform that
answers after 50 ms, its outcome stored durably. The platform is simulated (`bench/ledger.py`), and its ledger alone says what was
done, lost or doubled; no contestant's own counters are believed. Everything runs on one machine: contestant, servers and the
simulated platform share its cores.

**Who is compared.** Hayon in its three setups, and what people would build it with instead. Hayon has one profile: before each
call a row is committed that says so (*durable, with intent*). A peer runs as its documentation says (*as documented*), then made
to store its outcome and to lose nothing when a process or a broker dies (*durable*), then with a committed row before each call as well.
Only runs of one profile are compared.

**What is not comparable.** After a crash between the call and its outcome a peer makes the call once more, or not at all, whatever the
profile: none of them asks the platform what became of it, as Hayon does. Dramatiq 2.2 has no quorum queues: its durable ones are classic, which cost the broker less.
Celery, Dramatiq and Taskiq keep no schedule that could be listed, changed or cancelled by its content; Procrastinate has no broker. Taskiq
waits in one delay queue, where nothing overtakes: it is handed its posts in the order of their due times, and has none behind. Peers choose no turns among authors, and keep no
history for people. Who knows how to make one of them faster at the same durability is asked to say so.

**How it is run.** The runs of all contestants are interleaved, in a shuffled order; a figure is the median over the runs, with the
least and the greatest in brackets where there is more than one. Arrivals are counted from the time that was planned, not from the time
at which the load was ready. Database and broker are those of Debian, with `fsync` on, and are fresh for each run.
"""

CAUSES = """## What stands in the way

Where a target does not hold, one cause stands behind nearly all of it: what a target costs two cores. It is spread thinly; `bench/results/profile.txt`
(py-spy, 512 in flight, PostgreSQL) names it. For one target Hayon reads the post, the account, what it may still do and who is
next, opens a sealed credential, holds the words against the rules, and writes nine rows (claim, intent, attempt, receipt, status, the post's
summary, a notice, the allowance), where a peer here writes two and reads none. Many targets share the transactions for that
([decision 19](decisions/0019-what-many-ask-for-at-once.md)): some two hundred at 512 in flight, some thirty at 64, where the fixed cost of
a statement therefore weighs more.

- **drain, schedule**: measured apart on 6,000 targets (`pg_stat_statements` beside it), one target takes 1.1 to 1.2 ms of the worker and 0.5 to 0.6 ms of
  PostgreSQL at 512 in flight, 1.3 to 1.6 ms and 0.8 to 0.9 ms at 64. The processes of the fastest peer take about half of what Hayon's take (the
  table has both). The ceiling of 64 calls of 50 ms
  (1,280 a second), and 3,000 in one second with the last of them within another, would need less than 1.6 ms of both cores together,
  the simulated platform and the load included. A worker is one process of Python, and at its limit is one core.
- **drain, schedule, SQLite**: the database is in the same interpreter. One target takes 1.6 to 2.1 ms of it at 512 in flight, 2.4 ms at 64, somewhat
  less than half of that in the thread that writes.
- **schedule, drain, latency with RabbitMQ**: each bell is a row that is marked, a message that is confirmed, and a claim that looks up what it names.
- **latency**: one post that goes out alone shares nothing. Between asking and the call lie nearly thirty statements, each of them a way to
  PostgreSQL and back; with SQLite there is no such way. Planned once ([decision 22](decisions/0022-the-way-of-a-target-is-planned-once.md)) they
  take 15 % less; the p50 on PostgreSQL lay between 19 and 23 ms in six runs of one morning.
- **accept**: at 200 a second nearly every request is alone in its transaction. Half of its processor is the way through HTTP (the row *writing
  nothing* has it). This machine is a quarter faster or slower from hour to hour, and the p99 follows it: 17.0 ms where bare inserts came to
  1,745 a second, 26.0 ms where they came to 1,278.

Of what grows, the search for a rare word has no index: one that serves every script would make each new post dearer.
"""

NOTHING = "Nothing is measured yet: `bench/results/` is empty.\n"


def keep(result: Result, machine: dict[str, str], folder: Path = RESULTS) -> Path:
    """Writes the raw data of one scenario, with the machine it was measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result.scenario}-{result.form}.json"
    whole = {"machine": machine, **result.as_json()}
    file.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def write_page(folder: Path = RESULTS, page: Path = PAGE) -> None:
    """Makes the page anew from all raw data."""
    found = [one for name in ORDER if (one := _newest(folder, name)) is not None]
    if not found:
        page.write_text(f"{HEAD}\n{NOTHING}", encoding="utf-8")
        return
    parts = [HEAD, _summary([result for result, _ in found]), CAUSES]
    machines: list[dict[str, str]] = []
    for result, machine in found:
        parts.append(_part(result, machine))
        if _lasting(machine) not in [_lasting(one) for one in machines]:
            machines.append(machine)
    parts.insert(3, _machines(machines))
    page.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def show(console: Console, result: Result) -> None:
    """Prints the tables of one scenario, and what they say of the targets."""
    console.print(f"\n[bold]{result.title}[/] ({result.form}). {result.about}")
    for table in result.tables:
        shown = ScreenTable(title=table.title or None, caption=table.about or None)
        for heading in _headings(table):
            shown.add_column(heading, justify="left" if heading in _labels(table) else "right")
        for row in table.rows:
            shown.add_row(*_cells(table, row))
        console.print(shown)
    for verdict in result.verdicts:
        colour = {True: "green", False: "red", None: "yellow"}[verdict.holds]
        console.print(f"[{colour}]{HOLDS[verdict.holds].strip('*')}[/]: {verdict.target} ({verdict.told})")


def shown_values(column: Column, values: Sequence[float], median: float | None) -> str:
    """The median, and the least and the greatest in brackets where they differ from it."""
    if median is None:
        return "-"
    text = [f"{value:,.{column.digits}f}" for value in (median, min(values), max(values))]
    if column.exact:
        return text[0] if text[1] == text[2] else f"{text[1]} to {text[2]}"
    return text[0] if len(values) == 1 or text[1] == text[2] else f"{text[0]} ({text[1]} to {text[2]})"


def _newest(folder: Path, scenario: str) -> tuple[Result, dict[str, str]] | None:
    for form in FORMS:
        file = folder / f"{scenario}-{form}.json"
        if file.exists():
            kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return Result.read(kept), kept["machine"]
    return None


def _summary(results: Sequence[Result]) -> str:
    lines = ["## What was aimed at", "", "| part | target | | measured |", "|---|---|---|---|"]
    lines += [_verdict(result, one) for result in results for one in result.verdicts]
    return "\n".join([*lines, ""])


def _verdict(result: Result, one: Verdict) -> str:
    return f"| [{result.scenario}](#{result.scenario}) | {one.target} | {HOLDS[one.holds]} | {one.told} |"


def _machines(machines: Sequence[dict[str, str]]) -> str:
    lines = ["## The machine", ""]
    for machine in machines:
        lines += [f"- {name}: {said}" for name, said in machine.items() if name not in _PASSING]
        lines.append("")
    return "\n".join(lines)


_PASSING = ("measured", "commit", "disk")
"""What differs from part to part on one machine; it stands with each part."""


def _lasting(machine: dict[str, str]) -> dict[str, str]:
    return {name: said for name, said in machine.items() if name not in _PASSING}


def _part(result: Result, machine: dict[str, str]) -> str:
    passing = f"{result.form.capitalize()} form, {machine['measured']}, commit {machine['commit']}; {machine['disk']}."
    lines = [f"## {result.scenario}", "", f"**{result.title}.** {result.about} {passing}", ""]
    for table in result.tables:
        if table.title:
            lines += [f"### {table.title}", ""]
        if table.about:
            lines += [table.about, ""]
        headings = _headings(table)
        lines.append("| " + " | ".join(headings) + " |")
        lines.append("|" + "|".join("---" if one in _labels(table) else "--:" for one in headings) + "|")
        lines += ["| " + " | ".join(_cells(table, row)) + " |" for row in table.rows]
        lines.append("")
        lines += [f"- {next(iter(row.labels.values()))}: {row.note}" for row in table.rows if row.note] + [""] * any(
            row.note for row in table.rows
        )
    return "\n".join(lines)


def _labels(table: Table) -> list[str]:
    return list(dict.fromkeys(name for row in table.rows for name in row.labels))


def _headings(table: Table) -> list[str]:
    return [*_labels(table), *(column.heading for column in table.columns)]


def _cells(table: Table, row: Row) -> list[str]:
    figures = [shown_values(one, row.values(one.name), row.median(one.name)) for one in table.columns]
    return [*(row.labels.get(name, "") for name in _labels(table)), *figures]
