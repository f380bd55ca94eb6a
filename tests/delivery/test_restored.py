"""After a backup was restored: what may have gone out is looked for and never sent again by itself, what lies ahead is held."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.delivery.deliver import fingerprint
from hayon.delivery.submit import Handed
from hayon.domain.model import Content
from hayon.errors import Conflict, NotFound, Unavailable
from hayon.store import notices, restoring
from hayon.store.database import Tx, new_id
from hayon.store.posts import get_post
from hayon.store.schema import accounts, targets, users
from tests.delivery.scripted import LOST, START, Copy, House

BACKUP = START - timedelta(hours=2)
LOOKS = 5
"""How many looks at a restored target end with a person being asked: one at once, and four steps (HAYON_LOOK_STEPS)."""


@pytest.fixture
async def ann(house: House) -> House:
    await house.connect("ann")
    return house


async def restored(house: House) -> restoring.Found:
    return await house.database.write(restoring.mark, BACKUP, BACKUP, fingerprint)


async def look_until_asked(house: House, post_id: UUID) -> int:
    """Lets time pass from look to look. How many there were."""
    looks = 0
    while (due_at := (await house.target(post_id)).due_at) is not None:
        house.clock.now = max(house.clock.now, due_at)
        looks += await house.deliver_due()
        assert looks < 60
    return looks


async def notices_of(house: House, user_id: UUID | None = None) -> list[Any]:
    rows = await house.database.read(notices.list_notices, user_id or house.user_id, unread_only=True, limit=50)
    return [row for row in rows if row.kind in {"house.restored", "post.needs_attention"}]


async def went_out(house: House, post_id: UUID) -> None:
    """It was published in the time that the backup does not know of."""
    target, post = await house.target(post_id), await house.post(post_id)
    house.platform.ledger.append(
        Copy(
            f"lost{len(house.platform.ledger)}", target.idempotency_key, target.account_id, post.content["text"], START
        )
    )


async def later(house: House, text: str = "Later", **more: Any) -> UUID:
    return await house.submit(text, scheduled_at=(house.clock.now + timedelta(hours=5)).isoformat(), **more)


async def test_what_went_out_since_is_found_and_not_sent_again(ann: House) -> None:
    post_id = await ann.submit()
    await went_out(ann, post_id)
    found = await restored(ann)
    assert (found.looked_for, found.held) == ({"scripted": 1}, {})
    target = await ann.target(post_id)
    assert (target.status, target.due_at) == ("unconfirmed", ann.clock.now)
    assert "restored from a backup of 21 Nov 2026, 10:00 UTC" in target.message
    assert (await ann.post(post_id)).status == "PROCESSING"
    assert await ann.deliver_due() == 1
    target = await ann.target(post_id)
    assert (target.status, target.remote_id, target.restored_at) == ("completed", "lost0", None)
    assert ann.platform.calls == []


async def test_what_is_not_found_asks_a_person_and_goes_out_only_by_their_word(ann: House) -> None:
    post_id = await ann.submit()
    await restored(ann)
    assert await look_until_asked(ann, post_id) == LOOKS
    target = await ann.target(post_id)
    assert (target.status, (await ann.post(post_id)).needs_attention) == ("unconfirmed", True)
    ann.clock.forward(10_000_000)
    assert await ann.deliver_due() == 0
    assert ann.platform.calls == []
    await ann.submission.resolve_absent(
        ann.user_id, post_id, target.id, target.open_attempt_id, looked_at=ann.clock.now, again=True
    )
    await ann.deliver_due()
    after = await ann.target(post_id)
    assert (after.status, after.restored_at, len(ann.platform.ledger)) == ("completed", None, 1)
    assert ann.platform.calls == [target.idempotency_key]


async def test_a_look_that_could_not_be_made_is_made_again_for_longer(ann: House) -> None:
    post_id = await ann.submit()
    await restored(ann)
    await ann.database.write(lambda tx: tx.run(sa.update(accounts).values(credential=b"")))
    assert await look_until_asked(ann, post_id) > LOOKS
    assert ann.platform.calls == []


async def test_an_intent_from_before_the_backup_is_answered_by_no_absence_however_late(ann: House) -> None:
    """After the backup it may have been answered, and a later call made with other handles."""
    ann.platform.before = [LOST]
    post_id = await ann.submit()
    await ann.deliver_due()
    before = await ann.target(post_id)
    assert before.quiet_until is not None
    ann.clock.forward(100_000)
    await restored(ann)
    target = await ann.target(post_id)
    assert (target.open_attempt_id, target.status) == (before.open_attempt_id, "unconfirmed")
    await look_until_asked(ann, post_id)
    assert len(ann.platform.calls) == 1  # the one from before


async def test_a_persons_leave_from_before_the_backup_is_used_up(ann: House) -> None:
    ann.platform.before = [LOST]
    post_id = await ann.submit()
    await ann.deliver_due()
    target = await ann.target(post_id)
    ann.clock.forward(1000)
    await ann.submission.resolve_absent(
        ann.user_id, post_id, target.id, target.open_attempt_id, looked_at=ann.clock.now, again=True
    )
    await restored(ann)
    await look_until_asked(ann, post_id)
    assert len(ann.platform.calls) == 1


async def test_a_worker_of_the_lost_time_can_send_nothing(ann: House) -> None:
    post_id = await ann.submit()
    [claim] = await ann.claim()
    await restored(ann)
    await ann.delivery.deliver(claim)
    for rounds in (1, 2, 3):  # it claimed once more, and again, before the restore took that away
        await ann.delivery.deliver(replace(claim, fence=claim.fence + rounds))
    assert ann.platform.calls == []
    [again] = await ann.claim()
    assert again.fence > claim.fence + restoring.FENCES
    assert (await ann.target(post_id)).status == "processing"


async def test_what_lies_ahead_is_held_and_goes_out_at_its_time_once_confirmed(ann: House) -> None:
    post_id = await later(ann)
    found = await restored(ann)
    assert (found.looked_for, found.held) == ({}, {"scripted": 1})
    post, target = await ann.post(post_id), await ann.target(post_id)
    assert (post.status, post.needs_attention, target.status) == ("SCHEDULED", True, "pending")
    assert "until you confirm" in target.message
    ann.clock.forward(6 * 3600)
    assert await ann.deliver_due() == 0
    [told] = await ann.submission.retry(ann.user_id, post_id)
    assert (told.answer, await ann.deliver_due()) == ("unchanged", 0)
    assert "confirm" in told.message

    [told] = await ann.submission.confirm(ann.user_id, post_id)
    assert told.answer == "confirmed"
    after = await ann.target(post_id)
    assert (after.due_at, after.message, (await ann.post(post_id)).needs_attention) == (target.due_at, "", False)
    assert await ann.deliver_due() == 1
    assert len(ann.platform.ledger) == 1


async def test_what_waits_for_its_next_try_is_held_too_and_not_hurried(ann: House) -> None:
    ann.platform.preparing = [Unavailable("not now")]
    post_id = await ann.submit()
    await ann.deliver_due()
    before = await ann.target(post_id)
    assert (before.status, before.due_at > ann.clock.now) == ("pending", True)
    await restored(ann)
    [told] = await ann.submission.retry(ann.user_id, post_id)
    after = await ann.target(post_id)
    assert (told.answer, after.due_at, after.held_at) == ("unchanged", before.due_at, ann.clock.now)


async def test_confirmed_before_its_time_it_waits_for_it(ann: House) -> None:
    await later(ann)
    await restored(ann)
    assert await ann.database.write(restoring.confirm_all) == 1
    assert await ann.deliver_due() == 0
    ann.clock.forward(5 * 3600)
    assert await ann.deliver_due() == 1
    assert await ann.database.write(restoring.confirm_all) == 0


async def test_an_edit_does_not_let_it_go_and_a_cancel_ends_it(ann: House) -> None:
    edited, cancelled = await later(ann), await later(ann, "Not any more")
    await restored(ann)
    await ann.submission.edit(ann.user_id, edited, Handed(Content("Now"), platforms=("scripted",)))
    await ann.submission.cancel(ann.user_id, cancelled)
    assert await ann.deliver_due() == 0
    assert (await ann.post(edited)).needs_attention
    post = await ann.post(cancelled)
    assert (post.status, post.needs_attention) == ("CANCELLED", False)
    await ann.submission.confirm(ann.user_id, edited)
    await ann.deliver_due()
    assert [copy.text for copy in ann.platform.ledger] == ["Now"]


async def test_only_its_author_confirms_and_only_what_is_held(ann: House) -> None:
    held, free = await later(ann), await ann.submit("free")
    await ann.deliver_due()
    await restored(ann)
    with pytest.raises(Conflict, match="Nothing of this post is held"):
        await ann.submission.confirm(ann.user_id, free)
    with pytest.raises(NotFound):
        await ann.submission.confirm(new_id(START), held)
    assert (await ann.target(held)).held_at is not None


async def test_each_author_is_told_once_however_many_posts_there_are(ann: House) -> None:
    mine = [await ann.submit(f"post {number}") for number in range(4)]
    await later(ann)
    bob = new_id(START)
    await ann.database.write(
        lambda tx: tx.run(sa.insert(users).values(id=bob, email="bob@example.test", created_at=START))
    )
    account = await ann.accounts.connect(bob, "scripted", {"name": "bob"})
    handed = Handed(Content("Bob's"), account_ids=(str(account.id),))
    await ann.submission.submit(bob, handed)
    assert (await restored(ann)).authors == {ann.user_id, bob}
    [notice] = await notices_of(ann)
    assert "4 posts may have gone out since" in notice.message
    assert "1 post planned for later is held" in notice.message
    [notice] = await notices_of(ann, bob)
    assert "1 post may have gone out since" in notice.message
    assert "held" not in notice.message
    for post_id in mine:
        await look_until_asked(ann, post_id)
        assert (await ann.post(post_id)).needs_attention
    assert len(await notices_of(ann)) == 1


async def test_what_had_ended_stays_as_it_was(ann: House) -> None:
    done, cancelled = await ann.submit("done"), await later(ann)
    await ann.deliver_due()
    await ann.submission.cancel(ann.user_id, cancelled)
    before = [await ann.target(done), await ann.target(cancelled)]
    assert not (await restored(ann)).authors
    assert [await ann.target(done), await ann.target(cancelled)] == before
    assert await notices_of(ann) == []


async def test_two_that_look_alike_are_not_told_from_one_copy(ann: House) -> None:
    """Both may be the one that is there: a likeness settles neither."""
    ann.platform.exact = False
    both = [await ann.submit("Good morning"), await ann.submit("Good morning")]
    await went_out(ann, both[0])
    await restored(ann)
    await ann.deliver_due()
    assert {(await ann.target(one)).status for one in both} == {"unconfirmed"}
    assert ann.platform.calls == []


async def test_the_platform_is_looked_through_from_the_backup_on(ann: House) -> None:
    post_id = await ann.submit()
    seen: list[datetime | None] = []
    reconcile = ann.platform.reconcile

    async def watched(parcel: Any, handles: Any, outgoing: Any) -> Any:
        seen.append(parcel.first_sent_at)
        assert handles == {}
        return await reconcile(parcel, handles, outgoing)

    ann.platform.reconcile = watched
    await restored(ann)
    await ann.deliver_due()
    assert seen == [BACKUP]
    assert (await ann.target(post_id)).status == "unconfirmed"


async def test_the_dry_count_is_what_is_then_done(ann: House) -> None:
    await ann.submit()
    await later(ann)

    def rows(tx: Tx) -> list[Any]:
        return list(tx.all(sa.select(targets)))

    before = await ann.database.read(rows)
    counted = await ann.database.read(restoring.examine)
    assert await ann.database.read(rows) == before
    done = await restored(ann)
    assert (counted.looked_for, counted.held, counted.authors) == (done.looked_for, done.held, done.authors)


async def test_a_post_with_parts_in_every_state(ann: House) -> None:
    """Published on one account, due on another, cancelled on a third: each is treated for itself."""
    bob, carl = await ann.connect("bob"), await ann.connect("carl")
    mine = await ann.database.read(lambda tx: tx.all(sa.select(accounts.c.id)))
    post_id = await ann.submit("Hello", *(str(row.id) for row in mine))
    by_account = {row.account_id: row for row in await ann.targets(post_id)}
    await ann.submission.cancel(ann.user_id, post_id, [by_account[carl.id].id])
    [first, second] = await ann.claim()
    await ann.delivery.deliver(first)
    await restored(ann)
    statuses = {row.account_id: row.status for row in await ann.targets(post_id)}
    assert statuses == {first.account_id: "completed", second.account_id: "unconfirmed", carl.id: "cancelled"}
    assert bob.id in statuses
    view = await ann.database.read(get_post, post_id, ann.user_id)
    assert (view.row.status, view.row.needs_attention) == ("PROCESSING", False)
    assert len(ann.platform.calls) == 1
