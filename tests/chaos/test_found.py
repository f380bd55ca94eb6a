"""What runs of `make chaos` have found, each as the smallest test that shows it."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import sqlalchemy as sa

from hayon.store import announcing
from hayon.store.database import Tx
from hayon.store.schema import targets
from hayon.store.wakeups import Wakeups
from tests.delivery.conftest import *  # noqa: F403 - the heart on each database
from tests.delivery.scripted import House
from tests.store.test_turns import add_author, add_due


async def test_what_a_person_is_asked_about_since_it_was_chosen_is_not_announced(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may settle a target between the choice and the lock: the relay's duty ended over it."""
    asked, due = await house.database.write(add_author, 2)
    [moved], [stays] = [await house.database.write(add_due, one, 1) for one in (asked, due)]
    choose = announcing.choose

    def choose_and_be_overtaken(tx: Tx, *arguments: Any, **named: Any) -> Any:
        chosen = choose(tx, *arguments, **named)
        values = {"status": "unconfirmed", "due_at": None, "open_attempt_id": uuid4()}
        tx.run(sa.update(targets).where(targets.c.id == moved).values(values))
        assert {row.id for row in chosen} == {moved, stays}
        return chosen

    monkeypatch.setattr(announcing, "choose", choose_and_be_overtaken)
    _, announced = await house.database.write(
        announcing.announce_due, ["scripted"], window=10, ahead=timedelta(0), wait=timedelta(seconds=5), turns={}
    )
    assert [one.target_id for one in announced] == [stays]


async def test_a_connection_that_dies_within_a_question_ends_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server says goodbye at that moment, the driver calls it a mistake of its own: the web process ended over it."""
    tries = 0
    again = asyncio.Event()

    async def connect(*_: Any, **__: Any) -> None:
        nonlocal tries
        tries += 1
        if tries == 2:
            again.set()
        raise asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")

    monkeypatch.setattr(asyncpg, "connect", connect)
    keeping = asyncio.create_task(Wakeups("postgresql://nobody@127.0.0.1:1/nowhere").keep())
    try:
        async with asyncio.timeout(20):
            await again.wait()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
