"""Texts in pieces, as each platform shows them: what is a link there, and from where on it is too long."""

import time
from typing import Any
from uuid import uuid4

import pytest

from hayon.domain.model import Content, MediaUse
from hayon.domain.rules import Rules
from hayon.platforms.bluesky.limits import bluesky_rules
from hayon.platforms.facebook.limits import facebook_rules
from hayon.platforms.instagram import Instagram
from hayon.platforms.mastodon.limits import mastodon_rules
from hayon.platforms.threads import Threads
from hayon.platforms.tumblr.limits import tumblr_rules
from hayon.web.marking import LONGEST_SHOWN, Piece, cut, find_ends, mark_up

TABLES = {
    "bluesky": bluesky_rules({}), "mastodon": mastodon_rules({}), "threads": Threads().rules({}),
    "instagram": Instagram().rules({}), "facebook": facebook_rules({}), "tumblr": tumblr_rules(),
}  # fmt: skip
TEXT = "Hi @ada.test, @bob@example.org and @cy: https://www.example.com/a/rather/long/way?to=it. #Größe (#two) #3"


def shown(text: str, rules: Rules, options: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    """What is marked, and as what."""
    return [(one.words, one.kind) for one in mark_up(text, rules, options or {}).pieces if one.kind]


@pytest.mark.parametrize(
    ("platform", "marks"),
    [
        ("bluesky", [("@ada.test", "mention"), ("www.example.com/a/rather/lon...", "link"), ("#Größe", "tag")]),
        ("mastodon", [
            ("@ada.test", "mention"), ("@bob", "mention"), ("@cy", "mention"), ("example.com/a/rather/long/way?…", "link"), ("#Größe", "tag"),
        ]),
        ("threads", [
            ("@ada.test", "mention"), ("@bob", "mention"), ("@cy", "mention"), ("https://www.example.com/a/rather/long/way?to=it", "link"), ("Größe", "tag"),
        ]),
        ("instagram", [("@ada.test", "mention"), ("@bob", "mention"), ("@cy", "mention"), ("#Größe", "tag"), ("#two", "tag")]),
        ("facebook", [("https://www.example.com/a/rather/long/way?to=it", "link"), ("#Größe", "tag"), ("#two", "tag")]),
        ("tumblr", [("@cy", "mention"), ("https://www.example.com/a/rather/long/way?to=it", "link")]),
    ],
)  # fmt: skip
def test_each_platform_makes_its_own_of_the_words(platform: str, marks: list[tuple[str, str]]) -> None:
    assert shown(TEXT, TABLES[platform]) == marks
    assert "".join(one.words for one in mark_up(TEXT, TABLES["facebook"], {}).pieces) == TEXT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://example.com/", "example.com"),
        ("https://example.com/of/15/letters", "example.com/of/15/letters"),
        ("https://Example.com/a-rather-long-way", "example.com/a-rather-lon..."),
        ("http://ada@example.com/x", "example.com/x"),
        ("example.com/a-rather-long-way", "example.com/a-rather-long-way"),
    ],
)
def test_bluesky_shows_addresses_as_its_app_does(text: str, words: str) -> None:
    assert shown(text, TABLES["bluesky"]) == [(words, "link")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://www.example.com/", "example.com/"),
        (f"https://a.de/{'x' * 25}", f"a.de/{'x' * 25}"),
        (f"https://a.de/{'x' * 26}", f"a.de/{'x' * 26}"),
        (f"https://a.de/{'x' * 27}", f"a.de/{'x' * 25}…"),
        ("https://bücher.example.com", "bücher.example.com"),
    ],
)
def test_mastodon_shows_addresses_as_it_does(text: str, words: str) -> None:
    assert shown(text, TABLES["mastodon"]) == [(words, "link")]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#one, #two", ["#one", "#two"]),
        ("x#no /#no #1 #1a ＃wide", ["#1a", "＃wide"]),
        ("#a·b #c_ #_ #été", ["#a·b", "#c_", "#_", "#été"]),
        ("#日本語 #a-b", ["#日本語", "#a"]),
        ("#x://y", []),
    ],
)
def test_mastodon_finds_tags_as_it_does(text: str, tags: list[str]) -> None:
    assert [words for words, kind in shown(text, TABLES["mastodon"]) if kind == "tag"] == tags


def test_a_topic_named_beside_the_text_leaves_the_first_tag_text() -> None:
    assert shown("about #Berlin. #x", TABLES["threads"]) == [("Berlin", "tag")]
    assert shown("about #Berlin. #x", TABLES["threads"], {"topicTag": "Walls"}) == []


@pytest.mark.parametrize(
    ("platform", "text", "options", "over"),
    [
        ("bluesky", "x" * 300 + "yz", {}, "yz"),
        ("bluesky", "👨‍👩‍👧‍👦" * 121, {}, "👨‍👩‍👧‍👦"),  # of 25 bytes each, 3,000 are taken
        ("bluesky", "x" * 290 + " https://example.com", {}, "example.com"),
        ("mastodon", "x" * 482 + "https://example.com", {}, "m"),  # in a word it is no link
        ("mastodon", "x" * 476 + " https://example.com/" + "y" * 900, {}, ""),
        ("mastodon", "x" * 495, {"warning": "a warning"}, "x" * 4),
        ("threads", "x" * 497 + "😀", {}, "😀"),
        ("instagram", "x" * 2201, {}, "x"),
        ("facebook", "x" * 2201, {}, ""),
    ],
)  # fmt: skip
def test_what_is_too_long_is_marked_from_where_it_no_longer_fits(
    platform: str, text: str, options: dict[str, Any], over: str
) -> None:
    pieces = mark_up(text, TABLES[platform], options).pieces
    assert "".join(one.words for one in pieces if one.over) == over


def test_words_stand_apart_where_the_overflow_begins_among_them() -> None:
    assert mark_up("x" * 300 + "y #z", TABLES["bluesky"], {}).pieces == [
        Piece("x" * 300), Piece("y ", over=True), Piece("#z", "tag", over=True),
    ]  # fmt: skip


def test_of_a_long_text_the_beginning_is_shown_and_no_link_ends_early() -> None:
    text = "x" * (LONGEST_SHOWN - 12) + " https://example.com/far " + "y" * 70_000
    marked = mark_up(text, TABLES["tumblr"], {})
    assert "".join(one.words for one in marked.pieces) == "x" * (LONGEST_SHOWN - 12) + " "
    assert marked.left_out == len(text) - (LONGEST_SHOWN - 11)


def test_a_text_is_cut_for_every_account_of_a_platform() -> None:
    tables = [(mastodon_rules({"maxCharacters": limit}), {}) for limit in (200, 50)]
    shorter = cut("some words " * 40, tables)
    assert shorter == "some words " * 4 + "some…"
    assert cut("https://example.com/" + "x" * 400, [(TABLES["bluesky"], {})]) is None


HOSTILE = [
    "x" * 100_000, "\u202e" * 100_000, "<script>" * 12_000, "https://a.de/b " * 6_600, "#a " * 33_000, "@a.test " * 12_000,
    "e\u0301" * 50_000, "🇩🇪" * 25_000, "a\u0301" + "\u0301" * 99_000, "(" * 100_000, "https://" * 12_000, "\n" * 100_000, "$A" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
def test_hostile_text_takes_bounded_time(text: str) -> None:
    started = time.process_time()
    for rules in TABLES.values():
        marked = mark_up(text, rules, {})
        assert sum(len(one.words) for one in marked.pieces) <= LONGEST_SHOWN * 2
        cut(text, [(rules, {})])
    assert time.process_time() - started < 5


def test_characters_as_people_see_them_stay_whole() -> None:
    assert find_ends("ae\u0301👩‍💻🇩🇪🇫🇷") == [1, 3, 6, 8, 10]


LINKS = "see https://example.com/a, and https://example.com/b"
PICTURE = (MediaUse(uuid4()),)


@pytest.mark.parametrize(
    ("platform", "content", "address"),
    [
        ("bluesky", Content(LINKS), "https://example.com/a"),
        ("bluesky", Content("see example.com/a"), "https://example.com/a"),
        ("bluesky", Content(LINKS, PICTURE), None),
        ("bluesky", Content(LINKS, options={"linkCard": False}), None),
        ("bluesky", Content("no link"), None),
        ("tumblr", Content(LINKS), "https://example.com/a"),
        ("tumblr", Content(LINKS, PICTURE), None),
        ("tumblr", Content(LINKS, options={"linkCard": False}), None),
        ("threads", Content(LINKS), "https://example.com/a"),
        ("threads", Content(LINKS, options={"linkAttachment": "https://example.com/c"}), "https://example.com/c"),
        ("threads", Content(LINKS, PICTURE), None),
        ("facebook", Content(LINKS), None),
        ("facebook", Content(LINKS, options={"link": "https://example.com/c"}), "https://example.com/c"),
        ("facebook", Content(LINKS, PICTURE, {"link": "https://example.com/c"}), None),
        ("instagram", Content(LINKS), None),
        ("mastodon", Content(LINKS), None),  # its instance makes one by itself, some time afterwards
    ],
)
def test_a_card_is_shown_where_a_platform_is_given_one(platform: str, content: Content, address: str | None) -> None:
    assert TABLES[platform].card(content) == address
