"""Bluesky's way of reading text: the public vectors, the traps between JavaScript and Python, and what always holds."""

import re

import pytest
from atproto_client.utils.facet_detection import detect_facets, detect_mentions
from hypothesis import example, given
from hypothesis import strategies as st

from hayon.platforms.bluesky.text import Facet, find_facets, graphemes, utf8_bytes
from tests.platforms.bluesky.vectors import CASHTAGS, GRAPHEMES, SEGMENTS, TAGS

FAMILY = "👨\u200d👩\u200d👧\u200d👧"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


def values(text: str) -> list[tuple[str, str]]:
    return [(facet.kind, facet.value) for facet in find_facets(text)]


@pytest.mark.parametrize(("text", "length"), GRAPHEMES)
def test_graphemes_are_counted_as_bluesky_counts_them(text: str, length: int) -> None:
    assert graphemes(text) == length


@pytest.mark.parametrize(("text", "length"), [("", 0), ("\r\n", 1), ("🇩🇪🇫🇷", 2), ("각", 1), ("👍🏽", 1)])
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


@given(st.lists(st.sampled_from(["@alice.com", "https://a.com/x", "#tag", "word", "🦋", FAMILY]), max_size=8))
def test_plain_sentences_read_as_another_library_reads_them(words: list[str]) -> None:
    text = " ".join(words)
    theirs = [(facet.index.byte_start, facet.index.byte_end) for facet in detect_facets(text)]
    theirs += [(mention.byte_start, mention.byte_end) for mention in detect_mentions(text)]
    assert [(facet.start, facet.end) for facet in find_facets(text)] == sorted(theirs)


@given(st.text())
def test_lengths_agree(text: str) -> None:
    assert graphemes(text) <= len(text) <= utf8_bytes(text)
