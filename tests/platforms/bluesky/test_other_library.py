"""A second opinion: the public library `atproto` reads the same text, and judges what we call a handle, a key, a record."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from atproto_client import models
from atproto_client.models import string_formats
from atproto_client.models.utils import get_or_create
from atproto_client.utils.facet_detection import detect_facets, detect_mentions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hayon.domain.model import Json
from hayon.platforms.bluesky.limits import is_language
from hayon.platforms.bluesky.record import Uploaded, as_moment, make_record, new_key
from hayon.platforms.bluesky.text import find_facets, is_did, is_handle
from tests.platforms.bluesky.scripted import DID, blob

FAMILY = "👨\u200d👩\u200d👧\u200d👧"
LINK = "bafkreie3m573n5vpiaw4v2wihok3zannepo4kzfye2hdwd5jyqtkjb6ihm"
FILM = {"$type": "blob", "ref": {"$link": LINK}, "mimeType": "video/mp4", "size": 100}
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - st wants naive


def judged(kind: Any, value: str) -> bool:
    """Whether the library takes this for a string of that kind, strictly."""
    try:
        _reader(kind).validate_python(value, context={"strict_string_format": True})
    except ValidationError:
        return False
    return True


@cache
def _reader(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def record(text: str = "", **parts: Any) -> Json:
    given: dict[str, Any] = {"facets": find_facets(text), "dids": {}, "pictures": [], "card": None, "options": {}}
    return make_record(text, "2026-11-03T12:30:15.250Z", **(given | parts))


def read(made: Json) -> models.AppBskyFeedPost.Record:
    taken = get_or_create(made, models.AppBskyFeedPost.Record, strict=True, strict_string_format=True)
    assert isinstance(taken, models.AppBskyFeedPost.Record)
    return taken


@given(st.lists(st.sampled_from(["@alice.com", "https://a.com/x", "#tag", "word", "🦋", FAMILY]), max_size=8))
def test_plain_sentences_read_the_same(words: list[str]) -> None:
    text = " ".join(words)
    theirs = [(facet.index.byte_start, facet.index.byte_end) for facet in detect_facets(text)]
    theirs += [(mention.byte_start, mention.byte_end) for mention in detect_mentions(text)]
    assert [(facet.start, facet.end) for facet in find_facets(text)] == sorted(theirs)


LIKE_HANDLES = st.from_regex(r"[a-zA-Z0-9.\-_@:%]{0,40}", fullmatch=True) | st.from_regex(
    r"[a-z0-9]{1,5}(\.[a-z0-9-]{0,6}){1,3}", fullmatch=True
)


@given(LIKE_HANDLES)
def test_what_is_a_handle_is_one_for_others(text: str) -> None:
    assert is_handle(text) is judged(string_formats.Handle, text)


@given(st.from_regex(r"did:[a-z0-9]{0,4}:([a-zA-Z0-9.:_\-/#]|%[0-9A-F]{2}){0,20}", fullmatch=True))
def test_what_is_a_did_is_one_for_others(text: str) -> None:
    assert not is_did(text) or judged(string_formats.Did, text)


@given(MOMENTS, st.text())
def test_keys_and_moments_are_such_for_others(at: datetime, name: str) -> None:
    assert judged(string_formats.Tid, new_key(at, name))
    assert judged(string_formats.DateTime, as_moment(at))


@pytest.mark.parametrize("tag", ["en", "pt-BR", "zh-Hant-TW", "de-CH-1901", "es-419"])
def test_languages_are_such_for_others(tag: str) -> None:
    assert is_language(tag)
    assert judged(string_formats.Language, tag)


def test_the_library_does_judge() -> None:
    assert not judged(string_formats.Tid, "0000000000000")
    assert not judged(string_formats.DateTime, "yesterday")
    assert not judged(string_formats.Language, "!")
    with pytest.raises(ValidationError):
        TypeAdapter(models.AppBskyFeedPost.Record).validate_python({"text": 1})


def test_a_whole_post_with_pictures_is_a_record() -> None:
    taken = read(
        record(
            "@known.test #tag https://a.com",
            dids={"known.test": DID},
            pictures=[Uploaded(blob("a"), "words", 640, 480)],
            options={"languages": ["en"], "labels": ["porn"], "tags": ["art"]},
        )
    )
    assert taken.facets is not None
    assert [facet.index.byte_end for facet in taken.facets] == [11, 16, 30]
    assert isinstance(taken.embed, models.AppBskyEmbedImages.Main)
    assert isinstance(taken.labels, models.ComAtprotoLabelDefs.SelfLabels)


def test_a_post_with_a_video_is_a_record() -> None:
    taken = read(record(video=Uploaded(FILM, "a red corner", 160, 96)))
    assert isinstance(taken.embed, models.AppBskyEmbedVideo.Main)
    assert (taken.embed.alt, taken.embed.video.mime_type) == ("a red corner", "video/mp4")
    assert taken.embed.aspect_ratio is not None
    assert (taken.embed.aspect_ratio.width, taken.embed.aspect_ratio.height) == (160, 96)
