"""Long videos: sent in the parts that Facebook asks for, each kept, and gone on with where they stopped."""

from dataclasses import replace
from typing import Any

import pytest

from hayon.errors import Disconnected, LeaseLost, PlatformError, Rejected, Unavailable, Unconfirmed
from hayon.outgoing import Answer
from hayon.platforms.contract import Parcel
from hayon.platforms.facebook import Facebook
from tests.platforms.facebook.scripted import (
    GONE,
    PAGE,
    Scripted,
    Server,
    answered,
    fields_of,
    page_account,
    page_parcel,
    phase,
    refused,
    state,
    wide_film,
)
from tests.platforms.parcels import NOW, Checkpoints

ADAPTER = Facebook()
CONTENT = bytes(range(250)) * 4
SIZE = len(CONTENT)
STATUS = "GET /77"
PART = phase("videos", "transfer").replace("POST ", "POST graph-video.facebook.com/v25.0")
START = phase("videos", "start").replace("POST ", "POST graph-video.facebook.com/v25.0")


async def prepared(server: Server, parcel: Parcel, saved: Checkpoints | None = None) -> Any:
    return await ADAPTER.prepare(parcel, saved or Checkpoints(), server.outgoing)


def offsets(start: int, end: int, **more: Any) -> Answer:
    return answered({"start_offset": str(start), "end_offset": str(end), **more})


def begun(end: int = 400) -> Answer:
    return offsets(0, end, video_id="77", upload_session_id="88")


def long_parcel(**changes: Any) -> Parcel:
    return page_parcel("Hello", media=[wide_film(CONTENT)], **changes)


async def test_a_long_video_is_sent_in_parts_and_each_is_kept() -> None:
    server = Server({START: begun(), PART: [offsets(400, 700), offsets(700, SIZE), offsets(SIZE, SIZE)]})
    saved = Checkpoints()
    handles = await prepared(server, long_parcel(), saved)
    assert handles == {
        "kind": "video", "pageId": PAGE, "description": "Hello", "videoId": "77", "sessionId": "88",
    }  # fmt: skip
    assert server.calls == [START, PART, PART, PART]
    assert fields_of(server.asked[0]) == {"upload_phase": "start", "file_size": str(SIZE)}
    assert server.taken == [CONTENT[:400], CONTENT[400:700], CONTENT[700:]]
    assert [fields_of(one)["start_offset"] for one in server.asked[1:]] == ["0", "400", "700"]
    assert {fields_of(one)["upload_session_id"] for one in server.asked[1:]} == {"88"}
    assert [(step["video"]["start"], step["video"]["end"]) for step in saved.saved] == [
        (0, 400), (400, 700), (700, SIZE), (SIZE, SIZE),
    ]  # fmt: skip


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("shown", [True, False])
async def test_a_long_video_goes_on_after_the_parts_it_kept(steps: int, shown: bool) -> None:
    kept = Checkpoints()

    async def save(checkpoint: Any) -> None:
        if len(kept.saved) == steps:
            raise LeaseLost("another worker owns it")
        await kept(checkpoint)

    whole = [offsets(400, 700), offsets(700, SIZE), offsets(SIZE, SIZE)]
    with pytest.raises(LeaseLost):
        await ADAPTER.prepare(long_parcel(), save, Server({START: begun(), PART: list(whole)}).outgoing)
    at = kept.last["video"]["start"]
    status = state("uploading", "in_progress", received=at) if shown else GONE
    server = Server({STATUS: status, PART: whole[steps - 1 :]})
    handles = await prepared(server, replace(long_parcel(), checkpoint=kept.last))
    assert handles["sessionId"] == "88"
    assert b"".join(server.taken) == CONTENT[at:]
    assert START not in server.calls


async def test_a_part_whose_answer_was_lost_is_not_sent_twice() -> None:
    saved = Checkpoints()
    cut = Server({START: begun(), PART: [offsets(400, 800), Unconfirmed("cut")]})
    with pytest.raises(Unavailable):
        await prepared(cut, long_parcel(), saved)
    server = Server({STATUS: state("uploading", "in_progress", received=800), PART: [offsets(SIZE, SIZE)]})
    await prepared(server, replace(long_parcel(), checkpoint=saved.last))
    assert server.taken == [CONTENT[800:]]


async def test_a_long_video_whose_last_answer_was_lost_is_there() -> None:
    saved = Checkpoints()
    with pytest.raises(Unavailable):
        await prepared(Server({START: begun(SIZE), PART: Unconfirmed("cut")}), long_parcel(), saved)
    server = Server({STATUS: state("upload_complete")})
    handles = await prepared(server, replace(long_parcel(), checkpoint=saved.last), saved)
    assert (handles["videoId"], server.calls) == ("77", [STATUS])
    assert (saved.last["video"]["start"], saved.last["video"]["end"]) == (SIZE, SIZE)


@pytest.mark.parametrize("at", [200, 600])
async def test_facebook_may_name_another_place_to_go_on_from(at: int) -> None:
    moved = refused(6001, 1363037, error_data={"start_offset": at, "end_offset": SIZE})
    server = Server({START: begun(), PART: [offsets(400, 800), moved, offsets(SIZE, SIZE)]})
    await prepared(server, long_parcel())
    assert server.taken == [CONTENT[:400], CONTENT[400:800], CONTENT[at:]]


async def test_facebook_may_not_do_so_for_ever() -> None:
    moved = refused(6001, 1363037, error_data={"start_offset": 0, "end_offset": 400})
    server = Server({START: begun(), PART: [moved] * 9})
    with pytest.raises(Unavailable):
        await prepared(server, long_parcel())
    assert len(server.calls) == 5


@pytest.mark.parametrize(
    "answer", [offsets(0, 400), offsets(400, SIZE + 1), answered({"start_offset": -1, "end_offset": 5}), answered({})]
)
async def test_an_answer_that_leads_nowhere_ends_the_try(answer: Answer) -> None:
    server = Server({START: begun(), PART: [answer, answer]})
    with pytest.raises(Unavailable):
        await prepared(server, long_parcel())
    assert len(server.calls) == 2


@pytest.mark.parametrize("subcode", [1363033, 1363041])
async def test_an_upload_that_facebook_gave_up_is_begun_anew(subcode: int) -> None:
    saved = Checkpoints()
    with pytest.raises(Unavailable):
        await prepared(Server({START: begun(), PART: refused(6001, subcode)}), long_parcel(), saved)
    server = Server({START: begun(SIZE), PART: offsets(SIZE, SIZE)})
    assert (await prepared(server, replace(long_parcel(), checkpoint=saved.last)))["videoId"] == "77"
    assert server.calls == [START, PART]


async def test_a_long_video_that_is_there_is_not_sent_again() -> None:
    saved = Checkpoints()
    await prepared(Server({START: begun(SIZE), PART: offsets(SIZE, SIZE)}), long_parcel(), saved)
    again = replace(long_parcel(), checkpoint=saved.last, first_sent_at=NOW)
    for status in (state("uploading", received=SIZE), state("processing"), GONE):
        server = Server({STATUS: status})
        assert (await prepared(server, again))["sessionId"] == "88"
        assert server.calls == [STATUS]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(190), Disconnected),
        (refused(382), Rejected),
        (refused(389), Unavailable),
        (answered("", 500), Unavailable),
    ],
)
async def test_a_refused_part_is_told_as_what_it_is(answer: Scripted, error: type[PlatformError]) -> None:
    saved = Checkpoints()
    with pytest.raises(error) as raised:
        await prepared(Server({START: begun(), PART: answer}), long_parcel(), saved)
    assert type(raised.value) is error
    assert raised.value.proves_absence is False
    assert saved.last["video"]["start"] == 0


async def test_elsewhere_parts_go_to_the_accounts_own_host() -> None:
    home = "http://sandbox.example/facebook"
    path = f"POST sandbox.example/facebook/v25.0/{PAGE}/videos"
    server = Server({f"{path} start": begun(SIZE), f"{path} transfer": offsets(SIZE, SIZE)})
    await prepared(server, long_parcel(account=replace(page_account(), host=home)))
    assert server.calls == [f"{path} start", f"{path} transfer"]
