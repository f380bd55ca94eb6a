"""Connect an account, keep its credential fresh, unlock it for one delivery. Knows no platform by name."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hayon import telemetry
from hayon.domain.model import Account
from hayon.errors import Disconnected, Invalid, NotYet, PlatformError, Problem, Unavailable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Connected, Credential, Platform
from hayon.store import accounts as rows
from hayon.store.database import Database
from hayon.vault import Vault

REFRESH_LASTS = timedelta(seconds=60)


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
        same = await self._database.read(rows.find_same, user_id, platform, connected.host, connected.remote_id)
        account_id = same.id if same else uuid4()
        account = _account(account_id, user_id, platform, connected)
        sealed = self._vault.seal(dict(connected.credential), str(account_id))
        await self._database.write(rows.keep_account, account, sealed)
        telemetry.emit("account.connected", platform=platform, account_id=str(account_id))
        return rows.as_account(await self._database.read(rows.get_row, account_id, user_id))

    async def unlock(self, one: Sealed, *, reading_only: bool = False) -> Credential:
        """The opened credential, refreshed first where it soon runs out. Only one refreshes an account at a time.

        Raises NotYet while another refreshes it, Disconnected where only the owner can help.
        """
        if not one.sealed:
            raise Disconnected("This account was disconnected.", health="revoked", proves_absence=True)
        credential: Credential = self._vault.open(one.sealed, str(one.account.id))
        platform = self._platforms[one.account.platform]
        if not one.refresh_wanted and not platform.expires_soon(credential, one.now):
            return credential
        return await self._refresh(one, platform, credential, reading_only)

    async def check(self, user_id: UUID, account_id: UUID) -> Account:
        """Asks the platform who the credential belongs to now; stores profile, limits and health as answered."""
        row, now = await self._database.read(lambda tx: (rows.get_row(tx, account_id, user_id), tx.now()))
        account = rows.as_account(row)
        platform = self._platforms[account.platform]
        try:
            credential = await self.unlock(
                Sealed(account, row.credential, row.credential_version, row.refresh_wanted, now)
            )
            told = await platform.check(account, credential, self._outgoing)
            _same_profile(account, told)
        except Disconnected as error:
            await self._cut_off(account, error)
        except PlatformError as error:
            await self._database.write(rows.keep_profile, account_id, {"health_message": error.message})
        else:
            profile = {"handle": told.handle, "display_name": told.display_name, "avatar_url": told.avatar_url}
            await self._database.write(rows.keep_profile, account_id, profile | {"facts": dict(told.facts)})
            await self._database.write(rows.set_health, account_id, "active", "")
        return rows.as_account(await self._database.read(rows.get_row, account_id, user_id))

    async def _refresh(self, one: Sealed, platform: Platform, credential: Credential, reading_only: bool) -> Credential:
        account_id = one.account.id
        mine = await self._database.write(rows.take_refresh, account_id, one.credential_version, REFRESH_LASTS)
        if not mine:
            raise NotYet("Its credential is being refreshed right now.", wait_seconds=2)
        try:
            fresh = await platform.refresh(one.account, credential, self._outgoing)
        except Disconnected as error:
            await self._cut_off(one.account, error)
            raise
        except PlatformError as error:
            await self._database.write(rows.release_refresh, account_id)
            if reading_only:
                raise
            raise Unavailable(f"Its credential could not be refreshed: {error.message}", proves_absence=True) from error
        except asyncio.CancelledError:
            await self._database.write(rows.release_refresh, account_id)
            raise
        sealed = self._vault.seal(dict(fresh), str(account_id))
        await self._database.write(rows.keep_credential, account_id, one.credential_version, sealed)
        telemetry.emit("account.refreshed", platform=one.account.platform, account_id=str(account_id))
        return fresh

    async def _cut_off(self, account: Account, error: Disconnected) -> None:
        await self._database.write(rows.set_health, account.id, error.health, error.message)
        await self._database.write(rows.release_refresh, account.id)
        telemetry.emit(
            "account.disconnected", level="warning", platform=account.platform, account_id=str(account.id),
            health=error.health,
        )  # fmt: skip


def _same_profile(account: Account, told: Connected) -> None:
    if told.remote_id != account.remote_id:
        raise Disconnected("The credential belongs to another profile by now.", health="error")


def _account(account_id: UUID, user_id: UUID, platform: str, connected: Connected) -> Account:
    return Account(
        id=account_id, user_id=user_id, platform=platform, host=connected.host, remote_id=connected.remote_id,
        handle=connected.handle, display_name=connected.display_name, avatar_url=connected.avatar_url,
        facts=connected.facts,
    )  # fmt: skip
