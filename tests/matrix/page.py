"""Writes docs/crash-matrix.md: for each platform what became of every cell. Nothing is judged here."""

import os
import platform as machine
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hayon import __version__
from tests.matrix.hurrying import PACE
from tests.matrix.judging import NO_SUCH
from tests.matrix.kinds import KINDS, STAGES
from tests.matrix.points import CRASHES, How, Story

PAGE = Path(__file__).parents[2] / "docs" / "crash-matrix.md"
Told = Mapping[str, Any]

STORIES = {
    Story.PLAIN: "all goes well",
    Story.SENT: "the answer is lost",
    Story.LANDED: "the answer was lost, the post had landed",
    Story.LOST: "the answer was lost, nothing had landed",
    Story.LEASE: "its worker died after the call",
}
HEADINGS = {
    How.KILLED: "Killed (SIGKILL)",
    How.STOPPED: "Stopped until its lease is over, then let go on (SIGSTOP, SIGCONT)",
}

BEGINNING = """# The crash matrix

Every kind of post of every platform is killed, stopped and struck by mishaps at every commit and every platform call of its
delivery, on SQLite and on PostgreSQL. Then healthy processes go on until all is at rest, and the simulated platform's own
ledger is held against what Hayon says. `make crash-matrix` plays all of it and writes this page; `make test` plays a
representative part; `make test-long` shows that cells turn red where the intent or the looking is taken out.

{facts}

## What the signs mean

| sign | meaning |
|---|---|
| `1` | one copy is live, and the target is `completed` with a receipt that names it |
| `?1` | one copy is live, and the target is `unconfirmed`: a person is asked |
| `?0` | no copy is live, and the target is `unconfirmed`: a person is asked |
| `!` | anything else: two copies, an accepted post that is missing, other words, a receipt for another post, a call that was repeated blindly. There must be none |
| `n/a` | there is no such moment: this kind of post has no such step, or the platform cannot play it |

Where the databases differ, the sign for SQLite stands before the one for PostgreSQL. Some differ from run to run: on SQLite
a process that stood still may settle its own try or find it taken back by its own sweep, whichever comes first.

## What a row means

A row names a moment of a delivery. *Before* a commit: nothing of it is done; *inside*: all is done and nothing committed;
*after*: it is committed, and nothing has followed. *Before* a call: nothing is sent; *after*: it is answered, and nothing is
written. Between one step and the next nothing happens that anybody else could see: the moment after the one and the
moment before the other are played once and shown twice. The number counts steps of the same name in one delivery. The arrow (→) marks
the call that publishes, the only irreversible one.

| before that | what it means |
|---|---|
| all goes well | nothing has gone before |
| the answer is lost | the publishing call took effect, and its connection was cut before the answer |
| the answer was lost, the post had landed | the same, long enough ago that an absence would count; the post is looked for and found |
| the answer was lost, nothing had landed | the call was cut off before any effect, as long ago; the post is looked for and not found |
| its worker died after the call | the worker was killed with the platform's answer in its hands; the sweep takes the target back |

A **stopped** process keeps its lease, its connections and its locks. On PostgreSQL another process takes over once the lease is
over, and only then is the stopped one let go on; on SQLite, which belongs to one process, it finds by itself that its lease is over.

**Mishaps** are played by the simulated platform. *Refused*: answered 503 without effect. *Answer dropped* and *error* (500): after
the effect. *Slower than the deadline*: the effect at once, the answer when the client has given up. *Accepted after the client gave
up*: the effect then. *Listed late*: the answer is dropped, and lists show the post some seconds later. *Its status shows it late*: the same of the status of a container.

Every platform that could double a post when its publishing call is repeated does so here, and Mastodon's idempotency keys are
forgotten at once: what keeps a second copy away is Hayon alone. The clocks of the database and of the platforms run {pace}
times as fast as ours, so that leases, quiet times and the platforms' own work take seconds; deadlines of calls do not.

Some columns are ways of publishing that a setting chooses: *resent* with `HAYON_RESEND_CONTAINERS`, *drafted* with
`HAYON_FACEBOOK_DRAFTS`, *direct* with `HAYON_TUMBLR_DIRECT`. Without the first, Threads and Instagram are never sent what may have
landed: a call that went unanswered ends with a question, as a Facebook text and a direct post to Tumblr do.

## What remains

Three ways to a second copy are left, and no cell can show them:

- a process that is stopped exactly between the last check of the deadline and the write to the socket, and stands still for
  longer than the time after which an absence counts;
- a platform that makes two posts of one call;
- an author who deletes the copy on the platform before Hayon has looked for it.
"""


def write(told: Sequence[Told], seconds: float | None, versions: Mapping[str, str]) -> None:
    """Writes the page anew from a whole run, which took so long (None: nobody knows)."""
    cells = sum(len(one["cells"]) for one in told)
    played = sum(one["played"] for one in told)
    lasted = "in more than one go" if seconds is None else f"within {seconds / 60:.0f} minutes"
    cores = len(os.sched_getaffinity(0))
    facts = (
        f"The last run showed {cells:,} cells ({played:,} played) in {len(told)} groups, a kind of post on a database each, "
        f"{lasted} on {cores} cores: Hayon {__version__}, Python {machine.python_version()}, SQLite {versions['sqlite']}, "
        f"PostgreSQL {versions['postgres']}."
    )
    parts = [BEGINNING.format(facts=facts, pace=PACE)]
    platforms = dict.fromkeys(kind.platform for kind in KINDS)
    parts += [_platform(name, [one for one in told if one["platform"] == name]) for name in platforms]
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def _platform(name: str, told: Sequence[Told]) -> str:
    kinds = [kind.name for kind in KINDS if kind.platform == name]
    parts = [f"## {STAGES[name].name}\n"]
    for how in (*CRASHES, None):
        rows = _rows(told, kinds, how)
        if rows:
            heading = HEADINGS[how] if how else "Mishaps of a call"
            parts += [f"### {STAGES[name].name}: {heading[0].lower()}{heading[1:]}\n", _table(kinds, rows)]
    return "\n".join(parts)


Key = tuple[str, str]
"""A row: the story, and the moment in words."""


def _rows(told: Sequence[Told], kinds: Sequence[str], how: How | None) -> dict[Key, list[str]]:
    found: dict[Key, dict[tuple[str, str], str]] = {}
    order: list[Key] = []
    for one in sorted(told, key=lambda one: -len(one["cells"])):
        before: Key | None = None
        for cell in one["cells"]:
            if (cell["how"] == how) if how else (cell["how"] not in CRASHES):
                key = (STORIES[Story(cell["story"])], _moment(cell))
                if key not in found:
                    found[key] = {}
                    order.insert(order.index(before) + 1 if before in order else len(order), key)
                found[key][one["kind"], one["database"]] = cell["sign"]
                before = key
    return {key: [_sign(found[key], kind) for kind in kinds] for key in order}


def _moment(cell: Told) -> str:
    step = cell["step"].removesuffix(" (publishes)")
    name, _, number = step.partition(" #")
    words = f"{'→ ' if step != cell['step'] else ''}`{name}`{'' if number == '1' else f' {number}'}"
    return f"{cell['when']} {words}" if cell["when"] else f"{words} {cell['how']}"


def _sign(signs: Mapping[tuple[str, str], str], kind: str) -> str:
    each = [signs[kind, database] for database in ("sqlite", "postgres") if (kind, database) in signs]
    each = list(dict.fromkeys(each)) or [NO_SUCH]
    return " ".join(sign if sign == NO_SUCH else f"`{sign}`" for sign in each)


def _table(kinds: Iterable[str], rows: Mapping[Key, list[str]]) -> str:
    head = ["before that", "moment", *kinds]
    lines = [head, ["---"] * len(head), *([story, moment, *signs] for (story, moment), signs in rows.items())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
