"""Reconcile: the post is found where it is, absent only where enough was seen, and unclear in between. Never a write."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from hayon.errors import Disconnected, PlatformError, RateLimited, Unavailable, Unconfirmed, Unreachable
from hayon.outgoing import Answer
from hayon.platforms.contract import Absent, Found, Look, Unclear
from tests.platforms.mastodon.scripted import (
    ADDRESS,
    HOST,
    LISTING,
    SENT,
    Scripted,
    Server,
    answered,
    listed,
    look_at,
    refused,
    status,
    written,
)
from tests.platforms.parcels import NOW

# by words


async def test_the_same_words_are_the_post() -> None:
    look = await look_at(listed(status()))
    assert isinstance(look, Found)
    assert (look.receipt.remote_id, look.receipt.url, look.exact) == ("9", f"{ADDRESS}/@alice/9", False)
    assert look.receipt.published_at == SENT


async def test_the_listing_is_asked_for_all_but_boosts() -> None:
    server = listed()
    await look_at(server)
    assert server.asked[0].query == {"limit": "40", "exclude_reblogs": "true"}
    assert server.asked[0].headers["Authorization"] == "Bearer token"


async def test_nothing_there_is_absent() -> None:
    assert isinstance(await look_at(listed()), Absent)


@pytest.mark.parametrize("text", ["Hello!", "hello", "", "Hello\n\nHello"])
async def test_other_words_are_another_post(text: str) -> None:
    server = listed(status())
    server.answers |= written(9, text)
    assert isinstance(await look_at(server), Absent)


@pytest.mark.parametrize(("sent", "stored"), [("  Hello\n", "Hello"), ("a\r\nb", "a\nb"), ("e\u0301", "é")])
async def test_words_are_compared_as_instances_store_them(sent: str, stored: str) -> None:
    server = listed(status())
    server.answers |= written(9, stored)
    assert isinstance(await look_at(server, status=sent), Found)


@pytest.mark.parametrize(
    ("sent", "seen", "found"), [("w", "w", Found), ("w ", "w", Found), ("w", "", Absent), (None, "w", Absent)]
)
async def test_the_warning_belongs_to_the_words(sent: str | None, seen: str, found: type[Look]) -> None:
    server = listed(status(spoiler_text=seen))
    server.answers |= written(9, "Hello", seen)
    assert isinstance(await look_at(server, **({"warning": sent} if sent else {})), found)


async def test_a_post_with_pictures_is_not_one_without() -> None:
    assert isinstance(await look_at(listed(status(media_attachments=[{"id": "1"}]))), Absent)


@pytest.mark.parametrize("minutes", [3, 60, 60 * 24 * 30])
async def test_the_same_words_of_before_are_another_post(minutes: int) -> None:
    assert isinstance(await look_at(listed(status(at=SENT - timedelta(minutes=minutes)))), Absent)


async def test_a_post_may_seem_a_little_older_than_its_call() -> None:
    assert isinstance(await look_at(listed(status(at=SENT - timedelta(seconds=100)))), Found)


async def test_an_instance_whose_clock_is_behind() -> None:
    behind = timedelta(hours=2)
    page = answered([status(at=SENT - behind)], headers={"date": format_datetime(NOW - behind, usegmt=True)})
    assert isinstance(await look_at(Server({LISTING: page, **written(9)})), Found)


async def test_an_instance_whose_clock_is_ahead_hides_nothing() -> None:
    ahead = timedelta(hours=2)
    page = answered([status(at=SENT)], headers={"date": format_datetime(NOW + ahead, usegmt=True)})
    assert isinstance(await look_at(Server({LISTING: page, **written(9)})), Found)


async def test_the_same_said_twice_is_unclear() -> None:
    assert isinstance(await look_at(listed(status(10), status(9))), Unclear)


@pytest.mark.parametrize(
    ("sent", "seen", "found"),
    [
        ({"visibility": "public"}, {"visibility": "public"}, Found),
        ({"visibility": "public"}, {"visibility": "unlisted"}, Found),  # a silenced account
        ({"visibility": "public"}, {"visibility": "private"}, Unclear),
        ({"visibility": "private"}, {"visibility": "unlisted"}, Unclear),
        ({}, {"visibility": "private"}, Found),
        ({"language": "de"}, {"language": "de"}, Found),
        ({"language": "de"}, {"language": None}, Found),
        ({"language": "de"}, {"language": "en"}, Unclear),
        ({"applicationName": "Hayon"}, {}, Found),
        ({"applicationName": "Hayon"}, {"application": {"name": "Web"}}, Unclear),
        ({"applicationName": "Hayon"}, {"application": None}, Found),
        ({}, {"application": {"name": "Web"}}, Found),
    ],
)
async def test_the_same_words_in_another_manner_are_for_a_person_to_judge(
    sent: dict[str, Any], seen: dict[str, Any], found: type[Look]
) -> None:
    assert isinstance(await look_at(listed(status(**seen)), **sent), found)


async def test_the_one_in_our_manner_is_the_post_whatever_else_says_the_same() -> None:
    server = listed(status(10, application={"name": "Web"}), status(9))
    look = await look_at(server, applicationName="Hayon")
    assert isinstance(look, Found)
    assert look.receipt.remote_id == "9"


async def test_an_edited_post_may_have_been_this_one() -> None:
    server = listed(status(edited_at="2026-11-03T12:28:00Z", spoiler_text="new"))
    server.answers |= written(9, "Something else", "new")
    assert isinstance(await look_at(server), Unclear)


async def test_a_post_without_a_readable_source_may_be_this_one() -> None:
    source = "GET /api/v1/statuses/9/source"
    for answer in (refused(404, "Record not found"), answered([])):
        assert isinstance(await look_at(Server({LISTING: answered([status()]), source: answer})), Unclear)


async def test_a_direct_post_may_be_missing_in_a_listing() -> None:
    assert isinstance(await look_at(listed(), visibility="direct"), Unclear)
    assert isinstance(await look_at(listed(status(visibility="direct")), visibility="direct"), Found)


async def test_without_a_time_nothing_can_be_concluded() -> None:
    server = listed(status())
    assert isinstance(await look_at(server, first_sent_at=None), Unclear)
    assert not server.asked


# by pictures

PICTURES = {"mediaIds": ["1", "2"], "mediaUploadedAt": (SENT - timedelta(minutes=1)).isoformat()}
FIRST = "GET /api/v1/media/1"


@pytest.mark.parametrize("held", [["1", "2"], ["2"], ["3", "1"]])
async def test_a_post_that_holds_our_pictures_is_the_post_whatever_it_says(held: list[str]) -> None:
    server = Server({LISTING: answered([status(10), status(9, media_attachments=[{"id": one} for one in held])])})
    look = await look_at(server, **PICTURES)
    assert isinstance(look, Found)
    assert (look.receipt.remote_id, look.exact) == ("9", True)
    assert server.calls == [LISTING]


async def test_pictures_settle_it_whatever_the_time_says() -> None:
    old = status(at=SENT - timedelta(days=1), media_attachments=[{"id": "1"}])
    assert isinstance(await look_at(Server({LISTING: answered([old])}), **PICTURES), Found)


async def test_our_words_under_other_pictures_are_another_post() -> None:
    server = listed(status(media_attachments=[{"id": "3"}]), **{FIRST: answered({"id": "1"})})
    assert isinstance(await look_at(server, **PICTURES), Absent)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (answered({"id": "1"}), Absent),
        (answered({"id": "1"}, 206), Absent),
        (refused(422, "Error processing"), Absent),
        (refused(404, "Record not found"), Unclear),
    ],
)
@pytest.mark.parametrize("visibility", ["public", "direct"])
async def test_pictures_in_use_contradict_an_empty_listing(answer: Answer, found: type[Look], visibility: str) -> None:
    server = listed(**{FIRST: answer})
    assert isinstance(await look_at(server, **PICTURES, visibility=visibility), found)


async def test_pictures_that_had_to_be_thrown_away_contradict_nothing() -> None:
    old = {**PICTURES, "mediaUploadedAt": (NOW - timedelta(hours=21)).isoformat()}
    server = listed()
    assert isinstance(await look_at(server, **old), Absent)
    assert server.calls == [LISTING]


# how far a look goes


def page(first: int, count: int, *, minutes: int = 0, **headers: str) -> Answer:
    """So many posts that say something else, newest first."""
    at = SENT + timedelta(minutes=1) - timedelta(minutes=minutes)
    made = [status(first - number, at=at, media_attachments=[{"id": "x"}]) for number in range(count)]
    return answered(made, headers=headers)


@pytest.mark.parametrize(
    ("pages", "found", "asked"),
    [
        ([page(900, 0)], Absent, 1),
        ([page(900, 39)], Absent, 1),
        ([page(900, 40, minutes=9)], Absent, 1),
        ([page(900, 20, link='<x>; rel="next"'), page(880, 0)], Absent, 2),  # a server with a smaller page
        ([page(900, 20, minutes=9, link='<x>; rel="next"')], Absent, 1),
        ([page(900, 40), page(860, 40, minutes=9)], Absent, 2),
        ([page(900 - 40 * number, 40) for number in range(9)], Unclear, 5),
    ],
)
async def test_absent_needs_a_look_back_to_the_first_call(pages: list[Scripted], found: type[Look], asked: int) -> None:
    for changes in ({}, PICTURES):
        server = Server({LISTING: list(pages), FIRST: answered({"id": "1"})})
        assert isinstance(await look_at(server, **changes), found)
        assert server.calls[:asked] == [LISTING] * asked
        assert LISTING not in server.calls[asked:]


async def test_pages_follow_one_another() -> None:
    last = answered([status(3, media_attachments=[{"id": "2"}])])
    server = Server({LISTING: [page(900, 40), page(860, 40), last]})
    assert isinstance(await look_at(server, **PICTURES), Found)
    assert [request.query.get("max_id") for request in server.asked] == [None, "861", "821"]


async def test_posts_without_a_time_are_looked_at_too() -> None:
    server = listed(status(created_at=None))
    assert isinstance(await look_at(server), Found)


async def test_a_flood_of_posts_is_not_read_one_by_one() -> None:
    flood = [status(900 - number) for number in range(40)]
    server = Server({LISTING: [answered(flood), answered([status(number) for number in (9, 8)])]})
    assert isinstance(await look_at(server), Unclear)
    assert set(server.calls) == {LISTING}


# what goes wrong on the way proves nothing


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Unreachable("no name", host=HOST), Unreachable),
        (Unconfirmed("cut"), Unavailable),
        (refused(401, "The access token was revoked"), Disconnected),
        (refused(403, "This action is outside the authorized scopes"), Disconnected),
        (refused(404, "Record not found"), Unavailable),
        (refused(429, "Too many requests"), RateLimited),
        (refused(500, "Internal Server Error"), Unavailable),
        (answered("<html>", 502), Unavailable),
        (answered("<html>", 200), Unavailable),
        (answered({"error": "?"}), Unavailable),
        (answered([5]), Unavailable),
        (answered([{}]), Unavailable),
    ],
)
async def test_an_error_while_looking_proves_nothing(answer: Scripted, error: type[PlatformError]) -> None:
    with pytest.raises(error) as raised:
        await look_at(Server({LISTING: answer}))
    assert type(raised.value) is error
    assert raised.value.proves_absence is False
    if error is not Disconnected:
        with pytest.raises(PlatformError) as raised:
            await look_at(Server({LISTING: answered([status()])}))  # its source is out of reach
        assert raised.value.proves_absence is False
