"""What an author decides about a post on its way: cancel, retry, and the answers only a person can give."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hayon.errors import Rejected, Unconfirmed
from tests.delivery.scripted import Scripted
from tests.web.house import House, Visitor, at_work, open_house
from tests.web.test_posts import later, make


@pytest.fixture
async def stage(folder: Path) -> AsyncIterator[tuple[House, Visitor, Scripted]]:
    """A Hayon at work whose Bluesky does what it is told, and a person with an account there."""
    quick = {"commit_deadline": timedelta(seconds=1), "call_deadline": timedelta(seconds=1)}
    async with open_house(folder, settles_within=timedelta(0), **quick) as house:
        scripted = Scripted("bluesky", settles_within=timedelta(0))
        house.hayon.platforms["bluesky"] = scripted
        ada = await house.register()
        await house.account(ada)
        async with at_work(house.hayon):
            yield house, ada, scripted


async def wait_for(visitor: Visitor, post_id: str, wanted: str) -> Any:
    """The status document once the first target has this status and rests."""
    async with asyncio.timeout(20):
        while True:
            told = (await visitor.get(f"/api/posts/{post_id}/status")).json
            target = told["platformStatuses"][0]
            if target["status"] == wanted and (wanted != "unconfirmed" or target["needsAttention"]):
                return told
            await asyncio.sleep(0.05)


async def doubt(stage: tuple[House, Visitor, Scripted]) -> tuple[str, dict[str, Any]]:
    """A post of which nobody knows whether it went out; its id and what answers the question."""
    _, ada, scripted = stage
    scripted.after.append(Unconfirmed("The connection was cut."))
    scripted.unclear = True
    post_id = await make(ada)
    told = await wait_for(ada, post_id, "unconfirmed")
    (target,) = told["platformStatuses"]
    assert told["needsAttention"]
    assert target["question"]["askedNow"]
    assert target["error"]["message"]
    return post_id, {"targetId": target["targetId"], "attemptId": target["question"]["attemptId"]}


async def test_cancelling_what_waits(ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    answer = await ada.post(f"/api/posts/{post_id}/cancel")
    assert (answer.status, answer.json["status"]) == (200, "CANCELLED")
    (told,) = answer.json["targets"]
    assert (told["answer"], told["platform"], told["handle"]) == ("cancelled", "bluesky", "ada.test")
    again = (await ada.post(f"/api/posts/{post_id}/cancel", {})).json["targets"][0]
    assert again["answer"] == "nothing_to_stop"
    assert (await ada.ask("PATCH", f"/api/posts/{post_id}", {"content": {"text": "x"}})).status == 409


async def test_cancelling_some(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", "ada@social.test")
    made = await ada.post("/api/posts", {"content": {"text": "a"}, "selectedPlatforms": ["bluesky", "mastodon"]})
    path, (first, second) = f"/api/posts/{made.json['postId']}", made.json["platformStatuses"]
    told = await ada.post(f"{path}/cancel", {"targetIds": [second["targetId"]]})
    assert [one["targetId"] for one in told.json["targets"]] == [second["targetId"]]
    after = (await ada.get(f"{path}/status")).json["platformStatuses"]
    assert [one["status"] for one in after] == ["pending", "cancelled"]
    assert (await ada.post(f"{path}/cancel", {"targetIds": [str(uuid4())]})).status == 404
    assert first["targetId"] != second["targetId"]


async def test_a_draft_has_nothing_to_stop_or_retry(ada: Visitor) -> None:
    post_id = await make(ada, draft=True)
    for wish in ("cancel", "retry"):
        assert (await ada.post(f"/api/posts/{post_id}/{wish}")).status == 409


async def test_a_published_post_shows_where_it_is_and_each_try(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, scripted = stage
    scripted.preparing.append(Unconfirmed("Nothing was sent yet."))
    post_id = await make(ada)
    told = await wait_for(ada, post_id, "completed")
    (target,) = told["platformStatuses"]
    assert (told["status"], target["platformPostId"], target["error"]) == ("COMPLETED", "r1", None)
    assert target["platformPostUrl"]
    assert target["publishedAt"]
    tries = (await ada.get(f"/api/posts/{post_id}/attempts")).json["attempts"]
    assert len(tries) == target["attemptCount"] == 2
    assert (tries[0]["intentAt"], tries[1]["ended"], tries[1]["answeredBy"]) == (None, "published", "receipt")
    assert all(one["durationSeconds"] >= 0 for one in tries)
    assert "handles" not in tries[1]
    late = (await ada.post(f"/api/posts/{post_id}/cancel")).json["targets"][0]
    assert (late["answer"], late["platformPostUrl"]) == ("too_late", target["platformPostUrl"])
    gone = (await ada.ask("DELETE", f"/api/posts/{post_id}")).json
    assert "1 published copy stays" in gone["message"]
    assert gone["targets"][0]["platformPostUrl"] == target["platformPostUrl"]
    (notice,) = (await ada.get("/api/notices?unread=true")).json["notices"]
    assert notice["kind"] == "post.completed"
    assert (await ada.post(f"/api/notices/{notice['noticeId']}/read")).status == 204
    assert (await ada.get("/api/notices?unread=true")).json["notices"] == []
    assert (await ada.get("/api/notices")).json["notices"][0]["readAt"]


async def test_retrying_what_failed(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, scripted = stage
    scripted.preparing.append(Rejected("That word is not allowed.", code="BadWord"))
    post_id = await make(ada)
    told = await wait_for(ada, post_id, "failed")
    error = told["platformStatuses"][0]["error"]
    assert error == {"message": "That word is not allowed.", "code": "BadWord"}
    answer = await ada.post(f"/api/posts/{post_id}/retry")
    assert answer.json["targets"][0]["answer"] == "retrying"
    await wait_for(ada, post_id, "completed")
    assert (await ada.post(f"/api/posts/{post_id}/retry")).json["targets"][0]["answer"] == "unchanged"
    assert len(scripted.ledger) == 1


async def test_a_person_says_it_is_there(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, _ = stage
    post_id, answers = await doubt(stage)
    path = f"/api/posts/{post_id}/resolve"
    missing = await ada.post(path, answers | {"outcome": "published"})
    assert (missing.status, missing.rules) == (422, {("url", "missing")})
    elsewhere = await ada.post(path, answers | {"outcome": "published", "url": "https://elsewhere.example/1"})
    assert (elsewhere.status, elsewhere.rules) == (422, {("url", "not_a_post")})
    other = answers | {"attemptId": str(uuid4()), "outcome": "published", "url": "http://bluesky.invalid/r1"}
    assert (await ada.post(path, other)).status == 409
    said = await ada.post(path, answers | {"outcome": "published", "url": "http://bluesky.invalid/r1"})
    assert (said.status, said.json["status"], said.json["needsAttention"]) == (200, "COMPLETED", False)
    assert said.json["platformStatuses"][0]["platformPostUrl"] == "http://bluesky.invalid/r1"
    assert (await ada.post(path, answers | {"outcome": "absent"})).status == 409


async def test_a_person_says_it_is_not_there(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, scripted = stage
    post_id, answers = await doubt(stage)
    path = f"/api/posts/{post_id}/resolve"
    early = answers | {"outcome": "absent", "lookedAt": "2020-01-01T00:00:00Z"}
    assert (await ada.post(path, early)).status == 409
    said = await ada.post(path, answers | {"outcome": "absent"})
    assert (said.status, said.json["status"]) == (200, "FAILED")
    assert len(scripted.calls) == 1


async def test_a_person_permits_one_more_try(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, scripted = stage
    post_id, answers = await doubt(stage)
    scripted.ledger.clear()
    scripted.unclear = False
    said = await ada.post(f"/api/posts/{post_id}/resolve", answers | {"outcome": "absent", "retry": True})
    assert said.status == 200
    await wait_for(ada, post_id, "completed")
    assert len(scripted.ledger) == 1
    assert len(scripted.calls) == 2
