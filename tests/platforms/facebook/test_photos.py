"""Pictures: uploaded unseen, each remembered before the next, and never doubled without need."""

import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from hayon.errors import Disconnected, LeaseLost, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed
from hayon.outgoing import Part
from hayon.platforms.facebook import Facebook
from tests.platforms.facebook.scripted import (
    GONE,
    PAGE,
    PHOTOS,
    Scripted,
    Server,
    answered,
    page_parcel,
    refused,
)
from tests.platforms.parcels import NOW, Checkpoints, Picture

ADAPTER = Facebook()


def picture(colour: str = "teal", kind: str = "PNG", alt_text: str = "") -> Picture:
    kept = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(kept, kind)
    return Picture(kept.getvalue(), alt_text, f"image/{kind.lower()}", 40, 30)


def uploads(*ids: str) -> Server:
    return Server({PHOTOS: [answered({"id": one}) for one in ids]})


def parts_of(server: Server, number: int) -> dict[str, Part]:
    return {part.name: part for part in server.asked[number].parts or ()}


async def test_each_picture_is_uploaded_unseen_and_kept_before_the_next() -> None:
    server, saved = uploads("11", "12"), Checkpoints()
    pictures = [picture("teal", alt_text="all teal"), picture("red", "WEBP")]
    handles = await ADAPTER.prepare(page_parcel("Two", media=pictures), saved, server.outgoing)
    assert server.calls == [PHOTOS, PHOTOS]
    assert [[one["id"] for one in step["photos"].values()] for step in saved.saved] == [["11"], ["11", "12"]]
    assert handles == {
        "kind": "post",
        "pageId": PAGE,
        "message": "Two",
        "photoIds": ["11", "12"],
        "photosUploadedAt": NOW.isoformat(),
    }
    assert json.loads(json.dumps(handles)) == handles
    first, second = parts_of(server, 0), parts_of(server, 1)
    assert first["published"].content == second["published"].content == "false"
    assert first["alt_text_custom"].content == "all teal"
    assert (first["source"].content, first["source"].mime) == (pictures[0].content, "image/png")
    assert "alt_text_custom" not in second
    assert second["source"].mime == "image/jpeg"  # Facebook takes no WebP
    assert str(second["source"].filename).endswith(".jpeg")
    assert server.asked[0].headers["Authorization"] == "Bearer page-token"
    assert "page-token" not in server.asked[0].url


async def test_a_picture_that_is_too_large_is_made_smaller() -> None:
    kept = io.BytesIO()
    noise = Image.effect_noise((2400, 2400), 90)
    noise.save(kept, "PNG")
    assert len(kept.getvalue()) > 4_000_000
    server = uploads("11")
    large = Picture(kept.getvalue(), "", "image/png", 2400, 2400)
    await ADAPTER.prepare(page_parcel(media=[large]), Checkpoints(), server.outgoing)
    content = parts_of(server, 0)["source"].content
    assert isinstance(content, bytes)
    assert 0 < len(content) <= 4_000_000


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_an_interrupted_prepare_goes_on_after_what_it_kept(steps: int) -> None:
    pictures = [picture(colour) for colour in ("teal", "red", "navy")]
    parcel, kept = page_parcel(media=pictures), Checkpoints()

    async def save(checkpoint: Any) -> None:
        if len(kept.saved) == steps:
            raise LeaseLost("another worker owns it")
        await kept(checkpoint)

    first = uploads("11", "12", "13")
    with pytest.raises(LeaseLost):
        await ADAPTER.prepare(parcel, save, first.outgoing)
    assert len(first.calls) == steps + 1
    rest = uploads(*["21", "22", "23"][: 3 - steps])
    handles = await ADAPTER.prepare(replace(parcel, checkpoint=kept.last), Checkpoints(), rest.outgoing)
    assert handles["photoIds"] == [*["11", "12", "13"][:steps], *["21", "22", "23"][: 3 - steps]]
    assert len(rest.calls) == 3 - steps


async def test_a_repeat_asks_nothing_and_gives_the_same() -> None:
    parcel, saved = page_parcel(media=[picture(), picture("red")]), Checkpoints()
    handles = await ADAPTER.prepare(parcel, saved, uploads("11", "12").outgoing)
    later = replace(parcel, checkpoint=json.loads(json.dumps(saved.last)), now=NOW + timedelta(hours=19))
    server = Server()
    assert await ADAPTER.prepare(later, Checkpoints(), server.outgoing) == handles
    assert server.calls == []


async def test_one_picture_twice_in_a_post_is_two_pictures_there() -> None:
    twice = picture()
    handles = await ADAPTER.prepare(page_parcel(media=[twice, twice]), Checkpoints(), uploads("11", "12").outgoing)
    assert handles["photoIds"] == ["11", "12"]


async def test_old_pictures_are_uploaded_anew_as_long_as_nothing_was_sent() -> None:
    parcel, saved = page_parcel(media=[picture()]), Checkpoints()
    await ADAPTER.prepare(parcel, saved, uploads("11").outgoing)
    later = replace(parcel, checkpoint=saved.last, now=NOW + timedelta(hours=20))
    handles = await ADAPTER.prepare(later, saved, uploads("21").outgoing)
    assert (handles["photoIds"], handles["photosUploadedAt"]) == (["21"], later.now.isoformat())


@pytest.mark.parametrize(("answer", "photo"), [(answered({"id": "11"}), "11"), (GONE, "21")])
async def test_after_a_call_old_pictures_are_asked_after_first(answer: Scripted, photo: str) -> None:
    parcel, saved = page_parcel(media=[picture()]), Checkpoints()
    await ADAPTER.prepare(parcel, saved, uploads("11").outgoing)
    later = replace(parcel, checkpoint=saved.last, first_sent_at=NOW, now=NOW + timedelta(hours=30))
    server = uploads("21")
    server.answers["GET /11"] = answer
    assert (await ADAPTER.prepare(later, saved, server.outgoing))["photoIds"] == [photo]
    assert server.calls == ["GET /11", *([PHOTOS] if photo == "21" else [])]


async def test_a_picture_that_cannot_be_asked_after_is_not_uploaded_anew() -> None:
    parcel, saved = page_parcel(media=[picture()]), Checkpoints()
    await ADAPTER.prepare(parcel, saved, uploads("11").outgoing)
    later = replace(parcel, checkpoint=saved.last, first_sent_at=NOW, now=NOW + timedelta(hours=30))
    server = uploads("21")
    server.answers["GET /11"] = refused(2, 0, 500)
    with pytest.raises(Unavailable):
        await ADAPTER.prepare(later, saved, server.outgoing)
    assert server.calls == ["GET /11"]


async def test_a_young_picture_is_not_doubted_after_a_call() -> None:
    parcel, saved = page_parcel(media=[picture()]), Checkpoints()
    handles = await ADAPTER.prepare(parcel, saved, uploads("11").outgoing)
    again = replace(parcel, checkpoint=saved.last, first_sent_at=NOW, now=NOW + timedelta(minutes=20))
    assert await ADAPTER.prepare(again, saved, Server().outgoing) == handles


async def test_a_story_of_a_picture_takes_the_picture_and_no_words() -> None:
    parcel = page_parcel("", media=[picture()], options={"kind": "story"})
    handles = await ADAPTER.prepare(parcel, Checkpoints(), uploads("11").outgoing)
    assert handles == {"kind": "photo_story", "pageId": PAGE, "photoIds": ["11"], "photosUploadedAt": NOW.isoformat()}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(190, 463), Disconnected),
        (refused(200), Disconnected),
        (refused(32), RateLimited),
        (refused(324, 2069019), Rejected),
        (refused(1366046), Rejected),
        (refused(1, 99, 500), Unavailable),
        (answered("<html>", 502), Unavailable),
        (answered("<html>", 200), Unavailable),
        (answered({}), Unavailable),
        (answered({"id": "../evil"}), Unavailable),
        (Unconfirmed("cut"), Unavailable),
    ],
)
async def test_a_refused_upload_is_told_as_what_it_is(answer: Scripted, error: type[PlatformError]) -> None:
    saved = Checkpoints()
    with pytest.raises(error) as raised:
        await ADAPTER.prepare(page_parcel(media=[picture()]), saved, Server({PHOTOS: answer}).outgoing)
    assert type(raised.value) is error
    assert raised.value.proves_absence is False
    assert saved.saved == []
