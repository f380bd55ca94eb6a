"""Publishing: one call, made of the handles alone, and what each way its answer can go wrong proves."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.domain.model import Receipt
from hayon.errors import Disconnected, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed, Unreachable
from hayon.outgoing import Request
from hayon.platforms.facebook import Facebook
from tests.platforms.facebook.scripted import (
    CREDENTIAL,
    FEED,
    GONE,
    PAGE,
    POST,
    SENT,
    STORIES,
    Scripted,
    Server,
    answered,
    listed,
    page_account,
    page_parcel,
    post,
    refused,
)
from tests.platforms.parcels import NOW, Checkpoints, fixed_send

ADAPTER = Facebook()
TWO_PHASES = Facebook(two_phase_text=True)
PUBLIC = "https://www.facebook.com"
LINK = "https://example.com/a"

HANDLES: dict[str, dict[str, Any]] = {
    "text": {"kind": "post", "pageId": PAGE, "message": "Hello"},
    "link": {"kind": "post", "pageId": PAGE, "message": "Hello", "link": LINK},
    "photos": {"kind": "post", "pageId": PAGE, "message": "Hello", "photoIds": ["11", "12"], "photosUploadedAt": "…"},
    "draft": {"kind": "draft", "pageId": PAGE, "message": "Hello", "draftId": f"{PAGE}_5"},
    "reel": {"kind": "reel", "pageId": PAGE, "videoId": "77", "description": "Hello"},
    "video": {"kind": "video", "pageId": PAGE, "videoId": "77", "sessionId": "88", "description": "Hello"},
    "photo_story": {"kind": "photo_story", "pageId": PAGE, "photoIds": ["11"], "photosUploadedAt": "…"},
    "video_story": {"kind": "video_story", "pageId": PAGE, "videoId": "77"},
}
GOOD: dict[str, dict[str, Any]] = {
    **{kind: {"id": f"{PAGE}_9"} for kind in ("text", "link", "photos")},
    **{kind: {"success": True} for kind in ("draft", "reel", "video")},
    **{kind: {"success": True, "post_id": "6"} for kind in ("photo_story", "video_story")},
}
SENT_AS = {
    "text": (f"graph.facebook.com/v25.0/{PAGE}/feed", {"message": "Hello"}),
    "link": (f"graph.facebook.com/v25.0/{PAGE}/feed", {"message": "Hello", "link": LINK}),
    "photos": (
        f"graph.facebook.com/v25.0/{PAGE}/feed",
        {"message": "Hello", "attached_media[0]": '{"media_fbid": "11"}', "attached_media[1]": '{"media_fbid": "12"}'},
    ),
    "draft": (f"graph.facebook.com/v25.0/{PAGE}_5", {"is_published": "true"}),
    "reel": (
        f"graph.facebook.com/v25.0/{PAGE}/video_reels",
        {"upload_phase": "finish", "video_id": "77", "video_state": "PUBLISHED", "description": "Hello"},
    ),
    "video": (
        f"graph-video.facebook.com/v25.0/{PAGE}/videos",
        {"upload_phase": "finish", "upload_session_id": "88", "description": "Hello"},
    ),
    "photo_story": (f"graph.facebook.com/v25.0/{PAGE}/photo_stories", {"photo_id": "11"}),
    "video_story": (f"graph.facebook.com/v25.0/{PAGE}/video_stories", {"upload_phase": "finish", "video_id": "77"}),
}
RECEIPTS = {
    **dict.fromkeys(("text", "link", "photos"), (f"{PAGE}_9", f"{PUBLIC}/{PAGE}_9")),
    "draft": (f"{PAGE}_5", f"{PUBLIC}/{PAGE}_5"),
    **dict.fromkeys(("photo_story", "video_story"), ("6", None)),
}


async def sent_by(kind: str, **changes: Any) -> tuple[list[Request], Receipt | None]:
    """What was sent, and the receipt; a film's good answer is none yet."""
    sent: list[Request] = []

    async def send(request: Request) -> Any:
        sent.append(request)
        return answered(GOOD[kind])

    parcel = page_parcel(
        "words of a later version", options={"link": "https://other.example", "kind": "feed"}, **changes
    )
    try:
        return sent, await ADAPTER.publish(parcel, json.loads(json.dumps(HANDLES[kind])), send)
    except Unconfirmed:
        if kind in RECEIPTS:
            raise
        return sent, None


@pytest.mark.parametrize("kind", HANDLES)
async def test_one_call_is_made_with_the_handles_and_nothing_else(kind: str) -> None:
    (request,), _ = await sent_by(kind)
    address, form = SENT_AS[kind]
    assert (request.method, request.url) == ("POST", f"https://{address}")
    assert (request.form, dict(request.query)) == (form, {})
    assert request.headers["Authorization"] == "Bearer page-token"


@pytest.mark.parametrize("kind", RECEIPTS)
async def test_the_receipt_names_what_is_live(kind: str) -> None:
    _, receipt = await sent_by(kind)
    assert receipt is not None
    remote_id, url = RECEIPTS[kind]
    assert (receipt.remote_id, receipt.url, receipt.published_at) == (remote_id, url, NOW)
    if url is not None:
        assert ADAPTER.remote_id_in(url, page_account()) == remote_id


@pytest.mark.parametrize("kind", ["reel", "video"])
async def test_a_film_that_was_only_taken_is_looked_for(kind: str) -> None:
    """The answer says that the wish was heard; the film is made afterwards, and may fail."""
    with pytest.raises(Unconfirmed, match="makes it ready") as raised:
        await ADAPTER.publish(page_parcel(), HANDLES[kind], fixed_send(answered({"success": True})))
    assert raised.value.proves_absence is False


@pytest.mark.parametrize("kind", RECEIPTS)
async def test_elsewhere_the_address_is_left_to_the_platform(kind: str) -> None:
    _, receipt = await sent_by(kind, account=replace(page_account(), host="http://sandbox.example/facebook"))
    assert receipt is not None
    assert receipt.url is None


async def test_a_story_without_an_id_of_its_own_goes_by_what_it_shows() -> None:
    for kind, remote_id in (("photo_story", "11"), ("video_story", "77")):
        receipt = await ADAPTER.publish(page_parcel(), HANDLES[kind], fixed_send(answered({"success": True})))
        assert receipt.remote_id == remote_id


@pytest.mark.parametrize("kind", HANDLES)
@pytest.mark.parametrize(
    "body", ["<html>", "", [], None, {}, {"success": False}, {"id": ""}, {"success": "yes"}, "[" * 100_000]
)
async def test_a_good_answer_that_names_nothing_is_no_receipt_and_no_proof(kind: str, body: Any) -> None:
    with pytest.raises(Unconfirmed) as raised:
        await ADAPTER.publish(page_parcel(), HANDLES[kind], fixed_send(answered(body)))
    assert raised.value.proves_absence is False


ERRORS: list[tuple[Scripted, type[PlatformError], bool]] = [
    (refused(190, 463), Disconnected, True),
    (refused(200), Disconnected, True),
    (refused(100, message="Invalid parameter"), Rejected, True),
    # seven copies went live under this answer (arsduo/koala issue 699)
    (refused(2, 0, 500, "Service temporarily unavailable"), Unconfirmed, False),
    (refused(1, 99, 500), Unconfirmed, False),
    (refused(1363047), Unconfirmed, False),
    (refused(506), Unconfirmed, False),
    (refused(1366051), Unconfirmed, False),
    (refused(368, 1390008), Unconfirmed, False),
    (refused(32), Unconfirmed, False),
    (answered("<html>", 502), Unconfirmed, False),
    (answered({"id": "9", "error": {"code": 1}}), Unconfirmed, False),
    (Unconfirmed("cut"), Unconfirmed, False),
    (Unreachable("no name", host="graph.facebook.com"), Unreachable, True),
]


@pytest.mark.parametrize(("answer", "error", "proof"), ERRORS)
@pytest.mark.parametrize("kind", HANDLES)
async def test_what_an_error_means_and_proves(
    kind: str, answer: Scripted, error: type[PlatformError], proof: bool
) -> None:
    with pytest.raises(error) as raised:
        await ADAPTER.publish(page_parcel(), HANDLES[kind], fixed_send(answer))
    assert (type(raised.value), raised.value.proves_absence) == (error, proof)


@pytest.mark.parametrize("answer", [one for one, error, _ in ERRORS if error is not Unreachable])
async def test_after_an_unclear_call_no_refusal_proves_anything(answer: Scripted) -> None:
    with pytest.raises(PlatformError) as raised:
        await ADAPTER.publish(page_parcel(first_sent_at=SENT, doubted=True), HANDLES["photos"], fixed_send(answer))
    assert raised.value.proves_absence is False
    assert not isinstance(raised.value, RateLimited | Rejected | Unavailable)


# what settles, and what does not


@pytest.mark.parametrize("kind", HANDLES)
def test_only_words_alone_never_settle(kind: str) -> None:
    expected = None if kind in {"text", "link"} else timedelta(seconds=420)
    assert ADAPTER.settles(HANDLES[kind]) == expected
    assert ADAPTER.settles_within is None
    assert ADAPTER.fetches_media is False


# preparing words


@pytest.mark.parametrize(
    ("text", "link", "words"),
    [
        ("Hello", None, {"message": "Hello"}),
        (" Hello\n", LINK, {"message": " Hello\n", "link": LINK}),
        ("", LINK, {"link": LINK}),
        (" \n", LINK, {"link": LINK}),
    ],
)
async def test_words_need_no_call_and_no_checkpoint(text: str, link: str | None, words: dict[str, str]) -> None:
    server, saved = Server(), Checkpoints()
    parcel = page_parcel(text, options={"link": link} if link else {})
    assert await ADAPTER.prepare(parcel, saved, server.outgoing) == {"kind": "post", "pageId": PAGE, **words}
    assert (server.calls, saved.saved) == ([], [])


# two phases: an invisible post first


async def test_a_draft_is_made_unseen_kept_and_only_then_shown() -> None:
    server, saved = Server({POST: answered({"id": f"{PAGE}_5"})}), Checkpoints()
    parcel = page_parcel("Hello", options={"link": LINK})
    handles = await TWO_PHASES.prepare(parcel, saved, server.outgoing)
    assert handles == {"kind": "draft", "pageId": PAGE, "message": "Hello", "link": LINK, "draftId": f"{PAGE}_5"}
    assert server.asked[0].form == {"message": "Hello", "link": LINK, "published": "false"}
    assert [list(step["draft"]) for step in saved.saved] == [["askedAt"], ["id"]]
    again = replace(parcel, checkpoint=saved.last)
    assert await TWO_PHASES.prepare(again, saved, Server().outgoing) == handles


HIDDEN = post(5, at=NOW, is_published=False)


@pytest.mark.parametrize(
    ("posts", "makes"),
    [
        ([HIDDEN], False),
        ([], True),
        ([post(5, at=NOW)], True),  # that one is shown: it is another
        ([{**HIDDEN, "message": "Other"}], True),
        ([HIDDEN, {**HIDDEN, "id": f"{PAGE}_6"}], True),  # nobody knows which
        ([post(5, at=NOW - timedelta(hours=1), is_published=False)], True),
    ],
)
async def test_a_draft_whose_answer_was_lost_is_looked_for(posts: list[dict[str, Any]], makes: bool) -> None:
    parcel, saved = page_parcel("Hello"), Checkpoints()
    with pytest.raises(Unavailable):
        await TWO_PHASES.prepare(parcel, saved, Server({POST: Unconfirmed("cut")}).outgoing)
    server = listed(*posts, **{POST: answered({"id": f"{PAGE}_8"})})
    later = replace(parcel, checkpoint=saved.last, now=NOW + timedelta(seconds=30))
    handles = await TWO_PHASES.prepare(later, saved, server.outgoing)
    assert handles["draftId"] == (f"{PAGE}_8" if makes else f"{PAGE}_5")
    assert server.calls == ([FEED, POST] if makes else [FEED])
    assert saved.last["draft"] == {"id": handles["draftId"]}


async def test_the_search_goes_back_to_the_first_asking() -> None:
    parcel, saved = page_parcel("Hello"), Checkpoints()
    for minutes in (0, 30):
        later = replace(parcel, checkpoint=saved.last, now=NOW + timedelta(minutes=minutes))
        lost = Server({FEED: answered({"data": []}), POST: Unconfirmed("cut")})
        with pytest.raises(Unavailable):
            await TWO_PHASES.prepare(later, saved, lost.outgoing)
    assert saved.last["draft"] == {"askedAt": NOW.isoformat()}


# afterwards


@pytest.mark.parametrize(
    ("answer", "url"),
    [
        ({"permalink_url": f"{PUBLIC}/{PAGE}/posts/9"}, f"{PUBLIC}/{PAGE}/posts/9"),
        ({"permalink_url": "/reel/77/"}, f"{PUBLIC}/reel/77/"),  # videos have a path only
        ({"permalink_url": "javascript:alert(1)"}, None),
        ({"permalink_url": "https://[::1"}, None),
        ({}, None),
    ],
)
async def test_a_post_is_located(answer: Any, url: str | None) -> None:
    server = Server({"GET /9": answered(answer), STORIES: answered({"data": []})})
    assert await ADAPTER.locate(page_account(), CREDENTIAL, "9", server.outgoing) == url
    assert server.asked[0].query == {"fields": "permalink_url"}
    assert {request.method for request in server.asked} == {"GET"}


async def test_a_story_is_located_in_the_list_of_stories() -> None:
    stories = [
        {"post_id": "5", "media_id": "1", "url": "https://x.example"},
        {"post_id": "6", "media_id": "2", "url": f"{PUBLIC}/stories/6"},
    ]
    server = Server({"GET /6": GONE, STORIES: answered({"data": stories})})
    assert await ADAPTER.locate(page_account(), CREDENTIAL, "6", server.outgoing) == f"{PUBLIC}/stories/6"


async def test_what_cannot_be_located_is_no_error() -> None:
    for answers in ({}, {"GET /9": refused(190)}, {"GET /9": answered("<html>", 502)}):
        assert await ADAPTER.locate(page_account(), CREDENTIAL, "9", Server(dict(answers)).outgoing) is None


@pytest.mark.parametrize(
    ("answers", "gone"),
    [
        ({"DELETE /9": answered({"success": True})}, True),
        ({"DELETE /9": GONE, "GET /9": GONE}, True),
        ({"DELETE /9": GONE, "GET /9": answered({"id": "9"})}, False),
        ({"DELETE /9": refused(200)}, False),
    ],
)
async def test_a_post_is_removed(answers: dict[str, Any], gone: bool) -> None:
    server = Server(answers)
    if gone:
        assert await ADAPTER.remove(page_account(), CREDENTIAL, "9", server.outgoing) is True
    else:
        with pytest.raises(PlatformError):
            await ADAPTER.remove(page_account(), CREDENTIAL, "9", server.outgoing)


async def test_without_a_token_nothing_is_sent() -> None:
    server = Server()
    for call in (
        ADAPTER.prepare(replace(page_parcel(), credential={}), Checkpoints(), server.outgoing),
        ADAPTER.publish(replace(page_parcel(), credential={}), HANDLES["text"], server.send),
        ADAPTER.remove(page_account(), {}, "9", server.outgoing),
    ):
        with pytest.raises(Disconnected):
            await call
    assert not server.asked
