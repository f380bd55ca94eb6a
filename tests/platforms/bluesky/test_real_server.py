"""The adapter against a real AT Protocol server: what it writes is read back, what it concludes is so."""

import asyncio
import io
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from PIL import Image

from hayon.domain.rules import check
from hayon.errors import Disconnected, Rejected, Unavailable, Unconfirmed
from hayon.media import fit_bytes
from hayon.outgoing import Outgoing
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.bluesky.limits import is_language
from hayon.platforms.contract import Absent, Connected, Found, Parcel
from tests.platforms.bluesky.scripted import picture, shown
from tests.platforms.parcels import NOW, Checkpoints, OneSend, Picture, make_account, make_parcel
from tests.servers.pds.server import PdsAccount, SharedPds

FAMILY = "👨\u200d👩\u200d👧\u200d👧"
BENGALI = "অ্যা"  # two graphemes
LATER = NOW + timedelta(minutes=1)


class Peer:
    """One account on the real server, connected, and what the tests do with it."""

    def __init__(self, pds: SharedPds, account: PdsAccount, outgoing: Outgoing) -> None:
        self.pds, self.account, self.outgoing = pds, account, outgoing
        self.adapter = Bluesky(pds.url, fit=fit_bytes, video_url=None)
        self.connected: Connected

    async def connect(self, app_password: str | None = None) -> Connected:
        given = {"identifier": self.account.handle, "appPassword": app_password or self.account.app_password}
        self.connected = await self.adapter.connect(given, self.outgoing)
        return self.connected

    def parcel(self, text: str, **options: Any) -> Parcel:
        account = make_account("bluesky", self.connected.host, self.connected.remote_id, facts=self.connected.facts)
        return make_parcel(account, self.connected.credential, text, **options)

    async def prepare(self, parcel: Parcel) -> tuple[dict[str, Any], Checkpoints]:
        save = Checkpoints()
        return dict(await self.adapter.prepare(parcel, save, self.outgoing)), save

    async def publish(self, parcel: Parcel, handles: dict[str, Any]) -> Any:
        return await self.adapter.publish(parcel, handles, OneSend(self.outgoing))

    async def call(self, nsid: str, **parameters: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.pds.call, f"{nsid}?{urlencode(parameters)}")

    async def read(self, handles: dict[str, Any]) -> dict[str, Any]:
        where = {"repo": handles["repo"], "collection": "app.bsky.feed.post", "rkey": handles["rkey"]}
        return await self.call("com.atproto.repo.getRecord", **where)

    async def revision(self) -> str:
        return str((await self.call("com.atproto.sync.getLatestCommit", did=self.account.did))["rev"])


@pytest.fixture
async def peer(pds: SharedPds, pds_account: PdsAccount, outgoing: Outgoing) -> Peer:
    one = Peer(pds, pds_account, outgoing)
    await one.connect()
    return one


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A web site of one page with a picture."""

    async def page(_: web.Request) -> web.Response:
        head = "<title>One</title><meta property='og:description' content='Two'><meta property='og:image' content='/p'>"
        return web.Response(text=f"<html><head>{head}</head></html>", content_type="text/html")

    async def drawn(_: web.Request) -> web.Response:
        return web.Response(body=picture("blue"), content_type="image/png")

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/p", drawn)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_connecting_tells_who_it_is_and_keeps_only_the_session(peer: Peer) -> None:
    connected = peer.connected
    assert (connected.remote_id, connected.handle) == (peer.account.did, peer.account.handle)
    assert connected.host == peer.pds.url
    assert connected.credential.keys() == {"accessJwt", "refreshJwt"}
    assert not peer.adapter.expires_soon(connected.credential, NOW.replace(year=2000))
    assert peer.adapter.expires_soon(connected.credential, NOW.replace(year=2090))
    account = make_account("bluesky", connected.host, connected.remote_id)
    checked = await peer.adapter.check(account, connected.credential, peer.outgoing)
    assert checked == connected


async def test_a_wrong_app_password_is_refused(peer: Peer) -> None:
    with pytest.raises(Disconnected):
        await peer.connect("abcd-efgh-ijkl-mnop")


async def test_a_main_password_is_refused_even_where_it_looks_like_an_app_password(peer: Peer) -> None:
    name, password = f"m{secrets.token_hex(6)}", "-".join(secrets.token_hex(2) for _ in range(4))
    made = await asyncio.to_thread(
        peer.pds.call, "com.atproto.server.createAccount",
        {"handle": f"{name}.test", "email": f"{name}@example.test", "password": password},
    )  # fmt: skip
    given = {"identifier": made["handle"], "appPassword": password}
    with pytest.raises(Disconnected) as caught:
        await peer.adapter.connect(given, peer.outgoing)
    assert (caught.value.code, password in caught.value.message) == ("main_password", False)
    for privileged in (False, True):
        kind = {"name": f"tests {privileged}", "privileged": privileged}
        app = await asyncio.to_thread(
            peer.pds.call, "com.atproto.server.createAppPassword", kind, token=made["accessJwt"]
        )
        connected = await peer.adapter.connect(given | {"appPassword": app["password"]}, peer.outgoing)
        assert connected.remote_id == made["did"]


async def test_a_session_is_given_back_and_cannot_be_renewed_then(peer: Peer) -> None:
    account = make_account("bluesky", peer.connected.host, peer.connected.remote_id)
    for _ in range(2):
        assert await peer.adapter.revoke(account, peer.connected.credential, peer.outgoing) is True
    with pytest.raises(Disconnected) as caught:
        await peer.adapter.refresh(account, peer.connected.credential, peer.outgoing)
    assert caught.value.health == "revoked"
    await peer.connect()  # the app password stays good


async def test_a_session_that_nobody_uses_is_renewed_half_way_through_its_90_days(peer: Peer) -> None:
    renew_at = peer.adapter.renew_at(peer.connected.credential)
    assert renew_at is not None
    assert abs(renew_at - datetime.now(UTC) - timedelta(days=45)) < timedelta(minutes=10)


async def test_a_whole_post_is_read_back_as_it_was_meant(peer: Peer) -> None:
    other = peer.pds.accounts[0]
    text = f"{FAMILY} see https://example.com/a(b) with @{other.handle} and @nobody.test #Caféau{chr(0x1F98B)} é"
    pictures = [
        shown("red", 40, 30, "a red one"),
        shown("green", 30, 40, "ein grünes"),
    ]
    options = {"languages": ["en", "pt-BR"], "labels": ["graphic-media"], "tags": ["#art", "Ünïcode"]}
    parcel = peer.parcel(text, pictures=pictures, options=options)
    handles, _ = await peer.prepare(parcel)
    receipt = await peer.publish(parcel, handles)

    record = (await peer.read(handles))["value"]
    assert record == handles["record"]
    encoded = record["text"].encode()
    found = [
        (encoded[facet["index"]["byteStart"] : facet["index"]["byteEnd"]].decode(), facet["features"][0])
        for facet in record["facets"]
    ]
    kind = "app.bsky.richtext.facet#"
    assert found == [
        ("https://example.com/a(b)", {"$type": f"{kind}link", "uri": "https://example.com/a(b)"}),
        (f"@{other.handle}", {"$type": f"{kind}mention", "did": other.did}),
        ("#Caféau🦋", {"$type": f"{kind}tag", "tag": "Caféau🦋"}),
    ]
    embedded = record["embed"]["images"]
    assert [one["alt"] for one in embedded] == ["a red one", "ein grünes"]
    assert [one["aspectRatio"] for one in embedded] == [{"width": 40, "height": 30}, {"width": 30, "height": 40}]
    assert (record["langs"], record["tags"]) == (["en", "pt-BR"], ["art", "Ünïcode"])
    assert record["labels"]["values"] == [{"val": "graphic-media"}]
    assert record["createdAt"] == "2026-11-03T12:30:15.250Z"
    assert receipt.remote_id == f"at://{peer.account.did}/app.bsky.feed.post/{handles['rkey']}"
    assert receipt.url == f"{peer.pds.url}/profile/{peer.account.did}/post/{handles['rkey']}"
    assert receipt.published_at == NOW


async def test_a_repeat_changes_nothing_and_reconcile_finds_the_one_post(peer: Peer) -> None:
    parcel = peer.parcel("once", pictures=[shown()])
    handles, save = await peer.prepare(parcel)
    assert isinstance(await peer.adapter.reconcile(parcel, handles, peer.outgoing), Absent)
    receipt = await peer.publish(parcel, handles)
    cid, revision = (await peer.read(handles))["cid"], await peer.revision()

    later = replace(parcel, checkpoint=save.last, now=LATER + timedelta(hours=1), first_sent_at=LATER)
    again, _ = await peer.prepare(later)  # uploads the picture once more
    assert again == handles
    assert await peer.publish(later, again) == receipt
    assert (await peer.read(handles))["cid"] == cid
    assert await peer.revision() == revision
    assert await peer.adapter.reconcile(later, handles, peer.outgoing) == Found(receipt, exact=True)


async def test_a_key_that_is_taken_is_never_overwritten(peer: Peer) -> None:
    parcel = peer.parcel("first")
    handles, _ = await peer.prepare(parcel)
    await peer.publish(parcel, handles)
    other = handles | {"record": handles["record"] | {"text": "second"}}
    with pytest.raises(Unconfirmed) as caught:
        await peer.publish(parcel, other)
    assert (caught.value.code, caught.value.proves_absence) == ("InvalidSwap", False)
    assert (await peer.read(handles))["value"]["text"] == "first"


@pytest.mark.parametrize("text", ["a" * 301, FAMILY * 121, BENGALI * 150 + "!"])
async def test_what_is_too_long_is_refused_with_proof(peer: Peer, text: str) -> None:
    parcel = peer.parcel(text)
    assert check(parcel.content, [], peer.adapter.rules(peer.connected.facts))
    handles, _ = await peer.prepare(parcel)
    with pytest.raises(Rejected) as caught:
        await peer.publish(parcel, handles)
    assert caught.value.proves_absence
    assert "too long" in caught.value.message
    assert isinstance(await peer.adapter.reconcile(parcel, handles, peer.outgoing), Absent)


@pytest.mark.parametrize("text", ["a" * 300, FAMILY * 120, "नमस्ते" * 50, "नमस्ते" * 100, BENGALI * 150])
async def test_what_fits_by_our_count_fits_by_theirs(peer: Peer, text: str) -> None:
    parcel = peer.parcel(text)
    assert check(parcel.content, [], peer.adapter.rules(peer.connected.facts)) == []
    handles, _ = await peer.prepare(parcel)
    await peer.publish(parcel, handles)
    assert (await peer.read(handles))["value"]["text"] == text


async def test_facets_never_make_the_server_refuse_a_post(peer: Peer) -> None:
    text = (
        "httpbin.org/get https:///nowhere https://. https://a.com/(@b.test http://\x85 #\ufe0fno ##yes ＃wide "
        "@.com @-.test $AAPL https://a.com/\u200b\x1f #a\u0301 https://[::1]/ https://a_b.c/%zz\n@nobody.test"
    )
    parcel = peer.parcel(text, options={"linkCard": False})
    handles, _ = await peer.prepare(parcel)
    await peer.publish(parcel, handles)
    assert (await peer.read(handles))["value"] == handles["record"]
    assert len(handles["record"]["facets"]) >= 6


async def test_a_picture_the_server_has_lost_is_uploaded_again_at_the_next_try(peer: Peer) -> None:
    parcel = peer.parcel("late", pictures=[shown("navy")])
    handles, save = await peer.prepare(parcel)
    lost = handles["record"]["embed"]["images"][0]["image"]
    lost["ref"]["$link"] = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"  # never uploaded
    with pytest.raises(Unavailable) as caught:
        await peer.publish(parcel, handles)
    assert (caught.value.code, caught.value.proves_absence) == ("BlobNotFound", True)
    later = replace(parcel, checkpoint=save.last, now=LATER, first_sent_at=NOW + timedelta(seconds=1))
    again, _ = await peer.prepare(later)
    await peer.publish(later, again)
    assert (await peer.read(again))["value"]["embed"]["images"][0]["image"]["size"] == len(picture("navy"))


@pytest.mark.parametrize("count", [5, 10])
async def test_more_than_four_pictures_make_a_gallery_where_the_server_says_it_knows_them(
    peer: Peer, count: int
) -> None:
    health = await peer.call("_health")
    knows = tuple(map(int, health["version"].split("."))) >= (0, 5, 2)
    assert peer.adapter.rules(peer.connected.facts).images.limit == (10 if knows else 4)
    parcel = peer.parcel(
        "many", pictures=[shown(width=20 + number, alt_text=f"words {number}") for number in range(count)]
    )
    handles, _ = await peer.prepare(parcel)
    await peer.publish(parcel, handles)
    embed = (await peer.read(handles))["value"]["embed"]
    assert embed["$type"] == "app.bsky.embed.gallery"
    assert [item["aspectRatio"]["width"] for item in embed["items"]] == list(range(20, 20 + count))
    assert [item["alt"] for item in embed["items"]] == [f"words {number}" for number in range(count)]


async def test_a_picture_too_large_for_the_server_is_made_to_fit(peer: Peer) -> None:
    noise = Image.effect_noise((1400, 1400), 90).convert("RGB")
    noise.save(kept := io.BytesIO(), "PNG")
    assert len(kept.getvalue()) > 2_000_000
    parcel = peer.parcel("noise", pictures=[Picture(kept.getvalue())])
    handles, _ = await peer.prepare(parcel)
    await peer.publish(parcel, handles)
    embedded = (await peer.read(handles))["value"]["embed"]["images"][0]
    assert embedded["image"]["size"] <= 1_000_000
    assert embedded["image"]["mimeType"] == "image/jpeg"
    assert embedded["aspectRatio"]["width"] == embedded["aspectRatio"]["height"]


async def test_the_first_link_is_shown_as_a_card(peer: Peer, site: str) -> None:
    parcel = peer.parcel(f"look: {site}/")
    handles, _ = await peer.prepare(parcel)
    await peer.publish(parcel, handles)
    embed = (await peer.read(handles))["value"]["embed"]
    thumb = embed["external"].pop("thumb")
    assert embed["external"] == {"uri": f"{site}/", "title": "One", "description": "Two"}
    assert thumb["size"] == len(picture("blue"))


async def test_a_renewed_session_publishes_and_a_lost_renewal_costs_nothing(peer: Peer) -> None:
    account = make_account("bluesky", peer.connected.host, peer.connected.remote_id)
    first = await peer.adapter.refresh(account, peer.connected.credential, peer.outgoing)
    assert first != peer.connected.credential
    again = await peer.adapter.refresh(account, peer.connected.credential, peer.outgoing)
    parcel = replace(peer.parcel("renewed"), credential=again)
    handles, _ = await peer.prepare(parcel)
    await peer.publish(parcel, handles)


async def test_a_revoked_app_password_shows_when_the_session_is_renewed(peer: Peer) -> None:
    main = {"identifier": peer.account.handle, "password": peer.account.password}
    session = await asyncio.to_thread(peer.pds.call, "com.atproto.server.createSession", main)
    await asyncio.to_thread(
        peer.pds.call,
        "com.atproto.server.revokeAppPassword",
        {"name": "tests"},
        token=session["accessJwt"],
    )
    account = make_account("bluesky", peer.connected.host, peer.connected.remote_id)
    with pytest.raises(Disconnected) as caught:
        await peer.adapter.refresh(account, peer.connected.credential, peer.outgoing)
    assert caught.value.health == "revoked"


async def test_a_token_that_is_none_proves_that_nothing_was_published(peer: Peer) -> None:
    parcel = replace(peer.parcel("never"), credential={"accessJwt": "garbage", "refreshJwt": "garbage"})
    handles, _ = await peer.prepare(parcel)
    with pytest.raises(Disconnected) as caught:
        await peer.publish(parcel, handles)
    assert caught.value.proves_absence
    assert isinstance(await peer.adapter.reconcile(parcel, handles, peer.outgoing), Absent)


async def test_a_deactivated_account_publishes_nothing(peer: Peer) -> None:
    main = {"identifier": peer.account.handle, "password": peer.account.password}
    session = await asyncio.to_thread(peer.pds.call, "com.atproto.server.createSession", main)
    await asyncio.to_thread(peer.pds.call, "com.atproto.server.deactivateAccount", {}, token=session["accessJwt"])
    parcel = peer.parcel("asleep")
    handles, _ = await peer.prepare(parcel)
    with pytest.raises(Disconnected) as caught:
        await peer.publish(parcel, handles)
    assert (caught.value.code, caught.value.health) == ("AccountDeactivated", "error")
    assert caught.value.proves_absence
    with pytest.raises(Disconnected) as refused:
        await peer.connect()
    assert "deactivated" in refused.value.message


async def test_a_post_is_where_it_should_be_and_can_be_deleted(peer: Peer) -> None:
    parcel = peer.parcel("not for long", pictures=[shown()])
    handles, _ = await peer.prepare(parcel)
    receipt = await peer.publish(parcel, handles)
    account, credential = parcel.account, parcel.credential
    assert await peer.adapter.locate(account, credential, receipt.remote_id, peer.outgoing) == receipt.url
    for _ in range(2):
        assert await peer.adapter.remove(account, credential, receipt.remote_id, peer.outgoing) is True
        assert isinstance(await peer.adapter.reconcile(parcel, handles, peer.outgoing), Absent)
    with pytest.raises(Disconnected):
        await peer.adapter.remove(account, {"accessJwt": "garbage"}, receipt.remote_id, peer.outgoing)


@pytest.mark.parametrize(
    "tag", ["en", "pt-BR", "zh-Hant-TW", "sl-rozaj-biske", "en-GB-boont-r-extended-sequence-x-private"]
)
async def test_a_language_that_we_take_is_one_for_the_server(peer: Peer, tag: str) -> None:
    parcel = peer.parcel("words", options={"languages": [tag]})
    handles, _ = await peer.prepare(parcel)
    await peer.publish(parcel, handles)
    assert (await peer.read(handles))["value"]["langs"] == [tag]


@pytest.mark.parametrize("tag", ["de-DE-1901-1901", "en-a-foo-a-bar"])
async def test_a_language_the_server_refuses_is_none_for_us_either(peer: Peer, tag: str) -> None:
    assert not is_language(tag)
    parcel = peer.parcel("words", options={"languages": [tag]})
    handles, _ = await peer.prepare(parcel)
    with pytest.raises(Rejected):
        await peer.publish(parcel, handles)
