"""Every unwelcome answer that is known, in each situation, and the error it becomes."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.errors import Disconnected, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed
from hayon.outgoing import Answer
from hayon.platforms.meta.graph import Doing, error_of, failure_of, published_id, regained_at
from tests.platforms.meta.scripted import ADDRESS, TOKEN, answered, refused
from tests.platforms.parcels import NOW

HOURS = timedelta(hours=1)
Kind = type[PlatformError]

# code, subcode, words; what it is while preparing; whether a first call that publishes proves by it that nothing went live
ROWS: list[tuple[int, int | None, str, Kind, bool]] = [
    # the token and the account
    (190, None, "Invalid OAuth access token", Disconnected, True),
    (102, None, "Session key invalid", Disconnected, True),
    *((190, subcode, "Error validating access token", Disconnected, True) for subcode in (458, 459, 460, 463, 464, 467, 492)),
    *((102, subcode, "Session", Disconnected, True) for subcode in (458, 463)),
    (10, None, "Application does not have permission", Disconnected, True),
    *((code, None, "Permissions error", Disconnected, True) for code in (200, 230, 294, 299)),
    (3, None, "Application does not have the capability", Disconnected, False),
    (4279013, None, "Account restricted", Disconnected, True),
    (1, 4279013, "Account restricted", Disconnected, True),
    (25, 2207050, "The Instagram account is restricted", Disconnected, True),
    (368, 4854002, "Confirm your identity", Disconnected, False),
    (368, 1404006, "Security check", Disconnected, False),
    (368, 1404112, "Limited account", Disconnected, False),
    (200, 1404078, "Page publishing authorization needed", Disconnected, False),
    (1, None, "REVOKED_ACCESS_TOKEN", Disconnected, False),
    (1, None, "The session has been invalidated", Disconnected, False),
    (1, None, "The user is not an Instagram Business", Disconnected, False),
    # limits
    *((code, None, "limit reached", RateLimited, False) for code in (4, 17, 32, 613, 341, 80001, 80002)),
    (9, 2207042, "You reached the maximum number of posts", RateLimited, True),
    (4, 2207051, "We restrict certain activity", RateLimited, False),
    (368, None, "The action attempted has been deemed abusive", RateLimited, False),
    (368, 1390008, "You're posting too fast", RateLimited, False),
    # said twice
    (368, 1404082, "Duplicate text", Rejected, False),
    (506, None, "Duplicate status message", Rejected, False),
    (1366051, None, "Photos were already posted", Rejected, False),
    (100, 1366051, "Photos were already posted", Rejected, False),
    # not ready
    (24, 4279009, "Media not found", Unavailable, True),
    (9007, 2207027, "Media ID is not available", Unavailable, True),
    (9007, None, "Media ID is not available", Unavailable, True),
    # failures that may pass
    (1, None, "An unknown error occurred", Unavailable, False),
    (2, None, "Service temporarily unavailable", Unavailable, False),
    (-1, None, "Fatal", Unavailable, False),
    (-2, 2207003, "Timeout downloading media", Unavailable, False),
    (-2, 2207020, "Media expired", Unavailable, False),
    *((-1, subcode, "Server", Unavailable, False) for subcode in (2207001, 2207032, 2207053)),
    (24, 2207006, "Media not found", Unavailable, False),
    (24, 2207008, "Media builder with creation id does not exist", Unavailable, False),
    (9004, 2207052, "The media could not be fetched from this URI", Unavailable, False),
    (9004, None, "Only photo or video can be accepted", Unavailable, False),
    *((1, subcode, "Upload", Unavailable, False) for subcode in (2207082, 2207077, 2207085)),
    (389, None, "Unable to fetch video file from URL", Unavailable, False),
    (6001, None, "There was a problem uploading your video", Unavailable, False),
    (1, 1363047, "Service unavailable", Unavailable, False),
    (1, 1609010, "Service unavailable", Unavailable, False),
    (1, 99, "An unknown error occurred", Unavailable, False),
    (77777, None, "Something new", Unavailable, False),
    # the content
    (100, None, "(#100) Param text must be a string", Rejected, True),
    (100, None, "Invalid parameter", Rejected, True),
    (100, None, "No permission to publish the video", Rejected, False),
    (100, 33, "Unsupported post request. Object does not exist", Rejected, False),
    (100, 4279071, "Topic tag not permitted", Rejected, False),
    (100, None, "THREADS_API__LINK_LIMIT_EXCEEDED", Rejected, False),
    (100, None, "Param text must be at most 500 characters long", Rejected, False),
    (100, None, "THREADS_API__FEATURE_NOT_AVAILABLE", Rejected, False),
    (1, None, "THREADS_API__GEO_GATING_INVALID_COUNTRY_CODES", Rejected, False),
    (1, 2207057, "Thumb offset", Rejected, False),
    *((100, subcode, "Media", Rejected, False) for subcode in (2207023, 2207028, 2207040)),
    (352, 2207026, "Unsupported video format", Rejected, False),
    (352, None, "Unsupported video format", Rejected, False),
    (36000, 2207004, "The image is too large", Rejected, False),
    (36001, 2207005, "Unsupported image format", Rejected, False),
    (36003, 2207009, "Aspect ratio", Rejected, False),
    (36004, 2207010, "Caption too long", Rejected, False),
    *((1, subcode, "Refused", Rejected, False) for subcode in (2207081, 2207018)),
    (197, None, "The post is empty", Rejected, True),
    (100, 1609005, "Link", Rejected, False),
    *((100, subcode, "Link", Rejected, True) for subcode in (1609008, 2061006)),
    *((324, subcode, "Photo", Rejected, False) for subcode in (1366046, 2069019)),
    (382, None, "The video file is too small", Rejected, False),
    (6000, None, "There was a problem with your video", Rejected, False),
    *((1, subcode, "Standards", Rejected, False) for subcode in (1346003, 1404102)),
    # done, though it says otherwise
    (20, 1772107, "Unsupported response format", Unconfirmed, False),
]  # fmt: skip


@pytest.mark.parametrize(("code", "subcode", "words", "error", "proof"), ROWS)
def test_an_error_of_graph(code: int, subcode: int | None, words: str, error: Kind, proof: bool) -> None:
    answer = refused(code, subcode, words)
    preparing = error_of(answer, "Meta", Doing.PREPARING, now=NOW, sent_before=False)
    assert (type(preparing), preparing.proves_absence) == (error, False)
    published = error_of(answer, "Meta", Doing.PUBLISHING, now=NOW, sent_before=False)
    kept = proof or error is Disconnected
    assert (type(published), published.proves_absence) == (error if kept else Unconfirmed, proof)
    assert published.code == "/".join(str(one) for one in (code, subcode) if one)
    assert words in published.message
    assert published.http_status == 400


@pytest.mark.parametrize(("code", "subcode", "words", "error", "proof"), ROWS)
def test_nothing_proves_an_absence_after_an_earlier_call(
    code: int, subcode: int | None, words: str, error: Kind, proof: bool
) -> None:
    published = error_of(refused(code, subcode, words), "Meta", Doing.PUBLISHING, now=NOW, sent_before=True)
    assert published.proves_absence is False
    assert type(published) is (Disconnected if error is Disconnected else Unconfirmed)


@pytest.mark.parametrize(("code", "subcode", "words", "error", "proof"), ROWS)
@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_proves_nothing_whatever_it_says(
    code: int, subcode: int | None, words: str, error: Kind, proof: bool, status: int
) -> None:
    answer = refused(code, subcode, words, status=status)
    assert error_of(answer, "Meta", Doing.PUBLISHING, now=NOW, sent_before=False).proves_absence is False


@pytest.mark.parametrize(("code", "subcode", "words", "error", "proof"), ROWS)
def test_an_error_is_read_whatever_the_status_and_is_transient_is_not_believed(
    code: int, subcode: int | None, words: str, error: Kind, proof: bool
) -> None:
    for status in (200, 400, 401, 403, 500):
        for transient in (True, False):
            answer = refused(code, subcode, words, status=status, is_transient=transient)
            assert type(error_of(answer, "Meta", Doing.PREPARING, now=NOW, sent_before=False)) is error


def test_what_does_not_exist_may_be_a_mistake_while_reading() -> None:
    reading = error_of(refused(100, 33, "does not exist"), "Meta", Doing.READING, now=NOW, sent_before=False)
    assert (type(reading), reading.code) == (Unavailable, "100/33")


@pytest.mark.parametrize(
    ("subcode", "health"),
    [(None, "revoked"), (458, "revoked"), (459, "error"), (460, "revoked"), (463, "expired"), (464, "error"), (467, "revoked"),
     (492, "revoked")],
)  # fmt: skip
def test_what_becomes_of_the_account(subcode: int | None, health: str) -> None:
    error = error_of(refused(190, subcode), "Meta", Doing.READING, now=NOW, sent_before=False)
    assert isinstance(error, Disconnected)
    assert error.health == health


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("FAILED_DOWNLOADING_VIDEO", Unavailable),
        ("UNKNOWN", Unavailable),
        ("", Unavailable),
        *((words, Rejected) for words in (
            "FAILED_PROCESSING_AUDIO", "FAILED_PROCESSING_VIDEO", "INVALID_ASPEC_RATIO", "INVALID_BIT_RATE", "INVALID_DURATION",
            "INVALID_FRAME_RATE", "INVALID_AUDIO_CHANNELS", "INVALID_AUDIO_CHANNEL_LAYOUT",
            "Error: Media upload has failed with error code 2207026", "Error: 2207009: the aspect ratio is not supported",
        )),
        ("Error: Media upload has failed with error code 2207001", Unavailable),
        ("Error: 2207003", Unavailable),
        ("Error: 2207051 restricted", RateLimited),
        ("Error: 2207050", Disconnected),
    ],
)  # fmt: skip
def test_a_container_says_why_it_failed(words: str, error: Kind) -> None:
    failure = failure_of(words, "Meta")
    assert type(failure) is error
    assert words in failure.message
    assert failure.proves_absence is False


# shapes


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "null", "7", {}, {"id": ""}, {"id": None}, {"success": True}, "[" * 100_000]
)
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_what_is_no_answer_of_graph_proves_nothing(body: Any, status: int) -> None:
    with pytest.raises(Unconfirmed) as raised:
        published_id(answered(body, status), "Meta", now=NOW, sent_before=False)
    assert raised.value.proves_absence is False


@pytest.mark.parametrize("status", [201, 400, 500])
def test_an_id_under_a_bad_status_is_no_receipt(status: int) -> None:
    with pytest.raises(Unconfirmed):
        published_id(answered({"id": "9"}, status), "Meta", now=NOW, sent_before=False)


def test_an_id_beside_an_error_is_no_receipt() -> None:
    with pytest.raises(Unconfirmed):
        published_id(answered({"id": "9", "error": {"code": 2, "message": "x"}}), "Meta", now=NOW, sent_before=False)


@pytest.mark.parametrize(("value", "found"), [("9", "9"), ("17_18", "17_18"), (12345678901234567, "12345678901234567")])
def test_ids_are_text(value: Any, found: str) -> None:
    assert published_id(answered({"id": value}), "Meta", now=NOW, sent_before=False) == found


@pytest.mark.parametrize("value", ["../me", "a b", "9?x=1", True, 1.5, [], "x" * 201])
def test_what_could_not_be_an_id_is_none(value: Any) -> None:
    with pytest.raises(Unconfirmed):
        published_id(answered({"id": value}), "Meta", now=NOW, sent_before=False)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error_type": "OAuthException", "code": 190, "error_message": "expired"}, Disconnected),
        (
            {
                "debug_info": {
                    "retriable": False,
                    "type": "ProcessingFailedError",
                    "message": "Request processing failed",
                }
            },
            Unavailable,
        ),
        ({"debug_info": {"type": "OffsetInvalidError", "message": "x"}}, Unavailable),
        ({"debug_info": {"type": "PartialRequestError", "message": "x"}}, Unavailable),
        ({"error": "something"}, Unavailable),
        ({"error": {"code": "190", "message": 7}}, Disconnected),
        ({"error": {"code": [], "error_subcode": {}}}, Unavailable),
    ],
)
def test_errors_come_in_several_shapes(body: Any, error: Kind) -> None:
    assert type(error_of(answered(body, 400), "Meta", Doing.READING, now=NOW, sent_before=False)) is error


def test_a_token_that_ran_out_says_so_by_number_or_in_words() -> None:
    for answer in (refused(190, 463, "Session"), refused(190, None, "Session has expired on Sunday", status=401)):
        error = error_of(answer, "Meta", Doing.PUBLISHING, now=NOW, sent_before=False)
        assert isinstance(error, Disconnected)
        assert (error.health, error.proves_absence) == ("expired", True)


@pytest.mark.parametrize(
    ("name", "answer", "of_app"),
    [
        ("Facebook", refused(4, None, "Application request limit reached"), True),
        ("Instagram", refused(4, None, "Application request limit reached"), True),
        ("Threads", refused(4, None, "Application request limit reached"), False),  # counted for each person
        ("Instagram", refused(4, 2207051, "Action blocked"), False),
        ("Facebook", refused(80001, None, "Too many calls"), False),
        ("Facebook", refused(17, None, "User request limit reached"), False),
        ("Facebook", answered("<html>", 429), False),
    ],
)
def test_a_limit_of_the_app_is_told_from_one_of_the_account(name: str, answer: Answer, of_app: bool) -> None:
    error = error_of(answer, name, Doing.PREPARING, now=NOW, sent_before=False)
    assert isinstance(error, RateLimited)
    assert error.of_app is of_app


def test_a_status_that_limits_is_a_limit_without_an_error_in_the_body() -> None:
    answer = answered("<html>", 429)
    assert isinstance(error_of(answer, "Meta", Doing.READING, now=NOW, sent_before=False), RateLimited)
    assert isinstance(error_of(answer, "Meta", Doing.PUBLISHING, now=NOW, sent_before=False), Unconfirmed)


def test_a_message_tells_the_persons_words_and_the_trace_and_no_token() -> None:
    answer = refused(
        190, None, f"Malformed access token {TOKEN}", error_user_msg="Log in\x00again", error_user_title="Sorry"
    )
    message = error_of(answer, "Threads", Doing.READING, now=NOW, sent_before=False).message
    assert '("Sorry: Log in\ufffdagain: Malformed access token …' in message
    assert "trace AbC-1" in message
    assert TOKEN not in message
    assert (
        len(error_of(refused(2, None, "why " * 500), "Meta", Doing.READING, now=NOW, sent_before=False).message) < 500
    )


# when calls are taken again


def usage(*minutes: Any) -> dict[str, str]:
    entries = [{"type": "pages", "call_count": 100, "estimated_time_to_regain_access": one} for one in minutes]
    return {"x-business-use-case-usage": json.dumps({"1784": entries})}


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        (usage(0), None),
        (usage(17), NOW + timedelta(minutes=17)),
        (usage(3, 40), NOW + timedelta(minutes=40)),
        ({}, None),
        ({"x-business-use-case-usage": "nonsense"}, None),
        ({"x-business-use-case-usage": "[]"}, None),
        ({"x-business-use-case-usage": '{"1": {"a": 1}}'}, None),
        (usage("soon"), None),
        (usage(1e400), None),
        ({"x-app-usage": '{"call_count":100}'}, None),
    ],
)
def test_the_end_of_a_limit_is_read_where_it_is_told(headers: dict[str, str], until: Any) -> None:
    assert regained_at(answered({}, 400, headers), NOW) == until


def test_a_limit_ends_when_the_platform_says_or_after_a_while() -> None:
    def until(answer: Answer, now: Any = NOW) -> Any:
        error = error_of(answer, "Meta", Doing.READING, now=now, sent_before=False)
        assert isinstance(error, RateLimited)
        return error.until

    told = answered({"error": {"code": 80002, "message": "x"}}, 400, usage(17))
    assert until(told) == NOW + timedelta(minutes=17)
    assert until(refused(4)) == NOW + HOURS
    assert until(refused(368)) == NOW + 6 * HOURS
    assert until(refused(4, 2207051)) == NOW + 6 * HOURS
    assert until(refused(4), now=None) is None
    named = [error_of(answer, "Meta", Doing.READING, now=NOW, sent_before=False) for answer in (told, refused(4))]
    assert [isinstance(error, RateLimited) and error.guessed for error in named] == [False, True]


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["error", "message", "code", "error_subcode", "id", "data", "fbtrace_id", "x"]), inner, max_size=4
        ),
    ),
    status=st.integers(200, 599),
    doing=st.sampled_from(list(Doing)),
)  # fmt: skip
def test_any_answer_at_all_becomes_an_error(body: Any, status: int, doing: Doing) -> None:
    answer = Answer(status, {}, json.dumps(body).encode(), ADDRESS)
    error = error_of(answer, "Meta", doing, now=NOW, sent_before=False)
    assert error.message
    assert doing is Doing.PUBLISHING or not error.proves_absence
