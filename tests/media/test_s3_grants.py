"""What the S3 server itself refuses and serves, asked by plain HTTP as browsers and platforms ask: no code of ours stands between."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from hayon.errors import NotFound
from hayon.media import Grant, MediaStore
from hayon.media.s3 import S3Bucket, read_s3_url
from tests.media.buckets import open_bucket, place_of
from tests.media.drawing import photo, saved, stream, talkative
from tests.media.test_contract import COPY, HERE, USER, kept
from tests.servers.rados import RadosAddress, Said, ask

CONTENT = saved(photo(), "PNG")
OTHER = UUID(int=8)


def now() -> datetime:
    """The server goes by the real clock."""
    return datetime.now(UTC)


async def granted(bucket: S3Bucket, since: timedelta = timedelta(0)) -> Grant:
    return await bucket.upload_grant(USER, "image/png", len(CONTENT), HERE, now() - since)


def upload(grant: Grant, content: bytes = CONTENT, **changes: str) -> Said:
    return ask(grant.method, changes.pop("url", grant.url), {**grant.headers, **changes}, content)


async def test_an_upload_by_its_address_arrives(bucket: S3Bucket, rados: RadosAddress, rados_bucket: str) -> None:
    grant = await granted(bucket)
    for _ in range(2):
        assert upload(grant).status == 200
    assert rados.keys(rados_bucket) == [f"{grant.key}.arrived"]
    assert not await bucket.exists(grant.key)
    measured = await bucket.complete(grant.key, "image/png")
    assert (measured.width, measured.size) == (96, len(CONTENT))
    assert rados.keys(rados_bucket) == [grant.key]
    assert await bucket.read(grant.key) == CONTENT


async def test_the_server_refuses_whatever_was_not_granted(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    grant = await granted(bucket)
    address, signature = grant.url.rsplit("=", 1)
    tampered = f"{address}={'0' if signature[0] != '0' else '1'}{signature[1:]}"
    refused = {
        "larger": upload(grant, CONTENT + b"!"),
        "smaller": upload(grant, CONTENT[:-1]),
        "empty": upload(grant, b""),
        "another type": upload(grant, **{"Content-Type": "image/jpeg"}),
        "a web page": upload(grant, **{"Content-Type": "text/html"}),
        "no type": ask("PUT", grant.url, {}, CONTENT),
        "another key": upload(grant, url=grant.url.replace(".png.arrived", ".jpg.arrived")),
        "the finished key": upload(grant, url=grant.url.replace(".png.arrived", ".png")),
        "another owner": upload(grant, url=grant.url.replace(str(USER), str(OTHER))),
        "a longer time": upload(grant, url=grant.url.replace("X-Amz-Expires=900", "X-Amz-Expires=9000")),
        "fewer bonds": upload(grant, url=grant.url.replace("content-length%3B", "")),
        "a forged signature": upload(grant, url=tampered),
        "another method": ask("GET", grant.url),
        "deletion": ask("DELETE", grant.url),
    }
    assert {what: (said.status, said.code) for what, said in refused.items()} == dict.fromkeys(
        refused, (403, "SignatureDoesNotMatch")
    )
    unsigned = upload(grant, url=grant.url.split("?")[0])
    assert (unsigned.status, unsigned.code) == (403, "AccessDenied")
    assert rados.keys(rados_bucket) == []


async def test_an_address_takes_uploads_for_a_quarter_of_an_hour(bucket: S3Bucket) -> None:
    late = upload(await granted(bucket, timedelta(minutes=15, seconds=1)))
    assert (late.status, late.code) == (403, "AccessDenied")
    assert upload(await granted(bucket, timedelta(minutes=14))).status == 200


async def test_keys_that_are_not_ours_grant_nothing(rados: RadosAddress, rados_bucket: str) -> None:
    for keys, code in (
        ({"secret_key": "another secret"}, "SignatureDoesNotMatch"),
        ({"access_key": "ANOTHER"}, "InvalidAccessKeyId"),
    ):
        async with open_bucket(place_of(rados, rados_bucket, **keys)) as forged:
            said = upload(await granted(forged))
        assert (said.status, said.code) == (403, code)


async def test_what_arrives_after_the_end_changes_nothing(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    grant = await granted(bucket)
    assert upload(grant).status == 200
    first = await bucket.complete(grant.key, "image/png")
    other = saved(photo(seed=2), "PNG")
    address = bucket.calls.signed_url("PUT", f"{grant.key}.arrived", {}, timedelta(minutes=1), now())
    assert ask("PUT", address, {}, other).status == 200
    assert await bucket.complete(grant.key, "image/png") == first
    assert await bucket.read(grant.key) == CONTENT
    assert rados.keys(rados_bucket) == [grant.key]


async def test_a_public_address_serves_its_file_until_its_time(bucket: S3Bucket) -> None:
    key = await kept(bucket, talkative("JPEG"), "image/jpeg")
    address = bucket.public_url(key, timedelta(hours=1), HERE, now())
    said = ask("GET", address)
    assert (said.status, said.headers["content-type"], said.body) == (200, "image/jpeg", await bucket.read(key))
    assert ask("GET", address, {"Range": "bytes=2-5"}).body == said.body[2:6]
    for bad in (address[:-2], address.replace(".jpg", ".png"), address.replace("=3600&", "=7200&")):
        assert (ask("GET", bad).status, ask("GET", bad).code) == (403, "SignatureDoesNotMatch")
    assert ask("GET", address.split("?")[0]).code == "AccessDenied"
    assert ask("PUT", address, {}, b"another").code == "SignatureDoesNotMatch"
    for lasts, since, code in ((60, 61, "AccessDenied"), (60, 50, ""), (8 * 86400, 6 * 86400, "")):
        then = now() - timedelta(seconds=since)
        assert ask("GET", bucket.public_url(key, timedelta(seconds=lasts), HERE, then)).code == code
    await bucket.delete(key)
    assert (ask("GET", address).status, ask("GET", address).code) == (404, "NoSuchKey")


async def test_what_only_arrived_has_no_address(bucket: S3Bucket) -> None:
    grant = await granted(bucket)
    assert upload(grant).status == 200
    assert ask("GET", bucket.public_url(grant.key, timedelta(hours=1), HERE, now())).code == "NoSuchKey"


async def test_every_file_is_served_as_what_it_is(bucket: S3Bucket) -> None:
    key = await kept(bucket)
    rendition = key.replace(".png", ".0123456789abcdef.jpg")
    await bucket.keep(rendition, saved(photo(), "JPEG"))
    await bucket.copy(key, COPY)
    types = [
        ask("GET", bucket.public_url(one, timedelta(hours=1), HERE, now())).headers["content-type"]
        for one in (key, rendition, COPY)
    ]
    assert types == ["image/png", "image/jpeg", "image/png"]


async def test_a_bucket_that_anybody_may_read_has_addresses_without_an_end(
    rados: RadosAddress, rados_bucket: str
) -> None:
    assert rados.call("PUT", f"/{rados_bucket}?policy", anybody_may_read(rados_bucket)).status in (200, 204)
    place = place_of(rados, rados_bucket, f"&publicUrl={rados.url}/{rados_bucket}/")
    async with open_bucket(place) as public:
        key = await kept(public)
        address = public.public_url(key, timedelta(hours=1), HERE, now())
        assert address == f"{rados.url}/{rados_bucket}/{key}"
        assert ask("GET", address).body == CONTENT
        with pytest.raises(NotFound):
            public.public_url("other", timedelta(hours=1), HERE, now())


async def test_a_bucket_may_stand_first_in_the_name_of_the_host(rados: RadosAddress, rados_bucket: str) -> None:
    words = f"s3://{rados_bucket}?endpoint=http://localhost:{rados.port}&style=virtual"
    async with open_bucket(read_s3_url(words, rados.access_key, rados.secret_key)) as virtual:
        grant = await granted(virtual)
        assert urlsplit(grant.url).netloc == f"{rados_bucket}.localhost:{rados.port}"
        assert upload(grant).status == 200
        assert upload(grant, CONTENT + b"!").code == "SignatureDoesNotMatch"
        await virtual.complete(grant.key, "image/png")
        await virtual.copy(grant.key, COPY)
        assert await virtual.read(COPY) == CONTENT
        assert ask("GET", virtual.public_url(COPY, timedelta(hours=1), HERE, now())).body == CONTENT
        await virtual.delete(grant.key)
    assert rados.keys(rados_bucket) == [COPY]


async def test_no_address_of_ours_takes_or_serves_files(bucket: S3Bucket) -> None:
    seen: list[int] = []
    with pytest.raises(NotFound):
        await bucket.receive("token", stream(CONTENT, seen=seen), "image/png", None, now())
    assert seen == []
    with pytest.raises(NotFound):
        await bucket.serve("token", now())


def test_a_bucket_is_a_media_store(bucket: S3Bucket) -> None:
    store: MediaStore = bucket
    assert store is bucket


def anybody_may_read(bucket: str) -> bytes:
    """A bucket policy, as operators write it for public files."""
    return (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
        f'"Resource":"arn:aws:s3:::{bucket}/*"}}]}}'
    ).encode()
