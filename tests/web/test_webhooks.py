"""Webhooks over the API: made, listed, changed, renewed, tested, replayed, deleted. What strangers see is in test_strangers.py."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from hayon.store import leaving
from hayon.store.schema import replays, webhooks
from tests.notifying.office import Receiver, open_receiver
from tests.web.house import House, Visitor, open_house


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


async def make(visitor: Visitor, url: str, *kinds: str, **headers: str) -> Any:
    answer = await visitor.post("/api/webhooks", {"url": url, "kinds": list(kinds)}, headers=headers)
    assert answer.status == 201, answer.text
    return answer.json


async def test_a_webhook_is_made_and_its_secret_shown_once(house: House, ada: Visitor, receiver: Receiver) -> None:
    made = await make(ada, receiver.url, "post.failed", "post.completed", "post.failed")
    assert made["secret"].startswith("whsec_")
    assert made["kinds"] == ["post.failed", "post.completed"]
    assert (made["enabled"], made["failingSince"], made["message"]) == (True, None, "")
    shown = await ada.get("/api/webhooks")
    assert made["secret"] not in shown.text
    (one,) = shown.json["webhooks"]
    assert one == (await ada.get(f"/api/webhooks/{made['webhookId']}")).json
    assert {**one, "secret": made["secret"]} == made
    (row,) = await house.hayon.database.read(lambda tx: tx.all(sa.select(webhooks)))
    assert made["secret"].encode() not in row.sealed


async def test_a_test_is_answered_with_what_the_receiver_said(ada: Visitor, receiver: Receiver) -> None:
    made = await make(ada, receiver.url)
    answer = await ada.post(f"/api/webhooks/{made['webhookId']}/test")
    assert answer.json == {"delivered": True, "httpStatus": 204, "message": "The receiver took it."}
    assert receiver.verify(0, made["secret"])["type"] == "webhook.test"
    receiver.says = [418]
    refused = await ada.post(f"/api/webhooks/{made['webhookId']}/test")
    assert refused.json == {"delivered": False, "httpStatus": 418, "message": "It answered 418."}
    (second, first) = (await ada.get(f"/api/webhooks/{made['webhookId']}/events")).json["events"]
    assert (first["kind"], first["httpStatus"], first["nextTryAt"]) == ("webhook.test", 204, None)
    assert (second["httpStatus"], second["deliveredAt"], second["message"]) == (418, None, "It answered 418.")


async def test_a_receiver_inside_is_not_called_where_the_guard_stands(folder: Path, receiver: Receiver) -> None:
    async with open_house(folder, allow_private_addresses=False) as house:
        ada = await house.register()
        for url in (receiver.url, receiver.url.replace("http", "https"), "https://[::1]/", "nonsense"):
            answer = await ada.post("/api/webhooks", {"url": url})
            assert (answer.status, {field for field, _ in answer.rules}) == (422, {"url"}), url
        made = await make(ada, receiver.url.replace("http://127.0.0.1", "https://localhost"))
        tested = (await ada.post(f"/api/webhooks/{made['webhookId']}/test")).json
        assert (tested["delivered"], tested["httpStatus"]) == (False, None)
        assert "private or reserved address" in tested["message"]
        changed = await ada.ask("PATCH", f"/api/webhooks/{made['webhookId']}", {"url": receiver.url})
        assert changed.status == 422
    assert receiver.bodies == []


async def test_it_is_changed_turned_off_and_on(house: House, ada: Visitor, receiver: Receiver) -> None:
    made = await make(ada, "http://127.0.0.1:9009/")
    path = f"/api/webhooks/{made['webhookId']}"
    changed = (await ada.ask("PATCH", path, {"url": receiver.url, "kinds": ["post.failed"]})).json
    assert (changed["url"], changed["kinds"]) == (receiver.url, ["post.failed"])
    assert (await ada.ask("PATCH", path, {"kinds": ["webhook.test"]})).rules == {("kinds", "unknown_kind")}
    off = (await ada.ask("PATCH", path, {"enabled": False})).json
    assert (off["enabled"], off["message"]) == (False, "You turned it off.")
    assert (await ada.post(f"{path}/test")).json["delivered"] is True, "to see whether it works again"
    on = (await ada.ask("PATCH", path, {"enabled": True})).json
    assert (on["enabled"], on["disabledAt"], on["message"]) == (True, None, "")


async def test_a_renewed_secret_and_the_old_one_both_verify(ada: Visitor, receiver: Receiver) -> None:
    made = await make(ada, receiver.url)
    renewed = (await ada.post(f"/api/webhooks/{made['webhookId']}/secret")).json
    assert renewed["secret"] != made["secret"]
    await ada.post(f"/api/webhooks/{made['webhookId']}/test")
    assert receiver.verify(0, made["secret"]) == receiver.verify(0, renewed["secret"])


async def test_events_are_listed_in_pages_and_replayed_under_their_id(
    house: House, ada: Visitor, receiver: Receiver
) -> None:
    made = await make(ada, receiver.url)
    ids = [
        str(await house.hayon.database.write(
            leaving.insert_event, UUID(made["webhookId"]), "post.failed", {"number": number}, due_at=None))
        for number in range(5)
    ]  # fmt: skip
    path = f"/api/webhooks/{made['webhookId']}/events"
    first = (await ada.get(f"{path}?limit=3")).json
    second = (await ada.get(f"{path}?limit=3&cursor={first['nextCursor']}")).json
    assert second["nextCursor"] is None
    assert sorted(one["eventId"] for one in first["events"] + second["events"]) == sorted(ids)
    replayed = await ada.post(f"{path}/{ids[2]}/replay")
    assert (replayed.status, replayed.json["eventId"], replayed.json["tries"]) == (202, ids[2], 0)
    await house.hayon.leaving.send_once()
    assert receiver.ids == [ids[2]]
    assert receiver.verify(0, made["secret"]) == {"number": 2}
    await ada.ask("PATCH", f"/api/webhooks/{made['webhookId']}", {"enabled": False})
    assert (await ada.post(f"{path}/{ids[2]}/replay")).status == 409
    assert (await ada.post(f"{path}/{uuid4()}/replay")).status == 409
    assert (await ada.ask("DELETE", f"/api/webhooks/{made['webhookId']}")).status == 204
    assert (await ada.get(path)).status == 404


async def test_the_same_key_makes_one_webhook(house: House, ada: Visitor, receiver: Receiver) -> None:
    made = await asyncio.gather(
        *(make(ada, receiver.url, "post.failed", **{"Idempotency-Key": "order-1"}) for _ in range(6))
    )
    assert len({(one["webhookId"], one["secret"]) for one in made}) == 1
    assert len((await ada.get("/api/webhooks")).json["webhooks"]) == 1
    other = await ada.post("/api/webhooks", {"url": receiver.url}, headers={"Idempotency-Key": "order-1"})
    assert other.status == 409
    assert "used" in other.json["title"]
    rows = await house.hayon.database.read(lambda tx: tx.all(sa.select(replays.c.answer)))
    assert made[0]["secret"] not in str(rows), "a secret is kept sealed only"
    bob = await house.register("bob@example.org")
    assert (await make(bob, receiver.url, **{"Idempotency-Key": "order-1"}))["webhookId"] != made[0]["webhookId"]


async def test_nobody_has_more_than_twenty(ada: Visitor) -> None:
    for number in range(19):
        await make(ada, f"http://receiver.test/{number}")
    answers = await asyncio.gather(
        *(ada.post("/api/webhooks", {"url": f"http://receiver.test/{number}"}) for number in range(20, 24))
    )
    assert sorted(one.status for one in answers) == [201, 409, 409, 409]
    assert len((await ada.get("/api/webhooks")).json["webhooks"]) == 20
