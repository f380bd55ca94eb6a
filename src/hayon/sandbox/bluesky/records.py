"""Records of the simulated PDS: put, create, get, list, delete, with the swap rules of the reference server.

Source: atproto packages/pds/src/api/com/atproto/repo/*.ts and packages/pds/src/repo/prepare.ts.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from hayon.sandbox.bluesky.content import is_cid, record_cid
from hayon.sandbox.bluesky.facets import problems
from hayon.sandbox.bluesky.lexicon import LexiconError, Lexicons, check, is_nsid, is_record_key, is_tid
from hayon.sandbox.bluesky.lexicons import RECORDS_BY_TID, lexicons
from hayon.sandbox.bluesky.limits import PdsLimits
from hayon.sandbox.bluesky.pds import blobs_in, pds_of
from hayon.sandbox.bluesky.wire import (
    active_caller,
    charge,
    invalid,
    json_input,
    params,
    text_input,
    xrpc_error,
)
from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.model import Account, Record

ABSENT = object()
MOST_NESTED = 128
"""Deeper than any record of any lexicon, and well within what this process can walk through."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write that passed the schema: where it goes and what it is."""

    account: Account
    record: Record
    validation: str | None
    swap_commit: str | None
    swap_record: Any


async def put_record(call: Call) -> Answer:
    """com.atproto.repo.putRecord: identical is a no-op, then swapRecord decides, without it anything is overwritten."""
    write = _prepared(call, ("repo", "collection", "rkey", "record"), points=2)
    pds, record = pds_of(call.world), write.record
    current = pds.find_record(record.did, record.collection, record.rkey)
    if current and current.cid == record.cid:
        call.world.happen(_ledger(call, write, "putRecord", repeat=True))
        return Answer(_written(write))
    _check_swap(call, write, current)
    _check_blobs(call, record)
    call.world.happen(*pds.write(record), _ledger(call, write, "putRecord", overwrote=current is not None))
    return Answer(_written(write, pds.commits[record.did]))


async def create_record(call: Call) -> Answer:
    """com.atproto.repo.createRecord: a key that is taken is an internal error, whatever its record says."""
    write = _prepared(call, ("repo", "collection", "record"), points=3)
    pds, record = pds_of(call.world), write.record
    _check_swap(call, write, None)
    if pds.find_record(record.did, record.collection, record.rkey):
        raise xrpc_error(500, "InternalServerError", "Internal Server Error")
    _check_blobs(call, record)
    call.world.happen(*pds.write(record), _ledger(call, write, "createRecord"))
    return Answer(_written(write, pds.commits[record.did]))


async def delete_record(call: Call) -> Answer:
    """com.atproto.repo.deleteRecord: what is not there is deleted already."""
    account = active_caller(call)
    given = json_input(call, ("repo", "collection", "rkey"))
    text_input(given, "repo", "collection", "rkey", "swapRecord")
    _charge_write(call, account, 1)
    did = _own_repo(call, account, given["repo"])
    pds = pds_of(call.world)
    current = pds.find_record(did, given["collection"], given["rkey"])
    swap = given.get("swapRecord")
    if swap and (current is None or current.cid != swap):
        raise invalid(f"Record was at {current.cid if current else 'null'}", "InvalidSwap")
    uri = f"at://{did}/{given['collection']}/{given['rkey']}"
    entry = call.world.entry(
        account,
        "deleteRecord",
        uri,
        call.request_id,
        key=given["rkey"],
        collection=given["collection"],
        repeat=current is None,
    )
    if current is None:
        call.world.happen(entry)
        return Answer({})
    call.world.happen(*pds.remove(current), entry)
    cid, rev = pds.commits[did]
    return Answer({"commit": {"cid": cid, "rev": rev}})


async def get_record(call: Call) -> Answer:
    """com.atproto.repo.getRecord: no credential needed, strongly consistent."""
    charge(call)
    asked = params(call, ("repo", "collection", "rkey"))
    account = pds_of(call.world).find_repo(asked["repo"])
    found = pds_of(call.world).find_record(account.account_id, asked["collection"], asked["rkey"]) if account else None
    if found is None or asked.get("cid", found.cid) != found.cid:
        uri = f"at://{asked['repo']}/{asked['collection']}/{asked['rkey']}"
        raise invalid(f"Could not locate record: {uri}", "RecordNotFound")
    return Answer(_shown(found))


async def list_records(call: Call) -> Answer:
    """com.atproto.repo.listRecords: by record key, newest first unless `reverse`."""
    charge(call)
    asked = params(call, ("repo", "collection"))
    account = pds_of(call.world).find_repo(asked["repo"])
    if account is None:
        raise invalid(f"Could not find repo: {asked['repo']}")
    limit = asked.get("limit", "50")
    if not limit.isdigit() or not 1 <= int(limit) <= 100:
        raise invalid("Error: limit must be an integer from 1 to 100")
    records = pds_of(call.world).list_records(account.account_id, asked["collection"])
    reverse, cursor = asked.get("reverse") == "true", asked.get("cursor")
    if reverse:
        records.reverse()
    if cursor:
        records = [one for one in records if (one.rkey > cursor if reverse else one.rkey < cursor)]
    page = records[: int(limit)]
    body: dict[str, Any] = {"records": [_shown(record) for record in page]}
    if page:
        body["cursor"] = page[-1].rkey
    return Answer(body)


@cache
def known_lexicons(limits: PdsLimits) -> Lexicons:
    """The lexicons of a world, built once per set of limits."""
    return lexicons(limits)


def _prepared(call: Call, required: tuple[str, ...], points: int) -> Write:
    account = active_caller(call)
    given = json_input(call, required)
    text_input(given, "repo", "collection", "rkey", "swapCommit")
    _charge_write(call, account, points)
    did = _own_repo(call, account, given["repo"])
    collection, value = given["collection"], given["record"]
    if not is_nsid(collection):
        raise invalid("Input/collection must be a valid nsid")
    if not isinstance(value, dict):
        raise invalid("Input/record must be an object")
    rkey = given["rkey"] if "rkey" in given else pds_of(call.world).next_tid()
    if not is_record_key(rkey):
        raise invalid("Input/rkey must be a valid Record Key")
    value.setdefault("$type", collection)
    if _depth(value) > MOST_NESTED:
        raise invalid("Invalid record: nested too deeply")
    validation = _checked(call, collection, rkey, value, given.get("validate"))
    try:
        cid = record_cid(value)
    except ValueError as error:
        raise invalid(f"Invalid record: {error}") from None
    swap_record = given.get("swapRecord", ABSENT)
    if swap_record not in (ABSENT, None) and not (isinstance(swap_record, str) and is_cid(swap_record)):
        raise invalid("Input/swapRecord must be a cid string")
    record = Record(did, collection, rkey, cid, value, call.now)
    return Write(account, record, validation, given.get("swapCommit"), swap_record)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [held for one in level if isinstance(one, dict | list) for held in _held_by(one)]
    return depth


def _held_by(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _checked(call: Call, collection: str, rkey: str, value: dict[str, Any], validate: Any) -> str | None:
    if validate not in (None, True, False):
        raise invalid("Input/validate must be a boolean")
    known = known_lexicons(call.world.limits.of(PdsLimits))
    if value["$type"] != collection:
        raise invalid(f"Invalid $type: expected {collection}, got {value['$type']}")
    if validate is False:
        return None
    if collection not in known:
        if validate:
            raise invalid(f"Lexicon not found: lex:{collection}")
        return "unknown"
    if collection in RECORDS_BY_TID and not is_tid(rkey):
        raise invalid(f"Invalid record key for {collection}: {rkey} is not a TID")
    try:
        check(known, collection, value)
    except LexiconError as error:
        raise invalid(f"Invalid {collection} record: {error}") from None
    return "valid"


def _own_repo(call: Call, account: Account, repo: str) -> str:
    named = pds_of(call.world).find_repo(repo)
    if named is None:
        raise invalid(f"Could not find repo: {repo}")
    if named.account_id != account.account_id:
        raise xrpc_error(401, "AuthenticationRequired", "Authentication Required")
    return account.account_id


def _charge_write(call: Call, account: Account, points: int) -> None:
    did = account.account_id
    charge(call, ("bluesky.write.hour", did, points), ("bluesky.write.day", did, points))


def _check_swap(call: Call, write: Write, current: Record | None) -> None:
    if write.swap_record is not ABSENT:
        was = current.cid if current else None
        if write.swap_record != was:
            raise invalid(f"Record was at {was or 'null'}", "InvalidSwap")
    if write.swap_commit:
        head = pds_of(call.world).commits.get(write.account.account_id, ("null", ""))[0]
        if write.swap_commit != head:
            raise invalid(f"Commit was at {head}", "InvalidSwap")


def _check_blobs(call: Call, record: Record) -> None:
    for named in blobs_in(record.value):
        cid = named["ref"]["$link"]
        blob = pds_of(call.world).find_blob(record.did, cid)
        if blob is None:
            raise invalid(f"Could not find blob: {cid}", "BlobNotFound")
        mime_type, size = named.get("mimeType"), named.get("size")
        if mime_type != blob.mime_type:
            wording = f"Referenced Mimetype does not match stored blob. Expected: {blob.mime_type}, Got: {mime_type}"
            raise invalid(wording, "InvalidMimeType")
        if size != blob.size:
            wording = f"Referenced Size does not match stored blob. Expected: {blob.size}, Got: {size}"
            raise invalid(wording, "InvalidSize")


def _ledger(call: Call, write: Write, operation: str, **facts: Any) -> tuple[str, dict[str, Any]]:
    record = write.record
    text = record.value.get("text")
    text = text if isinstance(text, str) else ""
    return call.world.entry(
        write.account,
        operation,
        record.uri,
        call.request_id,
        key=record.rkey,
        text=text,
        collection=record.collection,
        media_ids=[blob["ref"]["$link"] for blob in blobs_in(record.value)],
        warnings=problems(text.encode("utf-8", "replace"), record.value.get("facets")),
        **facts,
    )


def _written(write: Write, commit: tuple[str, str] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"uri": write.record.uri, "cid": write.record.cid}
    if commit:
        body["commit"] = {"cid": commit[0], "rev": commit[1]}
    if write.validation:
        body["validationStatus"] = write.validation
    return body


def _shown(record: Record) -> dict[str, Any]:
    return {"uri": record.uri, "cid": record.cid, "value": record.value}
