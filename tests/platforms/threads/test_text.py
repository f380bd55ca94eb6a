"""How Threads counts: an emoji its UTF-8 bytes, everything else its code points."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.platforms.threads import length

EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🇫🇷", "1️⃣", "❤️", "🏳️‍🌈", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🫠"]
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Hello", 5),
        ("é", 1),
        ("e\u0301", 2),
        ("日本語", 3),
        ("שלום", 4),
        ("a\r\nb", 4),
        ("😀", 4),
        ("👍🏽", 8),
        ("👩‍👩‍👧‍👦", 25),
        ("🇫🇷", 8),
        ("1️⃣", 7),
        ("❤️", 6),
        ("7", 1),
        ("#*", 2),
        ("Hi 😀!", 8),
    ],
)
def test_examples(text: str, count: int) -> None:
    assert length(text) == count


@pytest.mark.parametrize("emoji", EMOJI)
def test_an_emoji_counts_its_bytes_wherever_it_stands(emoji: str) -> None:
    assert length(emoji) == len(emoji.encode())
    assert length(f"a {emoji} b") == 4 + len(emoji.encode())
    assert length(f"{emoji} {emoji}") == 2 * len(emoji.encode()) + 1


@given(PLAIN)
def test_a_plain_character_more_counts_one_more(text: str) -> None:
    assert length(text + "x") == length(text) + 1


@given(PLAIN)
def test_the_count_is_between_code_points_and_bytes(text: str) -> None:
    assert len(text) <= length(text) <= max(len(text), len(text.encode()))


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_ascii_counts_as_it_stands(text: str) -> None:
    assert length(text) == len(text)


def test_a_row_of_flags_takes_a_time_that_grows_with_it() -> None:
    started = time.process_time()
    assert length("🇫🇷" * 50_000) == 50_000 * 8
    assert time.process_time() - started < 5  # with its square, minutes


@given(PLAIN, PLAIN)
def test_a_text_without_an_emoji_counts_what_it_adds_to_one_with(before: str, after: str) -> None:
    """Beside an emoji every grapheme is looked at; without one none is. A full stop joins nothing to either."""
    assert length(f"{before}. 😀 .{after}") == length(before) + length(after) + 4 + 4
