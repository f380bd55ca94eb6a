"""A text that is too long for a platform, cut well. What is too long is the caller's word: a function of the platform's rules.

Where a text may be cut between two characters as people see them is the caller's word too: that takes Unicode's tables.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hayon.domain.marks import Mark

Takes = Callable[[str], bool]
"""Whether a text is short enough."""

MORE = "…"
_ENOUGH_OF_SENTENCES, _ENOUGH_OF_WORDS = 0.7, 0.5
"""Parts of what would fit: a cut after a sentence, or after a word, that leaves less than this is no good one."""
_CLOSING = "[\"'\u201d\u2019\u00bb)]*"
_SENTENCE_END = re.compile(
    rf"[.!?]+{_CLOSING}(?=\s|\Z)|[\u3002\uff01\uff1f]+[\u300d\u300f\uff09]*|\S(?=\n\s*\n)"  # and in Chinese and Japanese
)
_WORD_END = re.compile(r"\S(?=\s|\Z)")
_LOOKED_AHEAD = 8
_ENDS_A_SENTENCE = re.compile(rf"[.!?]{_CLOSING}\Z")
_LEFT_OUT_AT_THE_END = " \t\n\r,;:\u2013\u2014-…"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S+")
_IN_LINKS_AND_TAGS = "#\uff03@$.:/"
_LONGEST_WORD = 5_000


class _Word(NamedTuple):
    """A link or a tag at the end of a text, with the blanks before it."""

    blank: str
    written: str
    is_link: bool


def find_end(text: str, ends: Sequence[int], takes: Takes) -> int:
    """How much of a text fits: the greatest of `ends` (ascending places where it may be cut) up to which it is taken, or 0.

    Asks about few and mostly short beginnings, so that it is quick however long the text is.
    """
    most = _most(len(ends), lambda count: takes(text[: ends[count - 1]]))
    return ends[most - 1] if most else 0


def find_places(ends: Sequence[int], marks: Sequence[Mark]) -> list[int]:
    """Those of `ends` that go through no link, mention or tag."""
    return _outside(ends, [(mark.start, mark.end) for mark in marks])


def shorten(text: str, takes: Takes, ends: Sequence[int], marks: Sequence[Mark]) -> str | None:
    """The text as it stands where it is taken; else its beginning, "…", and the links and tags that stood at its end.

    It is cut after a sentence where that keeps most of what would fit, else after a word, else between any two
    characters; never within a link. What stood at the end may take half of the room: then tags go before links, the last
    first. None where nothing of it would be taken.
    """
    if takes(text):
        return text
    wholes = _wholes(text, marks)
    places = _outside(ends, wholes)
    start, words = _words_at_the_end(text, marks)
    order = sorted(range(len(words)), key=lambda index: not words[index].is_link)

    def tail(count: int) -> str:
        return "".join(words[index].blank + words[index].written for index in sorted(order[:count]))

    kept = tail(_most(len(words), lambda count: takes(tail(count) * 2))) if start else ""
    if kept:
        body = text[:start].rstrip()
        blank = text[len(body) : start] or " "
        found = _cut(body, blank[blank.find("\n") if "\n" in blank else 0 :] + kept.lstrip(), takes, places, wholes)
        if found is not None:
            return found
    # without them its links and tags are words like any others
    return _cut(text, "", takes, places, wholes)


_Range = tuple[int, int]


def _cut(text: str, tail: str, takes: Takes, places: Sequence[int], wholes: Sequence[_Range]) -> str | None:
    """The longest good beginning that is taken together with the tail; None where there is none."""
    closed = [end for _, end in wholes]

    def ended(upto: int) -> str:
        """The beginning with the sign that more was said, apart from a sentence and from what it would become a part of."""
        before = bisect_right(closed, upto)
        kept = max(closed[before - 1] if before else 0, len(text[:upto].rstrip(_LEFT_OUT_AT_THE_END)))
        begun = text[:kept].rstrip()
        if not begun:
            return ""
        last = begun[-_LONGEST_WORD:].rsplit(None, 1)[-1]
        apart = _ENDS_A_SENTENCE.search(last) or any(sign in last for sign in _IN_LINKS_AND_TAGS)
        return f"{begun} {MORE}" if apart else begun + MORE

    places = [one for one in places if one <= len(text)]
    most = _most(len(places), lambda count: takes(ended(places[count - 1]) + tail))
    end, good = places[most - 1] if most else 0, set(places)
    by_sentence, by_word = (_last(pattern, text, end, good) for pattern in (_SENTENCE_END, _WORD_END))
    if by_sentence >= end * _ENOUGH_OF_SENTENCES and takes(ended(by_sentence) + tail):
        end = by_sentence
    elif by_word >= end * _ENOUGH_OF_WORDS and takes(ended(by_word) + tail):
        end = by_word
    shown = ended(end)
    return shown + tail if shown else None


def _last(pattern: re.Pattern[str], text: str, end: int, good: set[int]) -> int:
    """Where the last of these ends within a beginning that a cut may make; 0 for nowhere."""
    ending = (found.end() for found in pattern.finditer(text, 0, end + _LOOKED_AHEAD))
    return max((one for one in ending if one <= end and one in good), default=0)


def _wholes(text: str, marks: Sequence[Mark]) -> list[_Range]:
    """What is to stay whole: links, mentions and tags, and addresses that the platform makes no link. Without overlaps."""
    found = sorted([*((mark.start, mark.end) for mark in marks), *(one.span() for one in _ADDRESS.finditer(text))])
    wholes: list[_Range] = []
    for start, end in found:
        if wholes and start < wholes[-1][1]:
            wholes[-1] = wholes[-1][0], max(end, wholes[-1][1])
        else:
            wholes.append((start, end))
    return wholes


def _outside(ends: Sequence[int], wholes: Sequence[_Range]) -> list[int]:
    kept, upcoming, until = [], 0, 0
    for end in ends:
        while upcoming < len(wholes) and wholes[upcoming][0] < end:
            until = wholes[upcoming][1]
            upcoming += 1
        if end >= until:
            kept.append(end)
    return kept


def _words_at_the_end(text: str, marks: Sequence[Mark]) -> tuple[int, list[_Word]]:
    """Where the run of links and tags at the end of a text begins, and what it is made of."""
    start, words = len(text), []
    for index in range(len(marks) - 1, -1, -1):
        mark = marks[index]
        if text[mark.end : start].strip():
            break
        between = text[marks[index - 1].end if index else 0 : mark.start]
        blank = between[len(between.rstrip()) :]
        words.append(_Word(blank or " ", text[mark.start : mark.end], mark.kind == "link"))
        start = mark.start
    return start, words[::-1]


def _most(count: int, holds: Callable[[int], bool]) -> int:
    """The greatest number up to `count` for which it holds, where it holds for all below; 0 if for none."""
    reach = 1
    while reach < count and holds(reach):
        reach *= 2
    low, high = 0, min(reach, count)
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
