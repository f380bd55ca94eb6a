"""Texts that are cut: they fit by the platform's own count, break nothing, and say the same as before."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hayon.domain.marks import Mark, in_order
from hayon.domain.rules import Rules
from hayon.domain.shortening import MORE, find_end, find_places, shorten
from hayon.platforms.bluesky.limits import bluesky_rules
from hayon.platforms.mastodon.limits import mastodon_rules
from hayon.platforms.threads import Threads
from hayon.platforms.tumblr.limits import tumblr_rules
from hayon.web.marking import find_ends

BLUESKY, MASTODON, THREADS = bluesky_rules({}), mastodon_rules({"maxCharacters": 120}), Threads().rules({})
FOX = "The quick brown fox jumps over the lazy dog. "


def cut(text: str, rules: Rules = BLUESKY) -> str:
    made = shorten(text, lambda one: rules.takes(one, {}), find_ends(text), rules.marks(text, {}))
    assert made is not None
    return made


def cut_at(text: str, limit: int) -> str | None:
    """For a platform that counts code points and makes hashtags and addresses marks."""
    marks = [Mark(*one.span(), "link" if "://" in one[0] else "tag") for one in re.finditer(r"https?://\S+|#\w+", text)]
    return shorten(text, lambda one: len(one) <= limit, find_ends(text), marks)


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("short enough", 12, "short enough"),
        ("One is here. Two is longer than it should be", 20, "One is here. Two is…"),
        ("One. Two is longer than it should be", 20, "One. Two is longer…"),
        ("Is that so? Yes, and more than that", 18, "Is that so? Yes…"),
        ("Is that really so? Yes, it is", 22, "Is that really so? …"),
        ("a word, then another", 10, "a word…"),
        ("pneumonoultramicroscopicsilicovolcanoconiosis", 10, "pneumonou…"),
        ("a pneumonoultramicroscopicsilicovolcanoconiosis", 10, "a pneumon…"),
        ("今日は雨です。明日も雨です。", 9, "今日は雨です。…"),
        ("First paragraph\n\nSecond paragraph", 20, "First paragraph…"),
        ("look at https://a.de/xy now", 20, "look at…"),
        ("see https://a.de/xyz and more of this", 24, "see https://a.de/xyz …"),
        ("many words and a #tag in between them", 24, "many words and a #tag …"),
        ("so many words that it is cut https://a.de/x", 30, "so many words… https://a.de/x"),
        ("so many words in here\n\nhttps://a.de/x #one #two", 46, "so many words in here…\n\nhttps://a.de/x #one"),
        (
            "so many words in here, really, #one #two https://a.de/xx",
            54,
            "so many words in here… #one #two https://a.de/xx",
        ),
        ("so many words in here, really, #one #two https://a.de/xx", 48, "so many words in here… #one https://a.de/xx"),
        ("so many words in here, really, #one #two https://a.de/xx", 36, "so many words in… https://a.de/xx"),
        ("so many words\n\nhttps://a.de/x #one #two", 20, "so many words…"),
        ("so many words  \n#one #two and more", 22, "so many words  \n#one …"),
        ("#one #two #three #four", 17, "#one #two …"),
        ("https://a.de/x https://a.de/y", 20, "https://a.de/x …"),
    ],
)
def test_it_is_cut_where_a_person_would(text: str, limit: int, shown: str) -> None:
    assert cut_at(text, limit) == shown


@pytest.mark.parametrize(
    ("text", "limit"), [("https://a.de/this/is/long and more", 20), ("something", 0), ("   " * 9, 5)]
)
def test_where_nothing_would_fit_there_is_no_shorter_text(text: str, limit: int) -> None:
    assert cut_at(text, limit) is None


def test_an_address_that_the_platform_makes_no_link_is_not_cut_either() -> None:
    text = FOX * 2 + "http://example.com/a/long/way/to/go"
    assert shorten(text, lambda one: len(one) <= 100, find_ends(text), []) == (FOX * 2).strip() + " …"


def test_each_platform_counts_as_it_does() -> None:
    family = "👨‍👩‍👧‍👦"  # one character of 25 bytes on Bluesky, 25 on Threads
    assert cut(family * 310) == family * 119 + MORE  # of 3,000 bytes
    assert cut(family * 310, THREADS) == family * 19 + MORE
    link = "https://example.com/" + "x" * 60  # 23 on Mastodon
    assert cut(f"{link} {FOX * 4}", MASTODON) == f"{link} {(FOX * 2).strip()} …"
    assert MASTODON.count(f"{link} {(FOX * 2).strip()} …", {}) == 23 + 1 + 89 + 2


def test_the_sign_becomes_no_part_of_a_link() -> None:
    text = "Read it on example.com/about " + FOX * 8
    shown = shorten(text, lambda one: len(one) <= 34, find_ends(text), BLUESKY.marks(text, {}))
    assert shown == "Read it on example.com/about The…"
    shown = shorten(text, lambda one: len(one) <= 31, find_ends(text), BLUESKY.marks(text, {}))
    assert shown == "Read it on example.com/about …"
    assert [shown[one.start : one.end] for one in BLUESKY.marks(shown, {})] == ["example.com/about"]


def test_bytes_count_where_a_platform_counts_them() -> None:
    shown = cut("👨‍👩‍👧‍👦" * 200)
    assert len(shown.encode()) <= 3_000
    assert BLUESKY.count(shown, {}) == 120


words = st.sampled_from(
    [
        "word",
        "longer-word",
        "end.",
        "Why?",
        "naïve",
        "e\u0301te\u0301",
        "👩‍💻",
        "🇩🇪🇫🇷",
        "日本語です。",
        "नमस्ते",
        "مرحبا",
        "\u202eback",
        "😀" * 9,
        "a" * 40,
    ]
)
marked = st.sampled_from(
    [
        "https://example.com/a/b",
        "https://a.de",
        "#tag",
        "#größe",
        "@ada.test",
        "@ada@example.org",
        "example.com/x…",
        "$ABC",
    ]
)
blanks = st.sampled_from([" ", "  ", "\n", "\n\n", ", ", " (", ")", "", "-", "…", "\u3000"])
texts = st.lists(st.one_of(words, marked, blanks, st.characters(codec="utf-8")), max_size=90).map("".join)
tables = st.sampled_from([BLUESKY, MASTODON, THREADS, mastodon_rules({"maxCharacters": 40}), tumblr_rules()])


@settings(max_examples=400, deadline=None)
@given(texts, tables)
@example("a " * 300 + "https://example.com/- -", BLUESKY)
def test_whatever_is_written_it_fits_and_breaks_nothing(text: str, rules: Rules) -> None:
    marks = rules.marks(text, {})
    made = shorten(text, lambda one: rules.takes(one, {}), find_ends(text), marks)
    if made is None:
        return
    assert rules.takes(made, {})
    if rules.takes(text, {}):
        assert made == text
        return
    begun, more, tail = made.rpartition(MORE)
    while not text.startswith(begun.removesuffix(" ")):  # the tail may hold the sign too
        begun, more, rest = begun.rpartition(MORE)
        tail = rest + MORE + tail
        assert more
    begun = begun if text.startswith(begun) and not begun.endswith(" ") else begun.removesuffix(" ")
    assert text.startswith(begun)
    assert not any(mark.start < len(begun) < mark.end for mark in marks), "a link is cut"
    assert not any(start < len(begun) < end for start, end in _characters(text) if text[start:end].strip()), (
        "a character is cut"
    )
    kept = [text[mark.start : mark.end] for mark in marks]
    assert all(word in "".join(kept) or word in tail for word in tail.split())
    assert shorten(made, lambda one: rules.takes(one, {}), find_ends(made), rules.marks(made, {})) == made


def _characters(text: str) -> list[tuple[int, int]]:
    ends = find_ends(text)
    return list(zip([0, *ends], ends, strict=False))


@given(st.integers(0, 200), st.integers(0, 250))
def test_the_end_of_what_fits_is_found_with_few_questions(length: int, limit: int) -> None:
    asked = []

    def takes(begun: str) -> bool:
        asked.append(len(begun))
        return len(begun) <= limit

    assert find_end("x" * length, range(1, length + 1), takes) == min(length, limit)
    assert len(asked) < 20
    assert max(asked, default=0) <= 2 * limit + 1


def test_no_place_to_cut_is_within_what_means_something() -> None:
    assert find_places(range(1, 10), [Mark(2, 6, "tag"), Mark(6, 8, "link")]) == [1, 2, 6, 8, 9]


def test_of_two_marks_that_overlap_the_earlier_and_longer_counts() -> None:
    marks = [Mark(4, 9, "tag"), Mark(0, 5, "link"), Mark(0, 2, "tag"), Mark(9, 12, "mention"), Mark(12, 12, "tag")]
    assert in_order(marks) == [Mark(0, 5, "link"), Mark(9, 12, "mention")]
