"""The state of the simulated Mastodon instance: tokens, media, statuses, keys, and the events that change them. No HTTP."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from hayon.sandbox.ground import Ground
from hayon.sandbox.journal import Event
from hayon.sandbox.mastodon.limits import InstanceLimits
from hayon.sandbox.model import AccessToken, Account, App, Media, Platform, Status

VERSION = "4.7.0"
"""Idempotency keys are locked (since 4.6.0) and a repeat does not crash: faults play the older habits."""
USERNAME = re.compile(r"[a-z0-9_]+([a-z0-9_.-]+[a-z0-9_]+)?", re.IGNORECASE)
FULL_SCOPES = "read write profile"


def is_handle(text: str) -> bool:
    """mastodon: app/models/account.rb, a local name."""
    return len(text) <= 30 and USERNAME.fullmatch(text) is not None


@dataclass(slots=True)
class Code:
    """An authorization code, used once within ten minutes."""

    account_id: str
    client_id: str
    redirect_uri: str
    scopes: str
    challenge: str | None
    issued_at: float


class Instance:
    """What one instance remembers."""

    def __init__(self, world: Ground) -> None:
        self._world = world
        self.apps: dict[str, App] = {}
        self.tokens: dict[str, AccessToken] = {}
        self.codes: dict[str, Code] = {}
        self.media: dict[str, Media] = {}
        self.statuses: dict[str, Status] = {}
        self.by_account: dict[str, list[str]] = {}
        self.keys: dict[tuple[str, str], tuple[str, float]] = {}
        self.locks: dict[tuple[str, str], asyncio.Lock] = {}
        self.lock_users: Counter[tuple[str, str]] = Counter()
        self._last_id = 0
        self.effects: dict[str, Callable[[dict[str, Any]], None]] = {
            "app": self._on_app,
            "token": self._on_token,
            "token_revoked": self._on_token_revoked,
            "media": self._on_media,
            "media_changed": self._on_media_changed,
            "media_gone": self._on_media_gone,
            "status": self._on_status,
            "status_gone": self._on_status_gone,
            "key": self._on_key,
        }

    # -- reading ----------------------------------------------------------------------------------------------------

    def get_author(self, account_id: str) -> Account:
        """The account with this id."""
        return self._world.get_account(Platform.MASTODON, account_id)

    def find_media(self, media_id: str) -> Media | None:
        """The attachment unless it was deleted, or collected because nobody attached it."""
        media = self.media.get(media_id)
        keep = self._world.limits.of(InstanceLimits).media_keep_seconds
        if media and media.status_id is None and self._world.now() >= media.uploaded_at + keep:
            return None
        return media

    def find_key(self, account_id: str, key: str) -> str | None:
        """The status id remembered under this Idempotency-Key."""
        status_id, until = self.keys.get((account_id, key), ("", 0.0))
        return status_id if self._world.now() < until else None

    def list_statuses(self, account_id: str) -> list[Status]:
        """An account's statuses that listings show by now, newest first."""
        now = self._world.now()
        held = (self.statuses.get(status_id) for status_id in reversed(self.by_account.get(account_id, [])))
        return [status for status in held if status and status.listed_at <= now]

    def next_id(self) -> str:
        """A snowflake id later than all before."""
        self._last_id = max(self._last_id + 1, int(self._world.now() * 1_000) << 16)
        return str(self._last_id)

    # -- events -----------------------------------------------------------------------------------------------------

    def create(self, status: Status, key: str | None) -> list[Event]:
        """The events of a status that lands, with its media and its key."""
        events: list[Event] = [("status", asdict(status))]
        if key:
            until = self._world.now() + self._world.limits.of(InstanceLimits).key_seconds
            facts = {"account_id": status.account_id, "key": key, "status_id": status.status_id, "until": until}
            events.append(("key", facts))
        return events

    def issue(self, account: Account) -> None:
        """Let the account's current secret be a good access token."""
        self.tokens[account.secret] = AccessToken(
            account.secret, account.account_id, "", account.app_name, FULL_SCOPES, self._world.now()
        )

    def withdraw(self, account: Account) -> None:
        """Revoke every token of the account."""
        for token in self.tokens.values():
            if token.account_id == account.account_id:
                token.revoked = True

    def _on_app(self, facts: dict[str, Any]) -> None:
        self.apps[facts["client_id"]] = App(**facts)

    def _on_token(self, facts: dict[str, Any]) -> None:
        self.tokens[facts["token"]] = AccessToken(**facts)

    def _on_token_revoked(self, facts: dict[str, Any]) -> None:
        self.tokens[facts["token"]].revoked = True

    def _on_media(self, facts: dict[str, Any]) -> None:
        focus = facts["focus"]
        self.media[facts["media_id"]] = Media(**{**facts, "focus": tuple(focus) if focus else None})
        self._last_id = max(self._last_id, int(facts["media_id"]))

    def _on_media_changed(self, facts: dict[str, Any]) -> None:
        media = self.media[facts["media_id"]]
        media.description = facts["description"]
        media.focus = tuple(facts["focus"]) if facts["focus"] else None

    def _on_media_gone(self, facts: dict[str, Any]) -> None:
        self.media.pop(facts["media_id"], None)

    def _on_status(self, facts: dict[str, Any]) -> None:
        status = Status(**facts)
        self.statuses[status.status_id] = status
        self.by_account.setdefault(status.account_id, []).append(status.status_id)
        self._last_id = max(self._last_id, int(status.status_id))
        for media_id in status.media_ids:
            self.media[media_id].status_id = status.status_id
        self._world.feed.append((Platform.MASTODON, status.status_id))

    def _on_status_gone(self, facts: dict[str, Any]) -> None:
        status = self.statuses.pop(facts["status_id"])
        self.by_account[status.account_id].remove(status.status_id)
        self._world.feed.remove((Platform.MASTODON, status.status_id))
        for media_id in status.media_ids:
            if facts["delete_media"]:
                self.media.pop(media_id, None)
            elif media_id in self.media:
                self.media[media_id].status_id = None

    def _on_key(self, facts: dict[str, Any]) -> None:
        self.keys[facts["account_id"], facts["key"]] = (facts["status_id"], facts["until"])
        if len(self.keys) > 50_000:
            now = self._world.now()
            self.keys = {key: held for key, held in self.keys.items() if held[1] > now}


def instance_of(world: Ground) -> Instance:
    """This world's instance."""
    return world.memory(Platform.MASTODON, Instance)
