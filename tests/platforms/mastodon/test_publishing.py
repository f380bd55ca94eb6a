"""Preparing and publishing: what is sent, once, and what each way an answer can go wrong proves."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hayon.errors import (
    Disconnected,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from hayon.outgoing import Outgoing, Request
from hayon.platforms.contract import Parcel
from tests.platforms.mastodon.conftest import ADAPTER, Home
from tests.platforms.mastodon.scripted import ADDRESS, CREDENTIAL, Scripted, Server, answered, refused
from tests.platforms.parcels import NOW, Checkpoints, fixed_send, make_account, make_parcel

STATUS = {
    "id": "9",
    "url": "https://social.example/@alice/9",
    "uri": "https://social.example/users/alice/statuses/9",
    "created_at": "2026-11-03T12:30:16.789Z",
}


def parcel_of(text: str = "Hello", **changes: Any) -> Parcel:
    return make_parcel(make_account("mastodon", ADDRESS, "7"), CREDENTIAL, text, **changes)


def handles_of(parcel: Parcel, **changes: Any) -> dict[str, Any]:
    return {"idempotencyKey": parcel.idempotency_key, "accountId": "7", "status": "Hello", "mediaIds": [], **changes}


async def sent_by(handles: dict[str, Any], parcel: Parcel) -> Request:
    """The one request that publish() makes of these handles."""
    sent: list[Request] = []

    async def send(request: Request) -> Any:
        sent.append(request)
        return answered(STATUS)

    await ADAPTER.publish(parcel, handles, send)
    (request,) = sent
    return request


async def test_text_alone_needs_no_call_and_no_checkpoint(home: Home) -> None:
    saved = Checkpoints()
    parcel = home.parcel("Hello")
    handles = await home.prepare(parcel, saved)
    assert handles == {
        "idempotencyKey": parcel.idempotency_key,
        "accountId": home.account.remote_id,
        "status": "Hello",
        "mediaIds": [],
    }
    assert (home.operations(), saved.saved) == ([], [])


async def test_handles_hold_all_that_the_author_chose() -> None:
    options = {"warning": "w", "sensitive": False, "visibility": "unlisted", "language": "de"}
    account = make_account("mastodon", ADDRESS, "7", facts={"applicationName": "Hayon"})
    parcel = make_parcel(account, CREDENTIAL, "Hello", options=options)
    handles = await ADAPTER.prepare(parcel, Checkpoints(), Outgoing(identity="nobody is called"))
    assert handles == {**handles_of(parcel), **options, "applicationName": "Hayon"}


async def test_what_is_sent_is_what_the_handles_say_whatever_the_parcel_says() -> None:
    parcel = parcel_of("other words", options={"visibility": "public"})
    handles = handles_of(parcel, mediaIds=["1", "2"], warning="w", sensitive=False, visibility="direct", language="de",
                         idempotencyKey="key", applicationName="Hayon", mediaUploadedAt="…")  # fmt: skip
    request = await sent_by(handles, parcel)
    assert (request.method, request.url) == ("POST", f"{ADDRESS}/api/v1/statuses")
    assert request.headers["Idempotency-Key"] == "key"
    assert request.headers["Authorization"] == "Bearer token"
    assert request.json == {"status": "Hello", "media_ids": ["1", "2"], "spoiler_text": "w", "sensitive": False,
                            "visibility": "direct", "language": "de"}  # fmt: skip


async def test_what_the_author_left_open_is_left_to_the_account() -> None:
    parcel = parcel_of()
    assert (await sent_by(handles_of(parcel, warning=""), parcel)).json == {"status": "Hello"}


async def test_the_receipt_is_the_instances_own() -> None:
    parcel = parcel_of()
    receipt = await ADAPTER.publish(parcel, handles_of(parcel), fixed_send(answered(STATUS)))
    assert (receipt.remote_id, receipt.url) == ("9", STATUS["url"])
    assert receipt.published_at == datetime(2026, 11, 3, 12, 30, 16, 789_000, UTC)


@pytest.mark.parametrize(
    ("status", "url"),
    [
        ({"id": "9", "url": None, "uri": STATUS["uri"]}, STATUS["uri"]),
        ({"id": "9", "url": "javascript:alert(1)"}, None),
        ({"id": "9"}, None),
    ],
)
async def test_a_receipt_of_little(status: dict[str, Any], url: str | None) -> None:
    parcel = parcel_of()
    receipt = await ADAPTER.publish(parcel, handles_of(parcel), fixed_send(answered(status)))
    assert (receipt.remote_id, receipt.url, receipt.published_at) == ("9", url, NOW)


@pytest.mark.parametrize("body", ["<html>", "", "[]", "null", {"id": 9}, {"id": ""}, {}, "[" * 100_000])
async def test_a_good_answer_without_an_id_is_no_receipt_and_no_proof(body: Any) -> None:
    parcel = parcel_of()
    with pytest.raises(Unconfirmed) as raised:
        await ADAPTER.publish(parcel, handles_of(parcel), fixed_send(answered(body)))
    assert raised.value.proves_absence is False


@pytest.mark.parametrize(
    ("answer", "error", "proof"),
    [
        (refused(422, "Validation failed: Text character limit of 500 exceeded"), Rejected, True),
        (refused(422, "Cannot attach files that have not finished processing. Try again in a moment!"), Unavailable, True),
        (refused(422, "Media 1 not found or already attached to another post"), Unconfirmed, False),
        (refused(401, "The access token was revoked"), Disconnected, True),
        (refused(429, "Too many requests"), RateLimited, True),
        (refused(500, "Internal Server Error"), Unconfirmed, False),
        (answered("<html>", 503), Unconfirmed, False),
        (Unconfirmed("cut"), Unconfirmed, False),
        (Unreachable("no name", host="social.example"), Unreachable, True),
    ],
)  # fmt: skip
async def test_what_a_failed_call_proves(answer: Scripted, error: type[PlatformError], proof: bool) -> None:
    parcel = parcel_of()
    with pytest.raises(error) as raised:
        await ADAPTER.publish(parcel, handles_of(parcel), fixed_send(answer))
    assert (type(raised.value), raised.value.proves_absence) == (error, proof)


async def test_a_missing_post_after_an_earlier_call_proves_nothing() -> None:
    gone, first = fixed_send(refused(404, "Record not found")), parcel_of()
    with pytest.raises(Unavailable) as never_sent:
        await ADAPTER.publish(first, handles_of(first), gone)
    with pytest.raises(Unconfirmed) as sent_before:
        await ADAPTER.publish(replace(first, first_sent_at=NOW), handles_of(first), gone)
    assert (never_sent.value.proves_absence, sent_before.value.proves_absence) == (True, False)


@pytest.mark.parametrize(
    ("path", "remote_id"),
    [
        ("/@alice/115", "115"),
        ("/@alice/115/", "115"),
        ("/@alice/115?x=1#y", "115"),
        ("/web/@alice/115", "115"),
        ("/deck/@alice/115", "115"),
        ("/users/alice/statuses/115", "115"),
        ("/ap/users/7/statuses/115", "115"),
        ("/@alice/statuses/01J7ABCDEF", "01J7ABCDEF"),
        ("/notice/AbC12", "AbC12"),
        ("/statuses/115", "115"),
        ("/@alice@elsewhere.example/115", None),
        ("/@alice", None),
        ("/@alice/115/embed", None),
        ("/about", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("home", [ADDRESS, f"{ADDRESS}/social"])
def test_the_id_in_an_address_a_person_names(path: str, remote_id: str | None, home: str) -> None:
    account = make_account("mastodon", home, "7")
    assert ADAPTER.remote_id_in(f" {home}{path} ", account) == remote_id
    assert ADAPTER.remote_id_in(f"{home}{path}".replace("social.example", "SOCIAL.example"), account) == remote_id
    assert ADAPTER.remote_id_in(f"https://elsewhere.example{path}", account) is None
    assert ADAPTER.remote_id_in(f"javascript://social.example{path}", account) is None
    assert ADAPTER.remote_id_in("https://[", account) is None


ACCOUNT = make_account("mastodon", ADDRESS, "7")
SHOW = "GET /api/v1/statuses/9"


@pytest.mark.parametrize(
    ("shown", "url"),
    [
        (STATUS, STATUS["url"]),
        ({**STATUS, "url": None}, STATUS["uri"]),
        ({"id": "9", "url": "javascript:alert(1)"}, None),
        ([], None),
    ],
)
async def test_where_a_post_is_the_instance_says(shown: Any, url: str | None) -> None:
    server = Server({SHOW: answered(shown)})
    assert await ADAPTER.locate(ACCOUNT, CREDENTIAL, "9", server.outgoing) == url
    assert server.calls == [SHOW]
    assert server.asked[0].headers["Authorization"] == "Bearer token"


async def test_a_post_that_the_instance_does_not_have_was_not_taken() -> None:
    with pytest.raises(Rejected, match="defence against spam") as raised:
        await ADAPTER.locate(ACCOUNT, CREDENTIAL, "9", Server({SHOW: refused(404, "Record not found")}).outgoing)
    assert (raised.value.code, raised.value.http_status) == ("Record not found", 404)
    assert raised.value.proves_absence is False


AWAY = [
    (answered("<html>", 404), Unavailable),  # something in front of it knows no posts
    (answered({}, 404), Unavailable),
    (refused(410, "Gone"), Unavailable),
    (refused(401, "The access token was revoked"), Disconnected),
    (refused(403, "This action is outside the authorized scopes"), Disconnected),
    (refused(429, "Too many requests"), RateLimited),
    (refused(503, "There was a temporary problem"), Unavailable),
    (answered("<html>", 502), Unavailable),
    (answered("<html>", 200), Unavailable),
    (Unconfirmed("cut"), Unavailable),
    (Unreachable("no name", host="social.example"), Unreachable),
]


@pytest.mark.parametrize(("answer", "error"), AWAY)
async def test_what_else_is_said_of_a_post_allows_no_conclusion(answer: Scripted, error: type[PlatformError]) -> None:
    with pytest.raises(error) as raised:
        await ADAPTER.locate(ACCOUNT, CREDENTIAL, "9", Server({SHOW: answer}).outgoing)
    assert type(raised.value) is error


@pytest.mark.parametrize("answer", [answered(STATUS), refused(404, "Record not found")])
async def test_a_post_is_deleted_with_what_hangs_on_it_and_may_be_gone_already(answer: Scripted) -> None:
    server = Server({"DELETE /api/v1/statuses/9": answer})
    assert await ADAPTER.remove(ACCOUNT, CREDENTIAL, "9", server.outgoing) is True
    (request,) = server.asked
    assert (request.method, dict(request.query)) == ("DELETE", {"delete_media": "true"})
    assert request.headers["Authorization"] == "Bearer token"


@pytest.mark.parametrize(("answer", "error"), AWAY)
async def test_a_post_that_could_not_be_deleted_is_not_called_deleted(
    answer: Scripted, error: type[PlatformError]
) -> None:
    with pytest.raises(error) as raised:
        await ADAPTER.remove(ACCOUNT, CREDENTIAL, "9", Server({"DELETE /api/v1/statuses/9": answer}).outgoing)
    assert type(raised.value) is error


async def test_without_a_token_nobody_is_asked() -> None:
    server = Server()
    for call in (ADAPTER.locate, ADAPTER.remove):
        with pytest.raises(Disconnected):
            await call(ACCOUNT, {}, "9", server.outgoing)
    assert server.asked == []


def test_what_is_declared() -> None:
    assert ADAPTER.fetches_media is False
    assert ADAPTER.settles({}) == ADAPTER.settles_within
