"""How the simulated Threads counts and reads a text."""

import pytest

from hayon.sandbox.cards import Segment
from hayon.sandbox.meta.threads.text import counted_length, links_of, preview, promoted, segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("hello", 5),
        ("Grüße", 5),
        ("e\u0301", 2),
        ("漢字かな", 4),
        ("العربية", 7),
        ("#1 * 2 ©", 8),
        ("😀", 4),
        ("❤\ufe0f", 6),
        ("👍🏽", 8),
        ("👨‍👩‍👧‍👦", 25),
        ("🇩🇪", 8),
        ("1\ufe0f\u20e3", 7),
        ("a😀b", 6),
        ("\n\n", 2),
        ("https://example.com/a", 21),
    ],
)
def test_an_emoji_counts_as_its_bytes_and_all_else_as_one(text: str, expected: int) -> None:
    assert counted_length(text) == expected


def test_links_are_counted_once_each() -> None:
    text = "See https://a.example/x, https://b.example/(y). https://a.example/x! http://c.example mailto:x@y.z www.d.example"
    assert links_of(text) == ["https://a.example/x", "https://b.example/(y", "http://c.example"]


@pytest.mark.parametrize(
    ("text", "kept", "tag"),
    [
        ("About #tea", "About tea", "tea"),
        ("#one and #two", "one and #two", "one"),
        ("#Café!", "Café!", "Café"),
        ("no tag", "no tag", None),
        ("a#b ##c &#38; #", "a#b ##c &#38; #", None),
        ("https://x.example/#top then #tea", "https://x.example/#top then tea", "tea"),
        ("https://x.example/?#top", "https://x.example/?#top", None),
    ],
)
def test_the_first_tag_is_promoted(text: str, kept: str, tag: str | None) -> None:
    assert promoted(text) == (kept, tag)


def test_segments_keep_the_whole_text() -> None:
    text = "Hi @bob.a, see https://x.example/@al or mail me@x.example."
    found = segments(text)
    assert "".join(one.text for one in found) == text
    assert [one for one in found if one.kind != "text"] == [
        Segment("mention", "@bob.a"),
        Segment("link", "https://x.example/@al", "https://x.example/@al"),
    ]


def test_a_preview_names_the_host() -> None:
    card = preview("https://www.example.org/a?b=c")
    assert (card.host, card.href) == ("www.example.org", "https://www.example.org/a?b=c")
    assert preview("javascript:alert(1)").href is None
