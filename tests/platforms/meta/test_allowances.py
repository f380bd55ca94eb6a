"""How much Meta still allows: the two headers in every shape, and the endpoints that count posts."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.errors import Disconnected, PlatformError, RateLimited, Unavailable, Unreachable
from hayon.outgoing import Answer
from hayon.platforms.contract import Allowance
from hayon.platforms.facebook import Facebook
from tests.platforms.meta.scripted import ADDRESS, CREDENTIAL, INSTAGRAM, THREADS, USER, Peer, answered, refused
from tests.platforms.parcels import NOW, make_account

APP, ACCOUNT = "x-app-usage", "x-business-use-case-usage"
FACES = [THREADS, INSTAGRAM, Facebook()]
EVERY = pytest.mark.parametrize("face", FACES, ids=["threads", "instagram", "facebook"])
QUOTA = {
    "threads": f"GET /{USER}/threads_publishing_limit",
    "instagram": f"GET /{USER}/content_publishing_limit",
}
BOTH = pytest.mark.parametrize("face", [THREADS, INSTAGRAM], ids=["threads", "instagram"])


def told(face: Any, status: int = 200, **headers: Any) -> list[Allowance]:
    written = {name: one if isinstance(one, str) else json.dumps(one) for name, one in headers.items()}
    answer = Answer(status, {name.replace("_", "-"): one for name, one in written.items()}, b"{}", ADDRESS)
    return list(face.read_allowances(answer, NOW))


def spent(calls: Any = 0, cpu: Any = 0, time: Any = 0, **more: Any) -> dict[str, Any]:
    return {"call_count": calls, "total_cputime": cpu, "total_time": time, **more}


@EVERY
def test_the_headers_tell_what_is_left_in_percent(face: Any) -> None:
    usage = {USER: [spent(28, 30, 25, type="instagram", estimated_time_to_regain_access=0)]}
    # on Threads, an app's calls are counted for each person
    app = Allowance("calls", 40, 100, 86_400) if face is THREADS else Allowance("calls", 40, 100, 3_600, of_app=True)
    assert told(face, x_app_usage=spent(10, 12, 60), x_business_use_case_usage=usage) == [
        app,
        Allowance("calls", 70, 100),
    ]
    assert told(face) == []


@EVERY
def test_the_worst_of_many_counts_and_the_longest_wait(face: Any) -> None:
    usage = {
        "1": [spent(5, type="pages"), spent(90, type="instagram", estimated_time_to_regain_access=0)],
        "2": [spent(40, 101, 3, type="pages", estimated_time_to_regain_access=19)],
        "3": [spent(7, estimated_time_to_regain_access=3)],
    }
    assert told(face, 400, x_business_use_case_usage=usage) == [
        Allowance("calls", 0, 100, resets_at=NOW + timedelta(minutes=19))
    ]


@EVERY
def test_while_there_is_a_time_to_wait_for_nothing_is_left(face: Any) -> None:
    usage = {"1": [spent(60, estimated_time_to_regain_access=5)]}
    (one,) = told(face, x_business_use_case_usage=usage)
    assert (one.left, one.resets_at) == (0, NOW + timedelta(minutes=5))


@EVERY
@pytest.mark.parametrize(
    "value",
    ["", "null", "[]", "7", "{", '{"call_count": "many"}', '{"1": {"call_count": 3}}', '{"1": [7]}', '{"1": [{}]}',
     '{"call_count": true}', '{"call_count": -1}', '{"call_count": 1e400}', "[" * 100_000],
)  # fmt: skip
def test_what_cannot_be_read_tells_nothing(face: Any, value: str) -> None:
    assert told(face, x_app_usage=value, x_business_use_case_usage=value) == []


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["call_count", "total_time", "total_cputime", "estimated_time_to_regain_access", "1"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_reading_never_fails_and_never_says_more_than_there_is(app: Any, account: Any) -> None:
    for one in told(THREADS, x_app_usage=json.dumps(app), x_business_use_case_usage=json.dumps(account)):
        assert 0 <= one.left <= 100 == one.limit


async def posts_left(face: Any, answer: Any) -> tuple[list[Allowance], Peer]:
    peer = Peer(face, answers={QUOTA[face.platform]: answer})
    account = make_account(face.platform, ADDRESS, USER)
    return list(await face.allowances(account, CREDENTIAL, peer.outgoing)), peer


@BOTH
@pytest.mark.parametrize("wrapped", [True, False])
async def test_the_quota_endpoint_says_how_many_posts_are_left(face: Any, wrapped: bool) -> None:
    body = {"quota_usage": 21, "config": {"quota_total": 250, "quota_duration": 86400}}
    left, peer = await posts_left(face, answered({"data": [body]} if wrapped else body))
    assert left == [Allowance("posts", 229, 250, 86_400)]
    assert peer.asked[0].query == {"fields": "quota_usage,config"}


@BOTH
async def test_who_has_used_more_than_there_is_has_none_left(face: Any) -> None:
    left, _ = await posts_left(face, answered({"data": [{"quota_usage": 60, "config": {"quota_total": 50}}]}))
    assert left == [Allowance("posts", 0, 50)]


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": []},
        {"data": [{"quota_usage": 3}]},
        {"data": [{"config": {"quota_total": 3}}]},
        {"quota_usage": 3, "config": {"quota_total": 2**31}},
        {"data": [{"quota_usage": "x", "config": {"quota_total": 3}}]},
        {"quota_usage": 3, "config": "none"},
    ],
)
async def test_a_quota_that_is_not_told_is_not_made_up(face: Any, body: Any) -> None:
    assert (await posts_left(face, answered(body)))[0] == []


@BOTH
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(190), Disconnected), (refused(4), RateLimited), (answered("<html>"), Unavailable),
        (Unreachable("x", host="x"), Unreachable),
    ],
)  # fmt: skip
async def test_who_cannot_be_asked_raises_as_ever(face: Any, answer: Any, error: type[PlatformError]) -> None:
    with pytest.raises(error):
        await posts_left(face, answer)


async def test_facebook_counts_no_posts() -> None:
    account = make_account("facebook", ADDRESS, USER)
    peer = Peer(THREADS)
    assert list(await Facebook().allowances(account, CREDENTIAL, peer.outgoing)) == []
    assert peer.asked == []
