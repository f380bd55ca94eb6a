"""Reading what a delivery needs beyond its claim: content, account, media, and whether its host can be reached."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
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
from hayon.store.hosts import find_unreachable
from hayon.store.listed import one_of
from hayon.store.media import as_media
from hayon.store.posts import read_content, read_overrides
from hayon.store.schema import accounts, allowances, attempts, media, post_media, posts
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


_POSTS = sa.select(
    posts.c.id, posts.c.content, posts.c.overrides, posts.c.media_count, posts.c.traceparent
).where(one_of(posts.c.id, "ids"))  # fmt: skip
_ACCOUNTS = sa.select(accounts).where(one_of(accounts.c.id, "ids"))
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
    post_ids = {one.post_id for one in claims}
    now = tx.now()
    written = {row.id: row for row in tx.all(_POSTS, ids=post_ids)}
    owners = {row.id: row for row in tx.all(_ACCOUNTS, ids={one.account_id for one in claims})}
    files = _media_of(tx, {row.id for row in written.values() if row.media_count})
    told = _told(tx, {scope for one in claims for scope in scopes_of(one.account_id, one.platform)})
    down = find_unreachable(tx, {one.host for one in claims})
    first_sent = _first_sent(tx, [one.target_id for one in claims if one.last_intent is not None])
    gathered: list[Gathered | Exception] = []
    for claim in claims:
        try:
            post, account = written[claim.post_id], owners[claim.account_id]
            content = _content_of(claim, post)
            kept = files.get(claim.post_id, {})
            used = [kept[use.media_id] for use in content.media if use.media_id in kept]
            gathered.append(Gathered(
                content=content, account=as_account(account), sealed=account.credential,
                credential_version=account.credential_version, refresh_wanted=account.refresh_wanted,
                disconnected=account.disconnected_at is not None, blocked_until=account.blocked_until,
                block_guessed=account.block_guessed,
                media=tuple(as_media(row) for row in used), keys={row.id: row.own_key or row.key for row in used},
                first_sent_at=first_sent.get(claim.target_id), host_down=claim.host in down,
                told={scope: told[scope] for scope in scopes_of(claim.account_id, claim.platform) if scope in told},
                traceparent=post.traceparent, now=now,
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


def _content_of(claim: Claim, post: Row[Any]) -> Content:
    return said_on(read_content(post.content), read_overrides(post.overrides), claim.platform, claim.account_id)


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
