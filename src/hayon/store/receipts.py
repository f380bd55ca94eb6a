"""Receipts: kept for ever, one remote id for one target. An answer of the call itself beats what was found by looking."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.model import Receipt
from hayon.errors import LeaseLost
from hayon.store.database import Tx, new_id
from hayon.store.schema import accounts, attempts, receipts, targets


@dataclass(frozen=True, slots=True)
class Unlocated:
    """A completed target without an address: whose account (the row), the platform's id, and since when it is completed."""

    id: UUID
    account: Row[Any]
    remote_id: str
    completed_at: datetime


def find_owner(tx: Tx, account_id: UUID, remote_id: str) -> Row[Any] | None:
    """The receipt that names this remote id already, if any."""
    return tx.first(sa.select(receipts).where(receipts.c.account_id == account_id, receipts.c.remote_id == remote_id))


def list_receipts(tx: Tx, target_id: UUID) -> Sequence[Row[Any]]:
    """All receipts of a target, the earliest first; more than one means that it stands twice."""
    return tx.all(sa.select(receipts).where(receipts.c.target_id == target_id).order_by(receipts.c.kept_at))


def may_adopt(tx: Tx, target: Row[Any], remote_id: str, *, exact: bool) -> bool:
    """Whether a post found by looking may be taken for this target's.

    Not if another target has it, nor (unless the match is exact) while another target of the account with the same
    fingerprint has an unanswered intent: the post may be that one's.
    """
    owner = find_owner(tx, target.account_id, remote_id)
    if owner is not None:
        return bool(owner.target_id == target.id)
    if exact:
        return True
    fingerprint = sa.select(attempts.c.fingerprint).where(attempts.c.id == target.last_attempt_id).scalar_subquery()
    rival = sa.select(attempts.c.id).where(
        attempts.c.account_id == target.account_id, attempts.c.fingerprint == fingerprint,
        attempts.c.intent_at.is_not(None), attempts.c.answered_at.is_(None), attempts.c.target_id != target.id,
    )  # fmt: skip
    return tx.first(rival.limit(1)) is None


def keep_receipt(
    tx: Tx, target: Row[Any], receipt: Receipt, *, attempt_id: UUID | None, adopted: bool, now: datetime
) -> None:
    """Stores a receipt; the same one again changes nothing but that an own answer is no longer called adopted.

    Raises LeaseLost where another target has this remote id by an answer of its own.
    """
    known = find_owner(tx, target.account_id, receipt.remote_id)
    if known is not None and known.target_id != target.id and not known.adopted:
        # it came between the caller's look and this one
        raise LeaseLost("The platform gave one id to two posts; the first keeps it.")
    if known is not None:
        if known.adopted and not adopted:
            statement = sa.update(receipts).where(receipts.c.id == known.id)
            tx.run(statement.values(target_id=target.id, attempt_id=attempt_id, adopted=False, kept_at=now))
        return
    tx.run(sa.insert(receipts).values(_row(target, receipt, attempt_id, adopted, now)))


def keep_fresh(tx: Tx, fresh: Sequence[tuple[Row[Any], Receipt, UUID]], now: datetime) -> None:
    """Stores receipts: of each target (its row), from the call of this attempt. Raises IntegrityError where a receipt names
    one of these posts already."""
    if fresh:
        rows = [_row(target, receipt, attempt_id, False, now) for target, receipt, attempt_id in fresh]
        tx.run_each(_INSERT, rows)


_INSERT = sa.insert(receipts)


def _row(target: Row[Any], receipt: Receipt, attempt_id: UUID | None, adopted: bool, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(now), "target_id": target.id, "account_id": target.account_id, "attempt_id": attempt_id,
        "remote_id": receipt.remote_id, "url": receipt.url, "published_at": receipt.published_at, "kept_at": now,
        "adopted": adopted,
    }  # fmt: skip


def find_unlocated(tx: Tx, younger_than: timedelta, limit: int) -> tuple[list[Unlocated], datetime]:
    """Targets completed not longer ago than this whose address nobody knows yet, the newest first; and the time."""
    now = tx.now()
    wanted = sa.select(targets).where(
        targets.c.status == "completed", targets.c.url.is_(None), targets.c.updated_at > now - younger_than
    )
    rows = tx.all(wanted.order_by(targets.c.updated_at.desc()).limit(limit))
    ids = {row.account_id for row in rows}
    known = tx.all(sa.select(accounts).where(accounts.c.id.in_(ids))) if ids else []
    owners = {row.id: row for row in known if row.disconnected_at is None}
    found = [
        Unlocated(row.id, owners[row.account_id], row.remote_id, row.updated_at)
        for row in rows if row.account_id in owners
    ]  # fmt: skip
    return found, now


def keep_address(tx: Tx, target_id: UUID, remote_id: str, url: str) -> bool:
    """The address of what was published, told later than its receipt. False where the target shows another post by now."""
    mine = sa.and_(targets.c.id == target_id, targets.c.remote_id == remote_id, targets.c.url.is_(None))
    if tx.run(sa.update(targets).where(mine).values(url=url)).rowcount != 1:
        return False
    tx.run(
        sa.update(receipts).where(receipts.c.target_id == target_id, receipts.c.remote_id == remote_id).values(url=url)
    )
    return True
