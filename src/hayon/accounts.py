"""Connect an account, keep its credential fresh, unlock it for one delivery. Knows no platform by name."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from hayon import telemetry
from hayon.domain.model import Account
from hayon.errors import (
    DatabaseUnreachable,
    Disconnected,
    Invalid,
    Misconfigured,
    NotYet,
    PlatformError,
    Problem,
    Unavailable,
)
from hayon.outgoing import Deadline, Outgoing
from hayon.platforms.contract import Connected, Credential, Platform
from hayon.store import accounts as rows
from hayon.store.database import Database
from hayon.vault import Vault

REFRESH_LASTS = timedelta(seconds=60)
LEAST_BETWEEN = timedelta(hours=1)
"""However soon an adapter wants a credential refreshed again that nobody uses, it is not sooner."""
GIVING_BACK_SECONDS = 10
"""How long a person who disconnects an account waits for its platform."""


class Fate(StrEnum):
    """What became of the credential of an account that was disconnected. Here it is forgotten in any case."""

    GIVEN_BACK = "given_back"  # it is good for nothing any more
    NO_WAY = "no_way"  # the platform takes none back
    UNANSWERED = "unanswered"  # the platform was asked, and did not do it
    SHARED = "shared"  # another account may live by the same consent
    NEEDED = "needed"  # an unanswered intent is still looked up with it; forgotten after that


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is needed to unlock: the account, its sealed credential, which version of it that is, and when it was read."""

    account: Account
    sealed: bytes
    credential_version: int
    refresh_wanted: bool
    now: datetime


class Accounts:
    """Everything that happens to the secrets of connected accounts."""

    def __init__(self, database: Database, vault: Vault, outgoing: Outgoing, platforms: Mapping[str, Platform]) -> None:
        self._database = database
        self._vault = vault
        self._outgoing = outgoing
        self._platforms = platforms

    async def connect(self, user_id: UUID, platform: str, given: Mapping[str, Any]) -> Account:
        """Connects with credentials in hand, verified by the platform before they are kept.

        The same profile connected again keeps its identity and its scheduled posts. Raises Invalid for what is missing
        or refused, naming the field.
        """
        try:
            connected = await self._platforms[platform].connect(given, self._outgoing)
        except Disconnected as error:
            raise Invalid([Problem("credentials", "refused", error.message, platform)]) from error
        except PlatformError as error:
            raise Invalid([Problem("credentials", "unverified", error.message, platform)]) from error
        fresh = await self.freshen(user_id, platform, connected)
        await self._database.write(rows.keep_account, fresh.account, fresh.sealed, fresh.renew_at)
        return await self.tell_connected(fresh.account)

    async def freshen(self, user_id: UUID, platform: str, connected: Connected) -> rows.Fresh:
        """What is to be kept of an account that was connected just now: under its old id where it was connected before."""
        same = await self._database.read(rows.find_same, user_id, platform, connected.host, connected.remote_id)
        account_id = same.id if same else uuid4()
        account = _account(account_id, user_id, platform, connected)
        sealed = self._vault.seal(dict(connected.credential), str(account_id))
        return rows.Fresh(account, sealed, self._platforms[platform].renew_at(connected.credential))

    async def tell_connected(self, account: Account) -> Account:
        """An account was kept: it is told, and read again as it stands now."""
        telemetry.emit("account.connected", platform=account.platform, account_id=str(account.id))
        return rows.as_account(await self._database.read(rows.get_row, account.id, account.user_id))

    async def disconnect(self, user_id: UUID, account_id: UUID) -> tuple[int, Fate]:
        """Forgets an account: how many targets were unfinished on it, and what became of its credential.

        The platform is asked to take the credential back once the database says so; whatever it answers, the account is gone.
        What an unanswered intent still needs is not given back, only forgotten later. Raises NotFound.
        """
        left = await self._database.write(rows.disconnect, user_id, account_id)
        back = Fate.NEEDED if left.is_needed else Fate.SHARED if left.is_shared else await self._give_back(left)
        telemetry.emit(
            "account.given_up", platform=left.account.platform, account_id=str(account_id), outcome=str(back)
        )
        return left.unfinished, back

    async def unlock(self, one: Sealed, *, reading_only: bool = False, again: bool = False) -> Credential:
        """The opened credential, refreshed first where it soon runs out. Only one refreshes an account at a time.

        Raises NotYet while another refreshes it, Disconnected where only the owner can help. A refresh that was refused is
        not asked for `again` unless a person wants it.
        """
        if not one.sealed:
            raise Disconnected("This account was disconnected.", health="revoked", proves_absence=True)
        credential: Credential = self._vault.open(one.sealed, str(one.account.id))
        platform = self._platforms[one.account.platform]
        if not one.refresh_wanted and not platform.expires_soon(credential, one.now):
            return credential
        return await self._refresh(one, platform, credential, reading_only=reading_only, again=again)

    async def renew(self, one: Sealed) -> None:
        """Refreshes the credential ahead of its time, so that it does not run out while nobody uses it.

        Raises NotYet where another does or did, and whatever the platform's answer means.
        """
        await self.unlock(replace(one, refresh_wanted=True), reading_only=True)

    def renewal_of(self, one: Sealed) -> datetime | None:
        """When the credential is to be refreshed even if nobody uses it; None never. Raises Misconfigured where no key opens it."""
        credential = self._vault.open(one.sealed, str(one.account.id))
        renew_at = self._platforms[one.account.platform].renew_at(credential)
        return None if renew_at is None else max(renew_at, one.now)

    async def check(self, user_id: UUID, account_id: UUID) -> Account:
        """Asks the platform who the credential belongs to now; stores profile, limits and health as answered."""
        row, now = await self._database.read(lambda tx: (rows.get_row(tx, account_id, user_id), tx.now()))
        account = rows.as_account(row)
        platform = self._platforms[account.platform]
        try:
            credential = await self.unlock(
                Sealed(account, row.credential, row.credential_version, row.refresh_wanted, now), again=True
            )
            told = await platform.check(account, credential, self._outgoing)
            _same_profile(account, told)
        except Disconnected as error:
            await self._cut_off(account, error)
        except NotYet:
            pass  # its credential is being refreshed: that says nothing about the account
        except PlatformError as error:
            await self._database.write(rows.keep_profile, account_id, {"health_message": error.message})
        else:
            profile = {"handle": told.handle, "display_name": told.display_name, "avatar_url": told.avatar_url}
            await self._database.write(rows.keep_profile, account_id, profile | {"facts": dict(told.facts)})
            await self._database.write(rows.set_health, account_id, "active", "")
        return rows.as_account(await self._database.read(rows.get_row, account_id, user_id))

    async def _refresh(
        self, one: Sealed, platform: Platform, credential: Credential, *, reading_only: bool, again: bool
    ) -> Credential:
        if one.account.needs_reconnection and not again:
            # it was refused once: to ask again for each target that is due would be a loop
            raise Disconnected(_refused(one.account), health=one.account.health, proves_absence=True)
        mine = await self._database.write(rows.take_refresh, one.account.id, one.credential_version, REFRESH_LASTS)
        if not mine:
            raise NotYet("Its credential is being refreshed right now.", wait_seconds=2)
        # a platform may take the old credential back with its answer: that is kept, even if nobody waits for it any more
        task = asyncio.create_task(self._renew(one, platform, credential, reading_only), name="refresh")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
            raise

    async def _renew(self, one: Sealed, platform: Platform, credential: Credential, reading_only: bool) -> Credential:
        account_id = one.account.id
        try:
            fresh = await platform.refresh(one.account, credential, self._outgoing)
        except Disconnected as error:
            await self._cut_off(one.account, error, one.credential_version)
            raise
        except PlatformError as error:
            await self._database.write(rows.release_refresh, account_id)
            if reading_only:
                raise
            raise Unavailable(f"Its credential could not be refreshed: {error.message}", proves_absence=True) from error
        renew_at = platform.renew_at(fresh)
        if renew_at is not None:
            renew_at = max(renew_at, one.now + LEAST_BETWEEN)
        await self._keep(one, self._vault.seal(dict(fresh), str(account_id)), renew_at)
        telemetry.emit("account.refreshed", platform=one.account.platform, account_id=str(account_id))
        return fresh

    async def _keep(self, one: Sealed, sealed: bytes, renew_at: datetime | None) -> None:
        """Writes a fresh credential until it is stored: the old one may be good for nothing. Raises DatabaseUnreachable."""
        wait, end = 0.05, Deadline.after(REFRESH_LASTS.total_seconds())
        while True:
            try:
                await self._database.write(
                    rows.keep_credential, one.account.id, one.credential_version, sealed, renew_at
                )
            except DatabaseUnreachable as error:
                telemetry.emit("database.unreachable", level="warning", reason=str(error))
                if end.passed():
                    raise
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
            else:
                return

    async def _give_back(self, left: rows.Left) -> Fate:
        if not left.sealed:
            return Fate.NO_WAY
        platform = self._platforms[left.account.platform]
        try:
            credential: Credential = self._vault.open(left.sealed, str(left.account.id))
            async with asyncio.timeout(GIVING_BACK_SECONDS):
                taken = await platform.revoke(left.account, credential, self._outgoing)
        except Disconnected:
            return Fate.GIVEN_BACK  # it was good for nothing any more
        except (PlatformError, Misconfigured, TimeoutError):
            return Fate.UNANSWERED
        return Fate.GIVEN_BACK if taken else Fate.NO_WAY

    async def _cut_off(self, account: Account, error: Disconnected, credential_version: int | None = None) -> None:
        await self._database.write(
            rows.set_health, account.id, error.health, error.message, credential_version=credential_version
        )
        await self._database.write(rows.release_refresh, account.id)
        telemetry.emit(
            "account.disconnected", level="warning", platform=account.platform, account_id=str(account.id),
            health=error.health,
        )  # fmt: skip


def _refused(account: Account) -> str:
    return account.health_message or "This account has to be connected again."


def _same_profile(account: Account, told: Connected) -> None:
    if told.remote_id != account.remote_id:
        raise Disconnected("The credential belongs to another profile by now.", health="error")


def _account(account_id: UUID, user_id: UUID, platform: str, connected: Connected) -> Account:
    return Account(
        id=account_id, user_id=user_id, platform=platform, host=connected.host, remote_id=connected.remote_id,
        handle=connected.handle, display_name=connected.display_name, avatar_url=connected.avatar_url,
        facts=connected.facts,
    )  # fmt: skip
