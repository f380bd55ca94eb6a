"""What every broker is. A bell says that a target is due; it carries no content, and losing one costs seconds, never a post."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Bell:
    """One target is due. `version` is that of its content when it was rung: a bell of an older version claims nothing."""

    post_id: UUID
    target_id: UUID
    user_id: UUID
    platform: str
    version: int
    timestamp: datetime
    correlation_id: str


class Broker(Protocol):
    """Carries bells from the relay and the front desk to the workers of its reach."""

    async def ring(self, bells: Sequence[Bell] = ()) -> None:
        """Wakes workers. With no bells: something is due, look for yourselves."""
        ...

    async def listen(self, seconds: float) -> bool:
        """Waits until a bell rings, or that long. True if one rang (several rung together count as one)."""
        ...
