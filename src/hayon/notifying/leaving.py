"""The duty that lets notices leave: claims what is due, sends it, and writes what came of it. Any number of processes may do so.

What a process was sending when it died is due again when its lease ends: mails and events arrive at least once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hayon import telemetry
from hayon.domain.notices import TESTED, WEBHOOK_TEST
from hayon.errors import DatabaseUnreachable, Misconfigured
from hayon.notifying import webhooks as wire
from hayon.notifying.mail import AwayError, NotSentError, Postbox
from hayon.notifying.writing import compose
from hayon.outgoing import Outgoing, boot_seconds
from hayon.store import leaving, webhooks
from hayon.store.database import Database
from hayon.store.leaving import Event, Mail
from hayon.vault import Vault

MAILS_AT_ONCE = 10
"""Mails handed over on one connection, one after the other."""
MAIL_LEASE = timedelta(minutes=10)
EVENTS_AT_ONCE = 16
EVENT_LEASE = timedelta(seconds=90)
TIDIED_EVERY_SECONDS = 600.0


class Leaving:
    """Sends mails and events. `public_url` is where the links in mails lead; without a postbox no mail is sent."""

    def __init__(
        self, database: Database, vault: Vault, outgoing: Outgoing, postbox: Postbox | None, *, public_url: str,
        poll: timedelta,
    ) -> None:  # fmt: skip
        self._database = database
        self._vault = vault
        self._outgoing = outgoing
        self._postbox = postbox
        self._public_url = public_url.rstrip("/")
        self._poll = poll.total_seconds()

    @property
    def mailing(self) -> bool:
        """Whether mails are sent at all."""
        return self._postbox is not None

    async def run(self) -> None:
        """Sends whatever is due, again and again, until it is cancelled. A slow receiver holds up no mail, and the other way round."""
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(self._again(self._mails_once, self._poll), name="mails")
            lanes.create_task(self._again(self._tidy_once, TIDIED_EVERY_SECONDS), name="tidying")
            lanes.create_task(self._send_events(), name="events")

    async def send_once(self) -> int:
        """Sends what is due now, and waits until that is done. How many mails and events were tried."""
        events = await self._claim_events(EVENTS_AT_ONCE)
        await asyncio.gather(*(self.send_event(event) for event in events))
        return await self._mails_once() + len(events)

    async def test_webhook(self, user_id: UUID, webhook_id: UUID) -> wire.Verdict:
        """Sends an event of kind webhook.test at once, and says what the receiver answered. Raises NotFound."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = {"type": WEBHOOK_TEST, "timestamp": at, "data": {"message": TESTED}}
        event = await self._database.write(webhooks.begin_test, user_id, webhook_id, body, EVENT_LEASE)
        return await self.send_event(event)

    async def send_event(self, event: Event) -> wire.Verdict:
        """Sends one event that is under lease and writes what came of it. Whatever goes wrong is a verdict, too."""
        now = datetime.now(UTC)
        try:
            keys = wire.secrets_at(self._vault, event.sealed, str(event.webhook_id), now)
            verdict = await wire.send(event, keys, self._outgoing, now)
        except Misconfigured:
            verdict = wire.Verdict("Its secret cannot be opened with the secret key that is set.")
        except Exception as error:  # noqa: BLE001 - one event that nobody foresaw must not stop the others
            verdict = wire.Verdict(f"It could not be sent: {type(error).__name__}.")
        told = await self._database.write(
            webhooks.settle_event, event, error=verdict.error, http_status=verdict.http_status, gone=verdict.gone,
            asked=verdict.asked, spread=random.random(),  # noqa: S311 - spread, not secrecy
        )  # fmt: skip
        facts: dict[str, Any] = {
            "kind": event.kind, "event_id": str(event.id), "host": wire.host_of(event.url), "status": verdict.http_status,
        }  # fmt: skip
        if not verdict.error:
            telemetry.emit("webhook.delivered", **facts)
        else:
            telemetry.emit("webhook.failed", level="warning", tries=event.tries, again_at=told.again_at, **facts)
        if told.disabled:
            telemetry.emit("webhook.disabled", level="warning", webhook_id=str(event.webhook_id), host=facts["host"])
        return verdict

    async def _again(self, once: Callable[[], Awaitable[int]], seconds: float) -> None:
        while True:
            try:
                while await once() and not _is_stopping():
                    pass
            except DatabaseUnreachable as error:
                telemetry.emit("database.unreachable", level="warning", reason=str(error))
            if _is_stopping():
                raise asyncio.CancelledError
            await asyncio.sleep(seconds)

    async def _send_events(self) -> None:
        """Keeps as many on their way as there is room for; each ends in its own time."""
        async with asyncio.TaskGroup() as sending:
            under_way: set[asyncio.Task[None]] = set()
            while True:
                try:
                    for event in await self._claim_events(EVENTS_AT_ONCE - len(under_way)):
                        task = sending.create_task(self._send_event(event))
                        under_way.add(task)
                        task.add_done_callback(under_way.discard)
                except DatabaseUnreachable as error:
                    telemetry.emit("database.unreachable", level="warning", reason=str(error))
                if under_way:
                    await asyncio.wait(under_way, timeout=self._poll, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(self._poll)

    async def _send_event(self, event: Event) -> None:
        try:
            await self.send_event(event)
        except DatabaseUnreachable as error:  # its lease ends, and it is sent once more
            telemetry.emit("database.unreachable", level="warning", reason=str(error))

    async def _claim_events(self, room: int) -> Sequence[Event]:
        if room <= 0 or not (await self._database.read(leaving.anything_due))[1]:
            return []
        return await self._database.write(leaving.claim_events, room, EVENT_LEASE)

    async def _mails_once(self) -> int:
        """Hands over the mails that are due, on one connection. How many were tried."""
        if self._postbox is None or not (await self._database.read(leaving.anything_due))[0]:
            return 0
        claimed = await self._database.write(leaving.claim_mails, MAILS_AT_ONCE, MAIL_LEASE)
        ends = boot_seconds() + MAIL_LEASE.total_seconds() / 2
        waiting = list(claimed)
        try:
            if waiting:
                async with self._postbox.visit() as visit:
                    while waiting and boot_seconds() < ends and not _is_stopping():
                        await self._send_mail(waiting[0], visit.send)
                        waiting.pop(0)
        except AwayError as error:
            again_at = await self._settle_mail(waiting.pop(0), error)
            # the others wait as long, and have not been tried: each comes first some time
            await self._database.write(leaving.put_off_mails, waiting, again_at)
            return 0
        if waiting:
            await self._database.write(leaving.put_off_mails, waiting)
        return len(claimed) - len(waiting)

    async def _send_mail(self, mail: Mail, send: Callable[[Any], Awaitable[None]]) -> None:
        """One mail, sent and settled. Raises AwayError where the server is of no use any more."""
        if self._postbox is None:
            raise AssertionError("asked before")
        failure: NotSentError | None = None
        try:
            opened = self._vault.open(mail.sealed, str(mail.id)) if mail.sealed else {}
            await send(compose(mail, self._postbox.sender, self._public_url, opened))
        except AwayError:
            raise
        except NotSentError as error:
            failure = error
        except Misconfigured:
            words = "What it shall say cannot be opened with the secret key that is set."
            failure = NotSentError(words, "sealed")
        except Exception as error:  # noqa: BLE001 - one mail that nobody foresaw must not stop the others
            failure = NotSentError(f"It could not be sent: {type(error).__name__}.", type(error).__name__)
        await self._settle_mail(mail, failure)

    async def _settle_mail(self, mail: Mail, failure: NotSentError | None) -> datetime | None:
        """When it is tried again; None where that is never."""
        if failure is None:
            await self._database.write(leaving.settle_mail, mail)
            telemetry.emit("mail.sent", kind=mail.kind, mail_id=str(mail.id))
            return None
        again_at = await self._database.write(leaving.settle_mail, mail, error=str(failure), for_good=failure.for_good)
        telemetry.emit(
            "mail.failed", level="warning", kind=mail.kind, mail_id=str(mail.id), reason=failure.reason,
            tries=mail.tries, again_at=again_at,
        )  # fmt: skip
        return again_at

    async def _tidy_once(self) -> int:
        await self._database.write(leaving.give_up_stale)
        return await self._database.write(leaving.forget_old)


def _is_stopping() -> bool:
    """Whether this task was told to end. Before Python 3.12 a wait within the SMTP library may swallow that
    (cpython: gh-86296, `asyncio.wait_for` whose future is done at the same moment).
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
