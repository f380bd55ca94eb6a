"""Facets as clients read them: which lie on whole characters of the text, and what is wrong with the others.

Source: atproto lexicons/app/bsky/richtext/facet.json: byte offsets into UTF-8, start included, end excluded, no overlaps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class Facet:
    """A facet of a record, wherever it points. `place` is its index in the record."""

    place: int
    start: int
    end: int
    feature: Any

    def fits(self, raw: bytes) -> bool:
        """Within the text and not empty."""
        return 0 <= self.start < self.end <= len(raw)

    def is_whole(self, raw: bytes) -> bool:
        """On the boundaries of characters."""
        return all(edge == len(raw) or raw[edge] & 0xC0 != 0x80 for edge in (self.start, self.end))


def facets_of(value: Any) -> Iterator[Facet]:
    """The well-formed facets of a list; anything else is passed over."""
    for place, facet in enumerate(value if isinstance(value, list) else []):
        index = facet.get("index") if isinstance(facet, dict) else None
        features = facet.get("features") if isinstance(facet, dict) else None
        if not isinstance(index, dict) or not isinstance(features, list):
            continue
        start, end = index.get("byteStart"), index.get("byteEnd")
        if isinstance(start, int) and isinstance(end, int):
            yield Facet(place, start, end, features[0] if features else None)


def shown(raw: bytes, value: Any) -> list[Facet]:
    """The facets a client would show, in the order of the text; of two that overlap the first."""
    found: list[Facet] = []
    for facet in sorted(facets_of(value), key=lambda one: one.start):
        if facet.fits(raw) and facet.is_whole(raw) and (not found or facet.start >= found[-1].end):
            found.append(facet)
    return found


def problems(raw: bytes, value: Any) -> list[str]:
    """What clients will show wrongly, although a PDS takes it."""
    facets = list(facets_of(value))
    within = [facet for facet in facets if facet.fits(raw)]
    ordered = sorted(within, key=lambda one: (one.start, one.end))
    return [
        *(
            f"facet {one.place} lies outside the text ({one.start}-{one.end} of {len(raw)} bytes)"
            for one in facets
            if not one.fits(raw)
        ),
        *(f"facet {one.place} cuts a character ({one.start}-{one.end})" for one in within if not one.is_whole(raw)),
        *(f"facets {one.place} and {two.place} overlap" for one, two in pairwise(ordered) if two.start < one.end),
    ]
