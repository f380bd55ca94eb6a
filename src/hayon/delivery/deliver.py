"""The heart: one target is carried to its platform in nine steps, from claim to settle. Who claims, and when, is not here."""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from structlog.contextvars import bound_contextvars

from hayon import telemetry
from hayon.accounts import Accounts, Sealed
from hayon.delivery.allowing import Allowing
from hayon.delivery.files import Files
from hayon.delivery.outcomes import StepEnded, is_foreseen, read_error, storable
from hayon.domain import rules as rule_table
from hayon.domain.lifecycle import Ended, Outcome, Settlement, TargetStatus
from hayon.domain.model import Claim, Content
from hayon.domain.pacing import TOO_LATE, Patience, too_late
from hayon.errors import Conflict, DatabaseUnreachable, LeaseLost
from hayon.outgoing import Answer, Deadline, Outgoing, Request, boot_seconds
from hayon.platforms.contract import Absent, Found, Parcel, Platform, Unclear
from hayon.store import gathering, hosts, intending, settling
from hayon.store.allowances import Scoped
from hayon.store.database import Database

READ_ANEW_SECONDS = 0.5
"""What was gathered longer ago, while no slot was free, is gathered again: a host, an account or an app may be blocked since."""


@dataclass(frozen=True, slots=True)
class Times:
    """The lengths of time a delivery is bound by. `settles_within` replaces the platforms' own
    where it is set, but for what never settles."""

    lease: timedelta = timedelta(seconds=90)
    commit_deadline: timedelta = timedelta(seconds=60)
    settles_within: timedelta | None = None


@dataclass(slots=True)
class Carried:
    """One delivery on its way: what each step found or made for the next."""

    claim: Claim
    platform: Platform
    gathered: gathering.Gathered = field(init=False)
    gathered_seconds: float = 0.0
    parcel: Parcel = field(init=False)
    handles: Mapping[str, Any] = field(default_factory=dict)
    attempt_id: UUID | None = None
    call_seconds: float | None = None
    probing: bool = False
    told: Scoped | None = None


class Delivery:
    """Delivers claims. Holds no state of its own between two of them."""

    def __init__(
        self, database: Database, accounts: Accounts, platforms: Mapping[str, Platform], files: Files,
        outgoing: Outgoing, times: Times, patience: Patience, *, link_cards: bool = True,
    ) -> None:  # fmt: skip
        self._database = database
        self._accounts = accounts
        self._platforms = platforms
        self._files = files
        self._outgoing = outgoing
        self._times = times
        self._patience = patience
        self._link_cards = link_cards
        self._allowing = Allowing(database, outgoing, times.lease)

    async def deliver(
        self, claim: Claim, *, rung_by: str = "", slot: AbstractAsyncContextManager[None] | None = None
    ) -> Settlement | None:
        """Carries one claimed target through its steps. None where another worker owns it by now, or nothing could be
        written: the lease guards it then. `rung_by` is the traceparent of the bell. `slot` is held from the first step
        that may speak to a platform to the last.

        Each try is a trace of its own, for a post may wait for months; it is linked to the request that accepted it.
        """
        names = _names(claim)
        facts = {f"hayon.{name}": word for name, word in names.items()}
        if rung_by:
            facts |= {"messaging.system": "rabbitmq", "messaging.operation.name": "deliver",
                      "messaging.operation.type": "process"}  # fmt: skip
        kind = telemetry.Kind.CONSUMER if rung_by else telemetry.Kind.INTERNAL
        with (
            bound_contextvars(**names),  # every line that is told from here on bears them
            telemetry.begin_span(f"deliver {claim.platform}", kind, facts, links=[rung_by]) as span,
        ):
            telemetry.emit("target.claimed", level="debug", platform=claim.platform)
            settlement = await self._carry(claim, span, slot or nullcontext())
            span.tell({"hayon.status": str(settlement.status) if settlement else "lease lost"})
            return settlement

    async def _carry(
        self, claim: Claim, span: telemetry.Span, slot: AbstractAsyncContextManager[None]
    ) -> Settlement | None:
        carried = Carried(claim, self._platforms[claim.platform])  # 1. claim: a lease with a fence, taken by the worker
        try:
            await self._gather(carried)  # 2. gather: a parcel, all that an adapter may see
            span.link(carried.gathered.traceparent)
            async with slot:
                if boot_seconds() - carried.gathered_seconds > READ_ANEW_SECONDS:
                    await self._gather(carried)
                await self._unlock(carried)  # 3. unlock: a fresh credential
                await self._reconcile(carried)  # 4. reconcile: only while an intent is unanswered or in doubt
                await self._pace(carried)  # 5. pace: may we call now?
                self._check(carried)  # 6. check: the rules once more
                await self._prepare(carried)  # 7. prepare: everything repeatable
                outcome = await self._publish(carried)  # 8. publish: the intent, then the one irreversible call
        except (LeaseLost, DatabaseUnreachable) as error:
            telemetry.emit("target.lease_lost", level="warning", platform=claim.platform, reason=str(error))
            return None
        except asyncio.CancelledError:
            outcome = _interrupted(carried)
            await self._settle(carried, outcome)
            raise
        except Exception as error:  # noqa: BLE001 - whatever a step raises becomes the outcome of the try
            if not is_foreseen(error):
                telemetry.emit_unforeseen("target.unforeseen", error, platform=claim.platform)
            outcome = read_error(error, called=carried.attempt_id is not None)
        return await self._settle(carried, outcome)  # 9. settle: attempt, target, summary, notices in one transaction

    async def _gather(self, carried: Carried) -> None:
        claim = carried.claim
        found = carried.gathered = await self._database.read(gathering.gather, claim)
        carried.gathered_seconds = boot_seconds()
        alt_texts = {use.media_id: use.alt_text for use in found.content.media}
        renew = partial(self._database.write, intending.renew_lease, claim, self._times.lease)
        carried.parcel = Parcel(
            account=found.account, credential={}, content=found.content,
            media=tuple(
                self._files.pack(one, alt_texts[one.id], found.keys[one.id], found.now, renew) for one in found.media
            ),
            idempotency_key=claim.idempotency_key, checkpoint=claim.checkpoint, now=found.now,
            first_sent_at=found.first_sent_at, doubted=claim.doubted or claim.intent is not None, correlation_id=claim.correlation_id, allow_link_card=self._link_cards,
        )  # fmt: skip

    async def _unlock(self, carried: Carried) -> None:
        found = carried.gathered
        if found.disconnected and carried.claim.intent is None:
            raise StepEnded(Outcome(Ended.DISCONNECTED, "The account was disconnected before this went out."))
        sealed = Sealed(found.account, found.sealed, found.credential_version, found.refresh_wanted, found.now)
        credential = await self._accounts.unlock(sealed, reading_only=carried.claim.intent is not None)
        carried.parcel = replace(carried.parcel, credential=credential)

    async def _reconcile(self, carried: Carried) -> None:
        claim = carried.claim
        intent = claim.intent or (claim.last_intent if claim.doubted else None)
        if intent is None:
            return
        look = await carried.platform.reconcile(carried.parcel, intent.handles, self._outgoing)
        telemetry.reconciled.labels(claim.platform, type(look).__name__.lower()).inc()
        if isinstance(look, Found):
            raise StepEnded(Outcome(Ended.PUBLISHED, "Found on the platform.", receipt=look.receipt, adopted=True,
                                    exact=look.exact))  # fmt: skip
        if claim.intent is None:
            return
        if isinstance(look, Unclear) and not claim.permitted:
            raise StepEnded(Outcome(Ended.UNCONFIRMED, look.message))
        absence = await self._database.write(intending.record_absence, claim, self._times.lease)
        if absence is TargetStatus.PROCESSING and carried.gathered.disconnected:
            raise StepEnded(Outcome(Ended.DISCONNECTED, "Nothing went out, and the account was disconnected since."))
        if absence is TargetStatus.CANCELLED:
            raise LeaseLost("Nothing went live; stopped as asked.")
        if not isinstance(absence, TargetStatus):
            message = look.message if isinstance(look, Absent | Unclear) else ""
            raise StepEnded(Outcome(Ended.UNCONFIRMED, f"{message} It may still appear.", until=absence))

    async def _pace(self, carried: Carried) -> None:
        claim, found = carried.claim, carried.gathered
        if too_late(claim.scheduled_at, claim.max_lateness, found.now):
            raise StepEnded(Outcome(Ended.TOO_LATE, TOO_LATE, str(Ended.TOO_LATE)))
        if found.blocked_until is not None and found.blocked_until > found.now:
            message = "The platform asked this account to wait."
            if found.block_guessed:
                message = "The platform has limited this account, so it is left alone for a while."
            raise StepEnded(
                Outcome(Ended.RATE_LIMITED, message, until=found.blocked_until, guessed=found.block_guessed)
            )
        if found.host_down:
            probe_at = await self._database.write(hosts.wait_for_probe, claim.host, self._times.lease)
            if probe_at is not None:
                message = f"{found.account.host} cannot be reached at the moment."
                raise StepEnded(Outcome(Ended.UNREACHABLE, message, until=probe_at))
        carried.probing = await self._allowing.take_turn(claim, carried.platform, carried.parcel, found)

    def _check(self, carried: Carried) -> None:
        found = carried.gathered
        problems = rule_table.check(found.content, found.media, carried.platform.rules(found.account.facts))
        if problems:
            message = " ".join(problem.message for problem in problems)
            raise StepEnded(Outcome(Ended.REJECTED, message, problems[0].rule))

    async def _prepare(self, carried: Carried) -> None:
        async def save(checkpoint: Mapping[str, Any]) -> None:
            await self._database.write(intending.save_checkpoint, carried.claim, checkpoint, self._times.lease)

        carried.handles = await carried.platform.prepare(carried.parcel, save, self._outgoing)

    async def _publish(self, carried: Carried) -> Outcome:
        # the deadline starts before the intent is written: whoever reads the intent's time may count on it
        deadline = Deadline.after(self._times.commit_deadline.total_seconds())
        settles = carried.platform.settles(carried.handles)
        if settles is not None and self._times.settles_within is not None:
            settles = self._times.settles_within
        carried.attempt_id = await self._database.write(
            intending.commit_intent, carried.claim, handles=carried.handles,
            fingerprint=fingerprint(carried.gathered.content), lease=self._times.lease,
            deadline=self._times.commit_deadline, settles_within=settles,
        )  # fmt: skip
        if carried.attempt_id is None:
            raise StepEnded(Outcome(Ended.OVERTAKEN, "It was changed or stopped while it was being prepared."))
        telemetry.emit("target.intended", platform=carried.claim.platform)
        calls, found = 0, carried.gathered

        async def send(request: Request) -> Answer:
            nonlocal calls
            calls += 1
            if calls > 1:
                raise AssertionError("publish() makes exactly one call")
            answer = await self._outgoing.send(request, deadline=deadline, commit=True)
            answered_at = found.now + timedelta(seconds=boot_seconds() - carried.gathered_seconds)
            carried.told = self._allowing.read(carried.claim, carried.platform, found, answer, answered_at)
            return answer

        began = time.perf_counter()
        try:
            receipt = await carried.platform.publish(carried.parcel, carried.handles, send)
        finally:
            carried.call_seconds = time.perf_counter() - began
        return Outcome(Ended.PUBLISHED, "Published.", receipt=receipt)

    async def _settle(self, carried: Carried, outcome: Outcome) -> Settlement | None:
        """Writes the end. A receipt is written until it is stored; anything else may be left to the lease."""
        outcome = storable(outcome, self._version_of(carried))
        claim, wait, lease_end = carried.claim, 0.05, Deadline.after(self._times.lease.total_seconds())
        holds_receipt = outcome.receipt is not None and not outcome.adopted
        told = self._allowing.learn(claim, outcome, carried.told, probing=carried.probing)
        if carried.call_seconds is not None:
            telemetry.calls.labels(claim.platform, str(outcome.ended)).observe(carried.call_seconds)
        while True:
            try:
                settlement = await self._database.write(
                    settling.settle_try, claim, outcome, attempt_id=carried.attempt_id, patience=self._patience,
                    told=told,
                )  # fmt: skip
            except (LeaseLost, Conflict) as error:
                telemetry.emit("target.lease_lost", level="warning", platform=claim.platform, reason=str(error))
                return None
            except Exception as error:  # noqa: BLE001 - a receipt is written whatever stands in the way
                if told:
                    telemetry.emit(
                        "allowance.unread", level="warning", platform=claim.platform, reason=type(error).__name__
                    )
                    told = None  # whatever it is, it must not stand in the way of what was published
                    continue
                passing = isinstance(error, DatabaseUnreachable) and not lease_end.passed()
                if not holds_receipt and not passing:
                    telemetry.emit("target.lease_lost", level="error", platform=claim.platform, reason=repr(error))
                    return None
                telemetry.emit("database.unreachable", level="warning", platform=claim.platform, reason=str(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
            else:
                if outcome.receipt is not None and settlement.message:
                    telemetry.emit("target.receipt_kept", platform=claim.platform, reason=settlement.message)
                telemetry.outcomes.labels(claim.platform, str(settlement.status)).inc()
                telemetry.emit(
                    "target.settled", platform=claim.platform, outcome=str(outcome.ended), status=str(settlement.status),
                    reason=outcome.message,
                )  # fmt: skip
                return settlement

    @staticmethod
    def _version_of(carried: Carried) -> int | None:
        return carried.gathered.credential_version if hasattr(carried, "gathered") else None


def fingerprint(content: Content) -> str:
    """What makes two targets of one account look alike in a listing: the words, since options may not show there."""
    return hashlib.sha256(" ".join(content.text.split()).encode("utf-8", "surrogatepass")).hexdigest()


def _interrupted(carried: Carried) -> Outcome:
    if carried.attempt_id is not None:
        return Outcome(Ended.UNCONFIRMED, "The worker was stopped before the answer came.")
    return Outcome(Ended.INTERRUPTED, "The worker was stopped; another goes on.")


def _names(claim: Claim) -> dict[str, str]:
    return {"platform": claim.platform, "post_id": str(claim.post_id), "target_id": str(claim.target_id),
            "correlation_id": claim.correlation_id}  # fmt: skip
