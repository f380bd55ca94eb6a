"""The bell of one process, in memory. Workers take due rows from the index, so that nothing depends on a bell arriving."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hayon.brokers.contract import Bell, DeadLetter, Heard, Parked, Through

_MOST_WAITING = 10_000  # of each: bells, delayed bells, mirrors, letters
_DELIVERY_LIMIT = 20  # as on RabbitMQ


@dataclass(eq=False, slots=True)
class _Rung:
    """A bell and how often it came back; what a listener holds of it."""

    bell: Bell
    returned: int = 0
    let_go: Callable[["_Rung"], None] = field(default=lambda _: None)

    @property
    def redelivered(self) -> bool:
        return self.returned > 0

    async def done(self) -> None:
        self.let_go(self)


class EmbeddedBroker:
    """See hayon.brokers.contract.Broker. Rings within one process; what is rung while nobody listens is heard by the next who
    does, and what is rung with no name (`ring([])`) is a wake-up."""

    by_name = False
    links = 1

    def __init__(self) -> None:
        self._waiting: deque[_Rung] = deque()
        self._held: list[_Rung] = []
        self._later: set[asyncio.TimerHandle] = set()
        self._prefetch = 0
        self._hearing: set[asyncio.Event] = set()
        self._woken = False
        self._parked: dict[UUID, Parked] = {}
        self._letters: dict[str, DeadLetter] = {}

    async def open(self) -> None:
        """Nothing has to be set up."""

    async def keep(self) -> None:
        """There is no link that could break."""
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        """See Broker.aclose; the next who listens here gets what was held."""
        self._prefetch = 0
        for timer in self._later:
            timer.cancel()
        self._later.clear()
        held, self._held = self._held, []
        for rung in reversed(held):
            self._give_back(rung)
        self._stir()

    async def ring(self, bells: Sequence[Bell]) -> list[Bell]:
        """See Broker.ring."""
        taken = list(bells[: max(_MOST_WAITING - len(self._waiting), 0)])
        self._waiting.extend(_Rung(bell, let_go=self._let_go) for bell in taken)
        self._woken = True
        self._stir()
        return taken

    async def ring_later(self, bell: Bell, delay: timedelta, through: Through) -> bool:  # noqa: ARG002 - exact in every way
        """See Broker.ring_later."""
        if len(self._later) >= _MOST_WAITING:
            return False
        loop = asyncio.get_running_loop()

        def ring() -> None:
            self._later.discard(timer)
            self._waiting.append(_Rung(bell, let_go=self._let_go))
            self._woken = True
            self._stir()

        timer = loop.call_later(max(delay.total_seconds(), 0), ring)
        self._later.add(timer)
        return True

    async def start_listening(self, prefetch: int) -> None:
        """See Broker.start_listening."""
        self._prefetch = prefetch
        self._stir()

    async def stop_listening(self) -> None:
        """See Broker.stop_listening. There is nobody else: what nobody heard waits for the next who listens."""
        self._prefetch = 0
        self._stir()

    async def hear(self, seconds: float) -> list[Heard]:
        """See Broker.hear."""
        stirred = asyncio.Event()
        self._hearing.add(stirred)
        deadline = asyncio.get_running_loop().time() + max(seconds, 0)
        try:
            heard = self._take()
            if not heard and not self._woken:
                async with asyncio.timeout_at(deadline):
                    await stirred.wait()
                heard = self._take()
        except TimeoutError:
            return []
        finally:
            self._hearing.discard(stirred)
        self._woken = False
        return list(heard)

    def wake(self) -> None:
        """See Broker.wake."""
        self._woken = True
        self._stir()

    async def count_waiting(self) -> int:
        """See Broker.count_waiting."""
        return len(self._waiting)

    async def park(self, parked: Collection[Parked]) -> None:
        """See Broker.park."""
        for one in parked:
            self._parked[one.target_id] = one
        while len(self._parked) > _MOST_WAITING:
            del self._parked[next(iter(self._parked))]

    async def unpark(self, target_ids: Collection[UUID]) -> int:
        """See Broker.unpark."""
        return len([target_id for target_id in set(target_ids) if self._parked.pop(target_id, None)])

    async def count_parked(self) -> int:
        """See Broker.count_parked."""
        return len(self._parked)

    async def list_dead_letters(self, most: int = 100) -> list[DeadLetter]:
        """See Broker.list_dead_letters."""
        return list(self._letters.values())[:most]

    async def replay_dead_letters(self, letter_ids: Collection[str]) -> list[str]:
        """See Broker.replay_dead_letters."""
        chosen = {
            letter.letter_id: letter.bell
            for letter in self._letters.values()
            if letter.letter_id in letter_ids and letter.bell
        }
        rung = await self.ring(list(chosen.values()))
        return await self.discard_dead_letters([letter_id for letter_id, bell in chosen.items() if bell in rung])

    async def discard_dead_letters(self, letter_ids: Collection[str]) -> list[str]:
        """See Broker.discard_dead_letters."""
        return [letter_id for letter_id in dict.fromkeys(letter_ids) if self._letters.pop(letter_id, None)]

    def _take(self) -> list[_Rung]:
        taken = []
        while self._waiting and len(self._held) < self._prefetch:
            rung = self._waiting.popleft()
            self._held.append(rung)
            taken.append(rung)
        return taken

    def _let_go(self, rung: _Rung) -> None:
        if rung in self._held:
            self._held.remove(rung)
            self._stir()

    def _give_back(self, rung: _Rung) -> None:
        rung.returned += 1
        if rung.returned <= _DELIVERY_LIMIT:
            self._waiting.appendleft(rung)
            return
        letter = DeadLetter(
            uuid4().hex[:20], "it came back too often (delivery limit)", b"", rung.bell, datetime.now(UTC)
        )
        self._letters[letter.letter_id] = letter
        if len(self._letters) > _MOST_WAITING:
            del self._letters[next(iter(self._letters))]

    def _stir(self) -> None:
        for waiting in self._hearing:
            waiting.set()
