"""Preparing: containers are made once, watched, made anew where they failed, and taken up again wherever it stopped."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.errors import Disconnected, LeaseLost, NotYet, PlatformError, RateLimited, Rejected, Unavailable
from hayon.platforms.contract import Parcel
from hayon.platforms.meta.containers import REBUILDS, Containers
from tests.platforms.meta.scripted import (
    FACES,
    INSTAGRAM,
    THREADS,
    Peer,
    comes_back,
    drive,
    film,
    image,
    parcel_of,
    refused,
)
from tests.platforms.parcels import NOW, Checkpoints, Picture

BOTH = pytest.mark.parametrize("face", FACES.values(), ids=FACES)
MANY = [image(1, "one"), film(2, "two"), image(3, "three")]
HIDDEN = Picture(b"film", "", "video/mp4", 1080, 1920)
"""A file without an address."""


class StoppedError(BaseException):
    """The process ended."""


class Crashing(Checkpoints):
    """Ends the process after, or instead of, storing the checkpoint of this number."""

    def __init__(self, number: int, *, stored: bool) -> None:
        super().__init__()
        self._number, self._stored, self._count = number, stored, 0

    async def __call__(self, checkpoint: Mapping[str, Any]) -> None:
        self._count += 1
        if self._count == self._number and not self._stored:
            raise StoppedError
        await super().__call__(checkpoint)
        if self._count == self._number:
            raise StoppedError


async def survive(face: Containers, parcel: Parcel, peer: Peer, saved: Crashing) -> Any:
    """Prepares to the end, over one crash: the next process knows only what was stored."""
    try:
        await drive(face, parcel, peer, saved)
    except StoppedError:
        resumed = comes_back(parcel, saved, 1)
        return (await drive(face, resumed, peer, saved)).handles
    raise AssertionError("it was to crash")


@BOTH
@pytest.mark.parametrize("pictures", [[image()], [film()], MANY], ids=["picture", "video", "carousel"])
async def test_a_crash_after_a_checkpoint_makes_no_second_container(face: Containers, pictures: list[Picture]) -> None:
    parcel, whole, saved = parcel_of(face, "Hello", *pictures), Peer(face), Checkpoints()
    expected = await drive(face, parcel, whole, saved)
    assert whole.made == len(pictures) + (len(pictures) > 1)
    for number in range(1, len(saved.saved) + 1):
        peer = Peer(face)
        handles = await survive(face, parcel, peer, Crashing(number, stored=True))
        assert ({**handles, "since": ""}, peer.made) == ({**expected.handles, "since": ""}, whole.made)


@BOTH
async def test_a_crash_before_a_checkpoint_leaves_one_container_that_nobody_uses(face: Containers) -> None:
    parcel, whole, saved = parcel_of(face, "Hello", *MANY), Peer(face), Checkpoints()
    await drive(face, parcel, whole, saved)
    for number in range(1, len(saved.saved) + 1):
        peer = Peer(face)
        handles = await survive(face, parcel, peer, Crashing(number, stored=False))
        assert peer.made <= whole.made + 1
        assert handles["container"] == f"c{peer.made}"
        used = peer.forms()[-1]["children"].split(",")
        assert len(set(used)) == len(MANY)


@BOTH
async def test_each_child_is_saved_before_the_next_is_made(face: Containers) -> None:
    peer, made = Peer(face), []

    async def save(checkpoint: Mapping[str, Any]) -> None:
        made.append((peer.made, len(checkpoint.get("children", []))))

    with pytest.raises(NotYet):
        await face.prepare(parcel_of(face, "Hello", *MANY), save, peer.outgoing)
    assert made == [(1, 1), (2, 2), (3, 3)]


@BOTH
async def test_a_lost_lease_ends_it(face: Containers) -> None:
    async def save(checkpoint: Mapping[str, Any]) -> None:
        raise LeaseLost("another worker owns it")

    peer = Peer(face)
    with pytest.raises(LeaseLost):
        await face.prepare(parcel_of(face, "Hello", *MANY), save, peer.outgoing)
    assert peer.made == 1


@BOTH
async def test_prepared_again_gives_the_same_handles_and_makes_nothing(face: Containers) -> None:
    peer, saved = Peer(face), Checkpoints()
    first = await drive(face, parcel_of(face, "Hello", *MANY), peer, saved)
    made = peer.made
    again = comes_back(first.parcel, saved, 60)
    assert (await drive(face, again, peer, saved)).handles == first.handles
    assert peer.made == made


@BOTH
async def test_the_parent_waits_for_every_child(face: Containers) -> None:
    peer = Peer(face, statuses={"c2": ["IN_PROGRESS", "IN_PROGRESS", "FINISHED"]})
    await drive(face, parcel_of(face, "Hello", *MANY), peer)
    last_look = max(index for index, call in enumerate(peer.calls) if call in {"GET /c1", "GET /c2", "GET /c3"})
    parent = max(index for index, call in enumerate(peer.calls) if call == peer.making)
    assert parent > last_look
    assert peer.calls.count("GET /c1") == 1
    assert peer.calls.count("GET /c2") == 3


@BOTH
async def test_what_was_edited_is_not_published_from_the_old_container(face: Containers) -> None:
    peer, saved = Peer(face), Checkpoints()
    before = await drive(face, parcel_of(face, "Old words", image()), peer, saved)
    for changed in (
        replace(before.parcel.content, text="New words"),
        replace(before.parcel.content, options={"kind": "feed"}),
    ):
        parcel = replace(comes_back(before.parcel, saved), content=changed)
        after = await drive(face, parcel, peer, Checkpoints())
        assert after.handles["container"] != before.handles["container"]
        assert after.handles["text"] == changed.text


@BOTH
async def test_another_alt_text_is_another_container(face: Containers) -> None:
    peer, saved, picture = Peer(face), Checkpoints(), image(1, "old")
    before = await drive(face, parcel_of(face, "Hello", picture), peer, saved)
    fresh = parcel_of(face, "Hello", replace(picture, alt_text="new"))
    after = await drive(face, replace(fresh, account=before.parcel.account, checkpoint=saved.last), peer, Checkpoints())
    assert (before.handles["container"], after.handles["container"]) == ("c1", "c2")
    assert [form["alt_text"] for form in peer.forms()] == ["old", "new"]


# waiting


@pytest.mark.parametrize(
    ("face", "pictures", "waits"),
    [
        (THREADS, [], [3, 3, 6, 12, 24, 48, 60, 60]),
        (THREADS, [image()], [5, 5, 10, 20, 40, 60, 60, 60]),
        (THREADS, [film()], [5, 5, 10, 20, 40, 60, 60, 60]),
        (INSTAGRAM, [image()], [2, 2, 4, 8, 16, 32, 60, 60]),
        (INSTAGRAM, [film()], [10, 10, 20, 40, 60, 60, 60, 60]),
    ],
)  # fmt: skip
async def test_waits_grow_up_to_a_minute(face: Containers, pictures: list[Picture], waits: list[float]) -> None:
    peer = Peer(face, statuses={"c1": ["IN_PROGRESS"] * 7 + ["FINISHED"]})
    driven = await drive(face, parcel_of(face, "Hello", *pictures), peer)
    assert driven.waits == waits
    assert peer.made == 1


@BOTH
async def test_who_comes_too_early_is_sent_away_without_asking(face: Containers) -> None:
    peer, saved = Peer(face), Checkpoints()
    parcel = parcel_of(face, "Hello", film())
    with pytest.raises(NotYet) as first:
        await face.prepare(parcel, saved, peer.outgoing)
    with pytest.raises(NotYet) as early:
        await face.prepare(comes_back(parcel, saved, 1), saved, peer.outgoing)
    assert early.value.wait_seconds == first.value.wait_seconds - 1
    assert peer.calls == [peer.making]


@BOTH
async def test_a_call_that_was_refused_is_followed_by_a_rest(face: Containers) -> None:
    peer, saved = Peer(face), Checkpoints()
    ready = await drive(face, parcel_of(face, "Hello", image()), peer, saved)
    sent = replace(comes_back(ready.parcel, saved, 5), first_sent_at=ready.parcel.now, doubted=True)
    again = await drive(face, sent, peer, saved)
    assert again.waits == [25]
    assert again.handles == {**ready.handles, "again": again.parcel.now.isoformat()}
    assert peer.made == 1


# what fails


@BOTH
async def test_a_failure_that_may_pass_makes_three_new_ones_and_then_is_told(face: Containers) -> None:
    peer, saved = (
        Peer(face, {f"c{number}": "ERROR" for number in range(1, 9)}, "FAILED_DOWNLOADING_VIDEO 2207003"),
        Checkpoints(),
    )
    with pytest.raises(Unavailable) as raised:
        await drive(face, parcel_of(face, "Hello", film()), peer, saved)
    assert peer.made == 1 + REBUILDS
    assert "FAILED_DOWNLOADING_VIDEO" in raised.value.message


@BOTH
async def test_after_three_new_ones_each_try_makes_one(face: Containers) -> None:
    statuses = {f"c{number}": "ERROR" for number in range(1, 7)}
    peer, saved, parcel = Peer(face, statuses, "UNKNOWN"), Checkpoints(), parcel_of(face, "Hello", film())
    made = []
    for _ in range(4):
        try:
            await drive(face, comes_back(parcel, saved, 700), peer, saved)
        except Unavailable:
            made.append(peer.made)
        else:
            made.append(-peer.made)
    assert made == [4, 5, 6, -7]


@BOTH
async def test_a_failure_that_will_not_pass_is_told_at_once_and_a_retry_begins_anew(face: Containers) -> None:
    peer, saved, parcel = (
        Peer(face, {"c1": "ERROR"}, "INVALID_DURATION 2207026"),
        Checkpoints(),
        parcel_of(face, "Hello", film()),
    )
    with pytest.raises(Rejected, match="INVALID_DURATION"):
        await drive(face, parcel, peer, saved)
    assert peer.made == 1
    assert (await drive(face, comes_back(parcel, saved, 60), peer, saved)).handles["container"] == "c2"


@BOTH
async def test_a_restricted_account_and_a_limit_are_told_as_such(face: Containers) -> None:
    for words, error in (("Error 2207050", Disconnected), ("Error 2207051", RateLimited)):
        with pytest.raises(error):
            await drive(face, parcel_of(face, "Hello", film()), Peer(face, {"c1": "ERROR"}, words))


@BOTH
async def test_what_expired_is_made_anew(face: Containers) -> None:
    peer = Peer(face, {"c1": "EXPIRED"})
    assert (await drive(face, parcel_of(face, "Hello", image()), peer)).handles["container"] == "c2"


@BOTH
@pytest.mark.parametrize(("hours", "container"), [(22.9, "c4"), (23.1, "c8")])
async def test_a_container_is_used_for_23_hours(face: Containers, hours: float, container: str) -> None:
    peer, saved, parcel = Peer(face), Checkpoints(), parcel_of(face, "Hello", *MANY)
    await drive(face, parcel, peer, saved)
    driven = await drive(face, comes_back(parcel, saved, hours * 3600), peer, saved)
    assert driven.handles["container"] == container
    assert driven.handles["since"] == (NOW if container == "c4" else NOW + timedelta(hours=hours)).isoformat()


@BOTH
async def test_a_container_that_is_unknown_long_after_it_was_made_is_made_anew(face: Containers) -> None:
    peer, saved, parcel = (
        Peer(face, answers={"GET /c1": refused(24, 2207006)}),
        Checkpoints(),
        parcel_of(face, "Hello", image()),
    )
    with pytest.raises(NotYet):
        await face.prepare(parcel, saved, peer.outgoing)
    with pytest.raises(Unavailable):  # it may only not be known yet
        await face.prepare(comes_back(parcel, saved, 60), saved, peer.outgoing)
    assert peer.made == 1
    assert (await drive(face, comes_back(parcel, saved, 300), peer, saved)).handles["container"] == "c2"


@BOTH
@pytest.mark.parametrize("answer", [refused(100, 33), refused(2), refused(1)])
async def test_a_look_that_fails_says_nothing_of_the_container(face: Containers, answer: Any) -> None:
    peer, saved, parcel = Peer(face, answers={"GET /c1": answer}), Checkpoints(), parcel_of(face, "Hello", image())
    for seconds in (0, 60, 3600):
        with pytest.raises(PlatformError):
            await face.prepare(comes_back(parcel, saved, seconds), saved, peer.outgoing)
    assert peer.made == 1
    del peer.answers["GET /c1"]
    assert (await drive(face, comes_back(parcel, saved, 3700), peer, saved)).handles["container"] == "c1"


@BOTH
async def test_a_status_that_nobody_knows_is_no_status(face: Containers) -> None:
    with pytest.raises(Unavailable):
        await drive(face, parcel_of(face, "Hello", image()), Peer(face, {"c1": "DANCING"}))


@BOTH
async def test_an_address_that_cannot_be_fetched_is_tried_three_times_and_then_told(face: Containers) -> None:
    peer = Peer(face)
    peer.answers[peer.making] = refused(9004, 2207052, "The media could not be fetched from this URI")
    parcel, saved, errors = parcel_of(face, "Hello", image()), Checkpoints(), []
    for seconds in range(4):
        with pytest.raises(PlatformError) as raised:
            await face.prepare(comes_back(parcel, saved, seconds), saved, peer.outgoing)
        errors.append(type(raised.value))
        assert "HAYON_PUBLIC_URL" in raised.value.message
    assert errors == [Unavailable, Unavailable, Rejected, Unavailable]


@BOTH
async def test_any_other_trouble_while_making_is_not_the_files_fault(face: Containers) -> None:
    peer, saved, parcel = Peer(face), Checkpoints(), parcel_of(face, "Hello", image())
    peer.answers[peer.making] = refused(2)
    for seconds in range(5):
        with pytest.raises(Unavailable):
            await face.prepare(comes_back(parcel, saved, seconds), saved, peer.outgoing)
    assert saved.saved == []


@BOTH
async def test_a_file_without_an_address_makes_nothing(face: Containers) -> None:
    peer, saved = Peer(face), Checkpoints()
    with pytest.raises(Unavailable):
        await face.prepare(parcel_of(face, "Hello", HIDDEN), saved, peer.outgoing)
    assert (peer.calls, saved.saved) == ([], [])


@BOTH
async def test_without_a_token_nobody_is_asked(face: Containers) -> None:
    peer = Peer(face)
    with pytest.raises(Disconnected):
        await face.prepare(replace(parcel_of(face, "Hello", image()), credential={}), Checkpoints(), peer.outgoing)
    assert peer.calls == []


# after a call


async def prepared(
    face: Containers, status: str, hours: float = 1, words: str = ""
) -> tuple[Peer, Checkpoints, Parcel]:
    """A container that was published once, without success as far as is known; and the parcel of a later try."""
    peer, saved = Peer(face, words=words), Checkpoints()
    ready = await drive(face, parcel_of(face, "Hello", image()), peer, saved)
    peer.statuses["c1"] = status
    return (
        peer,
        saved,
        replace(comes_back(ready.parcel, saved, hours * 3600), first_sent_at=ready.parcel.now, doubted=True),
    )


@BOTH
@pytest.mark.parametrize("hours", [1, 23.5])
async def test_after_a_call_the_same_container_is_sent_however_old(face: Containers, hours: float) -> None:
    peer, saved, later = await prepared(face, "FINISHED", hours)
    assert (await drive(face, later, peer, saved)).handles["container"] == "c1"
    assert peer.made == 1


@BOTH
async def test_after_a_call_a_failed_container_is_not_made_anew(face: Containers) -> None:
    for answers in ({}, {"GET /c1": refused(24, 2207008)}):
        peer, saved, later = await prepared(face, "ERROR", words="UNKNOWN")
        peer.answers |= answers
        kept = json.dumps(saved.last)
        with pytest.raises(Rejected, match="Look at the profile"):
            await drive(face, later, peer, saved)
        assert (peer.made, json.dumps(saved.last)) == (1, kept)


@BOTH
async def test_after_a_call_what_expired_was_never_published_and_is_made_anew(face: Containers) -> None:
    peer, saved, later = await prepared(face, "EXPIRED", 25)
    assert (await drive(face, later, peer, saved)).handles["container"] == "c2"


@BOTH
async def test_a_published_container_is_not_sent_again(face: Containers) -> None:
    peer, saved, later = await prepared(face, "PUBLISHED")
    handles = (await drive(face, later, peer, saved)).handles
    assert handles["published"] is True
    assert peer.made == 1
