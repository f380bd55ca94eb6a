"""The adapter against the simulated server, for the mishaps a real one does not play on request."""

import json
import urllib.request
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.errors import CredentialExpired, Disconnected, RateLimited, Unavailable, Unconfirmed
from hayon.media import fit_bytes
from hayon.outgoing import Outgoing
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.contract import Absent, Found, Parcel
from tests.platforms.bluesky.scripted import filmed, shown
from tests.platforms.parcels import NOW, Checkpoints, OneSend, make_account, make_parcel
from tests.servers.sandbox import Sandbox


class World:
    """The sandbox by its control API, and an adapter connected to an account of it."""

    def __init__(self, url: str, outgoing: Outgoing) -> None:
        self.url, self.outgoing = url, outgoing
        self.account = self.control("POST", "accounts", {"platform": "bluesky", "handle": "alice.test"})
        self.adapter = Bluesky(f"{url}/bluesky", fit=fit_bytes, video_url=None)
        self.credential: Any = None

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - always our own server
            f"{self.url}/control/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            return json.load(answer)

    def fault(self, kind: str, operation: str, **more: Any) -> None:
        self.control("POST", "faults", {"platform": "bluesky", "kind": kind, "operation": operation, **more})

    def posts(self) -> list[Any]:
        ledger = self.control("GET", "ledger?platform=bluesky")
        return [entry for entry in ledger["entries"] if entry["operation"] == "putRecord" and not entry.get("repeat")]

    async def connect(self) -> None:
        given = {"identifier": "alice.test", "appPassword": self.account["appPassword"]}
        connected = await self.adapter.connect(given, self.outgoing)
        assert connected.remote_id == self.account["id"]
        assert connected.host == f"{self.url}/bluesky"
        self.credential = connected.credential

    def parcel(self, text: str = "hello", **options: Any) -> Parcel:
        account = make_account("bluesky", f"{self.url}/bluesky", self.account["id"])
        return make_parcel(account, self.credential, text, **options)

    async def prepare(self, parcel: Parcel) -> tuple[dict[str, Any], Checkpoints]:
        save = Checkpoints()
        return dict(await self.adapter.prepare(parcel, save, self.outgoing)), save

    async def publish(self, parcel: Parcel, handles: dict[str, Any]) -> Any:
        return await self.adapter.publish(parcel, handles, OneSend(self.outgoing))


@pytest.fixture
async def world(sandbox: Sandbox, outgoing: Outgoing) -> World:
    one = World(sandbox.url, outgoing)
    await one.connect()
    return one


async def test_a_whole_post(world: World) -> None:
    pictures = [shown("red", alt_text="red"), shown("blue", alt_text="blue")]
    parcel = world.parcel("hi @alice.test see https://example.com #tag 👨\u200d👩\u200d👧\u200d👧", pictures=pictures)
    handles, _ = await world.prepare(parcel)
    receipt = await world.publish(parcel, handles)
    assert [facet["features"][0]["$type"].split("#")[1] for facet in handles["record"]["facets"]] == [
        "mention",
        "link",
        "tag",
    ]
    assert len(world.posts()) == 1
    assert receipt.url == f"{world.url}/bluesky/profile/{world.account['id']}/post/{handles['rkey']}"
    assert await world.adapter.reconcile(parcel, handles, world.outgoing) == Found(receipt, exact=True)


@pytest.mark.parametrize("kind", ["accept_then_drop", "error_after_accept"])
async def test_a_post_whose_answer_was_lost_is_found_and_never_doubled(world: World, kind: str) -> None:
    parcel = world.parcel(pictures=[shown()])
    handles, save = await world.prepare(parcel)
    world.fault(kind, "putRecord")
    with pytest.raises(Unconfirmed) as caught:
        await world.publish(parcel, handles)
    assert not caught.value.proves_absence
    found = await world.adapter.reconcile(parcel, handles, world.outgoing)
    assert isinstance(found, Found)
    later = replace(parcel, checkpoint=save.last, now=NOW + timedelta(minutes=1), first_sent_at=NOW)
    again, _ = await world.prepare(later)
    assert await world.publish(later, again) == found.receipt
    assert len(world.posts()) == 1


async def test_a_post_that_never_arrived_is_absent_and_its_repeat_lands_once(world: World) -> None:
    parcel = world.parcel()
    handles, _ = await world.prepare(parcel)
    world.fault("drop_before", "putRecord")
    with pytest.raises(Unconfirmed):
        await world.publish(parcel, handles)
    assert isinstance(await world.adapter.reconcile(parcel, handles, world.outgoing), Absent)
    await world.publish(parcel, handles)
    assert len(world.posts()) == 1


async def test_a_rate_limit_says_until_when_and_that_nothing_happened(world: World) -> None:
    parcel = world.parcel()
    handles, _ = await world.prepare(parcel)
    world.fault("rate_limit", "putRecord", seconds=60)
    with pytest.raises(RateLimited) as caught:
        await world.publish(parcel, handles)
    assert caught.value.proves_absence
    assert caught.value.until is not None
    assert world.posts() == []


async def test_a_session_that_runs_out_is_renewed_and_the_same_record_lands(world: World) -> None:
    parcel = world.parcel()
    handles, save = await world.prepare(parcel)
    world.fault("expire_token", "putRecord")
    with pytest.raises(CredentialExpired) as caught:
        await world.publish(parcel, handles)
    assert caught.value.proves_absence
    fresh = await world.adapter.refresh(parcel.account, parcel.credential, world.outgoing)
    later = replace(parcel, credential=fresh, checkpoint=save.last, first_sent_at=NOW)
    again, _ = await world.prepare(later)
    assert again == handles
    await world.publish(later, again)
    assert len(world.posts()) == 1


async def test_a_revoked_connection_needs_its_owner(world: World) -> None:
    world.control("POST", "accounts/bluesky/alice.test/revoke")
    with pytest.raises(Disconnected) as caught:
        await world.adapter.refresh(world.parcel().account, world.credential, world.outgoing)
    assert caught.value.health == "revoked"


async def test_an_upload_cut_off_is_tried_again_and_the_rest_goes_on(world: World) -> None:
    pictures = [shown("red"), shown("blue")]
    parcel = world.parcel(pictures=pictures)
    world.fault("refuse", "uploadBlob", skip=1, status=502, body="<html>bad gateway</html>")
    save = Checkpoints()
    with pytest.raises(Exception, match="502"):
        await world.adapter.prepare(parcel, save, world.outgoing)
    handles, _ = await world.prepare(replace(parcel, checkpoint=save.last))
    await world.publish(parcel, handles)
    requests = world.control("GET", "requests?platform=bluesky&operation=uploadBlob")
    assert requests["count"] == 3


async def test_a_video_straight_to_the_server_is_shown(world: World) -> None:
    parcel = world.parcel("a film", pictures=[filmed("a red corner")])
    handles, _ = await world.prepare(parcel)
    receipt = await world.publish(parcel, handles)
    assert handles["record"]["embed"]["$type"] == "app.bsky.embed.video"
    assert handles["record"]["embed"]["video"]["size"] == len(filmed().content)
    assert await world.adapter.reconcile(parcel, handles, world.outgoing) == Found(receipt, exact=True)
    assert len(world.posts()) == 1


async def test_an_upload_of_a_video_cut_off_is_made_again_whole(world: World) -> None:
    parcel = world.parcel("a film", pictures=[filmed()])
    world.fault("accept_then_drop", "uploadBlob")
    save = Checkpoints()
    with pytest.raises(Unavailable):
        await world.adapter.prepare(parcel, save, world.outgoing)
    handles, _ = await world.prepare(replace(parcel, checkpoint=save.last))
    await world.publish(parcel, handles)
    assert handles["record"]["embed"]["video"]["size"] == len(filmed().content)


async def test_a_deleted_post_is_gone_and_deleting_it_again_is_no_error(world: World) -> None:
    parcel = world.parcel("not for long")
    handles, _ = await world.prepare(parcel)
    receipt = await world.publish(parcel, handles)
    for _ in range(2):
        assert await world.adapter.remove(parcel.account, world.credential, receipt.remote_id, world.outgoing) is True
    assert isinstance(await world.adapter.reconcile(parcel, handles, world.outgoing), Absent)
