"""One row per try, appended: when, what was answered, by whom. An intent is such a row before its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.lifecycle import Outcome
from hayon.store.database import Tx, new_id
from hayon.store.schema import attempts, targets

_OF_TARGET = sa.update(targets).where(targets.c.id == sa.bindparam("key"))
_INSERT = sa.insert(attempts)
_ATTEMPT = sa.update(attempts).where(attempts.c.id == sa.bindparam("key"))
_ANSWERED: Mapping[str, Any] = {"open_attempt_id": None, "permitted_attempt_id": None, "restored_at": None}
"""What the row of a target says once its intent is answered."""


def append_attempt(
    tx: Tx, target: Row[Any], *, ended: str, message: str, now: datetime, code: str = "", http_status: int | None = None,
) -> UUID:  # fmt: skip
    """A try that made no intent: it waited, was refused before, only looked, or was lost."""
    return _append(
        tx, target, now, started_at=target.claimed_at or now,
        **_end(ended=ended, message=message, code=code, http_status=http_status, now=now),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewIntent:
    """What is about to be asked of a platform, for one target (its row)."""

    target: Row[Any]
    handles: Mapping[str, Any]
    fingerprint: str
    quiet_until: datetime | None
    lease_until: datetime


def open_intents(tx: Tx, intents: Sequence[NewIntent], now: datetime) -> list[UUID]:
    """Writes intents: from here on each call may have happened, until it is answered. Their ids, in order."""
    if not intents:
        return []
    told, rows = [], []
    for one in intents:
        target, attempt_id = one.target, new_id(now)
        told.append({
            "key": target.id, "attempts": target.attempts + 1,
            "open_attempt_id": attempt_id, "last_attempt_id": attempt_id, "permitted_attempt_id": None,
            "quiet_until": one.quiet_until, "lease_until": one.lease_until, "first_try_at": target.first_try_at or now,
            "slot_at": None,  # from here on the intent is counted in its place
        })  # fmt: skip
        rows.append(_row(target, attempt_id, started_at=target.claimed_at, intent_at=now, handles=dict(one.handles),
                         fingerprint=one.fingerprint))  # fmt: skip
    tx.run_each(_OF_TARGET, told)
    tx.run_each(_INSERT, rows)
    return [row["id"] for row in rows]


def answer_intent(tx: Tx, attempt_id: UUID, by: str, now: datetime) -> dict[str, Any]:
    """Marks an intent as answered by a receipt, a refusal, an absence or a person. What the target's row must say then.

    An absence and a person's word leave a doubt: from then on no refusal of a repeat proves anything.
    """
    unanswered = sa.update(attempts).where(attempts.c.id == attempt_id, attempts.c.answered_at.is_(None))
    tx.run(unanswered.values(answered_at=now, answered_by=by))
    values = dict(_ANSWERED)
    if by in {"absence", "person"}:
        values["doubted"] = True
    return values


def reopen_intent(tx: Tx, attempt_id: UUID) -> dict[str, Any]:
    """What was taken for the answer turned out to be another target's. What the target's row must say then."""
    tx.run(sa.update(attempts).where(attempts.c.id == attempt_id).values(answered_at=None, answered_by=None))
    return {"open_attempt_id": attempt_id, "remote_id": None, "url": None, "published_at": None, "doubted": True}


def end_received(tx: Tx, received: Sequence[tuple[UUID, Outcome]], now: datetime) -> dict[str, Any]:
    """Ends tries whose own calls brought the receipts that were waited for. What the rows of their targets must say then."""
    rows = [
        {"key": attempt_id, "answered_at": now, "answered_by": "receipt",
         **_end(ended=str(outcome.ended), message=outcome.message, code=outcome.code, http_status=outcome.http_status, now=now)}
        for attempt_id, outcome in received
    ]  # fmt: skip
    tx.run_each(_ATTEMPT, rows)
    return dict(_ANSWERED)


def end_attempt(
    tx: Tx, attempt_id: UUID, *, ended: str, message: str, now: datetime, code: str = "", http_status: int | None = None,
) -> None:  # fmt: skip
    """How a try ended, in words."""
    told = _end(ended=ended, message=message, code=code, http_status=http_status, now=now)
    tx.run(sa.update(attempts).where(attempts.c.id == attempt_id).values(**told))


def list_attempts(tx: Tx, post_id: UUID) -> Sequence[Row[Any]]:
    """Every try of every target of a post, in order."""
    return tx.all(
        sa.select(attempts, targets.c.platform).join(targets, targets.c.id == attempts.c.target_id)
        .where(attempts.c.post_id == post_id).order_by(attempts.c.started_at, attempts.c.number)
    )  # fmt: skip


def _end(*, ended: str, message: str, code: str, http_status: int | None, now: datetime) -> dict[str, Any]:
    return {"ended_at": now, "ended": ended, "message": message[:2000], "code": code[:200], "http_status": http_status}


def _append(tx: Tx, target: Row[Any], now: datetime, **values: Any) -> UUID:
    """Appends the row, and counts it on its target."""
    attempt_id = new_id(now)
    tx.run(sa.update(targets).where(targets.c.id == target.id).values(attempts=target.attempts + 1))
    tx.run(sa.insert(attempts).values(_row(target, attempt_id, **values)))
    return attempt_id


def _row(target: Row[Any], attempt_id: UUID, **values: Any) -> dict[str, Any]:
    return {
        "id": attempt_id, "target_id": target.id, "post_id": target.post_id, "account_id": target.account_id,
        "number": target.attempts + 1, "version": target.version, "fence": target.fence, "due_at": target.due_at, **values,
    }  # fmt: skip
