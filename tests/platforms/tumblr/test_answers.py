"""Every unwelcome answer that is documented or was seen, in each situation, and the error it becomes."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.errors import (
    CredentialExpired,
    Disconnected,
    NotYet,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
)
from hayon.outgoing import Answer
from hayon.platforms.tumblr.answers import Doing, error_of, limit_ends_at, said_in
from tests.platforms.tumblr.scripted import answered, refused

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
READING, DRAFTING, PUBLISHING, POSTING = Doing.READING, Doing.DRAFTING, Doing.PUBLISHING, Doing.POSTING
HTML = "<html><body>Bad gateway</body></html>"

# status, subcode, error while drafting, while publishing a draft, whether that proves an absence; tumblr/docs: api.md.
ROWS: list[tuple[int, int, type[PlatformError], type[PlatformError], bool]] = [
    (400, 8001, Rejected, Rejected, True),
    (400, 8002, Rejected, Rejected, True),
    (400, 8005, Rejected, Rejected, True),
    (400, 8016, Rejected, Rejected, True),
    (400, 0, Rejected, Rejected, True),
    (401, 1016, Disconnected, Disconnected, True),
    (403, 0, Rejected, Rejected, True),
    (403, 8004, RateLimited, RateLimited, True),
    (403, 8008, Rejected, Rejected, True),
    (403, 8010, NotYet, NotYet, True),
    (403, 8011, RateLimited, RateLimited, True),
    (403, 8022, RateLimited, RateLimited, True),
    (403, 8023, RateLimited, RateLimited, True),
    (404, 0, Disconnected, Unconfirmed, False),
    (410, 0, Disconnected, Unconfirmed, False),
    (413, 0, Rejected, Rejected, True),
    (429, 0, RateLimited, RateLimited, True),
    (500, 0, Unavailable, Unconfirmed, False),
    (500, 8006, Unavailable, Unconfirmed, False),
    (500, 8009, Unavailable, Unconfirmed, False),
    (502, 0, Unavailable, Unconfirmed, False),
    (503, 0, Unavailable, Unconfirmed, False),
    (504, 0, Unavailable, Unconfirmed, False),
    (302, 0, Unavailable, Unconfirmed, False),
]


@pytest.mark.parametrize(("status", "code", "drafting", "publishing", "proof"), ROWS)
def test_the_table(
    status: int, code: int, drafting: type[PlatformError], publishing: type[PlatformError], proof: bool
) -> None:
    answer = refused(status, code)
    for doing, error, proves in ((DRAFTING, drafting, False), (PUBLISHING, publishing, proof)):
        raised = error_of(answer, doing, now=NOW)
        assert type(raised) is error
        assert raised.proves_absence is proves
        assert raised.message.endswith(".")
        assert "Tumblr" in raised.message


@pytest.mark.parametrize(("status", "code", "drafting", "publishing", "proof"), ROWS)
def test_after_an_earlier_call_no_refusal_proves_anything(
    status: int, code: int, drafting: type[PlatformError], publishing: type[PlatformError], proof: bool
) -> None:
    for doing in (PUBLISHING, POSTING):
        assert not error_of(refused(status, code), doing, now=NOW, sent_before=True).proves_absence


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 413, 500, 502, 504])
@pytest.mark.parametrize("doing", [PUBLISHING, POSTING])
@pytest.mark.parametrize("body", [HTML, "[]", '{"error": "x"}', '{"meta": []}', "[" * 50_000])
def test_what_is_no_answer_of_tumblrs_proves_nothing(status: int, doing: Doing, body: str) -> None:
    raised = error_of(answered(body, status), doing, now=NOW)
    assert type(raised) is Unconfirmed
    assert not raised.proves_absence


def test_something_in_front_may_limit_and_refuse_large_files() -> None:
    limited = error_of(answered(HTML, 429), PUBLISHING, now=NOW)
    assert (type(limited), limited.proves_absence) == (RateLimited, False)
    assert type(error_of(answered(HTML, 413), DRAFTING)) is Rejected
    assert type(error_of(answered(HTML, 502), DRAFTING)) is Unavailable
    assert type(error_of(answered(HTML, 403), READING)) is Unavailable


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Unavailable),
        (401, Disconnected),
        (403, Disconnected),
        (404, Unavailable),
        (429, RateLimited),
        (500, Unavailable),
    ],
)
def test_reading(status: int, error: type[PlatformError]) -> None:
    assert type(error_of(refused(status), READING)) is error


def test_the_blog_may_be_gone_and_the_connection_used_up() -> None:
    gone = error_of(refused(404), POSTING)
    assert isinstance(gone, Disconnected)
    assert (gone.health, gone.proves_absence) == ("error", True)
    revoked = error_of(refused(401, 1016), PUBLISHING)
    assert isinstance(revoked, Disconnected)
    assert revoked.health == "revoked"
    expired = error_of(refused(401), PUBLISHING, renewable=True)
    assert (type(expired), expired.proves_absence) == (CredentialExpired, True)
    assert type(error_of(refused(403), READING, renewable=True)) is Disconnected


def test_what_tumblr_said_is_told() -> None:
    raised = error_of(refused(400, 8001, "'content' must\x00be\nan array"), DRAFTING)
    assert "('" not in raised.message
    assert "\"'content' must\ufffdbe an array\"" in raised.message
    assert (raised.code, raised.http_status) == ("400.8001", 400)
    titled = Answer(400, {}, b'{"meta": {"msg": "Bad Request"}, "errors": [{"title": "Bad", "code": 8001}]}', "")
    assert said_in(titled) is not None
    assert "Bad" in error_of(titled, DRAFTING).message
    bare = Answer(404, {}, b'{"meta": {"status": 404, "msg": "Not Found"}, "response": [], "errors": "x"}', "")
    assert '("Not Found")' in error_of(bare, READING).message
    assert len(error_of(refused(400, 1, "x" * 5000), DRAFTING).message) < 600


def test_a_later_video_waits_for_minutes_and_a_full_day_for_midnight_or_six_hours() -> None:
    waiting = error_of(refused(403, 8010), DRAFTING)
    assert isinstance(waiting, NotYet)
    assert waiting.wait_seconds == 300
    for hour, until in ((12, 18), (17, 23), (19, 24), (23, 24)):
        now = NOW.replace(hour=hour)
        limited = error_of(refused(403, 8023), PUBLISHING, now=now)
        assert isinstance(limited, RateLimited)
        assert limited.until == NOW.replace(hour=0) + timedelta(hours=until)
        assert limited.guessed  # its documentation says so, not its answer
    assert getattr(error_of(refused(403, 8023), PUBLISHING), "until", "") is None


HOUR, DAY = "X-RateLimit-PerHour", "X-RateLimit-PerDay"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({f"{HOUR}-Remaining": "0", f"{HOUR}-Reset": "120", f"{DAY}-Remaining": "7", f"{DAY}-Reset": "9000"}, 120),
        ({f"{HOUR}-Remaining": "5", f"{HOUR}-Reset": "120", f"{DAY}-Remaining": "0", f"{DAY}-Reset": "9000"}, 9000),
        ({f"{HOUR}-Remaining": "0", f"{HOUR}-Reset": "120", f"{DAY}-Remaining": "0", f"{DAY}-Reset": "9000"}, 9000),
        ({f"{HOUR}-Remaining": "5", f"{HOUR}-Reset": "120"}, None),
        ({f"{HOUR}-Remaining": "0"}, None),
        ({f"{HOUR}-Remaining": "0", f"{HOUR}-Reset": "soon"}, None),
        ({f"{HOUR}-Remaining": "0", f"{HOUR}-Reset": "9" * 30}, None),
        ({"Retry-After": "30"}, 30),
        ({}, None),
    ],
)
def test_a_limit_ends_so_many_seconds_from_now(headers: dict[str, str], seconds: int | None) -> None:
    """tumblr/docs issue 139: the number in Reset is no time of day."""
    answer = refused(429, headers={name.lower(): value for name, value in headers.items()})
    until = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert limit_ends_at(answer, NOW) == until
    assert getattr(error_of(answer, PUBLISHING, now=NOW), "until", "") == until
    assert limit_ends_at(answer, None) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["meta", "errors", "code", "detail", "title", "msg", "response"]), inner, max_size=4
        )
    ),
)


@given(JSON, st.integers(100, 599), st.sampled_from(Doing), st.booleans())
def test_any_answer_is_some_error(body: object, status: int, doing: Doing, sent_before: bool) -> None:
    raised = error_of(Answer(status, {}, json.dumps(body).encode(), ""), doing, now=NOW, sent_before=sent_before)
    assert isinstance(raised, PlatformError)
    assert not (raised.proves_absence and (sent_before or doing in {READING, DRAFTING} or status >= 500))
