"""What delivery relies on in every platform adapter, each against its own simulated platform.

What one platform does differently from the others is tested beside its adapter, in tests/platforms.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from hayon.domain.model import Content, Media, MediaUse
from hayon.domain.rules import check
from hayon.errors import Disconnected, Invalid, LeaseLost, PlatformError, Unavailable, Unreachable
from hayon.platforms.contract import Absent, Found, Unclear
from tests.contracts.stage import PLATFORMS, TRAITS, Stage, adapter_of, staged
from tests.platforms.parcels import Checkpoints, OneSend
from tests.servers.ports import free_port


@pytest.fixture(params=PLATFORMS)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Every adapter in turn."""
    async with staged(request.param) as one:
        yield one


# rules


@pytest.mark.parametrize("platform", PLATFORMS)
def test_rules_are_data_and_need_no_facts(platform: str) -> None:
    rules = adapter_of(platform, "http://sandbox").rules({})
    table = json.loads(json.dumps(rules.as_json()))
    assert table["platform"] == platform
    assert min(rules.text_limit, rules.images.limit, rules.images.bytes_limit) > 0
    assert rules.videos is not None
    assert rules.videos.limit > 0
    assert {"image/jpeg", "image/png"} <= set(rules.images.mimes)
    assert "video/mp4" in rules.videos.mimes
    assert all(option.meaning and option.schema["type"] for option in rules.options.values())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_does_not_fit_is_found_before_anything_is_sent(platform: str) -> None:
    rules = adapter_of(platform, "http://sandbox").rules({})

    def found(text: str, options: Mapping[str, Any], *media: Media) -> set[str]:
        content = Content(text, tuple(MediaUse(one.id) for one in media), options)
        problems = check(content, media, rules)
        assert all(one.platform == platform and one.message for one in problems)
        return {one.rule for one in problems}

    def media(mime: str = "image/png", size: int = 1000) -> Media:
        return Media(uuid4(), uuid4(), "key", mime, size, 640, 640)

    some = () if TRAITS[platform].text_alone else (media(),)
    assert found("x" * rules.text_limit, {}, *some) == set()
    assert found("x" * (rules.text_limit + 1), {}, *some) == {"too_long"}
    assert "empty" in found("", {})
    assert found("x", {"noSuchOption": 1}, *some) == {"unknown_option"}
    assert found("", {}, media()) == set()
    assert found("", {}, media("application/pdf")) == {"kind"}
    assert found("", {}, *(media() for _ in range(rules.images.limit + 1))) == {"too_many"}
    assert ("media_required" in found("x", {})) == rules.media_required


# connecting


async def test_a_connection_names_the_account_and_can_be_kept(stage: Stage) -> None:
    connected = stage.connected
    assert connected.remote_id == stage.profile.account_id
    assert stage.profile.handle in connected.handle
    assert connected.host.startswith("http")
    assert json.loads(json.dumps([dict(connected.credential), dict(connected.facts)])) == [
        dict(connected.credential),
        dict(connected.facts),
    ]
    assert stage.adapter.rules(connected.facts).text_limit > 0


async def test_a_check_tells_the_same_account(stage: Stage) -> None:
    checked = await stage.adapter.check(stage.account, stage.connected.credential, stage.outgoing)
    assert (checked.remote_id, checked.host) == (stage.connected.remote_id, stage.connected.host)
    assert checked.facts == stage.connected.facts


async def test_missing_fields_are_all_named_and_nobody_is_asked(stage: Stage) -> None:
    with pytest.raises(Invalid) as raised:
        await stage.adapter.connect({}, stage.outgoing)
    assert {one.field for one in raised.value.problems} == (stage.traits.missed or stage.traits.wanted)
    assert not stage.world.requests


async def test_a_fresh_credential_is_not_refreshed(stage: Stage) -> None:
    assert stage.adapter.expires_soon(stage.connected.credential, datetime.now(UTC)) is False


# preparing


async def test_prepare_can_be_repeated_and_goes_on_where_it_stopped(stage: Stage) -> None:
    parcel, saved = stage.parcel(pictures=3), Checkpoints()
    handles = await stage.prepare(parcel, saved)
    made = len(stage.asked(stage.traits.uploads))
    stage.world.advance(60)
    later = replace(parcel, checkpoint=json.loads(json.dumps(saved.last)), now=stage.now())
    assert await stage.prepare(later) == handles
    assert json.loads(json.dumps(handles)) == handles
    assert len(stage.asked(stage.traits.uploads)) == made >= 1
    assert not stage.asked(stage.operation_of(parcel))
    assert not stage.posts()


async def test_each_step_is_saved_before_the_next_and_a_lost_lease_ends_it(stage: Stage) -> None:
    parcel, full = stage.parcel(pictures=3), Checkpoints()
    await stage.prepare(parcel, full)
    assert len(full.saved) >= 3
    for steps in range(len(full.saved)):
        stage.world.requests.clear()
        kept = Checkpoints()

        async def save(checkpoint: Mapping[str, Any], kept: Checkpoints = kept, steps: int = steps) -> None:
            if len(kept.saved) == steps:
                raise LeaseLost("another worker owns it")
            await kept(checkpoint)

        with pytest.raises(LeaseLost):
            await stage.until_ready(parcel, save, kept)
        assert len(stage.asked(stage.traits.uploads)) <= steps + 1


async def test_an_interrupted_prepare_uploads_nothing_twice(stage: Stage) -> None:
    parcel, saved = stage.parcel(pictures=3), Checkpoints()
    await stage.prepare(stage.parcel(pictures=3))
    needed = len(stage.asked(stage.traits.uploads))
    stage.world.requests.clear()
    stage.world.faults.add(stage.platform, "refuse", stage.traits.uploads, status=503, skip=needed - 1)
    with pytest.raises(Unavailable):
        await stage.prepare(parcel, saved)
    handles = await stage.prepare(replace(parcel, checkpoint=saved.last, now=stage.now()), saved)
    assert len([line for line in stage.asked(stage.traits.uploads) if line["status"] < 300]) == needed
    await stage.publish(parcel, handles)


# publishing


@pytest.mark.parametrize("pictures", [0, 2])
async def test_publish_makes_one_call_with_the_handles_and_nothing_else(stage: Stage, pictures: int) -> None:
    parcel = stage.parcel("the words", pictures=pictures)
    handles = json.loads(json.dumps(dict(await stage.prepare(parcel))))
    stage.world.requests.clear()
    send = OneSend(stage.outgoing)
    edited = replace(parcel, content=Content("other words"), checkpoint={}, media=(), now=stage.now())
    receipt = await stage.adapter.publish(edited, handles, send)
    assert [line["operation"] for line in stage.world.requests] == [stage.operation_of(parcel)]
    assert len(send.requests) == 1
    assert stage.posts() == {"the words": 1}
    assert receipt.published_at.tzinfo is not None
    assert (receipt.url is not None) == stage.traits.named
    url = receipt.url or await stage.adapter.locate(
        stage.account, stage.connected.credential, receipt.remote_id, stage.outgoing
    )
    assert url is not None
    assert url.startswith(stage.url)
    named = stage.adapter.remote_id_in(url, stage.account)
    assert named == receipt.remote_id or (named or "").startswith("url:")


async def test_what_can_be_removed_is_gone_and_stays_gone(stage: Stage) -> None:
    parcel = stage.parcel()
    receipt = await stage.publish(parcel, await stage.prepare(parcel))
    account, credential, outgoing = stage.account, stage.connected.credential, stage.outgoing
    removed = [await stage.adapter.remove(account, credential, receipt.remote_id, outgoing) for _ in range(2)]
    assert removed == [removed[0]] * 2
    assert removed[0] == (stage.platform != "instagram")


async def test_an_address_elsewhere_is_no_post_of_this_host(stage: Stage) -> None:
    for url in ("https://elsewhere.example/@alice/1", "https://elsewhere.example/profile/a/post/b", "nonsense", ""):
        assert stage.adapter.remote_id_in(url, stage.account) is None


async def test_a_repeat_with_the_same_handles_is_one_post(stage: Stage) -> None:
    """Where the platform knows a key; where it does not, a repeat must at least prove nothing."""
    parcel = stage.parcel(pictures=1)
    handles = await stage.prepare(parcel)
    first = await stage.publish(parcel, handles)
    if stage.traits.repeat:
        assert await stage.publish(parcel, handles) == first
    else:
        with pytest.raises(PlatformError) as raised:
            await stage.publish(replace(parcel, first_sent_at=parcel.now, doubted=True), handles)
        assert raised.value.proves_absence is False
    assert sum(stage.posts().values()) == 1


async def test_a_broken_answer_is_unconfirmed(stage: Stage) -> None:
    parcel = stage.parcel()
    handles = await stage.prepare(parcel)
    for status, body in ((200, "<html>"), (200, {}), (502, "<html>"), (500, "<html>"), (403, "<html>")):
        stage.world.faults.add(stage.platform, "refuse", stage.operation_of(parcel), status=status, body=body)
        with pytest.raises(PlatformError) as raised:
            await stage.publish(parcel, handles)
        assert raised.value.proves_absence is False, (status, body)


# looking


@pytest.mark.parametrize("pictures", [0, 2])
async def test_reconcile_tells_what_is_live_and_only_reads(stage: Stage, pictures: int) -> None:
    parcel = stage.parcel(pictures=pictures)
    handles = await stage.prepare(parcel)
    sent = replace(parcel, first_sent_at=stage.now(), now=stage.now())

    async def look() -> Any:
        ledger = list(stage.world.ledger)
        stage.world.requests.clear()
        found = await stage.adapter.reconcile(sent, handles, stage.outgoing)
        assert stage.world.ledger == ledger
        assert stage.world.requests
        assert {line["method"] for line in stage.world.requests} == {"GET"}
        return found

    assert isinstance(await look(), Absent if stage.absent_is_told(parcel) else Unclear)
    receipt = await stage.publish(parcel, handles)
    found = await look()
    assert isinstance(found, Found)
    assert found.receipt.remote_id == receipt.remote_id
    assert found.receipt.url is not None
    assert receipt.url in (None, found.receipt.url)


@pytest.mark.parametrize("pictures", [0, 2])
@pytest.mark.parametrize("kind", ["accept_then_drop", "error_after_accept"])
async def test_a_post_whose_answer_was_lost_is_found(stage: Stage, pictures: int, kind: str) -> None:
    parcel, saved = stage.parcel(pictures=pictures), Checkpoints()
    handles = await stage.prepare(parcel, saved)
    later = await stage.lose_the_answer(kind, parcel, handles)
    found = await stage.adapter.reconcile(later, handles, stage.outgoing)
    assert isinstance(found, Found)
    if stage.traits.repeat:  # even a worker that does not look gets the same post
        again = await stage.prepare(replace(later, checkpoint=saved.last), saved)
        assert again == handles
        assert await stage.publish(later, again) == found.receipt
    assert sum(stage.posts().values()) == 1


@pytest.mark.parametrize("pictures", [0, 2])
async def test_a_post_that_never_arrived_is_absent_and_then_lands_once(stage: Stage, pictures: int) -> None:
    parcel, saved = stage.parcel(pictures=pictures), Checkpoints()
    handles = await stage.prepare(parcel, saved)
    later = await stage.lose_the_answer("drop_before", parcel, handles)
    look = await stage.adapter.reconcile(later, handles, stage.outgoing)
    assert isinstance(look, Absent if stage.absent_is_told(parcel) else Unclear)
    again = await stage.prepare(replace(later, checkpoint=saved.last), saved)  # as a person may permit
    await stage.publish(later, again)
    assert sum(stage.posts().values()) == 1


async def test_how_long_an_absence_is_doubted_is_declared(stage: Stage) -> None:
    for pictures in (0, 1):
        parcel = stage.parcel(pictures=pictures)
        settles = stage.adapter.settles(await stage.prepare(parcel))
        assert settles is None or settles >= timedelta(0)
    declared = stage.adapter.settles_within
    assert declared is None or declared >= timedelta(0)


# refusals


async def test_a_revoked_credential_disconnects(stage: Stage) -> None:
    parcel = stage.parcel()
    handles = await stage.prepare(parcel)
    stage.world.revoke(stage.profile)
    credential = stage.connected.credential
    with pytest.raises(Disconnected) as raised:
        await stage.adapter.refresh(stage.account, credential, stage.outgoing)
    assert raised.value.health in {"expired", "revoked", "error"}
    with pytest.raises(Disconnected):
        await stage.adapter.connect(stage.given, stage.outgoing)
    if stage.platform != "bluesky":  # a Bluesky session outlives its app password until it has to be refreshed
        with pytest.raises(Disconnected):
            await stage.adapter.check(stage.account, credential, stage.outgoing)
        with pytest.raises(Disconnected) as raised:
            await stage.publish(parcel, handles)
        assert raised.value.proves_absence
    assert len(stage.posts()) <= 1


async def test_a_host_out_of_reach_is_unreachable_whatever_is_asked(stage: Stage) -> None:
    parcel = stage.parcel(pictures=1)
    handles = await stage.prepare(parcel)
    nowhere = f"http://127.0.0.1:{free_port()}"
    account = replace(stage.account, host=nowhere)
    lost = replace(parcel, account=account, first_sent_at=parcel.now)
    adapter, outgoing, credential = adapter_of(stage.platform, nowhere), stage.outgoing, stage.connected.credential
    field = {"bluesky": "service", "mastodon": "instanceUrl"}.get(stage.platform, "host")
    with pytest.raises(Unreachable) as raised:
        await adapter.publish(lost, handles, OneSend(outgoing))
    assert raised.value.proves_absence
    for call in (
        adapter.prepare(replace(lost, first_sent_at=None), Checkpoints(), outgoing),
        adapter.check(account, credential, outgoing),
        adapter.connect({**stage.given, field: nowhere}, outgoing),
        adapter.reconcile(lost, handles, outgoing),
    ):
        with pytest.raises(Unreachable):
            await call
    assert not stage.posts()
