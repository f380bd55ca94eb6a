"""A second opinion: the public library Mastodon.py counts the same text."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from mastodon import Mastodon as Client
from mastodon import utility

from hayon.platforms.mastodon.text import length, shortened

PIECES = st.sampled_from([
    "https://example.com", "http://a.b.example.org/p/q?x=1#y", "https://example.com:8080/", "ftp://example.net/x",
    "http://user:pass@example.com/", "https://127.0.0.1/a", "https://[::1]/a", "example.com", "www.example.com/a",
    "https://example.com/wiki/A_(b)", "https://ПУТИН.рф/в", "@alice", "@bob@example.com", "a@example.com", "#tag",
    "👩🏽‍💻", "e\u0301", "🇪🇪", "word", "(", ")", ".", ",", "!", "\n",
])  # fmt: skip


@given(st.lists(PIECES).map(" ".join), st.text(max_size=5))
def test_agrees_with_mastodon_py(text: str, warning: str) -> None:
    assert length(text, warning) == _theirs(text, warning)


@given(st.lists(PIECES).map("".join))
def test_never_counts_less_than_mastodon_py_where_no_link_hides(text: str) -> None:
    # Glued together they differ: Mastodon.py does not let a bare address swallow the protocol behind it,
    # and its hosts and users are other ones. What it leaves alone must not be shortened by us, link by link.
    assert shortened(text).count("x" * 23) <= text.count("://")


def _theirs(text: str, warning: str) -> int:
    """Its own counter, with our graphemes: it wants a package for them that we do not need."""

    class Graphemes:
        @staticmethod
        def length(counted: str) -> int:
            return len(regex.findall(r"\X", counted))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utility, "IMPL_HAS_GRAPHEME", True)
        patch.setattr(utility, "grapheme", Graphemes)
        return int(Client.get_status_length(text, warning))
