"""How many characters Mastodon counts.

The first table was measured on a real server (halcy/Mastodon.py, tests/test_status_length.py, MIT).
"""

import pytest
import regex
from mastodon import Mastodon, utility

from hayon.sandbox.mastodon.text import counted_length, entities

MEASURED = [
    ("", 0),
    ("hello", 5),
    (" leading and trailing spaces   ", 31),
    (" tabs\tand\nnewlines\r\n", 19),
    ("check http://example.com and https://example.org/page?x=1#frag", 57),
    ("ftp://files.example.net/resource", 32),
    ("http://user:pass@example.com:8080/path", 38),
    ("http://127.0.0.1:3000/health", 28),
    ("https://[2001:db8::1]/status", 28),
    ("https://[2001:db8:85a3::8a2e:370:7334]:443/path?ok=1", 52),
    ("mailto:someone@example.com", 26),
    ("git+ssh://git@example.co.uk:22/repo.git", 39),
    ("https://very.long.tld.example.museum/collection/item", 23),
    ("@alice", 6),
    ("@bob@example.com", 4),
    ("hi @charlie and @dora@example.social!", 22),
    ("hey @me@example.com look at https://example.com/a-b_c~d?e=f#g and @you  ", 50),
    ("a: 🇪🇪", 4),
    ("c: 👩🏽\u200d💻", 4),
    ("d: ✊🏿", 4),
    ("é", 1),
    ("f\u0301", 1),
    ("https://sub.sub2.Путин.рф/увидимся/в?Гааге=военный#преступник", 48),
    ("clusters: 😀😃😄😁😆😅😂🤣😊🙂😉🙃😇🥰😍🤩😘😗😙😚", 30),
    ("(see https://example.com.)", 30),
    ("[link: http://user:pass@host.example:8080/path?x=y#z]", 53),
    ("<@root> and {@admin@example.net}", 20),
    ("https://example.com/a-b_c~d?param_a=1&param-b=2", 23),
]
OURS = [
    ("https://a.co", 23),
    ("https://example.com/x https://example.com/y", 47),
    ("see https://example.com/wiki/Thing_(film)!", 28),
    ("email me@example.com", 20),
    ("/@user@example.com", 18),
    ("https://nodomain", 16),
    ("https://example.notatld/path", 28),
    ("xhttps://example.com", 20),
    ("gemini://example.com/x", 23),
    ("#tag and #1", 11),
]


@pytest.mark.parametrize(("text", "expected"), [*MEASURED, *OURS])
def test_counted_length(text: str, expected: int) -> None:
    assert counted_length(text) == expected
    assert counted_length(text, "what") == expected + 4


@pytest.mark.parametrize(("text", "expected"), MEASURED)
def test_an_independent_client_counts_the_same(text: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Graphemes:
        @staticmethod
        def length(counted: str) -> int:
            return len(regex.findall(r"\X", counted))

    monkeypatch.setattr(utility, "IMPL_HAS_GRAPHEME", True)
    monkeypatch.setattr(utility, "grapheme", Graphemes, raising=False)
    assert counted_length(text) == Mastodon.get_status_length(text) == expected


def test_a_warning_counts_at_its_full_length() -> None:
    link = "https://example.com/a/very/long/path/indeed"
    assert counted_length("x", link) == len(link) + 1


def test_entities_by_their_place() -> None:
    text = "Hi @bob@example.org, see https://example.com/#part #tag #２０２６ #10x (@eve)"
    found = [(one.kind, text[one.start : one.end]) for one in entities(text)]
    assert found == [
        ("mention", "@bob@example.org"),
        ("link", "https://example.com/#part"),
        ("hashtag", "#tag"),
        ("hashtag", "#10x"),
        ("mention", "@eve"),
    ]
