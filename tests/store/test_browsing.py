"""Lists of posts on both databases: what each tab holds, what a search finds, pages without gaps, counts with an end, and how quick."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.domain.model import Content, Override
from hayon.store import browsing
from hayon.store.browsing import Tab, Wanted
from hayon.store.database import Database, Tx, new_id
from hayon.store.posts import words_of
from hayon.store.schema import accounts, posts, targets, users

START = datetime(2030, 5, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty one of each kind."""
    opened = Database(database_url)
    yield opened
    await opened.close()


def add_person(tx: Tx) -> tuple[UUID, UUID]:
    """Somebody with an account."""
    user_id, account_id = new_id(START), new_id(START)
    tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=START))
    tx.run(sa.insert(accounts).values(id=account_id, user_id=user_id, platform="bluesky", host="h", remote_id="r",
                                      credential=b"", connected_at=START))  # fmt: skip
    return user_id, account_id


def add_post(
    tx: Tx, user_id: UUID, status: str = "COMPLETED", text: str = "x", on: UUID | None = None, **more: Any
) -> UUID:
    """A post in this state, and its target where it has one."""
    post_id = new_id(START)
    row: dict[str, Any] = {
        "id": post_id, "user_id": user_id, "status": status, "content": {"text": text, "media": []}, "overrides": {},
        "selected": {"platforms": [], "accountIds": []}, "version": 1, "words": words_of(Content(text), {}),
        "created_at": START, "updated_at": START,
    }  # fmt: skip
    row |= more
    handed_in_at = None if status == "DRAFT" else row["created_at"]
    tx.run(sa.insert(posts).values({"placed_at": row.get("scheduled_at") or handed_in_at} | row))
    if on is not None:
        tx.run(sa.insert(targets).values(
            id=new_id(START), post_id=post_id, user_id=user_id, account_id=on, platform="bluesky", status="cancelled",
            created_at=START, updated_at=START,
        ))  # fmt: skip
    return post_id


async def listed(database: Database, user_id: UUID, wanted: Wanted, **more: Any) -> list[UUID]:
    """The ids of what is listed."""
    return [view.row.id for view in await database.read(browsing.list_posts, user_id, wanted, **more)]


async def test_each_tab_holds_what_its_name_says(database: Database) -> None:
    ada, _ = await database.write(add_person)
    bob, _ = await database.write(add_person)
    every = ["DRAFT", "SCHEDULED", "PENDING", "PROCESSING", "COMPLETED", "PARTIAL_SUCCESS", "FAILED", "CANCELLED"]
    made = {status: await database.write(add_post, ada, status) for status in every}
    asked = await database.write(add_post, ada, "PROCESSING", needs_attention=True)
    await database.write(add_post, ada, deleted_at=START)
    await database.write(add_post, bob, "DRAFT")
    tabs: dict[Tab, set[UUID]] = {
        Tab.ALL: {*made.values(), asked},
        Tab.NEEDS_YOU: {asked},
        Tab.UPCOMING: {made["SCHEDULED"]},
        Tab.PUBLISHING: {made["PENDING"], made["PROCESSING"], asked},
        Tab.PUBLISHED: {made["COMPLETED"], made["PARTIAL_SUCCESS"]},
        Tab.NOT_PUBLISHED: {made["FAILED"], made["PARTIAL_SUCCESS"], made["CANCELLED"]},
        Tab.DRAFTS: {made["DRAFT"]},
    }
    assert set(tabs) == set(Tab)
    for tab, expected in tabs.items():
        assert set(await listed(database, ada, Wanted(tab))) == expected
    counts = await database.read(browsing.count_tabs, ada, Wanted())
    assert counts == {tab: len(expected) for tab, expected in tabs.items()}


@pytest.mark.parametrize(
    ("text", "search", "found"),
    [
        ("Spring in the GARDEN", "garden spring", True),
        ("Spring in the garden", "garden autumn", False),
        ("ÄPFEL und Straße", "äpfel STRASSE", True),
        ("Ąžuolas", "ĄŽUOL", True),
        ("e\u0301te\u0301", "ÉTÉ", True),
        ("nothing special", "%", False),
        ("nothing special", "_othing", False),
        ("100% of it", "100%", True),
        ("a/b\\c", "/b\\", True),
        ("it's \"quoted\"", "it's \"q", True),
        ("anything", "   ", True),
    ],
)  # fmt: skip
async def test_a_search_finds_words_however_they_are_written(
    database: Database, text: str, search: str, found: bool
) -> None:
    ada, _ = await database.write(add_person)
    post_id = await database.write(add_post, ada, text=text)
    assert await listed(database, ada, Wanted(search=search)) == ([post_id] if found else [])


def test_what_is_said_differently_somewhere_is_found_too() -> None:
    assert words_of(Content("Hello"), {"mastodon": Override("HELLO Fediverse")}) == "hello\nhello fediverse"


async def test_posts_of_an_account_and_drafts_that_name_it(database: Database) -> None:
    ada, mine = await database.write(add_person)
    _, other = await database.write(add_person)
    sent = await database.write(add_post, ada, on=mine)
    named = {"platforms": [], "accountIds": [str(mine)]}
    draft = await database.write(add_post, ada, "DRAFT", selected=named)
    by_default = {"platforms": ["bluesky"], "accountIds": []}
    meant = await database.write(add_post, ada, "DRAFT", selected=by_default)
    # where it was sent counts, and not what was asked for
    await database.write(add_post, ada, selected=named)
    assert set(await listed(database, ada, Wanted(account_id=mine))) == {sent, draft}
    assert set(await listed(database, ada, Wanted(account_id=mine, default_of="bluesky"))) == {sent, draft, meant}
    assert await listed(database, ada, Wanted(account_id=other)) == []


async def test_between_two_moments(database: Database) -> None:
    ada, _ = await database.write(add_person)
    now = await database.write(add_post, ada)
    later = await database.write(add_post, ada, "SCHEDULED", scheduled_at=START + 2 * HOUR)
    assert set(await listed(database, ada, Wanted(since=START, until=START + 2 * HOUR))) == {now}
    assert set(await listed(database, ada, Wanted(since=START + HOUR))) == {later}
    assert set(await listed(database, ada, Wanted(since=START + 2 * HOUR, until=START + 3 * HOUR))) == {later}


@pytest.mark.parametrize("tab", [Tab.ALL, Tab.UPCOMING, Tab.PUBLISHED])
async def test_pages_without_gaps_though_times_are_the_same(database: Database, tab: Tab) -> None:
    ada, _ = await database.write(add_person)
    status = "COMPLETED" if tab is Tab.PUBLISHED else "SCHEDULED"
    for number in range(7):
        at = START + (number // 3) * HOUR
        await database.write(add_post, ada, status, scheduled_at=at, created_at=at)
    whole = await listed(database, ada, Wanted(tab))
    assert len(set(whole)) == 7
    found: list[UUID] = []
    after = None
    while page := await database.read(browsing.list_posts, ada, Wanted(tab), after=after, limit=2):
        found += [view.row.id for view in page]
        after = browsing.place_of(tab, page[-1].row)
    assert found == whole


@pytest.mark.parametrize("tab", [Tab.ALL, Tab.UPCOMING, Tab.PUBLISHED])
async def test_pages_of_a_few_weeks_are_those_of_all_times(database: Database, tab: Tab) -> None:
    ada, _ = await database.write(add_person)
    status = "COMPLETED" if tab is Tab.PUBLISHED else "SCHEDULED"
    for number in range(7):
        at = START + (number // 3) * HOUR
        await database.write(add_post, ada, status, scheduled_at=at, created_at=START - at.hour * HOUR)
    whole = await listed(database, ada, Wanted(tab))
    found: list[UUID] = []
    after, few_weeks = None, Wanted(tab, since=START, until=START + 9 * HOUR)
    assert few_weeks.is_short
    while page := await database.read(browsing.list_posts, ada, few_weeks, after=after, limit=2):
        found += [view.row.id for view in page]
        after = browsing.place_of(tab, page[-1].row)
    assert found == whole
    assert len(found) == 7


async def test_the_order_of_each_tab(database: Database) -> None:
    ada, _ = await database.write(add_person)
    far = {"scheduled_at": START + 9 * HOUR, "created_at": START}
    near = {"scheduled_at": START + 2 * HOUR, "created_at": START + HOUR}
    first, second = [await database.write(add_post, ada, "SCHEDULED", **times) for times in (far, near)]
    assert await listed(database, ada, Wanted()) == [second, first]
    assert await listed(database, ada, Wanted(Tab.UPCOMING)) == [second, first]
    await database.write(lambda tx: tx.run(sa.update(posts).values(status="COMPLETED")))
    assert await listed(database, ada, Wanted(Tab.PUBLISHED)) == [first, second]


async def test_what_was_begun_long_ago_stands_where_it_was_handed_in(database: Database) -> None:
    ada, _ = await database.write(add_person)
    other = await database.write(add_post, ada, created_at=START + HOUR)
    draft = await database.write(add_post, ada, placed_at=START + 2 * HOUR)
    assert await listed(database, ada, Wanted(Tab.PUBLISHED)) == [draft, other]
    assert await listed(database, ada, Wanted(since=START + 2 * HOUR)) == [draft]
    row = (await database.read(browsing.list_posts, ada, Wanted(Tab.PUBLISHED)))[0].row
    assert browsing.place_of(Tab.PUBLISHED, row) == (START + 2 * HOUR, draft)


async def test_counting_ends(database: Database) -> None:
    ada, _ = await database.write(add_person)
    await database.write(lambda tx: [add_post(tx, ada) for _ in range(browsing.MOST + 5)] and None)
    counts = await database.read(browsing.count_tabs, ada, Wanted(search="x"))
    assert (counts[Tab.ALL], counts[Tab.DRAFTS]) == (browsing.MOST + 1, 0)


async def test_a_thousand_posts_are_listed_and_counted_in_three_questions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Posts, their targets, the counts: however many there are. What they take is shown by `make bench`."""
    ada, mine = await database.write(add_person)
    states = ["COMPLETED", "SCHEDULED", "DRAFT", "FAILED", "PROCESSING"]

    def fill(tx: Tx) -> None:
        for number in range(1000):
            at = START + number * timedelta(minutes=1)
            add_post(
                tx, ada, states[number % 5], f"Post {number} " + "word " * 60, mine, created_at=at, scheduled_at=at
            )

    await database.write(fill)
    wanted = [Wanted(), Wanted(Tab.PUBLISHED), Wanted(search="post 998"), Wanted(account_id=mine, since=START)]
    asked: list[str] = []
    run = Tx.run

    def counting(tx: Tx, statement: sa.Executable, rows: Any = None) -> Any:
        asked.append(str(statement))
        return run(tx, statement, rows)

    monkeypatch.setattr(Tx, "run", counting)
    for one in wanted:
        asked.clear()
        assert len(await database.read(browsing.list_posts, ada, one, limit=21)) > 0
        await database.read(browsing.count_tabs, ada, one)
        assert len(asked) == 3, one
