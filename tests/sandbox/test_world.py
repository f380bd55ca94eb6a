"""A world that is kept in a folder, its clock, and its end."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.sandbox.conftest import Bluesky, Http, Mastodon, token_id

from hayon.sandbox.app import running
from hayon.sandbox.bluesky.pds import pds_of
from hayon.sandbox.ground import WorldError
from hayon.sandbox.mastodon.instance import instance_of
from hayon.sandbox.model import Platform
from hayon.sandbox.world import World


async def fill(world: World, picture: Any) -> dict[str, Any]:
    """Do one of everything; returns what must be the same after a restart."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with running(world) as url, aiohttp.ClientSession(connector=connector) as session:
        http = Http(session, url)
        sky = Bluesky(http, world, world.add_account("bluesky", "alice.test"))
        toot = Mastodon(http, world, world.add_account("mastodon", "alice"))
        await sky.login()
        blob = (await sky.upload(picture())).body["blob"]
        image = {"$type": "app.bsky.embed.images", "images": [{"image": blob, "alt": "x"}]}
        await sky.put("kept", rkey="3kabcdefgh222", embed=image)
        await sky.put("gone", rkey="3kabcdefgh223")
        gone = {"repo": "alice.test", "collection": "app.bsky.feed.post", "rkey": "3kabcdefgh223"}
        await sky.call("com.atproto.repo.deleteRecord", gone)
        refreshed = await sky.call("com.atproto.server.refreshSession", token=sky.refresh)
        media = (await toot.upload(picture(), description="alt", focus="0,1")).body["id"]
        status = await toot.post("kept", key="k", media_ids=[media])
        deleted = await toot.post("gone", key="d")
        await toot.call("DELETE", f"/api/v1/statuses/{deleted.body['id']}")
        app = await http("POST", "/mastodon/api/v1/apps", json={"client_name": "X", "redirect_uris": "http://x/"})
        assert app.status == 200
    return {"refresh": sky.refresh, "refreshed": refreshed.body["refreshJwt"], "status": status.body["id"]}


def state(world: World) -> dict[str, Any]:
    """Everything a world remembers."""
    return {
        "accounts": world.accounts,
        "ledger": world.ledger,
        "feed": world.feed,
        "records": pds_of(world).records,
        "blobs": pds_of(world).blobs,
        "refresh_tokens": pds_of(world).refresh_tokens,
        "commits": pds_of(world).commits,
        "statuses": instance_of(world).statuses,
        "media": instance_of(world).media,
        "keys": instance_of(world).keys,
        "apps": instance_of(world).apps,
        "tokens": {name: token.revoked for name, token in instance_of(world).tokens.items()},
        "key": world.signing_key,
    }


async def test_a_world_comes_back_from_its_folder(tmp_path: Path, picture: Any) -> None:
    first = World("none", path=tmp_path)
    known = await fill(first, picture)
    first.advance(100)
    before = state(first)
    first.close()
    second = World("none", path=tmp_path)
    assert state(second) == before
    assert second.now() >= first.now() - 1
    digest = next(iter(pds_of(second).blobs.values())).digest
    assert second.files.find(digest)
    connector = aiohttp.TCPConnector(force_close=True)
    async with running(second) as url, aiohttp.ClientSession(connector=connector) as session:
        http = Http(session, url)
        toot = Mastodon(http, second, second.get_account("mastodon", "alice"))
        assert (await toot.post("kept", key="k")).body["id"] == known["status"]
        assert int((await toot.post("new")).body["id"]) > int(known["status"])
        sky = Bluesky(http, second, second.get_account("bluesky", "alice.test"))
        again = await sky.call("com.atproto.server.refreshSession", token=known["refresh"])
        assert token_id(again.body["refreshJwt"]) == token_id(known["refreshed"])
        assert "kept" in (await http("GET", "/")).body
    second.close()


def test_a_torn_last_line_is_dropped_whole(tmp_path: Path) -> None:
    world = World(path=tmp_path)
    world.add_account("mastodon", "alice")
    world.close()
    journal = tmp_path / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'[["account", {"platf')
    again = World(path=tmp_path)
    assert [account.handle for account in again.accounts.values()] == ["alice"]
    again.add_account("mastodon", "bob")
    again.close()
    assert [json.loads(line)[0][0] for line in journal.read_bytes().splitlines()] == ["world", "account", "account"]
    third = World(path=tmp_path)
    assert len(third.accounts) == 2
    third.reset()
    assert third.accounts == {}
    third.close()
    fourth = World(path=tmp_path)
    assert fourth.accounts == {}
    fourth.close()


def test_time_is_handed_in_and_only_moves_forward() -> None:
    shown = [1_000.0]
    world = World(clock=lambda: shown[0])
    assert world.advance(50) == 1_050.0
    shown[0] = 1_010.0
    assert world.now() == 1_060.0
    with pytest.raises(WorldError, match="forward"):
        world.advance(-1)
    account = world.add_account("bluesky", "alice.test")
    assert account.created_at == 1_060.0
    world.close()


def test_files_of_a_world_without_a_folder_go_with_it() -> None:
    world = World()
    digest = world.files.put(b"bytes", world.files.digest(b"bytes"))
    path = world.files.find(digest)
    assert path
    assert path.read_bytes() == b"bytes"
    assert world.files.find("../etc/passwd") is None
    world.close()
    assert not path.parent.exists()


def test_the_same_handle_has_the_same_did_in_every_world() -> None:
    first, second = World(), World()
    assert (
        first.add_account("bluesky", "alice.test").account_id == second.add_account("bluesky", "Alice.test").account_id
    )
    with pytest.raises(WorldError, match="no account"):
        first.get_account(Platform.BLUESKY, "bob.test")
    first.close()
    second.close()
