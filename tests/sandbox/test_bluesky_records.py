"""Records of the simulated PDS: repeats, swaps, blobs, and everything the schema refuses."""

import hashlib
from collections.abc import Callable
from typing import Any

import libipld
import pytest
from tests.sandbox.conftest import POST, Bluesky, Http

from hayon.sandbox.bluesky.content import record_cid
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

RKEY = "3kabcdefgh222"
FACET = "app.bsky.richtext.facet"


def facet(start: int, end: int, kind: str = "tag", **feature: Any) -> dict[str, Any]:
    feature = feature or {"tag": "x"}
    return {"index": {"byteStart": start, "byteEnd": end}, "features": [{"$type": f"{FACET}#{kind}", **feature}]}


async def test_the_same_put_again_is_a_no_op(bluesky: Bluesky, world: World) -> None:
    first = await bluesky.put("Once", rkey=RKEY)
    again = await bluesky.put("Once", rkey=RKEY)
    assert first.status == again.status == 200
    assert first.body["uri"] == again.body["uri"] == f"at://{bluesky.account.account_id}/{POST}/{RKEY}"
    assert first.body["cid"] == again.body["cid"]
    assert "commit" in first.body
    assert "commit" not in again.body
    assert [entry.repeat for entry in world.ledger] == [False, True]
    assert world.copies("bluesky") == {"Once": 1}


async def test_another_record_under_the_key_is_an_invalid_swap(bluesky: Bluesky, world: World) -> None:
    first = await bluesky.put("First", rkey=RKEY)
    other = await bluesky.put("Other", rkey=RKEY)
    assert (other.status, other.error) == (400, "InvalidSwap")
    assert other.message == f"Record was at {first.body['cid']}"
    assert (await bluesky.get(RKEY)).body["value"]["text"] == "First"
    assert len(world.ledger) == 1


async def test_without_swap_record_the_post_is_overwritten(bluesky: Bluesky, world: World) -> None:
    await bluesky.put("First", rkey=RKEY)
    other = await bluesky.put("Other", rkey=RKEY, call={"swapRecord": ...})
    assert other.status == 200
    assert (await bluesky.get(RKEY)).body["value"]["text"] == "Other"
    assert [entry.overwrote for entry in world.ledger] == [False, True]


async def test_swap_record_by_cid(bluesky: Bluesky) -> None:
    first = await bluesky.put("First", rkey=RKEY)
    good = await bluesky.put("Second", rkey=RKEY, call={"swapRecord": first.body["cid"]})
    assert good.status == 200
    stale = await bluesky.put("Third", rkey=RKEY, call={"swapRecord": first.body["cid"]})
    assert stale.error == "InvalidSwap"
    absent = await bluesky.put("Fourth", call={"swapRecord": first.body["cid"]})
    assert absent.message == "Record was at null"
    assert (await bluesky.put("Fifth", rkey=RKEY, call={"swapRecord": "nonsense"})).error == "InvalidRequest"


async def test_swap_commit(bluesky: Bluesky) -> None:
    first = await bluesky.put("First")
    head = first.body["commit"]["cid"]
    second = await bluesky.put("Second", call={"swapCommit": head})
    assert second.status == 200
    assert (await bluesky.put("Third", call={"swapCommit": head})).error == "InvalidSwap"


async def test_create_makes_its_own_key_and_breaks_on_a_taken_one(bluesky: Bluesky) -> None:
    record = {"text": "Hello", "createdAt": "2026-03-01T12:00:00Z"}
    body = {"repo": "alice.test", "collection": POST, "record": record}
    made = await bluesky.call("com.atproto.repo.createRecord", body)
    assert made.status == 200
    rkey = made.body["uri"].rsplit("/", 1)[1]
    assert len(rkey) == 13
    taken = await bluesky.call("com.atproto.repo.createRecord", {**body, "rkey": rkey})
    assert (taken.status, taken.error, taken.message) == (500, "InternalServerError", "Internal Server Error")


async def test_get_list_and_delete(bluesky: Bluesky, world: World, http: Http) -> None:
    missing = await bluesky.get(RKEY)
    assert (missing.status, missing.error) == (400, "RecordNotFound")
    for rkey in ("3kabcdefgh222", "3kabcdefgh223", "3kabcdefgh224"):
        await bluesky.put(rkey, rkey=rkey)
    asked = {"repo": "alice.test", "collection": POST, "limit": "2"}
    page = await http("GET", "/bluesky/xrpc/com.atproto.repo.listRecords", params=asked)
    assert [one["value"]["text"] for one in page.body["records"]] == ["3kabcdefgh224", "3kabcdefgh223"]
    asked["cursor"] = page.body["cursor"]
    rest = await http("GET", "/bluesky/xrpc/com.atproto.repo.listRecords", params=asked)
    assert [one["value"]["text"] for one in rest.body["records"]] == ["3kabcdefgh222"]
    gone = {"repo": "alice.test", "collection": POST, "rkey": RKEY}
    assert "commit" in (await bluesky.call("com.atproto.repo.deleteRecord", gone)).body
    again = await bluesky.call("com.atproto.repo.deleteRecord", gone)
    assert (again.status, again.body) == (200, {})
    assert (await bluesky.get(RKEY)).error == "RecordNotFound"
    assert [entry.repeat for entry in world.ledger if entry.operation == "deleteRecord"] == [False, True]


async def test_writing_into_another_repository_is_refused(bluesky: Bluesky, world: World) -> None:
    world.add_account("bluesky", "bob.test")
    reply = await bluesky.put(call={"repo": "bob.test"})
    assert (reply.status, reply.error) == (401, "AuthenticationRequired")
    assert (await bluesky.put(call={"repo": "nobody.test"})).error == "InvalidRequest"
    assert world.ledger == []


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"text": "a" * 301}, "300 graphemes"),
        ({"text": "👨‍👩‍👧‍👦" * 121}, "3000"),
        ({"text": 7}, "must be a string"),
        ({"createdAt": "2026-03-01T12:00:00"}, "datetime"),
        ({"createdAt": "2026-03-01 12:00:00Z"}, "datetime"),
        ({"createdAt": "2026-13-01T12:00:00Z"}, "datetime"),
        ({"langs": ["en", "de", "fr", "it"]}, "more than 3"),
        ({"langs": ["not a language"]}, "BCP 47"),
        ({"tags": ["t"] * 9}, "more than 8"),
        ({"tags": ["t" * 65]}, "64 graphemes"),
        ({"facets": [facet(-1, 2)]}, "less than 0"),
        ({"facets": [{"index": {"byteStart": 0}, "features": []}]}, "byteEnd"),
        ({"facets": [facet(0, 2, "mention", did="")]}, "valid did"),
        ({"facets": [facet(0, 2, "link", uri="no uri")]}, "must be a uri"),
        ({"facets": [facet(0, 2, "tag", tag="t" * 65)]}, "64 graphemes"),
        ({"facets": [{"index": {"byteStart": 0, "byteEnd": 1}, "features": [{"tag": "x"}]}]}, "$type"),
        ({"embed": {"images": []}}, "$type"),
        ({"embed": {"$type": "app.bsky.embed.external", "external": {"uri": "https://x.test"}}}, "title"),
        ({"embed": {"$type": "app.bsky.embed.images", "images": [{"alt": "x", "image": "y"}]}}, "blob"),
        ({"labels": {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "x"}] * 11}}, "more than 10"),
        ({"reply": {"root": {"uri": "at://x", "cid": "y"}}}, "parent"),
        ({"$type": "app.bsky.feed.like"}, "Invalid $type"),
    ],
)
async def test_the_schema_refuses(bluesky: Bluesky, world: World, record: dict[str, Any], words: str) -> None:
    reply = await bluesky.put(**{"text": "Hello", **record})
    assert (reply.status, reply.error) == (400, "InvalidRequest")
    assert words in reply.message
    assert world.ledger == []


@pytest.mark.parametrize(
    "record",
    [
        {"text": "a" * 300},
        {"text": "👨‍👩‍👧‍👦" * 120},
        {"text": "नमस्ते" * 100},
        {"text": ""},
        {"createdAt": "2026-03-01T12:00:00.123456+02:00"},
        {"langs": ["en", "zh-Hant-TW", "de-CH-1996"]},
        {"facets": [facet(0, 5, "link", uri="https://example.com/x"), facet(2, 4, "mention", did="did:plc:abc")]},
        {"facets": [facet(100, 200)]},
        {"embed": {"$type": "com.example.unknown", "anything": [1]}},
        {"labels": {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "nudity"}]}},
    ],
)
async def test_the_schema_takes(bluesky: Bluesky, record: dict[str, Any]) -> None:
    reply = await bluesky.put(**{"text": "Hello", **record})
    assert (reply.status, reply.body.get("validationStatus")) == (200, "valid")


async def test_keys_collections_and_validation(bluesky: Bluesky) -> None:
    assert (await bluesky.put(rkey="not-a-tid")).error == "InvalidRequest"
    assert (await bluesky.put(rkey="zzzzzzzzzzzzz")).error == "InvalidRequest"
    assert (await bluesky.put(rkey="has space")).error == "InvalidRequest"
    assert (await bluesky.put(call={"collection": "nonsense"})).error == "InvalidRequest"
    other = {"collection": "com.example.thing", "record": {"a": 1}, "rkey": "self"}
    assert (await bluesky.put(call=other)).body["validationStatus"] == "unknown"
    assert "Lexicon not found" in (await bluesky.put(call={**other, "validate": True})).message
    loose = await bluesky.put("a" * 400, call={"validate": False})
    assert (loose.status, "validationStatus" in loose.body) == (200, False)
    assert (await bluesky.put(call={"record": {"text": 1.5, "createdAt": "x"}})).status == 400
    gate = {"post": f"at://{bluesky.account.account_id}/{POST}/{RKEY}", "createdAt": "2026-03-01T12:00:00Z"}
    written = await bluesky.put(call={"collection": "app.bsky.feed.threadgate", "rkey": RKEY, "record": gate})
    assert written.body["validationStatus"] == "valid"


async def test_bodies_that_are_no_json(bluesky: Bluesky) -> None:
    method = "com.atproto.repo.putRecord"
    assert (await bluesky.call(method, data=b"{")).error == "InvalidRequest"
    broken = await bluesky.http(
        "POST",
        f"/bluesky/xrpc/{method}",
        data=b"{",
        headers={"authorization": f"Bearer {bluesky.access}", "content-type": "application/json"},
    )
    assert (broken.status, broken.error) == (400, "InvalidRequest")
    large = await bluesky.put("x", note="y" * 1_000_001)
    assert (large.status, large.error) == (413, "PayloadTooLarge")


async def test_record_cids_are_those_of_dag_cbor() -> None:
    record = {
        "$type": POST,
        "text": "Grüße 🏔️" * 40,
        "facets": [facet(0, 300, "link", uri="https://example.com")],
        "nested": {"bb": None, "a": [True, False, -1, 0, 23, 24, 255, 256, 65536, 2**32, 2**52], "c": {}},
    }
    encoded = libipld.encode_dag_cbor(record)
    digest = hashlib.sha256(encoded).digest()
    expected = libipld.encode_cid(bytes((1, 0x71, 0x12, 32)) + digest)
    assert record_cid(record) == expected


async def test_records_outside_the_data_model(bluesky: Bluesky, world: World) -> None:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    for strange in (1.5, "\ud800", {"$link": "nonsense"}, {"$bytes": "?"}, 2**60, {"\ud800": 1}):
        assert (await bluesky.put("x", extra=strange)).error == "InvalidRequest"
    assert "nested too deeply" in (await bluesky.put("x", extra=deep)).message
    assert (await bluesky.put("half \ud800")).error == "InvalidRequest"
    assert world.ledger == []


async def test_a_post_made_again_under_its_key_is_shown_once(bluesky: Bluesky, http: Http) -> None:
    for _ in range(2):
        await bluesky.put("Again and again", rkey=RKEY)
        await bluesky.call("com.atproto.repo.deleteRecord", {"repo": "alice.test", "collection": POST, "rkey": RKEY})
    assert "Again and again" not in (await http("GET", "/")).body
    await bluesky.put("Again and again", rkey=RKEY)
    assert (await http("GET", "/")).body.count("Again and again") == 1


async def test_blobs_are_sniffed_counted_and_bound_to_their_record(
    bluesky: Bluesky, world: World, picture: Callable[..., bytes]
) -> None:
    content = picture(form="PNG")
    uploaded = await bluesky.upload(content, "image/jpeg")
    blob = uploaded.body["blob"]
    assert (blob["mimeType"], blob["size"]) == ("image/png", len(content))
    assert blob["ref"]["$link"].startswith("bafkrei")
    assert (await bluesky.upload(content)).body["blob"] == blob

    def embed(**changes: Any) -> dict[str, Any]:
        image = {"image": {**blob, **changes}, "alt": "A plain colour"}
        return {"$type": "app.bsky.embed.images", "images": [image]}

    assert (await bluesky.put("x", embed=embed(mimeType="image/gif"))).error == "InvalidMimeType"
    assert (await bluesky.put("x", embed=embed(size=1))).error == "InvalidSize"
    stranger = {"$link": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"}
    assert (await bluesky.put("x", embed=embed(ref=stranger))).error == "BlobNotFound"
    assert (await bluesky.put("x", rkey=RKEY, embed=embed())).status == 200
    assert world.ledger[-1].media_ids == [blob["ref"]["$link"]]
    world.advance(2 * 3600 - 60)
    assert (await bluesky.put("y", embed=embed())).status == 200


async def test_unreferenced_blobs_are_collected(bluesky: Bluesky, world: World, picture: Callable[..., bytes]) -> None:
    blob = (await bluesky.upload(picture())).body["blob"]
    embed = {"$type": "app.bsky.embed.images", "images": [{"image": blob, "alt": ""}]}
    world.advance(3601)
    assert (await bluesky.put("x", embed=embed)).error == "BlobNotFound"
    assert (await bluesky.upload(picture())).body["blob"] == blob
    assert (await bluesky.put("x", rkey=RKEY, embed=embed)).status == 200
    await bluesky.call("com.atproto.repo.deleteRecord", {"repo": "alice.test", "collection": POST, "rkey": RKEY})
    assert (await bluesky.put("x", embed=embed)).error == "BlobNotFound"


async def test_sizes_of_uploads_and_embeds(bluesky: Bluesky) -> None:
    too_large = await bluesky.upload(b"\xff\xd8\xff" + b"x" * (5 * 2**20))
    assert (too_large.status, too_large.error) == (413, "PayloadTooLarge")
    assert (await bluesky.upload(b"")).status == 400
    blob = (await bluesky.upload(b"\xff\xd8\xff" + b"x" * 1_000_000)).body["blob"]
    image = {"image": blob, "alt": "x"}
    refused = await bluesky.put("x", embed={"$type": "app.bsky.embed.images", "images": [image]})
    assert (refused.status, "too large" in refused.message) == (400, True)
    ratio = {"$type": "app.bsky.embed.gallery#image", "aspectRatio": {"width": 4, "height": 3}, **image}
    taken = await bluesky.put("x", embed={"$type": "app.bsky.embed.gallery", "items": [ratio]})
    assert taken.status == 200
    no_ratio = {"$type": "app.bsky.embed.gallery#image", **image}
    refused = await bluesky.put("x", embed={"$type": "app.bsky.embed.gallery", "items": [no_ratio]})
    assert "aspectRatio" in refused.message
    text = (await bluesky.upload(b"just words", "text/plain")).body["blob"]
    assert text["mimeType"] == "text/plain"
    refused = await bluesky.put("x", embed={"$type": "app.bsky.embed.images", "images": [{"image": text, "alt": ""}]})
    assert "image/*" in refused.message


async def test_at_most_four_images(bluesky: Bluesky, picture: Callable[..., bytes]) -> None:
    blob = (await bluesky.upload(picture())).body["blob"]
    images = [{"image": blob, "alt": str(n)} for n in range(5)]
    four = await bluesky.put("x", embed={"$type": "app.bsky.embed.images", "images": images[:4]})
    five = await bluesky.put("x", embed={"$type": "app.bsky.embed.images", "images": images})
    assert (four.status, five.status) == (200, 400)


async def test_the_ledger_warns_of_facets_that_clients_drop(bluesky: Bluesky, world: World) -> None:
    await bluesky.put("naïve text", facets=[facet(3, 5), facet(0, 2), facet(1, 3), facet(5, 99)])
    assert world.ledger[0].warnings == [
        "facet 3 lies outside the text (5-99 of 11 bytes)",
        "facet 0 cuts a character (3-5)",
        "facet 2 cuts a character (1-3)",
        "facets 1 and 2 overlap",
    ]
    await bluesky.put("fine", facets=[facet(0, 4)])
    assert world.ledger[1].warnings == []
