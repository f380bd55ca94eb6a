"""Interleavings that once lost, doubled or belied a post: each was found by a hostile reading, and must stay closed."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.util import await_only

from hayon.delivery import tending
from hayon.delivery.sources import FromIndex
from hayon.delivery.submit import Handed
from hayon.delivery.worker import Worker
from hayon.domain.lifecycle import Ended, Outcome, Standing, settle
from hayon.domain.model import Content, MediaUse, Receipt
from hayon.domain.pacing import Patience
from hayon.domain.rules import MediaRules, Option, Rules
from hayon.errors import (
    Conflict,
    DatabaseUnreachable,
    Disconnected,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
)  # fmt: skip
from hayon.outgoing import Answer, Request
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.contract import Connected
from hayon.store import accounts, decisions, outbox
from hayon.store.database import Database
from hayon.store.schema import media
from tests.delivery.scripted import LOST, START, Hand, House, open_house


@pytest.fixture
async def ready(house: House) -> House:
    await house.connect("ann")
    return house


@pytest.fixture
async def on_postgres(migrated_postgres_url: str) -> AsyncIterator[House]:
    async with open_house(migrated_postgres_url) as opened:
        await opened.connect("ann")
        yield opened


async def only_account(house: House) -> Any:
    return (await house.database.read(accounts.list_accounts, house.user_id))[0]


def taking(images: MediaRules = MediaRules(0, (), 0), **more: Any) -> Any:  # noqa: B008 - a value, never changed
    return lambda _: Rules("scripted", "Scripted", 300, "characters", lambda text, options: len(text), images, **more)  # noqa: ARG005 - its shape


# ---- an account that was taken away


async def test_after_an_absence_a_disconnected_account_is_not_published_to(ready: House) -> None:
    ready.platform.before = [LOST]
    post_id = await ready.submit()
    await ready.deliver_due()
    await ready.database.write(accounts.disconnect, ready.user_id, (await only_account(ready)).id)
    ready.clock.forward(200)
    await ready.deliver_due()
    assert ready.platform.ledger == []
    assert (await ready.target(post_id)).status == "failed"


async def test_disconnected_while_prepared_nothing_is_sent(ready: House) -> None:
    account = await only_account(ready)

    async def disconnect(_: Any) -> None:
        ready.platform.while_preparing = None
        await ready.database.write(accounts.disconnect, ready.user_id, account.id)

    ready.platform.while_preparing = disconnect
    post_id = await ready.submit()
    await ready.deliver_due()
    await ready.deliver_due()
    assert ready.platform.calls == []
    assert (await ready.target(post_id)).status == "failed"


async def test_disconnecting_and_an_intent_do_not_pass_each_other(on_postgres: House) -> None:
    """While the account is being taken away no intent is committed for it, and none is overlooked."""
    house = on_postgres
    account = await only_account(house)
    post_id = await house.submit()
    reached, go = asyncio.Event(), asyncio.Event()

    def slowly(tx: Any) -> int:
        left = accounts.disconnect(tx, house.user_id, account.id)
        reached.set()
        await_only(go.wait())
        return left.unfinished

    leaving = asyncio.create_task(house.database.write(slowly))
    await reached.wait()
    delivering = asyncio.create_task(house.deliver_due())
    await asyncio.wait([delivering], timeout=0.3)
    assert house.platform.calls == []
    go.set()
    await leaving
    await delivering
    await house.deliver_due()
    assert house.platform.calls == []
    assert (await house.target(post_id)).status == "failed"


async def test_an_old_refusal_says_nothing_of_a_credential_connected_since(ready: House) -> None:
    async def reconnect(_: Any) -> None:
        ready.platform.while_preparing = None
        await ready.connect("ann")
        raise Disconnected("The token was revoked.", health="revoked")

    ready.platform.while_preparing = reconnect
    await ready.submit()
    await ready.deliver_due()
    account = await only_account(ready)
    assert (account.health, account.needs_reconnection) == ("active", False)
    assert await ready.rows("SELECT id FROM notices WHERE kind = 'account.needs_reconnection'") == []


# ---- drafts that are handed in at the same moment (PostgreSQL: SQLite has one writer)


async def test_a_draft_deleted_while_it_is_handed_in_does_not_go_out(
    on_postgres: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = on_postgres
    post_id = await house.submit("draft", draft=True)
    reached, go = asyncio.Event(), asyncio.Event()
    rewrite = decisions.rewrite_post

    def slowly(*given: Any) -> None:
        rewrite(*given)
        reached.set()
        await_only(go.wait())

    monkeypatch.setattr(decisions, "rewrite_post", slowly)
    handing_in = asyncio.create_task(house.submission.submit_draft(house.user_id, post_id))
    await reached.wait()
    deleting = asyncio.create_task(house.submission.delete(house.user_id, post_id))
    await asyncio.wait([deleting], timeout=0.3)
    go.set()
    await handing_in
    assert [one.answer for one in await deleting] == ["cancelled"]
    await house.deliver_due()
    assert house.platform.ledger == []


async def test_a_draft_edited_while_it_is_handed_in_does_not_go_out_in_old_words(
    on_postgres: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = on_postgres
    post_id = await house.submit("old words", draft=True)
    reached, go = asyncio.Event(), asyncio.Event()
    edit = decisions.edit_post

    def slowly(*given: Any, **named: Any) -> None:
        if not reached.is_set():
            reached.set()
            await_only(go.wait())
        edit(*given, **named)

    monkeypatch.setattr(decisions, "edit_post", slowly)
    handing_in = asyncio.create_task(house.submission.submit_draft(house.user_id, post_id))
    await reached.wait()
    await house.submission.edit(
        house.user_id, post_id, Handed(Content("new words"), platforms=("scripted",), draft=True)
    )
    go.set()
    with pytest.raises(Conflict, match="changed in between"):
        await handing_in


# ---- media


async def test_a_picture_put_in_front_while_copies_are_made_is_not_mistaken(ready: House) -> None:
    first, second, disk = uuid4(), uuid4(), {}
    for one, drawn in ((first, "first"), (second, "second")):
        key = f"temp/{ready.user_id}/{one}.jpg"
        disk[key] = drawn
        row = {"id": one, "user_id": ready.user_id, "key": key, "mime": "image/jpeg", "size": 9, "ready": True}
        await ready.database.write(lambda tx, row=row: tx.run(sa.insert(media).values(created_at=tx.now(), **row)))
    ready.platform.rules = taking(MediaRules(4, ("image/jpeg",), 0))
    later = (START + timedelta(hours=1)).isoformat()

    def handed(*ids: Any) -> Handed:
        return Handed(Content("x", tuple(map(MediaUse, ids))), platforms=("scripted",), scheduled_at=later)

    post_id, _ = await ready.submission.submit(ready.user_id, handed(first))

    class Files:
        edited = False

        async def copy(self, source: str, to: str) -> None:
            if not self.edited:
                self.edited = True
                await ready.submission.edit(ready.user_id, post_id, handed(second, first))
            disk[to] = disk[source]

        async def delete(self, key: str) -> None:
            del disk[key]

    upkeep = tending.Tending(ready.database, Files())
    await upkeep.copy_once()
    await upkeep.copy_once()
    seen: list[str] = []

    async def look(parcel: Any) -> None:
        seen.extend(disk[one.key] for one in parcel.media)

    ready.platform.while_preparing = look
    ready.clock.forward(3600)
    await ready.deliver_due()
    assert seen == ["second", "first"]


# ---- answers that hold anything


@pytest.mark.parametrize(
    ("remote_id", "url", "at"),
    [
        ("r\ud800", None, START),
        ("r1", "https://x/\udfff", START),
        ("r\x00", None, START),
        ("r1", None, datetime.fromisoformat("0001-01-01T00:00:00+14:00")),
    ],
)
async def test_a_receipt_is_stored_whatever_the_platform_wrote_in_it(
    ready: House, remote_id: str, url: str | None, at: datetime
) -> None:
    ready.platform._receipt = lambda copy, account: Receipt(remote_id, url, at)  # noqa: ARG005 - scripted
    post_id = await ready.submit()
    await asyncio.wait_for(ready.deliver_due(), 10)
    assert (await ready.target(post_id)).status == "completed"


async def test_a_refusal_is_stored_whatever_the_platform_wrote_in_it(ready: House) -> None:
    ready.platform.before = [Rejected('refused "\ud800\x00"', code="\ud800", proves_absence=True)]
    post_id = await ready.submit()
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "failed"


# ---- waits, looks and patience have ends


async def test_a_platform_that_asks_for_ten_years_is_asked_again_after_a_day(ready: House) -> None:
    ready.platform.before = [RateLimited("Slow.", until=START + timedelta(days=3650), proves_absence=True)]
    post_id = await ready.submit()
    await ready.deliver_due()
    assert (await ready.target(post_id)).due_at == START + timedelta(hours=24)
    blocked = await ready.rows("SELECT id FROM accounts WHERE blocked_until IS NOT NULL")
    assert len(blocked) == 1
    ready.clock.forward(86400)
    await ready.deliver_due()
    assert (await ready.target(post_id)).status == "completed"


async def test_a_look_is_not_put_off_for_ten_years(ready: House) -> None:
    ready.platform.after = [LOST]
    post_id = await ready.submit()
    await ready.deliver_due()

    async def limited(*_: Any) -> Any:
        raise RateLimited("Slow.", until=START + timedelta(days=3650))

    ready.platform.reconcile = limited
    ready.clock.forward(10)
    await ready.deliver_due()
    assert (await ready.target(post_id)).due_at <= ready.clock.now + timedelta(hours=24)


def test_waits_of_two_kinds_in_turn_come_to_an_end() -> None:
    now, patience, standing, rounds = START, Patience(), Standing(), 0
    while True:
        kind = (Ended.NOT_YET, Ended.RATE_LIMITED)[rounds % 2]
        decided = settle(standing, Outcome(kind, "Wait."), now, patience)
        if decided.due_at is None:
            break
        standing = Standing(waits=decided.waits, first_wait_at=decided.first_wait_at, waiting_for=str(kind))
        now, rounds = decided.due_at, rounds + 1
    assert rounds == patience.most_waits


async def test_a_look_that_kills_its_worker_is_left_to_a_person(ready: House) -> None:
    ready.platform.after = [LOST]
    post_id = await ready.submit()
    await ready.deliver_due()
    ready.clock.forward(10)
    for lost in range(3):
        assert len(await ready.claim(alone=lost > 0)) == 1
        ready.clock.forward(91)
        await ready.sweep()
    target, post = await ready.target(post_id), await ready.post(post_id)
    assert (target.status, target.due_at, bool(post.needs_attention)) == ("unconfirmed", None, True)


async def test_asking_for_a_look_now_uses_none_up(ready: House) -> None:
    ready.platform.settles_within = None
    ready.platform.after = [LOST]
    ready.platform.visible_after = timedelta(minutes=5)
    post_id = await ready.submit()
    await ready.deliver_due()
    for _ in range(40):
        await ready.submission.retry(ready.user_id, post_id)
        await ready.deliver_due()
    assert (await ready.target(post_id)).due_at is not None


async def test_a_preparation_longer_than_the_lease_is_counted_by_the_sweep(ready: House) -> None:
    ready.platform.saves = False

    async def slow(_: Any) -> None:
        ready.clock.forward(91)

    ready.platform.while_preparing = slow
    post_id = await ready.submit()
    for lost in range(3):
        [claim] = await ready.claim(alone=lost > 0)
        await ready.delivery.deliver(claim)
        await ready.sweep()
    assert (await ready.target(post_id)).status == "failed"
    assert ready.platform.calls == []


async def test_an_edit_begins_with_fresh_patience(ready: House) -> None:
    ready.platform.preparing = [Unavailable("Down.") for _ in range(3)]
    post_id = await ready.submit()
    for seconds in (0, 5, 30):
        ready.clock.forward(seconds)
        await ready.deliver_due()
    tomorrow = (ready.clock.now + timedelta(days=1)).isoformat()
    handed = Handed(Content("later"), platforms=("scripted",), scheduled_at=tomorrow)
    await ready.submission.edit(ready.user_id, post_id, handed)
    ready.clock.forward(86400)
    ready.platform.preparing = [Unavailable("Down.")]
    await ready.deliver_due()
    target = await ready.target(post_id)
    assert (target.status, target.tries) == ("pending", 1)


# ---- what retry means


async def test_retry_does_not_send_a_scheduled_post_before_its_time(ready: House) -> None:
    post_id = await ready.submit("tomorrow", scheduled_at=(START + timedelta(days=1)).isoformat())
    told = await ready.submission.retry(ready.user_id, post_id)
    assert [one.answer for one in told] == ["unchanged"]
    await ready.deliver_due()
    assert ready.platform.ledger == []


async def test_retry_sends_nothing_of_a_deleted_post(ready: House) -> None:
    ann, ben = await only_account(ready), await ready.connect("ben")
    ready.platform.before = [LOST, Rejected("No.", proves_absence=True)]
    post_id = await ready.submit("x", str(ann.id), str(ben.id))
    for claim in await ready.claim():
        await ready.delivery.deliver(claim)
    assert sorted(one.status for one in await ready.targets(post_id)) == ["failed", "unconfirmed"]
    await ready.submission.delete(ready.user_id, post_id)
    with pytest.raises(Conflict, match="deleted"):
        await ready.submission.retry(ready.user_id, post_id)


# ---- likeness


async def test_the_same_words_with_other_options_are_rivals_too(ready: House) -> None:
    ready.platform.exact = False
    ready.platform.rules = taking(options={"sensitive": Option({"type": "boolean"}, "")})
    ready.platform.before = [LOST]
    lost, _ = await ready.submission.submit(ready.user_id, Handed(Content("same words"), platforms=("scripted",)))
    await ready.deliver_due()
    ready.platform.after = [LOST]
    other = Handed(Content(" same  words", (), {"sensitive": False}), platforms=("scripted",))
    await ready.submission.submit(ready.user_id, other)
    await ready.deliver_due()
    ready.clock.forward(12)
    await ready.deliver_due()
    assert (await ready.target(lost)).status == "unconfirmed"


# ---- summaries, workers, databases


async def test_a_post_called_ended_while_a_target_is_due_is_repaired(ready: House) -> None:
    post_id = await ready.submit()
    await ready.database.write(lambda tx: tx.run(sa.text("UPDATE posts SET status = 'COMPLETED'")))
    assert (await ready.database.write(outbox.repair_summaries)).posts == 1
    assert (await ready.post(post_id)).status == "PENDING"


def worker_of(house: House) -> Worker:
    return Worker(
        house.database, FromIndex(house.database, house.broker, house.times.lease), house.delivery, ["scripted"], slots=4,
        poll=timedelta(seconds=0.05), grace=timedelta(seconds=0.2),
    )  # fmt: skip


async def test_a_worker_stops_within_its_grace_also_while_it_delivers_alone(ready: House) -> None:
    post_id = await ready.submit()
    await ready.claim()
    ready.clock.forward(91)
    await ready.sweep()
    reached = asyncio.Event()

    async def hang(_: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    ready.platform.while_preparing = hang
    worker = worker_of(ready)
    running = asyncio.create_task(worker.run())
    await reached.wait()
    worker.stop()
    await asyncio.wait_for(running, 10)
    assert (await ready.target(post_id)).status == "pending"


async def test_a_lone_target_runs_with_nothing_beside_it_and_stops_nobody_else(ready: House) -> None:
    suspect = await ready.submit("suspect")
    await ready.claim()
    ready.clock.forward(91)
    await ready.sweep()
    stranger = await ready.submit("of a platform this worker does not serve")
    await ready.claim(places=1)
    ready.clock.forward(91)
    await ready.sweep()
    statement = sa.text("UPDATE targets SET platform = 'gone' WHERE post_id = :id")
    bound = statement.bindparams(sa.bindparam("id", stranger, sa.Uuid))
    await ready.database.write(lambda tx: tx.run(bound))
    others = [await ready.submit(f"other {number}") for number in range(3)]
    together: list[int] = []
    flying = 0

    async def count(parcel: Any) -> None:
        nonlocal flying
        flying += 1
        await asyncio.sleep(0.05)
        if parcel.content.text == "suspect":
            together.append(flying)
        flying -= 1

    ready.platform.while_preparing = count
    worker = worker_of(ready)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        while {(await ready.target(one)).status for one in (suspect, *others)} != {"completed"}:  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.02)
    worker.stop()
    await running
    assert together == [1]


async def test_a_database_that_is_starting_up_is_one_that_does_not_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(4))
        if (await reader.readexactly(length - 4))[:4] == (80877103).to_bytes(4):  # it asks for TLS first
            writer.write(b"N")
            await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4) + fields)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = Database(f"postgresql+asyncpg://x:y@127.0.0.1:{port}/x")
    try:
        with pytest.raises(DatabaseUnreachable):
            await database.read(lambda tx: tx.now())
    finally:
        await database.close()
        server.close()
        await server.wait_closed()


# ---- the real Bluesky adapter, whose repeat is harmless only under the same key


class Records:
    """A PDS in a few lines: what it holds, and calls that reach it late or lose their answer."""

    def __init__(self) -> None:
        self.live: dict[str, Any] = {}
        self.plan: list[str] = []
        self.late: list[Any] = []

    async def send(self, request: Request, **_: Any) -> Answer:
        if request.url.endswith("putRecord"):
            how = self.plan.pop(0) if self.plan else "ok"
            if how == "late":
                self.late.append(request.json)
            else:
                self.put(request.json)
            if how != "ok":
                raise Unconfirmed("No answer came.")
            return self._answer(request, 200, self._named(request.json["repo"], request.json["rkey"]))
        rkey = request.query["rkey"]
        if rkey not in self.live:
            return self._answer(request, 400, {"error": "RecordNotFound", "message": "Could not locate record"})
        return self._answer(request, 200, self._named(request.query["repo"], rkey) | {"value": self.live[rkey]})

    def put(self, body: Any) -> None:
        self.live.setdefault(body["rkey"], body["record"])

    async def aclose(self) -> None: ...

    def _named(self, repo: str, rkey: str) -> dict[str, str]:
        return {"uri": f"at://{repo}/app.bsky.feed.post/{rkey}", "cid": "bafyrei"}

    def _answer(self, request: Request, status: int, body: Any) -> Answer:
        return Answer(status, {"content-type": "application/json"}, json.dumps(body).encode(), request.url)


@pytest.fixture
async def bluesky(database_url: str) -> AsyncIterator[tuple[House, Records]]:
    clock, records = Hand(), Records()

    async def fit(*_: Any) -> Any:
        raise AssertionError("no pictures here")

    async def connect(given: Any, _: Any) -> Connected:
        return Connected(f"did:plc:{given['name']}", f"{given['name']}.test", "https://pds.test", {"accessJwt": "x"})

    adapter: Any = Bluesky("https://bsky.app", fit=fit)
    adapter.connect, adapter.expires_soon, adapter.platform = connect, lambda *_: False, "scripted"
    async with open_house(database_url, clock=clock, platform=adapter) as opened:
        opened.delivery._outgoing = records
        await opened.connect("ann")
        yield opened, records


@pytest.mark.parametrize("by_person", [True, False])
async def test_a_retry_goes_out_under_the_key_of_the_call_that_may_still_land(
    bluesky: tuple[House, Records], by_person: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, records = bluesky
    records.plan = ["late"]
    post_id = await house.submit("Hello")
    await house.deliver_due()
    house.clock.forward(61)
    target = await house.target(post_id)
    if by_person:
        await house.submission.resolve_absent(
            house.user_id, post_id, target.id, target.open_attempt_id, looked_at=house.clock.now, again=False
        )
    else:

        async def refuse(*_: Any) -> Any:
            raise Rejected("Not like this.")

        with monkeypatch.context() as patch:
            patch.setattr(house.platform, "prepare", refuse)
            await house.deliver_due()
    assert (await house.target(post_id)).status == "failed"
    await house.submission.retry(house.user_id, post_id)
    await house.deliver_due()
    for body in records.late:
        records.put(body)
    assert (await house.target(post_id)).status == "completed"
    assert len(records.live) == 1


async def test_two_equal_posts_with_lost_answers_are_both_found_by_their_keys(bluesky: tuple[House, Records]) -> None:
    house, records = bluesky
    records.plan = ["lost", "lost"]
    both = [await house.submit("same words"), await house.submit("same words")]
    await house.deliver_due()
    house.clock.forward(10)
    await house.deliver_due()
    assert {(await house.target(one)).status for one in both} == {"completed"}
    assert len(records.live) == 2


async def test_a_worker_with_many_platforms_takes_from_each_of_them(ready: House) -> None:
    """The first ones may not keep all the room, however little they have to do."""
    idle = ("first", "second", "third")
    worker = Worker(
        ready.database, FromIndex(ready.database, ready.broker, ready.times.lease), ready.delivery,
        (*idle, "scripted"), slots=4, poll=timedelta(milliseconds=20),
    )  # fmt: skip
    reached = asyncio.Event()

    async def reach(_: Any) -> None:
        reached.set()

    ready.platform.while_publishing = reach
    await ready.submit()
    running = asyncio.create_task(worker.run())
    try:
        await asyncio.wait_for(reached.wait(), 20)
    finally:
        worker.stop()
        await running


async def test_no_more_is_claimed_than_there_are_places(ready: House) -> None:
    names = [str((await ready.connect(name)).id) for name in ("bea", "cem", "dan", "eve", "fay")]
    for name in names:
        await ready.submit("Hello", name)
    taken = await ready.database.write(
        outbox.claim_due, room={"first": 3, "scripted": 4}, places=2, claim_id=uuid4(), lease=timedelta(seconds=90)
    )
    assert len(taken) == 2
