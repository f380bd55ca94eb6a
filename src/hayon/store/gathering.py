"""Reading what a delivery needs beyond its claim: content, account, media, and whether its host can be reached."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.allowance import Told
from hayon.domain.model import Account, Claim, Content, Media, said_on
from hayon.store.accounts import as_account
from hayon.store.allowances import Scoped, as_told, scopes_of
from hayon.store.database import Tx
from hayon.store.listed import one_of
from hayon.store.media import as_media
from hayon.store.posts import read_content, read_overrides
from hayon.store.schema import accounts, allowances, attempts, hosts, media, post_media, posts, targets
from hayon.store.together import Asked, together


@dataclass(frozen=True, slots=True)
class Gathered:
    """A claim's surroundings as they were at `now`. `keys` says where each media file is kept; `disconnected` that its owner
    took the account away; `host_down` that nobody could reach the host lately; `told` what its platform told of the allowances of the account and of the app; `traceparent` who wrote what is said."""

    content: Content
    account: Account
    sealed: bytes
    credential_version: int
    refresh_wanted: bool
    disconnected: bool
    blocked_until: datetime | None
    block_guessed: bool
    media: tuple[Media, ...]
    keys: dict[UUID, str]
    first_sent_at: datetime | None
    host_down: bool
    told: Scoped
    traceparent: str
    now: datetime


_OF_ACCOUNT = (
    *(one.name for one in fields(Account)),
    "credential", "credential_version", "refresh_wanted", "disconnected_at", "blocked_until", "block_guessed",
)  # fmt: skip
_AROUND = (
    sa.select(
        targets.c.id.label("target_id"), posts.c.content, posts.c.overrides, posts.c.media_count, posts.c.traceparent,
        *(accounts.c[name] for name in _OF_ACCOUNT), hosts.c.host.is_not(None).label("host_down"),
    )
    .join(posts, posts.c.id == targets.c.post_id).join(accounts, accounts.c.id == targets.c.account_id)
    .join(hosts, hosts.c.host == accounts.c.host, isouter=True)  # it has a row while nobody can reach it
    .where(one_of(targets.c.id, "ids"))
)  # fmt: skip
_ALLOWANCES = sa.select(allowances).where(one_of(allowances.c.scope, "scopes"))
_FIRST_SENT = (
    sa.select(attempts.c.target_id, sa.func.min(attempts.c.intent_at).label("first"))
    .where(one_of(attempts.c.target_id, "ids")).group_by(attempts.c.target_id)
)  # fmt: skip
_MEDIA = (
    sa.select(media, post_media.c.key.label("own_key"), post_media.c.post_id)
    .join(post_media, post_media.c.media_id == media.c.id).where(one_of(post_media.c.post_id, "ids"))
)  # fmt: skip


def gather_all(tx: Tx, asked: Sequence[Asked]) -> list[Gathered | Exception]:
    """`gather` for many claims: as many statements as for one."""
    claims: list[Claim] = [one.args[0] for one in asked]
    now = tx.now()
    around = {row.target_id: row for row in tx.all(_AROUND, ids=[one.target_id for one in claims])}
    with_files = {one.post_id for one in claims if one.target_id in around and around[one.target_id].media_count}
    files = _media_of(tx, with_files)
    told = _told(tx, {scope for one in claims for scope in scopes_of(one.account_id, one.platform)})
    first_sent = _first_sent(tx, [one.target_id for one in claims if one.last_intent is not None])
    gathered: list[Gathered | Exception] = []
    for claim in claims:
        try:
            row = around[claim.target_id]
            content = said_on(
                read_content(row.content), read_overrides(row.overrides), claim.platform, claim.account_id
            )
            kept = files.get(claim.post_id, {})
            used = [kept[use.media_id] for use in content.media if use.media_id in kept]
            gathered.append(Gathered(
                content=content, account=as_account(row), sealed=row.credential,
                credential_version=row.credential_version, refresh_wanted=row.refresh_wanted,
                disconnected=row.disconnected_at is not None, blocked_until=row.blocked_until,
                block_guessed=row.block_guessed,
                media=tuple(as_media(one) for one in used), keys={one.id: one.own_key or one.key for one in used},
                first_sent_at=first_sent.get(claim.target_id), host_down=row.host_down,
                told={scope: told[scope] for scope in scopes_of(claim.account_id, claim.platform) if scope in told},
                traceparent=row.traceparent, now=now,
            ))  # fmt: skip
        except Exception as error:  # noqa: BLE001 - what is wrong with one is told to that one
            gathered.append(error)
    return gathered


@together(gather_all, pause=0.01)
def gather(tx: Tx, claim: Claim) -> Gathered:
    """Everything at once, in one reading transaction."""
    (gathered,) = gather_all(tx, [Asked((claim,), {})])
    if isinstance(gathered, Exception):
        raise gathered
    return gathered


def _told(tx: Tx, scopes: Collection[str]) -> dict[str, list[Told]]:
    told: dict[str, list[Told]] = {}
    for row in tx.all(_ALLOWANCES, scopes=scopes):
        told.setdefault(row.scope, []).append(as_told(row))
    return told


def _first_sent(tx: Tx, target_ids: Collection[UUID]) -> dict[UUID, datetime]:
    if not target_ids:
        return {}
    return {row.target_id: row.first for row in tx.all(_FIRST_SENT, ids=target_ids) if row.first is not None}


def _media_of(tx: Tx, post_ids: Collection[UUID]) -> dict[UUID, dict[UUID, Row[Any]]]:
    """By post, what it refers to, by id."""
    found: dict[UUID, dict[UUID, Row[Any]]] = {}
    for row in tx.all(_MEDIA, ids=post_ids) if post_ids else ():
        found.setdefault(row.post_id, {})[row.id] = row
    return found
