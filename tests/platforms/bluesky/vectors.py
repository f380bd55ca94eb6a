"""Public test vectors of the AT Protocol's own libraries, as tables: inputs and what they have to come to.

Source: github.com/bluesky-social/atproto, packages/api/tests/rich-text{,-detection}.test.ts and
packages/lex/lex-data/src/utf8-grapheme-len.test.ts (MIT or Apache-2.0). Clusters are Unicode's own.
"""

from pathlib import Path

# Text, and its pieces: (words, None) is plain, (words, value) a facet with its handle or address.
SEGMENTS: list[tuple[str, list[tuple[str, str | None]]]] = [
    ("no mention", [("no mention", None)]),
    ("@handle.com middle end", [("@handle.com", "handle.com"), (" middle end", None)]),
    ("start @handle.com end", [("start ", None), ("@handle.com", "handle.com"), (" end", None)]),
    ("start middle @handle.com", [("start middle ", None), ("@handle.com", "handle.com")]),
    (
        "@handle.com @handle.com @handle.com",
        [
            ("@handle.com", "handle.com"),
            (" ", None),
            ("@handle.com", "handle.com"),
            (" ", None),
            ("@handle.com", "handle.com"),
        ],
    ),
    ("@full123-chars.test", [("@full123-chars.test", "full123-chars.test")]),
    ("not@right", [("not@right", None)]),
    ("@handle.com!@#$chars", [("@handle.com", "handle.com"), ("!@#$chars", None)]),
    ("@handle.com\n@handle.com", [("@handle.com", "handle.com"), ("\n", None), ("@handle.com", "handle.com")]),
    ("parenthetical (@handle.com)", [("parenthetical (", None), ("@handle.com", "handle.com"), (")", None)]),
    (
        "👨\u200d👩\u200d👧\u200d👧 @handle.com 👨\u200d👩\u200d👧\u200d👧",
        [("👨\u200d👩\u200d👧\u200d👧 ", None), ("@handle.com", "handle.com"), (" 👨\u200d👩\u200d👧\u200d👧", None)],
    ),
    ("start https://middle.com end", [("start ", None), ("https://middle.com", "https://middle.com"), (" end", None)]),
    (
        "start https://middle.com/foo/bar end",
        [("start ", None), ("https://middle.com/foo/bar", "https://middle.com/foo/bar"), (" end", None)],
    ),
    (
        "start https://middle.com/foo/bar?baz=bux end",
        [
            ("start ", None),
            ("https://middle.com/foo/bar?baz=bux", "https://middle.com/foo/bar?baz=bux"),
            (" end", None),
        ],
    ),
    (
        "start https://middle.com/foo/bar?baz=bux#hash end",
        [
            ("start ", None),
            ("https://middle.com/foo/bar?baz=bux#hash", "https://middle.com/foo/bar?baz=bux#hash"),
            (" end", None),
        ],
    ),
    (
        "https://start.com/foo/bar?baz=bux#hash middle end",
        [("https://start.com/foo/bar?baz=bux#hash", "https://start.com/foo/bar?baz=bux#hash"), (" middle end", None)],
    ),
    (
        "start middle https://end.com/foo/bar?baz=bux#hash",
        [("start middle ", None), ("https://end.com/foo/bar?baz=bux#hash", "https://end.com/foo/bar?baz=bux#hash")],
    ),
    (
        "https://newline1.com\nhttps://newline2.com",
        [
            ("https://newline1.com", "https://newline1.com"),
            ("\n", None),
            ("https://newline2.com", "https://newline2.com"),
        ],
    ),
    (
        "👨\u200d👩\u200d👧\u200d👧 https://middle.com 👨\u200d👩\u200d👧\u200d👧",
        [
            ("👨\u200d👩\u200d👧\u200d👧 ", None),
            ("https://middle.com", "https://middle.com"),
            (" 👨\u200d👩\u200d👧\u200d👧", None),
        ],
    ),
    ("start middle.com end", [("start ", None), ("middle.com", "https://middle.com"), (" end", None)]),
    (
        "start middle.com/foo/bar end",
        [("start ", None), ("middle.com/foo/bar", "https://middle.com/foo/bar"), (" end", None)],
    ),
    (
        "start middle.com/foo/bar?baz=bux end",
        [("start ", None), ("middle.com/foo/bar?baz=bux", "https://middle.com/foo/bar?baz=bux"), (" end", None)],
    ),
    (
        "start middle.com/foo/bar?baz=bux#hash end",
        [
            ("start ", None),
            ("middle.com/foo/bar?baz=bux#hash", "https://middle.com/foo/bar?baz=bux#hash"),
            (" end", None),
        ],
    ),
    (
        "start.com/foo/bar?baz=bux#hash middle end",
        [("start.com/foo/bar?baz=bux#hash", "https://start.com/foo/bar?baz=bux#hash"), (" middle end", None)],
    ),
    (
        "start middle end.com/foo/bar?baz=bux#hash",
        [("start middle ", None), ("end.com/foo/bar?baz=bux#hash", "https://end.com/foo/bar?baz=bux#hash")],
    ),
    (
        "newline1.com\nnewline2.com",
        [("newline1.com", "https://newline1.com"), ("\n", None), ("newline2.com", "https://newline2.com")],
    ),
    (
        "a example.com/index.php php link",
        [("a ", None), ("example.com/index.php", "https://example.com/index.php"), (" php link", None)],
    ),
    ("a trailing bsky.app: colon", [("a trailing ", None), ("bsky.app", "https://bsky.app"), (": colon", None)]),
    ("not.. a..url ..here", [("not.. a..url ..here", None)]),
    ("e.g.", [("e.g.", None)]),
    ("something-cool.jpg", [("something-cool.jpg", None)]),
    ("website.com.jpg", [("website.com.jpg", None)]),
    ("e.g./foo", [("e.g./foo", None)]),
    ("website.com.jpg/foo", [("website.com.jpg/foo", None)]),
    (
        "Classic article https://socket3.wordpress.com/2018/02/03/designing-windows-95s-user-interface/",
        [
            ("Classic article ", None),
            (
                "https://socket3.wordpress.com/2018/02/03/designing-windows-95s-user-interface/",
                "https://socket3.wordpress.com/2018/02/03/designing-windows-95s-user-interface/",
            ),
        ],
    ),
    (
        "Classic article https://socket3.wordpress.com/2018/02/03/designing-windows-95s-user-interface/ ",
        [
            ("Classic article ", None),
            (
                "https://socket3.wordpress.com/2018/02/03/designing-windows-95s-user-interface/",
                "https://socket3.wordpress.com/2018/02/03/designing-windows-95s-user-interface/",
            ),
            (" ", None),
        ],
    ),
    (
        "https://foo.com https://bar.com/whatever https://baz.com",
        [
            ("https://foo.com", "https://foo.com"),
            (" ", None),
            ("https://bar.com/whatever", "https://bar.com/whatever"),
            (" ", None),
            ("https://baz.com", "https://baz.com"),
        ],
    ),
    (
        "punctuation https://foo.com, https://bar.com/whatever; https://baz.com.",
        [
            ("punctuation ", None),
            ("https://foo.com", "https://foo.com"),
            (", ", None),
            ("https://bar.com/whatever", "https://bar.com/whatever"),
            ("; ", None),
            ("https://baz.com", "https://baz.com"),
            (".", None),
        ],
    ),
    (
        "parenthentical (https://foo.com)",
        [("parenthentical (", None), ("https://foo.com", "https://foo.com"), (")", None)],
    ),
    (
        "except for https://foo.com/thing_(cool)",
        [("except for ", None), ("https://foo.com/thing_(cool)", "https://foo.com/thing_(cool)")],
    ),
]

# Text, and its tags with their byte offsets.
TAGS: list[tuple[str, list[tuple[str, int, int]]]] = [
    ("#a", [("a", 0, 2)]),
    ("#a #b", [("a", 0, 2), ("b", 3, 5)]),
    ("#1", []),
    ("#1a", [("1a", 0, 3)]),
    ("#tag", [("tag", 0, 4)]),
    ("body #tag", [("tag", 5, 9)]),
    ("#tag body", [("tag", 0, 4)]),
    ("body #tag body", [("tag", 5, 9)]),
    ("body #1", []),
    ("body #1a", [("1a", 5, 8)]),
    ("body #a1", [("a1", 5, 8)]),
    ("#", []),
    ("#?", []),
    ("text #", []),
    ("text # text", []),
    (
        "body #thisisa64characterstring_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        [("thisisa64characterstring_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 5, 70)],
    ),
    ("body #thisisa65characterstring_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", []),
    (
        "body #thisisa64characterstring_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
        [("thisisa64characterstring_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 5, 70)],
    ),
    ("its a #double#rainbow", [("double#rainbow", 6, 21)]),
    ("##hashash", [("#hashash", 0, 9)]),
    ("##", []),
    ("some #n0n3s@n5e!", [("n0n3s@n5e", 5, 15)]),
    ("works #with,punctuation", [("with,punctuation", 6, 23)]),
    ("strips trailing #punctuation, #like. #this!", [("punctuation", 16, 28), ("like", 30, 35), ("this", 37, 42)]),
    ("strips #multi_trailing___...", [("multi_trailing", 7, 22)]),
    ("works with #🦋 emoji, and #butter🦋fly", [("🦋", 11, 16), ("butter🦋fly", 28, 42)]),
    ("#same #same #but #diff", [("same", 0, 5), ("same", 6, 11), ("but", 12, 16), ("diff", 17, 22)]),
    ("this #\ufe0f\u20e3tag should not be a tag", []),
    ("this ##\ufe0f\u20e3tag should be a tag", [("#\ufe0f\u20e3tag", 5, 16)]),
    ("this #t\nag should be a tag", [("t", 5, 7)]),
    ("no match (\\u200B): #\u200b", []),
    ("no match (\\u200Ba): #\u200ba", []),
    ("match (a\\u200Bb): #a\u200bb", [("a", 18, 20)]),
    ("match (ab\\u200B): #ab\u200b", [("ab", 18, 21)]),
    ("no match (\\u20e2tag): #\u20e2tag", []),
    ("no match (a\\u20e2b): #a\u20e2b", [("a", 21, 23)]),
    ("match full width number sign (tag): ＃tag", [("tag", 36, 42)]),
    ("match full width number sign (tag): ＃#\ufe0f\u20e3tag", [("#\ufe0f\u20e3tag", 36, 49)]),
    ("no match 1?: #1?", []),
]

# Text, and its cashtags with their byte offsets.
CASHTAGS: list[tuple[str, list[tuple[str, int, int]]]] = [
    ("$AAPL", [("$AAPL", 0, 5)]),
    ("$aapl", [("$AAPL", 0, 5)]),
    ("$A", [("$A", 0, 2)]),
    ("$a", [("$A", 0, 2)]),
    ("$BTC $ETH", [("$BTC", 0, 4), ("$ETH", 5, 9)]),
    ("$100", []),
    ("$GOOGL", [("$GOOGL", 0, 6)]),
    ("$TOOLONG", []),
    ("check $LEGO now", [("$LEGO", 6, 11)]),
    ("($GOOG)", [("$GOOG", 1, 6)]),
    ("$AAPL.", [("$AAPL", 0, 5)]),
    ("$AAPL, $MSFT!", [("$AAPL", 0, 5), ("$MSFT", 7, 12)]),
    ("no$SPACE", []),
    ("$", []),
    ("$ AAPL", []),
    ("$123ABC", []),
    ("$ABC12", [("$ABC12", 0, 6)]),
    ("$ABC123", []),
]

# Text, and how many graphemes it has.
GRAPHEMES: list[tuple[str, int]] = [
    ("a", 1),
    ("~", 1),
    ("ö", 1),
    ("ñ", 1),
    ("©", 1),
    ("⽘", 1),
    ("☎", 1),
    ("𓋓", 1),
    ("😀", 1),
    ("👨\u200d👩\u200d👧\u200d👧", 1),
    ("a~öñ©⽘☎𓋓😀👨\u200d👩\u200d👧\u200d👧", 10),
    ("नमस्ते", 3),
]

# Text, its size in UTF-8 bytes, and its graphemes.
LENGTHS: list[tuple[str, int, int]] = [
    ("Hello!", 6, 6),
    ("👨\u200d👩\u200d👧\u200d👧", 25, 1),
    ("👨\u200d👩\u200d👧\u200d👧🔥 good!✅", 38, 9),
]


def clusters() -> list[list[str]]:
    """Unicode's own cases: each a text, cut into its grapheme clusters."""
    cases = []
    path = Path(__file__).parent / "interop" / "GraphemeBreakTest.txt"
    for line in path.read_text(encoding="utf-8").split("\n"):
        if case := line.partition("#")[0].strip().strip("÷"):
            written = [part.replace("×", " ").split() for part in case.split("÷")]
            cases.append(["".join(chr(int(point, 16)) for point in points) for points in written])
    return cases
