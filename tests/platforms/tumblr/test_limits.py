"""What fits on Tumblr and what does not: each rule with a case on either side of its edge."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from hayon.domain.model import Content, Media, MediaUse
from hayon.domain.rules import check
from hayon.platforms.tumblr import Tumblr
from hayon.platforms.tumblr.limits import FITTING, LARGEST_PICTURE, LONGEST_TEXT

RULES = Tumblr().rules({})
PNG = Media(uuid4(), uuid4(), "key", "image/png", 1000, 40, 30)
GIF = replace(PNG, mime="image/gif", animated=True)
VIDEO = replace(PNG, mime="video/mp4", duration_seconds=5.0)


def problems(
    text: str = "x", options: dict[str, Any] | None = None, *media: Media, alt: str = ""
) -> list[tuple[str, str]]:
    given = [replace(one, id=uuid4()) for one in media]
    content = Content(text, tuple(MediaUse(one.id, alt) for one in given), options or {})
    return [(one.field, one.rule) for one in check(content, given, RULES)]


def test_the_table() -> None:
    table = RULES.as_json()
    assert table["text"] == {"limit": LONGEST_TEXT, "unit": "code points", "bytesLimit": None}
    assert (table["images"]["limit"], table["videos"]["limit"], table["mediaLimit"], table["mixed"]) == (
        30,
        1,
        31,
        True,
    )
    assert (table["videos"]["bytesLimit"], table["videos"]["maxSeconds"]) == (500_000_000, 600)
    assert table["images"]["altTextLimit"] == 4_096
    assert FITTING.largest_bytes == 10_000_000
    assert sorted(table["options"]) == ["linkCard", "slug", "sourceUrl", "tags", "title", "visibility"]


def test_text_counts_code_points_and_the_title_counts_with_it() -> None:
    assert RULES.count("👨‍👨‍👦", {}) == 5
    assert RULES.count("ab", {"title": "cde"}) == 5
    assert problems("x" * LONGEST_TEXT) == []
    assert problems("x" * LONGEST_TEXT, {"title": "y"}) == [("text", "too_long")]


def test_a_post_is_stored_in_a_megabyte() -> None:
    """Beyond ASCII a character may be stored as an escape of six bytes, an emoji as two of them."""
    assert problems("🌳" * 83_000) == []
    assert problems("🌳" * 83_400) == [("text", "too_many_bytes")]
    assert problems("日" * LONGEST_TEXT) == []
    pictures = [PNG] * 30
    assert problems("x" * 60_000, {}, *pictures, alt="y" * 4_096) == []
    assert problems("x", {}, *pictures, alt="🌳" * 4_096) == [("text", "too_many_bytes")]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"title": "T", "tags": ["a b", "#c"], "slug": "my-1st-post", "visibility": "private", "linkCard": False,
          "sourceUrl": "https://example.com/a?b"}, []),
        ({"tags": ["x"] * 30}, []),
        ({"tags": ["x"] * 31}, [("options.tags", "bad_option")]),
        ({"tags": ["x" * 140]}, []),
        ({"tags": ["x" * 141]}, [("options.tags", "bad_option")]),
        ({"tags": ["a,b"]}, [("options.tags", "bad_option")]),
        ({"tags": ["#"]}, [("options.tags", "bad_option")]),
        ({"tags": "x"}, [("options.tags", "bad_option")]),
        ({"slug": ""}, [("options.slug", "bad_option")]),
        ({"slug": "My post"}, [("options.slug", "bad_option")]),
        ({"slug": "-a"}, [("options.slug", "bad_option")]),
        ({"slug": "a" * 100}, []),
        ({"slug": "a" * 101}, [("options.slug", "bad_option")]),
        ({"visibility": "unlisted"}, [("options.visibility", "bad_option")]),
        ({"sourceUrl": "example.com"}, [("options.sourceUrl", "bad_option")]),
        ({"sourceUrl": "javascript:alert(1)"}, [("options.sourceUrl", "bad_option")]),
        ({"sourceUrl": "https://[::1"}, [("options.sourceUrl", "bad_option")]),
        ({"title": 5}, [("options.title", "bad_option")]),
        ({"title": "x" * 4_096}, []),
        ({"title": "x" * 4_097}, [("options.title", "bad_option")]),
        ({"language": "de"}, [("options.language", "unknown_option")]),
    ],
)  # fmt: skip
def test_options(options: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert problems("x", options) == found


@pytest.mark.parametrize(
    ("media", "found"),
    [
        ([PNG] * 30, []),
        ([PNG] * 31, [("mediaItems", "too_many")]),
        ([*[PNG] * 30, VIDEO], []),
        ([VIDEO, VIDEO], [("mediaItems", "too_many")]),
        ([replace(PNG, size=20_000_000)], []),
        ([replace(PNG, size=20_000_001)], [("mediaItems[0]", "too_large")]),
        ([replace(GIF, size=LARGEST_PICTURE)], []),
        ([PNG, replace(GIF, size=LARGEST_PICTURE + 1)], [("mediaItems[1]", "too_large")]),
        ([replace(GIF, size=LARGEST_PICTURE + 1, animated=False)], []),
        ([replace(VIDEO, mime="video/quicktime", duration_seconds=600.0)], []),
        ([replace(VIDEO, duration_seconds=600.1)], [("mediaItems[0]", "too_long_video")]),
        ([replace(VIDEO, size=500_000_001)], [("mediaItems[0]", "too_large")]),
        ([replace(VIDEO, mime="video/webm")], [("mediaItems[0]", "kind")]),
    ],
)
def test_media(media: list[Media], found: list[tuple[str, str]]) -> None:
    assert problems("", {}, *media) == found


def test_alt_text() -> None:
    assert problems("", {}, PNG, alt="x" * 4_096) == []
    assert problems("", {}, PNG, alt="x" * 4_097) == [("mediaItems[0].altText", "alt_too_long")]


def test_words_name_the_platform_and_end_in_a_full_stop() -> None:
    content = Content("x" * (LONGEST_TEXT + 1), options={"tags": ["a,b", " "], "slug": "?", "sourceUrl": "?", "x": 1})
    found = check(content, [], RULES)
    assert len(found) == 6
    assert all("Tumblr" in one.message and one.message.endswith(".") and one.platform == "tumblr" for one in found)
