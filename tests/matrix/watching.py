"""Follows one target through a delivery, step by step, and kills or stops the process at one of them.

The code of Hayon knows nothing of it: its database and its way out are replaced by ones that tell their steps.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hayon.delivery.deliver import Delivery
from hayon.domain.model import Claim
from hayon.outgoing import Answer, Deadline, Outgoing, Request
from hayon.store.database import Clock, Database, Tx
from tests.matrix.points import When

_ours: ContextVar[bool] = ContextVar("_ours", default=False)
"""Whether what runs now belongs to the delivery of the target that is watched."""

_SWEEPS = {
    "claim_due": lambda answer: [one.target_id for one in answer],
    "claim_lone": lambda answer: [one.target_id for one in answer],
    "rescue": lambda answer: [one for one, _ in answer],
}
"""Writes that take what they find: which targets an answer is about."""


@dataclass(frozen=True, slots=True)
class End:
    """Where the process ends: at the nth write of this name, or at the nth platform call of all (`name` None)."""

    name: str | None
    number: int
    when: When
    signal: int = signal.SIGKILL


@dataclass(slots=True)
class Watch:
    """What was seen of the target, and the end that waits for us. `sandbox` is where platform calls go."""

    target_id: UUID | None
    sandbox: str
    end: End | None = None
    seen: list[dict[str, Any]] = field(default_factory=list)
    flying: int = 0
    resumed_at: float | None = None
    _counts: Counter[str | None] = field(default_factory=Counter)

    def begin(self, name: str | None, *, publishing: bool = False) -> int:
        """A step of the target begins. Its number among those of its name."""
        number = self.next(name)
        self._counts[name] = number
        self.seen.append({"call": name is None, "name": name, "number": number, "publishing": publishing})
        return number

    def next(self, name: str | None) -> int:
        """The number that the next step of this name will have."""
        return self._counts[name] + 1

    def reach(self, name: str | None, number: int, when: When) -> None:
        """Ends the process here, or stops it once, if this is the place."""
        end = self.end
        if end is None or (end.name, end.number, end.when) != (name, number, when):
            return
        self.end = None
        os.kill(os.getpid(), end.signal)
        self.resumed_at = time.monotonic()


class WatchedDatabase(Database):
    """Tells of each write that belongs to the target."""

    def __init__(self, url: str, watch: Watch, clock: Clock) -> None:
        super().__init__(url, clock=clock)
        self._watch = watch

    async def write(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        watch, name = self._watch, getattr(work, "__name__", "write")
        if name in _SWEEPS and watch.target_id is not None:
            return await self._sweep(name, work, arguments, named)
        if not _ours.get():
            return await super().write(work, *arguments, **named)
        number = watch.begin(name)

        def inside(tx: Tx) -> Any:
            answer = work(tx, *arguments, **named)
            watch.reach(name, number, When.INSIDE)
            return answer

        watch.reach(name, number, When.BEFORE)
        answer = await super().write(inside)
        watch.reach(name, number, When.AFTER)
        return answer

    async def _sweep(self, name: str, work: Callable[..., Any], arguments: Any, named: Any) -> Any:
        """One that takes whatever it finds: only when it took the target was it a step of its."""
        watch, about = self._watch, _SWEEPS[name]

        def inside(tx: Tx) -> Any:
            answer = work(tx, *arguments, **named)
            if watch.target_id in about(answer):
                watch.reach(name, watch.next(name), When.INSIDE)
            return answer

        if not watch.flying:
            watch.reach(name, watch.next(name), When.BEFORE)
        answer = await super().write(inside)
        if watch.target_id in about(answer):
            watch.reach(name, watch.begin(name), When.AFTER)
        return answer


class WatchedOutgoing(Outgoing):
    """Tells of each call to the platform that belongs to the target."""

    def __init__(self, watch: Watch, **options: Any) -> None:
        super().__init__(**options)
        self._watch = watch

    async def send(self, request: Request, *, deadline: Deadline | None = None, commit: bool = False) -> Answer:
        watch = self._watch
        if not _ours.get() or not request.url.startswith(watch.sandbox):
            return await super().send(request, deadline=deadline, commit=commit)
        number = watch.begin(None, publishing=commit)
        watch.reach(None, number, When.BEFORE)
        answer = await super().send(request, deadline=deadline, commit=commit)
        watch.reach(None, number, When.AFTER)
        return answer


def follow(watch: Watch) -> None:
    """From now on deliveries of the target are known as such. For a process that watches one target all its life."""
    deliver = Delivery.deliver

    async def followed(self: Delivery, claim: Claim, **more: Any) -> Any:
        if claim.target_id != watch.target_id:
            return await deliver(self, claim, **more)
        token = _ours.set(True)
        watch.flying += 1
        try:
            return await deliver(self, claim, **more)
        finally:
            watch.flying -= 1
            _ours.reset(token)

    Delivery.deliver = followed
