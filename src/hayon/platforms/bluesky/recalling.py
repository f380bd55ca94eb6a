"""Looking for a post whose key is not known, since a backup was restored: by its words, in the account's own repository."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from hayon.domain.model import Json
from hayon.outgoing import Outgoing
from hayon.platforms.bluesky.calls import ask, query
from hayon.platforms.bluesky.record import COLLECTION
from hayon.platforms.contract import Parcel

SKEW = timedelta(minutes=5)
"""How far a post may seem to be older than the call that made it."""
PAGE = 100
"""The most a server lists at once (atproto: lexicons/com/atproto/repo/listRecords.json)."""
PAGES = 5


async def find_alike(parcel: Parcel, since: datetime, outgoing: Outgoing) -> tuple[list[Json], bool]:
    """The account's posts since then that say the same, as listed; and whether all since then were seen."""
    alike: list[Json] = []
    wanted = {"repo": parcel.account.remote_id, "collection": COLLECTION, "limit": str(PAGE)}
    for _ in range(PAGES):
        body = await ask(outgoing, query(parcel.account.host, "com.atproto.repo.listRecords", wanted), parcel.now)
        records = [
            one for one in body.get("records") or () if isinstance(one, dict) and isinstance(one.get("value"), dict)
        ]
        alike += [one for one in records if _made_at(one, since) >= since - SKEW and _says(one["value"], parcel)]
        cursor = body.get("cursor")
        if not records or not isinstance(cursor, str) or _made_at(records[-1], since) < since - SKEW:
            return alike, True
        wanted["cursor"] = cursor
    return alike, False


def _says(record: Mapping[str, Any], parcel: Parcel) -> bool:
    media = record.get("embed", {}).get("$type") in _MEDIA if isinstance(record.get("embed"), dict) else False
    return record.get("text") == parcel.content.text and media == bool(parcel.media) and "reply" not in record


def _made_at(listed: Mapping[str, Any], otherwise: datetime) -> datetime:
    """By the post's own word; servers list in the order of keys, which are times, too."""
    try:
        at = datetime.fromisoformat(str(listed["value"].get("createdAt")))
    except ValueError:
        return otherwise
    return at if at.tzinfo else otherwise


_MEDIA = {"app.bsky.embed.images", "app.bsky.embed.gallery", "app.bsky.embed.video"}
