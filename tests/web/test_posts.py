"""Posts through the API: taken in whole or not at all, shown as the seeds draw them, edited, listed, deleted."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from hayon.store import replays
from hayon.store.schema import posts
from tests.web.house import Answer, House, Visitor


def simple(**more: Any) -> dict[str, Any]:
    """A post that fits."""
    return {"content": {"text": "Hello from the garden"}, "selectedPlatforms": ["bluesky"]} | more


async def make(visitor: Visitor, **more: Any) -> str:
    """A post taken in; its id."""
    answer = await visitor.post("/api/posts", simple(**more))
    assert answer.status == 201, answer.text
    return str(answer.json["postId"])


def later(hours: float = 2) -> str:
    """A time ahead."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


async def test_a_post_is_taken_in(ada: Visitor) -> None:
    answer = await ada.post("/api/posts", simple(), headers={"X-Correlation-Id": "my-trace.1"})
    assert answer.status == 201
    made = answer.json
    assert made["status"] == "PENDING"
    assert made["correlationId"] == answer.headers["X-Correlation-Id"] == "my-trace.1"
    (target,) = made["platformStatuses"]
    assert target["platform"] == "bluesky"
    assert target["handle"] == "ada.test"
    assert target["status"] == "pending"
    assert target["platformPostUrl"] is None
    assert target["error"] is None
    assert target["question"] is None
    assert (await ada.get(f"/api/posts/{made['postId']}/status")).json["platformStatuses"] == [target]


async def test_the_whole_model_comes_back(house: House, ada: Visitor) -> None:
    other = await house.account(ada, "mastodon", "ada@social.test")
    given = simple(
        content={"text": "Bonjour", "mediaItems": [], "options": {"languages": ["fr"]}},
        platformSpecificContent={"mastodon": {"text": "Bonjour le Fediverse"}, str(other): {"options": {}}},
        selectedPlatforms=["bluesky", "mastodon"], accountIds=[str(other)], scheduledAt="2030-07-01T09:30",
        timezone="Asia/Kolkata", maxLatenessSeconds=600,
    )  # fmt: skip
    given["content"]["options"] = {}
    made = (await ada.post("/api/posts", given)).json
    assert made["status"] == "SCHEDULED"
    post = (await ada.get(f"/api/posts/{made['postId']}")).json
    assert post["content"] == {"text": "Bonjour", "mediaItems": [], "options": {}}
    assert post["platformSpecificContent"]["mastodon"] == {
        "text": "Bonjour le Fediverse", "mediaItems": None, "options": {},
    }  # fmt: skip
    assert post["selectedPlatforms"] == ["bluesky", "mastodon"]
    assert post["accountIds"] == [str(other)]
    assert len(post["platformStatuses"]) == 2
    assert post["scheduledAt"] == "2030-07-01T04:00:00.000Z"
    assert post["timezone"] == "Asia/Kolkata"
    assert post["maxLatenessSeconds"] == 600
    assert (post["version"], post["needsAttention"], post["correlationId"]) == (1, False, made["correlationId"])
    assert post["createdAt"].endswith("Z")
    assert post["updatedAt"].endswith("Z")


async def test_without_a_time_zone_it_is_the_authors_own(house: House) -> None:
    visitor = house.visitor(**{"Sec-Fetch-Site": "same-origin"})
    given = {"email": "a@b.c", "password": "a long password", "timezone": "America/New_York"}
    visitor.person_id = UUID((await visitor.post("/api/auth/register", given)).json["id"])
    await house.account(visitor)
    post_id = await make(visitor, scheduledAt="2030-07-01T09:30")
    assert (await visitor.get(f"/api/posts/{post_id}")).json["scheduledAt"] == "2030-07-01T13:30:00.000Z"


async def test_a_dry_run_says_how_it_would_fit_and_writes_nothing(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", "ada@social.test")
    given = simple(content={"text": "x" * 310}, selectedPlatforms=["bluesky", "mastodon", "friendster"])
    answer = await ada.post("/api/posts?dryRun=true", given)
    assert answer.status == 200
    bluesky, mastodon = answer.json["targets"]
    assert (bluesky["length"], bluesky["limit"], mastodon["length"], mastodon["limit"]) == (310, 300, 310, 500)
    assert [(one["field"], one["rule"]) for one in bluesky["problems"]] == [("text", "too_long")]
    assert "10 too many" in bluesky["problems"][0]["message"]
    assert mastodon["problems"] == []
    assert [one["rule"] for one in answer.json["problems"]] == ["unknown_platform"]
    assert (await ada.get("/api/posts")).json == {"posts": [], "nextCursor": None}


async def test_the_short_form(house: House, ada: Visitor) -> None:
    answer = await ada.post("/api/bluesky/post", {"text": "Just this", "scheduledAt": later()})
    assert answer.status == 201
    assert answer.json["status"] == "SCHEDULED"
    post = (await ada.get(f"/api/posts/{answer.json['postId']}")).json
    assert (post["content"]["text"], post["selectedPlatforms"]) == ("Just this", ["bluesky"])
    assert (await ada.post("/api/friendster/post", {"text": "x"})).rules == {
        ("selectedPlatforms[0]", "unknown_platform")
    }
    assert (await ada.post("/api/mastodon/post", {"text": "x"})).rules == {("selectedPlatforms[0]", "no_account")}


async def test_the_same_key_makes_one_post(ada: Visitor) -> None:
    key = {"Idempotency-Key": "order-1"}
    first = await ada.post("/api/posts", simple(), headers=key)
    await ada.post(f"/api/posts/{first.json['postId']}/cancel")
    again = await ada.post("/api/posts", simple(), headers=key)
    assert (again.status, again.json) == (first.status, first.json)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await ada.post("/api/posts", simple(content={"text": "Something else"}), headers=key)
    assert (other.status, other.json["title"]) == (409, "This Idempotency-Key was used for something else")
    assert other.json["type"] == "urn:hayon:problem:key-reused"
    await ada.ask("DELETE", f"/api/posts/{first.json['postId']}")
    assert (await ada.post("/api/posts", simple(), headers=key)).json == first.json
    assert (await ada.get("/api/posts")).json["posts"] == []


async def test_the_same_key_at_the_same_moment_makes_one_post(house: House, ada: Visitor) -> None:
    program = await house.program(ada)
    key = {"Idempotency-Key": "order-2"}
    answers: list[Answer] = await asyncio.gather(
        *(program.post("/api/posts", simple(), headers=key) for _ in range(12))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len((await ada.get("/api/posts")).json["posts"]) == 1


async def test_the_answer_kept_first_is_the_answer(house: House, ada: Visitor) -> None:
    await ada.post("/api/posts", simple(), headers={"Idempotency-Key": "order-4"})
    database = house.hayon.database
    first = await database.read(replays.find_answer, ada.person_id, "order-4")
    assert await database.write(replays.keep_answer, ada.person_id, "order-4", {"postId": "another"}) == first
    assert await database.read(replays.find_answer, ada.person_id, "order-4") == first


async def test_a_key_belongs_to_its_person(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    await house.account(bob)
    key = {"Idempotency-Key": "order-3"}
    first = await ada.post("/api/posts", simple(), headers=key)
    second = await bob.post("/api/posts", simple(), headers=key)
    assert second.status == 201
    assert first.json["postId"] != second.json["postId"]


async def test_posts_are_listed_in_pages(ada: Visitor) -> None:
    made = [await make(ada, draft=number % 2 == 0) for number in range(5)]
    seen: list[str] = []
    path = "/api/posts?limit=2"
    for _ in range(3):
        page = (await ada.get(path)).json
        seen += [post["postId"] for post in page["posts"]]
        path = f"/api/posts?limit=2&cursor={page['nextCursor']}"
    assert page["nextCursor"] is None
    assert seen == made[::-1]
    drafts = (await ada.get("/api/posts?status=DRAFT")).json["posts"]
    assert [post["postId"] for post in drafts] == made[::-2]
    both = (await ada.get("/api/posts?status=DRAFT&status=PENDING")).json["posts"]
    assert len(both) == 5


@pytest.mark.parametrize("cursor", ["x", "eA", "é", "MjAzMC0wMS0wMSB4", "-1", "////"])
async def test_a_cursor_that_is_none_is_refused(ada: Visitor, cursor: str) -> None:
    answer = await ada.get("/api/posts", params={"cursor": cursor})
    assert answer.status == 422
    assert answer.rules == {("cursor", "not_a_cursor")}


async def test_an_edit_changes_what_is_given_and_keeps_the_rest(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", "ada@social.test")
    post_id = await make(
        ada, scheduledAt="2030-07-01T09:30", timezone="Europe/Berlin", selectedPlatforms=["bluesky", "mastodon"],
        platformSpecificContent={"mastodon": {"text": "Elephant"}, "bluesky": {"text": "Butterfly"}},
    )  # fmt: skip
    path = f"/api/posts/{post_id}"
    before = (await ada.get(path)).json
    after = (await ada.ask("PATCH", path, {"content": {"text": "New words"}})).json
    assert after["content"]["text"] == "New words"
    assert after["version"] == before["version"] + 1
    for kept in ("scheduledAt", "timezone", "selectedPlatforms", "platformSpecificContent"):
        assert after[kept] == before[kept]
    moved = await ada.ask(
        "PATCH", path, {"scheduledAt": "2030-07-01T10:30", "platformSpecificContent": {"bluesky": None}}
    )
    assert moved.json["scheduledAt"] == "2030-07-01T08:30:00.000Z"
    assert list(moved.json["platformSpecificContent"]) == ["mastodon"]
    fewer = await ada.ask("PATCH", path, {"selectedPlatforms": ["mastodon"]})
    assert [one["platform"] for one in fewer.json["platformStatuses"]] == ["mastodon"]
    now = await ada.ask("PATCH", path, {"scheduledAt": None})
    assert (now.json["scheduledAt"], now.json["status"]) == (None, "PENDING")


async def test_an_edit_of_what_has_changed_is_refused(ada: Visitor) -> None:
    path = f"/api/posts/{await make(ada, scheduledAt=later())}"
    assert (await ada.ask("PATCH", path, {"content": {"text": "one"}, "version": 1})).status == 200
    late = await ada.ask("PATCH", path, {"content": {"text": "two"}, "version": 1})
    assert late.status == 409
    assert (await ada.get(path)).json["content"]["text"] == "one"


async def test_an_edit_that_does_not_fit_changes_nothing(ada: Visitor) -> None:
    path = f"/api/posts/{await make(ada, scheduledAt=later())}"
    before = (await ada.get(path)).text
    answer = await ada.ask("PATCH", path, {"content": {"text": "x" * 301}})
    assert answer.status == 422
    assert answer.rules == {("text", "too_long")}
    assert (await ada.get(path)).text == before


async def test_an_overdue_post_can_be_edited_while_nothing_was_sent(house: House, ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    past = datetime.now(UTC) - timedelta(hours=1)
    await house.hayon.database.write(
        lambda tx: tx.run(sa.update(posts).where(posts.c.id == UUID(post_id)).values(scheduled_at=past))
    )
    answer = await ada.ask("PATCH", f"/api/posts/{post_id}", {"content": {"text": "Better late"}})
    assert (answer.status, answer.json["content"]["text"]) == (200, "Better late")
    refused = await ada.ask("PATCH", f"/api/posts/{post_id}", {"scheduledAt": past.isoformat()})
    assert refused.rules == {("scheduledAt", "past")}


async def test_a_draft_takes_what_is_well_formed_and_goes_out_when_it_fits(ada: Visitor) -> None:
    made = (await ada.post("/api/posts", {"content": {"text": "x" * 400}, "draft": True})).json
    assert (made["status"], made["platformStatuses"]) == ("DRAFT", [])
    path = f"/api/posts/{made['postId']}"
    assert (await ada.post(f"{path}/submit")).rules == {("selectedPlatforms", "none_selected")}
    still = await ada.ask("PATCH", path, {"selectedPlatforms": ["bluesky"]})
    assert still.json["status"] == "DRAFT"
    assert (await ada.post(f"{path}/submit")).rules == {("text", "too_long")}
    await ada.ask("PATCH", path, {"content": {"text": "short"}})
    sent = await ada.post(f"{path}/submit")
    assert (sent.status, sent.json["status"], len(sent.json["platformStatuses"])) == (200, "PENDING", 1)
    assert (await ada.post(f"{path}/submit")).status == 409


async def test_a_draft_can_be_handed_in_by_an_edit(ada: Visitor) -> None:
    post_id = await make(ada, draft=True)
    sent = await ada.ask("PATCH", f"/api/posts/{post_id}", {"draft": False, "scheduledAt": later()})
    assert sent.json["status"] == "SCHEDULED"
    assert (await ada.ask("PATCH", f"/api/posts/{post_id}", {"draft": True})).status == 409


async def test_deleting_stops_and_hides(ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    answer = await ada.ask("DELETE", f"/api/posts/{post_id}")
    assert answer.status == 200
    (told,) = answer.json["targets"]
    assert (told["answer"], told["status"]) == ("cancelled", "cancelled")
    assert (await ada.get(f"/api/posts/{post_id}")).status == 404
    assert (await ada.ask("DELETE", f"/api/posts/{post_id}")).status == 404
    assert (await ada.get("/api/posts")).json["posts"] == []


async def test_posts_are_found_by_words_account_and_time(house: House, ada: Visitor) -> None:
    other = await house.account(ada, "mastodon", "ada@social.test")
    first = await make(ada, content={"text": "Apples from the garden"}, scheduledAt="2030-05-28T12:00:00Z")
    second = await make(ada, content={"text": "PEARS from the garden"}, accountIds=[str(other)], selectedPlatforms=[])
    for query, found in (
        ({"search": "garden"}, [second, first]), ({"search": "pears GARDEN"}, [second]), ({"search": "%"}, []),
        ({"accountId": str(other)}, [second]), ({"accountId": str(uuid4())}, []),
        ({"from": "2030-05-28T12:00:00Z"}, [first]), ({"to": "2030-05-28T12:00:00Z"}, [second]),
        ({"from": "2030-05-28T14:00:01+02:00"}, []), ({"status": "SCHEDULED", "search": "garden"}, [first]),
    ):  # fmt: skip
        listed = (await ada.get("/api/posts", params=query)).json["posts"]
        assert [one["postId"] for one in listed] == found, query
    for wrong in (
        {"from": "yesterday"},
        {"to": "0.5"},
        {"from": "1893456000"},
        {"to": "2030-05-28T12:00:00"},
        {"accountId": "x"},
        {"search": "x" * 201},
        {"search": "\x00"},
    ):
        assert (await ada.get("/api/posts", params=wrong)).status == 422, wrong
