"""What a stretch of a text means on a platform: a link, a mention, a tag. Who finds them is the adapter; nothing is drawn here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["link", "mention", "tag"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a text, in characters as Python counts them, the end exclusive. `shown` is how the platform writes it
    where that is something else than what the author wrote: most show a long address shortened.
    """

    start: int
    end: int
    kind: Kind
    shown: str | None = None


def in_order(marks: Iterable[Mark]) -> Sequence[Mark]:
    """By their place and without overlaps: of two that overlap the earlier one counts, and of two that begin together the longer."""
    kept: list[Mark] = []
    for mark in sorted(marks, key=lambda one: (one.start, -one.end)):
        if mark.start < mark.end and (not kept or mark.start >= kept[-1].end):
            kept.append(mark)
    return kept
