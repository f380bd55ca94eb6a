"""Taking a post found by likeness for one's own: refused while it may be another's, corrected when it was."""

import asyncio
from datetime import timedelta

import pytest

from tests.delivery.scripted import LOST, House


@pytest.fixture
async def alike(house: House) -> House:
    house.platform.exact = False
    await house.connect("ann")
    return house


async def test_a_likeness_is_not_adopted_while_another_target_with_the_same_words_is_open(alike: House) -> None:
    alike.platform.after = [LOST]
    alike.platform.before = [None, LOST]
    first = await alike.submit("same words")
    await alike.deliver_due()
    second = await alike.submit("same words")
    await alike.deliver_due()
    alike.clock.forward(10)
    await alike.deliver_due()
    assert {(await alike.target(one)).status for one in (first, second)} == {"unconfirmed"}
    assert len(alike.platform.ledger) == 1


async def test_one_remote_id_belongs_to_one_target(alike: House) -> None:
    first = await alike.submit("same words")
    await alike.deliver_due()
    alike.platform.before = [LOST]
    second = await alike.submit("same words")
    await alike.deliver_due()
    alike.clock.forward(10)
    await alike.deliver_due()
    assert (await alike.target(first)).status == "completed"
    assert (await alike.target(second)).status == "unconfirmed"


async def test_the_calls_own_answer_beats_an_adopted_one(alike: House) -> None:
    """The second target's call hangs; the first one, whose own call never arrived, adopts its copy; then the answer comes."""
    first = await alike.submit("same words")
    alike.platform.before = [LOST]
    await alike.deliver_due()
    second = await alike.submit("same words", max_lateness_seconds=None)
    adopted = asyncio.Event()

    async def adopt_meanwhile(_: object) -> None:
        alike.platform.while_publishing = None
        # the first target may adopt: its rival's intent is hidden from the check, as it would be by other options
        await alike.database.write(lambda tx: tx.run(_hide_fingerprints()))
        alike.clock.forward(15)
        await alike.deliver_due()
        assert (await alike.target(first)).status == "completed"
        adopted.set()

    alike.platform.while_publishing = adopt_meanwhile
    claims = await alike.claim()
    await asyncio.gather(*(alike.delivery.deliver(claim) for claim in claims))
    assert adopted.is_set()
    assert (await alike.target(second)).status == "completed"
    back = await alike.target(first)
    assert (back.status, back.remote_id) == ("unconfirmed", None)
    assert (await alike.post(first)).status == "PROCESSING"
    alike.clock.forward(timedelta(days=1).total_seconds())


def _hide_fingerprints():
    import sqlalchemy as sa

    from hayon.store.schema import attempts

    return sa.update(attempts).values(fingerprint=sa.cast(attempts.c.id, sa.Text))
