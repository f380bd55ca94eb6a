"""The way on which a person lets us in on the platform's own page: begin, come back, choose. Knows no platform by name."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from hayon import telemetry
from hayon.accounts import Accounts
from hayon.domain.model import Account
from hayon.errors import Conflict, Disconnected, Invalid, Misconfigured, PlatformError, Problem
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Connected, Platform
from hayon.store import connections as rows
from hayon.store.accounts import Fresh
from hayon.store.database import Database, Tx
from hayon.vault import Vault

NO_PAGE = frozenset({"no_app", "no_way"})
"""The rules by which an adapter says that there is no page to send people to."""
UNKNOWN_APP = frozenset({"unknown_app", "invalid_client", "unauthorized_client"})
"""The words for a host that knows no such app (any more): an adapter's own, and those of RFC 6749, section 5.2."""
AT_WORK = timedelta(minutes=2)
"""How long somebody who came back may have to wait for the platform; after that the process that asked it is gone."""
UNFINISHED = "This came to no end in time, and nothing was connected. Begin again."
ONLY_ONE = "These share one consent, which is good for one account only. Choose one, then begin again for the next."
NOBODY = "The platform named no account that Hayon could publish on. Nothing was connected."


class Stage(StrEnum):
    """How far a connection has come."""

    WAITING = "waiting"  # for somebody to come back
    RETURNED = "returned"  # they did; the platform is being asked
    CHOOSING = "choosing"  # there are several accounts
    CONNECTED = "connected"
    ENDED = "ended"  # without an account; the message says why


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the person, and until when they may come back."""

    connection_id: UUID
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as its owner may see it, with its choices still in it, whose credentials go no further.

    `only_one`: the choices share one credential that is used up by each renewal, so that two accounts cannot live by it.
    """

    id: UUID
    platform: str
    stage: Stage
    expires_at: datetime
    message: str = ""
    choices: tuple[Connected, ...] = ()
    only_one: bool = False
    account_ids: tuple[UUID, ...] = ()


class Connecting:
    """Begins connections and brings them to their end. What is kept of one is sealed, with its id as context."""

    def __init__(
        self, database: Database, vault: Vault, outgoing: Outgoing, platforms: Mapping[str, Platform], accounts: Accounts
    ) -> None:  # fmt: skip
        self._database = database
        self._vault = vault
        self._outgoing = outgoing
        self._platforms = platforms
        self._accounts = accounts

    def find_obstacle(self, platform: str) -> Problem | None:
        """Why nobody can be sent to a page of this platform; None where they can, if need be after naming an instance."""
        try:
            self._platforms[platform].host_of({})
        except Invalid as error:
            return next((problem for problem in error.problems if problem.rule in NO_PAGE), None)
        return None

    async def begin(
        self, user_id: UUID, platform: str, given: Mapping[str, Any], redirect_uri: str, session_hash: bytes | None
    ) -> Begun:
        """Where to send somebody, who then comes back to `redirect_uri`: once, and within ten minutes.

        `session_hash`: of the browser that begins, which alone may finish; None where a program begins: then any session of
        the same person may. Raises Invalid where something is missing, or the platform does not answer.
        """
        adapter = self._platforms[platform]
        host = adapter.host_of(given)
        app = await self._find_app(host, redirect_uri)
        connection_id, state = uuid4(), secrets.token_urlsafe(32)
        try:
            way = await adapter.authorize(given, redirect_uri, state, app, self._outgoing)
        except PlatformError as error:
            rule = "refused" if isinstance(error, Disconnected) else "unanswered"
            raise Invalid([Problem("platform", rule, error.message, platform)]) from error
        registered = dict(way.registered) if way.registered is not None else None
        kept = {"kept": dict(way.kept), "host": host}
        sealed = self._vault.seal(kept, str(connection_id))

        def keep(tx: Tx) -> datetime:
            if registered is not None and registered != app:
                rows.keep_app(tx, host, redirect_uri, self._vault.seal(registered, _app_context(host, redirect_uri)))
            return rows.insert(
                tx, connection_id, user_id, platform, redirect_uri, state_hash=_digest(state),
                session_hash=session_hash, sealed=sealed,
            )  # fmt: skip

        expires_at = await self._database.write(keep)
        telemetry.emit("connection.begun", platform=platform, connection_id=str(connection_id))
        return Begun(connection_id, way.url, expires_at)

    async def finish(
        self, user_id: UUID, platform: str, session_hash: bytes, returned: Mapping[str, str]
    ) -> Connection:
        """Somebody came back with these: one account is connected at once, several wait to be chosen from.

        Raises NoWayBack where this way was not begun, not here or too long ago, or has been used. What the platform answers,
        a refusal too, is told by the connection.
        """
        state = _digest(returned.get("state", ""))
        row = await self._database.write(rows.take, state, user_id, session_hash, platform)
        try:
            kept = self._vault.open(row.sealed, str(row.id))
            found = await self._platforms[platform].exchange(returned, kept["kept"], row.redirect_uri, self._outgoing)
        except Misconfigured:
            await self._end(row, UNFINISHED)
        except PlatformError as error:
            if error.code in UNKNOWN_APP:
                await self._database.write(rows.forget_app, kept["host"], row.redirect_uri)
            await self._end(row, error.message)
        else:
            if not found:
                await self._end(row, NOBODY)
            elif len(found) == 1:
                await self._keep(row, found)
            else:
                choices = self._vault.seal({"choices": [_plain(one) for one in found]}, str(row.id))
                await self._database.write(rows.keep, row.id, choices, lasts=rows.CHOOSES)
                _tell(row, Stage.CHOOSING)
        return await self.get(user_id, row.id)

    async def get(self, user_id: UUID, connection_id: UUID) -> Connection:
        """A connection of this person. Raises NotFound."""
        row, now = await self._database.read(lambda tx: (rows.get(tx, user_id, connection_id), tx.now()))
        return self._read(row, now)

    async def choose(self, user_id: UUID, connection_id: UUID, remote_ids: Sequence[str]) -> list[Account]:
        """Connects those of the choices that are named; the others are forgotten.

        Raises Invalid for what is none of the choices, Conflict where there is nothing to choose (any more).
        """
        row, now = await self._database.read(lambda tx: (rows.get(tx, user_id, connection_id), tx.now()))
        seen = self._read(row, now)
        if seen.stage is not Stage.CHOOSING:
            raise Conflict(seen.message or "There is nothing to choose here. Look at your accounts, or begin again.")
        offered = {one.remote_id: one for one in seen.choices}
        unknown = [one for one in remote_ids if one not in offered]
        if unknown or not remote_ids:
            message = "Choose at least one of the accounts that you were shown, and none that you were not."
            raise Invalid([Problem("remoteIds", "no_choice" if not remote_ids else "unknown", message, row.platform)])
        chosen = [offered[one] for one in dict.fromkeys(remote_ids)]
        if seen.only_one and len(chosen) > 1:
            raise Invalid([Problem("remoteIds", "only_one", ONLY_ONE, row.platform)])
        return await self._keep(row, chosen, before=row.sealed)

    async def _keep(self, row: rows.Way, found: Sequence[Connected], before: bytes = b"") -> list[Account]:
        """These accounts are connected and the connection has ended, both in one transaction."""
        try:
            fresh = await self._try_to_keep(row, found, before)
        except Conflict:  # one of them was connected for the first time at this moment: now it has an id
            fresh = await self._try_to_keep(row, found, before)
        _tell(row, Stage.CONNECTED)
        return [await self._accounts.tell_connected(one.account) for one in fresh]

    async def _try_to_keep(self, row: rows.Way, found: Sequence[Connected], before: bytes) -> list[Fresh]:
        fresh = [await self._accounts.freshen(row.user_id, row.platform, one) for one in found]
        ended = self._vault.seal({"connected": [str(one.account.id) for one in fresh]}, str(row.id))
        await self._database.write(rows.keep_accounts, row.id, fresh, ended, before=before)
        return fresh

    async def _end(self, row: rows.Way, message: str) -> None:
        await self._database.write(rows.keep, row.id, self._vault.seal({"ended": message}, str(row.id)))
        _tell(row, Stage.ENDED)

    async def _find_app(self, host: str, redirect_uri: str) -> dict[str, Any] | None:
        sealed = await self._database.read(rows.find_app, host, redirect_uri)
        with suppress(Misconfigured):  # sealed under a key that is gone: another one is registered
            return None if sealed is None else self._vault.open(sealed, _app_context(host, redirect_uri))
        return None

    def _share_one(self, platform: str, offered: Sequence[Connected]) -> bool:
        renewed = [one.credential for one in offered if self._platforms[platform].renew_at(one.credential) is not None]
        return any(one in renewed[:place] for place, one in enumerate(renewed))

    def _read(self, row: rows.Way, now: datetime) -> Connection:
        stage, more = self._stage_of(row, now)
        return Connection(row.id, row.platform, stage, row.expires_at, **more)

    def _stage_of(self, row: rows.Way, now: datetime) -> tuple[Stage, dict[str, Any]]:
        if row.returned_at is None:
            over = row.expires_at <= now
            return (Stage.ENDED, {"message": rows.REFUSALS["expired"]}) if over else (Stage.WAITING, {})
        try:
            came = self._vault.open(row.sealed, str(row.id)) if row.sealed else {}
        except Misconfigured:
            came = {"ended": UNFINISHED}
        match came:
            case {"choices": choices} if row.expires_at > now:
                offered = tuple(Connected(**one) for one in choices)
                return Stage.CHOOSING, {"choices": offered, "only_one": self._share_one(row.platform, offered)}
            case {"connected": ids}:
                return Stage.CONNECTED, {"account_ids": tuple(UUID(one) for one in ids)}
            case {"ended": message}:
                return Stage.ENDED, {"message": message}
        if not row.sealed and now < row.returned_at + AT_WORK:
            return Stage.RETURNED, {"message": "You came back, and the platform is being asked."}
        return Stage.ENDED, {"message": UNFINISHED}


def _digest(state: str) -> bytes:
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).digest()


def _plain(one: Connected) -> dict[str, Any]:
    return {
        "remote_id": one.remote_id, "handle": one.handle, "host": one.host, "credential": dict(one.credential),
        "display_name": one.display_name, "avatar_url": one.avatar_url, "facts": dict(one.facts),
    }  # fmt: skip


def _app_context(host: str, redirect_uri: str) -> str:
    return f"app {host} {redirect_uri}"


def _tell(row: rows.Way, stage: Stage) -> None:
    telemetry.emit("connection.ended", platform=row.platform, connection_id=str(row.id), outcome=str(stage))
