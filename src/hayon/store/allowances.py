"""What platforms told of how much is left, kept; our own calls, counted; slots, reserved. What follows from it decides the domain.

Whoever writes here locks in this order: post, account, allowance, then targets of other posts, passing by those in hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row

from hayon.domain import allowance
from hayon.domain.allowance import DAY, LINED_UP, POSTS, Call, Room, Told
from hayon.domain.lifecycle import WaitsFor
from hayon.domain.model import Claim
from hayon.errors import LeaseLost
from hayon.store.database import Id, Moment, Tx
from hayon.store.listed import Listed
from hayon.store.moves import lock_posts
from hayon.store.schema import accounts, allowances, attempts, targets
from hayon.store.turns import takeable

LONGEST = timedelta(days=1)
"""However far ahead a platform says that a window begins anew, it is asked again after a day."""
APP_USED_UP = "What the platform allows this Hayon's app, all accounts together, is used up for now."
LARGEST = 2**31 - 1
CALLS = 5_000
"""Calls of ours that are counted at most, the newest first."""
LINE = 2_000
"""Targets that are given their turn at once, at most; what is due beyond that is found by the next claim."""
SOON = timedelta(minutes=1)
SPACE = timedelta(milliseconds=1)
"""Between two that come due at the same time: they stay in their order."""
SAME = timedelta(seconds=5)
NO_POST = UUID(int=0)
NEVER_OUT = ("refusal", "absence")
"""Answers to an intent that prove that nothing of it is live."""
_NEVER_OUT: list[sa.ColumnElement[str]] = [sa.literal_column(f"'{one}'") for one in NEVER_OUT]

Scoped = Mapping[str, Sequence[Told]]
"""What was told, by scope: an account's id, or what `app_scope` says. A scope with nothing in it: nothing of it is scarce."""


@dataclass(frozen=True, slots=True)
class Turn:
    """`until` None: a slot is the target's, and it may call. Else nothing is left, and its turn comes then."""

    until: datetime | None = None
    limit: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """How many posts an account may do within which length of time; no limit where none was told."""

    limit: int | None
    length: timedelta


@dataclass(frozen=True, slots=True)
class Near:
    """A time at which a post is planned for an account of a person."""

    user_id: UUID
    account_id: UUID
    platform: str
    at: datetime


def app_scope(platform: str) -> str:
    """The scope of what all accounts of a platform share."""
    return f"app:{platform}"


def scopes_of(account_id: UUID, platform: str) -> tuple[str, str]:
    """What concerns an account: its own, and its platform's."""
    return str(account_id), app_scope(platform)


def as_told(row: Row[Any]) -> Told:
    """A row of the table as a value."""
    return Told(row.name, row.left, row.told_at, row.limit, row.seconds, row.resets_at, row.probe_at)


def list_told(tx: Tx, scope: str) -> list[Told]:
    """All that was told of one scope, by name."""
    rows = tx.all(sa.select(allowances).where(allowances.c.scope == scope).order_by(allowances.c.name))
    return [as_told(row) for row in rows]


def list_told_of(tx: Tx, account_ids: Sequence[UUID]) -> dict[UUID, list[Told]]:
    """All that was told of each of these accounts, by name; an account of which nothing was told is not named."""
    scopes = {str(account_id): account_id for account_id in account_ids}
    statement = sa.select(allowances).where(allowances.c.scope.in_(scopes)).order_by(allowances.c.name)
    found: dict[UUID, list[Told]] = {}
    for row in tx.all(statement) if scopes else ():
        found.setdefault(scopes[row.scope], []).append(as_told(row))
    return found


def find_posts(tx: Tx, account_ids: Sequence[UUID]) -> dict[UUID, Told]:
    """What was told of the posts of these accounts."""
    if not account_ids:
        return {}
    scopes = {str(account_id): account_id for account_id in account_ids}
    rows = tx.all(sa.select(allowances).where(allowances.c.scope.in_(scopes), allowances.c.name == POSTS))
    return {scopes[row.scope]: as_told(row) for row in rows}


def keep_told(tx: Tx, told: Scoped, at: datetime) -> None:
    """Keeps what was told at that time, in the place of what was told before."""
    rows = [
        {"scope": scope, "name": one.name, "left": min(max(0, one.left), LARGEST), "limit": _bounded(one.limit),
         "seconds": _bounded(one.seconds), "told_at": at, "probe_at": None,
         "resets_at": None if one.resets_at is None else min(one.resets_at, at + LONGEST)}
        for scope, many in told.items() for one in {each.name: each for each in many}.values()
    ]  # fmt: skip
    free = [scope for scope, many in told.items() if not many]
    if free:
        tx.run(sa.delete(allowances).where(allowances.c.scope.in_(free)))
    if not rows:
        return
    insert = _PUT_ON_POSTGRES if tx.on_postgres else _PUT_ON_SQLITE
    tx.run_each(insert, sorted(rows, key=lambda row: (row["scope"], row["name"])))


def _put(insert: Any) -> Any:
    fresh = {name: insert.excluded[name] for name in ("left", "limit", "seconds", "told_at", "probe_at", "resets_at")}
    return insert.on_conflict_do_update(index_elements=[allowances.c.scope, allowances.c.name], set_=fresh)


_PUT_ON_POSTGRES = _put(postgresql.insert(allowances))
_PUT_ON_SQLITE = _put(sqlite.insert(allowances))


def take_question(tx: Tx, account_id: UUID) -> datetime | None:
    """Makes the caller the one who asks this account's platform how much is left, as it is now; None if another did of late."""
    now = tx.now()
    free = sa.or_(accounts.c.asked_at.is_(None), accounts.c.asked_at <= now - allowance.FRESH)
    asking = sa.update(accounts).where(accounts.c.id == account_id, free)
    return now if tx.run(asking.values(asked_at=now)).rowcount == 1 else None


def reserve(tx: Tx, claim: Claim, told: Scoped | None = None, asked_at: datetime | None = None) -> Turn:
    """Reserves a slot for this target, or says when its turn is and gives all others that wait theirs, in their order.

    A slot that it has already stays its own. `told` is what the platform answered when it was asked at `asked_at`: what we
    called since then it may not have counted. Raises LeaseLost under an older fence.
    """
    lock_posts(tx, [claim.post_id])
    # whoever writes posts for this account refers to the row, and need not wait
    tx.run(sa.select(accounts.c.id).where(accounts.c.id == claim.account_id).with_for_update(key_share=True))
    now = tx.now()
    if told:
        keep_told(tx, told, asked_at or now)
    mine = sa.and_(
        targets.c.id == claim.target_id, targets.c.fence == claim.fence, targets.c.status == "processing",
        targets.c.open_attempt_id.is_(None),
    )  # fmt: skip
    target = tx.first(sa.select(targets.c.slot_at, targets.c.code).where(mine))
    if target is None:
        raise LeaseLost("Another worker delivers this by now.")
    known = find_posts(tx, [claim.account_id]).get(claim.account_id)
    if target.slot_at is not None or known is None:
        return Turn()
    room = _find_room(tx, claim, known, now)
    free = room.free(now)
    if free is None or free > 0:
        tx.run(sa.update(targets).where(mine).values(slot_at=now))
        if told:
            _line_up(tx, claim, room, now, first=True)
        return Turn()
    until = _line_up(tx, claim, room, now, first=target.code == LINED_UP)
    return Turn(until, known.limit, known.seconds)


def postpone(
    tx: Tx, of: sa.ColumnElement[bool], until: datetime, message: str, now: datetime, rule: WaitsFor | None
) -> int:
    """Whatever is due of these becomes due at `until`, in its order, so that nobody claims it in vain. How many."""
    waiting = tx.all(_waiting(of).where(targets.c.due_at <= now).order_by(targets.c.due_at).limit(LINE))
    times = [until + place * SPACE for place in range(1, len(waiting) + 1)]
    return _set_times(tx, list(zip(waiting, times, strict=True)), message, "", now, rule)


def call_next(tx: Tx, of: sa.ColumnElement[bool], now: datetime) -> None:
    """A slot was given back: the first of these in the line is due, and may have it."""
    row = tx.first(_waiting(of).where(targets.c.code == LINED_UP).order_by(targets.c.due_at).limit(1))
    if row is not None and row.due_at > now:
        tx.run(sa.update(targets).where(targets.c.id == row.id).values(due_at=now, updated_at=now))


def of_account(platform: str, user_id: UUID, account_id: UUID) -> sa.ColumnElement[bool]:
    """The targets of an account, named so that the index of those that wait is used."""
    return sa.and_(targets.c.platform == platform, targets.c.user_id == user_id, targets.c.account_id == account_id)


def wait_for_app(tx: Tx, platform: str, probing: timedelta) -> datetime | None:
    """None if the app of this platform may call: enough is left, or this caller is the one to try again (for `probing`);
    else when to come back. What is due of the platform comes back then, too.
    """
    now = tx.now()
    scope = app_scope(platform)
    until: datetime | None = None
    for told in list_told(tx, scope):
        ends = allowance.used_up_until(told, now)
        if ends is None:
            continue
        if told.resets_at is not None:
            until = max(until or ends, ends)
            continue
        probe_at = min(ends, told.probe_at or told.told_at + allowance.PROBE)
        if probe_at <= now:
            same = allowances.c.probe_at.is_(None) if told.probe_at is None else allowances.c.probe_at == told.probe_at
            taken = sa.update(allowances).where(
                allowances.c.scope == scope, allowances.c.name == told.name, allowances.c.told_at == told.told_at, same
            )
            if tx.run(taken.values(probe_at=now + probing)).rowcount == 1:
                continue
            probe_at = now + probing
        until = max(until or probe_at, probe_at)
    if until is not None:
        postpone(tx, targets.c.platform == platform, until, APP_USED_UP, now, WaitsFor.APP)
    return until


def find_planned(tx: Tx, near: Sequence[Near], but: UUID | None = None) -> list[tuple[Window, int] | None]:
    """For each: what was told of the posts of the account, and how many went out or are planned to within a day of the time;
    those of the post `but` left out. None where nothing was told.
    """
    given: dict[str, Any] = {
        "user_id": [one.user_id for one in near], "account_id": [one.account_id for one in near],
        "scope": [str(one.account_id) for one in near], "platform": [one.platform for one in near],
        "since": [one.at - DAY for one in near], "until": [one.at + DAY for one in near], "but": but or NO_POST,
    }  # fmt: skip
    found: list[tuple[Window, int] | None] = [None] * len(near)
    for row in tx.all(_FIND_PLANNED if tx.on_postgres else _FIND_PLANNED_BY_JSON, **given):
        window = Window(row.limit, timedelta(seconds=row.seconds) if row.seconds else DAY)
        found[row.place - 1] = (window, row.planned)
    return found


def list_planned(tx: Tx, near: Near, length: timedelta, but: UUID | None = None) -> list[datetime]:
    """When posts of this account went out or are planned to, within this long of the time; those of the post `but` left out."""
    given = {"user_id": near.user_id, "account_id": near.account_id, "platform": near.platform}
    rows = tx.all(_PLANNED, **given, since=near.at - length, until=near.at + length, but=but or NO_POST)
    return [row.at for row in rows]


_NEAR: Mapping[str, sa.types.TypeEngine[Any]] = {
    "account_id": Id(), "user_id": Id(), "platform": sa.Text(), "since": Moment(), "until": Moment(), "scope": sa.Text(),
}  # fmt: skip


def _planned(near: Mapping[str, sa.ColumnElement[Any]]) -> list[sa.Select[Any]]:
    """Each part is a range of an index of its own, however much an account has behind it. What is held since a backup was
    restored is not planned before somebody confirms it.
    """
    but = targets.c.post_id != sa.bindparam("but", type_=Id)
    planned = [
        sa.select(targets.c.due_at.label("at")).where(
            targets.c.account_id == near["account_id"], targets.c.due_at > near["since"], targets.c.due_at < near["until"], but, *which,
        )
        for which in (
            (takeable(), targets.c.platform == near["platform"], targets.c.user_id == near["user_id"],
             targets.c.status == sa.literal_column("'pending'")),
            (targets.c.status == sa.literal_column("'processing'"), targets.c.open_attempt_id.is_(None)),
        )
    ]  # fmt: skip
    called = _calls_since(near["since"], attempts.c.intent_at.label("at"))
    return [*planned, called.where(attempts.c.account_id == near["account_id"])]


def _find_planned(each: sa.FromClause) -> sa.Select[Any]:
    """Counted only where something was told."""
    near = dict(each.c)
    counts = [
        part.with_only_columns(sa.func.count()).correlate(each).scalar_subquery() for part in _planned(near)
    ]  # fmt: skip
    told = sa.and_(allowances.c.scope == near["scope"], allowances.c.name == POSTS)
    planned = (counts[0] + counts[1] + counts[2]).label("planned")
    return sa.select(near["place"], allowances.c.limit, allowances.c.seconds, planned).join_from(each, allowances, told)


def _each_of_lists() -> sa.FromClause:
    """The lists that are given as parameters, side by side as rows; `place` counts from 1."""
    lists = [sa.bindparam(name, type_=postgresql.ARRAY(kind)) for name, kind in _NEAR.items()]
    columns = [sa.column(name, kind) for name, kind in _NEAR.items()]
    return sa.func.unnest(*lists).table_valued(*columns, with_ordinality="place", name="each").render_derived()


def _each_of_json() -> sa.FromClause:
    """As `_each_of_lists`, for SQLite, which has no lists but those in JSON."""
    one = sa.func.json_each(sa.bindparam("scope", type_=Listed(sa.Text()))).table_valued(
        sa.column("key", sa.Integer), name="one"
    )
    path = sa.literal_column("'$['", sa.Text).concat(one.c.key).concat(sa.literal_column("']'"))
    cells = [
        sa.func.json_extract(sa.bindparam(name, type_=Listed(kind)), path, type_=kind).label(name) for name, kind in _NEAR.items()
    ]  # fmt: skip
    return sa.select((one.c.key + 1).label("place"), *cells).subquery("each")


def _find_room(tx: Tx, claim: Claim, told: Told, now: datetime) -> Room:
    length = timedelta(seconds=told.seconds) if told.seconds else LONGEST
    calls = _list_calls(tx, claim.account_id, min(now, told.told_at) - length)
    slots = sa.select(sa.func.count()).where(
        targets.c.account_id == claim.account_id, targets.c.slot_at.is_not(None), targets.c.id != claim.target_id
    )
    return allowance.find_room(told, calls, int(tx.value(slots)), now)


def _list_calls(tx: Tx, account_id: UUID, since: datetime) -> list[Call]:
    """Every intent since then, but for those that proved to have had no effect."""
    statement = _calls_since(since, attempts.c.intent_at, attempts.c.answered_at).where(
        attempts.c.account_id == account_id
    )
    statement = statement.order_by(attempts.c.intent_at.desc()).limit(CALLS)
    return [Call(row.intent_at, row.answered_at) for row in tx.all(statement)]


def _calls_since(since: datetime | sa.ColumnElement[Any], *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    out = sa.or_(attempts.c.answered_by.is_(None), attempts.c.answered_by.not_in(_NEVER_OUT))
    return sa.select(*columns).where(attempts.c.intent_at.is_not(None), attempts.c.intent_at > since, out)


def _line_up(tx: Tx, claim: Claim, room: Room, now: datetime, *, first: bool) -> datetime:
    """Gives everybody who waits a turn of their own, so that each is claimed once more and not again and again. When the
    claim's own turn is: before those who have one already if it is `first`, else behind them.
    """
    mine = of_account(claim.platform, claim.user_id, claim.account_id)
    in_line = tx.all(_waiting(mine).where(targets.c.code == LINED_UP).order_by(targets.c.due_at).limit(LINE))
    due = _waiting(mine).where(targets.c.code != LINED_UP, targets.c.due_at <= now)
    waiting = [*in_line, *tx.all(due.order_by(targets.c.due_at).limit(LINE))]
    times = allowance.plan(room, 1 + len(waiting), now)
    own = times.pop(0 if first else len(in_line))
    changed = []
    for place, (row, turn) in enumerate(zip(waiting, times, strict=True), 1):
        if row.due_at <= now:
            moves = turn > now  # what may go now stays due
        else:
            moves = turn < row.due_at - SAME or (first and row.due_at < now + SOON < turn)
        if moves:
            # in their order, and none of those that may go now after now
            changed.append((row, turn + place * SPACE if turn > now else now - (len(waiting) - place) * SPACE))
    _set_times(
        tx, changed, "Waits for its turn within the allowance of its account.", LINED_UP, now, WaitsFor.ALLOWANCE
    )
    return own


def _waiting(of: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Targets that wait for a worker and hold no slot; those that somebody else has in hand are passed by."""
    waits = sa.and_(of, takeable(), targets.c.status == "pending", targets.c.slot_at.is_(None))
    return sa.select(targets.c.id, targets.c.due_at).where(waits).with_for_update(skip_locked=True)


def _set_times(
    tx: Tx, turns: Sequence[tuple[Row[Any], datetime]], message: str, code: str, now: datetime, rule: WaitsFor | None
) -> int:
    if not turns:
        return 0
    tx.run(
        sa.update(targets).where(targets.c.id == sa.bindparam("row_id"))
        .values(due_at=sa.bindparam("turn"), message=message, code=code, waits_for=str(rule or ""), updated_at=now),
        [{"row_id": row.id, "turn": at} for row, at in turns],
    )  # fmt: skip
    return len(turns)


def _bounded(value: int | None) -> int | None:
    return None if value is None else min(max(0, value), LARGEST)


_PLANNED = sa.union_all(*_planned({name: sa.bindparam(name, type_=kind) for name, kind in _NEAR.items()}))
_FIND_PLANNED = _find_planned(_each_of_lists())
_FIND_PLANNED_BY_JSON = _find_planned(_each_of_json())
