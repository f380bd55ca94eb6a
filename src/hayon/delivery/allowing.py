"""The last question of step 5: is a call left of the account's allowance, and of its app's? And what answers tell of both."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from hayon import telemetry
from hayon.delivery.outcomes import StepEnded
from hayon.domain import allowance
from hayon.domain.allowance import LINED_UP, POSTS, Told
from hayon.domain.lifecycle import Ended, Outcome
from hayon.domain.model import Claim
from hayon.errors import PlatformError
from hayon.outgoing import Answer, Outgoing
from hayon.platforms.contract import Allowance, Parcel, Platform
from hayon.store import allowances
from hayon.store.allowances import Scoped, Turn, app_scope
from hayon.store.database import Database
from hayon.store.gathering import Gathered

ASKING_SECONDS = 10.0
CALLS = "calls"


class Allowing:
    """Reserves slots and learns from answers. What it knows stands in the database."""

    def __init__(self, database: Database, outgoing: Outgoing, lease: timedelta) -> None:
        self._database = database
        self._outgoing = outgoing
        self._lease = lease

    async def take_turn(self, claim: Claim, platform: Platform, parcel: Parcel, found: Gathered) -> bool:
        """Ends the step early where nothing is left. True: this one tries whether the app may call again.

        Where nothing was ever told of the account, this costs nothing.
        """
        probing = await self._wait_for_app(claim, found)
        if claim.slot_at is not None:
            return probing
        known = next((one for one in found.told.get(str(claim.account_id), ()) if one.name == POSTS), None)
        told, asked_at = None, None
        if platform.has_quota and allowance.is_old(known, found.now):
            asked_at = await self._database.write(allowances.take_question, claim.account_id)
            told = None if asked_at is None else await self._ask(claim, platform, parcel)
        if known is None and not told:
            return probing
        if known is not None and not platform.has_quota and allowance.is_ample(known, found.now):
            return probing
        turn = await self._database.write(allowances.reserve, claim, told, asked_at)
        if turn.until is not None:
            raise StepEnded(_wait(_used_up(turn), turn.until, LINED_UP))
        return probing

    def read(self, claim: Claim, platform: Platform, found: Gathered, answer: Answer, now: datetime) -> Scoped | None:
        """What the answer to the commit call tells; None where it tells nothing. It never harms that answer.

        Of the app's budget only what is nearly used up is kept, or was: else all accounts would write one row all the time.
        """
        try:
            told = _by_scope(claim, platform.read_allowances(answer, now), now)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was published is more important
            _tell(claim, error)
            return None
        shared = app_scope(claim.platform)
        scarce = {one.name for one in found.told.get(shared, ())}
        kept = [one for one in told.pop(shared, ()) if one.name in scarce or allowance.used_up_until(one, now)]
        return told | ({shared: kept} if kept else {})

    def learn(self, claim: Claim, outcome: Outcome, told: Scoped | None, *, probing: bool) -> Scoped | None:
        """What is kept of a try: what its answer told, and what it showed of the app's budget."""
        shared = app_scope(claim.platform)
        if told and shared in told:
            return told
        if outcome.ended is Ended.RATE_LIMITED and outcome.of_app:
            spent = Told(CALLS, 0, claim.claimed_at, resets_at=outcome.until)
            return {**(told or {}), shared: [spent]}
        answered = outcome.ended is Ended.PUBLISHED or (
            outcome.http_status is not None and outcome.ended is not Ended.RATE_LIMITED
        )
        return {**(told or {}), shared: []} if probing and answered else told

    async def _wait_for_app(self, claim: Claim, found: Gathered) -> bool:
        shared = found.told.get(app_scope(claim.platform), ())
        if not any(allowance.used_up_until(one, found.now) for one in shared):
            return False
        until = await self._database.write(allowances.wait_for_app, claim.platform, self._lease)
        if until is not None:
            raise StepEnded(_wait(allowances.APP_USED_UP, until))
        return True

    async def _ask(self, claim: Claim, platform: Platform, parcel: Parcel) -> Scoped | None:
        """The platform's own count; None where no answer came: then one goes by what is known."""
        try:
            async with asyncio.timeout(ASKING_SECONDS):
                told = await platform.allowances(parcel.account, parcel.credential, self._outgoing)
            return _by_scope(claim, told, parcel.now)
        except Exception as error:  # noqa: BLE001 - an unanswered question stops nothing
            _tell(claim, error)
            return None


def _by_scope(claim: Claim, told: Iterable[Allowance], now: datetime) -> dict[str, list[Told]]:
    scoped: dict[str, list[Told]] = {}
    for one in told:
        scope = app_scope(claim.platform) if one.of_app else str(claim.account_id)
        kept = Told(one.name, one.left, now, one.limit, one.seconds, one.resets_at)
        scoped.setdefault(scope, []).append(kept)
    return scoped


def _wait(message: str, until: datetime, code: str = "") -> Outcome:
    return Outcome(Ended.RATE_LIMITED, message, code, until=until, planned=True)


def _used_up(turn: Turn) -> str:
    much = "" if turn.limit is None else f" ({turn.limit} posts{_in_hours(turn.seconds)})"
    return f"The allowance of this account{much} is used up; its turn comes at {turn.until:%H:%M UTC on %d %B}."


def _in_hours(seconds: int | None) -> str:
    if not seconds:
        return ""
    return f" in {seconds // 3600} hours" if seconds % 3600 == 0 and seconds > 3600 else f" in {seconds // 60} minutes"


def _tell(claim: Claim, error: Exception) -> None:
    reason = error.message if isinstance(error, PlatformError) else type(error).__name__
    telemetry.emit(
        "allowance.unread", level="warning", platform=claim.platform, account_id=str(claim.account_id), reason=reason
    )
