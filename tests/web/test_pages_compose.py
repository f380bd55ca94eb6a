"""The composer's form: accounts, what is said differently, what an API said and no field shows, the time; nothing is lost."""

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from hayon.domain.schedule import list_zones
from hayon.store.schema import accounts
from hayon.web.pages_draft import Draft
from hayon.web.pages_when import start_of, when_facts
from tests.web.house import House, Visitor
from tests.web.test_media import picture, upload
from tests.web.test_pages import HOSTILE, Fields, read
from tests.web.test_pages_drafts import stored
from tests.web.test_posts import later, make


async def composer(visitor: Visitor, path: str = "/compose") -> dict[str, str]:
    """What a browser would send of the form as it stands."""
    return (await read(visitor, path)).form(path.partition("?")[0])


async def latest(visitor: Visitor) -> Any:
    return (await visitor.get("/api/posts")).json["posts"][0]


async def test_every_account_is_named_and_one_that_cannot_publish_says_so(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", HOSTILE)
    page = (await ada.get("/compose")).text
    assert page.count('name="accountIds"') == 2
    assert '<b>ada<wbr>.test</b> <span class="visually-hidden">on</span> <small>Bluesky</small>' in page
    assert HOSTILE not in page
    assert "Nothing can be published here" not in page
    broken = sa.update(accounts).where(accounts.c.platform == "bluesky").values(needs_reconnection=True)
    await house.hayon.database.write(lambda tx: tx.run(broken))
    page = (await ada.get("/compose")).text
    assert (
        '<b>ada.test</b> (Bluesky): Nothing can be published here until you <a href="/accounts">connect it again'
        in page
    )


async def test_without_an_account_the_form_says_what_to_do_and_keeps_a_draft(house: House) -> None:
    eve = await house.register("eve@example.org")
    assert 'nowhere to publish yet. <a href="/accounts">Connect an account</a>' in (await eve.get("/compose")).text
    given = await composer(eve) | {"text": "Later"}
    assert (await eve.post("/compose", data=given | {"do": "draft"})).headers["Location"] == "/?told=draft"
    assert (await latest(eve))["content"]["text"] == "Later"
    refused = await eve.post("/compose", data=await composer(eve) | {"text": "Now", "do": "publish"})
    assert (refused.status, "Choose at least one account" in refused.text) == (422, True)


async def test_a_button_that_is_none_does_nothing(ada: Visitor) -> None:
    given = await composer(ada) | {"text": "Words"}
    for wish in ("", "delete", "dance"):
        assert (await ada.post("/compose", data=given | {"do": wish})).status == 422
    assert (await ada.get("/api/posts")).json["posts"] == []


async def test_it_is_said_differently_where_that_is_ticked(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", "ada@social.test")
    given = await composer(ada) | {
        "text": "Common",
        "text-bluesky": "For the blue",
        "text-mastodon": "Typed, then taken back",
    }
    page = (await ada.get("/compose")).text
    assert ("Words for Bluesky" in page, "Words for Mastodon" in page, "Words for Tumblr" in page) == (
        True,
        True,
        False,
    )
    assert (await ada.post("/compose", data=given | {"differs": "bluesky", "do": "draft"})).status == 303
    post = await latest(ada)
    assert post["platformSpecificContent"] == {"bluesky": {"text": "For the blue", "mediaItems": None, "options": {}}}
    path = f"/posts/{post['postId']}/edit"
    again = await composer(ada, path)
    assert (again["differs"], again["text-bluesky"]) == ("bluesky", "For the blue")
    again.pop("differs")
    assert (await ada.post(path, data=again | {"do": "draft"})).status == 303
    post = await stored(ada, post["postId"])
    assert (post["platformSpecificContent"], post["version"]) == ({}, 2)


async def test_what_is_said_for_an_account_that_is_not_chosen_waits_in_the_draft(house: House, ada: Visitor) -> None:
    """Handed in, it goes nowhere: the API would refuse it, and a person who unticked an account has said so already."""
    await house.account(ada, "mastodon", "ada@social.test")
    given = await composer(ada) | {"text": "Common", "differs": "mastodon", "text-mastodon": "Fedi", "option-mastodon-warning": "Boo"}  # fmt: skip
    (bluesky,) = [one for one in (await ada.get("/api/accounts")).json["accounts"] if one["platform"] == "bluesky"]
    given["accountIds"] = bluesky["accountId"]
    assert (await ada.post("/compose", data=given | {"do": "draft"})).status == 303
    post = await latest(ada)
    assert post["platformSpecificContent"]["mastodon"]["text"] == "Fedi"
    path = f"/posts/{post['postId']}/edit"
    assert (await ada.post(path, data=await composer(ada, path) | {"do": "publish"})).headers[
        "Location"
    ] == "/?told=submit"
    post = await stored(ada, post["postId"])
    assert (post["platformSpecificContent"], len(post["platformStatuses"])) == ({}, 1)


async def test_what_an_api_said_and_no_field_shows_outlives_the_form(house: House, ada: Visitor) -> None:
    mastodon = str(await house.account(ada, "mastodon", "ada@social.test"))
    media_id = await upload(ada, picture())
    own = {
        "mediaItems": [{"mediaId": media_id, "altText": "Only there"}],
        "options": {"visibility": "direct", "odd": [1]},
    }
    post_id = await make(
        ada, draft=True, accountIds=[mastodon], selectedPlatforms=["bluesky"],
        content={"text": "Common", "options": {"language": "de", "unheard": {"of": True}, "visibility": "private"}},
        platformSpecificContent={
            mastodon: {"text": "For this account alone", "options": {"sensitive": True}}, "mastodon": own,
            "tumblr": {"text": "Nobody is there yet"}, "bluesky": {"options": {"languages": 7}},
        },
    )  # fmt: skip
    path = f"/posts/{post_id}/edit"
    page = (await ada.get(path)).text
    assert "Something different is said on ada@social.test, Mastodon; that stays as it is." in page
    given = await composer(ada, path)
    assert (given["option-mastodon-visibility"], given["option-mastodon-language"]) == ("direct", "de")
    assert given["text-tumblr"] == "Nobody is there yet"
    given |= {"text": "Better", "option-mastodon-warning": "Careful", "do": "draft"}
    (bluesky,) = [one for one in (await ada.get("/api/accounts")).json["accounts"] if one["platform"] == "bluesky"]
    assert (await ada.post(path, data=given | {"accountIds": bluesky["accountId"]})).status == 303
    post = await stored(ada, post_id)
    assert post["content"] | {"mediaItems": []} == {
        "text": "Better",
        "mediaItems": [],
        "options": {"unheard": {"of": True}},
    }
    said = post["platformSpecificContent"]
    assert said[mastodon] == {"text": "For this account alone", "mediaItems": None, "options": {"sensitive": True}}
    assert said["mastodon"]["mediaItems"][0]["altText"] == "Only there"
    assert said["mastodon"]["options"] == {"visibility": "direct", "odd": [1], "language": "de", "warning": "Careful"}
    assert said["bluesky"]["options"] == {"languages": 7}
    # what was said for all platforms at once is said for each that knows it, with an account or without one
    assert said["tumblr"] == {"text": "Nobody is there yet", "mediaItems": None, "options": {"visibility": "private"}}


async def test_scheduling_needs_a_time_and_publishing_now_heeds_none(ada: Visitor) -> None:
    given = await composer(ada) | {"text": "x" * 301, "do": "schedule"}
    refused = await ada.post("/compose", data=given)
    assert refused.status == 422
    assert "Choose the date and time first" in refused.text
    assert "1 too many" in refused.text
    given |= {"text": "Words", "scheduledAt": "2030-05-28T02:30", "timezone": "Europe/Berlin"}
    assert (await ada.post("/compose", data=given)).status == 303
    post = await latest(ada)
    assert (post["status"], post["scheduledAt"]) == ("SCHEDULED", "2030-05-28T00:30:00.000Z")
    at_once = await composer(ada) | given | {"key": (await composer(ada))["key"], "do": "publish"}
    assert (await ada.post("/compose", data=at_once)).status == 303
    post = await latest(ada)
    assert (post["status"], post["scheduledAt"]) == ("PENDING", None)


async def test_what_is_planned_is_changed_in_the_form(ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    path = f"/posts/{post_id}/edit"
    page = (await ada.get(path)).text
    assert "Change a planned post" in page
    assert ("Keep as draft" in page, "Keep the changes" in page) == (False, True)
    given = await composer(ada, path) | {"text": "Other words", "scheduledAt": "2030-05-28T02:30", "timezone": "UTC"}
    assert (await ada.post(path, data=given | {"do": "schedule"})).headers["Location"] == "/?told=made"
    post = await stored(ada, post_id)
    assert (post["status"], post["content"]["text"], post["version"]) == ("SCHEDULED", "Other words", 2)
    assert post["scheduledAt"] == "2030-05-28T02:30:00.000Z"
    assert len((await ada.get("/api/posts")).json["posts"]) == 1
    as_draft = await ada.post(path, data=await composer(ada, path) | {"do": "draft"})
    assert (as_draft.status, "handed in already" in as_draft.text) == (409, True)
    assert (await stored(ada, post_id))["status"] == "SCHEDULED"


async def test_words_written_over_a_change_from_elsewhere_stay_and_may_become_a_draft_of_their_own(
    ada: Visitor,
) -> None:
    post_id = await make(ada, draft=True)
    path = f"/posts/{post_id}/edit"
    mine = await composer(ada, path) | {"text": "Mine"}
    assert (await ada.post(path, data=await composer(ada, path) | {"text": "Theirs", "do": "draft"})).status == 303
    refused = await ada.post(path, data=mine | {"do": "publish"})
    assert refused.status == 409
    assert "changed in between" in refused.text
    kept = Fields(refused.text).form(path)
    assert (kept["text"], kept["version"]) == ("Mine", mine["version"])
    for _ in range(2):  # pressed twice, it is one draft all the same
        assert (await ada.post(path, data=kept | {"do": "anew"})).headers["Location"] == "/?told=draft"
    said = [(one["content"]["text"], one["status"]) for one in (await ada.get("/api/posts")).json["posts"]]
    assert said == [("Mine", "DRAFT"), ("Theirs", "DRAFT")]


async def test_words_outlive_the_draft_that_was_deleted_elsewhere(house: House, ada: Visitor) -> None:
    post_id = await make(ada, draft=True)
    path = f"/posts/{post_id}/edit"
    given = await composer(ada, path) | {"text": "Still here", "do": "publish"}
    assert (await ada.ask("DELETE", f"/api/posts/{post_id}")).status == 200
    gone = await ada.post(path, data=given)
    assert (gone.status, "Press again to make a new one" in gone.text) == (404, True)
    fresh = Fields(gone.text).form("/compose")
    assert (fresh["text"], fresh["postId"]) == ("Still here", "")
    assert (await ada.post("/compose", data=fresh | {"do": "publish"})).status == 303
    bob = await house.register("bob@example.org")
    foreign = await make(bob, draft=True, selectedPlatforms=[])
    for named in (foreign, "no-id"):
        answer = await ada.post("/compose", data=await composer(ada) | {"text": "a", "postId": named, "do": "publish"})
        assert answer.status == 404
    assert len((await ada.get("/api/posts")).json["posts"]) == 1


async def test_a_calendar_proposes_the_time(house: House, ada: Visitor) -> None:
    assert (await composer(ada, "/compose?at=2030-03-29T14:30"))["scheduledAt"] == "2030-03-29T14:30"
    assert (await composer(ada, "/compose?on=2030-03-29"))["scheduledAt"] == "2030-03-29T09:00"
    for path in ("/compose", "/compose?at=%3Cscript%3E", "/compose?on=2030-02-31", f"/compose?on={'9' * 30}"):
        assert (await composer(ada, path))["scheduledAt"] == ""
    assert (await ada.get(f"/compose?at={'9' * 50}")).status == 404


async def test_a_file_of_ones_own_starts_a_post(house: House, ada: Visitor) -> None:
    media_id = await upload(ada, picture())
    bob = await house.register("bob@example.org")
    theirs = await upload(bob, picture(size=(30, 30)))
    page = (await ada.get(f"/compose?media={theirs}&media={media_id}&media={media_id}")).text
    assert (page.count('name="mediaId"'), f'value="{media_id}"' in page, theirs in page) == (1, True, False)
    assert (await ada.get("/compose?media=nonsense")).status == 404
    refused = await ada.post("/compose", data=await composer(ada) | {"mediaId": HOSTILE, "do": "publish"})
    assert (refused.status, 'name="mediaId"' in refused.text) == (422, False)


@pytest.mark.parametrize(
    ("at", "on", "zone", "starts"),
    [
        ("2030-03-29T14:30", "", "UTC", "2030-03-29T14:30"),
        ("2030-03-29T14:30:20+02:00", "2030-03-30", "UTC", "2030-03-29T14:30"),
        ("", "2030-03-30", "UTC", "2030-03-30T09:00"),
        ("", "2030-03-29", "UTC", "2030-03-29T13:00"),
        ("", "2030-03-29", "America/New_York", "2030-03-29T09:00"),
        ("", "2030-03-30", "Pacific/Auckland", "2030-03-30T09:00"),
        ("", "2030-03-29", "Asia/Dhaka", "2030-03-29T19:00"),
        ("", "2030-03-01", "UTC", "2030-03-01T09:00"),
        ("", "", "UTC", ""),
    ],
)
def test_a_day_starts_at_a_good_hour_of_its_zone(at: str, on: str, zone: str, starts: str) -> None:
    assert start_of(at, on, zone, datetime(2030, 3, 29, 12, 30, tzinfo=UTC)) == starts


def test_late_in_the_evening_the_day_is_not_over() -> None:
    assert start_of("", "2030-03-29", "UTC", datetime(2030, 3, 29, 23, 10, tzinfo=UTC)) == "2030-03-29T23:59"


NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "zone", "hour", "moment", "zones", "problem", "hours"),
    [
        ("", "UTC", "", None, (), "", 0),
        ("2027-05-28T02:30", "Europe/Berlin", "", "2027-05-28T00:30Z", ("Europe/Berlin", "Asia/Kolkata", "UTC"), "", 0),
        ("2027-05-28T02:30", "Asia/Kolkata", "", "2027-05-27T21:00Z", ("Asia/Kolkata", "UTC"), "", 0),
        ("2027-03-28T02:30", "Europe/Berlin", "", None, (), "does not exist in Europe/Berlin: the clocks go forward", 0),
        ("2027-10-31T02:30", "Europe/Berlin", "", None, (), "", 2),
        ("2027-10-31T02:30", "Europe/Berlin", "2027-10-31T02:30+01:00", "2027-10-31T01:30Z", ("Europe/Berlin", "Asia/Kolkata", "UTC"), "", 2),
        ("2027-10-31T02:30", "Europe/Berlin", "2027-10-31T02:30+05:00", None, (), "", 2),
        ("2026-12-31T02:30", "UTC", "", None, (), "is past", 0),
        ("2027-05-28T02:30", "Mars/Olympus", "", None, (), "no time zone 'Mars/Olympus'", 0),
        ("soon", "UTC", "", None, (), "is no time", 0),
        ("2027-01-01T00:00", "UTC", "", None, ("UTC", "Asia/Kolkata"), "goes out at once", 0),
    ],
)  # fmt: skip
def test_the_time_is_told_in_every_zone_that_matters(
    wall: str, zone: str, hour: str, moment: str | None, zones: tuple[str, ...], problem: str, hours: int
) -> None:
    when = when_facts(Draft(scheduled_at=wall, timezone=zone, hour=hour), "Asia/Kolkata", NOW)
    assert when.moment == (datetime.fromisoformat(moment) if moment else None)
    assert (when.zones, len(when.hours)) == (zones, hours)
    assert problem in when.problem
    assert bool(problem) == bool(when.problem)


async def test_the_time_is_shown_in_both_zones_and_an_hour_that_is_skipped_is_explained(ada: Visitor) -> None:
    assert (await ada.ask("PATCH", "/api/auth/me", {"timezone": "Asia/Kolkata"})).status == 200
    post_id = await make(ada, draft=True, scheduledAt="2030-05-28T02:30", timezone="Europe/Berlin")
    page = (await ada.get(f"/posts/{post_id}/edit")).text
    for told in ("02:30 Europe/Berlin", "06:00 Asia/Kolkata", "00:30 UTC"):
        assert f"Tue 28 May 2030, {told}</time>" in page
    skipped = await composer(ada) | {"scheduledAt": "2027-03-28T02:30", "timezone": "Europe/Berlin", "text": "a"}
    answer = await ada.post("/compose", data=skipped | {"do": "schedule"})
    assert answer.text.count("the clocks go forward over it that day") == 2


def test_the_zones_to_choose_from_are_places() -> None:
    names = list_zones()
    assert {"UTC", "Europe/Berlin", "Asia/Kolkata", "America/Argentina/Ushuaia"} <= set(names)
    assert len(names) < 600
    assert not [one for one in names if one.startswith("Etc/")]
