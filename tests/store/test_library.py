"""The library of somebody's files: in order, page by page, with who uses them; on each database, however many there are."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.errors import NotFound
from hayon.store import media as library
from hayon.store.database import Database, Tx, new_id
from hayon.store.schema import media, post_media, posts, users

THEN = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MANY = 10_000
PAGE = 48


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """One of each kind."""
    made = Database(database_url)
    yield made
    await made.close()


def add_person(tx: Tx) -> UUID:
    user_id = new_id(THEN)
    tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=THEN))
    return user_id


def add_files(tx: Tx, user_id: UUID, times: list[datetime], mime: str = "image/png", *, ready: bool = True) -> list[UUID]:  # fmt: skip
    """Files that came at these times: their ids."""
    rows: list[dict[str, Any]] = [
        {"id": new_id(at), "user_id": user_id, "mime": mime, "size": 5, "ready": ready, "created_at": at}
        for at in times
    ]
    tx.run(sa.insert(media), [row | {"key": f"temp/{user_id}/{row['id']}.png"} for row in rows])
    return [row["id"] for row in rows]


def add_posts(tx: Tx, user_id: UUID, uses: list[list[UUID]], *, deleted: bool = False) -> list[UUID]:
    """A post for each of the lists of files, every one a second newer: their ids."""
    rows: list[dict[str, Any]] = [
        {"id": new_id(THEN), "user_id": user_id, "status": "DRAFT", "overrides": {},
         "content": {"text": f"Post {number}", "media": []},
         "selected": {}, "version": 1, "created_at": THEN + number * SECOND, "updated_at": THEN,
         "deleted_at": THEN if deleted else None}
        for number in range(len(uses))
    ]  # fmt: skip
    tx.run(sa.insert(posts), rows)
    tx.run(sa.insert(post_media), [
        {"post_id": row["id"], "media_id": media_id, "position": 1}
        for row, used in zip(rows, uses, strict=True) for media_id in used
    ])  # fmt: skip
    return [row["id"] for row in rows]


async def pages(database: Database, user_id: UUID, limit: int, **wanted: Any) -> list[UUID]:
    """Every page after the other."""
    found: list[UUID] = []
    before = None
    while True:
        page = await database.read(library.list_library, user_id, before=before, limit=limit, **wanted)
        assert len(page) <= limit
        found += [one.media.id for one in page]
        if not page:
            return found
        before = (page[-1].created_at, page[-1].media.id)


async def test_page_by_page_each_file_is_listed_once(database: Database) -> None:
    """Also files of the same moment, of which a page's end may be one; nothing of others, nothing that did not arrive."""
    ada, bob = await database.write(add_person), await database.write(add_person)
    mine = await database.write(add_files, ada, [THEN, THEN, THEN, THEN + SECOND, THEN + 2 * SECOND])
    await database.write(add_files, ada, [THEN], ready=False)
    await database.write(add_files, bob, [THEN])
    expected = [mine[4], mine[3], *sorted(mine[:3], reverse=True)]
    for limit in (1, 2, 3, 5, 9):
        assert await pages(database, ada, limit) == expected


async def test_pictures_and_videos_alone(database: Database) -> None:
    ada = await database.write(add_person)
    pictures = await database.write(add_files, ada, [THEN, THEN + 2 * SECOND], "image/webp")
    videos = await database.write(add_files, ada, [THEN + SECOND, THEN + 3 * SECOND], "video/mp4")
    assert await pages(database, ada, 1, videos=False) == pictures[::-1]
    assert await pages(database, ada, 1, videos=True) == videos[::-1]


async def test_who_uses_a_file_is_told(database: Database) -> None:
    """All are counted, deleted ones as well, for they hold the file; the newest that still stand are named."""
    ada = await database.write(add_person)
    free, once, often, gone = await database.write(add_files, ada, [THEN + number * SECOND for number in range(4)])
    made = await database.write(add_posts, ada, [[often], [often], [often, once], [often]])
    await database.write(add_posts, ada, [[often], [often, gone]], deleted=True)
    listed = {one.media.id: one for one in await database.read(library.list_library, ada, limit=9)}
    told = {media_id: (one.uses, one.deleted_uses, one.posts) for media_id, one in listed.items()}
    assert told == {
        free: (0, 0, ()), once: (1, 0, ((made[2], "Post 2"),)), gone: (1, 1, ()),
        often: (6, 2, ((made[3], "Post 3"), (made[2], "Post 2"), (made[1], "Post 1"))),
    }  # fmt: skip
    assert await database.read(library.get_kept, ada, often) == listed[often]


async def test_one_file_is_its_owners(database: Database) -> None:
    ada, bob = await database.write(add_person), await database.write(add_person)
    (mine,) = await database.write(add_files, ada, [THEN])
    (awaited,) = await database.write(add_files, ada, [THEN], ready=False)
    for user_id, media_id in ((bob, mine), (ada, awaited), (ada, new_id(THEN))):
        with pytest.raises(NotFound):
            await database.read(library.get_kept, user_id, media_id)


async def test_ten_thousand_files_are_listed_in_two_questions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page costs the same number of questions wherever it stands. What they take is shown by `make bench`."""
    ada = await database.write(add_person)
    mine = await database.write(add_files, ada, [THEN + number * SECOND for number in range(MANY - 10)])
    await database.write(add_files, ada, [THEN - number * SECOND for number in range(1, 11)], "video/mp4")
    await database.write(add_posts, ada, [mine[at : at + 10] for at in range(0, MANY - 10, 10)])
    if not database.single_process:
        await database.write(lambda tx: tx.run(sa.text("ANALYZE")))
    asked: list[str] = []
    run = Tx.run

    def counting(tx: Tx, statement: sa.Executable, rows: Any = None) -> Any:
        asked.append(str(statement))
        return run(tx, statement, rows)

    monkeypatch.setattr(Tx, "run", counting)
    for videos, number in ((None, 0), (None, MANY // 2), (None, MANY - 100), (False, MANY // 2), (True, 0)):
        before = (THEN + (MANY - number) * SECOND, UUID(int=0))
        asked.clear()
        page = await database.read(library.list_library, ada, videos=videos, before=before, limit=PAGE)
        assert len(asked) == 2, (videos, number)
        assert len(page) == (10 if videos else PAGE)
