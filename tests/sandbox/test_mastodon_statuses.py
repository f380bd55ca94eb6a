"""Statuses of the simulated instance: keys, media, what is refused, what listings show."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.sandbox.conftest import Http, Mastodon

from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_status_and_what_is_told_of_it(mastodon: Mastodon, http: Http, world: World) -> None:
    reply = await mastodon.post("Hi @alice, see https://example.com/a?b=1&c=2 #Tag\n\nBye", language="de")
    status = reply.body
    assert reply.status == 200
    assert status["url"] == f"{http.url}/mastodon/@alice/{status['id']}"
    assert status["application"] == {"name": "Hayon", "website": None}
    assert (status["visibility"], status["language"], status["sensitive"]) == ("public", "de", False)
    assert [tag["name"] for tag in status["tags"]] == ["tag"]
    assert [person["acct"] for person in status["mentions"]] == ["alice"]
    assert 'href="https://example.com/a?b=1&amp;c=2"' in status["content"]
    assert status["content"].endswith("<p>Bye</p>")
    read = await http("GET", f"/mastodon/api/v1/statuses/{status['id']}")
    assert read.body["content"] == status["content"]
    source = await mastodon.call("GET", f"/api/v1/statuses/{status['id']}/source")
    assert source.body["text"].startswith("Hi @alice, see https://example.com")
    entry = world.ledger[0]
    assert (entry.remote_id, entry.key, entry.repeat) == (status["id"], None, False)


async def test_a_form_says_the_same_as_json(mastodon: Mastodon, picture: Callable[..., bytes]) -> None:
    media = (await mastodon.upload(picture())).body["id"]
    form = [("status", "From a form"), ("media_ids[]", media), ("sensitive", "true"), ("visibility", "unlisted")]
    reply = await mastodon.call("POST", "/api/v1/statuses", data=form)
    assert (reply.status, reply.body["sensitive"], reply.body["visibility"]) == (200, True, "unlisted")
    assert [one["id"] for one in reply.body["media_attachments"]] == [media]


async def test_a_key_is_remembered_for_an_hour_per_account(mastodon: Mastodon, world: World) -> None:
    first = await mastodon.post("First", key="k")
    other = await mastodon.post("Something else", key="k")
    assert first.body["id"] == other.body["id"]
    assert [entry.repeat for entry in world.ledger] == [False, True]
    assert world.copies("mastodon") == {"First": 1}
    someone = Mastodon(mastodon.http, world, world.add_account("mastodon", "bob"))
    assert (await someone.post("Mine", key="k")).body["id"] != first.body["id"]
    world.advance(3601)
    late = await mastodon.post("First", key="k")
    assert late.body["id"] != first.body["id"]
    assert world.copies("mastodon")["First"] == 2


async def test_a_failed_attempt_does_not_use_the_key_up(mastodon: Mastodon) -> None:
    refused = await mastodon.post("x" * 501, key="k")
    assert refused.error == "Validation failed: Text character limit of 500 exceeded"
    assert (await mastodon.post("x" * 500, key="k")).status == 200


async def test_a_deleted_status_leaves_its_key_pointing_nowhere(mastodon: Mastodon) -> None:
    made = await mastodon.post("Short-lived", key="k")
    gone = await mastodon.call("DELETE", f"/api/v1/statuses/{made.body['id']}")
    assert (gone.status, gone.body["text"]) == (200, "Short-lived")
    assert (await mastodon.call("DELETE", f"/api/v1/statuses/{made.body['id']}")).status == 404
    again = await mastodon.post("Short-lived", key="k")
    assert (again.status, again.error) == (404, "Record not found")


@pytest.mark.parametrize(
    ("given", "status", "error"),
    [
        ({"status": ""}, 422, "Validation failed: Text can't be blank"),
        ({"status": "  \n "}, 422, "Validation failed: Text can't be blank"),
        ({"status": "a" * 501}, 422, "Validation failed: Text character limit of 500 exceeded"),
        ({"status": "a" * 490, "spoiler_text": "b" * 11}, 422, "Text character limit of 500 exceeded"),
        ({"status": "x", "visibility": "secret"}, 422, "'secret' is not a valid visibility"),
        ({"status": "x", "in_reply_to_id": "1"}, 404, "The post you are trying to reply to does not appear to exist."),
        ({"status": "x", "media_ids": ["1"]}, 422, "Media 1 not found or already attached to another post"),
        ({"status": "x", "media_ids": list("12345")}, 422, "Cannot attach more than 4 files"),
        ({"status": "x", "scheduled_at": "2030-01-01T00:00:00Z"}, 501, "does not simulate scheduled_at"),
        ({"status": "x", "poll": {"options": ["a"]}}, 501, "does not simulate poll"),
    ],
)
async def test_refusals(mastodon: Mastodon, world: World, given: dict[str, Any], status: int, error: str) -> None:
    reply = await mastodon.call("POST", "/api/v1/statuses", json=given)
    assert reply.status == status
    assert error in reply.error
    assert world.ledger == []


async def test_what_is_taken_at_the_edges(mastodon: Mastodon) -> None:
    assert (await mastodon.post("a" * 476 + " https://example.com/" + "x" * 200)).status == 200
    assert (await mastodon.post("👨‍👩‍👧‍👦" * 500)).status == 200
    only_warning = await mastodon.post("", spoiler_text="careful")
    assert (only_warning.body["sensitive"], only_warning.body["content"]) == (True, "<p>.</p>")


async def test_media_are_attached_once(mastodon: Mastodon, picture: Callable[..., bytes], world: World) -> None:
    media = (await mastodon.upload(picture())).body["id"]
    made = await mastodon.post("With a picture", media_ids=[media])
    assert made.body["media_attachments"][0]["id"] == media
    again = await mastodon.post("Again", media_ids=[media])
    assert again.error == f"Media {media} not found or already attached to another post"
    assert (await mastodon.call("GET", f"/api/v1/media/{media}")).status == 404
    await mastodon.call("DELETE", f"/api/v1/statuses/{made.body['id']}")
    assert (await mastodon.post("Free again", media_ids=[media])).status == 200
    world.advance(86_401)
    stray = (await mastodon.upload(picture())).body["id"]
    world.advance(86_401)
    assert (await mastodon.post("Too late", media_ids=[stray])).status == 422


async def test_another_persons_media(mastodon: Mastodon, world: World, picture: Callable[..., bytes]) -> None:
    bob = Mastodon(mastodon.http, world, world.add_account("mastodon", "bob"))
    theirs = (await bob.upload(picture())).body["id"]
    assert (await mastodon.post("Stolen", media_ids=[theirs])).status == 422
    assert (await mastodon.call("GET", f"/api/v1/media/{theirs}")).status == 404


async def test_listings(mastodon: Mastodon, world: World, http: Http) -> None:
    made = [(await mastodon.post(f"{n}", visibility="private" if n == 1 else "public")).body["id"] for n in range(3)]
    reply = (await mastodon.post("a reply", in_reply_to_id=made[0])).body
    assert reply["in_reply_to_id"] == made[0]
    assert await mastodon.listed() == [reply["id"], *reversed(made)]
    path = f"/mastodon/api/v1/accounts/{mastodon.account.account_id}/statuses"
    public = await http("GET", path, params={"exclude_replies": "true"})
    assert [one["id"] for one in public.body] == [made[2], made[0]]
    page = await http("GET", path, params={"limit": "1"})
    following = re.findall(r'max_id=(\d+)>; rel="next"', page.headers["link"])
    assert following == [page.body[0]["id"]]
    older = await http("GET", path, params={"max_id": following[0]})
    assert [one["id"] for one in older.body] == [made[2], made[0]]
    newer = await http("GET", path, params={"since_id": made[0]})
    assert [one["id"] for one in newer.body] == [reply["id"], made[2]]
    assert (await http("GET", f"/mastodon/api/v1/statuses/{made[1]}")).status == 404
    assert (await mastodon.call("GET", f"/api/v1/statuses/{made[1]}")).status == 200
    assert (await http("GET", "/mastodon/api/v1/accounts/1/statuses")).status == 404


@pytest.mark.parametrize(
    ("header", "status", "error"),
    [
        (None, 401, "The access token is invalid"),
        ("Bearer nonsense", 401, "The access token is invalid"),
        ("Basic nonsense", 401, "The access token is invalid"),
    ],
)
async def test_bad_tokens(http: Http, header: str | None, status: int, error: str) -> None:
    headers = {"authorization": header} if header else {}
    for method, path in (("POST", "/api/v1/statuses"), ("GET", "/api/v1/accounts/verify_credentials")):
        reply = await http(method, f"/mastodon{path}", headers=headers)
        assert (reply.status, reply.error) == (status, error)


async def test_revoked_and_disabled(mastodon: Mastodon, world: World) -> None:
    world.set_standing(mastodon.account, "disabled")
    reply = await mastodon.post()
    assert (reply.status, reply.error) == (403, "Your login is currently disabled")
    world.set_standing(mastodon.account, "active")
    token = mastodon.account.secret
    world.revoke(mastodon.account)
    headers = {"authorization": f"Bearer {token}"}
    reply = await mastodon.http("POST", "/mastodon/api/v1/statuses", json={"status": "x"}, headers=headers)
    assert (reply.status, reply.error) == (401, "The access token was revoked")
    assert "invalid_token" in reply.headers["www-authenticate"]
    world.renew(mastodon.account)
    assert (await mastodon.post()).status == 200


async def test_bodies_that_are_no_json_and_paths_that_do_not_exist(mastodon: Mastodon) -> None:
    headers = {"content-type": "application/json"}
    for body in (b"{", b"[1]", b'{"status": "\\ud800"}'):
        assert (await mastodon.call("POST", "/api/v1/statuses", data=body, headers=headers)).status == 400
    assert (await mastodon.call("POST", "/api/v1/statuses", json={"status": {"a": 1}})).status == 400
    assert (await mastodon.call("GET", "/api/v1/nothing")).status == 404
    assert (await mastodon.call("GET", "/api/v1/statuses/1")).error == "Record not found"
