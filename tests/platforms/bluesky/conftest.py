"""A way out for tests that speak to servers on this machine."""

from collections.abc import AsyncIterator

import pytest

from hayon.outgoing import Outgoing


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    """Outgoing with private addresses allowed, closed at the end."""
    one = Outgoing(identity="Hayon/test", timeout_seconds=20, allow_private_addresses=True)
    yield one
    await one.aclose()
