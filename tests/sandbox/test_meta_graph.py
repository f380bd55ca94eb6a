"""What Threads and Instagram have in common: tokens and their lifetimes, versions, fields, bodies, usage headers, restarts."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http
from tests.sandbox.graph import Client, Host, film, hosting, instagram_client, refusal, stopped, threads_client

from hayon.sandbox.app import running
from hayon.sandbox.limits import DAY, Limits, Rate
from hayon.sandbox.meta.calls import GraphMemory, id_of
from hayon.sandbox.meta.containers import ContainerMemory
from hayon.sandbox.model import Platform
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(params=["threads", "instagram"])
def client(request: pytest.FixtureRequest, http: Http, world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Somebody on each of the two."""
    return (threads_client if request.param == "threads" else instagram_client)(http, stopped(world, monkeypatch))


def grant(client: Client, what: str) -> str:
    """How the platform calls a kind of grant."""
    return f"{'th' if client.account.platform == 'threads' else 'ig'}_{what}_token"


async def refresh(client: Client, token: str, kind: str | None = None) -> object:
    """GET refresh_access_token without a version, the token in the query as Meta documents it."""
    params = {"grant_type": kind or grant(client, "refresh"), "access_token": token}
    return await client.http("GET", f"/{client.account.platform}/refresh_access_token", params=params)


async def test_who_one_is(http: Http, world: World) -> None:
    threads, instagram = threads_client(http, world), instagram_client(http, world)
    told = (await threads.get("me", fields="id,username,name,threads_profile_picture_url")).body
    assert (told["id"], told["username"], told["name"]) == (threads.account.account_id, "alice", "Alice")
    assert (await threads.get(threads.account.account_id)).body == {"id": threads.account.account_id}
    told = (await instagram.get("me", fields="id,user_id,username,account_type")).body
    assert (told["user_id"], told["username"], told["account_type"]) == (
        instagram.account.account_id,
        "alice",
        "BUSINESS",
    )
    assert told["id"] != told["user_id"]
    for node in (told["id"], told["user_id"], "me"):
        assert (await instagram.get(f"{node}/media")).status == 200
    assert all(int(one) > 2**53 for one in (told["id"], told["user_id"], threads.account.account_id))


async def test_a_token_may_be_in_the_header_the_query_or_the_body(client: Client) -> None:
    token, path = client.account.secret, f"/{client.account.platform}/{client.version}/me"
    assert (await client.http("GET", path, params={"access_token": token})).status == 200
    assert (await client.http("GET", path, headers={"authorization": f"OAuth {token}"})).status == 200
    for body in ({"data": {"access_token": token}}, {"json": {"access_token": token}}):
        reply = await client.http("POST", f"{path}/{client.publish_edge}", **body)
        assert refusal(reply) == (400, 100, None)
    assert [line["account"] for line in client.world.requests] == [client.account.account_id] * 4
    assert token not in json.dumps(list(client.world.requests))


async def test_bad_tokens_are_told_apart(client: Client, world: World) -> None:
    path = f"/{client.account.platform}/{client.version}/me"
    assert refusal(await client.http("GET", path)) == (400, 2500, None)
    wrong = await client.http("GET", path, params={"access_token": "wrong"})
    assert refusal(wrong) == (400, 190, None)
    assert "invalid_token" in wrong.headers["www-authenticate"]
    world.set_standing(client.account, "disabled")
    assert refusal(await client.get("me")) == (400, 190, 459)
    world.set_standing(client.account, "active")
    token = client.account.secret
    world.revoke(client.account)
    client.account.secret = token
    assert refusal(await client.get("me")) == (400, 190, 458)


async def test_revoking_and_expiring_by_fault(client: Client, world: World) -> None:
    platform = client.account.platform
    world.faults.add(platform, "expire_token", "me")
    assert refusal(await client.get("me")) == (401, 190, 463)
    assert refusal(await client.publish("17")) == (401, 190, 463)
    assert refusal(await refresh(client, client.account.secret)) == (401, 190, 463)
    world.renew(client.account)
    assert (await client.get("me")).status == 200
    world.faults.add(platform, "revoke_token", client.publish_edge)
    token = client.account.secret
    assert refusal(await client.publish("17")) == (400, 190, 458)
    assert refusal(await refresh(client, token)) == (400, 190, 458)


async def test_a_long_token_lives_sixty_days_and_is_refreshed_from_the_24th_hour(client: Client, world: World) -> None:
    first = client.account.secret
    early = await refresh(client, first)
    assert (early.status, early.body["error_type"], early.body["code"]) == (400, "OAuthException", 400)
    assert "24 hours" in early.body["error_message"]
    world.advance(DAY)
    other = await refresh(client, first, "authorization_code")
    assert (other.status, "grant_type" in other.body["error_message"]) == (400, True)
    fresh = await refresh(client, first)
    assert (fresh.status, fresh.body["token_type"], fresh.body["expires_in"]) == (200, "bearer", 60 * DAY)
    second = fresh.body["access_token"]
    assert second != first
    world.advance(59 * DAY)
    assert refusal(await client.get("me")) == (401, 190, 463)
    assert refusal(await refresh(client, first)) == (401, 190, 463)
    client.account.secret = second
    assert (await client.get("me")).status == 200
    world.advance(DAY)
    assert refusal(await client.get("me")) == (401, 190, 463)


async def test_a_short_token_is_exchanged_for_a_long_one(client: Client, world: World) -> None:
    memory = world.memory(Platform(client.account.platform), GraphMemory)
    short, event = memory.tokens.new(client.account, "short", 3600)
    world.happen(event)
    path = f"/{client.account.platform}/access_token"
    secret = world.sites[Platform(client.account.platform)].connection(client.account, "http://x/")["appSecret"]
    params = {"grant_type": grant(client, "exchange"), "client_secret": "wrong", "access_token": short.text}
    wrong = await client.http("GET", path, params=params)
    assert (wrong.status, wrong.body["error_message"]) == (400, "Error validating client secret.")
    params |= {"client_secret": secret}
    long = await client.http("GET", path, params={**params, "access_token": client.account.secret})
    assert (long.status, long.body["error_type"]) == (400, "OAuthException")
    assert (await refresh(client, short.text)).body["error_type"] == "OAuthException"
    reply = await client.http("GET", path, params=params)
    assert (reply.status, reply.body["expires_in"]) == (200, 60 * DAY)
    world.advance(3600)
    assert refusal(await client.http("GET", path, params=params)) == (401, 190, 463)
    client.account.secret = reply.body["access_token"]
    assert (await client.get("me")).status == 200


async def test_a_permission_that_was_not_given(client: Client, world: World) -> None:
    memory = world.memory(Platform(client.account.platform), GraphMemory)
    basic = "threads_basic" if client.account.platform == "threads" else "instagram_business_basic"
    token, event = memory.tokens.new(client.account, "long", 3600, [basic])
    world.happen(event)
    client.account.secret = token.text
    assert (await client.get("me")).status == 200
    assert refusal(await client.publish("17")) == (403, 10, None)
    assert refusal(await client.create(media_type="TEXT", text="x", image_url="http://x")) == (403, 10, None)
    other, event = memory.tokens.new(client.account, "long", 3600, [])
    world.happen(event)
    client.account.secret = other.text
    world.advance(1)
    assert refusal(await client.get("me")) == (403, 10, None)


async def test_threads_tells_what_is_in_a_token(http: Http, world: World) -> None:
    threads = threads_client(http, world)
    token = threads.account.secret
    told = (await threads.call("GET", "debug_token", params={"input_token": token})).body["data"]
    assert (told["is_valid"], told["user_id"], told["application"]) == (True, threads.account.account_id, "Hayon")
    assert told["expires_at"] - told["issued_at"] == 60 * DAY
    assert "threads_content_publish" in told["scopes"]
    params = {"input_token": "wrong", "access_token": token}
    unknown = await http("GET", "/threads/debug_token", params=params)
    assert (unknown.status, unknown.body["data"]["is_valid"]) == (200, False)
    assert refusal(await threads.get("debug_token")) == (400, 100, None)
    instagram = instagram_client(http, world)
    assert (await instagram.get("debug_token", input_token=token)).status == 400


async def test_versions_stand_in_the_path(http: Http, world: World) -> None:
    threads, instagram = threads_client(http, world), instagram_client(http, world)
    for platform, token, known, unknown in (
        ("threads", threads.account.secret, ["v1.0"], ["v2.0", "v25.0", "v1"]),
        ("instagram", instagram.account.secret, ["v25.0", "v26.0", "v20.0", "v3.1"], ["v1.0", "v99.0", "vx"]),
    ):
        params = {"access_token": token}
        for version in known:
            assert (await http("GET", f"/{platform}/{version}/me", params=params)).status == 200
        assert (await http("GET", f"/{platform}/me", params=params)).status == 200
        for version in unknown:
            assert refusal(await http("GET", f"/{platform}/{version}/me", params=params)) == (400, 2500, None)


async def test_what_does_not_exist_and_what_cannot_be_done(client: Client) -> None:
    assert refusal(await client.get("17000000000000017")) == (400, 100, 33)
    assert refusal(await client.call("DELETE", client.account.account_id)) == (400, 100, 33)
    assert refusal(await client.call("PUT", "me")) == (400, 100, 33)
    assert refusal(await client.get("me/nothing")) == (400, 2500, None)
    assert refusal(await client.get("me/threads/media")) == (400, 2500, None)
    said = (await client.get("17000000000000017")).body["error"]
    assert said["message"].startswith("Unsupported get request. Object with ID '17000000000000017' does not exist")
    assert said["type"] == "GraphMethodException"


async def test_fields_that_are_none(client: Client) -> None:
    strange = await client.get("me", fields="id,shoe_size")
    assert refusal(strange) == (400, 100, None)
    assert "nonexisting field (shoe_size)" in strange.body["error"]["message"]
    for broken in ("id,username}", "id{", "{id}"):
        assert refusal(await client.get("me", fields=broken))[1] in (100, 2500)
    told = (await client.get("me", fields=" id , username.limit(3) ,id")).body
    assert list(told) == ["id", "username"]


async def test_usage_is_told_and_too_many_calls_are_refused(http: Http, world: World) -> None:
    threads, instagram = threads_client(http, world), instagram_client(http, world)
    assert json.loads((await threads.get("me")).headers["x-app-usage"]) == {
        "call_count": 0,
        "total_cputime": 0,
        "total_time": 0,
    }
    rates = {"threads.calls": Rate(4, DAY), "instagram.calls": Rate(4, DAY)}
    world.impose(Limits(rates=rates))
    replies = [await threads.get("me") for _ in range(5)]
    assert [json.loads(one.headers["x-app-usage"])["call_count"] for one in replies] == [25, 50, 75, 100, 100]
    assert refusal(replies[4]) == (403, 4, None)
    assert "x-business-use-case-usage" not in replies[0].headers
    replies = [await instagram.get("me") for _ in range(5)]
    usages = [json.loads(one.headers["x-business-use-case-usage"]) for one in replies]
    lines = [usage[instagram.account.account_id][0] for usage in usages]
    assert [(line["type"], line["call_count"]) for line in lines] == [("instagram", n) for n in (25, 50, 75, 100, 100)]
    assert [line["estimated_time_to_regain_access"] for line in lines] == [0, 0, 0, 0, 24 * 60]
    assert refusal(replies[4]) == (400, 80002, None)
    world.impose(Limits.named("none"))
    assert "x-app-usage" not in (await threads.get("me")).headers


async def test_a_body_may_be_a_form_json_or_multipart(http: Http, world: World) -> None:
    threads = threads_client(http, world)
    given = {"media_type": "TEXT", "text": "Grüße 🏔️"}
    form = aiohttp.FormData(given)
    form.add_field("empty", b"", filename="x")
    for body in ({"data": given}, {"json": given}, {"params": given}, {"data": form}):
        made = (await threads.call("POST", "me/threads", **body)).body["id"]
        world.advance(2)
        assert (await threads.publish(made)).status == 200
    assert world.copies("threads") == {"Grüße 🏔️": 4}
    for broken in (b"{", b"[]", b'{"text": "\\ud800", "media_type": "TEXT"}'):
        headers = {"content-type": "application/json"}
        reply = await threads.call("POST", "me/threads", data=broken, headers=headers)
        assert refusal(reply) == (400, 100, None)
    large = await threads.call("POST", "me/threads", data=io.BytesIO(b"x" * 1_100_000))
    assert refusal(large) == (413, 1, None)


async def test_ids_never_repeat_and_tell_nothing_of_their_order() -> None:
    ids = [int(id_of(number)) for number in range(1, 10_001)]
    assert len(set(ids)) == len(ids)
    assert min(ids) > 2**53
    assert sorted(ids) != ids


async def test_a_token_that_was_used_does_not_grow_younger_by_a_restart(tmp_path: Path) -> None:
    hours = [0.0]

    async def answers(world: World, *, renewed: bool) -> int:
        account = world.find_account("threads", "alice") or world.add_account("threads", "alice")
        if renewed:
            world.revoke(account)
            world.renew(account)
        async with running(world) as url, aiohttp.ClientSession() as session:
            params = {"access_token": account.secret}
            reply = await Http(session, url)("GET", "/threads/v1.0/me", params=params)
        world.close()
        return reply.status

    for at, renewed, expected in (
        (0, False, 200),
        (59, False, 200),
        (60, False, 401),
        (60, True, 200),
        (119, False, 200),
        (120, False, 401),
    ):
        hours[0] = at * 24.0
        assert await answers(World(path=tmp_path, clock=lambda: hours[0] * 3600), renewed=renewed) == expected, at


@pytest_asyncio.fixture(loop_scope="module")
async def host() -> AsyncIterator[Host]:
    """Where media are."""
    async with hosting() as made:
        yield made


async def test_a_world_comes_back_as_it_was(tmp_path: Path, host: Host, picture: Callable[..., bytes]) -> None:
    """Containers, posts, quotas, comments and fresh tokens; a video that was being fetched is fetched then."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        first = World(path=tmp_path)
        async with running(first) as url:
            client = instagram_client(Http(session, url), first)
            image = host.put("/p", picture())
            media = await client.published(image_url=image, caption="Stays")
            await client.call("POST", f"{media}/comments", data={"message": "Too"})
            memory = first.memory(Platform.INSTAGRAM, ContainerMemory)
            fresh, event = memory.tokens.new(client.account, "long", 60 * DAY)
            first.happen(event)
            host.held = asyncio.Event()
            video = await client.container(media_type="REELS", video_url=host.put("/v", film(), "video/mp4"))
            first.close()
        host.held.set()
        await asyncio.gather(*memory.fetches.values())
        again = World(path=tmp_path)
        async with running(again) as url:
            client.http, client.world = Http(session, url), again
            client.account = again.get_account("instagram", "alice")
            client.account.secret = fresh.text
            assert await client.listed("media") == [media]
            assert (await client.get(media, fields="caption,comments_count")).body["comments_count"] == 1
            assert (await client.get("me/content_publishing_limit")).body["data"][0]["quota_usage"] == 1
            again.advance(60)
            assert (await client.get(video, fields="status_code")).body["status_code"] == "IN_PROGRESS"
            await client.settle()
            assert (await client.get(video, fields="status_code")).body["status_code"] == "FINISHED"
            container = await client.ready(image_url=image, caption="Next")
            other = (await client.publish(container)).body["id"]
            assert len({media, video, container, other}) == 4
            assert host.asked == ["/p", "/v", "/v", "/p"]
        again.close()
