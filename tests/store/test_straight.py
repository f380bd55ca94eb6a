"""What goes straight to the driver gives and refuses what it would by way of SQLAlchemy, and transactions stay whole."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa

from hayon.errors import DatabaseUnreachable
from hayon.store import announcing, outbox
from hayon.store.database import READERS, WRITERS, Database, Moment, Tx, planned_once
from hayon.store.intending import commit_intents
from hayon.store.listed import one_of
from hayon.store.schema import accounts, metadata, users
from hayon.store.settling import settle_tries
from hayon.store.turns import Turns

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
PERSON = {"id": uuid4(), "email": "anna@example.test", "created_at": NOW}
EVERYBODY = sa.select(users.c.email).order_by(users.c.email)
INSERT_USER, INSERT_ACCOUNT = sa.insert(users), sa.insert(accounts)
BY_ID = sa.select(users).where(one_of(users.c.id, "ids")).order_by(users.c.email)
JOINED = (
    sa.select(accounts, users.c.id.label("owner"), sa.literal("said").label("word"), sa.func.count().over().label("many"))
    .join(users, users.c.id == accounts.c.user_id).where(users.c.id == sa.bindparam("owner_id")).limit(5)
)  # fmt: skip


CREATED = sa.select(users.c.created_at).order_by(users.c.email)
BY_TIME = sa.select(users.c.id).where(users.c.created_at == sa.bindparam("at", type_=Moment()))
AS_BEFORE = sa.DateTime(timezone=True)
"""A time as SQLAlchemy reads it by itself: what older versions wrote is read, and what is written now they could read."""
MINUTE = timedelta(minutes=1)
LOOKED = sa.func.nextval(sa.literal_column("'looked'"))
MANY = sa.select(sa.literal_column("number"), LOOKED).select_from(sa.text("generate_series(1, 1000) AS number"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    yield made
    await made.close()


@pytest.fixture
async def on_postgres(migrated_postgres_url: str) -> AsyncIterator[Database]:
    made = Database(migrated_postgres_url)
    yield made
    await made.close()


def account(name: str) -> dict[str, Any]:
    return {
        "id": uuid4(), "user_id": PERSON["id"], "platform": "mastodon", "host": "https://one.test", "remote_id": name,
        "handle": name, "display_name": name, "credential": b"\x00sealed\xff", "facts": {"max": [1, 2.5, None, "ü"]},
        "connected_at": NOW, "blocked_until": None,
    }  # fmt: skip


def twice(tx: Tx, statement: Any, **values: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """At first sight by way of SQLAlchemy, then straight."""
    before = [dict(row._mapping) for row in tx.run(statement, values).all()]
    tx.all(statement, **values)
    assert tx._straight.find(statement) is not None
    return before, [dict(row._mapping) for row in tx.all(statement, **values)]


async def test_rows_and_defaults_are_the_same_either_way(database: Database) -> None:
    def work(tx: Tx) -> Any:
        for email in ("b@example.test", "c@example.test", "d@example.test"):  # at first sight, then straight
            tx.run_each(INSERT_USER, [{**PERSON, "id": uuid4(), "email": email}])
        tx.run_each(INSERT_USER, [PERSON])
        tx.run_each(INSERT_ACCOUNT, [account("first")])
        tx.run_each(INSERT_ACCOUNT, [account("second"), account("third")])
        everybody = [row.id for row in tx.all(sa.select(users.c.id))]
        return twice(tx, BY_ID, ids=everybody), twice(tx, JOINED, owner_id=PERSON["id"])

    (people, people_straight), (joined, joined_straight) = await database.write(work)
    assert people == people_straight
    assert joined == joined_straight
    assert len(people) == 4
    assert {(one["timezone"], one["created_at"]) for one in people} == {("UTC", NOW)}
    assert [one["many"] for one in joined] == [3, 3, 3]
    assert joined_straight[0]["facts"] == {"max": [1, 2.5, None, "ü"]}
    assert joined_straight[0]["credential"] == b"\x00sealed\xff"
    assert isinstance(joined_straight[0]["id"], UUID)
    assert joined_straight[0]["word"] == "said"


async def test_each_table_can_be_read(database: Database) -> None:
    """Whatever kinds of columns there are."""

    def work(tx: Tx) -> list[str]:
        unread = []
        for table in metadata.sorted_tables:
            statement = sa.select(table)
            twice(tx, statement)
            if tx._straight.find(statement) is None:
                unread.append(table.name)
        return unread

    assert await database.read(work) == []


@pytest.mark.parametrize(
    "at",
    [
        NOW,
        NOW.replace(microsecond=0),
        datetime(1, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
        datetime(2026, 3, 1, 14, 30, 15, 123456, tzinfo=timezone(timedelta(hours=2))),
    ],
)
async def test_times_are_kept_as_sqlalchemy_keeps_them(database: Database, at: datetime) -> None:
    def work(tx: Tx) -> Any:
        for number in range(3):
            tx.run_each(INSERT_USER, [{**PERSON, "id": uuid4(), "email": f"{number}@example.test", "created_at": at}])
        return twice(tx, CREATED), tx.all(sa.select(sa.type_coerce(users.c.created_at, AS_BEFORE)))

    (rows, straight), before = await database.write(work)
    kept = [one["created_at"] for one in straight]
    assert kept == [one["created_at"] for one in rows] == [at] * 3
    assert {one.utcoffset() for one in kept} == {timedelta(0)}
    assert [row[0].replace(tzinfo=UTC) for row in before] == [at] * 3


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 3, 1, 12, 30)  # noqa: DTZ001 - that is what is refused
    for work in (lambda tx: tx.all(BY_TIME, at=naive),) * 3:
        with pytest.raises((sa.exc.StatementError, ValueError), match="without a zone"):
            await database.read(work)


async def test_what_is_written_as_text_keeps_the_names_of_its_columns(database: Database) -> None:
    written = sa.text("SELECT 7 AS seven")
    assert [(await database.read(lambda tx: tx.all(written)))[0].seven for _ in range(3)] == [7] * 3


async def test_a_lock_is_waited_for_a_moment_and_only_in_this_transaction(on_postgres: Database) -> None:
    said = sa.select(sa.func.current_setting("lock_timeout"))

    def work(tx: Tx) -> Any:
        tx.wait_briefly()
        return tx.value(said)

    assert [await on_postgres.write(work) for _ in range(3)] == ["100ms"] * 3
    assert [await on_postgres.read(lambda tx: tx.value(said)) for _ in range(WRITERS)] == ["0"] * WRITERS


async def test_what_is_planned_once_is_planned_once_and_only_there(on_postgres: Database) -> None:
    """In four transactions after each other: PostgreSQL says of its plans for how many they were made anew."""
    counts = sa.text(
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
        " WHERE statement LIKE 'SELECT users.id, users.email%ANY%' ORDER BY prepare_time DESC LIMIT 1"
    )

    def look(tx: Tx) -> tuple[int, ...]:
        tx.all(BY_ID, ids=[uuid4()])
        return tuple(tx.all(counts)[0])

    await on_postgres.write(look)  # at first sight by way of SQLAlchemy
    plainly = [await on_postgres.write(look) for _ in range(4)]
    once = [await on_postgres.write(planned_once(look)) for _ in range(4)]
    assert [custom for _, custom in plainly] == [plainly[0][1] + more for more in range(4)]
    assert once == [(generic, plainly[-1][1]) for generic in range(1, 5)]
    said = sa.select(sa.func.current_setting("plan_cache_mode"))
    assert [await on_postgres.read(lambda tx: tx.value(said)) for _ in range(WRITERS)] == ["auto"] * WRITERS


@pytest.mark.parametrize(
    "work",
    [
        partial(outbox.claim_due, room={"mastodon": 5}, claim_id=uuid4(), lease=MINUTE),
        partial(outbox.claim_named, named={}, claim_id=uuid4(), lease=MINUTE),
        partial(announcing.announce_due, platforms=["mastodon"], window=5, ahead=MINUTE, wait=MINUTE, turns=Turns()),
        partial(commit_intents, asked=[]),
        partial(settle_tries, asked=[]),
    ],
    ids=lambda work: work.func.__name__,
)
async def test_the_way_of_a_target_is_planned_once(
    on_postgres: Database, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, begun = asyncpg.Connection.execute, []

    async def note(self: Any, query: str, *args: Any, **kwargs: Any) -> str:
        begun.extend([query] if query.startswith("BEGIN") else [])
        return str(await execute(self, query, *args, **kwargs))

    monkeypatch.setattr(asyncpg.Connection, "execute", note)
    await on_postgres.write(work.func, **work.keywords)
    assert begun == ["BEGIN; SET LOCAL plan_cache_mode = force_generic_plan"]


async def test_numbers_are_what_they_are_by_way_of_sqlalchemy(on_postgres: Database) -> None:
    number = sa.literal_column("2.5")
    floats = sa.select(*(sa.type_coerce(sa.cast(number, kind), sa.Float).label(name) for name, kind in (
        ("double", sa.Double), ("fixed", sa.Numeric), ("whole", sa.Integer),
    )), sa.cast(sa.null(), sa.Float).label("none"))  # fmt: skip
    fixed = sa.select(sa.cast(number, sa.Numeric(3, 1)).label("fixed"))

    def work(tx: Tx) -> Any:
        return twice(tx, floats), [tx.all(fixed)[0].fixed for _ in range(3)], tx._straight.find(fixed)

    (before, straight), all_fixed, found = await on_postgres.read(work)
    assert [{name: repr(value) for name, value in row.items()} for row in straight] == [
        {"double": "2.5", "fixed": "2.5", "whole": "3.0", "none": "None"}
    ]
    assert straight == before
    assert all_fixed == [Decimal("2.5")] * 3
    assert found is None


async def test_of_many_rows_the_first_is_read_and_no_other(on_postgres: Database) -> None:
    counted: list[int] = []

    def work(tx: Tx) -> Any:
        tx.run(sa.text("CREATE TEMP SEQUENCE looked"))
        firsts = [tx.first(MANY) for _ in range(3)]
        counted.append(tx.value(sa.text("SELECT last_value FROM looked")))
        return [row and row.number for row in firsts]

    assert await on_postgres.write(work) == [1, 1, 1]
    # by way of SQLAlchemy all thousand, then one each
    assert counted[0] <= 1002


async def test_what_is_left_of_a_first_row_keeps_nothing_open(database: Database) -> None:
    """The rows that nobody reads would keep SQLite at the state that they were read from."""

    def look(tx: Tx) -> Any:
        return tx.first(EVERYBODY)

    await database.write(
        lambda tx: tx.run_each(INSERT_USER, [PERSON, {**PERSON, "id": uuid4(), "email": "b@example.test"}])
    )
    for _ in range(3):
        assert (await database.read(look)).email == PERSON["email"]
    await database.write(lambda tx: tx.run(sa.update(users).values(email=users.c.email + ".new")))
    for _ in range(READERS + 1):
        assert (await database.read(look)).email == f"{PERSON['email']}.new"


async def test_other_names_are_not_taken_for_those_it_was_compiled_for(database: Database) -> None:
    def work(tx: Tx) -> Any:
        tx.run_each(INSERT_USER, [PERSON])
        update = sa.update(users).where(users.c.id == sa.bindparam("key"))
        for name in ("one", "two"):
            tx.run_each(update, [{"key": PERSON["id"], "name": name}])
        tx.run_each(update, [{"key": PERSON["id"], "email": "new@example.test"}])
        return tx.first(BY_ID, ids=[PERSON["id"]])

    row = await database.write(work)
    assert (row.name, row.email) == ("two", "new@example.test")


async def test_a_value_that_nobody_gave_is_an_error(database: Database) -> None:
    def work(tx: Tx) -> None:
        for _ in range(2):
            tx.all(JOINED, owner_id=PERSON["id"])
        tx.all(JOINED)

    with pytest.raises(KeyError, match="owner_id"):
        await database.read(work)


async def test_a_clash_is_told_as_sqlalchemy_tells_it_and_undoes_all(database: Database) -> None:
    def work(tx: Tx, *emails: str) -> None:
        for email in emails:
            tx.run_each(INSERT_USER, [{**PERSON, "id": uuid4(), "email": email}])

    await database.write(work, "a@example.test", "b@example.test")
    for _ in range(WRITERS + 1):  # the connection is as good as before each time
        with pytest.raises(sa.exc.IntegrityError):
            await database.write(work, "c@example.test", "a@example.test")
    emails = await database.read(lambda tx: [row.email for row in tx.all(sa.select(users.c.email))])
    assert sorted(emails) == ["a@example.test", "b@example.test"]


async def test_an_error_that_was_swallowed_is_no_commit(on_postgres: Database) -> None:
    def work(tx: Tx) -> None:
        tx.run_each(INSERT_USER, [PERSON])
        with contextlib.suppress(sa.exc.DBAPIError):
            tx.all(sa.text("SELECT 1 / 0"))

    with pytest.raises(AssertionError, match="ROLLBACK"):
        await on_postgres.write(work)
    assert await on_postgres.read(lambda tx: tx.all(sa.select(users.c.id))) == []


async def test_connections_that_ended_while_nobody_used_them_are_replaced_unseen(
    on_postgres: Database, migrated_postgres_url: str
) -> None:
    def look(tx: Tx) -> Any:
        return tx.value(_SLOWLY)

    await asyncio.gather(*(on_postgres.read(look) for _ in range(WRITERS)))
    plain = sa.make_url(migrated_postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    other = await asyncpg.connect(plain)
    ended = await other.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await other.close()
    assert ended == WRITERS
    await asyncio.sleep(0.1)  # until the word of it is here
    assert await asyncio.gather(*(on_postgres.write(look) for _ in range(2 * WRITERS))) == [7] * 2 * WRITERS


async def test_one_that_ends_in_the_middle_is_told_and_given_to_nobody_else(on_postgres: Database) -> None:
    def work(tx: Tx) -> None:
        tx.run_each(INSERT_USER, [PERSON])
        for _ in range(3):
            tx.all(_END_MYSELF)

    for _ in range(WRITERS + 1):
        with pytest.raises(DatabaseUnreachable):
            await on_postgres.write(work)
    assert await on_postgres.write(lambda tx: tx.all(sa.select(users.c.id))) == []


_SLOWLY = sa.select(sa.literal(7)).select_from(sa.func.pg_sleep(0.2))
_END_MYSELF = sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid()))


async def test_what_could_not_be_rolled_back_is_never_committed_with_something_else(
    on_postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, stuck = asyncpg.Connection.execute, []

    async def slow(self: Any, query: str, *args: Any, **kwargs: Any) -> str:
        if query == "ROLLBACK":
            stuck.append(query)
            raise TimeoutError
        return str(await execute(self, query, *args, **kwargs))

    def work(tx: Tx) -> None:
        tx.run_each(INSERT_USER, [PERSON])
        raise ValueError("half way")

    monkeypatch.setattr(asyncpg.Connection, "execute", slow)
    with pytest.raises(ValueError, match="half way"):
        await on_postgres.write(work)
    assert stuck == ["ROLLBACK"]
    assert await on_postgres.write(lambda tx: tx.all(sa.select(users.c.id))) == []


async def test_a_commit_that_was_not_answered_leaves_nothing_open(
    on_postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, away = asyncpg.Connection.execute, ["COMMIT"]

    async def slow(self: Any, query: str, *args: Any, **kwargs: Any) -> str:
        if query in away:
            away.remove(query)
            raise TimeoutError
        return str(await execute(self, query, *args, **kwargs))

    monkeypatch.setattr(asyncpg.Connection, "execute", slow)
    with pytest.raises(DatabaseUnreachable):
        await on_postgres.write(lambda tx: tx.run_each(INSERT_USER, [PERSON]))
    assert away == []
    assert await on_postgres.write(lambda tx: tx.all(sa.select(users.c.id))) == []
