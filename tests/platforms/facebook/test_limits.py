"""Each rule of a Page beside its edge, and what a post becomes."""

from typing import Any
from uuid import uuid4

import pytest

from hayon.domain.model import Content, Media, MediaUse
from hayon.domain.rules import check
from hayon.platforms.facebook import Facebook
from hayon.platforms.facebook.limits import Kind, kind_of

RULES = Facebook().rules({})


def picture(mime: str = "image/jpeg", **changes: Any) -> Media:
    return Media(uuid4(), uuid4(), "key", mime, **{"size": 1000, "width": 800, "height": 600, **changes})


def film(**changes: Any) -> Media:
    measures = {"size": 1000, "width": 1080, "height": 1920, "duration_seconds": 20.0, "frame_rate": 30.0}
    return Media(uuid4(), uuid4(), "key", changes.pop("mime", "video/mp4"), **{**measures, **changes})


def found(text: str = "", *media: Media, **options: Any) -> set[tuple[str, str]]:
    content = Content(text, tuple(MediaUse(one.id) for one in media), options)
    problems = check(content, media, RULES)
    assert all(one.platform == "facebook" and "Facebook" in one.message for one in problems)
    return {(one.field, one.rule) for one in problems}


def test_a_text_counts_by_code_points() -> None:
    assert RULES.count("👨‍👩‍👧é", {}) == 6
    assert found("😀" * 63_206) == set()
    assert found("😀" * 63_207) == {("text", "too_long")}


@pytest.mark.parametrize(
    ("media", "problems"),
    [
        ([picture() for _ in range(10)], set()),
        ([picture("image/png"), picture("image/webp")], set()),
        ([picture() for _ in range(11)], {("mediaItems", "too_many")}),
        ([picture("image/gif")], {("mediaItems[0]", "kind")}),
        ([picture(), picture("image/webp", animated=True)], {("mediaItems[1]", "animation")}),
        ([picture(), film()], {("mediaItems", "mixed")}),
        ([film(), film()], {("mediaItems", "too_many")}),
        ([film(mime="video/webm")], {("mediaItems[0]", "kind")}),
        ([film(width=1920, height=1080, duration_seconds=14_400.0)], set()),
        ([film(width=1920, height=1080, duration_seconds=14_401.0)], {("mediaItems[0]", "too_long_video")}),
    ],
)
def test_media_of_a_post(media: list[Media], problems: set[tuple[str, str]]) -> None:
    assert found("words", *media) == problems
    assert found("", *media) == problems


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, None),
        ({"width": 540, "height": 960}, None),
        ({"width": 538, "height": 956}, "too_small"),
        ({"width": 1100}, None),  # encoders round
        ({"width": 1104}, "too_flat"),
        ({"width": 1056}, "too_narrow"),
        ({"width": 1920, "height": 1080}, "too_flat"),
        ({"duration_seconds": 3.0}, None),
        ({"duration_seconds": 2.9}, "too_short"),
        ({"duration_seconds": 90.0}, None),
        ({"duration_seconds": 90.1}, "too_long_video"),
        ({"frame_rate": 23.976}, None),
        ({"frame_rate": 23.0}, "frame_rate"),
        ({"frame_rate": 60.0}, None),
        ({"frame_rate": 61.0}, "frame_rate"),
        ({"frame_rate": None}, None),
    ],
)
def test_what_can_be_a_reel_is_one_and_what_cannot_is_told_so_if_it_is_asked_for(
    changes: dict[str, Any], rule: str | None
) -> None:
    one = film(**changes)
    assert kind_of({}, [one]) is (Kind.REEL if rule is None else Kind.VIDEO)
    assert found("words", one, kind="reel") == (set() if rule is None else {("mediaItems[0]", rule)})
    assert found("words", one) == found("words", one, kind="video") == set()


@pytest.mark.parametrize("unknown", ["width", "height", "duration_seconds"])
def test_a_film_of_unknown_measures_is_a_reel_only_if_asked(unknown: str) -> None:
    one = film(**{unknown: None})
    assert kind_of({}, [one]) is Kind.VIDEO
    assert kind_of({"kind": "reel"}, [one]) is Kind.REEL
    assert found("", one, kind="reel") == set()


@pytest.mark.parametrize(
    ("wanted", "media", "kind"),
    [
        (None, [], Kind.POST),
        (None, [picture(), picture()], Kind.POST),
        ("feed", [], Kind.POST),
        ("feed", [picture()], Kind.POST),
        ("feed", [film()], Kind.VIDEO),
        ("video", [film()], Kind.VIDEO),
        ("reel", [film(width=1920, height=1080)], Kind.REEL),
        ("story", [picture()], Kind.PHOTO_STORY),
        ("story", [film()], Kind.VIDEO_STORY),
    ],
)
def test_what_a_post_becomes(wanted: str | None, media: list[Media], kind: Kind) -> None:
    assert kind_of({"kind": wanted} if wanted else {}, media) is kind


@pytest.mark.parametrize(
    ("text", "media", "wanted", "problems"),
    [
        ("", [picture()], "story", set()),
        ("", [film()], "story", set()),
        ("words", [picture()], "story", {("text", "kind_of_post")}),
        ("", [picture(), picture()], "story", {("mediaItems", "kind_of_post")}),
        ("words", [], "story", {("text", "kind_of_post"), ("mediaItems", "kind_of_post")}),
        ("", [film(duration_seconds=60.0)], "story", set()),
        ("", [film(duration_seconds=60.1)], "story", {("mediaItems[0]", "too_long_video")}),
        ("", [film(width=1920, height=1080)], "story", {("mediaItems[0]", "too_flat")}),
        ("words", [], "reel", {("options.kind", "kind_of_post")}),
        ("words", [picture()], "video", {("options.kind", "kind_of_post")}),
        ("words", [picture()], "album", {("options.kind", "bad_option")}),
    ],
)
def test_what_each_kind_wants(text: str, media: list[Media], wanted: str, problems: set[tuple[str, str]]) -> None:
    assert found(text, *media, kind=wanted) == problems


@pytest.mark.parametrize(
    ("link", "rule"),
    [
        ("https://example.com/a?b=c", None),
        ("http://example.com", None),
        ("https://notfacebook.com/", None),
        ("https://facebook.com/page", "bad_option"),
        ("https://WWW.Facebook.com./page", "bad_option"),
        ("ftp://example.com", "bad_option"),
        ("javascript:alert(1)", "bad_option"),
        ("example.com", "bad_option"),
        ("https://", "bad_option"),
        ("https://exa mple.com", "bad_option"),
        ("https://[::1", "bad_option"),
        ("", "bad_option"),
        ("https://example.com/" + "x" * 2000, "bad_option"),
    ],
)
def test_a_link(link: str, rule: str | None) -> None:
    assert found("words", link=link) == (set() if rule is None else {("options.link", rule)})


def test_a_link_stands_with_words_and_not_with_media() -> None:
    for media in (picture(), film()):
        assert found("words", media, link="https://example.com") == {("options.link", "kind_of_post")}
    assert found("words", link=5) == {("options.link", "bad_option")}
