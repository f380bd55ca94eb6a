"""Every error answer Bluesky is known to give, and what it means: for a call that may be repeated, and for the one that may not.

Sources: atproto: packages/pds/src/auth-verifier.ts, packages/pds/src/repo/prepare.ts,
packages/pds/src/actor-store/blob/transactor.ts, packages/xrpc-server/src/errors.ts.
"""

from datetime import UTC, datetime, timedelta

import pytest

from hayon.errors import (
    CredentialExpired,
    Disconnected,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
)
from hayon.outgoing import Answer
from hayon.platforms.bluesky.answers import read_failure, read_publish_failure
from tests.platforms.bluesky.scripted import answered, refused
from tests.platforms.parcels import NOW

RECORD = "Invalid app.bsky.feed.post record: "
HTML = "<html><h1>502 Bad Gateway</h1></html>"

# What was answered; what it means where a repeat harms nothing; what it means after the irreversible call.
ANSWERS: list[tuple[Answer, type[PlatformError], type[PlatformError]]] = [
    # the session
    (refused(400, "ExpiredToken", "Token has expired"), CredentialExpired, CredentialExpired),
    (refused(400, "InvalidToken", "Bad token scope"), Disconnected, Disconnected),
    (refused(401, "AuthMissing"), Disconnected, Disconnected),
    (refused(401, "AuthenticationRequired", "Authentication Required"), Disconnected, Disconnected),
    (refused(401, "AuthFactorTokenRequired"), Disconnected, Disconnected),
    (refused(401, "invalid_token"), Disconnected, Disconnected),
    (refused(400, "invalid_grant", "Refresh token replayed"), Disconnected, Disconnected),
    (refused(403, "InsufficientScope", "Missing required scope"), Disconnected, Disconnected),
    # the account
    (refused(401, "AccountTakedown", "Account has been taken down"), Disconnected, Disconnected),
    (refused(401, "AccountSuspended"), Disconnected, Disconnected),
    (refused(401, "AccountDeactivated", "Account is deactivated"), Disconnected, Disconnected),
    (refused(403, "AccountNotFound", "Account not found"), Disconnected, Disconnected),
    # the content
    (refused(400, "InvalidRequest", "Invalid app.bsky.feed.post record: bad facet"), Rejected, Rejected),
    (refused(400, "InvalidMimeType", "Referenced Mimetype does not match"), Rejected, Rejected),
    (refused(400, "InvalidSize", "Referenced Size does not match"), Rejected, Rejected),
    (refused(400, "InvalidRequest", "Unacceptable slur in record key"), Rejected, Rejected),
    (refused(400, "InvalidRequest", "Blob has been takendown, cannot re-upload"), Rejected, Rejected),
    (refused(413, "PayloadTooLarge", "request entity too large"), Rejected, Rejected),
    (refused(501, "MethodNotImplemented", "Method Not Implemented"), Rejected, Rejected),
    # something to do first
    (refused(400, "BlobNotFound", "Could not find blob"), Unavailable, Unavailable),
    (refused(400, "InvalidSwap", "Record was at bafyrei"), Unavailable, Unconfirmed),
    (refused(409, "RecordAlreadyExists"), Unavailable, Unconfirmed),
    (refused(409, "Conflict"), Unavailable, Unconfirmed),
    (refused(409, "InvalidRequest"), Rejected, Unconfirmed),
    (refused(400, "InvalidRequest", "Record already exists"), Rejected, Unconfirmed),
    # limits
    (refused(429, "RateLimitExceeded", "Rate Limit Exceeded"), RateLimited, RateLimited),
    (answered(HTML, 429), RateLimited, RateLimited),
    # trouble
    (refused(500, "InternalServerError", "Internal Server Error"), Unavailable, Unconfirmed),
    (refused(500, "InvalidRequest"), Unavailable, Unconfirmed),
    (refused(502, "UpstreamFailure"), Unavailable, Unconfirmed),
    (refused(503, "NotEnoughResources"), Unavailable, Unconfirmed),
    (refused(503, "ServiceOverloaded"), Unavailable, Unconfirmed),
    (refused(504, "UpstreamTimeout"), Unavailable, Unconfirmed),
    (refused(400, "SomethingNew", "Who knows"), Unavailable, Unconfirmed),
    (refused(418, "SomethingNew"), Unavailable, Unconfirmed),
    (answered(HTML, 502), Unavailable, Unconfirmed),
    (answered(HTML, 400), Unavailable, Unconfirmed),
    (answered(HTML, 401), Unavailable, Unconfirmed),
    (answered(HTML, 413), Unavailable, Unconfirmed),
    (answered("", 503), Unavailable, Unconfirmed),
    (answered({"error": 7}, 400), Unavailable, Unconfirmed),
    (answered(["InvalidRequest"], 400), Unavailable, Unconfirmed),
    (answered("", 301), Unavailable, Unconfirmed),
    (answered("", 204), Unavailable, Unconfirmed),
]
IDS = [f"{number}-{answer.status}-{answer.body[:40]!r}" for number, (answer, _, _) in enumerate(ANSWERS)]


@pytest.mark.parametrize(("answer", "repeatable", "irreversible"), ANSWERS, ids=IDS)
def test_what_an_answer_means(
    answer: Answer, repeatable: type[PlatformError], irreversible: type[PlatformError]
) -> None:
    before, after = read_failure(answer, NOW), read_publish_failure(answer, NOW)
    assert type(before) is repeatable
    assert type(after) is irreversible
    assert before.proves_absence
    assert after.proves_absence is (irreversible is not Unconfirmed)
    for error in (before, after):
        assert error.http_status == answer.status
        assert error.message.rstrip()[-1] in ".)"
        assert 20 < len(error.message) < 400
        assert "<html>" not in error.message


@pytest.mark.parametrize(
    ("error", "health"),
    [
        ("AccountTakedown", "error"),
        ("AccountDeactivated", "error"),
        ("AccountNotFound", "error"),
        ("InvalidToken", "revoked"),
        ("AuthenticationRequired", "revoked"),
    ],
)
def test_what_a_disconnected_account_becomes(error: str, health: str) -> None:
    failure = read_failure(refused(401, error))
    assert isinstance(failure, Disconnected)
    assert failure.health == health
    assert failure.code == error


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({"ratelimit-reset": "1793709000"}, datetime.fromtimestamp(1_793_709_000, UTC)),
        ({"ratelimit-reset": "1793709000", "retry-after": "5"}, datetime.fromtimestamp(1_793_709_000, UTC)),
        ({"retry-after": "90"}, NOW + timedelta(seconds=90)),
        ({"retry-after": "Tue, 03 Nov 2026 13:00:00 GMT"}, datetime(2026, 11, 3, 13, tzinfo=UTC)),
        ({"ratelimit-reset": "soon", "retry-after": "90"}, NOW + timedelta(seconds=90)),
        ({"ratelimit-reset": "9" * 30}, None),
        ({"retry-after": "9" * 30}, None),
        ({"retry-after": "later"}, None),
        ({}, None),
    ],
)
def test_until_when_a_rate_limit_holds(headers: dict[str, str], until: datetime | None) -> None:
    for error in (
        read_failure(answered("", 429, headers), NOW),
        read_publish_failure(answered("", 429, headers), NOW),
    ):
        assert isinstance(error, RateLimited)
        assert error.until == until


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (f"{RECORD}Record/text must not be longer than 300 graphemes", "text is too long"),
        (f"{RECORD}grapheme too big (maximum 300, got 301) at $.record.text", "text is too long"),
        (f"{RECORD}string too big (maximum 3000, got 3025) at $.record.text", "text is too long"),
        (f"{RECORD}grapheme too big (maximum 64, got 65) at $.record.tags[0]", "at $.record.tags[0]"),
        (f"{RECORD}blob too big (maximum 2000000, got 2704721) at $.record.embed", "A picture or video is too large"),
        ("Unacceptable slur in record key", "Write the post anew"),
        ("Blob has been takendown, cannot re-upload", "Use another one"),
        (f"{RECORD}Record/createdAt must be a date", '"Record/createdAt must be a date"'),
        ("", '"InvalidRequest"'),
        ("x" * 5_000, "x" * 300),
    ],
)
def test_a_refusal_is_put_in_words(told: str, said: str) -> None:
    message = read_publish_failure(refused(400, "InvalidRequest", told), NOW).message
    assert said in message
    assert len(message) < 400
