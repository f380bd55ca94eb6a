"""Posts that are handed in at once are written in one transaction; each is answered as it would be alone."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from hayon.delivery.handed import Handed
from hayon.delivery.submit import Accepted
from hayon.domain.allowance import POSTS, Told
from hayon.domain.model import Content
from hayon.errors import Conflict, DatabaseUnreachable, Invalid
from hayon.store import posts as rows
from hayon.store import users
from hayon.store.allowances import keep_told
from hayon.store.database import Tx
from hayon.store.schema import accounts, api_keys, posts, targets
from hayon.store.schema import users as people
from tests.delivery.scripted import START, Hand, House, Scripted, open_house


def handed(text: str, **more: Any) -> Handed:
    return Handed(Content(text), **{"platforms": ("scripted",)} | more)


async def hand_in(house: House, *wanted: Handed, keys: Sequence[str | None] = ()) -> list[Any]:
    """All at once: what each is answered."""
    asking = [
        house.submission.take_in(house.user_id, one, idempotency_key=key)
        for one, key in zip(wanted, keys or [None] * len(wanted), strict=True)
    ]
    return await asyncio.gather(*asking, return_exceptions=True)


class Runs:
    """How many transactions there were, and what was asked of the database in them."""

    def __init__(self, house: House) -> None:
        self.transactions, self.asked = 0, 0
        inside = house.database._company._run

        async def run(*args: Any) -> Any:
            self.transactions += 1
            return await inside(*args)

        house.database._company._run = run  # type: ignore[method-assign] # it goes on to the one it stands before

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.transactions = self.asked = 0
        with pytest.MonkeyPatch.context() as patch:
            for name in ("run", "all"):
                patch.setattr(Tx, name, self._counting(getattr(Tx, name)))
            yield

    def _counting(self, ask: Any) -> Any:
        def counting(*args: Any, **values: Any) -> Any:
            self.asked += 1
            return ask(*args, **values)

        return counting


async def texts(house: House) -> list[str]:
    return sorted(row.words for row in await house.rows("SELECT words FROM posts"))


async def test_posts_at_once_cost_as_many_statements_as_one(house: House) -> None:
    await house.connect("ada")
    runs = Runs(house)
    for number in range(3):  # what was asked before may take a shorter way
        await hand_in(house, handed(f"before {number}"))
    with runs.counted():
        await hand_in(house, handed("alone"))
    alone = runs.asked
    with runs.counted():
        answers = await hand_in(house, *(handed(f"post {number}") for number in range(12)))
    assert runs.transactions == 1
    assert 0 < runs.asked == alone
    assert len({answer.post_id for answer in answers}) == 12
    assert len(await house.rows("SELECT id FROM targets")) == 16


async def test_at_once_are_written_the_rows_that_one_by_one_would_be(house: House) -> None:
    names = [str((await house.connect(name)).id) for name in ("ada", "bea", "cleo")]
    planned = (START + timedelta(days=2)).isoformat()
    wanted = [
        handed("now"), handed("planned", scheduled_at=planned, max_lateness_seconds=60), handed("a draft", draft=True),
        handed("three", platforms=(), account_ids=tuple(names)), handed("wörds ẞ", timezone="Europe/Berlin"),
    ]  # fmt: skip
    together = await hand_in(house, *wanted)
    alone = vars(house.submission._accept).pop("many")
    one_by_one = [await house.submission.take_in(house.user_id, one) for one in wanted]
    house.submission._accept.many = alone  # type: ignore[attr-defined] # as `together` marked it
    for one, other in zip(together, one_by_one, strict=True):
        assert await rows_of(house, one) == await rows_of(house, other)
        assert [shown(one.view.row), *map(shown, one.view.targets)] == [
            shown(other.view.row),
            *map(shown, other.view.targets),
        ]


OWN = {"id", "post_id", "correlation_id", "idempotency_key", "traceparent"}


def shown(row: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name not in OWN}


async def rows_of(house: House, accepted: Accepted) -> list[str]:
    def read(tx: Tx) -> list[str]:
        found = []
        for table, mine, order in ((posts, posts.c.id, ()), (targets, targets.c.post_id, (targets.c.position,))):
            columns = [column for column in table.c if column.name not in OWN]
            found += map(repr, tx.all(sa.select(*columns).where(mine == accepted.post_id).order_by(*order)))
        return found

    return await house.database.read(read)


async def test_each_has_its_own_errors(house: House) -> None:
    await house.connect("ada")
    answers = await hand_in(
        house, handed("fine"), handed("x" * 5000), handed("nowhere", platforms=("tumblr",)), handed("fine too")
    )
    assert [type(one) for one in answers] == [Accepted, Invalid, Invalid, Accepted]
    assert [problem.rule for one in answers[1:3] for problem in one.problems] == ["too_long", "unknown_platform"]
    assert await texts(house) == ["fine", "fine too"]


async def test_one_key_at_once_makes_one_post(house: House) -> None:
    await house.connect("ada")
    same = [handed("same")] * 3
    answers = await hand_in(house, *same, handed("another"), handed("free"), keys=["k", "k", "k", "k", None])
    assert [type(one) for one in answers] == [Accepted, Accepted, Accepted, Conflict, Accepted]
    assert len({one.post_id for one in answers[:3]}) == 1
    assert [one.view is None for one in answers[:3]] == [False, True, True]
    # and a key of before beside new ones
    later = await hand_in(house, handed("same"), handed("another"), handed("new"), keys=["k", "k", "n"])
    assert (later[0].post_id, later[0].view) == (answers[0].post_id, None)
    assert [type(one) for one in later] == [Accepted, Conflict, Accepted]
    assert await texts(house) == ["free", "new", "same"]


@pytest.mark.parametrize("late", [False, True])
async def test_posts_whose_commit_nobody_heard_of_are_written_once(
    house: House, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """The connection broke after the commit: each finds out for itself that it was written, `late` only when it writes anew."""
    await house.connect("ada")
    inside, lost, looked = house.database._company._run, list[Any](), list[UUID]()
    find_post = rows.find_post

    async def run(work: Any, writes: bool, args: Any, kwargs: Any) -> Any:
        answer = await inside(work, writes, args, kwargs)
        if writes and not lost:
            lost.append(work)
            raise DatabaseUnreachable("Cut off.")
        return answer

    def find(tx: Tx, post_id: UUID, user_id: UUID) -> Any:
        looked.append(post_id)
        return None if late and looked.count(post_id) == 1 else find_post(tx, post_id, user_id)

    house.database._company._run = run  # type: ignore[method-assign] # as above
    monkeypatch.setattr(rows, "find_post", find)
    answers = await hand_in(house, handed("one"), handed("two"), handed("three"), keys=[None, None, "k"])
    assert len(lost) == 1
    assert len(looked) == (6 if late else 3)
    assert await texts(house) == ["one", "three", "two"]
    kept = {row.id for row in await house.database.read(lambda tx: tx.all(sa.select(posts.c.id)))}
    assert {one.post_id for one in answers} == kept
    assert [len(one.view.targets) for one in answers] == [1, 1, 1]


async def test_the_day_that_becomes_too_full_is_warned_of_within_one_transaction_too(database_url: str) -> None:
    clock = Hand()
    async with open_house(database_url, clock=clock, platform=Scripted(clock=clock, has_quota=True)) as house:
        ada, bea = [await house.connect(name) for name in ("ada", "bea")]
        told = {str(one.id): [Told(POSTS, 3, START, limit, 86_400)] for one, limit in ((ada, 3), (bea, 50))}
        await house.database.write(keep_told, told, START)
        days = [2, 2, 30, 2, 2, 2]
        where = [ada, ada, ada, bea, ada, ada]
        answers = await hand_in(house, *(
            handed(f"post {place}", platforms=(), account_ids=(str(one.id),),
                   scheduled_at=(START + timedelta(days=day, minutes=place)).isoformat())
            for place, (day, one) in enumerate(zip(days, where, strict=True))
        ))  # fmt: skip
        assert [len(one.warnings) for one in answers] == [0, 0, 0, 0, 0, 1]
        # one by one the same is said
        again = handed(
            "more", platforms=(), account_ids=(str(ada.id),), scheduled_at=(START + timedelta(days=2)).isoformat()
        )
        assert len((await house.submission.take_in(house.user_id, again)).warnings) == 1


@pytest.mark.parametrize("table", ["accounts", "users"])
async def test_what_is_in_other_hands_holds_up_no_others(migrated_postgres_url: str, table: str) -> None:
    """Somebody stands still with an account, or with its person."""
    async with open_house(migrated_postgres_url) as house:
        account = await house.connect("ada")
        other = await house.database.write(
            lambda tx: users.insert_person(tx, "other@example.test", "", "", "UTC", only_first=False)
        )
        mine, house.user_id = house.user_id, other.id
        await house.connect("other")
        house.user_id = mine
        held, release = asyncio.Event(), asyncio.Event()
        engine = create_async_engine(migrated_postgres_url)
        row = sa.select(accounts.c.id).where(accounts.c.id == account.id)
        if table == "users":
            row = sa.select(people.c.id).where(people.c.id == mine)

        async def stand_still() -> None:
            async with engine.begin() as connection:
                await connection.execute(row.with_for_update())
                held.set()
                await release.wait()

        standing = asyncio.create_task(stand_still())
        await held.wait()
        runs = Runs(house)
        waiting = asyncio.create_task(house.submission.take_in(mine, handed("held")))
        async with asyncio.timeout(5):
            for number in range(3):
                await house.submission.take_in(other.id, handed(f"free {number}"))
        assert not waiting.done()
        assert await texts(house) == ["free 0", "free 1", "free 2"]
        # nobody had to wait for it, be it for a moment
        assert runs.transactions == 3 + 1
        release.set()
        await standing
        assert isinstance(await waiting, Accepted)
        await engine.dispose()


async def test_keys_that_are_asked_for_at_once_each_open_their_own(house: House) -> None:
    def write(tx: Tx) -> None:
        for number in range(4):
            person = users.insert_person(tx, f"{number}@example.test", "", str(number), "UTC", only_first=False)
            users.insert_key(tx, person.id, "key", bytes([number] * 32), "hint", [f"scope {number}"])
        tx.run(sa.update(people).where(people.c.name == "1").values(disabled_at=START))
        tx.run(sa.update(api_keys).where(api_keys.c.key_hash == bytes([2] * 32)).values(expires_at=START))

    await house.database.write(write)
    runs = Runs(house)
    numbers = [0, 1, 2, 3, 9, 3, 0]
    keys = await asyncio.gather(*(house.database.read(users.find_key, bytes([number] * 32)) for number in numbers))
    assert runs.transactions == 1
    assert [key and (key.person.name, set(key.scopes)) for key in keys] == [
        ("0", {"scope 0"}), None, None, ("3", {"scope 3"}), None, ("3", {"scope 3"}), ("0", {"scope 0"}),
    ]  # fmt: skip
