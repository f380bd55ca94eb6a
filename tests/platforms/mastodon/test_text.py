"""Counting as Mastodon does: public vectors and our own edge cases."""

import string
import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from hayon.platforms.mastodon.text import LONGEST_READ, length, shortened
from tests.platforms.bluesky.vectors import clusters

# Strings and their counts on a real server, from halcy/Mastodon.py: tests/test_status_length.py (MIT).
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
    ("b: 👨‍👩‍👧‍👦", 4),
    ("c: 👩🏽‍💻", 4),
    ("d: ✊🏿", 4),
    ("é", 1),
    ("f\u0301", 1),
    ("https://sub.sub2.Путин.рф/увидимся/в?Гааге=военный#преступник", 48),
    ("clusters: 😀😃😄😁😆😅😂🤣😊🙂😉🙃😇🥰😍🤩😘😗😙😚", 30),
    ("See: http://example.com https://[2001:db8::2]:8443/a ftp://user:pw@files.example.org:21/x http://192.168.0.1/", 114),
    ("@one https://example.social/@two 👩🏽‍💻 🇪🇪 @three@example.com ✊🏿", 41),
    ("(see https://example.com.)", 30),
    ("[link: http://user:pass@host.example:8080/path?x=y#z]", 53),
    ("<@root> and {@admin@example.net}", 20),
    ("https://example.com/a-b_c~d?param_a=1&param-b=2", 23),
]  # fmt: skip

X = "x" * 23
SHORTENED = [
    # protocols (mastodon: config/initializers/twitter_regex.rb)
    *((f"{protocol}://example.com/{'a' * 40}", X)
      for protocol in ("http", "https", "HTTPS", "dat", "dweb", "ipfs", "ipns", "ssb", "gopher", "gemini")),
    *((text, text) for text in (
        "ftp://example.com", "mailto:a@example.com", "xmpp:a@example.com", "magnet:?xt=urn:btih:1", "//example.com/a")),
    # a protocol and a known top-level domain are needed
    ("example.com/" + "a" * 40, "example.com/" + "a" * 40),
    ("http://localhost:8000/x", "http://localhost:8000/x"),
    ("https://example.notatopleveldomain/a", "https://example.notatopleveldomain/a"),
    ("https://example.com1/a", "https://example.com1/a"),
    ("https://abcdefghij.onion/a", X),
    ("https://xn--80aafbh8a.xn--p1ai/a", X),
    ("https://例え.みんな/a", X),
    ("https://under_score.example.com", X),
    ("https://exam_ple.com", "https://exam_ple.com"),
    # what stands before
    ("ahttps://example.com", "ahttps://example.com"),
    ("@https://example.com", "@https://example.com"),
    ("#https://example.com", "#https://example.com"),
    ("$https://example.com", "$https://example.com"),
    ("“https://example.com”", f"“{X}”"),
    ("日本https://example.com", f"日本{X}"),
    # a bare address hides the protocol inside it
    ("example.com/https://example.org/" + "a" * 40, "example.com/https://example.org/" + "a" * 40),
    # where it ends
    ("https://example.com, https://example.org!", f"{X}, {X}!"),
    ("https://example.com/a.", f"{X}."),
    ("https://example.com/a?b=c&d", X),
    ("https://example.com/a?b=c!", f"{X}!"),
    ("https://example.com?b=c", X),
    ("https://example.com/a(b)", X),
    ("https://example.com/a_(b_(c))", X),
    ("(https://example.com/a)", f"({X})"),
    ("<https://example.com/a>", f"<{X}>"),
    ("https://example.com:8080/a", X),
    ("https://ja.wikipedia.org/wiki/日本語", X),
    ("https://example.com日本語", f"{X}日本語"),
    ("https://example.com/a/日本語です", X),
    ("https://example.com/@user@example.org", X),
    ("https://example.com/a,@user@example.org", X),  # a mention inside a link is part of the link
    ("https://example.com/a\u3000b", f"{X}\u3000b"),
    ("https://example.com\nhttps://example.org", f"{X}\n{X}"),
    # lengths that no host or link may have
    (f"https://{'a' * 64}.com/", f"https://{'a' * 64}.com/"),
    (f"https://{'a' * 63}.com/", X),
    (f"https://a.com/{'b' * 4100}", f"https://a.com/{'b' * 4100}"),
    # mentions
    ("@user@example.com", "@user"),
    ("@user.name@example.com", "@user.name"),
    ("@user@example.com.", "@user."),
    ("@user@exämple.com", "@user"),
    ("@user@localhost", "@user"),
    ("a@user@example.com", "a@user@example.com"),
    ("/@user@example.com", "/@user@example.com"),
    ("=@user@example.com", "=@user@example.com"),
    ("-@user@example.com", "-@user"),
    ("@user@example.com@again", "@user@example.com@again"),
    ("@user@example.com://", "@user@example.com://"),
    ("@@user@example.com", "@@user"),
    (f"@user@{'a' * 254}", f"@user@{'a' * 254}"),
    (f"@user@{'a' * 253}", "@user"),
    ("@one@example.com@two@example.com", "@one@example.com@two@example.com"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count"), MEASURED)
def test_counts_as_measured_on_a_real_server(text: str, count: int) -> None:
    assert length(text) == count
    assert length(text, "what") == count + 4


@pytest.mark.parametrize(("text", "counted"), SHORTENED)
def test_shortens_what_the_instance_shortens(text: str, counted: str) -> None:
    assert shortened(text) == counted


def test_never_counts_less_than_unicode_does() -> None:
    cases = clusters()
    assert [case for case in cases if length("".join(case)) < len(case)] == []
    more = [case for case in cases if length("".join(case)) > len(case)]
    assert 0 < len(more) < 20
    joined = regex.compile(r"\p{InCB=Consonant}.*\p{InCB=Linker}.*\p{InCB=Consonant}")  # by new servers only
    assert all(joined.search("".join(case)) for case in more)


@pytest.mark.parametrize(("text", "count"), [("नमस्ते", 4), ("অ্যা", 2), ("ক্যা", 2), ("क्\u200dत", 2), ("각", 1), ("ไทย", 3)])
def test_indic_letters_are_counted_as_an_older_server_does(text: str, count: int) -> None:
    assert length(text) == count


def test_a_warning_counts_in_full() -> None:
    link, mention = "https://example.com/" + "a" * 100, "@user@example.com"
    assert length("", f"{link} {mention}") == len(link) + 1 + len(mention)


def test_the_instance_says_what_a_link_counts() -> None:
    assert length("https://example.com/" + "a" * 100, reserved_per_url=7) == 7


def test_warning_and_text_meet_in_one_cluster() -> None:
    assert length("\u0301", "e") == 1  # joined before they are counted (status_length_validator.rb)


@given(st.text(string.printable.replace("@", "").replace(":", "").replace("\r", "")))
def test_plain_ascii_counts_one_each(text: str) -> None:
    assert length(text) == len(text)


@given(st.text(), st.text(), st.integers(0, 50))
def test_a_length_lies_between_nothing_and_every_code_point(text: str, warning: str, reserved: int) -> None:
    count = length(text, warning, reserved)
    assert 0 <= count <= len(warning) + max(len(text), len(text) * reserved)
    assert count > 0 or not (warning + text)


def test_a_wall_of_text_is_counted_in_reasonable_time() -> None:
    walls = ["あ" * 20_000 + "://", "https://" + "a." * 10_000, "https://a.com/" + "(" * 10_000, "@a" * 20_000,
             "https://a.com/" + "(a" * 5_000 + ")" * 5_000, "https://a.com/?" + "." * 20_000, "-" * 40_000 + "://a",
             "a-" * 20_000 + "://", "https://a.com/" + ".(a)" * 5_000, "x" * (LONGEST_READ + 1),
             "\u094d" * 200_000, "\u0915\u094d" * 100_000, "\u0308\u094d" * 100_000,
             "🇩" * 200_000]  # fmt: skip
    for wall in walls:
        started = time.process_time()
        assert length(wall) > 0
        assert time.process_time() - started < 10, wall[:20]


@given(st.text(st.sampled_from("ab \r\n\t@#.:/\x00")))
def test_plain_text_counts_as_the_long_way_would_count_it(text: str) -> None:
    assert length(text) == len(regex.findall(r"\X", shortened(text)))
