"""The record: its key, its time, its embeds."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from hayon.domain.model import Json
from hayon.platforms.bluesky.record import Uploaded, as_moment, make_record, new_key
from hayon.platforms.bluesky.text import find_facets
from tests.platforms.bluesky.scripted import DID, blob

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - st wants naive


def record(text: str = "hello", **parts: object) -> Json:
    given: dict[str, object] = {"facets": find_facets(text), "dids": {}, "pictures": [], "card": None, "options": {}}
    return make_record(text, "2026-11-03T12:30:15.250Z", **(given | parts))


def uploaded(name: str = "a") -> Uploaded:
    return Uploaded(blob(name), f"words for {name}", 640, 480)


@given(MOMENTS, st.text())
def test_a_key_is_a_tid_that_carries_its_moment(at: datetime, name: str) -> None:
    key = new_key(at, name)
    number = 0
    for sign in key:
        number = number * 32 + "234567abcdefghijklmnopqrstuvwxyz".index(sign)
    assert len(key) == 13
    assert key[0] in "234567ab"  # the highest bit is never set
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number >> 10) == at
    assert key == new_key(at, name)


@given(MOMENTS, st.integers(1, 10**12))
def test_keys_sort_by_time(at: datetime, later: int) -> None:
    assert new_key(at, "b") < new_key(at + timedelta(microseconds=later), "a")


def test_two_posts_of_one_moment_have_keys_of_their_own() -> None:
    at = datetime(2026, 11, 3, tzinfo=UTC)
    assert len({new_key(at, name) for name in ("a", "b", "c")}) == 3


def test_a_moment_is_utc_with_milliseconds() -> None:
    at = datetime(2026, 11, 3, 14, 30, 15, 250_999, tzinfo=timezone(timedelta(hours=2)))
    assert as_moment(at) == "2026-11-03T12:30:15.250Z"
    assert as_moment(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"


def test_plain_text_makes_the_smallest_record() -> None:
    assert record() == {
        "$type": "app.bsky.feed.post",
        "text": "hello",
        "createdAt": "2026-11-03T12:30:15.250Z",
    }


def test_a_mention_of_nobody_stays_text() -> None:
    text = "@known.test and @unknown.test and https://a.com"
    made = record(text, dids={"known.test": DID, "unknown.test": None})
    assert [facet["features"][0] for facet in made["facets"]] == [
        {"$type": "app.bsky.richtext.facet#mention", "did": DID},
        {"$type": "app.bsky.richtext.facet#link", "uri": "https://a.com"},
    ]
    assert "facets" not in record("@unknown.test", dids={"unknown.test": None})


def test_pictures_carry_blob_words_and_shape() -> None:
    assert record(pictures=[uploaded("a"), Uploaded(blob("b"), "", 1, 2)])["embed"] == {
        "$type": "app.bsky.embed.images",
        "images": [
            {"image": blob("a"), "alt": "words for a", "aspectRatio": {"width": 640, "height": 480}},
            {"image": blob("b"), "alt": "", "aspectRatio": {"width": 1, "height": 2}},
        ],
    }


def test_more_than_four_pictures_are_a_gallery() -> None:
    assert record(pictures=[uploaded()] * 4)["embed"]["$type"] == "app.bsky.embed.images"
    embed = record(pictures=[uploaded()] * 5)["embed"]
    assert embed["$type"] == "app.bsky.embed.gallery"
    assert len(embed["items"]) == 5
    assert embed["items"][0] == {
        "$type": "app.bsky.embed.gallery#image",
        "image": blob("a"),
        "alt": "words for a",
        "aspectRatio": {"width": 640, "height": 480},
    }


def test_a_video_stands_alone() -> None:
    film = Uploaded({**blob("film"), "mimeType": "video/mp4"}, "a red corner", 160, 96)
    card = {"uri": "https://a.com", "title": "A", "description": ""}
    assert record(video=film, card=card)["embed"] == {
        "$type": "app.bsky.embed.video",
        "video": film.blob,
        "alt": "a red corner",
        "aspectRatio": {"width": 160, "height": 96},
    }


def test_a_shape_that_is_not_known_is_left_out() -> None:
    assert record(video=Uploaded(blob("film"), "", None, None))["embed"].keys() == {"$type", "video", "alt"}
    assert record(pictures=[Uploaded(blob("a"), "", 5, None)])["embed"]["images"] == [{"image": blob("a"), "alt": ""}]


def test_pictures_leave_no_room_for_a_card() -> None:
    card = {"uri": "https://a.com", "title": "A", "description": ""}
    assert record(card=card)["embed"] == {"$type": "app.bsky.embed.external", "external": card}
    assert record(card=card, pictures=[uploaded()])["embed"]["$type"] == "app.bsky.embed.images"


def test_options_become_fields() -> None:
    made = record(options={"languages": ["en", "de"], "labels": ["nudity", "nudity"], "tags": ["#art", " cats"]})
    assert made["langs"] == ["en", "de"]
    assert made["labels"] == {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "nudity"}]}
    assert made["tags"] == ["art", "cats"]
    assert record(options={"languages": [], "labels": [], "tags": []}).keys() == {"$type", "text", "createdAt"}
