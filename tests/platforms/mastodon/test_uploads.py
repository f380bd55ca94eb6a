"""Pictures and videos: handed over once, remembered, asked after, and never doubled once a call was made with them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hayon.errors import Disconnected, NotYet, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed
from hayon.outgoing import Stream
from hayon.platforms.contract import Found
from tests.platforms.mastodon.conftest import ADAPTER, Home, make_film, make_picture
from tests.platforms.mastodon.scripted import ADDRESS, CREDENTIAL, UPLOAD, Scripted, Server, answered, refused
from tests.platforms.parcels import NOW, Checkpoints, Picture, make_account, make_parcel


async def test_each_picture_is_kept_in_the_checkpoint_before_the_next(home: Home) -> None:
    pictures = [make_picture("teal"), make_picture("red")]
    parcel, saved = home.parcel("Two", pictures=pictures), Checkpoints()
    handles = await home.prepare(parcel, saved)
    names = [str(picture.media_id) for picture in pictures]
    assert [list(checkpoint["uploads"]) for checkpoint in saved.saved] == [names[:1], names]
    assert handles["mediaIds"] == [saved.last["uploads"][name]["id"] for name in names]
    assert handles["mediaUploadedAt"] == parcel.now.isoformat()


async def test_a_later_prepare_goes_on_where_the_first_one_stopped(home: Home) -> None:
    parcel, saved = home.parcel("Two", pictures=[make_picture("teal"), make_picture("red")]), Checkpoints()
    home.world.faults.add("mastodon", "refuse", "uploadMedia", status=503, skip=1)
    with pytest.raises(Unavailable):
        await home.prepare(parcel, saved)
    assert len(saved.saved) == 1
    home.world.requests.clear()
    handles = await home.prepare(replace(parcel, checkpoint=saved.last), saved)
    assert home.operations() == ["getMedia", "uploadMedia"]
    again = await home.prepare(replace(parcel, checkpoint=saved.last), saved)
    assert again == handles
    assert home.operations()[2:] == ["getMedia", "getMedia"]
    assert len(saved.saved) == 2


async def test_an_upload_whose_answer_was_lost_is_made_again(home: Home) -> None:
    parcel, saved = home.parcel("One", pictures=[make_picture()]), Checkpoints()
    home.world.faults.add("mastodon", "accept_then_drop", "uploadMedia")
    with pytest.raises(Unavailable) as raised:
        await home.prepare(parcel, saved)
    assert not isinstance(raised.value, Unconfirmed)
    assert saved.saved == []
    await home.publish(parcel, await home.prepare(parcel, saved))
    assert home.copies() == 1


async def test_what_is_still_prepared_is_awaited_without_waiting(home: Home) -> None:
    home.world.faults.add("mastodon", "slow_media", seconds=60)
    parcel, saved = home.parcel("Slow", pictures=[make_picture("teal"), make_picture("red")]), Checkpoints()
    for expected in (["uploadMedia", "getMedia"] * 2, ["getMedia"] * 2):
        home.world.requests.clear()
        with pytest.raises(NotYet) as raised:
            await home.prepare(replace(parcel, checkpoint=saved.last), saved)
        assert raised.value.wait_seconds > 0
        assert home.operations() == expected
    home.world.advance(61)
    handles = await home.prepare(replace(parcel, checkpoint=saved.last), saved)
    await home.publish(parcel, handles)
    assert home.copies() == 1


async def test_published_too_early_nothing_is_live(home: Home) -> None:
    home.world.faults.add("mastodon", "slow_media", seconds=60)
    parcel, saved = home.parcel("Early", pictures=[make_picture()]), Checkpoints()
    with pytest.raises(NotYet):
        await home.prepare(parcel, saved)
    (upload,) = saved.last["uploads"].values()
    handles = {
        "idempotencyKey": "key",
        "accountId": home.account.remote_id,
        "status": "Early",
        "mediaIds": [upload["id"]],
    }
    with pytest.raises(Unavailable) as raised:
        await home.publish(parcel, handles)
    assert raised.value.proves_absence
    assert home.copies() == 0


async def test_a_picture_that_cannot_be_prepared_is_refused_and_a_retry_begins_anew(home: Home) -> None:
    home.world.faults.add("mastodon", "failed_media")
    parcel, saved = home.parcel("Bad", pictures=[make_picture()]), Checkpoints()
    with pytest.raises(Rejected, match="Error processing"):
        await home.prepare(parcel, saved)
    assert saved.last["uploads"] == {}
    handles = await home.prepare(replace(parcel, checkpoint=saved.last), saved)
    assert len(handles["mediaIds"]) == 1


async def test_a_picture_the_instance_breaks_over_is_refused_at_the_third_time(home: Home) -> None:
    broken = Picture(b"\x89PNG\r\n\x1a\n" + b"broken" * 20)
    parcel, saved = home.parcel("Broken", pictures=[broken]), Checkpoints()
    raised: list[type[PlatformError]] = []
    for _ in range(3):
        with pytest.raises(PlatformError) as error:
            await home.prepare(replace(parcel, checkpoint=saved.last), saved)
        raised.append(type(error.value))
    assert raised == [Unavailable, Unavailable, Rejected]


async def test_an_outage_in_front_of_the_instance_is_not_the_pictures_fault(home: Home) -> None:
    home.world.faults.add("mastodon", "refuse", "uploadMedia", status=500, body="<html>broken</html>", count=5)
    parcel, saved = home.parcel("Fine", pictures=[make_picture()]), Checkpoints()
    for _ in range(5):
        with pytest.raises(Unavailable):
            await home.prepare(replace(parcel, checkpoint=saved.last), saved)
    assert len((await home.prepare(replace(parcel, checkpoint=saved.last), saved))["mediaIds"]) == 1


@pytest.mark.parametrize("hours", [19, 21])
async def test_old_uploads_are_not_relied_upon(home: Home, hours: int) -> None:
    parcel, saved = home.parcel("Old", pictures=[make_picture()]), Checkpoints()
    first = await home.prepare(parcel, saved)
    home.world.requests.clear()
    later = replace(parcel, checkpoint=saved.last, now=parcel.now + timedelta(hours=hours))
    second = await home.prepare(later, saved)
    assert home.operations() == (["getMedia"] if hours == 19 else ["uploadMedia"])
    assert (first["mediaIds"] == second["mediaIds"]) is (hours == 19)


async def test_uploads_the_instance_threw_away_are_made_again(home: Home) -> None:
    parcel, saved = home.parcel("Lost", pictures=[make_picture()]), Checkpoints()
    first = await home.prepare(parcel, saved)
    home.world.happen(("media_gone", {"media_id": first["mediaIds"][0]}))
    second = await home.prepare(replace(parcel, checkpoint=saved.last), saved)
    assert first["mediaIds"] != second["mediaIds"]
    await home.publish(parcel, second)


async def test_once_a_call_was_made_a_missing_picture_is_not_uploaded_anew(home: Home) -> None:
    """It may hang on the post that this call made: the same id lets the instance refuse, and a look find it."""
    parcel, saved = home.parcel("Mine", pictures=[make_picture()]), Checkpoints()
    handles = await home.prepare(parcel, saved)
    home.world.faults.add("mastodon", "accept_then_drop", "createStatus")
    with pytest.raises(Unconfirmed):
        await home.publish(parcel, handles)
    again = replace(parcel, checkpoint=saved.last, first_sent_at=parcel.now)
    assert await home.prepare(again, saved) == handles
    with pytest.raises(Unconfirmed, match="already attached"):
        await home.publish(again, {**handles, "idempotencyKey": "as if forgotten"})
    assert isinstance(await home.look(again, handles), Found)
    assert home.copies() == 1


async def test_after_a_call_an_old_picture_is_asked_after_before_it_is_uploaded_anew(home: Home) -> None:
    parcel, saved = home.parcel("Old", pictures=[make_picture()]), Checkpoints()
    handles = await home.prepare(parcel, saved)
    late = replace(parcel, checkpoint=saved.last, first_sent_at=parcel.now, now=parcel.now + timedelta(hours=30))
    assert (await home.prepare(late, saved))["mediaIds"] == handles["mediaIds"]
    home.world.happen(("media_gone", {"media_id": handles["mediaIds"][0]}))
    assert (await home.prepare(late, saved))["mediaIds"] != handles["mediaIds"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(422, "Validation failed: File content type is invalid"), Rejected),
        (answered("<html>", 413), Rejected),
        (refused(401, "The access token is invalid"), Disconnected),
        (refused(429, "Too many requests"), RateLimited),
        (refused(404, "Not Found"), Unavailable),
        (answered("<html>", 502), Unavailable),
        (answered("<html>", 200), Unavailable),
        (answered({"id": 5}), Unavailable),
        (answered([]), Unavailable),
    ],
)
async def test_a_refused_upload_is_told_as_what_it_is(answer: Scripted, error: type[PlatformError]) -> None:
    account = make_account("mastodon", ADDRESS, "7")
    parcel = make_parcel(account, CREDENTIAL, "x", pictures=[make_picture()])
    with pytest.raises(error) as raised:
        await ADAPTER.prepare(parcel, Checkpoints(), Server({UPLOAD: answer}).outgoing)
    assert type(raised.value) is error
    assert raised.value.proves_absence is False


async def test_an_upload_carries_its_kind_and_its_words() -> None:
    server = Server({UPLOAD: answered({"id": "1"})})
    pictures = [make_picture(alt_text="words"), replace(make_picture(), mime="image/webp")]
    parcel = make_parcel(make_account("mastodon", ADDRESS, "7"), CREDENTIAL, "x", pictures=pictures)
    await ADAPTER.prepare(parcel, Checkpoints(), server.outgoing)
    described, bare = ({part.name: part for part in request.parts or ()} for request in server.asked)
    assert described["description"].content == "words"
    assert (described["file"].content, described["file"].mime) == (pictures[0].content, "image/png")
    assert (bare["file"].filename, bare["file"].mime) == (f"{pictures[1].media_id}.webp", "image/webp")
    assert "description" not in bare


@pytest.mark.parametrize(("mime", "ending"), [("video/mp4", "mp4"), ("video/webm", "webm"), ("video/quicktime", "mov")])
async def test_a_video_is_handed_over_in_pieces(mime: str, ending: str) -> None:
    server = Server({UPLOAD: answered({"id": "1"})})
    given = replace(make_film("a red corner"), mime=mime)
    parcel = make_parcel(make_account("mastodon", ADDRESS, "7"), CREDENTIAL, "x", pictures=[given])
    await ADAPTER.prepare(parcel, Checkpoints(), server.outgoing)
    (request,) = server.asked
    parts = {part.name: part for part in request.parts or ()}
    content = parts["file"].content
    assert isinstance(content, Stream)  # never in memory whole
    assert content.size == len(given.content)
    assert b"".join([piece async for piece in content.open()]) == given.content
    assert (parts["file"].filename, parts["file"].mime) == (f"{given.media_id}.{ending}", mime)
    assert parts["description"].content == "a red corner"


async def test_a_video_the_instance_cannot_process_is_refused(home: Home) -> None:
    home.world.faults.add("mastodon", "failed_media")
    with pytest.raises(Rejected, match="picture or video"):
        await home.prepare(home.parcel("Bad", pictures=[make_film()]))


async def test_ids_of_the_instance_cannot_lead_elsewhere() -> None:
    server = Server({UPLOAD: answered({"id": "../../evil?x=1#y"}, 202)})
    parcel = make_parcel(make_account("mastodon", ADDRESS, "7"), CREDENTIAL, "x", pictures=[make_picture()], now=NOW)
    with pytest.raises(PlatformError):
        await ADAPTER.prepare(parcel, Checkpoints(), server.outgoing)
    assert server.asked[-1].url == f"{ADDRESS}/api/v1/media/..%2F..%2Fevil%3Fx%3D1%23y"
