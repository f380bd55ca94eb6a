"""Every XRPC method the simulated PDS answers, the few that need no room of their own, and where they are reached."""

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from hayon.sandbox.bluesky.content import blob_cid
from hayon.sandbox.bluesky.limits import PdsLimits
from hayon.sandbox.bluesky.pds import is_handle, pds_of
from hayon.sandbox.bluesky.records import create_record, delete_record, get_record, list_records, put_record
from hayon.sandbox.bluesky.sessions import (
    create_session,
    delete_session,
    describe_server,
    get_session,
    refresh_session,
)
from hayon.sandbox.bluesky.wire import PdsManners, active_caller, charge, invalid, params
from hayon.sandbox.gate import Answer, Call, Door, Endpoint, Gate
from hayon.sandbox.ground import Ground
from hayon.sandbox.moments import iso
from hayon.sandbox.portraits import portrait_url
from hayon.sandbox.sniffing import sniff


async def resolve_handle(call: Call) -> Answer:
    """com.atproto.identity.resolveHandle."""
    charge(call)
    handle = params(call, ("handle",))["handle"]
    if not is_handle(handle):
        raise invalid("Error: handle must be a valid handle")
    account = pds_of(call.world).find_repo(handle)
    if account is None:
        raise invalid("Unable to resolve handle")
    return Answer({"did": account.account_id})


async def get_profile(call: Call) -> Answer:
    """app.bsky.actor.getProfile, as an AppView behind the PDS would answer it."""
    active_caller(call)
    charge(call)
    account = pds_of(call.world).find_repo(params(call, ("actor",))["actor"])
    if account is None:
        raise invalid("Profile not found")
    made = iso(account.created_at)
    return Answer(
        {
            "did": account.account_id,
            "handle": account.handle,
            "displayName": account.display_name,
            "avatar": portrait_url(call.base_url, account),
            "followersCount": 0,
            "followsCount": 0,
            "postsCount": len(pds_of(call.world).list_records(account.account_id, "app.bsky.feed.post")),
            "labels": [],
            "createdAt": made,
            "indexedAt": made,
        }
    )


async def upload_blob(call: Call) -> Answer:
    """com.atproto.repo.uploadBlob: the type is read from the bytes, the declared one counts only for unknown bytes."""
    account = active_caller(call)
    declared = call.request.headers.get("content-type", "").split(";")[0].strip().lower()
    if not declared:
        raise invalid("Request encoding (Content-Type) required but not provided")
    if not call.body:
        raise invalid("A request body is expected but none was provided")
    charge(call, ("bluesky.upload", call.client_address, 1))
    digest = call.world.files.digest(call.body)
    cid = blob_cid(bytes.fromhex(digest))
    known = pds_of(call.world).find_blob(account.account_id, cid)
    if known is None or not known.refs:
        facts = {
            "did": account.account_id,
            "cid": cid,
            "mime_type": sniff(call.body) or declared,
            "size": len(call.body),
            "digest": call.world.files.put(call.body, digest),
            "uploaded_at": call.now,
        }
        call.world.happen(("blob", facts))
    blob = pds_of(call.world).blobs[account.account_id, cid]
    return Answer({"blob": {"$type": "blob", "ref": {"$link": cid}, "mimeType": blob.mime_type, "size": blob.size}})


def routes(world: Ground) -> list[BaseRoute]:
    """The PDS under `/bluesky/xrpc/`."""
    gate, limits = Gate(world, PdsManners()), world.limits.of(PdsLimits)
    queries = (
        ("com.atproto.server.getSession", get_session),
        ("com.atproto.server.describeServer", describe_server),
        ("com.atproto.identity.resolveHandle", resolve_handle),
        ("app.bsky.actor.getProfile", get_profile),
        ("com.atproto.repo.getRecord", get_record),
        ("com.atproto.repo.listRecords", list_records),
    )
    procedures = (
        ("com.atproto.server.createSession", create_session, limits.body_bytes),
        ("com.atproto.server.refreshSession", refresh_session, limits.body_bytes),
        ("com.atproto.server.deleteSession", delete_session, limits.body_bytes),
        ("com.atproto.repo.uploadBlob", upload_blob, limits.blob_bytes),
        ("com.atproto.repo.putRecord", put_record, limits.body_bytes),
        ("com.atproto.repo.createRecord", create_record, limits.body_bytes),
        ("com.atproto.repo.deleteRecord", delete_record, limits.body_bytes),
    )
    doors: dict[str, tuple[str, Door]] = {}
    for nsid, run in queries:
        doors[nsid] = ("GET", gate.door(Endpoint(nsid.rsplit(".", 1)[1], run)))
    for nsid, run, size in procedures:
        doors[nsid] = ("POST", gate.door(Endpoint(nsid.rsplit(".", 1)[1], run, body_bytes=size)))
    return [Route("/bluesky/xrpc/{nsid}", Xrpc(doors), name="xrpc")]


class Xrpc:
    """Finds the method by its name, and refuses unknown ones and wrong verbs as XRPC does."""

    def __init__(self, doors: dict[str, tuple[str, Door]]) -> None:
        self._doors = doors

    @property
    def doors(self) -> list[Door]:
        """All that it chooses from."""
        return [door for _, door in self._doors.values()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        verb, door = self._doors.get(scope["path_params"]["nsid"], ("", None))
        if door is None:
            body = {"error": "MethodNotImplemented", "message": "Method Not Implemented"}
            await JSONResponse(body, 501)(scope, receive, send)
        elif scope["method"] != verb:
            message = f"Incorrect HTTP method ({scope['method']}) expected {verb}"
            await JSONResponse({"error": "InvalidRequest", "message": message}, 400)(scope, receive, send)
        else:
            await door(scope, receive, send)
