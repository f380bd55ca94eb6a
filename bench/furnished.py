"""One person with 1,000 posts of two months in every state and 10,000 files, written straight into a database. Nothing is sent."""

import random
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from hayon.domain.lifecycle import TargetStatus as T
from hayon.domain.lifecycle import TargetSummary, summarize
from hayon.domain.model import Account
from hayon.store import schema, sessions, users
from hayon.store.accounts import keep_account
from hayon.store.database import Database, Tx, new_id
from hayon.store.migrate import migrate
from hayon.store.posts import searchable
from hayon.store.webhooks import insert_webhook
from hayon.vault import Vault
from hayon.web.auth import digest, new_token

POSTS, FILES, NOTICES = 1_000, 10_000, 200
PLATFORMS = ("bluesky", "threads", "instagram", "facebook", "mastodon", "tumblr")
SPAN = timedelta(days=30)
"""Posts lie this far before and behind today."""
PAST = (
    ((T.COMPLETED,), 70), ((T.COMPLETED, T.FAILED), 8), ((T.FAILED,), 6), ((T.CANCELLED,), 5),
    ((T.UNCONFIRMED, T.COMPLETED), 5), ((T.PENDING, T.COMPLETED), 3), ((T.PROCESSING, T.COMPLETED), 3),
)  # fmt: skip
"""How the targets of a post stand, in turn, and how many of a hundred posts are so."""
WORDS = ("bread", "morning", "river", "garden", "season", "letter", "harbour", "workshop", "winter", "market", "light")


@dataclass(frozen=True)
class Furnished:
    """What was written: the way in, and one of each kind to look at."""

    session: str
    ids: dict[str, UUID]


async def furnish(url: str, vault: Vault) -> Furnished:
    """Migrates the empty database at `url` and fills it, the same at each run but for ids and the day."""
    await migrate(url)
    database = Database(url)
    try:
        token = new_token()
        ids = await database.write(_fill, vault, token)
        await database.write(lambda tx: tx.run(sa.text("ANALYZE")))
        return Furnished(token, ids)
    finally:
        await database.close()


def _fill(tx: Tx, vault: Vault, token: str) -> dict[str, UUID]:
    now, dice = tx.now(), random.Random(1)  # noqa: S311 - the same at each run, no secret
    person = users.insert_person(tx, "bench@example.test", "", "Ada", "Europe/Berlin", only_first=False)
    sessions.open_session(tx, person.id, digest(token), "bench")
    accounts = [_account(tx, vault, person.id, platform, number) for platform in PLATFORMS for number in (1, 2)]
    files = _files(tx, person.id, now, dice)
    posts = _posts(tx, person.id, now, dice, accounts, files)
    _notices(tx, person.id, now, posts)
    webhook_id = insert_webhook(tx, person.id, "https://webhooks.invalid/", [], lambda context: vault.seal({}, context))
    shown = next(row for row in posts if len(row["content"]["media"]) > 1 and row["targets"] == len(PLATFORMS))
    draft = next(row for row in posts if row["status"] == "DRAFT")
    return {
        "postId": shown["id"], "draft": draft["id"], "mediaId": files[-1]["id"], "accountId": accounts[0].id, "webhookId": webhook_id,
    }  # fmt: skip


def _account(tx: Tx, vault: Vault, person_id: UUID, platform: str, number: int) -> Account:
    host = f"https://{platform}.invalid"
    handle = f"ada{number}" + (".bsky.social" if platform == "bluesky" else "")
    account = Account(uuid4(), person_id, platform, host, f"{platform}-{number}", handle, "Ada")
    # nobody calls there while pages are measured: nothing is due, and nothing to be refreshed for a year
    keep_account(tx, account, vault.seal({}, str(account.id)), tx.now() + timedelta(days=365))
    return account


def _files(tx: Tx, person_id: UUID, now: datetime, dice: random.Random) -> list[dict[str, Any]]:
    """Files of the last hours: what no post uses is forgotten after a day."""
    rows = []
    for number in range(FILES):
        created = now - timedelta(hours=20) * (1 - number / FILES)
        media_id, video = new_id(created), number % 20 == 0
        rows.append(
            {
                "id": media_id, "user_id": person_id, "key": f"temp/{person_id}/{media_id}.{'mp4' if video else 'jpg'}",
                "mime": "video/mp4" if video else "image/jpeg", "size": dice.randrange(20_000, 4_000_000), "width": 1600,
                "height": 1200, "duration_seconds": 12.0 if video else None, "video_codec": "h264" if video else None,
                "audio_codec": "aac" if video else None, "frame_rate": 30.0 if video else None, "animated": False,
                "ready": True, "created_at": created,
            }
        )  # fmt: skip
    tx.run(sa.insert(schema.media), rows)
    return rows


def _posts(
    tx: Tx, person_id: UUID, now: datetime, dice: random.Random, accounts: list[Account], files: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    posts, targets, attempts, receipts, uses = [], [], [], [], []
    for number in range(POSTS):
        at = now - SPAN + 2 * SPAN * number / POSTS
        used = dice.sample(files, dice.choice((0, 1, 2, 4)))
        chosen = dice.sample(accounts, len(PLATFORMS) if number % 4 == 0 else dice.randint(2, 5))
        post = _post(person_id, number, at, now, dice, chosen, used)
        states = _states(number, at > now, dice)
        stand = [states[place % len(states)] for place in range(len(chosen))] if states else []
        made = [
            _target(post, account, place, state, at)
            for place, (account, state) in enumerate(zip(chosen, stand, strict=False))
        ]
        for target in made:
            if target["last_attempt_id"]:
                attempts.append(_attempt(post, target, at))
            if target["remote_id"]:
                receipts.append(_receipt(target, at))
        status, asked = summarize(
            TargetSummary(
                T(one["status"]), one["claims"] > 0, post["scheduled_at"] is not None, one["status"] == T.UNCONFIRMED
            )
            for one in made
        )
        posts.append(post | {"status": str(status), "needs_attention": asked, "targets": len(made)})
        targets += made
        # each has its own copy already: nobody looks for the files, of which there are none
        uses += [
            {"post_id": post["id"], "media_id": one["id"], "position": place, "key": f"posts/{post['id']}/{place}"}
            for place, one in enumerate(used, 1)
        ]
    tables = (
        (schema.targets, targets),
        (schema.attempts, attempts),
        (schema.receipts, receipts),
        (schema.post_media, uses),
    )
    tx.run(sa.insert(schema.posts), [{name: one for name, one in row.items() if name != "targets"} for row in posts])
    for table, rows in tables:
        tx.run(sa.insert(table), rows)
    return posts


def _states(number: int, ahead: bool, dice: random.Random) -> tuple[T, ...]:
    if number % 12 == 0:
        return ()  # a draft
    if ahead:
        return (T.PENDING,)
    return dice.choices([states for states, _ in PAST], [share for _, share in PAST])[0]


def _post(
    person_id: UUID, number: int, at: datetime, now: datetime, dice: random.Random, chosen: list[Account],
    used: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    created = min(at - timedelta(days=1), now - timedelta(minutes=POSTS - number))
    text = f"Post {number}: " + " ".join(dice.choices(WORDS, k=30))
    return {
        "id": new_id(created), "user_id": person_id, "status": "DRAFT", "needs_attention": False,
        "content": {"text": text, "options": {}, "media": [{"mediaId": str(one["id"]), "altText": "A view"} for one in used]},
        "words": searchable(text), "overrides": {chosen[0].platform: {"options": {}, "text": text[:200]}} if number % 5 == 0 else {},
        "selected": {"platforms": [], "accountIds": [str(one.id) for one in chosen]}, "scheduled_at": at, "placed_at": at,
        "timezone": "Europe/Berlin", "version": 1, "media_count": len(used), "correlation_id": f"bench-{number}",
        "created_at": created, "updated_at": min(at, now),
    }  # fmt: skip


def _target(post: dict[str, Any], account: Account, place: int, state: T, at: datetime) -> dict[str, Any]:
    tried = state is not T.CANCELLED and at <= post["updated_at"]
    attempt, far = uuid4() if tried else None, at + timedelta(days=365)
    is_open = tried and state in (T.UNCONFIRMED, T.PROCESSING)
    remote = f"{account.platform}-{secrets.token_hex(8)}" if state is T.COMPLETED else None
    waits = state is T.PENDING
    return {
        "id": new_id(post["created_at"]), "post_id": post["id"], "user_id": post["user_id"], "account_id": account.id,
        "platform": account.platform, "position": place, "status": str(state), "version": 1, "fence": int(tried),
        # what waits for another try waits long, and who holds a lease holds it long: nobody is at work here
        "due_at": (far if tried else at) if waits else None, "lease_until": far if state is T.PROCESSING else None,
        "claimed_at": at if state is T.PROCESSING else None, "claims": int(tried), "tries": int(tried),
        "attempts": int(tried), "idempotency_key": str(uuid4()), "open_attempt_id": attempt if is_open else None,
        "last_attempt_id": attempt, "parked_at": at if state is T.FAILED else None, "mirrored": state is T.FAILED,
        "remote_id": remote, "url": f"https://{account.platform}.invalid/{remote}" if remote else None,
        "published_at": at if remote else None, "message": "The platform refused it." if state is T.FAILED else "",
        "code": "refused" if state is T.FAILED else "", "created_at": post["created_at"], "updated_at": min(at, post["updated_at"]),
    }  # fmt: skip


def _attempt(post: dict[str, Any], target: dict[str, Any], at: datetime) -> dict[str, Any]:
    answered = None if target["open_attempt_id"] else at + timedelta(seconds=1)
    ended = {T.COMPLETED: "published", T.FAILED: "rejected", T.PENDING: "unavailable"}.get(T(target["status"]))
    return {
        "id": target["last_attempt_id"], "target_id": target["id"], "post_id": post["id"], "account_id": target["account_id"],
        "number": 1, "version": 1, "fence": 1, "started_at": at, "intent_at": at, "handles": {}, "fingerprint": secrets.token_hex(8),
        "answered_at": answered, "answered_by": "receipt" if answered else None, "ended_at": answered, "ended": ended,
        "message": target["message"], "code": target["code"], "http_status": 200,
    }  # fmt: skip


def _receipt(target: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {
        "id": uuid4(), "target_id": target["id"], "account_id": target["account_id"], "attempt_id": target["last_attempt_id"],
        "remote_id": target["remote_id"], "url": target["url"], "published_at": at, "kept_at": at, "adopted": False,
    }  # fmt: skip


def _notices(tx: Tx, person_id: UUID, now: datetime, posts: list[dict[str, Any]]) -> None:
    rows = []
    for number, post in enumerate(posts[:NOTICES]):
        at = now - timedelta(hours=NOTICES - number)
        rows.append(
            {
                "id": new_id(at), "user_id": person_id, "post_id": post["id"], "kind": "post.failed", "created_at": at,
                "message": f"Post {number} failed on all accounts.", "facts": {}, "read_at": at if number % 2 else None,
            }
        )  # fmt: skip
    tx.run(sa.insert(schema.notices), rows)
