"""What S3 servers answer, put into sentences; real ones and those of servers that no test can have here."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from hayon.media.s3 import S3Place
from hayon.media.s3.answers import explain, read_listing, read_xml, refused
from hayon.outgoing import Answer

PLACE = S3Place("pics", "https://s3.example.org/pics", "us-east-1", "AKIA", "secret")
NOW = datetime(2026, 11, 3, 12, 30, tzinfo=UTC)


def answer(
    status: int, code: str = "", more: str = "", *, headers: dict[str, str] | None = None, body: bytes = b""
) -> Answer:
    told = f'<?xml version="1.0"?><Error><Code>{code}</Code>{more}<RequestId>1</RequestId></Error>'.encode()
    return Answer(status, {"date": format_datetime(NOW, usegmt=True)} | (headers or {}), told if code else body, "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(404, "NoSuchBucket"), "There is no bucket pics at s3.example.org"),
        (answer(403, "InvalidAccessKeyId"), "Correct HAYON_S3_ACCESS_KEY"),
        (answer(403, "SignatureDoesNotMatch"), "Correct HAYON_S3_SECRET_KEY"),
        (answer(403, "AccessDenied", "<Message>Access Denied</Message>"), "Allow them s3:ListBucket"),
        (answer(403), "Allow them s3:ListBucket"),
        (answer(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-3"}), "Say region=eu-west-3"),
        (
            answer(
                *(400, "AuthorizationHeaderMalformed"),
                "<Message>The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-3'"
                "</Message><Region>eu-west-3</Region>",
            ),
            "pics is in the region eu-west-3, not us-east-1. Say region=eu-west-3",
        ),
        (
            answer(
                *(400, "AuthorizationHeaderMalformed"),
                "<Message>Authorization header malformed, unexpected scope: region 'us-east-1', expected 'garage'</Message>",
            ),
            "expected 'garage'",
        ),
        (answer(501, "NotImplemented"), "s3.example.org does not offer this"),
        (answer(503, "SlowDown"), "busy or out of order (status 503 SlowDown)"),
        (answer(502, body=b"<html>Bad gateway</html>"), "busy or out of order"),
        (answer(404, body=b"<html>Not here</html>"), "does not answer as an S3 server does (status 404)"),
        (answer(200, body=b"hello"), "does not answer as an S3 server does (status 200)"),
        (answer(400, "InvalidArgument", "<Message>Nope.</Message>"), "refused: Nope. (status 400 InvalidArgument)"),
        (answer(400, "OddThing"), "refused: OddThing (status 400 OddThing)"),
    ],
)
def test_every_refusal_says_what_to_mend(given: Answer, said: str) -> None:
    assert said in explain(given, PLACE, NOW)


@pytest.mark.parametrize(("ahead", "said"), [(3600, "3600 seconds ahead of"), (-1000, "1000 seconds behind")])
def test_clocks_that_differ_are_told_by_how_much(ahead: int, said: str) -> None:
    for given in (
        answer(403, "RequestTimeTooSkewed"),
        answer(403, "AccessDenied", "<Message>Request is not valid yet</Message>"),
    ):
        assert said in explain(given, PLACE, NOW + timedelta(seconds=ahead))
    undated = answer(403, "RequestTimeTooSkewed", headers={"date": "yesterday"})
    assert "too far apart" in explain(undated, PLACE, NOW)


def test_an_error_keeps_the_servers_word() -> None:
    error = refused(answer(404, "NoSuchBucket"), PLACE, NOW)
    assert (error.code, error.http_status, error.proves_absence) == ("NoSuchBucket", 404, False)


def test_no_sentence_is_longer_than_a_server_should_make_it() -> None:
    assert len(explain(answer(400, "Odd", f"<Message>{'x' * 10_000}</Message>"), PLACE, NOW)) < 400


BOMB = '<!DOCTYPE e [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><Error><Code>&b;</Code></Error>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB.encode(),
        BOMB.encode("utf-16"),
        b'<!DOCTYPE e SYSTEM "http://127.0.0.1/x"><Error><Code>Odd</Code></Error>',
        b"",
        b"\0",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
    ],
)
def test_what_declares_entities_or_is_no_document_is_not_read(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"no XML|document type"):
        read_xml(body)
    assert "does not answer as an S3 server does" in explain(answer(400, body=body), PLACE, NOW)


def test_a_listing_is_read_with_ages_by_the_servers_clock() -> None:
    body = (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>'
        "<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><Contents><Key>temp/a%2Bb+c</Key>"
        f"<LastModified>{(NOW - timedelta(hours=2)).strftime('%Y-%m-%dT%H:%M:%S.000Z')}</LastModified></Contents></ListBucketResult>"
    )
    listing = read_listing(answer(200, body=body.encode()))
    assert [(one.name, one.age) for one in listing.files] == [("temp/a+b c", timedelta(hours=2))]
    assert listing.more == "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM="
    for odd in (b"<Error/>", b"<html/>", b"", body.replace("2026-", "never").encode()):
        with pytest.raises(ValueError, match=r"."):
            read_listing(answer(200, body=odd))
