"""Ways out for these tests, closed at the end."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hayon.outgoing import Outgoing


@pytest.fixture
async def make_outgoing() -> AsyncIterator[Callable[..., Outgoing]]:
    """Outgoing with private addresses allowed, unless told otherwise."""
    made: list[Outgoing] = []

    def make(**options: Any) -> Outgoing:
        options.setdefault("allow_private_addresses", True)
        one = Outgoing(identity="Hayon/0.1 (+https://example.org)", **options)
        made.append(one)
        return one

    yield make
    for one in made:
        await one.aclose()


@pytest.fixture
def outgoing(make_outgoing: Callable[..., Outgoing]) -> Outgoing:
    return make_outgoing(timeout_seconds=5)
