"""A scripted platform behind the real contract, with a ledger: what the heart's own tests deliver to. It speaks no HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from hayon.accounts import Accounts
from hayon.brokers.embedded import EmbeddedBroker
from hayon.delivery.deliver import Delivery, Times
from hayon.delivery.submit import Handed, Submission
from hayon.domain.model import Account, Content, Receipt
from hayon.domain.pacing import Patience
from hayon.domain.rules import MediaRules, Rules
from hayon.errors import PlatformError, Unconfirmed
from hayon.media import Reach
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import (
    Absent,
    Allowance,
    Authorization,
    Connected,
    Credential,
    Found,
    Look,
    Parcel,
    SaveCheckpoint,
    Send,
    Unclear,
)
from hayon.store import accounts, outbox
from hayon.store.database import Database, Tx, new_id
from hayon.store.moves import lock_free_posts
from hayon.store.schema import posts, targets, users
from hayon.store.turns import takeable
from hayon.vault import Vault

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def _count(text: str, _: Mapping[str, Any]) -> int:
    return len(text)


class Hand:
    """A clock moved by hand."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self, tx: Tx) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@dataclass(frozen=True)
class Copy:
    """What went live."""

    remote_id: str
    target_key: str
    account_id: UUID
    text: str
    at: datetime


@dataclass
class Scripted:
    """A platform that does what it is told. `before` and `after` are raised around the effect, `looks` says what reconcile sees.

    `exact`: a look matches by the target's own key; else by account and words, as a listing would.
    """

    platform: str = "scripted"
    settles_within: timedelta | None = timedelta(seconds=30)
    clock: Hand = field(default_factory=Hand)
    exact: bool = True
    ledger: list[Copy] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    before: list[PlatformError | None] = field(default_factory=list)
    after: list[PlatformError | None] = field(default_factory=list)
    preparing: list[PlatformError | None] = field(default_factory=list)
    visible_after: timedelta = timedelta(0)
    while_preparing: Callable[[Parcel], Any] | None = None
    while_publishing: Callable[[Parcel], Any] | None = None
    unclear: bool = False
    saves: bool = True
    fetches_media: bool = False
    has_quota: bool = False
    addresses: dict[str, str | None] = field(default_factory=dict)
    renewing: datetime | None = None
    revoked: list[str] = field(default_factory=list)
    told: tuple[Allowance, ...] = ()

    def rules(self, facts: Mapping[str, Any]) -> Rules:
        return Rules(self.platform, self.platform.title(), 300, "characters", _count, MediaRules(0, (), 0))

    def settles(self, handles: Mapping[str, Any]) -> timedelta | None:
        return self.settles_within

    async def locate(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> str | None:
        return self.addresses.get(remote_id)

    async def remove(self, account: Account, credential: Credential, remote_id: str, outgoing: Outgoing) -> bool:
        self.ledger = [copy for copy in self.ledger if copy.remote_id != remote_id]
        return True

    def remote_id_in(self, url: str, account: Account) -> str | None:
        return url.rsplit("/", 1)[-1] if url.startswith(account.host) else None

    async def prepare(self, parcel: Parcel, save: SaveCheckpoint, outgoing: Outgoing) -> Mapping[str, Any]:
        self.prepared.append(parcel.idempotency_key)
        if self.while_preparing is not None:
            await self.while_preparing(parcel)
        _raise_next(self.preparing)
        checkpoint = dict(parcel.checkpoint) or {"handle": f"h{len(self.prepared)}", "text": parcel.content.text}
        if self.saves:
            await save(checkpoint)
        return checkpoint | {"key": parcel.idempotency_key}

    async def publish(self, parcel: Parcel, handles: Mapping[str, Any], send: Send) -> Receipt:
        self.calls.append(parcel.idempotency_key)
        _raise_next(self.before)
        copy = Copy(f"r{len(self.ledger) + 1}", handles["key"], parcel.account.id, handles["text"], self.clock.now)
        self.ledger.append(copy)
        if self.while_publishing is not None:
            await self.while_publishing(parcel)
        _raise_next(self.after)
        return self._receipt(copy, parcel.account)

    async def reconcile(self, parcel: Parcel, handles: Mapping[str, Any], outgoing: Outgoing) -> Look:
        self.looked.append(parcel.idempotency_key)
        if self.unclear:
            return Unclear("The platform shows nothing that helps.")
        key, text = handles.get("key", parcel.idempotency_key), handles.get("text", parcel.content.text)
        for copy in self.ledger:
            alike = copy.account_id == parcel.account.id and copy.text == text
            if copy.at + self.visible_after <= self.clock.now and (copy.target_key == key if self.exact else alike):
                return Found(self._receipt(copy, parcel.account), exact=self.exact)
        return Absent()

    async def connect(self, given: Mapping[str, Any], outgoing: Outgoing) -> Connected:
        return Connected(given["name"], given["name"], "https://scripted.test", {"secret": given["name"]})

    def host_of(self, given: Mapping[str, Any]) -> str:
        return "https://scripted.test"

    async def authorize(
        self,
        given: Mapping[str, Any],
        redirect_uri: str,
        state: str,
        registered: Mapping[str, Any] | None,
        outgoing: Outgoing,
    ) -> Authorization:
        url = f"https://scripted.test/authorize?state={state}&redirect_uri={redirect_uri}"
        return Authorization(url, {"verifier": "v"}, registered or {"app": "of this house"})

    async def exchange(
        self, returned: Mapping[str, str], kept: Mapping[str, Any], redirect_uri: str, outgoing: Outgoing
    ) -> Sequence[Connected]:
        return [
            Connected(name, name, "https://scripted.test", {"secret": name}) for name in returned["code"].split(",")
        ]

    def renew_at(self, credential: Credential) -> datetime | None:
        return self.renewing

    async def revoke(self, account: Account, credential: Credential, outgoing: Outgoing) -> bool:
        self.revoked.append(account.handle)
        return True

    async def allowances(self, account: Account, credential: Credential, outgoing: Outgoing) -> Sequence[Allowance]:
        return self.told

    def read_allowances(self, answer: Answer, now: datetime) -> Sequence[Allowance]:
        return ()

    def expires_soon(self, credential: Credential, now: datetime) -> bool:
        return bool(credential.get("stale"))

    async def refresh(self, account: Account, credential: Credential, outgoing: Outgoing) -> Credential:
        return {**credential, "stale": False}

    async def check(self, account: Account, credential: Credential, outgoing: Outgoing) -> Connected:
        return Connected(account.remote_id, account.handle, account.host, credential)

    def _receipt(self, copy: Copy, account: Account) -> Receipt:
        return Receipt(copy.remote_id, f"{account.host}/{copy.remote_id}", copy.at)


class Labels:
    """Files that nobody opens: each only knows the key under which it would be found."""

    def pack(self, media: Any, alt_text: str, key: str, *_: Any) -> Any:
        return SimpleNamespace(media=media, alt_text=alt_text, key=key)


@dataclass
class House:
    """The heart on a database of its own, with a scripted platform and a clock moved by hand."""

    database: Database
    clock: Hand
    platform: Scripted
    vault: Vault
    outgoing: Outgoing
    accounts: Accounts
    broker: EmbeddedBroker
    submission: Submission
    delivery: Delivery
    times: Times
    patience: Patience
    user_id: UUID

    async def connect(self, name: str, platform: str = "scripted") -> Account:
        return await self.accounts.connect(self.user_id, platform, {"name": name})

    async def submit(self, text: str = "Hello", *names: str, **more: Any) -> UUID:
        """A post for these account ids, or for the default account."""
        handed = Handed(Content(text), platforms=() if names else ("scripted",), account_ids=names, **more)
        post_id, _ = await self.submission.submit(self.user_id, handed)
        return post_id

    async def claim(self, *, alone: bool = False, places: int = 100) -> list[Any]:
        """Everything due, also several of one account, as when many workers claim at the same instant.

        Whose turn it is, is no question here: tests/store/test_turns.py asks it.
        """

        def claim_due(tx: Tx) -> list[Any]:
            lone = targets.c.lost_leases > 0 if alone else targets.c.lost_leases == 0
            due = (
                sa.select(targets.c.id, targets.c.post_id).where(takeable(), targets.c.due_at <= tx.now(), lone)
                .order_by(targets.c.due_at).limit(1 if alone else places)
            )  # fmt: skip
            rows = tx.all(due)
            rows = [row for row in rows if row.post_id in lock_free_posts(tx, [row.post_id for row in rows])]
            ids, post_ids = [row.id for row in rows], {row.post_id for row in rows}
            return outbox._lease(tx, ids, post_ids, uuid4(), self.times.lease, tx.now())

        return await self.database.write(claim_due)

    async def deliver_due(self) -> int:
        """One round of what workers do. How many were delivered."""
        claims = await self.claim()
        await asyncio.gather(*(self.delivery.deliver(claim) for claim in claims))
        return len(claims)

    async def sweep(self) -> list[Any]:
        return await self.database.write(outbox.rescue, lost_leases_limit=self.patience.lost_leases)

    async def target(self, post_id: UUID) -> Any:
        return (await self.targets(post_id))[0]

    async def targets(self, post_id: UUID) -> list[Any]:
        statement = sa.select(targets).where(targets.c.post_id == post_id).order_by(targets.c.position)
        return list(await self.database.read(lambda tx: tx.all(statement)))

    async def post(self, post_id: UUID) -> Any:
        return await self.database.read(lambda tx: tx.first(sa.select(posts).where(posts.c.id == post_id)))

    async def rows(self, statement: str) -> list[Any]:
        return list(await self.database.read(lambda tx: tx.all(sa.text(statement))))


@asynccontextmanager
async def open_house(url: str, *, clock: Hand | None = None, platform: Scripted | None = None) -> AsyncIterator[House]:
    """One person on a migrated database."""
    clock = clock or Hand()
    database = Database(url, clock=clock)
    platform = platform or Scripted(clock=clock)
    outgoing = Outgoing(identity="Hayon/test")
    vault = Vault(["a test's own secret key, long enough"])
    platforms = {"scripted": platform}
    keeping = Accounts(database, vault, outgoing, platforms)
    broker = EmbeddedBroker()
    times = Times(timedelta(seconds=90), timedelta(seconds=60))
    patience = Patience()

    delivery = Delivery(database, keeping, platforms, Labels(), outgoing, times, patience)
    user_id = new_id(clock.now)
    await database.write(
        lambda tx: tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=clock.now))
    )
    try:
        yield House(
            database, clock, platform, vault, outgoing, keeping, broker,
            # no platform here fetches files, so nobody asks where they are
            Submission(database, lambda: None, platforms, Reach(Labels(), outgoing, "")), delivery, times, patience, user_id,
        )  # fmt: skip
    finally:
        await outgoing.aclose()
        await database.close()


def _raise_next(planned: list[PlatformError | None]) -> None:
    if planned:
        error = planned.pop(0)
        if error is not None:
            raise error


LOST = Unconfirmed("No answer came.")
__all__ = ["LOST", "START", "Hand", "House", "Request", "Scripted", "accounts", "open_house"]
