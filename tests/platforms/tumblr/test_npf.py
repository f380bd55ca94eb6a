"""Text in blocks: nothing is lost at a cut, ranges are code points, and what looks like a link or a mention is one."""

import json
import time
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from hayon.platforms.tumblr import npf
from hayon.platforms.tumblr.npf import LONGEST_BLOCK, MOST_TEXT_BLOCKS, compose, find_names, pieces, tidy

DAVID = {"david": "t:123456abcdf"}
FAMILY = "👨‍👨‍👦"
MEDIA = {"type": "image", "media": [{"type": "image/png", "identifier": "file-0"}]}


def linked(text: str) -> list[str]:
    """What of the text is made a link."""
    return [text[span.start : span.end] for span in npf.find_spans(text, {}) if span.kind == "link"]


# the documents' own examples (tumblr/docs: npf-spec.md)


def test_a_mention_is_written_as_documented() -> None:
    assert compose("Shout out to @david", mentions=DAVID) == [
        {
            "type": "text",
            "text": "Shout out to @david",
            "formatting": [{"start": 13, "end": 19, "type": "mention", "blog": {"uuid": "t:123456abcdf"}}],
        }
    ]


def test_characters_are_code_points() -> None:
    assert len(FAMILY) == 5
    for before, start in (("ø", 1), ("🌳", 1), (FAMILY, 5)):
        (block, _) = compose(f"{before}https://www.nasa.gov")
        assert block["formatting"] == [
            {"start": start, "end": start + 20, "type": "link", "url": "https://www.nasa.gov"}
        ]


def test_the_heading_comes_first_then_files_then_text_then_the_link() -> None:
    text = "See https://example.com/a and https://example.com/b"
    assert [block["type"] for block in compose(text, title="T", media=[MEDIA])] == ["text", "image", "text"]
    heading, body, link = compose(text, title="  A \n title ")
    assert heading == {"type": "text", "subtype": "heading1", "text": "A title"}
    assert [one["url"] for one in body["formatting"]] == ["https://example.com/a", "https://example.com/b"]
    assert link == {"type": "link", "url": "https://example.com/a"}
    assert [block["type"] for block in compose(text, link_card=False)] == ["text"]
    assert compose("", media=[MEDIA]) == [MEDIA]


def test_paragraphs_are_blocks_and_lines_stay_together() -> None:
    blocks = compose("\r\n one\r\ntwo\n\nthree\n\n\nfour\n\n\n\nfive \n\n")
    assert [block["text"] for block in blocks] == ["one\ntwo", "three", "\nfour", "", "five"]


# cuts


@pytest.mark.parametrize("length", [LONGEST_BLOCK, LONGEST_BLOCK + 1, 3 * LONGEST_BLOCK])
def test_a_long_paragraph_is_cut_after_words(length: int) -> None:
    text = ("word and wort " * length)[:length].strip()
    texts = [block["text"] for block in compose(text)]
    assert "".join(texts) == text
    assert len(texts) == (1 if len(text) <= LONGEST_BLOCK else len(text) // LONGEST_BLOCK + 1)
    assert all(len(one) <= LONGEST_BLOCK for one in texts)
    assert all(one.endswith(" ") for one in texts[:-1])


def test_a_wall_is_cut_between_characters_as_people_see_them() -> None:
    texts = [block["text"] for block in compose(FAMILY * 2_000)]
    assert "".join(texts) == FAMILY * 2_000
    assert len(texts) == 3
    assert all(len(one) % 5 == 0 for one in texts)
    alone = "e" + "\u0301" * 9_000
    assert [len(block["text"]) for block in compose(alone)] == [4096, 4096, 809]


def test_many_paragraphs_share_blocks() -> None:
    for count in (MOST_TEXT_BLOCKS, MOST_TEXT_BLOCKS + 1, 33_000):
        text = "\n\n".join(["x"] * count)
        blocks = compose(text)
        assert len(blocks) <= MOST_TEXT_BLOCKS
        assert "\n\n".join(block["text"] for block in blocks) == text
    assert len(compose("\n\n".join(["x"] * MOST_TEXT_BLOCKS))) == MOST_TEXT_BLOCKS


WORDS = st.sampled_from([
    "a", "bc", " ", "  ", "\n", "\n\n", "\n\n\n", "é", "e\u0301", FAMILY, "🇪🇪", "日本語", "@david ", "@other", "https://e.org/x ",
    "https://example.com/" + "y" * 20, ".", "\u00a0", "\r\n",
])  # fmt: skip


@given(st.lists(WORDS, max_size=60).map("".join), st.integers(1, 12), st.integers(1, 5))
def test_blocks_joined_give_back_the_text_and_every_range(text: str, longest: int, most: int) -> None:
    text = tidy(text)
    with mock.patch.multiple(npf, LONGEST_BLOCK=longest, MOST_TEXT_BLOCKS=most):
        ranges = pieces(text)
        spans = npf.find_spans(text, DAVID)
        blocks = npf.text_blocks(text, spans)
    assert [block["text"] for block in blocks] == [text[start:end] for start, end in ranges]
    assert all(len(block["text"]) <= longest for block in blocks)
    gaps = [text[end:start] for (_, end), (start, _) in pairwise(ranges)]
    assert set(gaps) <= {"", "\n\n"}
    if text:
        assert (ranges[0][0], ranges[-1][1]) == (0, len(text))
        assert blocks[0]["text"]
        assert blocks[-1]["text"]
    # each span comes back whole, in order, however often it was cut
    again: dict[tuple[int, int], str] = {}
    for (start, end), block in zip(ranges, blocks, strict=True):
        for one in block.get("formatting", ()):
            assert 0 <= one["start"] < one["end"] <= end - start
            (owner,) = [span for span in spans if span.start <= start + one["start"] and start + one["end"] <= span.end]
            assert one == {"start": one["start"], "end": one["end"], "type": owner.kind, **_meaning(owner)}
            key = owner.start, owner.end
            again[key] = again.get(key, "") + block["text"][one["start"] : one["end"]]
    assert again == {(span.start, span.end): text[span.start : span.end] for span in spans}


def _meaning(span: npf.Span) -> dict[str, Any]:
    return {"url": span.value} if span.kind == "link" else {"blog": {"uuid": span.value}}


@given(st.text(), st.text(max_size=20))
def test_any_text_makes_blocks_that_can_be_sent(text: str, title: str) -> None:
    blocks = compose(text, title=title)
    json.dumps(blocks)
    texts = [block for block in blocks if block["type"] == "text"]
    assert all(
        0 <= one["start"] < one["end"] <= len(block["text"]) for block in texts for one in block.get("formatting", ())
    )


# links and mentions


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("https://example.com", ["https://example.com"]),
        ("See HTTPS://Example.com/A, then", ["HTTPS://Example.com/A"]),
        ("(https://example.com/a_(b))", ["https://example.com/a_(b)"]),
        ("[https://example.com/a]", ["https://example.com/a"]),
        ("“https://example.com/a”", ["https://example.com/a"]),
        ("https://example.com/?q=1&r=(x)#y!", ["https://example.com/?q=1&r=(x)#y"]),
        ("https://example.com/...", ["https://example.com/"]),
        ("見てhttps://example.com/a。続き", ["https://example.com/a"]),
        ("https://example.com\nhttps://example.org", ["https://example.com", "https://example.org"]),
        ("xhttps://example.com", []),
        ("example.com", []),
        ("ftp://example.com", []),
        ("https://", []),
        ("https://)", []),
        ("https://[::1", []),
        ("https:///path", []),
    ],
)
def test_links(text: str, links: list[str]) -> None:
    assert linked(text) == links


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@david", ["david"]),
        ("(@David), @david!", ["david"]),
        ("hi @a-b-c and @x1.", ["a-b-c", "x1"]),
        ("me@david.com", []),
        ("@david@example.com", []),
        ("@david.bsky.social", []),
        ("@da_vid", []),
        ("@-david", []),
        ("@" + "a" * 32, ["a" * 32]),
        ("@" + "a" * 33, []),
        ("https://www.tumblr.com/@david", []),
        ("https://e.org/?by= @david", ["david"]),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert find_names(text) == names


def test_only_blogs_that_are_known_are_mentioned() -> None:
    text = "@david and @nobody and @gone"
    (block,) = compose(text, mentions={**DAVID, "gone": None})
    assert [(one["start"], one["end"]) for one in block["formatting"]] == [(0, 6)]


def test_what_is_too_many_stays_text() -> None:
    text = " ".join(["https://e.org", "@david"] * 120)
    (block, _) = compose(text, mentions=DAVID)
    kinds = [one["type"] for one in block["formatting"]]
    assert (kinds.count("link"), kinds.count("mention")) == (100, 50)


@pytest.mark.parametrize("wall", ["https://a.com/" + ")" * 90_000, "@a" * 50_000, "https://" * 12_000, "a" * 100_000,
                                  "\n" * 99_999 + "x", "https://a.com/ " * 7_000, "\n\n".join("x" * 25_000)])  # fmt: skip
def test_a_wall_of_text_is_read_in_reasonable_time(wall: str) -> None:
    started = time.process_time()
    blocks = compose(wall, mentions={"a": "t:a"})
    assert time.process_time() - started < 10
    assert regex.search(r"\S", blocks[0]["text"])


def test_a_row_of_flags_is_cut_between_them_in_a_time_that_grows_with_it() -> None:
    started = time.process_time()
    blocks = npf.text_blocks("🇫🇷" * 25_000)
    assert {len(block["text"]) % 2 for block in blocks} == {0}
    assert time.process_time() - started < 5  # with its square, half a minute
