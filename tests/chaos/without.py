"""`hayon` with one of its safeguards taken out: `python -m tests.chaos.without intent worker`. To see that runs turn red."""

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from hayon import cli
from hayon.brokers.rabbitmq.broker import Sender
from hayon.domain.model import Claim
from hayon.errors import BrokerUnreachable
from hayon.store import announcing, intending, outbox
from hayon.store.database import Tx, new_id


def intent() -> None:
    """No intent is written: whoever dies after the call leaves a target that looks as if nothing had been sent."""

    def commit_intent(tx: Tx, claim: Claim, **_: Any) -> UUID:
        return new_id(tx.now())

    intending.commit_intent = commit_intent


def confirms() -> None:
    """The broker's word is not waited for, and what it returns is ignored: every bell counts as rung."""
    send = Sender.send

    async def send_and_believe(self: Sender, envelopes: Sequence[Any], within: float = 0.0) -> list[bool]:
        with contextlib.suppress(BrokerUnreachable):
            await send(self, envelopes, 0.05)
        return [True for _ in envelopes]

    Sender.send = send_and_believe


def forget() -> None:
    """A new link to the broker changes nothing: what was rung before counts as rung, though the broker was wiped."""
    announcing.forget_due = lambda _: 0


def rescue() -> None:
    """Lost leases are never taken back."""
    outbox.rescue = lambda _, **__: []


WITHOUT: Mapping[str, Callable[[], None]] = {one.__name__: one for one in (intent, confirms, forget, rescue)}

if __name__ == "__main__":
    WITHOUT[sys.argv.pop(1)]()
    cli.main()
