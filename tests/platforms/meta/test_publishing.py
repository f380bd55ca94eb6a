"""The one call: what is sent, once, and what each way an answer can go wrong proves."""

from dataclasses import replace
from typing import Any

import pytest

from hayon.domain.model import Content
from hayon.errors import Disconnected, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed, Unreachable
from hayon.outgoing import Answer, Request
from hayon.platforms.contract import Parcel
from hayon.platforms.meta.containers import Containers
from tests.platforms.meta.scripted import (
    ADDRESS,
    FACES,
    TOKEN,
    USER,
    Peer,
    Scripted,
    answered,
    drive,
    image,
    parcel_of,
    refused,
)  # fmt: skip
from tests.platforms.parcels import NOW, OneSend, fixed_send

BOTH = pytest.mark.parametrize("face", FACES.values(), ids=FACES)
HANDLES = {"user": USER, "container": "c1"}


def parcel_for(face: Containers, **changes: Any) -> Parcel:
    return parcel_of(face, "Hello", **changes)


@BOTH
async def test_publish_makes_one_request_with_the_handles_and_nothing_else(face: Containers) -> None:
    peer = Peer(face)
    ready = await drive(face, parcel_of(face, "Hello", image(1), image(2)), peer)
    peer.asked.clear()
    peer.answers[f"POST /{USER}/{face.publishing}"] = answered({"id": "18000000000000009"})
    edited = replace(ready.parcel, content=Content("other words"), checkpoint={}, media=())
    send = OneSend(peer.outgoing)
    receipt = await face.publish(edited, ready.handles, send)
    assert peer.calls == [f"POST /{USER}/{face.publishing}"]
    (request,) = send.requests
    assert request.url == f"{ADDRESS}/{face.version}/{USER}/{face.publishing}"
    assert request.form == {"creation_id": ready.handles["container"]}
    assert request.query == {}
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert (receipt.remote_id, receipt.url, receipt.published_at) == ("18000000000000009", None, edited.now)


@BOTH
async def test_what_was_found_published_is_not_sent(face: Containers) -> None:
    async def send(request: Request) -> Answer:
        raise AssertionError("nothing may be sent")

    with pytest.raises(Unconfirmed) as raised:
        await face.publish(parcel_for(face), {**HANDLES, "published": True}, send)
    assert raised.value.proves_absence is False


ANSWERS: list[tuple[Scripted, type[PlatformError], bool]] = [
    # refused before any work
    (refused(190, 463), Disconnected, True),
    (refused(10), Disconnected, True),
    (refused(200), Disconnected, True),
    (refused(25, 2207050), Disconnected, True),
    (refused(4279013), Disconnected, True),
    (refused(100, None, "(#100) The parameter creation_id is required"), Rejected, True),
    (refused(9, 2207042), RateLimited, True),
    (refused(9007, 2207027), Unavailable, True),
    (refused(24, 4279009), Unavailable, True),
    (Unreachable("no name", host="meta.example"), Unreachable, True),
    # all else
    (refused(1), Unconfirmed, False),
    (refused(2, status=500), Unconfirmed, False),
    (refused(-1, 2207001), Unconfirmed, False),
    (refused(-2, 2207003), Unconfirmed, False),
    (refused(4), Unconfirmed, False),
    (refused(17), Unconfirmed, False),
    (refused(32), Unconfirmed, False),
    (refused(4, 2207051), Unconfirmed, False),
    (refused(24, 2207008), Unconfirmed, False),
    (refused(368), Unconfirmed, False),
    (refused(506), Unconfirmed, False),
    (refused(100, 33), Unconfirmed, False),
    (refused(190, status=500), Disconnected, False),
    (answered({"id": "9"}, 500), Unconfirmed, False),
    (answered("<html>", 502), Unconfirmed, False),
    (answered({}), Unconfirmed, False),
    (answered("<html>"), Unconfirmed, False),
    (Unconfirmed("cut"), Unconfirmed, False),
]


@BOTH
@pytest.mark.parametrize(("answer", "error", "proof"), ANSWERS)
async def test_what_a_failed_call_proves(
    face: Containers, answer: Scripted, error: type[PlatformError], proof: bool
) -> None:
    with pytest.raises(error) as raised:
        await face.publish(parcel_for(face), HANDLES, fixed_send(answer))
    assert (type(raised.value), raised.value.proves_absence) == (error, proof)


@BOTH
@pytest.mark.parametrize("answer", [answer for answer, _, _ in ANSWERS if isinstance(answer, Answer)])
async def test_after_an_earlier_call_no_answer_proves_anything(face: Containers, answer: Answer) -> None:
    with pytest.raises(PlatformError) as raised:
        await face.publish(parcel_for(face, first_sent_at=NOW, doubted=True), HANDLES, fixed_send(answer))
    assert raised.value.proves_absence is False
    assert isinstance(raised.value, (Unconfirmed, Disconnected))


@BOTH
async def test_the_address_is_asked_for_afterwards(face: Containers) -> None:
    account, credential = parcel_for(face).account, parcel_for(face).credential
    peer = Peer(face, answers={"GET /9": answered({"id": "9", "permalink": "https://www.threads.com/@alice/post/P9"})})
    assert await face.locate(account, credential, "9", peer.outgoing) == "https://www.threads.com/@alice/post/P9"
    assert peer.asked[0].query == {"fields": "permalink"}
    for body in ({"id": "9"}, {"permalink": "javascript:alert(1)"}, {"permalink": 7}):
        assert (
            await face.locate(account, credential, "9", Peer(face, answers={"GET /9": answered(body)}).outgoing) is None
        )


@BOTH
@pytest.mark.parametrize("remote_id", ["container:c1", "url:P9"])
async def test_an_id_of_our_own_making_is_not_asked_about(face: Containers, remote_id: str) -> None:
    peer, parcel = Peer(face), parcel_for(face)
    assert await face.locate(parcel.account, parcel.credential, remote_id, peer.outgoing) is None
    assert await face.remove(parcel.account, parcel.credential, remote_id, peer.outgoing) is False
    assert peer.calls == []


@BOTH
def test_an_absence_counts_after_seven_minutes(face: Containers) -> None:
    assert face.settles_within is not None
    assert face.settles_within.total_seconds() == 420
    assert face.settles({"container": "c1"}) == face.settles_within
    assert face.fetches_media is True


@BOTH
async def test_a_proof_stays_a_proof_after_an_earlier_proven_refusal(face: Containers) -> None:
    """A container that is not ready twice in a row is refused twice, and nobody has to be asked."""
    code, subcode = (24, 4279009) if face.platform == "threads" else (9007, 2207027)
    with pytest.raises(PlatformError) as raised:
        await face.publish(parcel_for(face, first_sent_at=NOW), HANDLES, fixed_send(refused(code, subcode)))
    assert raised.value.proves_absence is True
