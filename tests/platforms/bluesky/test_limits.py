"""Bluesky's limits as rules."""

from typing import Any
from uuid import uuid4

import pytest

from hayon.domain.model import Content, Fitting, Media, MediaUse
from hayon.domain.rules import check
from hayon.media import fit_bytes
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.bluesky.limits import bluesky_rules, picture_fitting

FAMILY = "👨\u200d👩\u200d👧\u200d👧"


def found(text: str = "hello", facts: dict[str, Any] | None = None, **options: Any) -> list[tuple[str, str]]:
    problems = check(Content(text, options=options), [], bluesky_rules(facts or {}))
    return [(problem.field, problem.rule) for problem in problems]


def found_in(pictures: int, mime: str = "image/png", size: int = 1, alt: str = "", **facts: Any) -> list[str]:
    media = [Media(uuid4(), uuid4(), "key", mime, size, 10, 10) for _ in range(pictures)]
    content = Content(media=tuple(MediaUse(one.id, alt) for one in media))
    return [problem.rule for problem in check(content, media, bluesky_rules(facts))]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a" * 300, []),
        ("a" * 301, [("text", "too_long")]),
        (FAMILY * 120, []),  # 120 graphemes, 3,000 bytes
        (FAMILY * 121, [("text", "too_many_bytes")]),
        ("é" * 300, []),
        ("", [("text", "empty")]),
    ],
)
def test_text(text: str, problems: list[tuple[str, str]]) -> None:
    assert found(text) == problems


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({"languages": ["en", "pt-BR", "zh-Hant-TW"]}, []),
        ({"languages": ["en", "de", "fr", "it"]}, [("options.languages", "bad_option")]),
        ({"languages": ["English!"]}, [("options.languages", "bad_option")]),
        ({"languages": [""]}, [("options.languages", "bad_option")]),
        ({"languages": "en"}, [("options.languages", "bad_option")]),
        ({"languages": [1]}, [("options.languages", "bad_option")]),
        ({"labels": ["sexual", "nudity", "porn", "graphic-media"]}, []),
        ({"labels": ["gore"]}, [("options.labels", "bad_option")]),
        ({"tags": ["a"] * 8}, []),
        ({"tags": ["a"] * 9}, [("options.tags", "bad_option")]),
        ({"tags": ["é" * 64]}, []),
        ({"tags": ["#" + "é" * 64]}, []),
        ({"tags": ["é" * 65]}, [("options.tags", "bad_option")]),
        ({"tags": [FAMILY * 26]}, [("options.tags", "bad_option")]),
        ({"tags": ["#"]}, [("options.tags", "bad_option")]),
        ({"linkCard": False}, []),
        ({"linkCard": "no"}, [("options.linkCard", "bad_option")]),
        ({"visibility": "public"}, [("options.visibility", "unknown_option")]),
    ],
)
def test_options(options: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert found(**options) == problems


def test_pictures() -> None:
    assert found_in(4) == []
    assert found_in(5) == ["too_many"]
    assert found_in(1, "image/gif") == ["kind"]
    assert found_in(1, "image/jpeg", 20_000_000) == []
    assert found_in(1, "image/webp", 20_000_001) == ["too_large"]
    assert found_in(1, alt="a" * 2_000) == []
    assert found_in(1, alt="a" * 2_001) == ["alt_too_long"]


def of(mime: str = "video/mp4", **measures: Any) -> Media:
    return Media(uuid4(), uuid4(), "key", mime, **{"size": 1, "width": 640, "height": 480, **measures})


@pytest.mark.parametrize(
    ("media", "found"),
    [
        ([of(size=300_000_000, duration_seconds=600.0)], []),
        ([of(size=300_000_001)], ["too_large"]),
        ([of(duration_seconds=600.1)], ["too_long_video"]),
        ([of("video/webm")], []),
        ([of("video/quicktime")], ["kind"]),
        ([of(), of()], ["too_many"]),
        ([of(), of("image/png")], ["mixed"]),
        ([of("image/gif", animated=True)], ["kind"]),
        ([of("image/webp", animated=True, size=1_000_000)], []),
        ([of("image/webp", animated=True, size=1_000_001)], ["too_large"]),  # it cannot be made smaller
        ([of("image/webp", size=1_000_001)], []),
    ],
)
def test_videos_and_what_moves(media: list[Media], found: list[str]) -> None:
    content = Content(media=tuple(MediaUse(one.id) for one in media))
    assert [problem.rule for problem in check(content, media, bluesky_rules({}))] == found


def test_without_a_video_service_a_video_is_what_the_server_itself_takes() -> None:
    def rules(**facts: Any) -> Any:
        return bluesky_rules(facts, video_service=False).videos

    assert (rules().mimes, rules().bytes_limit) == (("video/mp4",), 300_000_000)
    assert rules(blobUploadLimit=5_242_880).bytes_limit == 5_242_880
    assert rules(blobUploadLimit=500_000_000).bytes_limit == 300_000_000
    assert bluesky_rules({"blobUploadLimit": 5_242_880}).videos.bytes_limit == 300_000_000
    adapter = Bluesky(fit=fit_bytes, video_url=None)
    assert adapter.rules({}).videos == rules()


@pytest.mark.parametrize(
    ("facts", "largest"),
    [({}, 1_000_000), ({"blobUploadLimit": 300_000}, 300_000), ({"blobUploadLimit": "no"}, 1_000_000)],
)
def test_what_pictures_are_made(facts: dict[str, Any], largest: int) -> None:
    assert picture_fitting(facts) == Fitting(("image/jpeg", "image/png", "image/webp"), largest)


def test_servers_that_know_galleries_take_ten_pictures() -> None:
    assert found_in(10, gallery=True) == []
    assert found_in(11, gallery=True) == ["too_many"]
    assert found_in(5, gallery=False) == ["too_many"]


def test_the_table_reads_as_json() -> None:
    table = bluesky_rules({}).as_json()
    assert table["text"] == {"limit": 300, "unit": "graphemes", "bytesLimit": 3_000}
    assert table["images"]["limit"] == 4
    assert (table["videos"]["limit"], table["videos"]["maxSeconds"], table["mixed"]) == (1, 600, False)
    assert table["options"].keys() == {"languages", "labels", "tags", "linkCard"}
