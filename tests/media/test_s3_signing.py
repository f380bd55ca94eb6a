"""Signatures as Amazon's own documents give them, and addresses spelt as they are signed."""

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from hayon.media.s3.signing import LONGEST, NOTHING, Signer, encoded

# docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and sigv4-query-string-auth.html
KEYS = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
BUCKET = "https://examplebucket.s3.amazonaws.com"
THEN = datetime(2013, 5, 24, tzinfo=UTC)
WELCOME = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()


@pytest.mark.parametrize(
    ("method", "address", "headers", "body_hash", "names", "signature"),
    [
        (
            *("GET", "/test.txt", {"Range": "bytes=0-9"}, NOTHING, "host;range;x-amz-content-sha256;x-amz-date"),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            *("PUT", "/test%24file.text"),
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            *(WELCOME, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            *("GET", "/?lifecycle", {}, NOTHING, "host;x-amz-content-sha256;x-amz-date"),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            *("GET", "/?prefix=J&max-keys=2", {}, NOTHING, "host;x-amz-content-sha256;x-amz-date"),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_requests_are_signed_as_amazon_gives_it(
    method: str, address: str, headers: dict[str, str], body_hash: str, names: str, signature: str
) -> None:
    signed = KEYS.headers(method, BUCKET + address, headers, body_hash, THEN)
    assert signed == headers | {
        "x-amz-content-sha256": body_hash,
        "x-amz-date": "20130524T000000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}",
    }


def test_an_address_is_signed_as_amazon_gives_it() -> None:
    assert KEYS.url("GET", f"{BUCKET}/test.txt", {}, timedelta(days=1), THEN) == (
        f"{BUCKET}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize(
    ("lasts", "seconds"),
    [(timedelta(minutes=15), 900), (timedelta(days=8), 604_800), (LONGEST, 604_800), (timedelta(milliseconds=1), 1)],
)
def test_no_address_is_signed_for_longer_than_servers_take(lasts: timedelta, seconds: int) -> None:
    query = parse_qs(urlsplit(KEYS.url("GET", f"{BUCKET}/a", {}, lasts, THEN)).query)
    assert query["X-Amz-Expires"] == [str(seconds)]


def test_the_time_is_told_in_utc_wherever_one_is() -> None:
    elsewhere = datetime.fromisoformat("2013-05-24T09:00:00+09:00")
    assert KEYS.url("GET", BUCKET, {}, LONGEST, elsewhere) == KEYS.url("GET", BUCKET, {}, LONGEST, THEN)


def test_whatever_is_bound_changes_the_signature() -> None:
    bound = {"Content-Type": "image/png", "Content-Length": "5"}
    first = KEYS.url("PUT", f"{BUCKET}/a", bound, LONGEST, THEN)
    assert "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost" in first
    others = [
        KEYS.url("GET", f"{BUCKET}/a", bound, LONGEST, THEN),
        KEYS.url("PUT", f"{BUCKET}/b", bound, LONGEST, THEN),
        KEYS.url("PUT", f"{BUCKET}/a", bound | {"Content-Type": "image/gif"}, LONGEST, THEN),
        KEYS.url("PUT", f"{BUCKET}/a", bound | {"Content-Length": "6"}, LONGEST, THEN),
        KEYS.url("PUT", f"{BUCKET}/a", bound, timedelta(minutes=15), THEN),
        KEYS.url("PUT", f"{BUCKET}/a", bound, LONGEST, THEN + timedelta(seconds=1)),
        Signer(KEYS.access_key, "another", KEYS.region).url("PUT", f"{BUCKET}/a", bound, LONGEST, THEN),
        Signer(KEYS.access_key, KEYS.secret_key, "eu-west-1").url("PUT", f"{BUCKET}/a", bound, LONGEST, THEN),
    ]
    assert len({url.rpartition("=")[2] for url in (first, *others)}) == 9


def test_a_query_is_spelt_in_one_way_only() -> None:
    assert encoded({"prefix": "temp/", "more": "a+b/c= ~ä"}) == "prefix=temp%2F&more=a%2Bb%2Fc%3D%20~%C3%A4"


def test_the_secret_key_is_not_shown() -> None:
    assert KEYS.secret_key not in repr(KEYS)
