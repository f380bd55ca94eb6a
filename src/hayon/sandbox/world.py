"""A world: simulated accounts, what they published, the ledger of what took effect, the planned faults, a clock.

Pure state and no HTTP. Everything that changes goes through `happen`, so that a world with a folder comes back
after a restart exactly as it was.
"""

import asyncio
import contextlib
import hashlib
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hayon.sandbox.faults import FaultPlan
from hayon.sandbox.ground import Memory, OneMemory, WorldError
from hayon.sandbox.journal import Event, Files, Journal
from hayon.sandbox.limits import Limits, Meter, Rate
from hayon.sandbox.model import Account, LedgerEntry, Platform, Standing
from hayon.sandbox.moments import iso
from hayon.sandbox.site import Site
from hayon.sandbox.sites import SITES

REQUESTS_KEPT = 2_000
SECONDS_BETWEEN_LOOKS = 0.1


class World:
    """Everything the simulated platforms know. Used from one event loop; not thread-safe.

    `clock` gives unix seconds; `advance` moves the world ahead of it. With a `path` the world is kept in that
    folder and continued from it.
    """

    def __init__(
        self,
        limits: Limits | str = "real",
        *,
        clock: Callable[[], float] = time.time,
        path: Path | None = None,
        sites: Sequence[Site] = SITES,
    ) -> None:
        self.sites: Mapping[Platform, Site] = {site.platform: site for site in sites}
        self.limits = Limits.named(limits) if isinstance(limits, str) else limits
        self.faults = FaultPlan({platform: site.mishaps for platform, site in self.sites.items()})
        self.latency: dict[Platform, float] = dict.fromkeys(self.sites, 0.0)
        self.meter = Meter(self._rates())
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUESTS_KEPT)
        self.files = Files(path / "media" if path else None)
        self.generation = 0
        self._clock = clock
        self._journal = Journal(path) if path else None
        self._moved = asyncio.Event()
        self._request_count = 0
        self._clear()
        self._load()

    # -- time ---------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The world's time in unix seconds."""
        return self._clock() + self._ahead_seconds

    def advance(self, seconds: float) -> float:
        """Move the world's clock forward; what was waiting for that time happens. Returns the new time."""
        if seconds < 0:
            raise WorldError("the clock of a world only moves forward")
        self.happen(("clock", {"ahead_seconds": self._ahead_seconds + seconds}))
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        return self.now()

    async def reach(self, at: float) -> None:
        """Return when the world's clock shows `at`, by waiting or because somebody moved it."""
        while (left := at - self.now()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), min(left, SECONDS_BETWEEN_LOOKS))

    def set_latency(self, platform: str, seconds: float) -> None:
        """How long every call of a platform takes before its effect."""
        if seconds < 0:
            raise WorldError("a latency is not negative")
        self.latency[self._site(platform).platform] = seconds

    def impose(self, limits: Limits) -> None:
        """Let other limits hold from now on, all rates unused. The sizes of whole requests stay as they were built."""
        self.limits = limits
        self.meter = Meter(self._rates())

    # -- accounts -----------------------------------------------------------------------------------------------

    def add_account(self, platform: str, handle: str, display_name: str = "", *, app_name: str = "Hayon") -> Account:
        """Make an account with a fresh credential. `app_name` names the application that a token is issued to.

        WorldError for an unknown platform, a handle that the platform could not have, or one that is taken.
        """
        site = self._site(platform)
        where, credential = site.platform, site.new_credential()
        if not site.is_handle(handle):
            raise WorldError(f"{handle!r} cannot be a handle on {where}")
        if self.find_account(where, handle):
            raise WorldError(f"{handle} exists already on {where}")
        number = sum(account.platform is where for account in self.accounts.values()) + 1
        account = Account(
            where,
            site.new_account_id(handle, number),
            handle,
            display_name or handle.split(".", maxsplit=1)[0],
            credential.secret,
            f"main-{secrets.token_urlsafe(12)}",
            self.now(),
            app_name,
            more=dict(credential.more),
        )
        self.happen(("account", asdict(account)))
        return self.get_account(where, account.account_id)

    def find_account(self, platform: str, name: str) -> Account | None:
        """The account with this id or handle."""
        account = self.accounts.get((self._site(platform).platform, name))
        if account is None:
            known = (one for one in self.accounts.values() if one.platform == platform)
            account = next((one for one in known if one.handle.lower() == name.lower()), None)
        return account

    def get_account(self, platform: str, name: str) -> Account:
        """The account with this id or handle; WorldError if there is none."""
        account = self.find_account(platform, name)
        if account is None:
            raise WorldError(f"there is no account {name!r} on {platform}")
        return account

    def renew(self, account: Account) -> Account:
        """Give the account a new credential, as its owner would after a revocation."""
        credential = self._site(account.platform).new_credential()
        self.happen(self._about(account, "secret", secret=credential.secret, more=dict(credential.more)))
        return account

    def revoke(self, account: Account) -> None:
        """Revoke the account's credential and what descends from it."""
        self.happen(self._about(account, "revoked"))

    def expire_access(self, account: Account) -> None:
        """Let every access token issued so far be expired. Refresh tokens stay good. WorldError where none expires."""
        mishaps = self._site(account.platform).mishaps
        if "expire_token" not in mishaps.where:
            raise WorldError(mishaps.why_not["expire_token"])
        self.happen(self._about(account, "expired"))

    def set_standing(self, account: Account, standing: str) -> None:
        """Take an account down, or whatever else the platform does to accounts, or make it `active` again."""
        if standing not in self._site(account.platform).standings:
            raise WorldError(f"an account on {account.platform} cannot be {standing!r}")
        self.happen(self._about(account, "standing", standing=standing))

    def tell(self, platform: str, what: str, **facts: Any) -> None:
        """Let something be so on a platform that no call of its own brings about. WorldError where it knows no such thing."""
        kind = f"{self._site(platform).platform}.{what}"
        if kind not in self._effects:
            raise WorldError(f"{platform} knows no {what}")
        self.happen((kind, facts))

    # -- what took effect ---------------------------------------------------------------------------------------

    def entry(self, account: Account, operation: str, remote_id: str, request_id: int, **facts: Any) -> Event:
        """The event that writes one line into the ledger; it belongs into the batch of its effect."""
        entry = LedgerEntry(
            n=len(self.ledger) + 1,
            at=iso(self.now()),
            platform=account.platform,
            account=account.account_id,
            handle=account.handle,
            operation=operation,
            remote_id=remote_id,
            key=facts.pop("key", None),
            text=facts.pop("text", ""),
            repeat=facts.pop("repeat", False),
            request_id=request_id,
            **facts,
        )
        return "ledger", asdict(entry)

    def happen(self, *events: Event) -> None:
        """Let a batch of events take effect at once: first into the journal, then into memory."""
        if self._journal:
            self._journal.append(list(events))
        self._apply(list(events))

    def entries(self, platform: str | None = None, account: str | None = None) -> list[LedgerEntry]:
        """The ledger, oldest first; `account` is an id or a handle."""
        return [
            entry
            for entry in self.ledger
            if platform in (None, entry.platform) and account in (None, entry.account, entry.handle)
        ]

    def copies(self, platform: str | None = None) -> Counter[str]:
        """How many posts stand in the ledger per text, repeats not counted: more than one is a doubled post."""
        return Counter(
            entry.text
            for entry in self.entries(platform)
            if self.sites[entry.platform].is_post(entry) and not entry.repeat
        )

    def landings(self, platform: Platform, remote_id: str) -> list[LedgerEntry]:
        """The ledger's lines about one post: how it landed, and the repeats that were recognised."""
        return [one for one in self._by_remote_id.get((platform, remote_id), []) if self.sites[platform].is_post(one)]

    def memory(self, platform: Platform, kind: type[OneMemory]) -> OneMemory:
        """What a platform remembers. TypeError if that is of another kind."""
        held = self._memories[platform]
        if not isinstance(held, kind):
            raise TypeError(f"{platform} remembers a {type(held).__name__}, not a {kind.__name__}")
        return held

    def next_request_id(self) -> int:
        """A number for the next request; it links the log of requests and the ledger."""
        self._request_count += 1
        return self._request_count

    # -- beginning and end --------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget everything: accounts, posts, ledger, faults, latency, clock. Waiting effects are void."""
        self.generation += 1
        self.faults.clear()
        self.meter.forget()
        self.requests.clear()
        self.latency = dict.fromkeys(self.sites, 0.0)
        self.files.forget()
        if self._journal:
            self._journal.forget()
        self._clear()
        self._load()

    def close(self) -> None:
        """Close the journal and remove temporary files."""
        self.generation += 1
        if self._journal:
            self._journal.close()
        self.files.close()

    # -- within -------------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self.accounts: dict[tuple[Platform, str], Account] = {}
        self.ledger: list[LedgerEntry] = []
        self._by_remote_id: dict[tuple[Platform, str], list[LedgerEntry]] = {}
        self.feed: list[tuple[Platform, str]] = []
        self.signing_key = b""
        self._ahead_seconds = 0.0
        self._memories: dict[Platform, Memory] = {
            platform: site.remember(self) for platform, site in self.sites.items()
        }
        self._effects: dict[str, Callable[[dict[str, Any]], None]] = {
            "world": self._on_world,
            "clock": self._on_clock,
            "account": self._on_account,
            "secret": self._on_secret,
            "revoked": self._on_revoked,
            "expired": self._on_expired,
            "standing": self._on_standing,
            "ledger": self._on_ledger,
        }
        for memory in self._memories.values():
            if taken := self._effects.keys() & memory.effects.keys():
                raise ValueError(f"two platforms have events of the kind {', '.join(sorted(taken))}")
            self._effects.update(memory.effects)

    def _load(self) -> None:
        if self._journal:
            for events in self._journal.replay():
                self._apply(events)
        if not self.signing_key:
            self.happen(("world", {"signing_key": secrets.token_hex(32)}))

    def _apply(self, events: list[Event]) -> None:
        for kind, facts in events:
            self._effects[kind](facts)

    def _site(self, platform: str) -> Site:
        for site in self.sites.values():
            if site.platform == platform:
                return site
        raise WorldError(f"there is no platform {platform!r}")

    def _rates(self) -> Mapping[str, Rate]:
        own = {name: rate for site in self.sites.values() for name, rate in site.rates.items()}
        return {**(own if self.limits.rated else {}), **self.limits.rates}

    def _about(self, account: Account, kind: str, **facts: Any) -> Event:
        return kind, {"platform": account.platform, "account_id": account.account_id, **facts}

    def _of(self, facts: dict[str, Any]) -> Account:
        return self.accounts[Platform(facts["platform"]), facts["account_id"]]

    def _on_world(self, facts: dict[str, Any]) -> None:
        self.signing_key = hashlib.sha256(facts["signing_key"].encode()).digest()

    def _on_clock(self, facts: dict[str, Any]) -> None:
        self._ahead_seconds = facts["ahead_seconds"]

    def _on_account(self, facts: dict[str, Any]) -> None:
        account = Account(**{**facts, "platform": Platform(facts["platform"]), "standing": Standing(facts["standing"])})
        self.accounts[account.platform, account.account_id] = account
        self._memories[account.platform].issue(account)

    def _on_secret(self, facts: dict[str, Any]) -> None:
        account = self._of(facts)
        account.secret = facts["secret"]
        account.more |= facts.get("more", {})
        self._memories[account.platform].issue(account)

    def _on_revoked(self, facts: dict[str, Any]) -> None:
        account = self._of(facts)
        account.secret = ""
        self._memories[account.platform].withdraw(account)

    def _on_expired(self, facts: dict[str, Any]) -> None:
        self._of(facts).access_generation += 1

    def _on_standing(self, facts: dict[str, Any]) -> None:
        self._of(facts).standing = Standing(facts["standing"])

    def _on_ledger(self, facts: dict[str, Any]) -> None:
        entry = LedgerEntry(**{**facts, "platform": Platform(facts["platform"])})
        self.ledger.append(entry)
        self._by_remote_id.setdefault((entry.platform, entry.remote_id), []).append(entry)
