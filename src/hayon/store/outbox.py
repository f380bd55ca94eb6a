"""The due rows, seen as a list: claiming them, and the sweep that takes back what was lost. Nothing here is delivered."""

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.lifecycle import TargetStatus
from hayon.domain.model import Claim, Intent
from hayon.store import notices
from hayon.store.attempts import append_attempt
from hayon.store.database import Id, Moment, Tx, planned_once
from hayon.store.listed import one_of
from hayon.store.moves import lock_free_posts, lock_posts_of, move, moving, summarize_posts
from hayon.store.schema import accounts, attempts, posts, targets
from hayon.store.turns import Turns, choose_next, find_busy, find_waiting, note_taken, still_takeable, takeable

T = TargetStatus
ACTIVE = [str(T.PENDING), str(T.PROCESSING), str(T.UNCONFIRMED)]


@dataclass(frozen=True, slots=True)
class Early:
    """A bell that rang before its target is due: the row says when. `ring` is the row's own number by now."""

    target_id: UUID
    ring: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the bells that a worker heard. Those named nowhere here are stale, and of no use."""

    claims: list[Claim]
    early: list[Early]
    now: datetime


@planned_once
def claim_due(
    tx: Tx, *, room: Mapping[str, int], claim_id: UUID, lease: timedelta, places: int | None = None,
    turns: Turns | None = None,
) -> list[Claim]:  # fmt: skip
    """Takes the lease of due targets, in fair turns (`store/turns.py`), at most `room[platform]` of each platform, asked
    in this order, and at most `places` of all together. None whose last lease was lost: these run alone (`claim_lone`).

    `turns` is kept by the caller from one claim to the next. `claim_id` finds the claims again if the answer of this commit
    is lost.
    """
    now = tx.now()
    turns = Turns() if turns is None else turns
    chosen: list[Row[Any]] = []
    waiting = find_waiting(tx, room.keys(), now)
    for platform, most in room.items():
        left = most if places is None else min(most, places - len(chosen))
        if platform not in waiting or left <= 0:
            continue
        # some may be in another worker's hands by the time they are locked: others stand by in their place
        candidates = choose_next(tx, platform, left, now, turns)[: 2 * left]
        chosen.extend(_lock(tx, candidates, left))
    claims = _lease(tx, [row.id for row in chosen], {row.post_id for row in chosen}, claim_id, lease, now)
    note_taken(turns, chosen)
    return claims


def claim_lone(tx: Tx, *, platforms: Sequence[str], claim_id: UUID, lease: timedelta) -> list[Claim]:
    """Takes one due target whose last lease was lost without an outcome: a worker may have died of it. The platforms are
    asked in this order; `claim_id` as in `claim_due`."""
    now = tx.now()
    for platform in platforms:
        chosen = _lock(tx, tx.all(_lone_due([platform], now).limit(1)), 1)
        if chosen:
            return _lease(tx, [chosen[0].id], {chosen[0].post_id}, claim_id, lease, now)
    return []


@planned_once
def claim_named(tx: Tx, *, named: Mapping[UUID, int], claim_id: UUID, lease: timedelta) -> Taken:
    """Takes the lease of exactly these targets (id to version, as bells name them), where they are due.

    A bell that is stale or doubled claims nothing, and one that is early is told. Where the account is busy, or the
    target has to run alone, the announcement is taken back, so that it is rung again in its turn.
    """
    lock_posts_of(tx, named)
    now = tx.now()
    found = [
        row for row in tx.all(_NAMED, ids=named)
        if row.version == named[row.id] and row.due_at is not None
    ]  # fmt: skip
    early = [Early(row.id, row.ring, row.due_at) for row in found if row.due_at > now]
    busy = find_busy(tx, {row.account_id for row in found})
    chosen, later = [], []
    for row in found:
        if row.due_at > now:
            continue
        if row.account_id in busy or row.lost_leases:
            later.append(row.id)
            continue
        busy.add(row.account_id)
        chosen.append(row)
    if later:
        tx.run(sa.update(targets).where(targets.c.id.in_(later)).values(announced_until=None))
    claims = _lease(tx, [row.id for row in chosen], {row.post_id for row in chosen}, claim_id, lease, now)
    return Taken(claims, early, now)


def _lock(tx: Tx, candidates: Sequence[Row[Any]], most: int) -> list[Row[Any]]:
    """The first of these whose posts nobody else holds, locked."""
    locked: set[UUID] = set()
    for part in (candidates[:most], candidates[most:]):
        if part and len(locked) < most:
            locked |= lock_free_posts(tx, {row.post_id for row in part} - locked)
    return [row for row in candidates if row.post_id in locked][:most]


def _lease(
    tx: Tx, ids: Collection[UUID], post_ids: Collection[UUID], claim_id: UUID, lease: timedelta, now: datetime
) -> list[Claim]:
    if not ids:
        return []
    leased = tx.all(_LEASE, ids=ids, now=now, claiming=claim_id, until=now + lease)
    summarize_posts(tx, post_ids, now)
    return _read_claims(tx, tx.all(_CLAIMED, ids=[row.id for row in leased]))


def find_claims(tx: Tx, claim_id: UUID) -> list[Claim]:
    """The claims of one claiming, read back after its answer was lost."""
    held = sa.and_(targets.c.claim_id == claim_id, targets.c.status == str(T.PROCESSING))
    return _read_claims(tx, tx.all(_claims(held)))


_CLAIM = (
    "id", "post_id", "user_id", "account_id", "platform", "fence", "version", "claim_id", "claimed_at", "lease_until",
    "due_at", "idempotency_key", "checkpoint", "checkpoint_version", "tries", "waits", "looks", "first_try_at", "first_wait_at",
    "doubted", "stop_asked", "permitted_attempt_id", "open_attempt_id", "last_attempt_id", "too_late_at", "lost_leases",
    "slot_at",
)  # fmt: skip
"""What a claim says of its target."""


def _claims(where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(*(targets.c[name] for name in _CLAIM), posts.c.scheduled_at, posts.c.correlation_id, accounts.c.host)
        .join(posts, posts.c.id == targets.c.post_id)
        .join(accounts, accounts.c.id == targets.c.account_id)
        .where(where).order_by(targets.c.due_at)
    )  # fmt: skip


_CLAIMED = _claims(one_of(targets.c.id, "ids"))
_NAMED = (
    sa.select(
        *(targets.c[name] for name in ("id", "post_id", "account_id", "version", "ring", "due_at", "lost_leases"))
    )
    .where(one_of(targets.c.id, "ids"), still_takeable())
    .order_by(targets.c.due_at)
)
_LEASE = (
    sa.update(targets)
    .where(one_of(targets.c.id, "ids"), still_takeable(), targets.c.due_at <= sa.bindparam("now"))
    .values(
        status=str(T.PROCESSING), fence=targets.c.fence + 1, claim_id=sa.bindparam("claiming"),
        claimed_at=sa.bindparam("now"), lease_until=sa.bindparam("until"), claims=targets.c.claims + 1,
        announced_until=None, unheard=0, updated_at=sa.bindparam("now"),
    )
    .returning(targets.c.id)
)  # fmt: skip


def _read_claims(tx: Tx, rows: Sequence[Row[Any]]) -> list[Claim]:
    wanted = {one for row in rows for one in (row.open_attempt_id, row.last_attempt_id) if one}
    intents = {}
    if wanted:
        found = sa.select(attempts.c.id, attempts.c.handles, attempts.c.intent_at).where(one_of(attempts.c.id, "ids"))
        intents = {row.id: Intent(row.id, row.handles, row.intent_at) for row in tx.all(found, ids=wanted)}
    return [_claim(row, intents) for row in rows]


def _claim(row: Row[Any], intents: Mapping[UUID, Intent]) -> Claim:
    return Claim(
        target_id=row.id, post_id=row.post_id, user_id=row.user_id, account_id=row.account_id, platform=row.platform,
        host=row.host, fence=row.fence, version=row.version, claim_id=row.claim_id, claimed_at=row.claimed_at,
        lease_until=row.lease_until, due_at=row.due_at, idempotency_key=row.idempotency_key,
        # a checkpoint belongs to one version: what was prepared with the old words is never published
        checkpoint=(row.checkpoint or {}) if row.checkpoint_version == row.version else {},
        tries=row.tries, waits=row.waits, looks=row.looks, first_try_at=row.first_try_at,
        first_wait_at=row.first_wait_at, doubted=row.doubted, stop_asked=row.stop_asked,
        permitted=row.permitted_attempt_id is not None and row.permitted_attempt_id == row.open_attempt_id,
        intent=intents.get(row.open_attempt_id), last_intent=intents.get(row.last_attempt_id),
        scheduled_at=row.scheduled_at, max_lateness=_lateness(row),
        correlation_id=row.correlation_id, lost_leases=row.lost_leases, slot_at=row.slot_at,
    )  # fmt: skip


def _lateness(row: Row[Any]) -> timedelta | None:
    """Counted from what its author set; a retry by the author gives it the same length once more, from then on."""
    too_late_at: datetime | None = row.too_late_at
    return None if too_late_at is None or row.scheduled_at is None else too_late_at - row.scheduled_at


_PLATFORMS = sa.select(accounts.c.platform).distinct()
"""All that a target may be on: the index of what is due begins with the platform."""


def due_within(tx: Tx, ahead: timedelta, limit: int = 500) -> tuple[datetime, Sequence[datetime]]:
    """The database's time, and the due times up to `ahead` of it, the earliest first: what timers are set by."""
    now = tx.now()
    statement = (
        sa.select(targets.c.due_at).distinct()
        .where(takeable(), targets.c.platform.in_(_PLATFORMS), targets.c.due_at <= now + ahead)
        .order_by(targets.c.due_at).limit(limit)
    )  # fmt: skip
    return now, [row.due_at for row in tx.all(statement)]


def find_lone_due(tx: Tx, platforms: Collection[str]) -> bool:
    """Whether a target is due that must be delivered alone, because leases on it were lost."""
    return tx.first(_lone_due(platforms, tx.now()).limit(1)) is not None


def _lone_due(platforms: Collection[str], now: datetime) -> sa.Select[Any]:
    return (
        sa.select(targets.c.id, targets.c.post_id)
        .where(takeable(), targets.c.platform.in_(platforms), targets.c.lost_leases > 0, targets.c.due_at <= now)
        .order_by(targets.c.due_at)
    )


def rescue(tx: Tx, *, lost_leases_limit: int, limit: int = 200) -> list[tuple[UUID, TargetStatus]]:
    """Takes back targets whose lease ran out, however long ago. What was rescued, and to which status.

    With an open intent the target becomes unconfirmed and is looked up first; without one nothing was sent, so it waits
    again, or is cancelled where a stop was asked, or failed where leases on it were lost too often.
    """
    lost = (targets.c.status == str(T.PROCESSING)) & (targets.c.lease_until < tx.now())
    rows = tx.all(sa.select(targets.c.id, targets.c.post_id).where(lost).order_by(targets.c.lease_until).limit(limit))
    rescued: list[tuple[UUID, TargetStatus]] = []
    # whoever holds a post at this moment, perhaps standing still with it, must not keep the others from being rescued
    free = lock_free_posts(tx, {row.post_id for row in rows})
    rows = [row for row in rows if row.post_id in free]
    if not rows:
        return rescued
    with moving(tx, free) as now:
        still = (targets.c.status == str(T.PROCESSING)) & (targets.c.lease_until < now)
        ids = [row.id for row in rows]
        for row in tx.all(sa.select(targets).where(targets.c.id.in_(ids), still).order_by(targets.c.id)):
            losses = row.lost_leases + 1
            values: dict[str, Any] = {"lost_leases": losses}
            if row.open_attempt_id is not None:
                to = T.UNCONFIRMED
            elif row.stop_asked:
                to = T.CANCELLED
            elif losses >= lost_leases_limit:
                to = T.FAILED
                values["message"] = f"The worker died preparing this, {losses} times. Nothing was published."
                values["code"] = "worker_died"
            else:
                to = T.PENDING
            again = to is T.PENDING or (to is T.UNCONFIRMED and losses < lost_leases_limit)
            values["due_at"] = now if again else None  # a look that kills its worker is left to a person
            if move(tx, row.id, to, since={T.PROCESSING}, now=now, fence=row.fence, raise_fence=True, **values):
                rescued.append((row.id, to))
                append_attempt(tx, row, ended="lease_lost", message="The worker did not come back.", now=now)
                if to is T.FAILED:
                    notices.parked(tx, row, values["message"], values["code"], now)
    return rescued


class Repaired(NamedTuple):
    """How many posts a look found with a wrong status, and where the next one goes on; None: from the beginning."""

    posts: int
    onward: tuple[datetime, UUID] | None


def repair_summaries(
    tx: Tx, onward: tuple[datetime, UUID] | None = None, *, look: int = 1_000, limit: int = 500
) -> Repaired:
    """Writes anew the status of posts stored as unfinished though every target has ended, or as ended though one is at work.
    Must never find any.

    Of the unfinished ones it looks at so many, from where the last look ended: a million may wait for their time.
    """
    behind = {} if onward is None else {"at": onward[0], "last": onward[1]}
    unfinished = tx.all(_unfinished(behind=bool(behind)), **behind, look=look)
    rest = tx.all(_ENDED, ids=[row.id for row in unfinished]) if unfinished else []
    over = posts.c.status.in_(["COMPLETED", "PARTIAL_SUCCESS", "FAILED", "CANCELLED"])
    in_hand = sa.select(targets.c.post_id).where(targets.c.status == sa.literal_column("'processing'"))
    due = sa.select(targets.c.post_id).where(
        takeable(), targets.c.platform.in_(_PLATFORMS), targets.c.due_at <= tx.now()
    )
    wrong = {row.id for row in rest}
    for at_work in (in_hand, due):
        found = sa.select(posts.c.id).where(over, posts.c.id.in_(at_work))
        wrong |= {row.id for row in tx.all(found.limit(limit))}
    repaired = summarize_posts(tx, lock_free_posts(tx, sorted(wrong)), tx.now())
    return Repaired(repaired, (unfinished[-1].updated_at, unfinished[-1].id) if len(unfinished) == look else None)


@functools.cache
def _unfinished(*, behind: bool) -> sa.Select[Any]:
    # in the words of the index: with parameters in their place SQLite reads all posts, and nobody writes meanwhile
    unfinished = posts.c.status.in_([sa.literal_column("'PENDING'"), sa.literal_column("'PROCESSING'")])
    found = sa.select(posts.c.id, posts.c.updated_at).where(unfinished)
    if behind:
        at, last = sa.bindparam("at", type_=Moment()), sa.bindparam("last", type_=Id())
        found = found.where(posts.c.updated_at >= at, sa.not_(sa.and_(posts.c.updated_at == at, posts.c.id <= last)))
    return found.order_by(posts.c.updated_at, posts.c.id).limit(sa.bindparam("look", type_=sa.Integer()))


_ENDED = sa.select(posts.c.id).where(
    one_of(posts.c.id, "ids"),
    ~sa.select(targets.c.id).where(targets.c.post_id == posts.c.id, targets.c.status.in_(
        [sa.literal_column(f"'{status}'") for status in ACTIVE]
    )).exists(),
)  # fmt: skip
