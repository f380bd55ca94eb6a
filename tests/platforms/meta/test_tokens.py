"""Connecting Threads and Instagram: whose token it is, how long it lasts, and how it renews itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hayon.errors import (
    Disconnected,
    Invalid,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from hayon.platforms.contract import Connected
from hayon.platforms.instagram import Instagram
from hayon.platforms.meta.reading import moment_of
from hayon.platforms.threads import Threads
from tests.platforms.meta.scripted import (
    ADDRESS,
    CREDENTIAL,
    INSTAGRAM,
    THREADS,
    TOKEN,
    USER,
    Peer,
    Scripted,
    answered,
    refused,
)
from tests.platforms.parcels import NOW, make_account

BOTH = pytest.mark.parametrize("face", [THREADS, INSTAGRAM], ids=["threads", "instagram"])
Face = Threads | Instagram
ALICE = {
    "threads": {"id": USER, "username": "alice", "name": "Alice", "threads_profile_picture_url": "https://x/a.jpg"},
    "instagram": {
        "id": "26000000000000001", "user_id": USER, "username": "alice", "name": "Alice", "account_type": "BUSINESS",
        "profile_picture_url": "https://x/a.jpg",
    },
}  # fmt: skip
GRANT = {"threads": "th_refresh_token", "instagram": "ig_refresh_token"}
ME, DEBUG, REFRESH = "GET /me", "GET /debug_token", "GET /refresh_access_token"
DAY = timedelta(days=1)
SCOPES = ["threads_basic", "threads_content_publish"]


def peer_of(face: Face, **answers: Scripted) -> Peer:
    scripts: dict[str, Scripted | list[Scripted]] = {
        ME: answers.get("me", answered(ALICE[face.platform])),
        DEBUG: answers.get("debug", refused(2)),
    }
    if "refresh" in answers:
        scripts[REFRESH] = answers["refresh"]
    return Peer(face, answers=scripts)


async def connect(face: Face, token: Any = TOKEN, **answers: Scripted) -> tuple[Connected, Peer]:
    peer = peer_of(face, **answers)
    return await face.connect({"accessToken": token}, peer.outgoing), peer


@BOTH
async def test_a_connection_names_the_account(face: Face) -> None:
    before = datetime.now(UTC)
    connected, peer = await connect(face, f" {TOKEN}\n")
    assert (connected.remote_id, connected.handle, connected.host) == (USER, "@alice", ADDRESS)
    assert (connected.display_name, connected.avatar_url) == ("Alice", "https://x/a.jpg")
    assert connected.credential["accessToken"] == TOKEN
    obtained_at = moment_of(connected.credential["obtainedAt"])
    assert obtained_at is not None
    assert before <= obtained_at <= datetime.now(UTC)
    assert "expiresAt" not in connected.credential
    assert peer.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in peer.asked[0].url + str(peer.asked[0].query)


async def test_instagram_keeps_both_ids_and_the_kind_of_account() -> None:
    connected, peer = await connect(INSTAGRAM)
    assert connected.facts == {"id": "26000000000000001", "accountType": "BUSINESS"}
    assert peer.calls == [ME]


@pytest.mark.parametrize("wrapped", [{"data": [ALICE["instagram"]]}, {"data": ALICE["instagram"]}])
async def test_an_answer_may_come_wrapped(wrapped: dict[str, Any]) -> None:
    connected, _ = await connect(INSTAGRAM, me=answered(wrapped))
    assert connected.remote_id == USER


async def test_where_there_is_no_professional_id_the_other_one_counts() -> None:
    connected, _ = await connect(INSTAGRAM, me=answered({"id": "26000000000000001", "username": "alice"}))
    assert (connected.remote_id, connected.display_name, connected.avatar_url) == ("26000000000000001", "", None)


async def test_threads_tells_how_long_a_token_lasts() -> None:
    about = {"data": {"expires_at": 1800000000, "issued_at": 1794816000, "scopes": SCOPES, "is_valid": True}}
    connected, peer = await connect(THREADS, debug=answered(about))
    assert connected.credential == {
        "accessToken": TOKEN,
        "expiresAt": datetime.fromtimestamp(1800000000, UTC).isoformat(),
        "obtainedAt": datetime.fromtimestamp(1794816000, UTC).isoformat(),
    }
    assert peer.calls == [ME, DEBUG]
    assert peer.asked[1].query == {"input_token": TOKEN}
    assert TOKEN not in repr(peer.asked[1])


@pytest.mark.parametrize(
    "about", [refused(2), refused(190), answered("<html>"), answered({"data": []}), Unreachable("x", host="x")]
)
async def test_who_does_not_tell_how_long_a_token_lasts_is_connected_all_the_same(about: Scripted) -> None:
    connected, _ = await connect(THREADS, debug=about)
    assert set(connected.credential) == {"accessToken", "obtainedAt"}


async def test_a_token_that_may_not_publish_is_not_kept() -> None:
    about = answered({"data": {"scopes": ["threads_basic"], "expires_at": 1800000000}})
    with pytest.raises(Disconnected, match="threads_content_publish"):
        await connect(THREADS, debug=about)


@BOTH
@pytest.mark.parametrize("token", [None, "", "  ", 7, "two words", "ünicode", "x" * 2049, "a\nb"])
async def test_what_is_no_token_is_named_and_nobody_is_asked(face: Face, token: Any) -> None:
    peer = peer_of(face)
    with pytest.raises(Invalid) as raised:
        await face.connect({} if token is None else {"accessToken": token}, peer.outgoing)
    assert [(one.field, one.platform) for one in raised.value.problems] == [("accessToken", face.platform)]
    assert peer.calls == []


@BOTH
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(190), Disconnected),
        (refused(10), Disconnected),
        (refused(100, None, "Tried accessing nonexisting field"), Rejected),
        (refused(4), RateLimited),
        (answered("<html>"), Unavailable),
        (answered({"id": USER}), Unavailable),
        (answered({"id": "../x", "username": "alice"}), Unavailable),
        (answered({"username": "alice"}), Unavailable),
        (Unreachable("x", host="x"), Unreachable),
        (Unconfirmed("cut"), Unavailable),
    ],
)
async def test_who_cannot_be_asked_is_not_connected(face: Face, answer: Scripted, error: type[PlatformError]) -> None:
    with pytest.raises(error):
        await connect(face, me=answer)


@BOTH
async def test_a_check_asks_at_the_accounts_own_address_and_keeps_the_credential(face: Face) -> None:
    account = make_account(face.platform, ADDRESS, USER)
    elsewhere = type(face)("https://elsewhere.example", face.version)
    peer = peer_of(face)
    checked = await elsewhere.check(account, CREDENTIAL, peer.outgoing)
    connected, _ = await connect(face)
    assert (checked.remote_id, checked.handle, checked.host, checked.facts) == (
        USER,
        "@alice",
        ADDRESS,
        connected.facts,
    )
    assert checked.credential == CREDENTIAL


# renewing


@BOTH
@pytest.mark.parametrize(
    ("age", "left", "soon"),
    [
        (timedelta(hours=23), None, False),
        (timedelta(hours=25), None, True),
        (timedelta(hours=23), DAY, False),
        (timedelta(hours=25), DAY, True),
        (19 * DAY, 41 * DAY, False),
        (21 * DAY, 39 * DAY, True),
        (61 * DAY, -DAY, True),
    ],
)
def test_a_token_is_renewed_when_it_is_old_enough(
    face: Face, age: timedelta, left: timedelta | None, soon: bool
) -> None:
    credential = {"accessToken": TOKEN, "obtainedAt": (NOW - age).isoformat()}
    if left is not None:
        credential["expiresAt"] = (NOW + left).isoformat()
    assert face.expires_soon(credential, NOW) is soon


async def renew(face: Face, answer: Scripted, credential: Any = CREDENTIAL) -> tuple[Any, Peer]:
    peer = peer_of(face, refresh=answer)
    return await face.refresh(make_account(face.platform, ADDRESS, USER), credential, peer.outgoing), peer


@BOTH
async def test_a_renewed_token_lasts_as_long_as_it_says(face: Face) -> None:
    before = datetime.now(UTC)
    fresh, peer = await renew(face, answered({"access_token": "NEW1", "token_type": "bearer", "expires_in": 5183944}))
    (request,) = peer.asked
    assert request.url == f"{ADDRESS}/refresh_access_token"
    assert request.query == {"grant_type": GRANT[face.platform], "access_token": TOKEN}
    assert TOKEN not in repr(request)
    expires_at, obtained_at = moment_of(fresh["expiresAt"]), moment_of(fresh["obtainedAt"])
    assert fresh["accessToken"] == "NEW1"
    assert expires_at is not None
    assert obtained_at is not None
    assert obtained_at >= before
    assert expires_at - obtained_at == timedelta(seconds=5183944)
    assert face.expires_soon(fresh, obtained_at + 2 * DAY) is False


@BOTH
@pytest.mark.parametrize("lasts", [None, "soon", -1, 0, 10**12])
async def test_a_renewed_token_without_an_end_is_asked_about_again(face: Face, lasts: Any) -> None:
    fresh, _ = await renew(
        face, answered({"access_token": "NEW1", "expires_in": lasts}), {**CREDENTIAL, "expiresAt": "2026-12-01"}
    )
    assert set(fresh) == {"accessToken", "obtainedAt"}


def ending_in(days: float) -> dict[str, str]:
    return {**CREDENTIAL, "expiresAt": (datetime.now(UTC) + timedelta(days=days)).isoformat()}


NOT_NOW = [
    (refused(100, None, "The token is too young"), Rejected),
    (refused(1, None, "The token is too young"), Unavailable),
    (refused(4), RateLimited),
    (Unconfirmed("cut"), Unavailable),
    (answered("<html>", 503), Unavailable),
    (answered({"access_token": ""}), Unavailable),
    (answered({"access_token": "two words"}), Unavailable),
    (answered({}), Unavailable),
]


@BOTH
@pytest.mark.parametrize("answer", [answer for answer, _ in NOT_NOW])
@pytest.mark.parametrize("credential", [CREDENTIAL, ending_in(8)], ids=["unknown", "8 days"])
async def test_a_token_that_is_not_renewed_now_is_kept_for_a_day(face: Face, answer: Scripted, credential: Any) -> None:
    kept, peer = await renew(face, answer, credential)
    assert peer.calls == [REFRESH]
    assert {**kept, "obtainedAt": ""} == {**credential, "obtainedAt": ""}
    now = datetime.now(UTC)
    assert [face.expires_soon(kept, now + timedelta(hours=hours)) for hours in (23, 25)] == [False, True]


@BOTH
@pytest.mark.parametrize(("answer", "error"), NOT_NOW)
async def test_in_its_last_days_a_token_has_to_be_renewed(
    face: Face, answer: Scripted, error: type[PlatformError]
) -> None:
    with pytest.raises(error):
        await renew(face, answer, ending_in(6))


@BOTH
@pytest.mark.parametrize(
    ("answer", "error"), [(refused(190, 463), Disconnected), (Unreachable("x", host="x"), Unreachable)]
)
@pytest.mark.parametrize("days", [6, 39])
async def test_a_dead_token_and_a_host_out_of_reach_are_told(
    face: Face, answer: Scripted, error: type[PlatformError], days: int
) -> None:
    with pytest.raises(error):
        await renew(face, answer, ending_in(days))
