"""Connected accounts: rows, sealed credentials and health. Nothing is opened or refreshed here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.lifecycle import Ended, Outcome
from hayon.domain.model import Account
from hayon.errors import Conflict, NotFound
from hayon.store import notices
from hayon.store.database import Tx
from hayon.store.listed import one_of
from hayon.store.schema import accounts, targets, users

LONGEST_BLOCK = timedelta(hours=24)
"""However long a platform asks an account to wait, it is asked again after a day."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """An account that was connected just now, as it is to be kept."""

    account: Account
    sealed: bytes
    renew_at: datetime | None


@dataclass(frozen=True, slots=True)
class Left:
    """An account that was disconnected just now, and the sealed credential it had.

    `is_needed`: an unanswered intent still reads with it. `is_shared`: another account may live by the same consent.
    """

    account: Account
    sealed: bytes
    unfinished: int
    is_needed: bool
    is_shared: bool


def as_account(row: Row[Any]) -> Account:
    """The row without its secret."""
    return Account(
        id=row.id, user_id=row.user_id, platform=row.platform, host=row.host, remote_id=row.remote_id,
        handle=row.handle, display_name=row.display_name, avatar_url=row.avatar_url,
        avatar_key=row.avatar_key, is_default=row.is_default, health=row.health, needs_reconnection=row.needs_reconnection,
        health_message=row.health_message, facts=row.facts or {},
    )  # fmt: skip


_CONNECTED = (
    sa.select(*(accounts.c[one.name] for one in fields(Account)))
    .where(one_of(accounts.c.user_id, "user_ids"), accounts.c.disconnected_at.is_(None))
    .order_by(accounts.c.platform, accounts.c.connected_at)
)
"""Without the sealed credentials."""


_CONNECTED_AND_FREE = _CONNECTED.join(users, users.c.id == accounts.c.user_id).with_for_update(
    read=True, key_share=True, skip_locked=True
)
"""Without those that somebody else changes at this moment: who refers to what is found waits for nobody."""


def list_accounts(tx: Tx, user_id: UUID) -> list[Account]:
    """The person's connected accounts, by platform and in the order they were connected."""
    return _list_of(tx, _CONNECTED, [user_id])[user_id]


def list_free(tx: Tx, user_ids: Collection[UUID]) -> dict[UUID, list[Account]]:
    """`list_accounts` of each of these people. What is in other hands, the person or an account, is left out; what is found
    stays as it is until this transaction ends, so that posts for it are written without waiting.
    """
    return _list_of(tx, _CONNECTED_AND_FREE, user_ids)


def _list_of(tx: Tx, statement: sa.Select[Any], user_ids: Collection[UUID]) -> dict[UUID, list[Account]]:
    found: dict[UUID, list[Account]] = {user_id: [] for user_id in user_ids}
    for row in tx.all(statement, user_ids=user_ids):
        found[row.user_id].append(as_account(row))
    return found


def list_rows(tx: Tx, user_id: UUID) -> Sequence[Row[Any]]:
    """Their rows, with what is planned for each; the credentials in them stay sealed."""
    statement = sa.select(accounts).where(accounts.c.user_id == user_id, accounts.c.disconnected_at.is_(None))
    return tx.all(statement.order_by(accounts.c.platform, accounts.c.connected_at))


def count_connected(tx: Tx, user_id: UUID) -> int:
    """How many accounts the person has connected."""
    connected = sa.select(sa.func.count()).select_from(accounts)
    return int(tx.value(connected.where(accounts.c.user_id == user_id, accounts.c.disconnected_at.is_(None))))


def get_row(tx: Tx, account_id: UUID, user_id: UUID | None = None) -> Row[Any]:
    """The row with its sealed credential. Raises NotFound if there is none, or none of this person."""
    statement = sa.select(accounts).where(accounts.c.id == account_id, accounts.c.disconnected_at.is_(None))
    if user_id is not None:
        statement = statement.where(accounts.c.user_id == user_id)
    row = tx.first(statement)
    if row is None:
        raise NotFound("There is no such account.")
    return row


def get_account(tx: Tx, account_id: UUID) -> Account:
    """The account a target belongs to, connected or not any more."""
    row = tx.first(sa.select(accounts).where(accounts.c.id == account_id))
    if row is None:
        raise NotFound("There is no such account.")
    return as_account(row)


def find_same(tx: Tx, user_id: UUID, platform: str, host: str, remote_id: str) -> Row[Any] | None:
    """The account this profile was connected as before, disconnected or not."""
    return tx.first(
        sa.select(accounts).where(
            accounts.c.user_id == user_id, accounts.c.platform == platform, accounts.c.host == host,
            accounts.c.remote_id == remote_id,
        )
    )  # fmt: skip


def keep_account(tx: Tx, account: Account, sealed: bytes, renew_at: datetime | None = None) -> UUID:
    """Stores a new account, or reconnects the same profile under its old id. The first of a platform is the default.

    `renew_at`: when the credential is refreshed even if nobody uses it; None never.
    """
    now = tx.now()
    told: dict[str, Any] = {
        "handle": account.handle, "display_name": account.display_name, "avatar_url": account.avatar_url,
        "facts": dict(account.facts), "credential": sealed, "refresh_wanted": False, "health": "active",
        "needs_reconnection": False, "health_message": "", "disconnected_at": None, "connected_at": now,
        "blocked_until": None, "renew_at": renew_at, "renew_failures": 0, "refreshing_until": None,
    }  # fmt: skip
    same = find_same(tx, account.user_id, account.platform, account.host, account.remote_id)
    mine = sa.and_(
        accounts.c.user_id == account.user_id, accounts.c.platform == account.platform,
        accounts.c.disconnected_at.is_(None), accounts.c.is_default,
    )  # fmt: skip
    first = tx.first(sa.select(accounts.c.id).where(mine)) is None
    if same is not None:
        if same.id != account.id:
            raise Conflict("This profile was connected at the same moment; try once more.")
        told |= {"credential_version": accounts.c.credential_version + 1}
        if first:
            told["is_default"] = True
        tx.run(sa.update(accounts).where(accounts.c.id == same.id).values(**told))
        return account.id
    tx.run(
        sa.insert(accounts).values(
            id=account.id, user_id=account.user_id, platform=account.platform, host=account.host,
            remote_id=account.remote_id, is_default=first, credential_version=1, **told,
        )
    )  # fmt: skip
    return account.id


def make_default(tx: Tx, user_id: UUID, account_id: UUID) -> None:
    """This account is what its platform's name means from now on."""
    row = get_row(tx, account_id, user_id)
    tx.run(
        sa.update(accounts).where(accounts.c.user_id == user_id, accounts.c.platform == row.platform)
        .values(is_default=accounts.c.id == account_id)
    )  # fmt: skip


def count_unfinished(tx: Tx, user_id: UUID) -> dict[UUID, int]:
    """How many targets of each of the person's accounts have not ended; an account without any is not named."""
    statement = (
        sa.select(targets.c.account_id, sa.func.count().label("unfinished"))
        .join(accounts, accounts.c.id == targets.c.account_id)
        .where(accounts.c.user_id == user_id, targets.c.status.in_(["pending", "processing", "unconfirmed"]))
    )
    return {row.account_id: row.unfinished for row in tx.all(statement.group_by(targets.c.account_id))}


def lives_elsewhere(tx: Tx, account: Account) -> bool:
    """Whether another account may live by the same consent: of the same profile, or of the same person at that host.

    A host may hand out one token to both (mastodon: config/initializers/doorkeeper.rb, reuse_access_token).
    """
    same_profile = accounts.c.remote_id == account.remote_id
    others = sa.select(accounts.c.id).where(
        accounts.c.platform == account.platform, accounts.c.host == account.host, accounts.c.id != account.id,
        accounts.c.credential != b"", sa.or_(same_profile, accounts.c.user_id == account.user_id),
    )  # fmt: skip
    return tx.first(others.limit(1)) is not None


def disconnect(tx: Tx, user_id: UUID, account_id: UUID) -> Left:
    """Forgets an account; its credential goes too, unless an unanswered intent still needs it for reading.

    Its unfinished targets stay: their next claim fails them, or keeps them unconfirmed.
    """
    # an intent that is being committed holds the row: what is open is asked only after it
    tx.run(sa.select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())
    row = get_row(tx, account_id, user_id)
    still_open = sa.select(targets.c.id).where(
        targets.c.account_id == account_id, targets.c.open_attempt_id.is_not(None)
    )
    count = count_unfinished(tx, user_id).get(account_id, 0)
    values: dict[str, Any] = {"disconnected_at": tx.now(), "is_default": False, "renew_at": None}
    needed = tx.first(still_open.limit(1)) is not None
    if not needed:
        values["credential"] = b""
    tx.run(sa.update(accounts).where(accounts.c.id == account_id).values(**values))
    if row.is_default:
        heir = sa.select(accounts.c.id).where(
            accounts.c.user_id == user_id, accounts.c.platform == row.platform, accounts.c.disconnected_at.is_(None)
        )
        next_id = tx.value(heir.order_by(accounts.c.connected_at).limit(1))
        if next_id is not None:
            tx.run(sa.update(accounts).where(accounts.c.id == next_id).values(is_default=True))
    account = as_account(row)
    return Left(account, row.credential, count, is_needed=needed, is_shared=lives_elsewhere(tx, account))


def forget_credentials(tx: Tx) -> int:
    """Empties the credentials of disconnected accounts as soon as no unanswered intent needs them for reading. How many."""
    in_question = sa.exists().where(targets.c.account_id == accounts.c.id, targets.c.open_attempt_id.is_not(None))
    gone = sa.update(accounts).where(
        accounts.c.disconnected_at.is_not(None), accounts.c.credential != b"", sa.not_(in_question)
    )
    return tx.run(gone.values(credential=b"")).rowcount


def take_refresh(tx: Tx, account_id: UUID, credential_version: int, lasts: timedelta) -> bool:
    """Makes the caller the one refresher of this account for a while. False if another is at it, or was before."""
    now = tx.now()
    free = sa.or_(accounts.c.refreshing_until.is_(None), accounts.c.refreshing_until < now)
    statement = sa.update(accounts).where(
        accounts.c.id == account_id, accounts.c.credential_version == credential_version, free
    )
    return tx.run(statement.values(refreshing_until=now + lasts)).rowcount == 1


def keep_credential(
    tx: Tx, account_id: UUID, credential_version: int, sealed: bytes, renew_at: datetime | None = None
) -> bool:
    """Stores a refreshed credential, to be refreshed again at that time, if nobody stored another in between."""
    statement = sa.update(accounts).where(
        accounts.c.id == account_id, accounts.c.credential_version == credential_version
    )
    refreshed = {
        "credential": sealed, "credential_version": credential_version + 1, "refreshing_until": None,
        "refresh_wanted": False, "health": "active", "needs_reconnection": False, "health_message": "",
        "renew_at": renew_at, "renew_failures": 0,
    }  # fmt: skip
    return tx.run(statement.values(**refreshed)).rowcount == 1


def release_refresh(tx: Tx, account_id: UUID) -> None:
    """The refresher gives up; the next may try."""
    tx.run(sa.update(accounts).where(accounts.c.id == account_id).values(refreshing_until=None))


def set_health(tx: Tx, account_id: UUID, health: str, message: str, *, credential_version: int | None = None) -> None:
    """What the platform really answered about this account. Anything but `active` asks its owner to reconnect, with a notice.

    `credential_version` is that of the credential it was said of: of an older one it says nothing any more.
    """
    before = tx.first(sa.select(accounts).where(accounts.c.id == account_id))
    if before is None or credential_version not in {None, before.credential_version}:
        return
    if health != "active" and not before.needs_reconnection:
        notices.reconnection_needed(tx, before.user_id, account_id, before.platform, before.handle, message, tx.now())
    tx.run(
        sa.update(accounts).where(accounts.c.id == account_id)
        .values(health=health, needs_reconnection=health != "active", health_message=message)
    )  # fmt: skip


def keep_profile(tx: Tx, account_id: UUID, told: Mapping[str, Any]) -> None:
    """Handle, name, picture and the platform's limits as it told them just now."""
    tx.run(sa.update(accounts).where(accounts.c.id == account_id).values(**told))


def note_outcome(tx: Tx, account_id: UUID, outcome: Outcome, now: datetime) -> None:
    """What a try taught about its account: when it may be called again, that its credential is stale, that it is cut off."""
    same = sa.and_(accounts.c.id == account_id, accounts.c.credential_version == outcome.credential_version)
    ours = outcome.planned or outcome.of_app  # our own turns, and what concerns all accounts alike
    if outcome.ended is Ended.RATE_LIMITED and outcome.until is not None and outcome.until > now and not ours:
        blocked_until = min(outcome.until, now + LONGEST_BLOCK)
        told = {"blocked_until": blocked_until, "block_guessed": outcome.guessed}
        tx.run(sa.update(accounts).where(accounts.c.id == account_id).values(told))
    elif outcome.ended is Ended.EXPIRED:
        tx.run(sa.update(accounts).where(same).values(refresh_wanted=True))
    elif outcome.ended is Ended.DISCONNECTED and outcome.health:
        set_health(tx, account_id, outcome.health, outcome.message, credential_version=outcome.credential_version)


def find_many(tx: Tx, user_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Account]:
    """Those of the ids that are connected accounts of this person."""
    statement = sa.select(accounts).where(
        accounts.c.user_id == user_id, accounts.c.id.in_(ids), accounts.c.disconnected_at.is_(None)
    )
    return {row.id: as_account(row) for row in tx.all(statement)}


def find_named(tx: Tx, named: str) -> Account:
    """The one connected account with this id, handle or platform, whoever owns it. Raises NotFound, or Conflict where several fit."""
    connected = [as_account(row) for row in tx.all(sa.select(accounts).where(accounts.c.disconnected_at.is_(None)))]
    fitting = [one for one in connected if named in (str(one.id), one.handle, one.platform)]
    if len(fitting) > 1:
        choice = ", ".join(f"{one.id} ({one.platform}, {one.handle})" for one in fitting)
        raise Conflict(f"Several accounts fit {named!r}; name one by its id: {choice}.")
    if not fitting:
        known = ", ".join(f"{one.handle} ({one.platform})" for one in connected) or "none"
        raise NotFound(f"No connected account is called {named!r}. Connected: {known}.")
    return fitting[0]
