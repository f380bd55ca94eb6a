"""The state of the simulated PDS: refresh tokens, blobs, records, and the events that change them. No HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from hayon.sandbox.bluesky.content import record_cid
from hayon.sandbox.bluesky.limits import PdsLimits
from hayon.sandbox.ground import Ground
from hayon.sandbox.journal import Event
from hayon.sandbox.model import Account, Blob, Platform, Record, RefreshToken

POST = "app.bsky.feed.post"
TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
HANDLE = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


def is_handle(text: str) -> bool:
    """atproto: specs/handle."""
    return len(text) <= 253 and HANDLE.fullmatch(text) is not None


class Pds:
    """What one PDS remembers about its repositories."""

    def __init__(self, world: Ground) -> None:
        self._world = world
        self.refresh_tokens: dict[str, RefreshToken] = {}
        self.blobs: dict[tuple[str, str], Blob] = {}
        self.records: dict[tuple[str, str, str], Record] = {}
        self.commits: dict[str, tuple[str, str]] = {}
        self._last_tid = 0
        self.effects: dict[str, Callable[[dict[str, Any]], None]] = {
            "refresh_token": self._on_refresh_token,
            "rotated": self._on_rotated,
            "refresh_token_gone": self._on_refresh_token_gone,
            "blob": self._on_blob,
            "record": self._on_record,
            "record_gone": self._on_record_gone,
        }

    # -- reading ----------------------------------------------------------------------------------------------------

    def find_repo(self, name: str) -> Account | None:
        """The account with this DID or handle."""
        return self._world.find_account(Platform.BLUESKY, name)

    def find_record(self, did: str, collection: str, rkey: str) -> Record | None:
        """The record as it stands."""
        return self.records.get((did, collection, rkey))

    def list_records(self, did: str, collection: str) -> list[Record]:
        """A collection's records by descending key."""
        held = (one for one in self.records.values() if one.did == did and one.collection == collection)
        return sorted(held, key=lambda record: record.rkey, reverse=True)

    def find_blob(self, did: str, cid: str) -> Blob | None:
        """The blob unless it was never there or has been collected as unreferenced."""
        blob = self.blobs.get((did, cid))
        keep = self._world.limits.of(PdsLimits).blob_keep_seconds
        if blob and not blob.refs and self._world.now() >= blob.uploaded_at + keep:
            return None
        return blob

    # -- events -----------------------------------------------------------------------------------------------------

    def next_tid(self) -> str:
        """A timestamp identifier later than all before (atproto: specs/tid)."""
        self._last_tid = max(self._last_tid + 1, int(self._world.now() * 1_000_000))
        number = self._last_tid << 10
        return "".join(TID_ALPHABET[number >> shift & 31] for shift in range(60, -1, -5))

    def write(self, record: Record) -> list[Event]:
        """The events of putting the record in place, with the repository's new commit."""
        rev = self.next_tid()
        commit = record_cid({"rev": rev, "record": record.cid, "previous": self.commits.get(record.did, ("", ""))[0]})
        return [("record", {**asdict(record), "commit": commit, "rev": rev})]

    def remove(self, record: Record) -> list[Event]:
        """The events of deleting the record."""
        rev = self.next_tid()
        commit = record_cid({"rev": rev, "deleted": record.uri})
        key = {"did": record.did, "collection": record.collection, "rkey": record.rkey}
        return [("record_gone", {**key, "commit": commit, "rev": rev})]

    def issue(self, account: Account) -> None:
        """A new app password changes nothing here: createSession compares with the account's own."""

    def withdraw(self, account: Account) -> None:
        """An app password is revoked: its refresh tokens go, access tokens already issued stay good."""
        self.refresh_tokens = {
            jti: token
            for jti, token in self.refresh_tokens.items()
            if token.did != account.account_id or not token.by_app_password
        }

    def _on_refresh_token(self, facts: dict[str, Any]) -> None:
        self.refresh_tokens.setdefault(facts["jti"], RefreshToken(**facts))

    def _on_rotated(self, facts: dict[str, Any]) -> None:
        token = self.refresh_tokens[facts["jti"]]
        token.successor, token.expires_at = facts["successor"], facts["expires_at"]

    def _on_refresh_token_gone(self, facts: dict[str, Any]) -> None:
        self.refresh_tokens.pop(facts["jti"], None)

    def _on_blob(self, facts: dict[str, Any]) -> None:
        known = self.blobs.get((facts["did"], facts["cid"]))
        refs = known.refs if known else set()
        self.blobs[facts["did"], facts["cid"]] = Blob(**facts, refs=refs)

    def _on_record(self, facts: dict[str, Any]) -> None:
        commit, rev = facts["commit"], facts["rev"]
        record = Record(**{name: held for name, held in facts.items() if name not in ("commit", "rev")})
        key = (record.did, record.collection, record.rkey)
        before = self.records.get(key)
        self.records[key] = record
        self.commits[record.did] = (commit, rev)
        for cid in blob_cids(record.value):
            if (record.did, cid) in self.blobs:
                self.blobs[record.did, cid].refs.add(record.uri)
        if before:
            self._release(before, keep=set(blob_cids(record.value)))
        elif record.collection == POST:
            self._world.feed.append((Platform.BLUESKY, f"{record.did}/{record.rkey}"))

    def _on_record_gone(self, facts: dict[str, Any]) -> None:
        record = self.records.pop((facts["did"], facts["collection"], facts["rkey"]))
        self.commits[record.did] = (facts["commit"], facts["rev"])
        self._release(record, keep=set())
        if record.collection == POST:
            self._world.feed.remove((Platform.BLUESKY, f"{record.did}/{record.rkey}"))

    def _release(self, record: Record, keep: set[str]) -> None:
        # a PDS deletes blobs that no record holds any more (packages/pds/src/actor-store/blob/transactor.ts)
        for cid in set(blob_cids(record.value)) - keep:
            blob = self.blobs.get((record.did, cid))
            if blob:
                blob.refs.discard(record.uri)
                if not blob.refs:
                    del self.blobs[record.did, cid]


def pds_of(world: Ground) -> Pds:
    """This world's PDS."""
    return world.memory(Platform.BLUESKY, Pds)


def blob_cids(value: Any) -> Iterator[str]:
    """The CIDs of all blobs in a record."""
    for blob in blobs_in(value):
        yield blob["ref"]["$link"]


def blobs_in(value: Any) -> Iterator[dict[str, Any]]:
    """All well-formed blob objects in a record, at any depth."""
    if isinstance(value, dict):
        if value.get("$type") == "blob":
            ref = value.get("ref")
            if isinstance(ref, dict) and isinstance(ref.get("$link"), str):
                yield value
        else:
            for held in value.values():
                yield from blobs_in(held)
    elif isinstance(value, list):
        for held in value:
            yield from blobs_in(held)
