"""One delivery, step by step, on both databases: what is written, what is sent, what is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hayon.delivery.submit import Handed
from hayon.domain.lifecycle import Ended, Outcome, TargetStatus
from hayon.domain.model import Content
from hayon.errors import (
    Conflict,
    CredentialExpired,
    DatabaseUnreachable,
    Disconnected,
    NotFound,
    NotYet,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)  # fmt: skip
from hayon.store import accounts, settling
from tests.delivery.scripted import LOST, START, House

T = TargetStatus


@pytest.fixture
async def ready(house: House) -> House:
    await house.connect("ann")
    return house


async def test_a_post_goes_out_once_and_everything_about_it_is_written(ready: House) -> None:
    post_id = await ready.submit("Hello, world")
    assert (await ready.post(post_id)).status == "PENDING"
    assert await ready.deliver_due() == 1
    target, post = await ready.target(post_id), await ready.post(post_id)
    assert (target.status, target.url, post.status) == ("completed", "https://scripted.test/r1", "COMPLETED")
    attempts = await ready.rows("SELECT * FROM attempts")
    assert [(one.ended, one.answered_by, one.number) for one in attempts] == [("published", "receipt", 1)]
    assert [one.kind for one in await ready.rows("SELECT kind FROM notices")] == ["post.completed"]
    assert len(ready.platform.ledger) == 1
    assert await ready.deliver_due() == 0


async def test_a_scheduled_post_waits_for_its_time(ready: House) -> None:
    post_id = await ready.submit("Later", scheduled_at=(START + timedelta(hours=1)).isoformat())
    assert (await ready.post(post_id)).status == "SCHEDULED"
    ready.clock.forward(3599)
    assert await ready.deliver_due() == 0
    ready.clock.forward(1)
    assert await ready.deliver_due() == 1
    assert (await ready.post(post_id)).status == "COMPLETED"


async def test_a_lost_answer_is_looked_up_and_never_sent_again(ready: House) -> None:
    ready.platform.after = [LOST]
    post_id = await ready.submit()
    await ready.deliver_due()
    target = await ready.target(post_id)
    assert (target.status, (await ready.post(post_id)).status) == ("unconfirmed", "PROCESSING")
    assert await ready.deliver_due() == 0
    ready.clock.forward(10)
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "completed"
    assert len(ready.platform.calls) == len(ready.platform.ledger) == 1
    assert [one.adopted for one in await ready.rows("SELECT adopted FROM receipts")] in ([True], [1])


async def test_an_absence_counts_only_after_its_quiet_time(ready: House) -> None:
    ready.platform.before = [LOST]
    post_id = await ready.submit()
    await ready.deliver_due()
    ready.clock.forward(10)
    await ready.deliver_due()
    assert len(ready.platform.looked) == 1
    # deadline 60 s + settles_within 30 s, counted from the intent
    quiet_until = START + timedelta(seconds=90)
    assert ready.clock.forward(79.9) < quiet_until
    assert await ready.deliver_due() == 0
    ready.clock.forward(0.1)
    await ready.deliver_due()
    target = await ready.target(post_id)
    assert target.status == "completed"
    assert len(ready.platform.calls) == 2
    assert len(ready.platform.ledger) == 1
    answered = await ready.rows("SELECT answered_by FROM attempts WHERE intent_at IS NOT NULL ORDER BY number")
    assert [one.answered_by for one in answered] == ["absence", "receipt"]


async def test_where_an_absence_never_counts_a_person_is_asked(ready: House) -> None:
    ready.platform.settles_within = None
    ready.platform.before = [LOST]
    post_id = await ready.submit()
    await ready.deliver_due()
    for _ in range(40):
        ready.clock.forward(3601)
        await ready.deliver_due()
    target, post = await ready.target(post_id), await ready.post(post_id)
    assert (target.status, target.due_at, bool(post.needs_attention)) == ("unconfirmed", None, True)
    assert len(ready.platform.calls) == 1
    assert [one.kind for one in await ready.rows("SELECT kind FROM notices")] == ["post.needs_attention"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Rejected("No.", proves_absence=True), "failed"),
        (Rejected("No."), "unconfirmed"),
        (RateLimited("Slow down.", proves_absence=True), "pending"),
        (RateLimited("Slow down."), "unconfirmed"),
        (Unavailable("Down.", proves_absence=True), "pending"),
        (Unavailable("Down."), "unconfirmed"),
        (Disconnected("Gone.", proves_absence=True), "failed"),
        (Disconnected("Gone."), "unconfirmed"),
        (CredentialExpired("Stale.", proves_absence=True), "pending"),
        (Unreachable("Nobody there.", host="scripted.test"), "pending"),
        (Unconfirmed("Cut."), "unconfirmed"),
    ],
)
async def test_after_the_intent_only_a_proof_answers_it(ready: House, error: Any, status: str) -> None:
    ready.platform.before = [error]
    post_id = await ready.submit()
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == status


async def test_an_unforeseen_error_is_unavailable_before_the_intent_and_unconfirmed_after_it(
    ready: House, log: list[Any]
) -> None:
    ready.platform.preparing = [ValueError("a bug, and hunter2")]
    ready.platform.after = [ValueError("a bug, and hunter2")]
    post_id = await ready.submit()
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "pending"
    ready.clock.forward(5)
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "unconfirmed"
    assert len(ready.platform.calls) == 1
    told = [line for line in log if line["event"] == "target.unforeseen"]  # whoever runs Hayon learns where it was
    assert [(line["log_level"], line["error"]) for line in told] == [("error", "ValueError")] * 2
    assert all(".py:" in line["at"] for line in told)
    assert "hunter2" not in str(log)


async def test_once_in_doubt_no_refusal_of_a_repeat_proves_anything(ready: House) -> None:
    ready.platform.before = [LOST, Rejected("Already attached.", proves_absence=True)]
    post_id = await ready.submit()
    await ready.deliver_due()
    ready.clock.forward(200)
    await ready.deliver_due()  # absent after the quiet time: sent again, refused
    assert len(ready.platform.calls) == 2
    assert (await ready.target(post_id)).status == "unconfirmed"


async def test_a_refused_read_answers_no_intent(ready: House) -> None:
    """The host cannot be reached while looking: that proves nothing about what was sent before."""
    ready.platform.after = [LOST]
    post_id = await ready.submit()
    await ready.deliver_due()
    ready.clock.forward(10)

    async def unreachable(*_: Any) -> Any:
        raise Unreachable("Nobody there.", host="scripted.test")

    found = ready.platform.reconcile
    ready.platform.reconcile = unreachable
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "unconfirmed"
    ready.platform.reconcile = found
    ready.clock.forward(600)
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "completed"
    assert len(ready.platform.calls) == 1


async def test_the_store_believes_a_proof_only_from_the_call_that_asked(ready: House) -> None:
    ready.platform.after = [LOST]
    await ready.submit()
    await ready.deliver_due()
    ready.clock.forward(10)
    [claim] = await ready.claim()
    refused = Outcome(Ended.REJECTED, "Not like this.", proves_absence=True)
    settled = await ready.database.write(settling.settle_try, claim, refused, attempt_id=None, patience=ready.patience)
    assert settled.status is T.UNCONFIRMED


async def test_waiting_for_the_platform_keeps_the_checkpoint_and_costs_no_try(ready: House) -> None:
    ready.platform.preparing = [None, None]
    waits = [NotYet("At work.", wait_seconds=3), NotYet("At work.", wait_seconds=3)]

    async def wait(_: Any) -> None:
        if waits:
            raise waits.pop()

    ready.platform.while_preparing = wait
    post_id = await ready.submit()
    for _ in range(3):
        await ready.deliver_due()
        ready.clock.forward(10)
    target = await ready.target(post_id)
    assert (target.status, target.tries, target.claims) == ("completed", 0, 3)


async def test_a_rate_limit_pauses_the_account_and_costs_no_try(ready: House) -> None:
    ready.platform.before = [RateLimited("Slow down.", until=START + timedelta(minutes=15), proves_absence=True)]
    first = await ready.submit("one")
    await ready.deliver_due()
    second = await ready.submit("two")
    await ready.deliver_due()
    assert len(ready.platform.calls) == 1
    for post_id in (first, second):
        target = await ready.target(post_id)
        assert (target.status, target.tries) == ("pending", 0)
    ready.clock.forward(899)
    assert await ready.deliver_due() == 0
    ready.clock.forward(1)
    assert await ready.deliver_due() == 2
    assert len(ready.platform.ledger) == 2


async def test_an_outage_of_a_host_is_probed_by_one_and_fails_nobody(ready: House) -> None:
    down = True
    all_there = asyncio.Barrier(4)

    async def prepare(_: Any) -> None:
        if len(ready.platform.prepared) <= 4:
            await all_there.wait()  # else the first to fail warns the last
        if down:
            raise Unreachable("Nobody there.", host="scripted.test")

    ready.platform.while_preparing = prepare
    posts = [await ready.submit(f"post {number}") for number in range(4)]
    await ready.deliver_due()
    assert len(ready.platform.prepared) == 4  # nobody knew yet
    for _ in range(6):
        before = len(ready.platform.prepared)
        ready.clock.forward(400)
        await ready.deliver_due()
        assert len(ready.platform.prepared) == before + 1
    assert {(await ready.target(one)).tries for one in posts} == {0}
    down = False
    for _ in range(3):
        ready.clock.forward(400)
        await ready.deliver_due()
    assert {(await ready.target(one)).status for one in posts} == {"completed"}
    assert len(ready.platform.ledger) == 4


async def test_words_changed_while_they_are_prepared_never_go_out(ready: House) -> None:
    post_id = await ready.submit("old words")

    async def edit(_: Any) -> None:
        ready.platform.while_preparing = None
        await ready.submission.edit(ready.user_id, post_id, Handed(Content("new words"), platforms=("scripted",)))

    ready.platform.while_preparing = edit
    await ready.deliver_due()
    assert ready.platform.calls == []
    assert (await ready.target(post_id)).status == "pending"
    await ready.deliver_due()
    assert [copy.text for copy in ready.platform.ledger] == ["new words"]


async def test_a_post_moved_to_tomorrow_while_it_is_prepared_goes_out_tomorrow(ready: House) -> None:
    post_id = await ready.submit("soon")
    tomorrow = START + timedelta(days=1)

    async def move(_: Any) -> None:
        ready.platform.while_preparing = None
        handed = Handed(Content("soon"), platforms=("scripted",), scheduled_at=tomorrow.isoformat())
        await ready.submission.edit(ready.user_id, post_id, handed)

    ready.platform.while_preparing = move
    await ready.deliver_due()
    assert (await ready.post(post_id)).status == "SCHEDULED"
    ready.clock.forward(86399)
    assert await ready.deliver_due() == 0
    ready.clock.forward(1)
    await ready.deliver_due()
    assert len(ready.platform.ledger) == 1


async def test_an_edit_after_a_retry_is_never_overtaken_by_old_words(ready: House) -> None:
    """A retry and an edit must not lead to the same version by two ways."""
    ready.platform.preparing = [Rejected("Not like this.")]
    post_id = await ready.submit("old words")
    await ready.deliver_due()
    await ready.submission.retry(ready.user_id, post_id)

    async def edit(_: Any) -> None:
        ready.platform.while_preparing = None
        handed = Handed(Content("new words"), platforms=("scripted",))
        await ready.submission.edit(ready.user_id, post_id, handed)

    ready.platform.while_preparing = edit
    await ready.deliver_due()
    await ready.deliver_due()
    assert [copy.text for copy in ready.platform.ledger] == ["new words"]


async def test_a_deleted_post_can_still_be_answered_for(ready: House) -> None:
    ready.platform.before = [LOST]
    post_id = await ready.submit()
    await ready.deliver_due()
    await ready.submission.delete(ready.user_id, post_id)
    target = await ready.target(post_id)
    ready.clock.forward(1000)
    await ready.submission.resolve_absent(
        ready.user_id, post_id, target.id, target.open_attempt_id, looked_at=ready.clock.now, again=False
    )
    assert (await ready.target(post_id)).status == "cancelled"
    with pytest.raises(NotFound):
        await ready.submission.cancel(ready.user_id, post_id)


async def test_the_credential_of_a_disconnected_account_goes_once_nothing_is_open(ready: House) -> None:
    account = (await ready.database.read(accounts.list_accounts, ready.user_id))[0]
    ready.platform.after = [LOST]
    await ready.submit()
    await ready.deliver_due()
    await ready.database.write(accounts.disconnect, ready.user_id, account.id)
    assert await ready.database.write(accounts.forget_credentials) == 0
    ready.clock.forward(10)
    await ready.deliver_due()
    assert await ready.database.write(accounts.forget_credentials) == 1


async def test_after_an_intent_it_is_too_late_to_change_words(ready: House) -> None:
    ready.platform.after = [LOST]
    post_id = await ready.submit("old")
    await ready.deliver_due()
    with pytest.raises(Conflict, match="too late"):
        await ready.submission.edit(ready.user_id, post_id, Handed(Content("new"), platforms=("scripted",)))


async def test_cancelled_while_prepared_nothing_is_sent(ready: House) -> None:
    post_id = await ready.submit()

    async def cancel(_: Any) -> None:
        told = await ready.submission.cancel(ready.user_id, post_id)
        assert [one.answer for one in told] == ["cancelled"]

    ready.platform.while_preparing = cancel
    await ready.deliver_due()
    assert ready.platform.calls == []
    assert (await ready.post(post_id)).status == "CANCELLED"


async def test_a_stop_during_the_call_allows_no_further_intent(ready: House) -> None:
    post_id = await ready.submit()
    ready.platform.before = [LOST]
    await ready.deliver_due()
    told = await ready.submission.cancel(ready.user_id, post_id)
    assert [one.answer for one in told] == ["in_flight"]
    ready.clock.forward(500)
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "cancelled"
    assert len(ready.platform.calls) == 1


async def test_a_stop_during_a_call_that_lands_is_told_the_truth(ready: House) -> None:
    post_id = await ready.submit()

    async def stop(_: Any) -> None:
        await ready.submission.cancel(ready.user_id, post_id)

    ready.platform.while_publishing = stop
    await ready.deliver_due()
    assert (await ready.post(post_id)).status == "COMPLETED"


async def test_a_worker_that_lost_its_lease_can_write_nothing_but_a_receipt(ready: House) -> None:
    post_id = await ready.submit()

    async def take_over(_: Any) -> None:
        ready.clock.forward(91)
        assert [status for _, status in await ready.sweep()] == [T.PENDING]

    ready.platform.while_preparing = take_over
    await ready.deliver_due()
    assert ready.platform.calls == []
    assert (await ready.target(post_id)).status == "pending"
    assert [one.ended for one in await ready.rows("SELECT ended FROM attempts")] == ["lease_lost"]
    ready.platform.while_preparing = None

    async def rescued_meanwhile(_: Any) -> None:
        ready.clock.forward(91)
        assert [status for _, status in await ready.sweep()] == [T.UNCONFIRMED]

    ready.platform.while_publishing = rescued_meanwhile
    claims = await ready.claim(alone=True)
    await asyncio.gather(*(ready.delivery.deliver(claim) for claim in claims))
    assert (await ready.target(post_id)).status == "completed"
    assert len(ready.platform.ledger) == 1


async def test_a_worker_that_lost_its_lease_commits_no_intent_under_anothers(ready: House) -> None:
    """Two workers prepare the same target, and nothing was saved on the way that could have told the first one."""
    ready.platform.saves = False
    post_id = await ready.submit()
    reached, go = asyncio.Event(), asyncio.Event()

    async def hang(_: Any) -> None:
        reached.set()
        await go.wait()

    ready.platform.while_preparing = hang
    [first] = await ready.claim()
    late = asyncio.create_task(ready.delivery.deliver(first))
    await reached.wait()
    ready.clock.forward(91)
    await ready.sweep()
    [second] = await ready.claim(alone=True)
    go.set()
    await late
    assert ready.platform.calls == []
    assert [one.ended for one in await ready.rows("SELECT ended FROM attempts")] == ["lease_lost"]
    assert (await ready.target(post_id)).open_attempt_id is None
    await ready.delivery.deliver(second)
    assert (await ready.target(post_id)).status == "completed"
    assert len(ready.platform.calls) == 1


async def test_a_late_receipt_completes_even_what_a_person_called_absent(ready: House) -> None:
    post_id = await ready.submit()

    async def give_up(_: Any) -> None:
        ready.clock.forward(400)
        await ready.sweep()
        target = await ready.target(post_id)
        await ready.submission.resolve_absent(
            ready.user_id, post_id, target.id, target.open_attempt_id, looked_at=ready.clock.now, again=False
        )
        assert (await ready.target(post_id)).status == "failed"

    ready.platform.while_publishing = give_up
    await ready.deliver_due()
    assert (await ready.post(post_id)).status == "COMPLETED"


async def test_a_second_receipt_is_kept_and_its_owner_told_both_links(ready: House) -> None:
    await ready.submit()

    async def twice(_: Any) -> None:
        ready.platform.while_publishing = None
        ready.platform.visible_after = timedelta(days=1)  # the listing shows nothing: an absence that is none
        ready.clock.forward(400)
        await ready.sweep()
        claims = await ready.claim(alone=True)
        await asyncio.gather(*(ready.delivery.deliver(claim) for claim in claims))

    ready.platform.while_publishing = twice
    await ready.deliver_due()
    assert len(ready.platform.ledger) == 2
    assert len(await ready.rows("SELECT id FROM receipts")) == 2
    messages = [
        one.message for one in await ready.rows("SELECT message FROM notices WHERE kind = 'target.published_twice'")
    ]
    assert len(messages) == 1
    assert "https://scripted.test/r1" in messages[0]
    assert "https://scripted.test/r2" in messages[0]


async def test_three_lost_leases_without_an_outcome_fail_and_run_alone(ready: House) -> None:
    post_id = await ready.submit()
    assert len(await ready.claim()) == 1
    for lost in (1, 2):
        ready.clock.forward(91)
        assert [status for _, status in await ready.sweep()] == [T.PENDING]
        assert await ready.claim() == []
        assert [claim.lost_leases for claim in await ready.claim(alone=True)] == [lost]
    ready.clock.forward(91)
    assert [status for _, status in await ready.sweep()] == [T.FAILED]
    target = await ready.target(post_id)
    assert "worker died" in target.message
    ends = await ready.rows("SELECT ended FROM attempts")
    assert [one.ended for one in ends] == ["lease_lost"] * 3


async def test_what_is_later_than_the_post_allows_is_not_sent(ready: House) -> None:
    post_id = await ready.submit(
        "now or never", scheduled_at=(START + timedelta(minutes=1)).isoformat(), max_lateness_seconds=600
    )
    ready.clock.forward(60 + 601)
    await ready.deliver_due()
    target = await ready.target(post_id)
    assert (target.status, target.tries) == ("failed", 0)
    assert "later than this post allows" in target.message
    assert ready.platform.calls == []


async def test_an_edit_of_an_overdue_post_keeps_its_time_and_with_it_its_lateness(ready: House) -> None:
    due_at = START + timedelta(minutes=1)
    post_id = await ready.submit("old", scheduled_at=due_at.isoformat(), max_lateness_seconds=600)
    ready.clock.forward(60 + 700)
    handed = Handed(Content("new"), platforms=("scripted",), scheduled_at=due_at.isoformat(), max_lateness_seconds=600)
    await ready.submission.edit(ready.user_id, post_id, handed)
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "failed"
    assert ready.platform.calls == []


async def test_an_account_that_is_cut_off_is_named_once_in_a_notice(ready: House) -> None:
    for error in (
        Disconnected("The token was revoked.", health="revoked"),
        Disconnected("Still revoked.", health="revoked"),
    ):
        ready.platform.preparing = [error]
        await ready.submit()
        await ready.deliver_due()
    told = [
        one.message for one in await ready.rows("SELECT message FROM notices WHERE kind = 'account.needs_reconnection'")
    ]
    assert told == [
        "ann on scripted has to be connected again; until then nothing goes out there. The token was revoked."
    ]


async def test_a_disconnected_account_fails_what_was_not_sent_and_still_looks_for_what_was(ready: House) -> None:
    account = (await ready.database.read(accounts.list_accounts, ready.user_id))[0]
    ready.platform.after = [LOST]
    sent = await ready.submit("sent")
    await ready.deliver_due()
    waiting = await ready.submit("waiting")
    left = await ready.database.write(accounts.disconnect, ready.user_id, account.id)
    assert (left.unfinished, left.is_needed) == (2, True)
    ready.clock.forward(10)
    await ready.deliver_due()
    assert (await ready.target(sent)).status == "completed"
    assert (await ready.target(waiting)).status == "failed"
    assert len(ready.platform.calls) == 1


async def test_an_intent_whose_commit_is_unknown_is_never_followed_by_a_call(
    ready: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_id = await ready.submit()
    write = ready.database.write

    async def cut(work: Any, *arguments: Any, **named: Any) -> Any:
        answer = await write(work, *arguments, **named)
        if work.__name__ == "commit_intent":
            raise DatabaseUnreachable("The connection was cut after the commit.")
        return answer

    monkeypatch.setattr(ready.database, "write", cut)
    await ready.deliver_due()
    monkeypatch.undo()
    assert ready.platform.calls == []
    target = await ready.target(post_id)
    assert (target.status, target.open_attempt_id is not None) == ("processing", True)
    ready.clock.forward(91)
    assert [status for _, status in await ready.sweep()] == [T.UNCONFIRMED]
    claims = await ready.claim(alone=True)
    await asyncio.gather(*(ready.delivery.deliver(claim) for claim in claims))
    assert (await ready.target(post_id)).status == "completed"
    assert len(ready.platform.ledger) == 1


async def test_a_receipt_is_written_until_it_is_stored(ready: House, monkeypatch: pytest.MonkeyPatch) -> None:
    post_id = await ready.submit()
    write, cuts = ready.database.write, [1, 2]

    async def cut(work: Any, *arguments: Any, **named: Any) -> Any:
        if work.__name__ == "settle_try" and cuts:
            cuts.pop()
            raise DatabaseUnreachable("Away.")
        return await write(work, *arguments, **named)

    monkeypatch.setattr(ready.database, "write", cut)
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "completed"


async def test_a_stopping_worker_hands_back_or_leaves_it_unconfirmed(ready: House) -> None:
    preparing, publishing = await ready.submit("preparing"), await ready.submit("publishing")
    reached: dict[str, asyncio.Event] = {"preparing": asyncio.Event(), "publishing": asyncio.Event()}

    async def hang(parcel: Any) -> None:
        reached[parcel.content.text].set()
        await asyncio.Event().wait()

    async def hang_preparing(parcel: Any) -> None:
        if parcel.content.text == "preparing":
            await hang(parcel)

    ready.platform.while_preparing = hang_preparing
    ready.platform.while_publishing = hang
    tasks = [asyncio.create_task(ready.delivery.deliver(claim)) for claim in await ready.claim()]
    await asyncio.gather(*(event.wait() for event in reached.values()))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    handed_back, unknown = await ready.target(preparing), await ready.target(publishing)
    assert (handed_back.status, handed_back.tries) == ("pending", 0)
    assert unknown.status == "unconfirmed"
