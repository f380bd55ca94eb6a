"""Later than its author allows: it fails without waiting for anybody, its author hears of all of it once, what is not goes out."""

import asyncio
import json
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from hayon.delivery.relay import Relay
from hayon.delivery.submit import Handed
from hayon.domain.model import Content
from hayon.domain.pacing import latest
from hayon.errors import RateLimited, Rejected
from hayon.store import lateness
from hayon.store.accounts import list_accounts as accounts_of
from hayon.store.attempts import list_attempts
from hayon.store.database import Tx
from hayon.store.schema import accounts, posts, targets, users
from hayon.store.wakeups import Wakeups
from tests.delivery.scripted import LOST, START, House

AT = START + timedelta(minutes=1)
OUTAGE = 60 + 601
"""Seconds after which what was due then and may be ten minutes late is too late."""


@pytest.fixture
async def ready(house: House) -> House:
    await house.connect("ann")
    return house


@pytest.fixture
def relay(house: House, database_url: str) -> Relay:
    return Relay(
        house.database, Wakeups(database_url), look_ahead=timedelta(seconds=2), poll=timedelta(seconds=1),
        sweep_every=timedelta(seconds=5), lease=house.times.lease, lost_leases_limit=3,
    )  # fmt: skip


async def due(house: House, text: str, *names: str, late: int | None = 600, at: datetime = AT) -> UUID:
    return await house.submit(text, *names, scheduled_at=at.isoformat(), max_lateness_seconds=late)


async def told(house: House) -> list[Any]:
    return await house.rows("SELECT kind, message, facts, user_id FROM notices ORDER BY created_at, id")


def facts(notice: Any) -> Any:
    return json.loads(notice.facts) if isinstance(notice.facts, str) else notice.facts


def named(notice: Any) -> int:
    return int(facts(notice)["count"])


@pytest.mark.parametrize(
    ("scheduled_at", "seconds", "last"),
    [(None, 600, None), (AT, None, None), (AT, 0, AT), (AT, 90, AT + timedelta(seconds=90))],
)
def test_the_last_moment_is_counted_from_what_the_author_set(scheduled_at: Any, seconds: Any, last: Any) -> None:
    assert latest(scheduled_at, seconds) == last


async def test_after_an_outage_all_that_is_too_late_fails_in_one_sweep_and_the_rest_goes_out_in_turn(
    ready: House, relay: Relay
) -> None:
    late = [await due(ready, f"late {number}") for number in range(5)]
    patient = [await due(ready, f"patient {number}", late=None) for number in range(2)]
    in_time = await due(ready, "still in time", late=3600)
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    for post_id in late:
        [target] = await ready.targets(post_id)
        assert (target.status, target.code, target.tries, target.due_at) == ("failed", "too_late", 0, None)
        assert target.parked_at is None
        assert "later than this post allows" in target.message
        assert (await ready.post(post_id)).status == "FAILED"
    assert ready.platform.prepared == []
    [notice] = await told(ready)
    assert (notice.kind, _id(notice.user_id)) == ("posts.too_late", ready.user_id.hex)
    assert named(notice) == 5
    assert {UUID(one["postId"]) for one in facts(notice)["targets"]} == set(late)
    assert await ready.deliver_due() == 3
    assert {(await ready.post(one)).status for one in [*patient, in_time]} == {"COMPLETED"}
    assert len(ready.platform.ledger) == 3
    await relay.sweep_once()
    assert sorted(one.kind for one in await told(ready)) == [*["post.completed"] * 3, "posts.too_late"]


async def test_a_try_tells_why_it_was_not_sent(ready: House, relay: Relay) -> None:
    post_id = await due(ready, "late")
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    [attempt] = await ready.database.read(list_attempts, post_id)
    assert (attempt.ended, attempt.code, attempt.intent_at) == ("too_late", "too_late", None)


async def test_to_the_last_moment_it_is_in_time(ready: House, relay: Relay) -> None:
    post_id = await due(ready, "just in time")
    ready.clock.forward(OUTAGE - 1)
    await relay.sweep_once()
    assert (await ready.target(post_id)).status == "pending"
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "completed"


async def test_nobody_waits_for_the_end_of_a_pause_or_for_a_busy_account_to_hear_it(ready: House, relay: Relay) -> None:
    until = START + timedelta(hours=20)
    ready.platform.before = [RateLimited("Slow down.", until=until, proves_absence=True)]
    paused = await due(ready, "first")
    ready.clock.forward(60)
    await ready.deliver_due()
    assert (await ready.target(paused)).due_at > AT + timedelta(minutes=10)
    behind = await due(ready, "behind it", at=AT + timedelta(seconds=1))

    async def take_long(_: Any) -> None:
        ready.clock.forward(OUTAGE)
        await relay.sweep_once()
        statuses.append((await ready.target(behind)).status)

    statuses: list[str] = []
    other = await ready.connect("bob")
    ready.platform.while_publishing = take_long
    await ready.submit("busy", str(other.id))
    await ready.deliver_due()
    assert statuses == ["failed"]
    assert {(await ready.target(one)).status for one in (paused, behind)} == {"failed"}
    assert [one.kind for one in await told(ready)].count("posts.too_late") == 1


async def test_one_whose_worker_died_is_taken_back_and_fails_with_the_others(ready: House, relay: Relay) -> None:
    for number in range(2):
        await due(ready, f"late {number}")
    ready.clock.forward(60)
    assert len(await ready.claim(places=1)) == 1
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    [notice] = await told(ready)
    assert named(notice) == 2


async def test_one_that_a_worker_has_in_hand_joins_the_notice_of_the_others(ready: House) -> None:
    for number in range(2):
        await due(ready, f"late {number}")
    ready.clock.forward(OUTAGE)
    [claim] = await ready.claim(places=1)
    [missed] = await ready.database.write(lateness.fail_late)
    assert missed.target_id != claim.target_id
    await ready.delivery.deliver(claim)
    [target] = await ready.targets(claim.post_id)
    assert (target.status, target.code, target.parked_at) == ("failed", "too_late", None)
    [notice] = await told(ready)
    assert notice.kind == "posts.too_late"
    assert named(notice) == 2


async def test_each_author_gets_a_notice_of_their_own(ready: House, relay: Relay) -> None:
    await due(ready, "mine")
    stranger = await ready.database.write(_another_author, ready)
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    notice, other = await told(ready)
    assert {_id(notice.user_id), _id(other.user_id)} == {ready.user_id.hex, stranger.hex}
    assert [named(one) for one in (notice, other)] == [1, 1]


async def test_a_post_that_went_out_in_part_tells_of_that_and_of_what_was_too_late(ready: House, relay: Relay) -> None:
    other = await ready.connect("bob")
    [first, *_] = await ready.database.read(accounts_of, ready.user_id)
    post_id = await due(ready, "on both", str(first.id), str(other.id))
    ready.clock.forward(60)
    [claim] = await ready.claim(places=1)
    await ready.delivery.deliver(claim)
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    assert sorted(one.status for one in await ready.targets(post_id)) == ["completed", "failed"]
    assert (await ready.post(post_id)).status == "PARTIAL_SUCCESS"
    assert sorted(one.kind for one in await told(ready)) == ["post.partial_success", "posts.too_late"]


async def test_a_post_that_failed_for_another_reason_too_tells_so(ready: House, relay: Relay) -> None:
    other = await ready.connect("bob")
    [first, *_] = await ready.database.read(accounts_of, ready.user_id)
    post_id = await due(ready, "on both", str(first.id), str(other.id))
    ready.platform.preparing = [Rejected("Not like this.")]
    ready.clock.forward(60)
    [claim] = await ready.claim(places=1)
    await ready.delivery.deliver(claim)
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    assert (await ready.post(post_id)).status == "FAILED"
    assert sorted(one.kind for one in await told(ready)) == ["post.failed", "posts.too_late", "target.parked"]


async def test_what_may_have_gone_out_is_looked_for_however_late_it_is(ready: House, relay: Relay) -> None:
    """An earlier call may have landed: unconfirmed at first; then doubted, and looked for before anything else."""
    ready.platform.after = [LOST]
    post_id = await due(ready, "perhaps out")
    ready.clock.forward(60)
    await ready.deliver_due()
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    assert (await ready.target(post_id)).status == "unconfirmed"
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "completed"

    doubted = await due(ready, "in doubt", at=ready.clock.now + timedelta(minutes=1))
    await ready.database.write(
        lambda tx: tx.run(sa.update(targets).where(targets.c.post_id == doubted).values(doubted=True))
    )
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    assert (await ready.target(doubted)).status == "pending"
    await ready.deliver_due()
    assert (await ready.target(doubted)).status == "failed"


async def test_what_is_held_since_a_restore_is_left_to_the_person_who_is_asked(ready: House, relay: Relay) -> None:
    post_id = await due(ready, "held")
    await ready.database.write(
        lambda tx: tx.run(sa.update(targets).where(targets.c.post_id == post_id).values(held_at=START))
    )
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    assert (await ready.target(post_id)).status == "pending"


async def test_its_author_may_send_it_all_the_same(ready: House, relay: Relay) -> None:
    post_id = await due(ready, "late, but wanted")
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    assert [one.answer for one in await ready.submission.retry(ready.user_id, post_id)] == ["retrying"]
    await relay.sweep_once()
    assert await ready.deliver_due() == 1
    assert (await ready.target(post_id)).status == "completed"


async def test_a_retry_may_be_as_late_as_the_post_might_have_been_and_is_told_of_again(
    ready: House, relay: Relay
) -> None:
    post_id = await due(ready, "late twice")
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    await ready.submission.retry(ready.user_id, post_id)
    ready.clock.forward(599)
    await relay.sweep_once()
    assert (await ready.target(post_id)).status == "pending"
    ready.clock.forward(2)
    await relay.sweep_once()
    assert (await ready.target(post_id)).status == "failed"
    assert sum(named(one) for one in await told(ready)) == 2


async def test_a_new_time_gives_a_post_its_lateness_anew(ready: House, relay: Relay) -> None:
    post_id = await due(ready, "moved")
    later = AT + timedelta(hours=5)
    handed = Handed(Content("moved"), platforms=("scripted",), scheduled_at=later.isoformat(), max_lateness_seconds=60)
    await ready.submission.edit(ready.user_id, post_id, handed)
    ready.clock.forward(OUTAGE)
    await relay.sweep_once()
    assert (await ready.target(post_id)).too_late_at == later + timedelta(seconds=60)
    assert (await ready.target(post_id)).status == "pending"


async def test_a_round_is_bounded_and_the_sweep_goes_on_until_none_is_left(
    ready: House, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await due(ready, f"late {number}")
    ready.clock.forward(OUTAGE)
    monkeypatch.setattr(lateness, "fail_late", partial(lateness.fail_late, limit=2))
    assert len(await ready.database.write(lateness.fail_late)) == 2
    await relay.sweep_once()
    [notice] = await told(ready)
    assert named(notice) == 5


async def test_relays_that_sweep_at_once_fail_each_once_and_tell_of_all_in_one_notice(ready: House) -> None:
    made = [await due(ready, f"late {number}") for number in range(12)]
    ready.clock.forward(OUTAGE)
    failed: list[Any] = []
    while len(failed) < len(made):
        for missed in await asyncio.gather(*(ready.database.write(lateness.fail_late, limit=5) for _ in range(4))):
            failed += missed
    assert len({one.target_id for one in failed}) == len(failed) == 12
    [notice] = await told(ready)
    assert named(notice) == 12


def _another_author(tx: Tx, house: House) -> UUID:
    user_id, account_id, post_id, now = uuid4(), uuid4(), uuid4(), tx.now()
    tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=now))
    tx.run(sa.insert(accounts).values(
        id=account_id, user_id=user_id, platform="scripted", host="https://scripted.test", remote_id="r", handle="eve",
        credential=b"", connected_at=now))  # fmt: skip
    tx.run(sa.insert(posts).values(
        id=post_id, user_id=user_id, status="SCHEDULED", content={"text": "theirs", "media": []}, overrides={}, selected={},
        scheduled_at=AT, max_lateness_seconds=600, created_at=now, updated_at=now, version=1))  # fmt: skip
    tx.run(sa.insert(targets).values(
        id=uuid4(), post_id=post_id, user_id=user_id, account_id=account_id, platform="scripted", status="pending",
        due_at=AT, too_late_at=AT + timedelta(seconds=600), version=1, created_at=now, updated_at=now))  # fmt: skip
    return user_id


def _id(value: Any) -> str:
    return str(value).replace("-", "")
