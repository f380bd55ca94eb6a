"""Publishing and looking against the simulated instance: posts as they read back, and the mishaps it plays on request."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hayon.errors import Disconnected, NotYet, RateLimited, Rejected, Unconfirmed
from hayon.platforms.contract import Absent, Found, Look, Unclear
from tests.platforms.mastodon.conftest import ADAPTER, Home, make_film, make_picture
from tests.platforms.parcels import Checkpoints, OneSend


async def test_a_post_with_pictures_and_a_warning_reads_back_as_written(home: Home) -> None:
    pictures = [make_picture("teal", "A teal field"), make_picture("red", "A red field")]
    options = {"warning": "colours", "sensitive": True, "visibility": "unlisted", "language": "en"}
    parcel = home.parcel("Two fields", pictures=pictures, options=options)
    handles = await home.prepare(parcel)
    receipt = await home.publish(parcel, handles)
    shown = await home.read(f"/api/v1/statuses/{receipt.remote_id}")
    source = await home.read(f"/api/v1/statuses/{receipt.remote_id}/source")
    assert (source["text"], source["spoiler_text"]) == ("Two fields", "colours")
    assert [one["description"] for one in shown["media_attachments"]] == ["A teal field", "A red field"]
    assert [one["id"] for one in shown["media_attachments"]] == handles["mediaIds"]
    assert (shown["sensitive"], shown["visibility"], shown["language"]) == (True, "unlisted", "en")
    assert receipt.url == shown["url"]
    assert abs(receipt.published_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert ADAPTER.remote_id_in(shown["url"], home.account) == receipt.remote_id
    assert ADAPTER.remote_id_in(shown["uri"], home.account) == receipt.remote_id
    assert home.operations()[:3] == ["uploadMedia", "uploadMedia", "createStatus"]


async def test_a_repeat_under_the_same_key_is_one_status(home: Home) -> None:
    parcel = home.parcel("Once", pictures=[make_picture()])
    handles = await home.prepare(parcel)
    first, second = await home.publish(parcel, handles), await home.publish(parcel, handles)
    assert first == second
    assert home.copies() == 1


async def test_a_repeat_that_breaks_the_instance_is_unconfirmed_and_found(home: Home) -> None:
    home.world.faults.add("mastodon", "crash_on_repeat")
    parcel = home.parcel("Once")
    handles = await home.prepare(parcel)
    receipt = await home.publish(parcel, handles)
    with pytest.raises(Unconfirmed):
        await home.publish(parcel, handles)
    assert await home.look(parcel, handles) == Found(receipt)
    assert home.copies() == 1


async def test_pictures_hang_on_one_post_only(home: Home) -> None:
    parcel = home.parcel("Mine", pictures=[make_picture()])
    handles = await home.prepare(parcel)
    receipt = await home.publish(parcel, handles)
    with pytest.raises(Unconfirmed, match="already attached"):
        await home.publish(parcel, {**handles, "idempotencyKey": "another"})
    assert await home.look(parcel, handles) == Found(receipt, exact=True)
    assert home.copies() == 1


async def test_a_post_deleted_within_the_hour_is_not_made_again(home: Home) -> None:
    parcel = home.parcel("Gone")
    handles = await home.prepare(parcel)
    receipt = await home.publish(parcel, handles)
    home.world.happen(("status_gone", {"status_id": receipt.remote_id, "delete_media": True}))
    with pytest.raises(Unconfirmed):
        await home.publish(replace(parcel, first_sent_at=parcel.now), handles)
    assert home.copies() == 1


async def test_a_revoked_token_and_a_disabled_login_prove_absence(home: Home) -> None:
    parcel = home.parcel("Hello")
    handles = await home.prepare(parcel)
    home.world.set_standing(home.profile, "disabled")
    with pytest.raises(Disconnected) as disabled:
        await home.publish(parcel, handles)
    home.world.revoke(home.profile)
    with pytest.raises(Disconnected) as revoked:
        await home.publish(parcel, handles)
    assert (disabled.value.health, revoked.value.health) == ("error", "revoked")
    assert disabled.value.proves_absence
    assert revoked.value.proves_absence
    assert home.copies() == 0


async def test_a_rate_limit_says_until_when(home: Home) -> None:
    home.world.faults.add("mastodon", "rate_limit", "createStatus", seconds=600)
    parcel = home.parcel("Hello")
    handles = await home.prepare(parcel)
    with pytest.raises(RateLimited) as raised:
        await home.publish(parcel, handles)
    assert raised.value.until is not None
    assert timedelta(seconds=595) < raised.value.until - parcel.now < timedelta(seconds=605)
    assert raised.value.proves_absence
    assert home.copies() == 0


async def test_the_text_that_fits_is_taken_and_one_more_is_not(home: Home) -> None:
    rules = ADAPTER.rules(home.account.facts)
    text = "https://example.com/" + "a" * 200 + " @bob@elsewhere.example 👩🏽‍💻 "
    text += "x" * (rules.text_limit - rules.count(text, {"warning": "w"}))
    assert rules.count(text, {"warning": "w"}) == rules.text_limit
    for words, fits in ((text, True), (text + "x", False)):
        parcel = home.parcel(words, options={"warning": "w"})
        handles = await home.prepare(parcel)
        if fits:
            await home.publish(parcel, handles)
        else:
            with pytest.raises(Rejected, match="character limit"):
                await home.publish(parcel, handles)
    assert home.copies() == 1


async def test_publish_makes_one_call_and_no_other(home: Home) -> None:
    parcel = home.parcel("Hello", pictures=[make_picture()])
    handles = await home.prepare(parcel)
    home.world.requests.clear()
    send = OneSend(home.outgoing)
    await ADAPTER.publish(parcel, handles, send)
    assert (len(send.requests), home.operations()) == (1, ["createStatus"])


@pytest.mark.parametrize("with_picture", [False, True])
async def test_what_was_accepted_without_an_answer_is_found(home: Home, with_picture: bool) -> None:
    pictures = [make_picture()] if with_picture else []
    parcel = home.parcel("Cut off", pictures=pictures, options={"warning": "w", "visibility": "private"})
    handles = await home.prepare(parcel)
    home.world.faults.add("mastodon", "accept_then_drop", "createStatus")
    with pytest.raises(Unconfirmed):
        await home.publish(parcel, handles)
    look = await home.look(parcel, handles)
    assert isinstance(look, Found)
    assert look.exact is with_picture
    shown = await home.read(f"/api/v1/statuses/{look.receipt.remote_id}")
    assert (shown["url"], shown["visibility"]) == (look.receipt.url, "private")
    assert home.copies() == 1


async def test_what_was_cut_before_it_took_effect_is_absent(home: Home) -> None:
    for pictures in ([], [make_picture()]):
        parcel = home.parcel("Never", pictures=pictures)
        handles = await home.prepare(parcel)
        home.world.faults.add("mastodon", "drop_before", "createStatus")
        with pytest.raises(Unconfirmed):
            await home.publish(parcel, handles)
        assert isinstance(await home.look(parcel, handles), Absent)
    assert home.copies() == 0


async def test_an_error_after_the_effect_is_unconfirmed_and_found(home: Home) -> None:
    parcel = home.parcel("Broken")
    handles = await home.prepare(parcel)
    home.world.faults.add("mastodon", "error_after_accept", "createStatus", status=503)
    with pytest.raises(Unconfirmed):
        await home.publish(parcel, handles)
    assert isinstance(await home.look(parcel, handles), Found)


@pytest.mark.parametrize(("with_picture", "early"), [(False, Absent), (True, Unclear)])
async def test_what_is_listed_late_is_found_later(home: Home, with_picture: bool, early: type[Look]) -> None:
    """A picture tells at once that a post holds it; words cannot, which is what `settles_within` is for."""
    parcel = home.parcel("Late", pictures=[make_picture()] if with_picture else [])
    handles = await home.prepare(parcel)
    home.world.faults.add("mastodon", "list_late", seconds=30)
    home.world.faults.add("mastodon", "accept_then_drop", "createStatus")
    with pytest.raises(Unconfirmed):
        await home.publish(parcel, handles)
    assert isinstance(await home.look(parcel, handles), early)
    assert ADAPTER.settles_within is not None
    home.world.advance(ADAPTER.settles_within.total_seconds())
    assert isinstance(await home.look(parcel, handles), Found)


async def test_a_deleted_post_leaves_it_to_a_person_where_its_pictures_are_gone_too(home: Home) -> None:
    parcel = home.parcel("Deleted", pictures=[make_picture()])
    handles = await home.prepare(parcel)
    receipt = await home.publish(parcel, handles)
    home.world.happen(("status_gone", {"status_id": receipt.remote_id, "delete_media": True}))
    assert isinstance(await home.look(parcel, handles), Unclear)


async def test_a_post_among_many_others_is_found(home: Home) -> None:
    parcel = home.parcel("The one", pictures=[make_picture()])
    handles = await home.prepare(parcel)
    receipt = await home.publish(parcel, handles)
    for number in range(50):
        other = home.parcel(f"Other {number}")
        await home.publish(other, await home.prepare(other))
    assert await home.look(parcel, handles) == Found(receipt, exact=True)


async def test_a_look_leaves_no_trace(home: Home) -> None:
    parcel = home.parcel("Hello", pictures=[make_picture()])
    handles = await home.prepare(parcel)
    before = list(home.world.ledger)
    home.world.requests.clear()
    assert isinstance(await home.look(parcel, handles), Absent)
    assert home.world.ledger == before
    assert {line["method"] for line in home.world.requests} == {"GET"}


async def test_a_video_is_awaited_and_reads_back_as_written(home: Home) -> None:
    given, saved = make_film("A red corner"), Checkpoints()
    parcel = home.parcel("A film", pictures=[given])
    with pytest.raises(NotYet) as raised:
        await home.prepare(parcel, saved)
    assert raised.value.wait_seconds > 0
    assert home.operations() == ["uploadMedia", "getMedia"]
    home.world.advance(raised.value.wait_seconds)
    handles = await home.prepare(replace(parcel, checkpoint=saved.last), saved)
    receipt = await home.publish(parcel, handles)
    assert home.operations()[2:] == ["getMedia", "createStatus"]
    shown = await home.read(f"/api/v1/statuses/{receipt.remote_id}")
    (film,) = shown["media_attachments"]
    assert (film["id"], film["type"], film["description"]) == (handles["mediaIds"][0], "video", "A red corner")
    assert await home.look(parcel, handles) == Found(receipt, exact=True)


async def test_a_video_whose_answer_was_lost_is_found_by_its_id(home: Home) -> None:
    parcel, saved = home.parcel("A film", pictures=[make_film()]), Checkpoints()
    with pytest.raises(NotYet):
        await home.prepare(parcel, saved)
    home.world.advance(60)
    handles = await home.prepare(replace(parcel, checkpoint=saved.last), saved)
    home.world.faults.add("mastodon", "accept_then_drop", "createStatus")
    with pytest.raises(Unconfirmed):
        await home.publish(parcel, handles)
    look = await home.look(parcel, handles)
    assert isinstance(look, Found)
    assert look.exact
    assert home.copies() == 1


async def test_a_spam_defence_that_stores_nothing_is_found_out_by_asking_where_the_post_is(home: Home) -> None:
    """Its answer cannot be told from a true one: the receipt is the instance's word, until it is asked for the post."""
    home.world.faults.add("mastodon", "silent_drop")
    parcel = home.parcel("Dropped")
    handles = await home.prepare(parcel)
    receipt = await home.publish(parcel, handles)
    assert receipt.remote_id
    with pytest.raises(Rejected, match="does not have it") as raised:
        await home.locate(receipt)
    assert raised.value.proves_absence is False
    assert isinstance(await home.look(parcel, handles), Absent)


@pytest.mark.parametrize("visibility", ["public", "private", "direct"])
async def test_where_a_post_is(home: Home, visibility: str) -> None:
    parcel = home.parcel("Here", options={"visibility": visibility})
    receipt = await home.publish(parcel, await home.prepare(parcel))
    home.world.requests.clear()
    assert await home.locate(receipt) == receipt.url
    assert [line["method"] for line in home.world.requests] == ["GET"]


async def test_a_post_is_deleted_and_stays_so(home: Home) -> None:
    parcel = home.parcel("Away", pictures=[make_picture()])
    handles = await home.prepare(parcel)
    receipt = await home.publish(parcel, handles)
    home.world.requests.clear()
    for _ in range(2):
        assert await home.remove(receipt) is True
    assert home.operations() == ["deleteStatus", "deleteStatus"]
    with pytest.raises(Rejected):
        await home.locate(receipt)
    assert not await home.read(f"/api/v1/accounts/{home.account.remote_id}/statuses")
