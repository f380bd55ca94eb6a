"""Bluesky's way of reading text: the public vectors, the traps between JavaScript and Python, and what always holds."""

import re
import time
from dataclasses import replace
from itertools import pairwise

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from hayon.platforms.bluesky.text import Facet, find_facets, graphemes, utf8_bytes
from tests.platforms.bluesky.vectors import CASHTAGS, GRAPHEMES, LENGTHS, SEGMENTS, TAGS, clusters

FAMILY = "👨\u200d👩\u200d👧\u200d👧"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


def values(text: str) -> list[tuple[str, str]]:
    return [(facet.kind, facet.value) for facet in find_facets(text)]


@pytest.mark.parametrize(("text", "length"), GRAPHEMES)
def test_graphemes_are_counted_as_bluesky_counts_them(text: str, length: int) -> None:
    assert graphemes(text) == length


@given(st.text(st.characters(max_codepoint=127)))
@example("a\r\n\r\rb\n")
def test_plain_text_counts_as_the_long_way_would_count_it(text: str) -> None:
    assert graphemes(text) == len(regex.findall(r"\X", text))


def test_graphemes_are_counted_as_unicode_defines_them() -> None:
    cases = clusters()
    assert len(cases) == 766
    assert [case for case in cases if graphemes("".join(case)) != len(case)] == []


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("অ্যা", 2),  # a vowel, and what would be joined to a consonant
        ("ক্যা", 1),
        ("a\u0308\u094d\u200d\u0924", 2),
        ("\u094d\u0915", 2),
        ("\u0915\u0941\u094d\u0924", 1),
        ("?\u094d\u0924\u094d\u0924", 2),
    ],
)
def test_indic_letters_are_joined_to_consonants_only(text: str, length: int) -> None:
    assert graphemes(text) == length


def test_a_wall_of_signs_is_counted_in_reasonable_time() -> None:
    for wall in (
        "\u094d" * 200_000,
        "\u0308" * 200_000,
        "\u0308\u094d" * 100_000,
        "a\u094d\u0915" * 60_000,
        "🇩" * 200_000,
    ):
        started = time.process_time()
        assert graphemes(wall) > 0
        assert time.process_time() - started < 10


@pytest.mark.parametrize(("text", "size", "length"), LENGTHS)
def test_bytes_and_graphemes_are_counted_as_upstream(text: str, size: int, length: int) -> None:
    assert (utf8_bytes(text), graphemes(text)) == (size, length)


@pytest.mark.parametrize(
    ("text", "length"), [("", 0), ("\r\n", 1), ("🇩🇪🇫🇷", 2), ("🇩🇪\u0308🇫a", 3), ("각", 1), ("👍🏽", 1)]
)
def test_graphemes_of_other_clusters(text: str, length: int) -> None:
    assert graphemes(text) == length


@pytest.mark.parametrize(("text", "pieces"), SEGMENTS)
def test_mentions_and_links_are_found_as_upstream(text: str, pieces: list[tuple[str, str | None]]) -> None:
    expected, at = [], 0
    for words, value in pieces:
        end = at + len(words.encode())
        if value is not None:
            expected.append((at, end, value))
        at = end
    assert [(facet.start, facet.end, facet.value) for facet in find_facets(text)] == expected


@pytest.mark.parametrize(("text", "tags"), TAGS)
def test_tags_are_found_as_upstream(text: str, tags: list[tuple[str, int, int]]) -> None:
    assert [(facet.value, facet.start, facet.end) for facet in find_facets(text)] == tags


@pytest.mark.parametrize(("text", "tags"), CASHTAGS)
def test_cashtags_are_found_as_upstream(text: str, tags: list[tuple[str, int, int]]) -> None:
    assert [(facet.value, facet.start, facet.end) for facet in find_facets(text)] == tags


def test_the_worked_example_of_the_documentation() -> None:
    # bsky-docs: docs/starter-templates/posts.md
    text = "✨ example mentioning @atproto.com to share the URL 👨\u200d❤️\u200d👨 https://en.wikipedia.org/wiki/CBOR."
    assert find_facets(text) == [
        Facet(23, 35, "mention", "atproto.com"),
        Facet(74, 108, "link", "https://en.wikipedia.org/wiki/CBOR"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\ufeff@handle.com", [("mention", "handle.com")]),  # JavaScript's \s has the byte order mark
        ("a\x1f@handle.com", []),  # and lacks the separators that Python's has
        ("a\x85#tag", []),
        ("#a\x85b", [("tag", "a\x85b")]),
        ("https://a.com/\ufeffb", [("link", "https://a.com/")]),
        ("@handle.comé", [("mention", "handle.com")]),  # JavaScript's \b knows ASCII letters only
        ("@handle.com_a", []),
        ("#٣", [("tag", "٣")]),  # JavaScript's \d knows ASCII digits only
        ("#3", []),
        ("kelvin.com\u212a", [("link", "https://kelvin.com\u212a")]),
        ("\u212aelvin.com", []),  # the Kelvin sign is no k, whatever the case
        ("#tag\n", [("tag", "tag")]),  # Python's $ also stands before a last line feed
        ("#tag.\n", [("tag", "tag")]),
        ("$AAPL\n", [("tag", "$AAPL")]),
        ("EXAMPLE.COM and @Handle.COM", []),  # upstream compares the end of a domain in small letters
        ("HTTPS://example.com", []),
    ],
)
def test_where_javascript_and_python_differ(text: str, found: list[tuple[str, str]]) -> None:
    assert values(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("httpbin.org/get", [("link", "https://httpbin.org/get")]),  # upstream writes no scheme: the record is refused
        ("https:///nowhere https://.", []),  # no URI by the lexicon: the record would be refused
        (f"#{ENGLAND * 23}", []),  # 23 graphemes, but 644 bytes
        (f"#{ENGLAND * 22}", [("tag", ENGLAND * 22)]),
        ("https://a.com/(@handle.com", [("link", "https://a.com/(@handle.com")]),  # upstream: both, overlapping
    ],
)
def test_where_upstream_would_be_refused_or_misread(text: str, found: list[tuple[str, str]]) -> None:
    assert values(text) == found


SIGNS = list("()#.,!?:$@_0a é🦋＃\n\ufeff\x85\u200b\ufe0f")
WORDS = ["@handle.com", "@a.test", "https://a.com/b", "http://x.org).", "b.app", "httpbin.org", "#tag", "$AAPL", FAMILY]
TEXTS = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(SIGNS + WORDS), max_size=20).map("".join))


@given(TEXTS)
@example("https://a.com/(@handle.com")
def test_facets_are_sorted_lie_apart_and_cut_whole_characters(text: str) -> None:
    encoded, end = text.encode("utf-8", "surrogatepass"), 0
    for facet in find_facets(text):
        assert end <= facet.start < facet.end <= len(encoded)
        end = facet.end
        written = encoded[facet.start : facet.end].decode("utf-8", "surrogatepass")
        assert encoded[: facet.start].decode("utf-8", "surrogatepass") + written in text
        if facet.kind == "mention":
            assert written == f"@{facet.value}"
        elif facet.kind == "link":
            assert facet.value in {written, f"https://{written}"}
            assert re.fullmatch(r"\w+:(?://)?[^\s/]\S*", facet.value, re.ASCII)
        elif written.startswith("$"):
            assert facet.value == written.upper()
        else:
            assert written[0] in "#＃"
            assert facet.value == written[1:]
            assert 0 < graphemes(facet.value) <= 64
            assert utf8_bytes(facet.value) <= 640


def cut(text: str, facets: list[Facet]) -> list[str]:
    """The text in pieces at the facets' ends, cut as bytes."""
    encoded = text.encode("utf-8", "surrogatepass")
    edges = [0, *(edge for facet in facets for edge in (facet.start, facet.end)), len(encoded)]
    return [encoded[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(edges)]


@given(TEXTS)
@example("🦋 @handle.com é https://a.com/🦋\u0301 #ta🦋g")
def test_a_text_split_at_its_offsets_is_the_same_text(text: str) -> None:
    facets = find_facets(text)
    pieces = cut(text, facets)
    assert "".join(pieces) == text
    assert len(pieces) == 2 * len(facets) + 1
    for facet, words in zip(facets, pieces[1::2], strict=True):
        assert facet.end - facet.start == utf8_bytes(words)


def moved(facets: list[Facet], by: int) -> list[Facet]:
    return [replace(facet, start=facet.start + by, end=facet.end + by) for facet in facets]


@given(st.lists(TEXTS, max_size=4), st.sampled_from(["\n", "\u3000", "\ufeff", " \u2028"]))
@example(["🦋@handle.com", "👨\u200d👩\u200d👧 https://a.com).", "#tag"], "\u3000")
def test_parts_have_the_facets_of_the_whole_where_they_lie_in_it(parts: list[str], between: str) -> None:
    """Whatever is put together from parts with a space between: each part's facets, moved by the bytes before it."""
    expected, at = [], 0
    for part in parts:
        expected += moved(find_facets(part), at)
        at += utf8_bytes(part + between)
    assert find_facets(between.join(parts)) == expected


@given(TEXTS, st.data())
def test_a_slice_at_a_space_keeps_the_facets_within_it(text: str, data: st.DataObject) -> None:
    spaced = text.replace("é", " é ").replace("🦋", "\n🦋")
    spaces = [place for place, sign in enumerate(spaced) if sign in " \n"]
    start, end = sorted(data.draw(st.sampled_from([0, len(spaced), *spaces])) for _ in range(2))
    first, last = utf8_bytes(spaced[:start]), utf8_bytes(spaced[:end])
    inside = [facet for facet in find_facets(spaced) if first <= facet.start and facet.end <= last]
    assert moved(find_facets(spaced[start:end]), first) == inside


@given(st.text())
def test_lengths_agree(text: str) -> None:
    assert graphemes(text) <= len(text) <= utf8_bytes(text)
