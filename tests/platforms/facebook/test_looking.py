"""Reconcile: found by what hangs on it, absent only where enough was seen, words alone never absent. Never a write."""

from datetime import timedelta
from typing import Any

import pytest

from hayon.errors import Disconnected, PlatformError, RateLimited, Unavailable, Unconfirmed, Unreachable
from hayon.outgoing import Answer
from hayon.platforms.contract import Absent, Found, Unclear
from hayon.platforms.facebook import Facebook
from tests.platforms.facebook.scripted import (
    FEED,
    GONE,
    PAGE,
    SENT,
    STORIES,
    Scripted,
    Server,
    album,
    answered,
    listed,
    look_at,
    page_parcel,
    post,
    refused,
    share,
    story,
    summary,
)
from tests.platforms.parcels import NOW

PHOTOS = {"photoIds": ["11", "12"], "photosUploadedAt": (NOW - timedelta(minutes=6)).isoformat()}
FIRST = "GET /11"
UNATTACHED = answered({"id": "11"})
PICTURE = {"kind": "photo_story", "photoIds": ["11"]}
FILM = {"kind": "video_story", "videoId": "77"}
OLD_PHOTOS = {**PHOTOS, "photosUploadedAt": (NOW - timedelta(hours=21)).isoformat()}


# pictures: exact


@pytest.mark.parametrize("hung", [album("11", "12"), album("12", "11"), album("11"), album("5", "12")])
async def test_the_post_that_carries_our_pictures_is_the_post(hung: dict[str, Any]) -> None:
    server = listed(post(8, **album("5")), post(9, message="edited since", **hung))
    look = await look_at(server, **PHOTOS)
    assert summary(look) == ("found", f"{PAGE}_9", True)
    assert isinstance(look, Found)
    assert look.receipt.url == f"https://www.facebook.com/{PAGE}/posts/9"
    assert look.receipt.published_at == SENT.replace(microsecond=0)
    assert server.calls == [FEED]


async def test_what_is_asked_of_the_listing() -> None:
    server = listed(**{FIRST: UNATTACHED})
    await look_at(server, **PHOTOS)
    query = server.asked[0].query
    assert set(query["fields"].split(",")) >= {"id", "created_time", "is_published", "attachments"}
    assert server.asked[0].headers["Authorization"] == "Bearer page-token"


async def test_the_same_words_without_our_pictures_are_another_post() -> None:
    server = listed(post(9), post(8, **album("5", "6")), **{FIRST: UNATTACHED})
    assert isinstance(await look_at(server, message="Hello", **PHOTOS), Absent)
    assert server.calls == [FEED, FIRST]
    assert server.asked[1].query == {"fields": "page_story_id"}


async def test_two_posts_with_our_pictures_are_for_a_person() -> None:
    server = listed(post(9, **album("11")), post(8, **album("12")))
    assert isinstance(await look_at(server, **PHOTOS), Unclear)


async def test_a_post_that_nobody_sees_is_not_the_post() -> None:
    server = listed(post(9, is_published=False, **album("11", "12")))
    assert isinstance(await look_at(server, **PHOTOS), Unclear)


@pytest.mark.parametrize(
    ("photo", "handles", "expected"),
    [
        (UNATTACHED, PHOTOS, "absent"),
        (answered({"id": "11", "page_story_id": ""}), PHOTOS, "absent"),
        (GONE, PHOTOS, "unclear"),  # too young to have been thrown away
        (GONE, OLD_PHOTOS, "absent"),
        (GONE, {"photoIds": ["11"]}, "unclear"),
        (UNATTACHED, OLD_PHOTOS, "absent"),
    ],
)
async def test_nothing_listed_is_absent_only_if_the_pictures_agree(
    photo: Answer, handles: dict[str, Any], expected: str
) -> None:
    assert summary(await look_at(listed(**{FIRST: photo}), **handles))[0] == expected


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (answered(post(9, **album("11", "12"))), ("found", f"{PAGE}_9", True)),
        (answered(post(9, is_published=False, **album("11", "12"))), ("unclear", None, None)),
        (answered(post(9, **album("5"))), ("unclear", None, None)),
        (answered(post(9)), ("unclear", None, None)),
        (GONE, ("unclear", None, None)),
    ],
)
async def test_a_post_that_a_picture_names_is_read(story: Answer, expected: Any) -> None:
    named = answered({"id": "11", "page_story_id": f"{PAGE}_9"})
    server = listed(**{FIRST: named, f"GET /{PAGE}_9": story})
    assert summary(await look_at(server, **PHOTOS)) == expected


# words: never exact, never absent


async def test_exactly_one_post_that_says_the_same_is_the_post() -> None:
    server = listed(post(8, message="Hello!"), post(9, message=" Hello\n"))
    assert summary(await look_at(server)) == ("found", f"{PAGE}_9", False)


@pytest.mark.parametrize(
    "other",
    [
        {"is_published": False},
        {"attachments": {"data": [{"media_type": "photo", "target": {"id": "5"}}]}},
        share("https://x.example"),
    ],
)
async def test_what_cannot_be_ours_does_not_hide_what_is(other: dict[str, Any]) -> None:
    server = listed(post(9), post(8, **other))
    assert summary(await look_at(server)) == ("found", f"{PAGE}_9", False)


@pytest.mark.parametrize(
    "posts",
    [
        [],
        [post(message="Hello!")],
        [post(message=None)],
        [post(8), post(9)],
        [post(is_published=False)],
        [post(**album("5"))],
        [post(attachments={"data": [{"type": "photo", "target": {"id": "5"}}]})],
        [post(at=SENT - timedelta(minutes=6))],
        [post(**share("https://other.example/b"))],
    ],
)
async def test_words_alone_prove_no_absence(posts: list[dict[str, Any]]) -> None:
    assert isinstance(await look_at(listed(*posts)), Unclear)


@pytest.mark.parametrize(
    ("one", "other"), [("a  b\nc", "a b c"), ("Cafe\u0301", "Café"), (" x ", "x"), ("a\r\nb", "a\nb")]
)
async def test_blanks_and_accents_may_differ(one: str, other: str) -> None:
    assert isinstance(await look_at(listed(post(message=one)), message=other), Found)


LINK = "https://Example.com/a/?b=c"


@pytest.mark.parametrize(
    ("leads_to", "found"),
    [
        (LINK, True),
        ("https://example.com/a?b=c&fbclid=123", True),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc&h=AT1", True),
        ("https://example.com/a?b=d", False),
        ("https://example.com/other?b=c", False),
        ("https://l.facebook.com/l.php", False),
        ("https://[::1", False),
    ],
)
async def test_a_link_must_be_the_same(leads_to: str, found: bool) -> None:
    for text in ("Hello", None):
        words = {"link": LINK, **({"message": text} if text else {})}
        look = await look_at(listed(post(message=text, **share(leads_to))), **words)
        assert isinstance(look, Found if found else Unclear)
    assert isinstance(await look_at(listed(post()), message="Hello", link=LINK), Unclear)


async def test_a_link_that_stands_in_the_words_may_show() -> None:
    for kind in ("share", "video"):  # the preview of a page that holds a video says so
        hung = {
            "attachments": {"data": [{"type": kind, "media_type": kind, "unshimmed_url": "https://www.example.com/a"}]}
        }
        server = listed(post(message="See Example.com/a", **hung))
        assert isinstance(await look_at(server, message="See Example.com/a"), Found)


@pytest.mark.parametrize(
    ("application", "found"),
    [({"id": "1"}, True), ({"id": 1}, True), ({"id": "2"}, False), (None, True), ("?", True), ({}, True)],
)
async def test_a_post_of_another_app_is_not_ours(application: Any, found: bool) -> None:
    server = listed(post(application=application))
    assert isinstance(await look_at(server, Facebook(app_id="1")), Found if found else Unclear)
    assert isinstance(await look_at(server), Found)


# how far a look goes


def page(number: int, *entries: dict[str, Any], last: bool = False) -> Answer:
    paging: dict[str, Any] = {} if last else {"cursors": {"after": f"c{number}"}, "next": "https://x.example"}
    return answered({"data": [*entries, story("5", **post(500 - number))], "paging": paging})


@pytest.mark.parametrize(("path", "handles"), [(FEED, PHOTOS), (FEED, {"message": "Hello"}), (STORIES, PICTURE)])
async def test_a_flood_is_not_looked_through_and_proves_nothing(path: str, handles: dict[str, Any]) -> None:
    server = Server({path: [page(number) for number in range(9)], FIRST: UNATTACHED})
    assert isinstance(await look_at(server, **handles), Unclear)
    assert server.calls == [path] * 5
    assert [request.query.get("after") for request in server.asked] == [None, "c0", "c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("path", "handles", "entry"),
    [(FEED, PHOTOS, post(9, **album("11"))), (STORIES, PICTURE, story("11", id="9"))],
)
async def test_pages_follow_one_another_to_the_last(path: str, handles: dict[str, Any], entry: dict[str, Any]) -> None:
    server = Server({path: [page(0), page(1), page(2, entry, last=True)]})
    assert isinstance(await look_at(server, **handles), Found)
    empty = Server({path: [page(0), page(1), page(2, last=True)], FIRST: UNATTACHED})
    assert isinstance(await look_at(empty, **handles), Absent)


# what goes wrong on the way proves nothing

ALL: list[tuple[str, dict[str, Any]]] = [
    (FEED, {"message": "Hello"}),
    (FEED, PHOTOS),
    (STORIES, PICTURE),
    (STORIES, FILM),
    ("GET /77", {"kind": "reel", "videoId": "77"}),
    ("GET /77", {"kind": "video", "videoId": "77"}),
    (f"GET /{PAGE}_5", {"kind": "draft", "draftId": f"{PAGE}_5"}),
]


@pytest.mark.parametrize(("path", "handles"), ALL)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Unreachable("no name", host="graph.facebook.com"), Unreachable),
        (Unconfirmed("cut"), Unavailable),
        (refused(190, 460), Disconnected),
        (refused(10), Disconnected),
        (refused(80001), RateLimited),
        (refused(2, 0, 500), Unavailable),
        (answered("<html>", 502), Unavailable),
        (answered("<html>", 200), Unavailable),
        (answered([5]), Unavailable),
    ],
)
async def test_an_error_while_looking_proves_nothing(
    path: str, handles: dict[str, Any], answer: Scripted, error: type[PlatformError]
) -> None:
    with pytest.raises(error) as raised:
        await look_at(Server({path: answer}), **handles)
    assert type(raised.value) is error
    assert raised.value.proves_absence is False


@pytest.mark.parametrize("code", [GONE, refused(2, 0, 500)])
async def test_an_error_on_the_second_question_proves_nothing(code: Answer) -> None:
    named = answered({"id": "11", "page_story_id": f"{PAGE}_9"})
    for answers in ({FIRST: refused(2, 0, 500)}, {FIRST: named, f"GET /{PAGE}_9": refused(4)}):
        with pytest.raises(PlatformError) as raised:
            await look_at(listed(**answers), **PHOTOS)
        assert raised.value.proves_absence is False


@pytest.mark.parametrize(("path", "handles"), ALL)
async def test_without_a_time_of_sending_nothing_is_concluded(path: str, handles: dict[str, Any]) -> None:
    server = Server()
    whole = {"kind": "post", "pageId": PAGE, **handles}
    assert isinstance(await Facebook().reconcile(page_parcel(), whole, server.outgoing), Unclear)
    assert not server.calls


@pytest.mark.parametrize(
    "attachments", [None, "?", [], {"data": "?"}, {"data": [None, {"target": "?"}, {"type": ["album"], "url": 5}]}]
)
async def test_attachments_of_any_shape_are_read(attachments: Any) -> None:
    server = listed(post(attachments=attachments), **{FIRST: UNATTACHED})
    assert isinstance(await look_at(server, **PHOTOS), Absent)
    assert isinstance(await look_at(server), Found)
