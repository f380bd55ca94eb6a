"""`hayon verify`: each point is really tried, on every simulated platform, and what was made is removed where that can be."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.settings import Settings
from hayon.store.database import Tx, new_id
from hayon.store.schema import users
from hayon.trial import Held, Point, open_verification
from hayon.wiring import open_hayon
from tests.servers.ports import free_port
from tests.servers.sandbox import Sandbox

HAYON = Path(sys.executable).with_name("hayon")
PLATFORMS = ("bluesky", "threads", "instagram", "facebook", "mastodon", "tumblr")
REPEAT = "the same call once more makes no second copy"
REMOVED = "what was made can be removed"


def environment(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    addresses = {f"HAYON_{name.upper()}_URL": f"{sandbox.url}/{name}" for name in PLATFORMS if name != "mastodon"}
    return {
        **addresses, "HAYON_DATA_DIR": str(folder), "HAYON_PORT": str(free_port()), "HAYON_BLUESKY_VIDEO_URL": "",
        "HAYON_TUMBLR_APP_ID": CONSUMER_KEY, "HAYON_TUMBLR_APP_SECRET": CONSUMER_SECRET,
        "HAYON_ALLOW_PRIVATE_ADDRESSES": "true",
    }  # fmt: skip


def insert_user(tx: Tx) -> UUID:
    user_id = new_id(tx.now())
    tx.run(sa.insert(users).values(id=user_id, email="ann@example.test", created_at=tx.now()))
    return user_id


async def connect(settings: Settings, platform: str, sandbox: Sandbox) -> None:
    handle = "ann.test" if platform == "bluesky" else "ann"
    profile = await asyncio.to_thread(sandbox.add_account, platform, handle)
    async with open_hayon(settings) as hayon:
        user_id = await hayon.database.write(insert_user)
        await hayon.accounts.connect(user_id, platform, profile)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_point_is_tried_and_told(platform: str, sandbox: Sandbox, tmp_path: Path) -> None:
    settings = Settings.read(environment(sandbox, tmp_path / "data"))
    await connect(settings, platform, sandbox)
    told: list[Point] = []
    async with open_verification(settings, platform, told.append) as verification:
        points = await verification.run()
    assert told == points
    found = {point.name: point.held for point in points}
    assert len(found) == 7, [(point.name, point.held, point.told) for point in points]
    # what a platform cannot delete stays, and is named; all else holds
    left = {REMOVED} if platform == "instagram" else set()
    assert {name for name, held in found.items() if held is not Held.HELD} == left, points
    ledger: list[dict[str, Any]] = await asyncio.to_thread(sandbox.ledger, platform)
    assert (
        sum(not entry["repeat"] and entry["key"] != "delete" for entry in ledger if "elete" not in entry["operation"])
        >= 1
    )


async def test_a_platform_that_doubles_is_found_out_and_both_copies_are_removed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = Settings.read(environment(sandbox, tmp_path / "data"))
    await connect(settings, "threads", sandbox)
    await asyncio.to_thread(
        sandbox.control, "faults", {"platform": "threads", "kind": "double_on_repeat", "operation": "threads_publish"}
    )
    async with open_verification(settings, "threads", lambda _: None) as verification:
        points = {point.name: point for point in await verification.run()}
    assert points[REPEAT].held is Held.FAILED
    assert "a second copy" in points[REPEAT].told
    assert (points[REMOVED].held, points[REMOVED].told) == (Held.HELD, "2 removed")


async def test_the_command_asks_first_and_says_what_held(sandbox: Sandbox, tmp_path: Path) -> None:
    env = environment(sandbox, tmp_path / "data")
    await connect(Settings.read(env), "mastodon", sandbox)

    def run(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HAYON, "verify", *words], env=env, input=said, capture_output=True, text=True, timeout=120, check=False
        )

    refused = await asyncio.to_thread(run, "mastodon", said="n\n")
    assert refused.returncode == 1
    assert await asyncio.to_thread(sandbox.ledger, "mastodon") == []
    held = await asyncio.to_thread(run, "mastodon", "--yes")
    assert (held.returncode, held.stdout.count("held")) == (0, 7), held.stdout + held.stderr
    unknown = await asyncio.to_thread(run, "friendster", "--yes")
    assert unknown.returncode == 1
    assert "No connected account is called 'friendster'" in unknown.stderr
