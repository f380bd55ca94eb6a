"""What every adapter says of a post when a restored backup does not know what was sent: found, or unclear; never absent."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.domain.model import Content
from hayon.platforms.contract import Found, Parcel, Unclear
from tests.contracts.stage import PLATFORMS, Stage, staged
from tests.platforms.parcels import Checkpoints

LATER = 1200.0
"""Seconds."""


@pytest.fixture(params=PLATFORMS)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Every adapter in turn."""
    async with staged(request.param) as one:
        yield one


async def look(stage: Stage, parcel: Parcel, backup: Parcel, checkpoint: Mapping[str, Any]) -> Any:
    """Looks without handles, with what the backup has of the target. Reads only."""
    ledger = list(stage.world.ledger)
    stage.world.requests.clear()
    restored = replace(parcel, checkpoint=json.loads(json.dumps(checkpoint)), first_sent_at=backup.now, now=stage.now())
    found = await stage.adapter.reconcile(restored, {}, stage.outgoing)
    assert stage.world.ledger == ledger
    assert {line["method"] for line in stage.world.requests} <= {"GET"}
    return found


@pytest.mark.parametrize("pictures", [0, 2])
@pytest.mark.parametrize("knows", ["nothing", "what was prepared"])
async def test_what_went_out_after_the_backup_is_found(stage: Stage, pictures: int, knows: str) -> None:
    parcel, saved = stage.parcel("Said in the lost time", pictures=pictures), Checkpoints()
    if knows != "nothing":
        await stage.prepare(parcel, saved)
    kept = saved.last or {}
    backup = replace(parcel, now=stage.now())
    stage.world.advance(LATER)
    handles = await stage.prepare(replace(parcel, checkpoint=kept, now=stage.now()), saved)
    receipt = await stage.publish(parcel, handles)
    stage.world.advance(LATER)
    found = await look(stage, parcel, backup, kept)
    assert isinstance(found, Found)
    assert found.receipt.remote_id == receipt.remote_id
    assert (
        not found.exact or kept
    )  # the words alone are no proof that it is this post, and not another that says the same


@pytest.mark.parametrize("pictures", [0, 2])
@pytest.mark.parametrize("knows", ["nothing", "what was prepared"])
async def test_what_is_not_found_is_unclear(stage: Stage, pictures: int, knows: str) -> None:
    parcel, saved = stage.parcel("Never sent", pictures=pictures), Checkpoints()
    if knows != "nothing":
        await stage.prepare(parcel, saved)
    backup = replace(parcel, now=stage.now())
    stage.world.advance(LATER)
    assert isinstance(await look(stage, parcel, backup, saved.last or {}), Unclear)


@pytest.mark.parametrize("pictures", [0, 2])
async def test_what_was_prepared_before_the_backup_and_prepared_anew_after_it_is_found_too(
    stage: Stage, pictures: int
) -> None:
    """Edited back and forth, say: the keys and ids that the backup knows are not those that were used."""
    parcel, before = stage.parcel("Twice prepared", pictures=pictures), Checkpoints()
    await stage.prepare(parcel, before)
    backup = replace(parcel, now=stage.now())
    stage.world.advance(LATER)
    anew = replace(parcel, now=stage.now(), checkpoint={})
    receipt = await stage.publish(anew, await stage.prepare(anew))
    found = await look(stage, parcel, backup, before.last or {})
    assert isinstance(found, Found)
    assert found.receipt.remote_id == receipt.remote_id


async def test_two_that_say_the_same_are_not_told_apart(stage: Stage) -> None:
    parcel = stage.parcel("Good morning", pictures=1)
    backup = replace(parcel, now=stage.now())
    for key in ("one", "two"):
        stage.world.advance(LATER)
        other = replace(parcel, idempotency_key=key, now=stage.now())
        await stage.publish(other, await stage.prepare(other))
    assert sum(stage.posts().values()) == 2
    assert isinstance(await look(stage, parcel, backup, {}), Unclear)


async def test_what_went_out_before_the_backup_is_another_post(stage: Stage) -> None:
    """It says the same, but the backup knows what became of it."""
    earlier = stage.parcel("Good morning", pictures=1, idempotency_key="of yesterday")
    await stage.publish(earlier, await stage.prepare(earlier))
    parcel = stage.parcel("Good morning", pictures=1)
    # the backup is later; not by the world's clock, since adapters compare it with that of the answers
    backup = replace(parcel, now=stage.now() + timedelta(hours=1))
    assert isinstance(await look(stage, parcel, backup, {}), Unclear)


async def test_pictures_without_words_are_not_told_apart(stage: Stage) -> None:
    parcel = stage.parcel("", pictures=1)
    backup = replace(parcel, now=stage.now())
    stage.world.advance(LATER)
    other = replace(parcel, idempotency_key="other", now=stage.now())
    await stage.publish(other, await stage.prepare(other))
    assert isinstance(await look(stage, parcel, backup, {}), Unclear)


@pytest.mark.parametrize("kind", ["story", "reel", "video", "feed"])
async def test_no_kind_of_post_is_too_strange_to_be_looked_for(stage: Stage, kind: str) -> None:
    parcel = stage.parcel("A day's worth", pictures=1)
    backup = replace(parcel, now=stage.now())
    told = replace(parcel, content=Content(parcel.content.text, parcel.content.media, {"kind": kind}))
    assert isinstance(await look(stage, told, backup, {}), Unclear)
