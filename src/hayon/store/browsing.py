"""A person's posts as lists: by state, words, account and time, some at a time, and how many there are. Nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.lifecycle import PostStatus
from hayon.store.database import Tx
from hayon.store.posts import PostView, list_targets, searchable
from hayon.store.schema import posts, targets

P = PostStatus
MOST = 99
"""How far the posts of a tab are counted; one more is "more than that"."""
LONGEST_SEARCH = 200
"""Letters of a search, at most."""
WORDS = 8
"""How many words of a search count: each has to be in the post."""


SHORT = timedelta(days=62)
"""So long a stretch of time is a short one."""


class Tab(StrEnum):
    """Where posts stand, as people ask for them. Partly published ones are both published and not."""

    ALL = "all"
    NEEDS_YOU = "needs-you"
    UPCOMING = "upcoming"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    NOT_PUBLISHED = "not-published"
    DRAFTS = "drafts"


STATES: Mapping[Tab, tuple[PostStatus, ...]] = {
    Tab.UPCOMING: (P.SCHEDULED,),
    Tab.PUBLISHING: (P.PENDING, P.PROCESSING),
    Tab.PUBLISHED: (P.COMPLETED, P.PARTIAL_SUCCESS),
    Tab.NOT_PUBLISHED: (P.FAILED, P.PARTIAL_SUCCESS, P.CANCELLED),
    Tab.DRAFTS: (P.DRAFT,),
}
HAPPENS_AT = posts.c.placed_at
"""When a post is to go out, or was: its own time, or when it was handed in. A draft without a time has none, and stands in no list
that goes by it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which posts: all of it has to be true. `since` and `until` (the first moment that is too late) are aware.

    `default_of` names the platform whose default the account is: drafts may mean it by that name.
    """

    tab: Tab = Tab.ALL
    statuses: Sequence[PostStatus] = ()
    search: str = ""
    account_id: UUID | None = None
    default_of: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves out anything but by the tab."""
        return bool(self.search.strip() or self.account_id or self.since or self.until)

    @property
    def is_short(self) -> bool:
        """Whether it is a stretch of few weeks, of which all may be looked at."""
        return self.since is not None and self.until is not None and self.until - self.since <= SHORT


def list_posts(
    tx: Tx, user_id: UUID, wanted: Wanted, *, after: tuple[datetime, UUID] | None = None, limit: int = 50
) -> list[PostView]:
    """In the order of their tab: upcoming ones as they come, what has ended by its time, the newest first, all others the
    newest first. `after` is what `place_of` says of the last one before; posts of the same time are kept apart by their ids.
    """
    time, soonest = _order(wanted.tab)
    matching = _matching(user_id, wanted)
    if after is not None:
        at, post_id = (sa.bindparam("at", after[0], posts.c.created_at.type), after[1])
        beyond = (time > at, posts.c.id > post_id) if soonest else (time < at, posts.c.id < post_id)
        # the first condition alone bounds the index
        matching += [time >= at if soonest else time <= at, sa.or_(beyond[0], beyond[1])]
    order = (time, posts.c.id) if soonest else (time.desc(), posts.c.id.desc())
    statement, states = sa.select(posts).where(*matching), _states(wanted) or ()
    if wanted.is_short:
        # those of a few weeks are all gathered: in the order of the list, one would walk past all others to find them
        if states:
            matching.append(posts.c.status.in_(states))
        near = sa.select(posts.c.id, time.label("time")).where(*matching).cte("near").prefix_with("MATERIALIZED")
        places = (near.c.time, near.c.id) if soonest else (near.c.time.desc(), near.c.id.desc())
        # and only those that are shown are read whole
        first = sa.select(near.c.id).order_by(*places).limit(limit).subquery()
        statement = sa.select(posts).join_from(first, posts, posts.c.id == first.c.id)
    elif len(states) > 1:
        # an index has the posts of one state in their order: the first of each, and of these the first
        firsts = [_among(matching, state).order_by(*order).limit(limit).subquery() for state in states]
        found = sa.union_all(*(sa.select(one.c.id) for one in firsts)).subquery()
        statement = sa.select(posts).join(found, found.c.id == posts.c.id)
    elif states:
        statement = statement.where(posts.c.status == states[0])
    rows = tx.all(statement.order_by(*order).limit(limit))
    grouped: dict[UUID, list[Row[Any]]] = {row.id: [] for row in rows}
    for target in list_targets(tx, list(grouped)):
        grouped[target.post_id].append(target)
    return [PostView(row, grouped[row.id]) for row in rows]


def place_of(tab: Tab, row: Row[Any]) -> tuple[datetime, UUID]:
    """Where a post stands in the list of this tab: what the next page goes on after."""
    at: datetime = row.created_at if _order(tab)[0] is posts.c.created_at else row.placed_at or row.created_at
    return at, row.id


def count_tabs(tx: Tx, user_id: UUID, wanted: Wanted) -> dict[Tab, int]:
    """How many posts each tab has that match otherwise; never more than one beyond MOST."""

    def count(tab: Tab) -> sa.ScalarSelect[int]:
        asked = Wanted(tab, (), wanted.search, wanted.account_id, wanted.default_of, wanted.since, wanted.until)
        matching = _matching(user_id, asked)
        order = posts.c.created_at, posts.c.id
        states = _states(asked)
        if states is None:
            found = sa.select(posts.c.id).where(*matching).order_by(*order).limit(MOST + 1).subquery()
        else:
            firsts = [_among(matching, state).order_by(*order).limit(MOST + 1).subquery() for state in states]
            every = sa.union_all(*(sa.select(one.c.id) for one in firsts)).subquery()
            found = sa.select(every.c.id).limit(MOST + 1).subquery()
        return sa.select(sa.func.count()).select_from(found).scalar_subquery()

    row = tx.first(sa.select(*(count(tab).label(tab.name) for tab in Tab)))
    if row is None:
        raise AssertionError("counting always answers")
    return {tab: row._mapping[tab.name] for tab in Tab}


def _order(tab: Tab) -> tuple[sa.ColumnElement[Any], bool]:
    """By which time, and whether the soonest comes first."""
    if tab is Tab.UPCOMING:
        return HAPPENS_AT, True
    return (HAPPENS_AT if tab in {Tab.PUBLISHED, Tab.NOT_PUBLISHED} else posts.c.created_at), False


def _states(wanted: Wanted) -> list[str] | None:
    """The states in which the wanted posts are; None: in any."""
    of_tab = None if wanted.tab is Tab.NEEDS_YOU else STATES.get(wanted.tab)
    if wanted.statuses and of_tab is not None:
        return [str(one) for one in of_tab if one in wanted.statuses]
    chosen = wanted.statuses or of_tab
    return None if chosen is None or not chosen else [str(one) for one in dict.fromkeys(chosen)]


def _among(matching: Sequence[sa.ColumnElement[bool]], state: str) -> sa.Select[Any]:
    return sa.select(posts.c.id).where(*matching, posts.c.status == state)


def _matching(user_id: UUID, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    """But for their state."""
    found: list[sa.ColumnElement[bool]] = [posts.c.user_id == user_id, posts.c.deleted_at.is_(None)]
    if wanted.tab is Tab.NEEDS_YOU:
        found.append(posts.c.needs_attention)
    found += [
        posts.c.words.contains(word, autoescape=True) for word in searchable(wanted.search).split()[:WORDS]
    ]  # fmt: skip
    if wanted.account_id is not None:
        found.append(is_on(wanted.account_id, wanted.default_of))
    if wanted.since is not None or wanted.until is not None:
        found.append(_between(wanted.since, wanted.until))
    return found


def _between(since: datetime | None, until: datetime | None) -> sa.ColumnElement[bool]:
    """Its place is between these times; of a draft without one, when it was begun. Each half is a range of an index."""

    def within(time: sa.ColumnElement[Any]) -> list[sa.ColumnElement[bool]]:
        return [*([time >= since] if since is not None else []), *([time < until] if until is not None else [])]

    begun = sa.and_(posts.c.placed_at.is_(None), *within(posts.c.created_at))
    return sa.or_(sa.and_(*within(posts.c.placed_at)), begun)


def is_on(account_id: UUID, default_of: str) -> sa.ColumnElement[bool]:
    """Posts on this account; a draft has no targets yet, but names what was chosen: the account, or the platform that it is the
    default of.
    """
    chosen = sa.cast(posts.c.selected, sa.Text)
    named = [chosen.contains(f'"{name}"', autoescape=True) for name in (str(account_id), default_of) if name]
    sent = sa.select(targets.c.id).where(targets.c.post_id == posts.c.id, targets.c.account_id == account_id)
    # asked of one post after the other, for the first few are wanted: bounded, PostgreSQL does not gather all of the account
    return sa.or_(sent.limit(1).scalar_subquery().is_not(None), sa.and_(posts.c.status == str(P.DRAFT), sa.or_(*named)))
