"""Setting up a bucket and looking at it, on the real S3 server; each thing that is wrong is said in a sentence of its own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from hayon.media.s3 import S3Bucket, set_up, verify_setup
from tests.media.buckets import open_bucket, place_of
from tests.media.test_contract import COPY, USER
from tests.media.test_s3_grants import anybody_may_read
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.rados import RadosAddress, Said, ask

PAGES, OTHERS = "http://hayon.example:8080", "http://stranger.example"


@pytest.fixture
async def ready(bucket: S3Bucket) -> S3Bucket:
    """A bucket that was set up."""
    assert await set_up(bucket, [PAGES]) == []
    return bucket


def preflight(address: str, origin: str, method: str = "PUT", headers: str = "content-type") -> Said:
    return ask(
        "OPTIONS",
        address,
        {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers},
    )


def rules(rados: RadosAddress, bucket: str, kind: str) -> str:
    """The document of rules as the server tells it, without its namespace and blanks."""
    told = rados.call("GET", f"/{bucket}?{kind}").body.decode()
    return re.sub(r' xmlns="[^"]*"|<\?xml[^>]*>|\s', "", told)


async def test_pages_of_ours_may_upload_and_no_others(ready: S3Bucket) -> None:
    grant = await ready.upload_grant(USER, "image/png", 5, PAGES, datetime.now(UTC))
    allowed = preflight(grant.url, PAGES)
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == PAGES
    assert "PUT" in allowed.headers["access-control-allow-methods"]
    assert "content-type" in allowed.headers["access-control-allow-headers"]
    uploaded = ask("PUT", grant.url, {**grant.headers, "Origin": PAGES}, b"hello")
    assert (uploaded.status, uploaded.headers["access-control-allow-origin"]) == (200, PAGES)
    for refused in (
        preflight(grant.url, OTHERS),
        preflight(grant.url, "null"),
        preflight(grant.url, PAGES.replace("http:", "https:")),
        preflight(grant.url, PAGES, "DELETE"),
        preflight(grant.url, PAGES, headers="authorization"),
    ):
        assert refused.status == 403
        assert "access-control-allow-origin" not in refused.headers


async def test_uploads_are_thrown_away_after_a_week_and_nothing_else(
    ready: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    told = rules(rados, rados_bucket, "lifecycle")
    assert told.count("<Rule>") == 1
    for part in (
        "<ID>hayon-temp</ID>",
        "<Prefix>temp/</Prefix>",
        "<Status>Enabled</Status>",
        "<Expiration><Days>7</Days></Expiration>",
    ):
        assert part in told


async def test_setting_up_again_changes_only_what_is_ours(
    bucket: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    theirs = {
        "cors": "<CORSConfiguration><CORSRule><ID>theirs</ID><AllowedMethod>GET</AllowedMethod>"
        f"<AllowedOrigin>{OTHERS}</AllowedOrigin></CORSRule></CORSConfiguration>",
        "lifecycle": "<LifecycleConfiguration><Rule><ID>theirs</ID><Filter><Prefix>logs/</Prefix></Filter>"
        "<Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>",
    }
    for kind, document in theirs.items():
        assert rados.call("PUT", f"/{rados_bucket}?{kind}", document.encode()).status == 200
    for origins in ([PAGES], [f"{PAGES}/", "http://Second.example:80/hayon/"]):
        assert await set_up(bucket, origins) == []
    cors, lifecycle = rules(rados, rados_bucket, "cors"), rules(rados, rados_bucket, "lifecycle")
    assert (cors.count("<CORSRule>"), lifecycle.count("<Rule>")) == (2, 2)
    for told, ours in ((cors, "hayon-uploads"), (lifecycle, "hayon-temp")):
        assert [told.count(f"<ID>{name}</ID>") for name in ("theirs", ours)] == [1, 1]
    address = bucket.calls.place.address(COPY)
    assert preflight(address, OTHERS, "GET", "").headers["access-control-allow-origin"] == OTHERS
    assert preflight(address, "http://second.example").status == 200
    assert await verify_setup(bucket, [PAGES, "http://second.example:80"]) == []


async def test_a_bucket_that_was_set_up_has_nothing_wrong_and_nothing_new(
    ready: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    assert await verify_setup(ready, [PAGES]) == []
    assert rados.keys(rados_bucket) == []


async def test_a_bucket_that_was_not_set_up_says_both(bucket: S3Bucket, rados: RadosAddress, rados_bucket: str) -> None:
    assert await verify_setup(bucket, [PAGES]) == [
        f"Pages at {PAGES} may not upload: 127.0.0.1 does not allow that origin to PUT.",
        "No rule of the bucket throws forgotten uploads away, below temp/.",
    ]
    assert rados.keys(rados_bucket) == []


async def test_a_rule_that_would_take_files_of_posts_is_named(
    ready: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    for prefix, danger in (("", True), ("posts/", True), ("p", True), ("posts/7/", True), ("logs/", False)):
        document = (
            f"<LifecycleConfiguration><Rule><ID>old</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>"
            "<Expiration><Days>90</Days></Expiration></Rule></LifecycleConfiguration>"
        )
        assert rados.call("PUT", f"/{rados_bucket}?lifecycle", document.encode()).status == 200
        assert await set_up(ready, [PAGES]) == []
        said = await verify_setup(ready, [PAGES])
        assert said == (
            ["The bucket's rule old throws files of posts away. Take it out, or give it another prefix."]
            if danger
            else []
        )


async def test_a_page_behind_https_cannot_upload_to_http(ready: S3Bucket) -> None:
    said = await verify_setup(ready, ["https://hayon.example"])
    assert said == [
        f"Browsers let no page at https://hayon.example upload to {ready.calls.place.origins[0]}: it has to be https, too."
    ]


async def test_a_bucket_that_anybody_may_read_is_told_unless_it_is_meant(
    ready: S3Bucket, rados: RadosAddress, rados_bucket: str
) -> None:
    public = place_of(rados, rados_bucket, f"&publicUrl={rados.url}/{rados_bucket}")
    async with open_bucket(public) as meant:
        assert await verify_setup(meant, [PAGES]) == [
            f"{rados.url}/{rados_bucket} does not serve the bucket's files (status 403). Correct publicUrl."
        ]
        assert rados.call("PUT", f"/{rados_bucket}?policy", anybody_may_read(rados_bucket)).status in (200, 204)
        assert await verify_setup(meant, [PAGES]) == []
    assert await verify_setup(ready, [PAGES]) == [
        f"Anybody can read all files of {rados_bucket}. Make it private, or give its public address as publicUrl."
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bucket": "no-such-bucket-here"}, "There is no bucket no-such-bucket-here at 127.0.0.1. Make it"),
        ({"access_key": "ANOTHER"}, "does not know the access key. Correct HAYON_S3_ACCESS_KEY."),
        ({"secret_key": "another"}, "finds our signature wrong. Correct HAYON_S3_SECRET_KEY"),
        ({"port": 0}, "Files cannot be reached at the moment. 127.0.0.1 could not be reached: it refuses connections."),
        ({"seconds_ahead": 2000}, "seconds ahead of the S3 server's. Set this machine's clock, or the server's, right."),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_in_a_sentence(
    rados: RadosAddress, rados_bucket: str, changes: dict[str, object], said: str
) -> None:
    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=int(str(changes.get("seconds_ahead", 0))))

    port = rados.port if "port" not in changes else free_port()
    address = RadosAddress(port, str(changes.get("access_key", rados.access_key)), rados.secret_key)
    place = place_of(
        address, str(changes.get("bucket", rados_bucket)), secret_key=str(changes.get("secret_key", rados.secret_key))
    )
    async with open_bucket(place, clock=clock) as wrong:
        found = await verify_setup(wrong, [PAGES])
        assert len(found) == 1
        assert said in found[0]
        failed = await set_up(wrong, [PAGES])
        assert [one.split(".")[0] for one in failed] == [
            "Uploads from pages could not be allowed",
            "Forgotten uploads could not be given an end",
        ]
        assert all(said in one for one in failed)


async def test_a_server_that_says_yes_to_everything_is_seen_through() -> None:
    with yes_man() as port:
        async with open_bucket(place_of(RadosAddress(port, "key", "secret"), "pics")) as bucket:
            found = await verify_setup(bucket, [PAGES])
    assert [one.split(". ")[0] for one in found] == [
        "127.0.0.1 takes uploads that are larger than granted",
        "127.0.0.1 takes uploads that are of another type than granted",
        "An upload could not be read back from a signed address",
        found[3].split(". ")[0],
        f"Pages at {PAGES} may not upload: 127.0.0.1 does not allow that origin to PUT.",
        "Whether forgotten uploads are thrown away is not known",
    ]
    assert found[3].startswith("A file could not be removed: temp/")


async def test_a_server_that_is_no_s3_server_is_told_from_one() -> None:
    with yes_man(b"<html>Welcome to nginx</html>") as port:
        async with open_bucket(place_of(RadosAddress(port, "key", "secret"), "pics")) as bucket:
            assert await verify_setup(bucket, [PAGES]) == [
                "127.0.0.1 does not answer as an S3 server does (status 200). Correct the endpoint in HAYON_MEDIA_URL."
            ]


@contextmanager
def yes_man(answer: bytes = b"<ListBucketResult/>") -> Iterator[int]:
    """A server that answers everything with 200 and the same words; gives its port."""

    class YesMan(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def yes(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        do_GET = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = yes  # noqa: N815 - http.server's own names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
            pass

    server = ThreadingHTTPServer((LOOPBACK, 0), YesMan)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
