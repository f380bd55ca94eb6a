"""Killed by SIGKILL while a post is settled, or while its notice leaves: no notice is lost or invented, and what is repeated has its old id."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from hayon.delivery.submit import Handed
from hayon.domain.model import Content
from hayon.notifying import seal_secret
from hayon.settings import Settings
from hayon.store import notices, webhooks
from hayon.store.database import Database, Tx, new_id
from hayon.store.schema import mails, users, webhook_events
from hayon.store.schema import notices as notice_rows
from hayon.wiring import database_url, open_hayon
from tests.crash.test_crash import PACE
from tests.notifying.office import SECRET, SENDER, Office, Receiver, until
from tests.servers.processes import Process
from tests.servers.sandbox import Sandbox

TABLES = (notice_rows, mails, webhook_events)


async def set_up(environment: dict[str, str], sandbox: Sandbox, receiver: Receiver) -> None:
    """Somebody who wants to know by mail and by webhook, and a post that waits for a worker."""
    given = await asyncio.to_thread(sandbox.add_account, "mastodon", f"m{uuid4().hex[:10]}")
    async with open_hayon(Settings.read(environment)) as hayon:

        def register(tx: Tx) -> Any:
            user_id = new_id(tx.now())
            made = {"id": user_id, "email": "ada@example.test", "created_at": tx.now()}
            tx.run(sa.insert(users).values(made))
            notices.choose_mail_kinds(tx, user_id, ["post.completed"])
            webhooks.insert_webhook(
                tx, user_id, receiver.url, [], lambda context: seal_secret(hayon.vault, SECRET, context)
            )
            return user_id

        user_id = await hayon.database.write(register)
        await hayon.accounts.connect(user_id, "mastodon", given)
        await hayon.submission.submit(user_id, Handed(Content("Killed on the way"), platforms=("mastodon",)))


async def rows(environment: dict[str, str]) -> list[list[Any]]:
    """Notices, mails and events, as they stand."""
    database = Database(database_url(Settings.read(environment)))
    try:
        return [list(await database.read(lambda tx, one=one: tx.all(sa.select(one)))) for one in TABLES]
    finally:
        await database.close()


async def leases_end(environment: dict[str, str]) -> None:
    """Whatever a dead process held is free: minutes go by."""

    def end(tx: Tx) -> None:
        for table in (mails, webhook_events):
            held = sa.update(table).where(table.c.lease_until.is_not(None))
            tx.run(held.values(lease_until=tx.now(), due_at=tx.now()))

    database = Database(database_url(Settings.read(environment)))
    try:
        await database.write(end)
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("point", "kind"),
    [
        ("settle_try:inside", "sqlite"),
        ("settle_try:inside", "postgres"),
        ("settle_try:after", "postgres"),
        ("settle_mail:before", "sqlite"),
        ("settle_event:before", "postgres"),
        pytest.param("settle_try:after", "sqlite", marks=pytest.mark.long),
        pytest.param("settle_mail:before", "postgres", marks=pytest.mark.long),
        pytest.param("settle_event:before", "sqlite", marks=pytest.mark.long),
        pytest.param("claim_mails:after", "postgres", marks=pytest.mark.long),
        pytest.param("claim_events:after", "sqlite", marks=pytest.mark.long),
    ],
)
async def test_killed_at_each_point_the_notice_leaves_by_every_way(
    point: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path, sandbox: Sandbox, office: Office,
    receiver: Receiver, start_process: Callable[..., Process],
) -> None:  # fmt: skip
    url = f"sqlite:///{tmp_path / 'hayon.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    environment = PACE | {
        "HAYON_DATA_DIR": str(tmp_path), "HAYON_DATABASE_URL": url, "HAYON_SMTP_URL": office.url(),
        "HAYON_MAIL_FROM": SENDER,
    }  # fmt: skip
    await set_up(environment, sandbox, receiver)

    def run(**more: str) -> Process:
        return start_process(sys.executable, "-m", "tests.crash.doomed", env=environment | more)

    doomed = await asyncio.to_thread(run, HAYON_TEST_CRASH=point, HAYON_TEST_PLATFORM="mastodon")
    assert await asyncio.to_thread(doomed.wait, within_seconds=60) == -signal.SIGKILL
    left = [len(one) for one in await rows(environment)]
    assert left == ([0, 0, 0] if point == "settle_try:inside" else [1, 1, 1])
    sent = (len(office.mails), len(receiver.ids))
    assert sent == (0, 0) or not point.startswith("settle_try")

    await leases_end(environment)
    again = await asyncio.to_thread(run)

    async def all_gone() -> bool:
        told, mailed, evented = await rows(environment)
        return bool(told and mailed and evented and mailed[0].sent_at and evented[0].delivered_at)

    await until(all_gone)
    await asyncio.to_thread(again.kill9)
    (told,), (mail,), (event,) = await rows(environment)
    assert told.kind == mail.kind == event.kind == "post.completed"
    assert {one["Message-ID"] for one in office.mails} == {f"<{mail.id}@house.test>"}
    assert set(receiver.ids) == {str(event.id)}
    assert receiver.verify(-1, SECRET)["data"]["noticeId"] == str(told.id)
    twice = {"settle_mail:before": len(office.mails), "settle_event:before": len(receiver.ids)}
    assert twice.get(point, 2) == 2, "the only ones that are repeated were handed over and not written down"
    if point.startswith("settle_try"):
        assert (len(office.mails), len(receiver.ids)) == (1, 1)
