"""Reels and stories: named before their first byte, continued where they stopped, waited for without waiting."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.errors import Disconnected, LeaseLost, NotYet, PlatformError, Rejected, Unavailable, Unconfirmed, Unreachable
from hayon.outgoing import Answer, Stream
from hayon.platforms.contract import Parcel
from hayon.platforms.facebook import Facebook
from tests.platforms.facebook.scripted import (
    GONE,
    PAGE,
    UPLOAD,
    UPLOAD_URL,
    Scripted,
    Server,
    answered,
    film,
    page_account,
    page_parcel,
    phase,
    refused,
    state,
)
from tests.platforms.parcels import NOW, Checkpoints

ADAPTER = Facebook()
CONTENT = bytes(range(250)) * 4
SIZE = len(CONTENT)
STATUS = "GET /77"
STARTED = answered({"video_id": "77", "upload_url": UPLOAD_URL})
TOOK = answered({"success": True})
EDGES = [("reel", "video_reels"), ("story", "video_stories")]


def reel_parcel(kind: str = "reel", **changes: Any) -> Parcel:
    return page_parcel("Hello" if kind == "reel" else "", media=[film(CONTENT)], options={"kind": kind}, **changes)


def reels(edge: str = "video_reels", status: Any = None, **more: Any) -> Server:
    """A Page that takes a video whole."""
    return Server({phase(edge, "start"): STARTED, UPLOAD: TOOK, STATUS: status or [state()], **more})


async def prepared(server: Server, parcel: Parcel, saved: Checkpoints | None = None) -> Any:
    return await ADAPTER.prepare(parcel, saved or Checkpoints(), server.outgoing)


@pytest.mark.parametrize(("kind", "edge"), EDGES)
async def test_a_reel_or_story_is_named_kept_sent_and_asked_after(kind: str, edge: str) -> None:
    server, saved = reels(edge), Checkpoints()
    handles = await prepared(server, reel_parcel(kind), saved)
    assert server.calls == [phase(edge, "start"), UPLOAD, STATUS]
    words = {"description": "Hello"} if kind == "reel" else {}
    name = "reel" if kind == "reel" else "video_story"
    assert handles == {"kind": name, "pageId": PAGE, "videoId": "77", **words}
    assert [step["video"].get("handedOver") for step in saved.saved] == [None, True]
    assert saved.saved[0]["video"]["id"] == "77"
    sent = server.asked[1]
    assert server.taken == [CONTENT]
    assert isinstance(sent.body, Stream)
    assert sent.headers == {"Authorization": "OAuth page-token", "offset": "0", "file_size": str(SIZE)}


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_prepare_that_lost_its_lease_sends_nothing_more(steps: int) -> None:
    kept = Checkpoints()

    async def save(checkpoint: Any) -> None:
        if len(kept.saved) == steps:
            raise LeaseLost("another worker owns it")
        await kept(checkpoint)

    server = reels()
    with pytest.raises(LeaseLost):
        await ADAPTER.prepare(reel_parcel(), save, server.outgoing)
    assert server.calls == [phase("video_reels", "start"), UPLOAD][: steps + 1]
    again = reels(status=[*([state("uploading", "in_progress", received=0)] if steps else []), state()])
    handles = await prepared(again, replace(reel_parcel(), checkpoint=kept.last))
    assert handles["videoId"] == "77"
    assert (phase("video_reels", "start") in again.calls) is (steps == 0)


@pytest.mark.parametrize(
    ("received", "rest"), [(0, CONTENT), (1, CONTENT[1:]), (600, CONTENT[600:]), (SIZE - 1, CONTENT[-1:])]
)
async def test_an_upload_that_stopped_goes_on_from_there(received: int, rest: bytes) -> None:
    parcel, saved = reel_parcel(), Checkpoints()
    cut = Server({phase("video_reels", "start"): STARTED, UPLOAD: Unconfirmed("cut")})
    with pytest.raises(Unavailable):
        await prepared(cut, parcel, saved)
    server = reels(status=[state("uploading", "in_progress", received=received), state()])
    await prepared(server, replace(parcel, checkpoint=json.loads(json.dumps(saved.last))))
    assert server.calls == [STATUS, UPLOAD, STATUS]
    assert server.taken == [rest]
    assert server.asked[1].headers["offset"] == str(received)


async def test_an_upload_whose_answer_was_lost_is_not_sent_twice() -> None:
    parcel, saved = reel_parcel(), Checkpoints()
    cut = Server({phase("video_reels", "start"): STARTED, UPLOAD: Unconfirmed("cut")})
    with pytest.raises(Unavailable):
        await prepared(cut, parcel, saved)
    server = Server({STATUS: [state(received=SIZE)]})
    handles = await prepared(server, replace(parcel, checkpoint=saved.last))
    assert (handles["videoId"], server.taken) == ("77", [])


async def test_the_specifications_own_spelling_is_read_too() -> None:
    status = {
        "status": {"video_status": "uploading", "uploading_phase": {"status": "in_progress", "bytes_transferred": "7"}}
    }
    checkpoint = {"video": {"id": "77", "uploadUrl": UPLOAD_URL, "begunAt": NOW.isoformat()}}
    server = reels(status=[answered(status), state()])
    await prepared(server, replace(reel_parcel(), checkpoint=checkpoint))
    assert server.taken == [CONTENT[7:]]


@pytest.mark.parametrize(
    "working",
    [
        state("processing", processing="in_progress"),
        state("uploading", "in_progress"),
        answered({"status": {"video_status": "processing"}}),
        answered({}),
    ],
)
async def test_what_is_still_made_is_awaited_without_waiting_and_not_sent_again(working: Answer) -> None:
    parcel, saved = reel_parcel(), Checkpoints()
    server = reels(status=[working])
    with pytest.raises(NotYet) as raised:
        await prepared(server, parcel, saved)
    assert raised.value.wait_seconds > 0
    again = Server({STATUS: [working, state("ready", processing="complete")]})
    later = replace(parcel, checkpoint=saved.last)
    with pytest.raises(NotYet):
        await prepared(again, later, saved)
    assert (await prepared(again, later, saved))["videoId"] == "77"
    assert again.calls == [STATUS, STATUS]


@pytest.mark.parametrize(
    "ready",
    [
        state("upload_complete"),
        state("ready", processing="complete"),
        state("processing"),  # a reel is made only after it was published
        answered({"status": {"video_status": "upload_complete"}}),
        answered({"status": {"video_status": "ready"}}),
    ],
)
async def test_what_needs_no_more_is_handed_out(ready: Answer) -> None:
    assert (await prepared(reels(status=[ready]), reel_parcel()))["videoId"] == "77"


FAULTS = [
    state("error", processing="error"),
    state("upload_failed", "error"),
    state("expired"),
    state("processing", processing="error"),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_video_that_failed_is_handed_over_anew_and_given_up_at_the_second_time(fault: Answer) -> None:
    parcel, saved = reel_parcel(), Checkpoints()
    with pytest.raises(Unavailable):
        await prepared(reels(status=[fault]), parcel, saved)
    assert saved.last["video"] == {"failures": 1}
    server = reels(status=[fault])
    with pytest.raises(Rejected, match="2 times"):
        await prepared(server, replace(parcel, checkpoint=saved.last), saved)
    assert server.calls == [phase("video_reels", "start"), UPLOAD, STATUS]
    assert saved.last["video"] == {}  # a person's retry begins anew
    assert (await prepared(reels(), replace(parcel, checkpoint=saved.last)))["videoId"] == "77"


async def test_facebooks_own_words_are_quoted() -> None:
    fault = {
        "video_status": "error",
        "processing_phase": {"status": "error", "errors": [{"code": 1, "message": "bad\ncodec"}]},
    }
    with pytest.raises(Unavailable, match=r'"bad codec"'):
        await prepared(reels(status=[answered({"status": fault})]), reel_parcel())


@pytest.mark.parametrize(("hours", "begins"), [(19, False), (20, True)])
async def test_an_old_video_is_begun_anew_as_long_as_nothing_was_sent(hours: int, begins: bool) -> None:
    parcel, saved = reel_parcel(), Checkpoints()
    await prepared(reels(), parcel, saved)
    later = replace(parcel, checkpoint=saved.last, now=NOW + timedelta(hours=hours))
    server = reels()
    await prepared(server, later, saved)
    assert (phase("video_reels", "start") in server.calls) is begins


async def test_after_a_call_the_same_video_is_kept_however_old_it_is() -> None:
    parcel, saved = reel_parcel(), Checkpoints()
    handles = await prepared(reels(), parcel, saved)
    later = replace(parcel, checkpoint=saved.last, first_sent_at=NOW, now=NOW + timedelta(hours=50))
    assert await prepared(Server({STATUS: [state()]}), later) == handles


async def test_a_video_that_is_not_shown_for_a_moment_is_not_begun_anew() -> None:
    parcel, saved = reel_parcel(), Checkpoints()
    await prepared(reels(), parcel, saved)
    server = reels(status=[GONE])
    with pytest.raises(Unavailable):
        await prepared(server, replace(parcel, checkpoint=saved.last))
    assert server.calls == [STATUS]


@pytest.mark.parametrize(
    ("home", "named", "goes"),
    [
        ("https://graph.facebook.com", "https://rupload.facebook.com/video-upload/v25.0/78", True),
        ("https://graph.facebook.com", "https://graph.facebook.com/x", True),
        ("https://graph.facebook.com", "https://rupload.facebook.com:443/x", True),
        ("https://graph.facebook.com", "http://rupload.facebook.com/x", False),
        ("https://graph.facebook.com", "https://rupload.facebook.com:8443/x", False),
        ("https://graph.facebook.com", "https://facebook.com.evil.example/x", False),
        ("https://graph.facebook.com", "https://evilfacebook.com/x", False),
        ("https://graph.facebook.com", "https://facebook.com@evil.example/x", False),
        ("https://graph.facebook.com", "https://evil@rupload.facebook.com/x", False),
        ("https://graph.facebook.com", "//rupload.facebook.com/x", False),
        ("https://graph.facebook.com", "https://[::1/x", False),
        ("https://graph.facebook.com", None, False),
        ("http://sandbox.example:8001/facebook", "http://sandbox.example:8001/elsewhere/x", True),
        ("http://sandbox.example:8001/facebook", "http://sandbox.example:8002/x", False),
        ("http://sandbox.example:8001/facebook", "https://sandbox.example:8001/x", False),
        ("http://sandbox.example:8001/facebook", "https://rupload.facebook.com/x", False),
    ],
)
async def test_the_token_follows_no_address_that_is_not_the_accounts_own(
    home: str, named: str | None, goes: bool
) -> None:
    server = reels()
    start = phase("video_reels", "start")
    prefix = home.removeprefix("https://").removeprefix("http://")
    if home != "https://graph.facebook.com":
        start = f"POST {prefix}/v25.0/{PAGE}/video_reels start"
    server.answers[start] = answered({"video_id": "77", "upload_url": named})
    parcel = reel_parcel(account=replace(page_account(), host=home))
    with pytest.raises(Unreachable if goes else Unavailable):  # what is named stands in no script
        await prepared(server, parcel)
    assert len(server.asked) == (2 if goes else 1)
    assert server.asked[0].headers["Authorization"] == "Bearer page-token"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answered({"success": False}), Unavailable),
        (answered({"debug_info": {"retriable": True, "type": "OffsetInvalidError", "message": "?"}}, 400), Unavailable),
        (
            answered({"debug_info": {"retriable": True, "type": "PartialRequestError", "message": "?"}}, 400),
            Unavailable,
        ),
        (answered({"debug_info": {"retriable": False, "type": "ProcessingFailedError"}}, 400), Unavailable),
        (refused(190, 460, 401), Disconnected),
        (refused(6000), Rejected),
        (answered("<html>", 502), Unavailable),
    ],
)
async def test_a_refused_upload_is_told_as_what_it_is(answer: Scripted, error: type[PlatformError]) -> None:
    saved = Checkpoints()
    with pytest.raises(error) as raised:
        await prepared(reels(**{UPLOAD: answer}), reel_parcel(), saved)
    assert type(raised.value) is error
    assert raised.value.proves_absence is False
    assert "handedOver" not in saved.last["video"]


async def test_a_file_that_upload_cannot_use_counts_against_the_video() -> None:
    failed = answered({"debug_info": {"type": "ProcessingFailedError"}}, 400)
    parcel, saved = reel_parcel(), Checkpoints()
    for error in (Unavailable, Rejected):
        with pytest.raises(error):
            await prepared(reels(**{UPLOAD: failed}), replace(parcel, checkpoint=saved.last), saved)


@pytest.mark.parametrize("body", [{}, {"video_id": "a/b", "upload_url": UPLOAD_URL}, [], "<html>"])
async def test_a_start_that_names_no_video_is_no_start(body: Any) -> None:
    saved = Checkpoints()
    with pytest.raises(Unavailable):
        await prepared(reels(**{phase("video_reels", "start"): answered(body)}), reel_parcel(), saved)
    assert saved.saved == []
