"""Reading what a delivery needs beyond its claim: content, account, media, and whether its host can be reached."""

from collections.abc import Sequence
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
from hayon.store.media import as_media
from hayon.store.posts import read_content, read_overrides
from hayon.store.schema import accounts, allowances, attempts, media, post_media, posts


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


def gather(tx: Tx, claim: Claim) -> Gathered:
    """Everything at once, in one reading transaction."""
    now = tx.now()
    post = tx.first(sa.select(posts).where(posts.c.id == claim.post_id))
    known = tx.all(  # the account once for each allowance that was told: one statement, whether there are any or not
        sa.select(accounts, allowances)
        .join(allowances, allowances.c.scope.in_(scopes_of(claim.account_id, claim.platform)), isouter=True)
        .where(accounts.c.id == claim.account_id)
    )
    if post is None or not known:
        raise AssertionError("a target has a post and an account")
    account = known[0]
    said = read_content(post.content), read_overrides(post.overrides)
    content = said_on(*said, claim.platform, claim.account_id)
    files = _media_of(tx, claim.post_id, [use.media_id for use in content.media])
    first_sent = None
    if claim.last_intent is not None:
        first_sent = tx.value(
            sa.select(sa.func.min(attempts.c.intent_at)).where(attempts.c.target_id == claim.target_id)
        )
    return Gathered(
        content=content, account=as_account(account), sealed=account.credential,
        credential_version=account.credential_version, refresh_wanted=account.refresh_wanted,
        disconnected=account.disconnected_at is not None, blocked_until=account.blocked_until,
        block_guessed=account.block_guessed,
        media=tuple(as_media(row) for row in files), keys={row.id: row.own_key or row.key for row in files},
        first_sent_at=first_sent, host_down=find_unreachable(tx, claim.host), told=_told(known),
        traceparent=post.traceparent, now=now,
    )  # fmt: skip


def _told(rows: Sequence[Row[Any]]) -> Scoped:
    told: dict[str, list[Told]] = {}
    for row in rows:
        if row.scope is not None:
            told.setdefault(row.scope, []).append(as_told(row))
    return told


def _media_of(tx: Tx, post_id: UUID, wanted: list[UUID]) -> list[Row[Any]]:
    if not wanted:
        return []
    rows = tx.all(
        sa.select(media, post_media.c.key.label("own_key"))
        .join(post_media, post_media.c.media_id == media.c.id)
        .where(post_media.c.post_id == post_id, media.c.id.in_(wanted))
    )
    found = {row.id: row for row in rows}
    return [found[one] for one in wanted if one in found]
