"""The writes of one delivery before its end, each under the fence: checkpoint, a longer lease, the intent, an absence.

Intents of many deliveries that are ready at once are written in one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.lifecycle import TargetStatus
from hayon.domain.model import Claim
from hayon.errors import LeaseLost
from hayon.store.attempts import NewIntent, answer_intent, append_attempt, open_intents
from hayon.store.database import Tx, planned_once
from hayon.store.listed import one_of
from hayon.store.moves import lock_free_posts, lock_posts, move, moving
from hayon.store.schema import accounts, targets
from hayon.store.together import ALONE, Alone, Asked, together

T = TargetStatus
_KNOWN = (
    "id", "post_id", "account_id", "fence", "version", "status", "lease_until", "stop_asked", "open_attempt_id",
    "attempts", "first_try_at", "claimed_at", "due_at",
)  # fmt: skip
_FIND_AT_WORK = sa.select(*(targets.c[name] for name in _KNOWN)).where(
    one_of(targets.c.id, "ids"), targets.c.status == str(T.PROCESSING)
)
_FIND_CONNECTED = (
    _FIND_AT_WORK.add_columns(accounts.c.disconnected_at)
    .join(accounts, accounts.c.id == targets.c.account_id).order_by(accounts.c.id)
)  # fmt: skip
"""With its account, which stays as it is until the transaction ends."""
_CONNECTED = _FIND_CONNECTED.with_for_update(read=True, of=accounts)
_FREE = _FIND_CONNECTED.with_for_update(read=True, of=accounts, skip_locked=True)


@dataclass(frozen=True, slots=True)
class _Wanted:
    claim: Claim
    _: KW_ONLY
    handles: Mapping[str, Any]
    fingerprint: str
    lease: timedelta
    deadline: timedelta
    settles_within: timedelta | None


def save_checkpoint(tx: Tx, claim: Claim, checkpoint: Mapping[str, Any], lease: timedelta) -> None:
    """Stores where the next try goes on, and renews the lease: this is progress. Raises LeaseLost under an older fence."""
    saved = tx.run(
        sa.update(targets)
        .where(targets.c.id == claim.target_id, targets.c.fence == claim.fence, targets.c.status == str(T.PROCESSING))
        .values(checkpoint=dict(checkpoint), checkpoint_version=claim.version, lease_until=tx.now() + lease)
    )
    if saved.rowcount != 1:
        raise LeaseLost("Another worker delivers this by now.")


def renew_lease(tx: Tx, claim: Claim, lease: timedelta) -> None:
    """Progress without a new checkpoint: part of a large file is on its way. Never after the intent. Raises LeaseLost."""
    renewed = tx.run(
        sa.update(targets)
        .where(
            targets.c.id == claim.target_id, targets.c.fence == claim.fence, targets.c.status == str(T.PROCESSING),
            targets.c.open_attempt_id.is_(None),
        )
        .values(lease_until=tx.now() + lease)
    )  # fmt: skip
    if renewed.rowcount != 1:
        raise LeaseLost("Another worker delivers this by now.")


@planned_once
def commit_intents(tx: Tx, asked: Sequence[Asked]) -> list[UUID | Exception | Alone | None]:
    """`commit_intent` for many."""
    return _commit(tx, [_Wanted(*one.args, **one.kwargs) for one in asked], waiting=False)


@together(commit_intents)
def commit_intent(
    tx: Tx, claim: Claim, *, handles: Mapping[str, Any], fingerprint: str, lease: timedelta, deadline: timedelta,
    settles_within: timedelta | None,
) -> UUID | None:  # fmt: skip
    """Writes the intent, if fence, status and the claimed version still hold, nobody asked to stop and the account is
    still connected; else None. Raises LeaseLost where the lease ran out meanwhile.

    Once it is written, cancel and edit answer "too late". Its quiet time is counted from here.
    """
    wanted = _Wanted(
        claim, handles=handles, fingerprint=fingerprint, lease=lease, deadline=deadline, settles_within=settles_within
    )
    answer = _commit(tx, [wanted], waiting=True)[0]
    if isinstance(answer, Exception):
        raise answer
    return None if isinstance(answer, Alone) else answer


def _commit(tx: Tx, many: Sequence[_Wanted], *, waiting: bool) -> list[UUID | Exception | Alone | None]:
    post_ids = {one.claim.post_id for one in many}
    if waiting:
        lock_posts(tx, post_ids)
    else:
        tx.wait_briefly()
    free = post_ids if waiting else lock_free_posts(tx, post_ids)
    now = tx.now()
    found = tx.all(_CONNECTED if waiting else _FREE, ids=[one.claim.target_id for one in many])
    mine = {row.id: row for row in found}
    answers: list[UUID | Exception | Alone | None] = []
    fresh: dict[int, NewIntent] = {}
    for place, one in enumerate(many):
        claim, target = one.claim, mine.get(one.claim.target_id)
        if not waiting and (claim.post_id not in free or target is None):
            answers.append(ALONE)  # its post or account is in other hands; or it is not at work any more
            continue
        answers.append(None)
        if target is None or target.fence != claim.fence or target.version != claim.version:
            continue
        if target.stop_asked or target.open_attempt_id is not None or target.disconnected_at is not None:
            continue
        if target.lease_until <= now:
            # the sweep takes it back, and counts
            answers[place] = LeaseLost("Preparing it took longer than the lease.")
            continue
        quiet_until = None if one.settles_within is None else now + one.deadline + one.settles_within
        fresh[place] = NewIntent(target, one.handles, one.fingerprint, quiet_until, now + one.lease)
    for place, attempt_id in zip(fresh, open_intents(tx, list(fresh.values()), now), strict=True):
        answers[place] = attempt_id
    return answers


def record_absence(tx: Tx, claim: Claim, lease: timedelta) -> datetime | TargetStatus | None:
    """The platform shows nothing of the open intent. Whether that counts is decided here, by the database's clock.

    The target's new status if it answers the intent (`processing`: go on; `cancelled`: a stop was asked); the time at
    which it would count, if it is too early; None if it never counts. A person who said "it is not there" has answered
    that question already. Raises LeaseLost under an older fence.
    """
    with moving(tx, [claim.post_id]) as now:
        target = _find_mine(tx, claim)
        if target is None or target.open_attempt_id is None:
            raise LeaseLost("Another worker delivers this by now.")
        permitted = target.permitted_attempt_id == target.open_attempt_id
        if not permitted and target.quiet_until is None:
            return None
        if not permitted and target.quiet_until > now:
            early: datetime = target.quiet_until
            return early
        values = answer_intent(tx, target.open_attempt_id, "person" if permitted else "absence", now)
        if target.stop_asked:
            append_attempt(tx, target, ended="absent", message="Nothing went live; stopped as asked.", now=now)
            move(tx, target.id, T.CANCELLED, since={T.PROCESSING}, now=now, raise_fence=True, due_at=None, **values)
            return T.CANCELLED
        tx.run(sa.update(targets).where(targets.c.id == target.id).values(lease_until=now + lease, looks=0, **values))
        return T.PROCESSING


def find_at_work(tx: Tx, target_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Those of these targets that somebody has in hand, by id, with what a delivery must know of them."""
    return {row.id: row for row in tx.all(_FIND_AT_WORK, ids=target_ids)}


def _find_mine(tx: Tx, claim: Claim) -> Row[Any] | None:
    return tx.first(
        sa.select(targets).where(
            targets.c.id == claim.target_id, targets.c.fence == claim.fence, targets.c.status == str(T.PROCESSING)
        )
    )
