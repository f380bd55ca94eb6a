"""One row per try, appended: when, what was answered, by whom. An intent is such a row before its answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.store.database import Tx, new_id
from hayon.store.schema import attempts, targets


def append_attempt(
    tx: Tx, target: Row[Any], *, ended: str, message: str, now: datetime, code: str = "", http_status: int | None = None,
) -> UUID:  # fmt: skip
    """A try that made no intent: it waited, was refused before, only looked, or was lost."""
    return _append(
        tx, target, {}, now, started_at=target.claimed_at or now,
        **_end(ended=ended, message=message, code=code, http_status=http_status, now=now),
    )  # fmt: skip


def open_intent(
    tx: Tx, target: Row[Any], *, handles: Mapping[str, Any], fingerprint: str, quiet_until: datetime | None,
    lease_until: datetime, now: datetime,
) -> UUID:  # fmt: skip
    """Writes the intent: from here on the call may have happened, until it is answered."""
    attempt_id = new_id(now)
    told = {
        "open_attempt_id": attempt_id, "last_attempt_id": attempt_id, "permitted_attempt_id": None,
        "quiet_until": quiet_until, "lease_until": lease_until, "first_try_at": target.first_try_at or now,
        "slot_at": None,  # from here on the intent is counted in its place
    }  # fmt: skip
    intent = {"intent_at": now, "handles": dict(handles), "fingerprint": fingerprint}
    return _append(tx, target, told, now, attempt_id=attempt_id, started_at=target.claimed_at, **intent)


def answer_intent(tx: Tx, attempt_id: UUID, by: str, now: datetime) -> dict[str, Any]:
    """Marks an intent as answered by a receipt, a refusal, an absence or a person. What the target's row must say then.

    An absence and a person's word leave a doubt: from then on no refusal of a repeat proves anything.
    """
    unanswered = sa.update(attempts).where(attempts.c.id == attempt_id, attempts.c.answered_at.is_(None))
    tx.run(unanswered.values(answered_at=now, answered_by=by))
    values: dict[str, Any] = {"open_attempt_id": None, "permitted_attempt_id": None, "restored_at": None}
    if by in {"absence", "person"}:
        values["doubted"] = True
    return values


def reopen_intent(tx: Tx, attempt_id: UUID) -> dict[str, Any]:
    """What was taken for the answer turned out to be another target's. What the target's row must say then."""
    tx.run(sa.update(attempts).where(attempts.c.id == attempt_id).values(answered_at=None, answered_by=None))
    return {"open_attempt_id": attempt_id, "remote_id": None, "url": None, "published_at": None, "doubted": True}


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


def _append(
    tx: Tx, target: Row[Any], told: Mapping[str, Any], now: datetime, *, attempt_id: UUID | None = None, **values: Any
) -> UUID:
    """Appends the row, and counts it on its target together with what else is told of that."""
    attempt_id = attempt_id or new_id(now)
    number = target.attempts + 1
    tx.run(sa.update(targets).where(targets.c.id == target.id).values(attempts=number, **told))
    tx.run(
        sa.insert(attempts).values(
            id=attempt_id, target_id=target.id, post_id=target.post_id, account_id=target.account_id, number=number,
            version=target.version, fence=target.fence, due_at=target.due_at, **values,
        )
    )  # fmt: skip
    return attempt_id
