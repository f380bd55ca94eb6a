"""Every unwelcome answer that is known, in each situation, and the error it becomes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.errors import Disconnected, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed
from hayon.outgoing import Answer
from hayon.platforms.mastodon.answers import Doing, date_of, error_of, limit_ends_at, moment_of
from tests.platforms.mastodon.scripted import HOST, answered, refused

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
PAGE = "<html><body>Bad gateway</body></html>"

# words, status, error while publishing, its proof, error while reading; mastodon: api/error_handling.rb and the
# files it rescues for, config/locales/{en,doorkeeper.en}.yml.
ROWS: list[tuple[int, str, type[PlatformError], bool, type[PlatformError]]] = [
    # the content
    (422, "Validation failed: Text character limit of 500 exceeded", Rejected, True, Unavailable),
    (422, "Validation failed: Text can't be blank", Rejected, True, Unavailable),
    (422, "Validation failed: Text contained a disallowed hashtag: #x", Rejected, True, Unavailable),
    (422, "Cannot attach more than 4 files", Rejected, True, Unavailable),
    (422, "Cannot attach a video to a post that already contains images", Rejected, True, Unavailable),
    (403, "This action is not allowed", Rejected, True, Unavailable),
    (400, "Error occurred while parsing request parameters", Rejected, True, Unavailable),
    (413, "Payload Too Large", Rejected, True, Unavailable),
    # the account
    (401, "The access token is invalid", Disconnected, True, Disconnected),
    (401, "The access token was revoked", Disconnected, True, Disconnected),
    (401, "The access token expired", Disconnected, True, Disconnected),
    (403, "Your login is currently disabled", Disconnected, True, Disconnected),
    (403, "Your login is missing a confirmed e-mail address", Disconnected, True, Disconnected),
    (403, "Your login is currently pending approval", Disconnected, True, Disconnected),
    (403, "This action is outside the authorized scopes", Disconnected, True, Disconnected),
    (422, "This method requires an authenticated user", Disconnected, True, Disconnected),
    # what passes
    (429, "Too many requests", RateLimited, True, RateLimited),
    (422, "Cannot attach files that have not finished processing. Try again in a moment!", Unavailable, True, Unavailable),
    (404, "Record not found", Unavailable, True, Unavailable),
    (410, "Gone", Unavailable, True, Unavailable),
    # what may have happened
    (422, "Media 1, 2 not found or already attached to another post", Unconfirmed, False, Unavailable),
    (500, "Internal Server Error", Unconfirmed, False, Unavailable),
    (503, "There was a temporary problem serving your request, please try again", Unconfirmed, False, Unavailable),
    (503, "Remote data could not be fetched", Unconfirmed, False, Unavailable),
    (502, "Bad gateway", Unconfirmed, False, Unavailable),
    (408, "Request timeout", Unconfirmed, False, Unavailable),
    (409, "Conflict", Unconfirmed, False, Unavailable),
    (201, "?", Unconfirmed, False, Unavailable),
]  # fmt: skip


@pytest.mark.parametrize(("status", "words", "error", "proof", "read"), ROWS)
def test_an_answer_of_mastodon(
    status: int, words: str, error: type[PlatformError], proof: bool, read: type[PlatformError]
) -> None:
    answer = refused(status, words)
    published = error_of(answer, HOST, Doing.PUBLISHING, now=NOW)
    assert (type(published), published.proves_absence) == (error, proof)
    assert (published.http_status, published.code) == (status, words)
    reading = error_of(answer, HOST, Doing.READING, now=NOW)
    assert (type(reading), reading.proves_absence) == (read, False)
    assert error_of(answer, HOST, Doing.UPLOADING, now=NOW).proves_absence is False


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 413, 422, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [PAGE, "", "[]", '"error"', '{"error": 5}', '{"problem": "?"}'])
def test_an_answer_of_something_else_proves_nothing(status: int, body: str) -> None:
    answer = Answer(status, {}, body.encode(), "")
    published = error_of(answer, HOST, Doing.PUBLISHING, now=NOW)
    assert (type(published), published.proves_absence) == (Unconfirmed, False)
    assert type(error_of(answer, HOST, Doing.READING, now=NOW)) is Unavailable


def test_a_page_that_limits_says_when_but_proves_nothing() -> None:
    error = error_of(answered(PAGE, 429, {"retry-after": "30"}), HOST, Doing.PUBLISHING, now=NOW)
    assert isinstance(error, RateLimited)
    assert (error.until, error.proves_absence) == (NOW + timedelta(seconds=30), False)


@pytest.mark.parametrize("status", [404, 410])
def test_a_post_that_is_gone_under_its_key_was_there_once(status: int) -> None:
    error = error_of(refused(status, "Record not found"), HOST, Doing.PUBLISHING, now=NOW, sent_before=True)
    assert (type(error), error.proves_absence) == (Unconfirmed, False)


@pytest.mark.parametrize(
    ("status", "words", "health"),
    [
        (401, "The access token was revoked", "revoked"),
        (401, "The access token is invalid", "revoked"),
        (401, "The access token expired", "expired"),
        (403, "Your login is currently disabled", "error"),
        (403, "This action is outside the authorized scopes", "error"),
        (422, "This method requires an authenticated user", "error"),
    ],
)
def test_what_becomes_of_the_account(status: int, words: str, health: str) -> None:
    error = error_of(refused(status, words), HOST, Doing.PUBLISHING)
    assert isinstance(error, Disconnected)
    assert error.health == health


@pytest.mark.parametrize(
    ("status", "words", "error"),
    [
        (422, "Validation failed: File content type is invalid", Rejected),
        (413, "Payload Too Large", Rejected),
        (422, "Media 1 not found or already attached to another post", Rejected),
        (500, "Error processing thumbnail for uploaded media", Unavailable),
    ],
)
def test_a_refused_upload(status: int, words: str, error: type[PlatformError]) -> None:
    refusal = error_of(refused(status, words), HOST, Doing.UPLOADING)
    assert type(refusal) is error
    assert "the post" not in refusal.message
    assert type(error_of(answered(PAGE, 413), HOST, Doing.UPLOADING)) is Rejected


@pytest.mark.parametrize("doing", Doing)
@pytest.mark.parametrize(("status", "words"), [(row[0], row[1]) for row in ROWS] + [(502, "")])
def test_every_message_is_a_sentence_or_two_for_the_owner(status: int, words: str, doing: Doing) -> None:
    message = error_of(refused(status, words) if words else answered(PAGE, status), HOST, doing).message
    assert HOST in message
    assert message[-1] in ".?"
    assert "{" not in message
    assert len(message) < 300
    assert message.replace("Hayon looks", "").count(". ") <= 2


def test_an_instance_cannot_fill_a_page_with_its_words() -> None:
    error = error_of(refused(422, "a\n\x1b[31m" + "b" * 5_000 + "{host}"), HOST, Doing.PUBLISHING)
    assert len(error.message) < 500
    assert error.message.isprintable()
    assert "{host}" in error_of(refused(422, "{host}"), HOST, Doing.PUBLISHING).message  # quoted, not filled in


def test_a_description_is_quoted_with_the_error() -> None:
    answer = answered({"error": "invalid_grant", "error_description": "It is over"}, 422)
    assert error_of(answer, HOST, Doing.PUBLISHING).code == "invalid_grant: It is over"


LATER = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({"x-ratelimit-reset": "2026-11-03T15:00:00.123456Z"}, LATER + timedelta(microseconds=123456)),
        ({"x-ratelimit-reset": str(int(LATER.timestamp()))}, LATER),  # GoToSocial
        # their clock is an hour ahead, so the limit ends an hour sooner by ours
        ({"x-ratelimit-reset": "2026-11-03T15:00:00Z", "date": "Tue, 03 Nov 2026 13:00:00 GMT"}, NOW + timedelta(hours=2)),
        ({"x-ratelimit-reset": "2026-11-03T15:00:00Z", "date": "yesterday"}, LATER),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-reset": "9" * 30}, None),
        ({"retry-after": "90"}, NOW + timedelta(seconds=90)),
        ({"retry-after": "9" * 30}, None),
        ({"retry-after": "Tue, 03 Nov 2026 13:00:00 GMT"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_when_a_limit_ends(headers: dict[str, str], until: datetime | None) -> None:
    error = error_of(refused(429, "Too many requests", headers), HOST, Doing.PUBLISHING, now=NOW)
    assert isinstance(error, RateLimited)
    assert error.until == until


def test_without_a_clock_the_limit_ends_when_the_instance_says() -> None:
    headers = {"x-ratelimit-reset": "2026-11-03T15:00:00Z", "date": "Tue, 03 Nov 2026 13:00:00 GMT"}
    assert limit_ends_at(refused(429, "", headers), None) == LATER
    assert limit_ends_at(refused(429, "", {"retry-after": "9"}), None) is None


@given(st.text(), st.text(), st.text())
def test_no_header_breaks_the_reading(reset: str, date: str, wait: str) -> None:
    answer = refused(429, "", {"x-ratelimit-reset": reset, "date": date, "retry-after": wait})
    for moment in (limit_ends_at(answer, NOW), date_of(answer), moment_of(reset)):
        assert moment is None or moment.tzinfo is not None


@given(st.integers(100, 999), st.binary(max_size=200), st.sampled_from(Doing), st.booleans())
def test_every_answer_has_a_meaning_and_no_other_server_gives_proof(
    status: int, body: bytes, doing: Doing, sent_before: bool
) -> None:
    error = error_of(Answer(status, {}, body, ""), HOST, doing, now=NOW, sent_before=sent_before)
    assert isinstance(error, PlatformError)
    assert not error.proves_absence
