"""The posts of a stretch of time: which stand in it, in which order, how many, and whose. On each database."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.model import Account
from hayon.store import days
from hayon.store.database import Database, Tx, new_id
from hayon.store.days import Wanted
from hayon.store.schema import accounts, posts, targets, users

NOON = datetime(2030, 3, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = (NOON - DAY / 2, NOON + DAY / 2)


@dataclass
class Desk:
    """A person with two accounts, the first of them the default of its platform."""

    database: Database
    user_id: UUID
    accounts: list[Account] = field(default_factory=list)

    @property
    def wanted(self) -> Wanted:
        """All that is theirs."""
        return Wanted(self.user_id)

    async def add(self, at: datetime | None = NOON, text: str = "x", *on: int, **more: Any) -> UUID:
        """A post that goes to these accounts, placed then."""
        return await self.database.write(self._add, at, text, on, more)

    def _add(self, tx: Tx, at: datetime | None, text: str, on: tuple[int, ...], more: dict[str, Any]) -> UUID:
        now = tx.now()
        post_id, media = new_id(now), more.pop("media", [])
        tx.run(sa.insert(posts).values({
            "id": post_id, "user_id": self.user_id, "status": "SCHEDULED", "content": {"text": text, "media": media},
            "overrides": {}, "selected": {"platforms": [], "accountIds": []}, "version": 1, "created_at": now, "updated_at": now,
            "scheduled_at": at, "placed_at": at} | more))  # fmt: skip
        for number in on:
            target_id = new_id(now)
            tx.run(sa.insert(targets).values(
                id=target_id, post_id=post_id, user_id=self.user_id, account_id=self.accounts[number].id, status="pending",
                platform=self.accounts[number].platform, due_at=at, version=1, idempotency_key=str(target_id),
                created_at=now, updated_at=now))  # fmt: skip
        return post_id

    async def listed(self, wanted: Wanted | None = None, **more: Any) -> Sequence[Row[Any]]:
        """The posts of the day."""
        given = {"limit": 50} | more
        return await self.database.read(days.list_span, wanted or self.wanted, *TODAY, **given)

    async def ids(self, **more: Any) -> list[UUID]:
        """Those that a filter leaves."""
        return [one.id for one in await self.listed(Wanted(self.user_id, **more))]


def _person(tx: Tx, email: str) -> tuple[UUID, list[Account]]:
    now = tx.now()
    user_id = new_id(now)
    tx.run(sa.insert(users).values(id=user_id, email=email, created_at=now))
    made = [
        Account(
            new_id(now), user_id, platform, f"https://{platform}.test", "1", "ada", is_default=platform == "bluesky"
        )
        for platform in ("bluesky", "mastodon")
    ]
    for one in made:
        tx.run(sa.insert(accounts).values(
            id=one.id, user_id=user_id, platform=one.platform, host=one.host, remote_id=one.remote_id, credential=b"",
            connected_at=now))  # fmt: skip
    return user_id, made


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    database = Database(database_url)
    user_id, made = await database.write(_person, "ada@example.test")
    yield Desk(database, user_id, made)
    await database.close()


async def test_a_span_begins_with_its_start_and_ends_before_its_end(desk: Desk) -> None:
    start, stop = TODAY
    for at in (start - timedelta(microseconds=1), start, stop - timedelta(microseconds=1), stop):
        await desk.add(at)
    assert [one.placed_at for one in await desk.listed()] == [start, stop - timedelta(microseconds=1)]


async def test_places_are_in_order_and_those_chosen_are_read(desk: Desk) -> None:
    added = [await desk.add(NOON + timedelta(minutes=one), str(one), 0, 1) for one in (5, 1, 3)]
    places = await desk.database.read(days.list_places, desk.wanted, *TODAY)
    assert [one.id for one in places] == [added[1], added[2], added[0]]
    assert [one.placed_at.minute for one in places] == [1, 3, 5]
    chosen = await desk.database.read(days.find_chosen, desk.user_id, added[:2])
    assert {one: row.text for one, row in chosen.items()} == {added[0]: "5", added[1]: "1"}
    assert {frozenset(row.platforms.split(",")) for row in chosen.values()} == {frozenset({"bluesky", "mastodon"})}
    assert await desk.database.read(days.find_chosen, desk.user_id, []) == {}


async def test_what_is_shown_of_a_post(desk: Desk) -> None:
    media_id = str(UUID(int=7))
    first = {"mediaId": media_id, "altText": ""}
    await desk.add(NOON, "é" * 500, 1, media=[first, {"mediaId": str(UUID(int=8)), "altText": ""}], version=3)
    await desk.add(NOON + timedelta(minutes=1), "")
    with_file, plain = await desk.listed()
    assert (with_file.text, with_file.media_id) == ("é" * days.FIRST_CHARACTERS, media_id)
    assert (with_file.version, with_file.platforms) == (3, "mastodon")
    assert (plain.text, plain.media_id, plain.platforms) == ("", None, None)


async def test_pages_follow_one_another_also_within_one_minute(desk: Desk) -> None:
    added = [await desk.add(NOON) for _ in range(5)]
    seen: list[UUID] = []
    while page := await desk.listed(after=(NOON, seen[-1]) if seen else None, limit=2):
        seen += [one.id for one in page]
    assert sorted(seen) == sorted(added)
    assert len(seen) == len(added)


async def test_nothing_of_others_nothing_deleted_and_no_draft_without_a_time(desk: Desk) -> None:
    await desk.add(NOON, deleted_at=NOON)
    await desk.add(None, status="DRAFT")
    stranger = Desk(desk.database, *await desk.database.write(_person, "bob@example.test"))
    await stranger.add(NOON, "x", 0)
    assert await desk.listed() == []
    (theirs,) = await stranger.listed()
    assert await desk.database.read(days.find_chosen, desk.user_id, [theirs.id]) == {}
    assert await desk.ids(account=stranger.accounts[0]) == []


async def test_the_posts_of_an_account_and_drafts_that_select_it(desk: Desk) -> None:
    bluesky, mastodon = desk.accounts
    sent = await desk.add(NOON, "x", 0)
    both = await desk.add(NOON, "x", 0, 1)
    by_id = await desk.add(NOON, status="DRAFT", selected={"platforms": [], "accountIds": [str(mastodon.id)]})
    by_name = await desk.add(NOON, status="DRAFT", selected={"platforms": ["bluesky", "mastodon"], "accountIds": []})
    assert set(await desk.ids(account=bluesky)) == {sent, both, by_name}
    assert set(await desk.ids(account=mastodon)) == {both, by_id}  # it is not the default that a platform's name means


async def test_a_post_that_asks_is_found_as_such_and_under_no_status(desk: Desk) -> None:
    asking = await desk.add(NOON, status="PROCESSING", needs_attention=True)
    busy = await desk.add(NOON, status="PROCESSING")
    await desk.add(NOON)
    assert await desk.ids(asking=True) == [asking]
    assert await desk.ids(status="PROCESSING") == [busy]
