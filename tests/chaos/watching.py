"""What the database shows while a run comes to rest, and one sweep over all that must always hold. Reads past every proxy."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aio_pika
import asyncpg

from hayon.domain.lifecycle import TargetStatus, TargetSummary, summarize
from tests.chaos.plan import DEADLINE, SETTLES

WAITS = "status IN ('pending', 'unconfirmed') AND held_at IS NULL AND due_at IS NOT NULL"
RULES: Mapping[str, str] = {
    "an open intent, and neither processing nor unconfirmed":
        "SELECT id FROM targets WHERE open_attempt_id IS NOT NULL AND status NOT IN ('processing', 'unconfirmed')",
    "at rest, and still in a worker's hands":
        "SELECT id FROM targets WHERE status = 'processing'",
    "pending, and due at no time":
        "SELECT id FROM targets WHERE status = 'pending' AND due_at IS NULL",
    "unconfirmed, and no intent is open":
        "SELECT id FROM targets WHERE status = 'unconfirmed' AND open_attempt_id IS NULL",
    "an intent is open that its target does not know":
        "SELECT a.target_id FROM attempts a JOIN targets t ON t.id = a.target_id WHERE a.intent_at IS NOT NULL"
        " AND a.answered_at IS NULL AND t.open_attempt_id IS DISTINCT FROM a.id",
    "an answered intent counts as open":
        "SELECT t.id FROM targets t JOIN attempts a ON a.id = t.open_attempt_id WHERE a.answered_at IS NOT NULL",
    "one remote id, and two targets":
        "SELECT (array_agg(id))[1] FROM targets WHERE remote_id IS NOT NULL GROUP BY account_id, remote_id HAVING count(*) > 1",
    "two receipts of one target":
        "SELECT target_id FROM receipts GROUP BY target_id HAVING count(*) > 1",
    "completed, and no such receipt":
        "SELECT id FROM targets t WHERE status = 'completed' AND NOT EXISTS"
        " (SELECT FROM receipts r WHERE r.target_id = t.id AND r.remote_id = t.remote_id)",
    "failed or cancelled, and a receipt is there":
        "SELECT t.id FROM targets t JOIN receipts r ON r.target_id = t.id WHERE t.status IN ('failed', 'cancelled')",
    "failed, and not in the parking lot":
        "SELECT id FROM targets WHERE (status = 'failed') <> (parked_at IS NOT NULL)",
    "an absence that counted before its quiet time":
        "SELECT target_id FROM attempts WHERE answered_by = 'absence'"
        f" AND answered_at < intent_at + interval '{DEADLINE + SETTLES} seconds'",
    "an intent for other words than the last":
        "SELECT a.target_id FROM attempts a JOIN posts p ON p.id = a.post_id"
        " WHERE a.intent_at IS NOT NULL AND a.version <> p.version",
    "two intents after the same claim":
        "SELECT target_id FROM attempts WHERE intent_at IS NOT NULL GROUP BY target_id, fence HAVING count(*) > 1",
}  # fmt: skip
"""By what is wrong: which targets."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`left`: due before the last fault was over and claimed by nobody since. `overdue`: for how long the one that waits
    longest has been due, in seconds since then. `unrested`: neither ended nor waiting for a person."""

    left: int
    overdue: float
    unrested: int
    by_status: Mapping[str, int]


def look(dsn: str, last_fault: float) -> Standing:
    """How the targets stand. `last_fault` in unix seconds."""
    [row] = ask(dsn, f"""
        SELECT count(*) FILTER (WHERE {WAITS} AND due_at <= to_timestamp($1)) AS left,
               coalesce(extract(epoch FROM max(clock_timestamp() - greatest(due_at, to_timestamp($1)))
                                FILTER (WHERE {WAITS})), 0)::float AS overdue,
               count(*) FILTER (WHERE status IN ('pending', 'processing') OR {WAITS}) AS unrested FROM targets
    """, last_fault)  # fmt: skip
    return Standing(row["left"], row["overdue"], row["unrested"], count_statuses(dsn))


def count_statuses(dsn: str) -> dict[str, int]:
    """How many targets stand where."""
    return {row["status"]: row["n"] for row in ask(dsn, "SELECT status, count(*) AS n FROM targets GROUP BY status")}


def sweep(dsn: str) -> dict[str, list[str]]:
    """By target: the rules that it breaks."""
    wrong: dict[str, list[str]] = defaultdict(list)
    for rule, statement in RULES.items():
        for row in ask(dsn, statement):
            wrong[str(row[0])].append(rule)
    for post_id, told in _check_summaries(dsn):
        wrong[post_id].append(told)
    return dict(wrong)


def tries_of(dsn: str, post_id: str) -> list[str]:
    """Every try of a post, and how its targets stand."""
    told = [
        f"{row['platform']} {row['id']}: {row['status']}, due {row['due_at']}, version {row['version']}, fence {row['fence']}, "
        f"leases lost {row['lost_leases']}, ring {row['ring']}, {row['message']}"
        for row in ask(dsn, "SELECT * FROM targets WHERE post_id = $1::text::uuid ORDER BY position", post_id)
    ]
    for row in ask(dsn, "SELECT * FROM attempts WHERE post_id = $1::text::uuid ORDER BY started_at, number", post_id):
        intent = (
            f"intent at {row['intent_at']} answered by {row['answered_by']} at {row['answered_at']}; "
            if row["intent_at"]
            else ""
        )
        told.append(
            f"try {row['number']} of {row['target_id']} from {row['started_at']}: {intent}{row['ended']}: {row['message']}"
        )
    return told


def failed_targets(dsn: str) -> list[str]:
    """Those that the broker's parking lot has to show."""
    return [str(row["id"]) for row in ask(dsn, "SELECT id FROM targets WHERE parked_at IS NOT NULL")]


def read_letters(broker_url: str, queue: str) -> list[str]:
    """The target ids that stand in a queue of letters, with their repeats. They stay there."""

    async def read() -> list[str]:
        connection = await aio_pika.connect(broker_url)
        async with connection, connection.channel() as channel:
            kept = await channel.get_queue(queue)
            messages = []
            while (message := await kept.get(fail=False, timeout=10)) is not None:
                messages.append(message)
            for message in messages:
                await message.nack(requeue=True)
            return [_target_in(message.body) for message in messages if message.type != "hayon.probe"]

    return asyncio.run(read())


def ask(dsn: str, statement: str, *values: Any) -> Sequence[Any]:
    """One question, on a connection of its own: servers come and go here."""

    async def fetch() -> Sequence[Any]:
        connection = await asyncpg.connect(dsn, timeout=10, command_timeout=60)
        try:
            rows: Sequence[Any] = await connection.fetch(statement, *values)
            return rows
        finally:
            await connection.close()

    return asyncio.run(fetch())


def _check_summaries(dsn: str) -> list[tuple[str, str]]:
    members: dict[str, list[TargetSummary]] = defaultdict(list)
    stored: dict[str, tuple[str, bool]] = {}
    for row in ask(dsn, """
        SELECT p.id, p.status AS stored, p.needs_attention, p.scheduled_at, t.status, t.claims, t.due_at
        FROM posts p JOIN targets t ON t.post_id = p.id
    """):  # fmt: skip
        status = TargetStatus(row["status"])
        asked = status is TargetStatus.UNCONFIRMED and row["due_at"] is None
        post_id = str(row["id"])
        members[post_id].append(TargetSummary(status, row["claims"] > 0, row["scheduled_at"] is not None, asked))
        stored[post_id] = row["stored"], row["needs_attention"]
    wrong = []
    for post_id, every in members.items():
        status, attention = summarize(every)
        if stored[post_id] != (str(status), attention):
            ends = Counter(str(one.status) for one in every)
            wrong.append((post_id, f"stored as {stored[post_id]}, and its targets are {dict(ends)}"))
    return wrong


def _target_in(body: bytes) -> str:
    text = body.decode(errors="replace")
    start = text.find('"targetId": "')
    return text[start + 13 : start + 49] if start >= 0 else text[:80]
