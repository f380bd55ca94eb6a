"""Writes work straight into a migrated database, as if it had been accepted: people, accounts, posts, targets. Nothing is sent.

PostgreSQL takes it by COPY, SQLite by `executemany`: a million posts take a minute or two.
"""

import json
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from bench.call import text_of, token_of
from bench.contest import Job
from bench.ledger import ABOUT, APP
from hayon.domain.lifecycle import TargetStatus, TargetSummary, summarize
from hayon.platforms.mastodon.limits import facts_of
from hayon.store import schema
from hayon.store.database import Database, new_id
from hayon.store.migrate import migrate
from hayon.vault import Vault
from hayon.web.auth import KEY_PREFIX, digest, new_token

PLATFORM = "mastodon"
CHUNK = 5000
FAR = timedelta(days=365)
"""What waits behind is due then."""
SPREAD = timedelta(days=30)
"""From the first of those to the last."""
BEHIND_WORDS = 100
"""Characters of a post that waits behind: nobody reads it during a run, and a million of 1 KB would be about the disk alone."""

Place = tuple[int, int]
"""An author and one of the author's accounts, by the numbers that jobs name."""


@dataclass
class People:
    """Who was written, by number: ids of authors, ids of accounts, and the key with which an author hands in."""

    authors: dict[int, UUID]
    accounts: dict[Place, UUID]
    keys: dict[int, str]

    @classmethod
    def none(cls) -> "People":
        """Nobody yet."""
        return cls({}, {}, {})


class Rows:
    """A way into one database for many rows."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)

    async def write(self, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Writes them in chunks; what a row does not say is the column's default."""
        if self.url.get_backend_name() == "sqlite":
            await self._insert(table, iter(rows))
        else:
            await self._copy(table, iter(rows))

    async def multiply(self, table: sa.Table, ids: Collection[str], times: Collection[str], copies: int) -> None:
        """Adds so many copies of every row that is there; each has ids of its own, and is later than the one before."""
        later = SPREAD.total_seconds() / (copies + 1)
        on_sqlite = self.url.get_backend_name() == "sqlite"
        if on_sqlite:
            new_id = "substr(r.{0}, 1, 24) || printf('%08x', c.n)"
            later_by = f"strftime('%Y-%m-%d %H:%M:%f000', r.{{0}}, printf('+%f seconds', c.n * {later}))"
        else:
            new_id = "(substr(replace(r.{0}::text, '-', ''), 1, 24) || lpad(to_hex(c.n), 8, '0'))::uuid"
            later_by = f"r.{{0}} + make_interval(secs => c.n * {later})"
        columns = [column.name for column in table.columns]
        made = [(new_id if name in ids else later_by if name in times else 'r."{0}"').format(name) for name in columns]
        names = ", ".join(f'"{name}"' for name in columns)
        statement = (
            f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {copies}) "  # noqa: S608 - all words are ours
            f"INSERT INTO {table.name} ({names}) SELECT {', '.join(made)} FROM c, {table.name} r"
        )
        if on_sqlite:
            database = Database(str(self.url))
            await database.write(lambda tx: tx.run(sa.text(statement.replace(":", "\\:"))))
            await database.close()
            return
        connection = await self._connect()
        await connection.execute(statement)
        await connection.close()

    async def settle(self) -> None:
        """Statistics as they are after a while, and nothing left to clean: neither is part of what is measured."""
        if self.url.get_backend_name() == "sqlite":
            database = Database(str(self.url))
            await database.write(lambda tx: tx.run(sa.text("ANALYZE")))
            await database.close()
            return
        connection = await self._connect()
        await connection.execute("VACUUM (ANALYZE)")
        await connection.close()

    async def _insert(self, table: sa.Table, rows: Iterator[Mapping[str, Any]]) -> None:
        database = Database(str(self.url))
        try:
            while chunk := list(islice(rows, CHUNK)):
                await database.write(lambda tx, part: tx.run(sa.insert(table), part), chunk)
        finally:
            await database.close()

    async def _copy(self, table: sa.Table, rows: Iterator[Mapping[str, Any]]) -> None:
        connection = await self._connect()
        names, makers = _columns(table)
        made = ([row[name] if name in row else makers[name]() for name in names] for row in rows)
        written = ([json.dumps(value) if isinstance(value, dict | list) else value for value in one] for one in made)
        try:
            while chunk := list(islice(written, CHUNK)):
                await connection.copy_records_to_table(table.name, records=chunk, columns=names)
        finally:
            await connection.close()

    async def _connect(self) -> Any:
        return await asyncpg.connect(self.url.set(drivername="postgresql").render_as_string(hide_password=False))


def _columns(table: sa.Table) -> tuple[list[str], dict[str, Callable[[], Any]]]:
    """The names of the columns, and what makes the value of each where a row names none."""
    return [column.name for column in table.columns], {column.name: _default(column) for column in table.columns}


def _default(column: sa.Column[Any]) -> Callable[[], Any]:
    given: Any = column.default
    if given is None:
        return lambda: None
    return (lambda: given.arg(None)) if given.is_callable else (lambda: given.arg)


async def make(url: str) -> Rows:
    """Brings the empty database at `url` to the newest shape."""
    await migrate(url)
    return Rows(url)


async def write_people(rows: Rows, people: People, places: Iterable[Place], vault: Vault, host: str) -> None:
    """Writes those of these authors and accounts that are not there, connected to the ledger at `host`."""
    wanted = [place for place in dict.fromkeys(places) if place not in people.accounts]
    if not wanted:
        return
    now = datetime.now(UTC)
    fresh = [author for author in dict.fromkeys(author for author, _ in wanted) if author not in people.authors]
    people.authors |= {author: new_id(now) for author in fresh}
    people.keys |= {author: KEY_PREFIX + new_token() for author in fresh}
    await rows.write(schema.users, [
        {"id": people.authors[one], "email": f"author{one}@example.test", "name": f"Author {one}", "timezone": "UTC", "created_at": now}
        for one in fresh
    ])  # fmt: skip
    await rows.write(schema.api_keys, [
        {"id": new_id(now), "user_id": people.authors[one], "name": "bench", "key_hash": digest(people.keys[one]),
         "hint": people.keys[one][: len(KEY_PREFIX) + 4], "scopes": ["all"], "created_at": now}
        for one in fresh
    ])  # fmt: skip
    people.accounts |= {place: new_id(now) for place in wanted}
    facts, used = {**facts_of(ABOUT), "applicationName": APP["name"]}, set()
    accounts = []
    for place in wanted:
        author, number = place
        account_id = people.accounts[place]
        accounts.append({
            "id": account_id, "user_id": people.authors[author], "platform": PLATFORM, "host": host, "remote_id": str(number),
            "handle": f"@bench{number}@localhost", "display_name": f"bench{number}", "is_default": author not in used,
            "credential": vault.seal({"accessToken": token_of(number)}, str(account_id)), "credential_version": 1,
            "health": "active", "facts": facts, "connected_at": now,
        })  # fmt: skip
        used.add(author)
    await rows.write(schema.accounts, accounts)


async def write_jobs(rows: Rows, people: People, jobs: Sequence[Job]) -> None:
    """Writes each job as a post on one account, due when the job is."""
    now = datetime.now(UTC)
    posts, targets = [], []
    for job in jobs:
        due = datetime.fromtimestamp(job.due_at, UTC)
        post, target = _accepted(people, (job.author, job.account), text_of(job.name), min(now, due), due)
        posts.append(post)
        targets.append(target)
    await rows.write(schema.posts, posts)
    await rows.write(schema.targets, targets)


async def write_behind(rows: Rows, people: People, places: Sequence[Place], count: int) -> None:
    """Writes so many posts that are due in a year, spread evenly over these accounts and over a month.

    The first of each account is written as others are, and the database itself makes the rest after its pattern.
    """
    among = max(number for number in range(1, min(count, len(places)) + 1) if count % number == 0)
    posts, targets, now = [], [], datetime.now(UTC)
    for number, place in enumerate(places[:among]):
        text = text_of(f"behind-{number}")[:BEHIND_WORDS]
        post, target = _accepted(people, place, text, now, now + FAR + SPREAD * number / count)
        posts.append(post)
        targets.append(target)
    await rows.write(schema.posts, posts)
    await rows.write(schema.targets, targets)
    if (copies := count // among - 1) > 0:
        await rows.multiply(schema.posts, ("id",), ("scheduled_at", "placed_at"), copies)
        await rows.multiply(schema.targets, ("id", "post_id"), ("due_at",), copies)


def _accepted(
    people: People, place: Place, text: str, at: datetime, due: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A post and its target as `insert_post` writes them, accepted at `at`; what is due later is scheduled for then."""
    scheduled = due if due > at else None
    user_id, account_id, post_id = people.authors[place[0]], people.accounts[place], new_id(at)
    post = {
        "id": post_id, "user_id": user_id, "status": _STATUS[scheduled is not None], "needs_attention": False,
        "content": {"text": text, "media": [], "options": {}}, "overrides": {},
        "selected": {"platforms": [], "accountIds": [str(account_id)]}, "words": text, "scheduled_at": scheduled,
        "placed_at": due, "timezone": "UTC", "version": 1, "correlation_id": secrets.token_hex(16), "created_at": at,
        "updated_at": at,
    }  # fmt: skip
    target = {
        "id": new_id(at), "post_id": post_id, "user_id": user_id, "account_id": account_id, "platform": PLATFORM,
        "status": str(TargetStatus.PENDING), "version": 1, "due_at": due, "idempotency_key": str(new_id(at)),
        "created_at": at, "updated_at": at,
    }  # fmt: skip
    return post, target


_STATUS = {
    scheduled: str(summarize([TargetSummary(TargetStatus.PENDING, False, scheduled, False)])[0])
    for scheduled in (False, True)
}
