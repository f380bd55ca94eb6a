"""`python -m tests.crash.doomed`: all of Hayon but the web, told to kill itself at one point. The code of Hayon knows nothing of it.

HAYON_TEST_CRASH names the point: `<write>:before`, `<write>:inside` (done, not committed), `<write>:after` (a write that is
named so is done for one; `commit_intents` and `settle_tries` are for many), `call:before`
(nothing sent), `call:after` (answered, nothing written). HAYON_TEST_PLATFORM says on which platform, HAYON_TEST_SIGNAL
by which signal (SIGKILL; with SIGSTOP it comes back late).
"""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

from hayon.domain.model import Claim
from hayon.outgoing import Answer, Deadline, Outgoing, Request
from hayon.settings import Settings
from hayon.store.database import Database, Tx
from hayon.store.together import ALONE
from hayon.wiring import database_url, open_hayon

POINT, _, PHASE = os.environ.get("HAYON_TEST_CRASH", "").partition(":")
PLATFORM = os.environ.get("HAYON_TEST_PLATFORM", "")
FOR_MANY = {"commit_intents": "commit_intent", "settle_tries": "settle_try"}
SIGNAL = signal.Signals[os.environ.get("HAYON_TEST_SIGNAL", "SIGKILL")]


def die() -> None:
    """As a power cut would: no handler, no cleaning up. With SIGSTOP it stands still instead, until somebody lets it go on."""
    os.kill(os.getpid(), SIGNAL)


class DoomedDatabase(Database):
    """Dies before, inside or after one named write that concerns the platform."""

    async def write(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if POINT in FOR_MANY or work.__name__ != POINT or not _concerns(arguments, named):
            return await super().write(work, *arguments, **named)
        if PHASE == "before":
            die()
            return await super().write(work, *arguments, **named)

        def inside(tx: Tx) -> Any:
            answer = work(tx, *arguments, **named)
            if PHASE == "inside" and (POINT != "claim_due" or answer):
                die()
            return answer

        answer = await super().write(inside)
        if POINT != "claim_due" or answer:
            die()
        return answer

    async def _run(self, work: Callable[..., Any], writes: bool, args: Any, kwargs: Any) -> Any:
        """Works for many: the same for whoever shares a transaction with the platform's target. One whom it left out (ALONE,
        as where somebody held a row of it) dies at the work for one: nothing was written for it before."""
        many = work.__name__ == POINT and POINT in FOR_MANY
        if not many and work.__name__ != FOR_MANY.get(POINT):
            return await super()._run(work, writes, args, kwargs)

        def done(answer: Any) -> bool:
            asked = [(one.args, one.kwargs) for one in args[0]] if many else [(args, kwargs)]
            answers = answer if many else [answer]
            return any(one is not ALONE and _concerns(*by) for by, one in zip(asked, answers, strict=True))

        def inside(tx: Tx, *args: Any, **kwargs: Any) -> Any:
            answer = work(tx, *args, **kwargs)
            if PHASE == "inside" and done(answer):
                die()
            return answer

        answer = await super()._run(inside, writes, args, kwargs)
        if done(answer):
            die()
        return answer


class DoomedOutgoing(Outgoing):
    """Dies around the irreversible call to the platform."""

    async def send(self, request: Request, *, deadline: Deadline | None = None, commit: bool = False) -> Answer:
        doomed = commit and POINT == "call" and f"/{PLATFORM}" in _platform_of(request.url)
        if doomed and PHASE == "before":
            die()
        answer = await super().send(request, deadline=deadline, commit=commit)
        if doomed:
            die()
        return answer


def _concerns(arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    claims = [one for one in arguments if isinstance(one, Claim)]
    return all(claim.platform == PLATFORM for claim in claims) and not named.get("alone", False)


def _platform_of(url: str) -> str:
    return "/bluesky" if "/xrpc/" in url else "/mastodon"


async def main() -> None:
    settings = Settings.read()
    database = DoomedDatabase(database_url(settings))
    outgoing = DoomedOutgoing(identity="Hayon/test", timeout_seconds=10, allow_private_addresses=True)
    async with open_hayon(settings, database=database, outgoing=outgoing) as hayon:
        print("{}", flush=True)  # noqa: T201 - tells the test that it runs
        await hayon.run_duties()


if __name__ == "__main__":
    asyncio.run(main())
