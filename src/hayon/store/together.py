"""Works that are done for many in one transaction: whoever asks while one runs goes with the next.

A commit costs as much for thirty as for one, and so does a statement. What is done here, and for whom, is not known here.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar, cast

from hayon.errors import DatabaseUnreachable

P = ParamSpec("P")
R = TypeVar("R")
MOST = 500
"""How many one transaction is for at most."""


class Asked(NamedTuple):
    """The arguments of one who asks."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Alone(Enum):
    """The answer to one whom a work for many left out: nothing was written yet, and it is done for this one alone."""

    ALONE = "alone"


ALONE = Alone.ALONE
Many = Callable[[Any, Sequence[Asked]], Sequence[Any]]
"""A work over a transaction and all who ask: an answer, an error or ALONE for each, in their order."""


def together(many: Many, *, pause: float = 0.0) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a work that `many` does for all who ask at once. `pause`: so many seconds pass at least from the end of one
    transaction to the next, where nobody at a platform waits for it; who asks after a longer rest waits for nothing.

    `many` waits for a lock no longer than a moment: it answers ALONE, or fails, where somebody else holds what it needs, so
    that one who stands still holds up no others. The marked work waits for it. Where `many` fails, each is done alone: the
    marked work has to find out by itself whether its part was written already.
    """

    def mark(one: Callable[P, R]) -> Callable[P, R]:
        one.many, one.pause = many, pause  # type: ignore[attr-defined] # read in this file alone
        return one

    return mark


def many_of(work: Callable[..., Any]) -> Many | None:
    """What does this work for many, if anything does."""
    many: Many | None = getattr(work, "many", None)
    return many


class Run(Protocol):
    """Runs a work in a transaction of its own, whole."""

    async def __call__(self, work: Callable[..., Any], writes: bool, args: Any, kwargs: Any) -> Any:
        """Raises DatabaseUnreachable, and whatever the work raises."""
        ...


class Company:
    """Who waits for which work. `begin` makes a task of what must go on whoever goes away."""

    def __init__(self, run: Run, begin: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._run = run
        self._begin = begin
        self._queues: dict[Callable[..., Any], deque[tuple[Asked, asyncio.Future[Any]]]] = {}
        self._ended: dict[Callable[..., Any], float] = {}

    async def ask(self, work: Callable[..., R], many: Many, writes: bool, asked: Asked) -> R:
        """The answer to one, once the transaction that it went with is committed. Raises as `Run` does."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda one: one.cancelled() or one.exception())  # whoever asked may be gone
        queue = self._queues.get(work)
        if queue is None:
            queue = self._queues[work] = deque()
            self._begin(self._work_off(work, many, writes))
        queue.append((asked, answer))
        return await asyncio.shield(answer)

    async def _work_off(self, work: Callable[..., Any], many: Many, writes: bool) -> None:
        queue, pause = self._queues[work], work.pause  # type: ignore[attr-defined] # as marked by `together`
        batch: list[tuple[Asked, asyncio.Future[Any]]] = []
        try:
            while queue:
                if pause:
                    await asyncio.sleep(max(0.0, self._ended.get(work, 0.0) + pause - time.monotonic()))
                batch = [queue.popleft() for _ in range(min(len(queue), MOST))]
                answers = await self._do_many(many, writes, [asked for asked, _ in batch])
                self._ended[work] = time.monotonic()
                for (asked, waiting), answer in zip(batch, answers, strict=True):
                    if answer is ALONE:
                        self._begin(self._do_alone(work, writes, asked, waiting))
                    elif isinstance(answer, Exception):
                        waiting.set_exception(answer)
                    else:
                        waiting.set_result(answer)
                batch = []
        finally:
            del self._queues[work]
            for _, waiting in (*batch, *queue):  # only where this task itself broke off: nobody may wait for ever
                if not waiting.done():
                    waiting.set_exception(DatabaseUnreachable("The transaction broke off."))

    async def _do_many(self, many: Many, writes: bool, asked: Sequence[Asked]) -> Sequence[Any]:
        try:
            answers = await self._run(many, writes, (asked,), {})
        except Exception:  # noqa: BLE001 - whose error it is, or whether it was written all the same, shows when each is done alone
            return [ALONE] * len(asked)
        if len(answers) != len(asked):
            raise AssertionError("an answer for each")
        return cast("Sequence[Any]", answers)

    async def _do_alone(
        self, work: Callable[..., Any], writes: bool, asked: Asked, waiting: "asyncio.Future[Any]"
    ) -> None:
        try:
            waiting.set_result(await self._run(work, writes, asked.args, asked.kwargs))
        except Exception as error:  # noqa: BLE001 - it is for whoever asked
            waiting.set_exception(error)
