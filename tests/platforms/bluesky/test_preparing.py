"""Preparing a post: what is asked of the server, what is kept between tries, and what a later try does again."""

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from hayon.errors import (
    CredentialExpired,
    LeaseLost,
    PlatformError,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from hayon.outgoing import Answer
from tests.platforms.bluesky.scripted import (
    ADAPTER,
    CREDENTIAL,
    DID,
    HOST,
    Server,
    answered,
    blob,
    parcel,
    prepare,
    refused,
    taken,
)  # fmt: skip
from tests.platforms.parcels import NOW, Checkpoints, Picture, make_account, make_parcel

LATER = NOW + timedelta(hours=2)


async def test_plain_text_asks_nothing() -> None:
    server = Server()
    handles, save = await prepare(parcel(), server)
    assert server.asked == []
    assert handles == {
        "repo": DID,
        "rkey": save.last["rkey"],
        "record": {"$type": "app.bsky.feed.post", "text": "hello", "createdAt": "2026-11-03T12:30:15.250Z"},
    }


async def test_key_and_time_are_saved_before_anything_is_asked() -> None:
    server = Server({"resolveHandle": Unreachable("down", host="pds.example")})
    save = Checkpoints()
    with pytest.raises(Unreachable):
        await ADAPTER.prepare(parcel("@a.test"), save, server)
    assert [kept.keys() for kept in save.saved] == [{"rkey", "createdAt"}]


async def test_a_lost_lease_stops_the_walk_before_anything_is_asked() -> None:
    async def save(checkpoint: Mapping[str, Any]) -> None:
        raise LeaseLost("another worker has it")

    server = Server()
    with pytest.raises(LeaseLost):
        await ADAPTER.prepare(parcel("@a.test", 1), save, server)
    assert server.asked == []


async def test_each_step_is_saved_before_the_next() -> None:
    server = Server({"resolveHandle": answered({"did": DID}), "uploadBlob": [taken("a"), taken("b")]})
    handles, save = await prepare(parcel("@a.test hi", 2), server)
    keys = [set(kept) - set(before) for before, kept in zip([{}, *save.saved], save.saved, strict=False)]
    assert keys == [{"rkey", "createdAt"}, {"mentions"}, {"card"}, {"pictures"}, set(), {"record"}]
    assert len(save.saved[3]["pictures"]) == 1
    assert len(save.saved[4]["pictures"]) == 2
    assert save.last["record"] == handles["record"]


async def test_a_later_try_asks_nothing_and_gives_the_same_handles() -> None:
    first = parcel("@a.test https://a.com", 2)
    server = Server({"resolveHandle": answered({"did": DID}), "uploadBlob": [taken("a"), taken("b")]})
    handles, save = await prepare(first, server)
    silent = Server()
    again, saved_again = await prepare(replace(first, checkpoint=save.last, now=NOW + timedelta(minutes=44)), silent)
    assert again == handles
    assert silent.asked == []
    assert saved_again.saved == []


async def test_a_try_cut_short_goes_on_where_it_was() -> None:
    first = parcel("hi", 3)
    server = Server({"uploadBlob": [taken("a"), Unconfirmed("cut off")]})
    save = Checkpoints()
    with pytest.raises(Unavailable) as caught:
        await ADAPTER.prepare(first, save, server)
    assert caught.value.proves_absence
    second = Server({"uploadBlob": [taken("b"), taken("c")]})
    handles, _ = await prepare(replace(first, checkpoint=save.last, now=NOW + timedelta(minutes=5)), second)
    assert [shown["image"]["ref"]["$link"] for shown in handles["record"]["embed"]["images"]] == [
        "bafkreia",
        "bafkreib",
        "bafkreic",
    ]
    assert handles["record"]["createdAt"] == "2026-11-03T12:30:15.250Z"


async def test_pictures_are_sent_as_they_are_with_type_and_token() -> None:
    of = parcel("hi", 1)
    server = Server({"uploadBlob": taken("a")})
    handles, _ = await prepare(of, server)
    request = server.asked[0]
    assert request.method == "POST"
    assert request.url == f"{HOST}/xrpc/com.atproto.repo.uploadBlob"
    assert request.headers == {"Authorization": "Bearer access", "Content-Type": "image/png"}
    assert request.body == await of.media[0].read()
    shown = handles["record"]["embed"]["images"][0]
    assert shown == {"image": blob("a"), "alt": "words 0", "aspectRatio": {"width": 10, "height": 48}}


@pytest.mark.parametrize(
    ("facts", "side", "largest"),
    [
        ({}, 600, 1_000_000),
        ({}, 500, None),
        ({"blobUploadLimit": 300_000}, 500, 300_000),
        ({"blobUploadLimit": 5_000_000}, 600, 1_000_000),
    ],
)
async def test_pictures_are_made_to_fit_the_server(facts: dict[str, Any], side: int, largest: int | None) -> None:
    noise = Image.effect_noise((side, side), 90)
    Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)]).save(kept := io.BytesIO(), "PNG")
    given = Picture(kept.getvalue(), width=side, height=side)
    account = make_account("bluesky", HOST, DID, facts=facts)
    server = Server({"uploadBlob": taken("a")})
    handles, _ = await prepare(make_parcel(account, CREDENTIAL, "hi", pictures=[given]), server)
    sent = server.asked[0].body
    assert isinstance(sent, bytes)
    assert server.asked[0].headers["Content-Type"] == ("image/png" if largest is None else "image/jpeg")
    assert sent == given.content if largest is None else len(sent) <= largest < len(given.content)
    with Image.open(io.BytesIO(sent)) as read:
        shape = {"width": read.width, "height": read.height}
    assert handles["record"]["embed"]["images"][0]["aspectRatio"] == shape


@pytest.mark.parametrize(
    ("now", "sent", "uploads"),
    [
        (NOW + timedelta(minutes=44), None, 0),
        (NOW + timedelta(minutes=46), None, 2),
        (NOW + timedelta(minutes=1), NOW + timedelta(seconds=1), 2),  # an intent came after the uploads: BlobNotFound?
        (NOW + timedelta(minutes=1), NOW - timedelta(seconds=1), 0),  # they are newer than the first intent
    ],
)
async def test_uploads_that_may_be_gone_are_made_again(now: Any, sent: Any, uploads: int) -> None:
    first = parcel("hi", 2)
    handles, save = await prepare(first, Server({"uploadBlob": [taken("a"), taken("b")]}))
    server = Server({"uploadBlob": [taken("a"), taken("b")]})
    again, saved = await prepare(replace(first, checkpoint=save.last, now=now, first_sent_at=sent), server)
    assert server.methods == ["uploadBlob"] * uploads
    assert again == handles  # same bytes, same blobs, same record
    if uploads:
        third = Server()
        await prepare(replace(first, checkpoint=saved.last, now=now, first_sent_at=sent), third)
        assert third.asked == []


async def test_another_blob_for_the_same_picture_makes_another_record_of_the_same_key_and_time() -> None:
    first = parcel("hi", 1)
    handles, save = await prepare(first, Server({"uploadBlob": taken("old")}))
    again, _ = await prepare(replace(first, checkpoint=save.last, now=LATER), Server({"uploadBlob": taken("new")}))
    assert again["rkey"] == handles["rkey"]
    assert again["record"]["createdAt"] == handles["record"]["createdAt"]
    assert again["record"]["embed"]["images"][0]["image"] == blob("new")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(400, "ExpiredToken"), CredentialExpired),
        (refused(413, "PayloadTooLarge"), Rejected),
        (answered("<html>", 502), Unavailable),
        (answered("<html>", 200), Unavailable),
        (answered({"blob": None}), Unavailable),
        (answered([]), Unavailable),
    ],
)
async def test_an_upload_that_fails_proves_that_nothing_was_published(
    answer: Answer, error: type[PlatformError]
) -> None:
    with pytest.raises(error) as caught:
        await prepare(parcel("hi", 1), Server({"uploadBlob": answer}))
    assert caught.value.proves_absence


async def test_mentions_are_resolved_once_each_and_dropped_where_nobody_answers_to_them() -> None:
    def resolve(request: Any) -> Answer:
        known = request.query["handle"] == "known.test"
        return answered({"did": DID}) if known else refused(400, "HandleNotFound", "Unable to resolve handle")

    server = Server({"resolveHandle": resolve})
    handles, save = await prepare(parcel("@known.test @nobody.test @known.test"), server)
    assert [request.query["handle"] for request in server.asked] == ["known.test", "nobody.test"]
    assert [facet["index"]["byteStart"] for facet in handles["record"]["facets"]] == [0, 25]
    assert save.last["mentions"] == {"known.test": DID, "nobody.test": None}


@pytest.mark.parametrize("body", [{}, {"did": 7}, {"did": "alice"}, {"did": ""}])
async def test_what_is_no_did_is_no_mention(body: dict[str, Any]) -> None:
    handles, _ = await prepare(parcel("@a.test"), Server({"resolveHandle": answered(body)}))
    assert "facets" not in handles["record"]


async def test_trouble_while_resolving_waits_rather_than_drop_the_mention() -> None:
    with pytest.raises(Unavailable):
        await prepare(parcel("@a.test"), Server({"resolveHandle": refused(502, "UpstreamFailure")}))
