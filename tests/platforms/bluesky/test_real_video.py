"""Videos against a real AT Protocol server: straight there, and through a video service that hands them on to it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from atproto_server.auth.jwt import verify_jwt_async
from atproto_server.exceptions import TokenInvalidAudienceError

from hayon.errors import NotYet, Rejected, Unavailable
from hayon.media import fit_bytes
from hayon.outgoing import Outgoing
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.contract import Found, Parcel
from tests.platforms.bluesky.scripted import filmed
from tests.platforms.parcels import Checkpoints, OneSend, Picture, make_account, make_parcel
from tests.servers.pds.server import PdsAccount, SharedPds


@dataclass
class VideoService:
    """Does what the network's does but for the encoding: takes a film and puts it on the account's server.

    The token it got is read as that server would read it: signed by the account's own key, for this server and this call.
    The film is then put there in a session of the account, since the server of the tests looks nobody up on an address
    without a name. A job is done when it is asked after for the second time.
    """

    pds: SharedPds
    account: PdsAccount
    url: str = ""
    came: list[tuple[int, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Which method each good token was for."""
    refused: str = ""
    jobs: dict[str, Any] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        """app.bsky.video.uploadVideo."""
        content = await request.read()
        assert request.content_length == len(content)
        self.came.append((len(content), request.headers["Content-Type"]))
        name = hashlib.sha256(content).hexdigest()[:12]
        known = {"jobId": name, "did": request.query["did"]}
        if "blob" in self.jobs.get(name, {}).get("then", {}):
            return web.json_response({**known, "state": "JOB_STATE_COMPLETED", "error": "already_exists"}, status=409)
        server = await asyncio.to_thread(self.pds.call, "com.atproto.server.describeServer")
        try:
            await self._verify(request, server["did"], "com.atproto.repo.uploadBlob")
        except TokenInvalidAudienceError:
            self.refused += "somebody else's token"
            failed = {**known, "state": "JOB_STATE_FAILED", "failureCode": "pds_upload_failure"}
            self.jobs[name] = {"first": failed, "then": failed}
        else:
            done = {**known, "state": "JOB_STATE_COMPLETED", "blob": await self._put(content)}
            self.jobs[name] = {"first": {**known, "state": "JOB_STATE_ENCODING"}, "then": done}
        return web.json_response({**known, "state": "JOB_STATE_CREATED"})

    async def limits(self, request: web.Request) -> web.Response:
        """app.bsky.video.getUploadLimits."""
        own = self.url.removeprefix("http://").replace(":", "%3A")
        await self._verify(request, f"did:web:{own}", "app.bsky.video.getUploadLimits")
        return web.json_response({"canUpload": True})

    async def _verify(self, request: web.Request, audience: str, method: str) -> None:
        async def key_of(did: str, _: bool) -> str:
            async with aiohttp.ClientSession() as session, session.get(f"{self.pds.plc_url}/{did}/data") as answer:
                return str((await answer.json())["verificationMethods"]["atproto"])

        kind, _, token = request.headers["Authorization"].partition(" ")
        claims = await verify_jwt_async(token, key_of, audience)
        assert (kind, claims.iss) == ("Bearer", self.account.did)
        assert claims.model_extra is not None
        assert claims.model_extra["lxm"] == method
        self.asked.append(method)

    async def _put(self, content: bytes) -> Any:
        session_token = await asyncio.to_thread(self.pds.log_in, self.account)
        headers = {"Authorization": f"Bearer {session_token}", "Content-Type": "video/mp4"}
        url = f"{self.pds.url}/xrpc/com.atproto.repo.uploadBlob"
        async with aiohttp.ClientSession() as session, session.post(url, data=content, headers=headers) as answer:
            assert answer.status == 200
            return (await answer.json())["blob"]

    async def tell(self, request: web.Request) -> web.Response:
        """app.bsky.video.getJobStatus."""
        job = self.jobs[request.query["jobId"]]
        status = job.pop("first") if "first" in job else job["then"]
        return web.json_response({"jobStatus": status})


@pytest.fixture
async def service(pds: SharedPds, pds_account: PdsAccount) -> AsyncIterator[VideoService]:
    one = VideoService(pds, pds_account)
    app = web.Application(client_max_size=10_000_000)
    app.add_routes(
        [
            web.post("/xrpc/app.bsky.video.uploadVideo", one.take),
            web.get("/xrpc/app.bsky.video.getJobStatus", one.tell),
            web.get("/xrpc/app.bsky.video.getUploadLimits", one.limits),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://localhost:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


async def connected(
    pds: SharedPds, account: PdsAccount, adapter: Bluesky, outgoing: Outgoing, *films: Picture
) -> Parcel:
    """A parcel of these videos for a fresh session of the account. The server looks at the clock, so now is now."""
    given = {"identifier": account.handle, "appPassword": account.app_password}
    known = await adapter.connect(given, outgoing)
    holder = make_account("bluesky", known.host, known.remote_id, facts=known.facts)
    return make_parcel(holder, known.credential, "a film", pictures=films, now=datetime.now(UTC))


async def read(pds: SharedPds, handles: Mapping[str, Any], outgoing: Outgoing) -> dict[str, Any]:
    """The record as the server gives it to anybody."""
    where = f"repo={handles['repo']}&collection=app.bsky.feed.post&rkey={handles['rkey']}"
    async with aiohttp.ClientSession() as session, session.get(
        f"{pds.url}/xrpc/com.atproto.repo.getRecord?{where}"
    ) as answer:  # fmt: skip
        assert answer.status == 200
        return dict((await answer.json())["value"])


async def stored(pds: SharedPds, did: str, embed: Mapping[str, Any]) -> bytes:
    """The film as the server gives it to anybody."""
    where = f"did={did}&cid={embed['video']['ref']['$link']}"
    async with aiohttp.ClientSession() as session, session.get(
        f"{pds.url}/xrpc/com.atproto.sync.getBlob?{where}"
    ) as answer:  # fmt: skip
        assert (answer.status, answer.content_type) == (200, "video/mp4")
        return await answer.read()


async def test_a_film_goes_straight_to_the_server_and_reads_back(
    pds: SharedPds, pds_account: PdsAccount, outgoing: Outgoing
) -> None:
    adapter, film = Bluesky(pds.url, fit=fit_bytes, video_url=None), filmed("a red corner")
    parcel = await connected(pds, pds_account, adapter, outgoing, film)
    save = Checkpoints()
    handles = await adapter.prepare(parcel, save, outgoing)
    receipt = await adapter.publish(parcel, handles, OneSend(outgoing))
    record = await read(pds, handles, outgoing)
    embed = record["embed"]
    assert record == handles["record"]
    assert (embed["$type"], embed["alt"]) == ("app.bsky.embed.video", "a red corner")
    assert embed["aspectRatio"] == {"width": 160, "height": 96}
    assert (embed["video"]["mimeType"], embed["video"]["size"]) == ("video/mp4", len(film.content))
    assert await stored(pds, pds_account.did, embed) == film.content
    # an hour later the film is handed over once more, and it is the same film in the same record
    later = replace(parcel, checkpoint=save.last, now=parcel.now + timedelta(hours=1))
    assert await adapter.prepare(later, save, outgoing) == handles
    assert await adapter.publish(later, handles, OneSend(outgoing)) == receipt
    assert await adapter.reconcile(later, handles, outgoing) == Found(receipt, exact=True)


async def test_the_servers_own_limit_of_a_film_is_in_the_rules(
    pds: SharedPds, pds_account: PdsAccount, outgoing: Outgoing
) -> None:
    adapter = Bluesky(pds.url, fit=fit_bytes, video_url=None)
    told = pds.call("com.atproto.server.describeServer")
    facts = (await connected(pds, pds_account, adapter, outgoing)).account.facts
    assert facts["serverDid"] == told["did"]
    videos = adapter.rules(facts).videos
    assert videos is not None
    assert videos.bytes_limit == min(facts.get("blobUploadLimit", 300_000_000), 300_000_000)


async def test_a_film_that_the_server_does_not_take_as_one_is_refused_with_proof(
    pds: SharedPds, pds_account: PdsAccount, outgoing: Outgoing
) -> None:
    adapter = Bluesky(pds.url, fit=fit_bytes, video_url=None)
    lie = replace(filmed(form="webm"), mime="video/mp4")
    parcel = await connected(pds, pds_account, adapter, outgoing, lie)
    handles = await adapter.prepare(parcel, Checkpoints(), outgoing)
    with pytest.raises(Rejected) as caught:
        await adapter.publish(parcel, handles, OneSend(outgoing))
    assert caught.value.proves_absence


async def test_a_film_goes_through_the_video_service_with_a_token_the_server_accepts(
    pds: SharedPds, pds_account: PdsAccount, outgoing: Outgoing, service: VideoService
) -> None:
    adapter, film = Bluesky(pds.url, fit=fit_bytes, video_url=service.url), filmed("a red corner")
    parcel = await connected(pds, pds_account, adapter, outgoing, film)
    save = Checkpoints()
    with pytest.raises(NotYet):
        await adapter.prepare(parcel, save, outgoing)
    assert service.asked == ["app.bsky.video.getUploadLimits", "com.atproto.repo.uploadBlob"]
    handles = await adapter.prepare(replace(parcel, checkpoint=save.last), save, outgoing)
    assert service.came == [(len(film.content), "video/mp4")]
    await adapter.publish(parcel, handles, OneSend(outgoing))
    record = await read(pds, handles, outgoing)
    assert record == handles["record"]
    assert await stored(pds, pds_account.did, record["embed"]) == film.content

    # somebody else's post of the same film by the same account: known already, and published too
    second, again = replace(parcel, idempotency_key="another"), Checkpoints()
    others = await adapter.prepare(second, again, outgoing)
    assert len(service.came) == 2
    assert others["record"]["embed"] == record["embed"]
    await adapter.publish(second, others, OneSend(outgoing))
    assert (await read(pds, others, outgoing))["embed"] == record["embed"]


async def test_a_token_for_another_server_would_not_do(
    pds: SharedPds, pds_account: PdsAccount, outgoing: Outgoing, service: VideoService
) -> None:
    """So it does matter whom the token names: taken as our own word, the server's name is checked by the server."""
    adapter = Bluesky(pds.url, fit=fit_bytes, video_url=service.url)
    parcel = await connected(pds, pds_account, adapter, outgoing, filmed())
    facts = {**parcel.account.facts, "serverDid": "did:web:elsewhere.example"}
    with pytest.raises(Unavailable, match="video service"):
        await adapter.prepare(replace(parcel, account=replace(parcel.account, facts=facts)), Checkpoints(), outgoing)
    assert service.refused == "somebody else's token"
