"""What a person may answer: it is there, it is not there; and what is refused."""

from datetime import timedelta
from uuid import uuid4

import pytest

from hayon.errors import Conflict, Invalid, NotFound
from tests.delivery.scripted import LOST, House


@pytest.fixture
async def asked(house: House) -> House:
    await house.connect("ann")
    house.platform.before = [LOST]
    return house


async def unconfirmed(house: House) -> tuple:
    post_id = await house.submit()
    await house.deliver_due()
    target = await house.target(post_id)
    assert target.status == "unconfirmed"
    return post_id, target


async def test_it_is_there(asked: House) -> None:
    post_id, target = await unconfirmed(asked)
    await asked.submission.resolve_published(
        asked.user_id, post_id, target.id, target.open_attempt_id, "https://scripted.test/elsewhere"
    )
    after = await asked.target(post_id)
    assert (after.status, after.url) == ("completed", "https://scripted.test/elsewhere")
    assert (await asked.post(post_id)).status == "COMPLETED"


async def test_an_address_that_is_no_post_or_another_targets_is_refused(asked: House) -> None:
    asked.platform.before = []
    await asked.submit("another")
    await asked.deliver_due()
    asked.platform.before = [LOST]
    post_id, target = await unconfirmed(asked)
    with pytest.raises(Invalid, match="no address of a post"):
        await asked.submission.resolve_published(
            asked.user_id, post_id, target.id, target.open_attempt_id, "https://elsewhere.test/1"
        )
    with pytest.raises(Conflict, match="another of your posts"):
        await asked.submission.resolve_published(
            asked.user_id, post_id, target.id, target.open_attempt_id, "https://scripted.test/r1"
        )


async def test_it_is_not_there_counts_only_after_the_quiet_time_and_for_the_open_attempt(asked: House) -> None:
    post_id, target = await unconfirmed(asked)
    before = asked.clock.now
    with pytest.raises(Conflict, match="may still appear"):
        await asked.submission.resolve_absent(
            asked.user_id, post_id, target.id, target.open_attempt_id, looked_at=before, again=False
        )
    asked.clock.forward(1000)
    with pytest.raises(Conflict, match="may still appear"):  # the look itself was too early
        await asked.submission.resolve_absent(
            asked.user_id, post_id, target.id, target.open_attempt_id, looked_at=before, again=False
        )
    with pytest.raises(Conflict, match="no longer open"):
        await asked.submission.resolve_absent(
            asked.user_id, post_id, target.id, uuid4(), looked_at=asked.clock.now, again=False
        )
    await asked.submission.resolve_absent(
        asked.user_id, post_id, target.id, target.open_attempt_id, looked_at=asked.clock.now, again=False
    )
    assert (await asked.post(post_id)).status == "FAILED"


async def test_look_once_more_and_try_again_finds_a_copy_first(asked: House) -> None:
    asked.platform.before = []
    asked.platform.after = [LOST]
    asked.platform.visible_after = timedelta(seconds=2000)
    post_id, target = await unconfirmed(asked)
    asked.clock.forward(1999)
    await asked.submission.resolve_absent(
        asked.user_id, post_id, target.id, target.open_attempt_id, looked_at=asked.clock.now, again=True
    )
    asked.clock.forward(1)
    await asked.deliver_due()
    assert (await asked.post(post_id)).status == "COMPLETED"
    assert len(asked.platform.calls) == 1


async def test_look_once_more_and_try_again_sends_under_the_same_key(asked: House) -> None:
    post_id, target = await unconfirmed(asked)
    asked.platform.unclear = True
    asked.clock.forward(1000)
    await asked.submission.resolve_absent(
        asked.user_id, post_id, target.id, target.open_attempt_id, looked_at=asked.clock.now, again=True
    )
    await asked.deliver_due()
    assert (await asked.post(post_id)).status == "COMPLETED"
    assert len(set(asked.platform.calls)) == 1
    assert len(asked.platform.ledger) == 1


async def test_a_retry_of_what_a_person_called_absent_looks_first(asked: House) -> None:
    asked.platform.before = []
    asked.platform.after = [LOST]
    asked.platform.visible_after = timedelta(seconds=5000)
    post_id, target = await unconfirmed(asked)
    asked.clock.forward(1000)
    await asked.submission.resolve_absent(
        asked.user_id, post_id, target.id, target.open_attempt_id, looked_at=asked.clock.now, again=False
    )
    asked.clock.forward(5000)
    await asked.submission.retry(asked.user_id, post_id)
    await asked.deliver_due()
    assert (await asked.post(post_id)).status == "COMPLETED"
    assert len(asked.platform.ledger) == 1


async def test_a_stranger_decides_nothing(asked: House) -> None:
    post_id, target = await unconfirmed(asked)
    stranger = uuid4()
    asked.clock.forward(1000)
    with pytest.raises(NotFound):
        await asked.submission.cancel(stranger, post_id)
    with pytest.raises(NotFound):
        await asked.submission.retry(stranger, post_id)
    with pytest.raises(NotFound):
        await asked.submission.delete(stranger, post_id)
    with pytest.raises(NotFound):
        await asked.submission.resolve_absent(
            stranger, post_id, target.id, target.open_attempt_id, looked_at=asked.clock.now, again=False
        )
    assert (await asked.target(post_id)).status == "unconfirmed"
