"""Sessions of app passwords alone: none of a main password, renewed while nobody uses them, given back; and what is left."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hayon.errors import Disconnected, Invalid, PlatformError, RateLimited, Unavailable, Unconfirmed, Unreachable
from hayon.outgoing import Answer
from hayon.platforms.contract import Allowance
from hayon.sandbox.bluesky.pds import pds_of
from tests.contracts.stage import Stage, staged
from tests.platforms.bluesky.scripted import ADAPTER, CREDENTIAL, DID, HOST, Server, answered, refused, token
from tests.platforms.parcels import NOW, make_account

GIVEN = {"identifier": "alice.test", "appPassword": "abcd-efgh-ijkl-mnop"}
ACCOUNT = make_account("bluesky", HOST, DID)


def session(scope: Any) -> dict[str, Any]:
    """What a sign-in answers, with an access token that says this of itself."""
    return {"did": DID, "handle": "alice.test", "active": True, "accessJwt": token({"scope": scope}), "refreshJwt": "r"}


# main passwords


@pytest.mark.parametrize(
    "ending", [answered(), refused(400, "InvalidToken"), Unconfirmed("cut"), Unreachable("x", host="x")]
)
async def test_a_main_password_is_refused_and_its_session_ended(ending: Answer | Exception) -> None:
    server = Server({"createSession": answered(session("com.atproto.access")), "deleteSession": ending})
    with pytest.raises(Disconnected) as raised:
        await ADAPTER.connect(GIVEN, server)
    assert "main password" in raised.value.message
    assert "App passwords" in raised.value.message  # where to make one
    assert raised.value.code == "main_password"
    assert GIVEN["appPassword"] not in raised.value.message
    assert server.methods == ["createSession", "deleteSession"]
    assert server.asked[1].headers == {"Authorization": "Bearer r"}
    assert server.asked[1].url.startswith("https://bsky.social/")


@pytest.mark.parametrize("scope", ["com.atproto.appPass", "com.atproto.appPassPrivileged", "", None, 5, ["x"]])
async def test_an_app_password_is_taken_and_what_a_token_does_not_say_is_not_guessed(scope: Any) -> None:
    server = Server({"createSession": answered(session(scope))})
    assert (await ADAPTER.connect(GIVEN, server)).remote_id == DID


@pytest.mark.parametrize("access", ["opaque", "a.b.c", "..", "a." + "W" * 20_000 + ".c"])
async def test_a_token_that_is_nothing_to_read_is_an_app_passwords(access: str) -> None:
    server = Server({"createSession": answered({**session(""), "accessJwt": access})})
    assert (await ADAPTER.connect(GIVEN, server)).credential["accessJwt"] == access


async def test_there_is_no_page_and_it_is_said_where_an_app_password_is_made() -> None:
    server = Server()
    with pytest.raises(Invalid) as raised:
        await ADAPTER.authorize({}, "https://hayon.example/back", "st", None, server)
    (problem,) = raised.value.problems
    assert (problem.rule, problem.platform) == ("no_way", "bluesky")
    assert "Settings, Privacy and security, App passwords" in problem.message
    assert server.asked == []


# lasting


def renewing(**claims: float) -> dict[str, str]:
    return {"accessJwt": "a", "refreshJwt": token(claims)}


@pytest.mark.parametrize(
    ("credential", "at"),
    [
        (renewing(iat=NOW.timestamp(), exp=(NOW + timedelta(days=90)).timestamp()), NOW + timedelta(days=45)),
        (renewing(exp=(NOW + timedelta(days=90)).timestamp()), NOW + timedelta(days=83)),
        (renewing(iat=(NOW + timedelta(days=91)).timestamp(), exp=(NOW + timedelta(days=90)).timestamp()), NOW + timedelta(days=83)),
        ({"refreshJwt": "opaque", "openedAt": NOW.isoformat()}, NOW + timedelta(days=7)),
        ({"refreshJwt": "opaque", "openedAt": "then"}, None),
        (CREDENTIAL, None),
        ({}, None),
    ],
)  # fmt: skip
def test_when_a_session_is_renewed_that_nobody_uses(credential: dict[str, str], at: datetime | None) -> None:
    assert ADAPTER.renew_at(credential) == at


async def test_a_session_that_does_not_say_when_it_ends_is_renewed_every_week() -> None:
    server = Server({"createSession": answered({**session(""), "refreshJwt": "opaque"})})
    renew_at = ADAPTER.renew_at((await ADAPTER.connect(GIVEN, server)).credential)
    assert renew_at is not None
    assert timedelta(days=6, hours=23) < renew_at - datetime.now(UTC) <= timedelta(days=7)


# giving back


@pytest.mark.parametrize("answer", [answered(), refused(400, "ExpiredToken"), refused(400, "InvalidToken")])
async def test_a_session_is_ended_with_its_refresh_token(answer: Answer) -> None:
    server = Server({"deleteSession": answer})
    assert await ADAPTER.revoke(ACCOUNT, CREDENTIAL, server) is True
    (request,) = server.asked
    assert (request.method, request.url) == ("POST", f"{HOST}/xrpc/com.atproto.server.deleteSession")
    assert (request.headers, request.json) == ({"Authorization": "Bearer refresh"}, None)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(429, "RateLimitExceeded"), RateLimited),
        (refused(502, "UpstreamFailure"), Unavailable),
        (answered("<html>", 404), Unavailable),
        (answered("[" * 5000, 400), Unavailable),
        (refused(401, "AccountTakedown"), Disconnected),
        (Unconfirmed("cut"), Unavailable),
        (Unreachable("down", host="pds.example"), Unreachable),
    ],
)
async def test_a_session_may_not_be_ended(answer: Any, error: type[PlatformError]) -> None:
    with pytest.raises(error) as raised:
        await ADAPTER.revoke(ACCOUNT, CREDENTIAL, Server({"deleteSession": answer}))
    assert type(raised.value) is error


# what is left

PUT, UPLOAD, OTHER = "com.atproto.repo.putRecord", "com.atproto.repo.uploadBlob", "com.atproto.server.getSession"
SOON = NOW + timedelta(minutes=20)


def told(method: str, **changes: str) -> list[Allowance]:
    usual = {"limit": "5000", "remaining": "4997", "reset": str(int(SOON.timestamp())), "policy": "5000;w=3600"}
    headers = {f"ratelimit-{name}": value for name, value in (usual | changes).items()}
    return list(ADAPTER.read_allowances(Answer(200, headers, b"{}", f"{HOST}/xrpc/{method}"), NOW))


RESET = SOON.replace(microsecond=0)


def test_points_for_writing_are_told_as_posts() -> None:
    assert told(PUT) == [Allowance("posts", 2498, 2500, 3600, RESET)]
    assert told(PUT, limit="35000", remaining="1", policy="35000;w=86400") == [
        Allowance("posts", 0, 17500, 86400, RESET)
    ]
    assert told("com.atproto.repo.deleteRecord") == [Allowance("posts", 2498, 2500, 3600, RESET)]


def test_other_limits_are_told_by_what_they_limit() -> None:
    assert told(UPLOAD, limit="1000", remaining="7", policy="1000;w=86400") == [
        Allowance("uploads", 7, 1000, 86400, RESET)
    ]
    general = Allowance("requests", 2999, 3000, 300, NOW + timedelta(seconds=300))
    for method in (PUT, UPLOAD, OTHER):  # the tightest may be the one on everything
        assert told(method, limit="3000", remaining="2999", policy="3000;w=300") == [general]
    assert [one.name for one in told(OTHER)] == ["requests"]


@pytest.mark.parametrize(
    "changes",
    [
        {"limit": ""},
        {"remaining": "-1"},
        {"remaining": "many"},
        {"policy": ""},
        {"policy": "5000"},
        {"policy": "5000;w=x"},
    ],
)
def test_what_is_not_told_whole_is_not_told(changes: dict[str, str]) -> None:
    assert told(PUT, **changes) == []


def test_an_end_that_cannot_be_is_not_believed() -> None:
    assert told(PUT, reset="")[0].resets_at is None
    assert told(PUT, reset="9999999999")[0].resets_at == NOW + timedelta(hours=1)  # no later than the window is long


# against the simulated server


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged("bluesky") as one:
        yield one


async def test_a_main_password_of_the_same_shape_is_told_from_an_app_password(stage: Stage) -> None:
    stage.profile.password = "main-pass-word-here"
    given = {**stage.given, "appPassword": stage.profile.password}
    before = len(pds_of(stage.world).refresh_tokens)
    with pytest.raises(Disconnected) as raised:
        await stage.adapter.connect(given, stage.outgoing)
    assert raised.value.code == "main_password"
    assert len(pds_of(stage.world).refresh_tokens) == before  # no session of it is left behind
    assert [line["operation"] for line in stage.world.requests] == ["createSession", "deleteSession"]


async def test_a_session_that_rests_for_45_days_at_a_time_lasts_for_years(stage: Stage) -> None:
    credential = stage.connected.credential
    for _ in range(2 * 365 // 45):
        renew_at = stage.adapter.renew_at(credential)
        assert renew_at is not None
        assert abs(renew_at - stage.now() - timedelta(days=45)) < timedelta(minutes=1)
        stage.world.advance((renew_at - stage.now()).total_seconds())
        credential = await stage.adapter.refresh(stage.account, credential, stage.outgoing)
    assert (await stage.adapter.check(stage.account, credential, stage.outgoing)).remote_id == stage.connected.remote_id
    stage.world.advance(timedelta(days=91).total_seconds())
    with pytest.raises(Disconnected):
        await stage.adapter.refresh(stage.account, credential, stage.outgoing)


async def test_a_session_that_was_given_back_cannot_be_renewed(stage: Stage) -> None:
    for _ in range(2):
        assert await stage.adapter.revoke(stage.account, stage.connected.credential, stage.outgoing) is True
    with pytest.raises(Disconnected):
        await stage.adapter.refresh(stage.account, stage.connected.credential, stage.outgoing)
    assert (await stage.adapter.connect(stage.given, stage.outgoing)).remote_id == stage.connected.remote_id
