"""A text in pieces as a platform will show it: links, mentions and tags, and what is too long. Who finds them is the adapter."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import regex

from hayon.domain.marks import Mark
from hayon.domain.rules import Rules
from hayon.domain.shortening import find_end, find_places, shorten

LONGEST_SHOWN = 5_000
"""Characters of a text that are shown. Nobody reads more in a preview, and a page of all of it would be slow to draw."""
# Flags stand apart: in a row of them \X takes a time that grows with its square.
_GRAPHEME = regex.compile(r"\p{RI}{2}[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]*+|\X")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text as it is shown. `kind` is "link", "mention", "tag" or nothing; `over`: the platform takes no more here."""

    words: str
    kind: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """A text in pieces, and how many more characters of it are not shown."""

    pieces: Sequence[Piece]
    left_out: int = 0


def find_ends(text: str) -> list[int]:
    """Where each character, as people see them, ends."""
    return [found.end() for found in _GRAPHEME.finditer(text)]


def mark_up(text: str, rules: Rules, options: Mapping[str, Any]) -> Marked:
    """The text as a platform with these rules will show it, its overflow counted by them."""
    shown, marks = _shown(text, rules, options)
    fits = len(shown)
    if not rules.takes(shown, options):
        places = find_places(find_ends(shown), marks)
        fits = find_end(shown, places, lambda begun: rules.takes(begun, options))
    pieces: list[Piece] = []
    at = 0
    for mark in marks:
        pieces += _plain(shown, at, mark.start, fits)
        pieces.append(Piece(mark.shown or shown[mark.start : mark.end], mark.kind, over=mark.start >= fits))
        at = mark.end
    pieces += _plain(shown, at, len(shown), fits)
    return Marked(pieces, len(text) - len(shown))


def cut(text: str, tables: Sequence[tuple[Rules, Mapping[str, Any]]]) -> str | None:
    """The text cut well, so that every one of these rules takes it with the options beside it; None where nothing of it would do."""
    rules, options = tables[0]
    return shorten(
        text,
        lambda one: all(table.takes(one, beside) for table, beside in tables),
        find_ends(text),
        rules.marks(text, options),
    )


def _plain(text: str, start: int, end: int, fits: int) -> Iterator[Piece]:
    """A stretch without marks, in two where the overflow begins in it."""
    middle = min(max(start, fits), end)
    if start < middle:
        yield Piece(text[start:middle])
    if middle < end:
        yield Piece(text[middle:end], over=True)


def _shown(text: str, rules: Rules, options: Mapping[str, Any]) -> tuple[str, Sequence[Mark]]:
    """As much of a text as is shown, and its marks. What goes beyond is looked at too, so that no link seems to end there."""
    if len(text) <= LONGEST_SHOWN:
        return text, rules.marks(text, options)
    seen = text[: 2 * LONGEST_SHOWN]
    marks = rules.marks(seen, options)
    upto = max((end for end in find_ends(seen) if end <= LONGEST_SHOWN), default=LONGEST_SHOWN)
    through = next((mark for mark in marks if mark.start < upto < mark.end), None)
    if through is not None and through.start:
        upto = through.start
    return text[:upto], [mark for mark in marks if mark.end <= upto]
