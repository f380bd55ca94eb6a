"""The bell of one process: a wake-up. Workers take due rows from the index, so that nothing depends on a bell arriving."""

import asyncio
from collections.abc import Sequence

from hayon.brokers.contract import Bell


class EmbeddedBroker:
    """Rings within one process. What is rung while nobody listens is heard by the next who does."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def ring(self, bells: Sequence[Bell] = ()) -> None:  # noqa: ARG002 - a wake-up needs no names
        """Wakes whoever listens."""
        self._rung.set()

    async def listen(self, seconds: float) -> bool:
        """Waits until a bell rings, or that long."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True
