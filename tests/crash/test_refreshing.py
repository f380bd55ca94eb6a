"""A refresh whose answer is lost, by a crash between answer and save or on the line: the account works, or asks for its owner.

What the platforms' rules allow: Bluesky gives the same successor for two hours, a token of Meta stays valid beside its
successor, and Tumblr takes the old pair back (docs/connect). Never is one asked for again and again.
"""

import asyncio
import json
import signal
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.delivery.submit import Handed
from hayon.domain.model import Content
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.settings import Settings
from hayon.store.database import Tx, new_id
from hayon.store.schema import accounts, notices, targets, users
from hayon.wiring import Hayon, open_hayon
from tests.sandbox.tumblelog import Signer
from tests.servers.processes import start
from tests.servers.sandbox import Sandbox
from tests.web.house import at_work

REFRESH = {"bluesky": "refreshSession", "threads": "refresh_access_token", "tumblr": "token"}
SURVIVES = ("bluesky", "threads")
"""Those on which an account outlives a lost answer."""
DAY = 86_400


@dataclass
class Scene:
    """One Hayon on SQLite with one account, whose credential is about to be refreshed."""

    environment: dict[str, str]
    sandbox: Sandbox
    platform: str
    user_id: UUID | None = None

    async def within(self, work: Callable[[Hayon], Awaitable[Any]]) -> Any:
        async with open_hayon(Settings.read(self.environment)) as hayon:
            return await work(hayon)

    async def set_up(self, hayon: Hayon) -> None:
        """Connected in hand, and its time has come."""
        shown = self.sandbox.add_account(self.platform, "ann.test" if self.platform == "bluesky" else "ann")
        given = {name: value for name, value in shown.items() if isinstance(value, str)}
        if self.platform == "tumblr":
            given = _pair(shown)
        self.user_id = await hayon.database.write(_insert_user)
        account = await hayon.accounts.connect(self.user_id, self.platform, given)
        if self.platform == "threads":
            # as if it had been connected fifty days ago: a younger token is not refreshed
            self.sandbox.control("clock", {"advanceSeconds": 2 * DAY})
            row = await self.row(hayon)
            kept, now = hayon.vault.open(row.credential, str(account.id)), datetime.now(UTC)
            kept |= {"obtainedAt": str(now - timedelta(days=50)), "expiresAt": str(now + timedelta(days=10))}
            await self.set_row(hayon, credential=hayon.vault.seal(kept, str(account.id)))
        await self.set_row(hayon, renew_at=datetime.now(UTC), refresh_wanted=True)

    async def row(self, hayon: Hayon) -> Any:
        return await hayon.database.read(lambda tx: tx.first(sa.select(accounts)))

    async def set_row(self, hayon: Hayon, **values: Any) -> None:
        await hayon.database.write(lambda tx: tx.run(sa.update(accounts).values(**values)))

    def asked(self) -> list[Any]:
        """The answers to every refresh so far; None where none left the platform."""
        told = self.sandbox.control(f"requests?platform={self.platform}&operation={REFRESH[self.platform]}")
        return [one["status"] for one in told["requests"]]

    def published(self) -> list[str]:
        return [one["text"] for one in self.sandbox.ledger(self.platform) if not (one["repeat"] or one["overwrote"])]

    async def publish(self, hayon: Hayon, text: str) -> Any:
        """Hands a post in and waits for its end."""
        assert self.user_id is not None
        post_id, _ = await hayon.submission.submit(self.user_id, Handed(Content(text), platforms=(self.platform,)))
        mine = sa.select(targets).where(targets.c.post_id == post_id)
        async with asyncio.timeout(30):
            while True:
                target = await hayon.database.read(lambda tx: tx.first(mine))
                if target.status in {"completed", "failed"}:
                    return target
                await asyncio.sleep(0.05)

    async def judge(self, hayon: Hayon) -> None:
        """What the platform's rules allow, and no more refreshes than that takes."""
        before = len(self.asked())
        async with at_work(hayon):
            first, second = await self.publish(hayon, "first"), await self.publish(hayon, "second")
            row = await self.row(hayon)
            told = await hayon.database.read(lambda tx: [one.kind for one in tx.all(sa.select(notices.c.kind))])
            if self.platform in SURVIVES:
                assert (first.status, second.status, self.published()) == (
                    "completed",
                    "completed",
                    ["first", "second"],
                )
                assert (row.health, row.needs_reconnection) == ("active", False)
                assert self.asked()[before:] == [200]
                assert "account.needs_reconnection" not in told
                return
            assert (first.status, second.status, self.published()) == ("failed", "failed", [])
            assert first.message == second.message == "The connection to Tumblr has run out. Reconnect the account."
            assert (row.health, row.needs_reconnection) == ("expired", True)
            assert self.asked()[before:] == [401]
            assert told.count("account.needs_reconnection") == 1
            again = _pair(self.sandbox.control("accounts/tumblr/ann/renew", {}))
            assert self.user_id is not None
            await hayon.accounts.connect(self.user_id, "tumblr", again)
            assert (await self.publish(hayon, "connected again")).status == "completed"


def _pair(shown: dict[str, Any]) -> dict[str, str]:
    """OAuth 2 in the place of OAuth 1.0a, whose tokens are never renewed."""
    url = f"{shown['apiUrl']}/v2/oauth2/exchange"
    signer = Signer(shown["token"], shown["tokenSecret"], shown["consumerKey"], shown["consumerSecret"])
    headers = {"Authorization": signer.header("POST", url), "User-Agent": "tests/1"}
    asked = urllib.request.Request(url, b"", headers, method="POST")  # noqa: S310 - our own server
    with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310 - our own server
        pair = json.loads(answer.read())
    return {"blog": shown["blog"], "accessToken": pair["access_token"], "refreshToken": pair["refresh_token"]}


def _insert_user(tx: Tx) -> UUID:
    now = tx.now()
    user_id = new_id(now)
    tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=now))
    return user_id


@pytest.fixture(params=["bluesky", "threads", "tumblr"])
def scene(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Scene:
    environment = {
        "HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_LOG": "json", "HAYON_ALLOW_PRIVATE_ADDRESSES": "true",
        "HAYON_POLL": "50ms", "HAYON_SWEEP_EVERY": "300ms", "HAYON_RETRY_STEPS": "200ms,500ms", "HAYON_CALL_DEADLINE": "2s",
        "HAYON_LINK_CARDS": "false", "HAYON_TUMBLR_APP_ID": CONSUMER_KEY, "HAYON_TUMBLR_APP_SECRET": CONSUMER_SECRET,
        **{f"HAYON_{name.upper()}_URL": f"{sandbox.url}/{name}" for name in REFRESH},
    }  # fmt: skip
    return Scene(environment, sandbox, request.param)


async def test_killed_between_the_answer_and_the_save(scene: Scene, tmp_path: Path) -> None:
    await scene.within(scene.set_up)
    doomed = await asyncio.to_thread(
        start, [sys.executable, "-m", "tests.crash.doomed"], log=tmp_path / "doomed",
        env=scene.environment | {"HAYON_TEST_CRASH": "keep_credential:before", "HAYON_TEST_PLATFORM": scene.platform},
    )  # fmt: skip
    assert await asyncio.to_thread(doomed.wait, within_seconds=60) == -signal.SIGKILL
    assert scene.asked() == [200]

    async def after(hayon: Hayon) -> None:
        row = await scene.row(hayon)
        assert (row.credential_version, row.refreshing_until is not None) == (1, True)
        # nobody else refreshes before the minute of the dead one is over
        assert await hayon.renewing.renew_once() == 0
        await scene.set_row(hayon, refreshing_until=datetime.now(UTC) - timedelta(seconds=1))
        await scene.judge(hayon)

    await scene.within(after)


@pytest.mark.parametrize(
    ("kind", "more"),
    [("accept_then_drop", {}), pytest.param("accept_late", {"seconds": 0.2}, marks=pytest.mark.long)],
)
async def test_an_answer_that_is_lost_on_the_way(scene: Scene, kind: str, more: dict[str, Any]) -> None:
    """The platform has done it; the line was cut, or nothing came until the deadline was over."""

    async def lose(hayon: Hayon) -> None:
        await scene.set_up(hayon)
        scene.sandbox.control(
            "faults", {"platform": scene.platform, "kind": kind, "operation": REFRESH[scene.platform], **more}
        )
        assert await hayon.renewing.renew_once() == 1
        row = await scene.row(hayon)
        assert scene.asked() == [None]
        if scene.platform == "threads":  # its old token is good for days: it is kept, and renewed another day
            assert row.credential_version == 2
            await scene.set_row(hayon, refresh_wanted=True)
        else:
            assert (row.renew_failures, row.credential_version, row.refreshing_until) == (1, 1, None)
            assert row.renew_at > datetime.now(UTC)
        assert (row.health, row.needs_reconnection) == ("active", False)
        await scene.judge(hayon)

    await scene.within(lose)
