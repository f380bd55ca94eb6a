"""What an author hands in, as it came, and what can be said of it by itself, the accounts and the files it names. Nothing is written here."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hayon.domain.model import Account, Content, Media, Override
from hayon.errors import Problem
from hayon.store import media, posts
from hayon.store.database import Tx

TARGETS_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Handed:
    """What an author hands in, as it came: nothing of it is checked yet. Overrides by platform or account id."""

    content: Content
    overrides: Mapping[str, Override] = field(default_factory=dict)
    platforms: tuple[str, ...] = ()
    account_ids: tuple[str, ...] = ()
    scheduled_at: str | None = None
    timezone: str = "UTC"
    max_lateness_seconds: int | None = None
    draft: bool = False


def handed_again(row: Any) -> Handed:
    """A stored post as if it were handed in now."""
    return Handed(
        posts.read_content(row.content), posts.read_overrides(row.overrides), tuple(row.selected["platforms"]), tuple(row.selected["accountIds"]),
        row.scheduled_at.isoformat() if row.scheduled_at else None, row.timezone, row.max_lateness_seconds,
    )  # fmt: skip


def find_chosen(
    handed: Handed, mine: Sequence[Account], known: Collection[str], problems: list[Problem]
) -> dict[UUID, Account]:
    """The accounts meant, of the person's own, each once: a platform's name means its default account. `known` are the
    platforms that there are. What is amiss is added to `problems`."""
    by_id = {str(account.id): account for account in mine} if handed.account_ids else {}
    defaults = {account.platform: account for account in mine if account.is_default}
    chosen: dict[UUID, Account] = {}
    for index, platform in enumerate(handed.platforms):
        where = f"selectedPlatforms[{index}]"
        if platform not in known:
            names = ", ".join(sorted(known))
            problems.append(
                Problem(where, "unknown_platform", f"There is no platform {platform!r}; there are {names}.")
            )
        elif platform not in defaults:
            problems.append(
                Problem(where, "no_account", f"No {platform} account is connected yet. Connect one first.", platform)
            )
        else:
            chosen[defaults[platform].id] = defaults[platform]
    for index, account_id in enumerate(handed.account_ids):
        account = by_id.get(account_id)
        if account is None:
            message = "There is no such account, or it was disconnected."
            problems.append(Problem(f"accountIds[{index}]", "no_account", message, account_id=account_id))
        else:
            chosen[account.id] = account
    if len(chosen) > TARGETS_LIMIT:
        problems.append(Problem("accountIds", "too_many", f"One post goes to at most {TARGETS_LIMIT} accounts."))
    return chosen


def find_stray(handed: Handed, chosen: Mapping[UUID, Account]) -> list[Problem]:
    """What is said differently for somebody who was not chosen."""
    if handed.draft:
        return []
    names = {name for account in chosen.values() for name in (account.platform, str(account.id))}
    return [
        Problem(
            f"platformSpecificContent.{name}", "not_selected", f"There is content for {name!r}, which is not selected."
        )
        for name in handed.overrides
        if name not in names
    ]


def names_files(handed: Handed) -> bool:
    """Whether it uses any file."""
    return bool(handed.content.media) or any(one.media for one in handed.overrides.values())


def find_files(tx: Tx, user_id: UUID, handed: Handed, problems: list[Problem]) -> Mapping[UUID, Media]:
    """The files that it uses anywhere, by their ids. What is amiss with them is added to `problems`."""
    places = [("content.mediaItems", handed.content.media)]
    places += [
        (f"platformSpecificContent.{name}.mediaItems", one.media) for name, one in handed.overrides.items() if one.media
    ]
    files = media.find_many(tx, user_id, list({use.media_id for _, uses in places for use in uses}))
    for where, uses in places:
        for index, use in enumerate(uses):
            field_name = f"{where}[{index}].mediaId"
            if use.media_id not in files:
                problems.append(Problem(field_name, "no_media", "There is no such media; upload it first."))
            elif not files[use.media_id].ready:
                message = "This upload is not complete yet; finish it with POST /api/media/{id}/complete."
                problems.append(Problem(field_name, "media_not_ready", message))
    return files


def fingerprint_of(handed: Handed) -> str:
    """The same for the same request, whenever and wherever it is asked."""
    return hashlib.sha256(json.dumps(handed, default=_plain, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return str(value)
