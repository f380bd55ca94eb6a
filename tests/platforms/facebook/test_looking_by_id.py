"""Reconcile of drafts, videos and stories: each is asked after by the id that it had before it was sent."""

from datetime import timedelta
from typing import Any

import pytest

from hayon.errors import Unavailable
from hayon.outgoing import Answer
from hayon.platforms.contract import Absent, Found, Unclear
from tests.platforms.facebook.scripted import (
    GONE,
    PAGE,
    SENT,
    STORIES,
    Server,
    answered,
    look_at,
    post,
    state,
    story,
    summary,
)
from tests.platforms.parcels import NOW

PICTURE = {"kind": "photo_story", "photoIds": ["11"]}
FILM = {"kind": "video_story", "videoId": "77"}

# a draft


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answered(post(5)), ("found", f"{PAGE}_5", True)),
        (answered(post(5, is_published=False)), ("absent", None, None)),
        (answered({"id": f"{PAGE}_5"}), ("unclear", None, None)),
        (GONE, ("unclear", None, None)),
    ],
)
async def test_a_draft_says_whether_it_is_shown(answer: Answer, expected: Any) -> None:
    server = Server({f"GET /{PAGE}_5": answer})
    assert summary(await look_at(server, kind="draft", draftId=f"{PAGE}_5", message="Hello")) == expected


# videos: exact

LIVE = state("ready", processing="complete", publishing="complete", outcome="published")


@pytest.mark.parametrize("kind", ["reel", "video"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (LIVE, "found"),
        (state("ready", processing="complete", publishing="complete"), "found"),
        (answered({"status": {"video_status": "ready"}, "published": True}), "found"),
        (state("error", outcome="published"), "found"),
        (state(), "absent"),
        (state("ready", processing="complete", outcome="draft"), "absent"),
        (state("ready", processing="complete"), "absent"),
        (answered({"status": {"video_status": "ready"}, "published": False}), "absent"),
        (state("upload_complete"), "absent"),
        (state("error", processing="error"), "absent"),
        (state("ready", publishing="error", outcome="error"), "absent"),
        (state("expired", publishing="not_started"), "absent"),
        (state("processing", processing="in_progress"), "unclear"),
        (state("ready", processing="complete", publishing="in_progress"), "unclear"),
        (state("ready", processing="complete", outcome="scheduled"), "unclear"),
        (answered({"status": {"video_status": "processing"}}), "unclear"),
        (answered({"status": {"video_status": "ready"}}), "unclear"),  # neither shown nor hidden
        (answered({"id": "77"}), "unclear"),
        (GONE, "unclear"),
    ],
)
async def test_a_video_says_what_became_of_it(kind: str, answer: Answer, expected: str) -> None:
    server = Server({"GET /77": answer})
    look = await look_at(server, kind=kind, videoId="77", description="Hello")
    assert summary(look)[0] == expected
    assert set(server.asked[0].query["fields"].split(",")) >= {"status", "published", "permalink_url"}
    if isinstance(look, Found):
        assert (look.receipt.remote_id, look.exact, look.receipt.published_at) == ("77", True, SENT)


async def test_a_found_video_has_the_address_that_it_names() -> None:
    server = Server({"GET /77": state("ready", outcome="published", permalink_url="/reel/77/")})
    look = await look_at(server, kind="reel", videoId="77")
    assert isinstance(look, Found)
    assert look.receipt.url == "https://www.facebook.com/reel/77/"


async def test_why_a_video_failed_is_told() -> None:
    phases = {"processing_phase": {"status": "error", "errors": [{"message": "Too long"}]}}
    look = await look_at(
        Server({"GET /77": answered({"status": {"video_status": "error", **phases}})}), kind="reel", videoId="77"
    )
    assert isinstance(look, Absent)
    assert "Too long" in look.message


# stories: exact


@pytest.mark.parametrize(("handles", "media_id"), [(PICTURE, "11"), (FILM, "77")])
async def test_a_story_is_found_by_what_it_shows(handles: dict[str, Any], media_id: str) -> None:
    for shown in (story(media_id), story(media_id, status="ARCHIVED")):
        server = Server({STORIES: answered({"data": [story("5", post_id="4"), shown]})})
        look = await look_at(server, **handles)
        assert summary(look) == ("found", "6", True)
        assert isinstance(look, Found)
        assert look.receipt.url == "https://www.facebook.com/stories/6"
        assert look.receipt.published_at == SENT.replace(microsecond=0)
        assert server.asked[0].query["since"] == str(int((SENT - timedelta(minutes=5)).timestamp()))


@pytest.mark.parametrize(
    ("handles", "film", "expected"),
    [
        (PICTURE, None, ("absent", None, None)),
        (FILM, state(), ("absent", None, None)),
        (FILM, state("processing", processing="in_progress"), ("unclear", None, None)),
        (FILM, state("error"), ("absent", None, None)),
        (FILM, state("ready", outcome="published", post_id="6"), ("found", "6", True)),
        (FILM, state("ready", outcome="published"), ("found", "77", True)),
        (FILM, GONE, ("unclear", None, None)),
    ],
)
async def test_a_story_that_is_not_listed(handles: dict[str, Any], film: Answer | None, expected: Any) -> None:
    server = Server({STORIES: answered({"data": [story("5")]}), **({"GET /77": film} if film else {})})
    assert summary(await look_at(server, **handles)) == expected


@pytest.mark.parametrize("handles", [PICTURE, FILM])
async def test_after_a_day_a_story_that_is_not_listed_may_have_been_there(handles: dict[str, Any]) -> None:
    server = Server({STORIES: answered({"data": []}), "GET /77": state()})
    assert isinstance(await look_at(server, first_sent_at=NOW - timedelta(hours=21), **handles), Unclear)
    assert isinstance(await look_at(server, first_sent_at=NOW - timedelta(hours=19), **handles), Absent)


@pytest.mark.parametrize("page", [{"data": [{"post_id": "6"}]}, {"data": None}, {}])
async def test_a_list_of_stories_that_cannot_be_read_proves_nothing(page: Any) -> None:
    with pytest.raises(Unavailable):
        await look_at(Server({STORIES: answered(page)}), **PICTURE)
