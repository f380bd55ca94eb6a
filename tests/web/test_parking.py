"""The parking lot and the dead letters over the API: whose they are, what replay and discard come to, and a broker that is away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest

from hayon.brokers.rabbitmq.wire import write_bell
from hayon.domain.lifecycle import TargetStatus
from hayon.store.database import Tx
from hayon.store.moves import move, moving
from hayon.web.parking import shown
from tests.brokers.bells import make_bell, until
from tests.brokers.wires import plain_channel, send, take_all
from tests.delivery.scripted import Scripted
from tests.servers.ports import free_port
from tests.servers.rabbitmq import RabbitAddress
from tests.web.house import House, Visitor, at_work, open_house
from tests.web.test_deciding import wait_for
from tests.web.test_posts import make

WORDS = "That word is not allowed."


async def park(house: House, visitor: Visitor, words: str = WORDS) -> tuple[str, str]:
    """A post whose only target has failed; their ids."""
    post_id = await make(visitor)
    (target,) = (await visitor.get(f"/api/posts/{post_id}")).json["platformStatuses"]

    def fail(tx: Tx) -> None:
        with moving(tx, [UUID(post_id)]) as now:
            assert move(tx, UUID(target["targetId"]), TargetStatus.FAILED, since={TargetStatus.PENDING}, now=now,
                        due_at=None, message=words, code="BadWord")  # fmt: skip

    await house.hayon.database.write(fail)
    return post_id, target["targetId"]


async def listed(visitor: Visitor, query: str = "") -> list[str]:
    """The ids of the targets that the list shows."""
    answer = await visitor.get(f"/api/parking{query}")
    assert answer.status == 200, answer.text
    return [one["targetId"] for one in answer.json["targets"]]


async def settle(visitor: Visitor, wish: str, *target_ids: str) -> list[str]:
    """What the answer says of each."""
    answer = await visitor.post(f"/api/parking/{wish}", {"targetIds": target_ids})
    assert answer.status == 200, answer.text
    assert [one["targetId"] for one in answer.json["targets"]] == list(target_ids)
    return [one["answer"] for one in answer.json["targets"]]


@pytest.fixture(params=["sqlite", "postgres"])
async def lot(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[House]:
    """A served Hayon on each kind of database."""
    options = {"database_url": request.getfixturevalue("migrated_postgres_url")} if request.param == "postgres" else {}
    async with open_house(folder, **options) as opened:
        yield opened


@pytest.fixture
async def pair(lot: House) -> tuple[Visitor, Visitor]:
    """Ada, who is the admin, and Bob."""
    ada, bob = await lot.register(), await lot.register("bob@example.org")
    await lot.account(ada)
    await lot.account(bob)
    return ada, bob


async def test_the_newest_is_first_and_pages_follow(lot: House, pair: tuple[Visitor, Visitor]) -> None:
    ada, bob = pair
    made = [(await park(lot, bob))[1] for _ in range(5)]
    adas = await park(lot, ada)
    assert await listed(bob) == made[::-1]
    seen, cursor = [], ""
    while True:
        page = (await bob.get(f"/api/parking?limit=2{cursor}")).json
        assert len(page["targets"]) <= 2
        seen += [one["targetId"] for one in page["targets"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == made[::-1]
    (shown_to_ada,) = (await ada.get("/api/parking")).json["targets"]
    assert (shown_to_ada["postId"], shown_to_ada["targetId"]) == adas
    assert (shown_to_ada["platform"], shown_to_ada["handle"]) == ("bluesky", "ada.test")
    assert shown_to_ada["error"] == {"message": WORDS, "code": "BadWord"}
    assert (shown_to_ada["attemptCount"], shown_to_ada["userId"]) == (0, str(ada.person_id))


async def test_everybodys_is_for_the_admin(lot: House, pair: tuple[Visitor, Visitor]) -> None:
    ada, bob = pair
    (_, adas), (_, bobs) = await park(lot, ada), await park(lot, bob)
    assert await listed(ada) == [adas]
    assert await listed(ada, "?everybody=true") == [bobs, adas]
    assert (await bob.get("/api/parking?everybody=true")).status == 403


async def test_replay_tries_again_and_publishes_once(lot: House, pair: tuple[Visitor, Visitor]) -> None:
    _, bob = pair
    scripted = Scripted("bluesky")
    lot.hayon.platforms["bluesky"] = scripted
    (post_id, target_id), (_, other) = await park(lot, bob), await park(lot, bob)
    assert await settle(bob, "replay", target_id, str(uuid4())) == ["retrying", "not_parked"]
    assert await listed(bob) == [other]
    assert await settle(bob, "replay", target_id) == ["not_parked"]
    async with at_work(lot.hayon):
        await wait_for(bob, post_id, "completed")
    assert len(scripted.calls) == 1


async def test_one_that_cannot_be_tried_hinders_no_other(
    lot: House, pair: tuple[Visitor, Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A post is deleted between the look and the retry."""
    _, bob = pair
    (first_post, first), (_, second) = await park(lot, bob), await park(lot, bob)
    retry = lot.hayon.submission.retry

    async def deleted_meanwhile(user_id: UUID, post_id: UUID, target_ids: Any) -> Any:
        if str(post_id) == first_post:
            await lot.hayon.submission.delete(user_id, post_id)
        return await retry(user_id, post_id, target_ids)

    monkeypatch.setattr(type(lot.hayon.submission), "retry", lambda _, *args: deleted_meanwhile(*args))
    assert await settle(bob, "replay", first, second) == ["refused", "retrying"]


async def test_discard_leaves_it_failed(lot: House, pair: tuple[Visitor, Visitor]) -> None:
    _, bob = pair
    post_id, target_id = await park(lot, bob)
    assert await settle(bob, "discard", target_id, str(uuid4())) == ["discarded", "not_parked"]
    assert await listed(bob) == []
    assert (await bob.get(f"/api/posts/{post_id}/status")).json["status"] == "FAILED"
    assert await settle(bob, "replay", target_id) == ["not_parked"]
    assert (await bob.post(f"/api/posts/{post_id}/retry")).json["targets"][0]["answer"] == "retrying"


@pytest.mark.parametrize(("wish", "done"), [("replay", "retrying"), ("discard", "discarded")])
async def test_anothers_is_as_if_it_were_not_there(
    lot: House, pair: tuple[Visitor, Visitor], wish: str, done: str
) -> None:
    ada, bob = pair
    (_, adas), (_, bobs) = await park(lot, ada), await park(lot, bob)
    assert await settle(bob, wish, adas, bobs) == ["not_parked", done]
    assert await listed(ada) == [adas]
    (_, again) = await park(lot, bob)
    assert await settle(ada, wish, again) == [done]  # the admin may
    assert await listed(bob) == []


async def test_what_was_deleted_is_not_replayed(lot: House, pair: tuple[Visitor, Visitor]) -> None:
    _, bob = pair
    post_id, target_id = await park(lot, bob)
    await bob.ask("DELETE", f"/api/posts/{post_id}")
    assert await listed(bob) == []
    assert await settle(bob, "replay", target_id) == ["not_parked"]


@pytest.mark.parametrize(
    ("path", "field"),
    [("parking/replay", "targetIds"), ("parking/discard", "targetIds"), ("dead-letters/replay", "letterIds"),
     ("dead-letters/discard", "letterIds")],
)  # fmt: skip
async def test_at_most_200_at_once(ada: Visitor, path: str, field: str) -> None:
    for ids, rule in (([], "too_short"), ([str(uuid4())] * 201, "too_long")):
        answer = await ada.post(f"/api/{path}", {field: ids})
        assert (answer.status, answer.rules) == (422, {(field, rule)})
    assert (await ada.post(f"/api/{path}", {field: [str(uuid4())] * 200})).status == 200
    assert (await ada.get(f"/api/{path.partition('/')[0]}?limit=201")).status == 422
    assert (await ada.get("/api/parking?cursor=nonsense")).rules == {("cursor", "not_a_cursor")}


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (b'{"postId": 1}', '{"postId": 1}'), ("Grüße, 世界 🎉", "Grüße, 世界 🎉"),
        (b"two\r\nlines\tand", "two  lines and"), (b"\x1b[31mred\x07\x00\x7f", "�[31mred���"),
        (b"\xff\xfeab", "��ab"), ("abc\u202egnp.exe\u2066", "abc�gnp.exe�"), ("\u2028\u2029\x85", "���"),
        ("half \ud800 a pair", "half � a pair"), ("x" * 40, "x" * 20 + "…"),
    ],
)  # fmt: skip
def test_a_strangers_text_steers_nothing(said: bytes | str, seen: str) -> None:
    assert shown(said, 20) == seen


@pytest.fixture
async def bells(folder: Path, rabbitmq_url: str) -> AsyncIterator[tuple[House, Visitor, str]]:
    """The pages alone, as `hayon web` runs them, beside a RabbitMQ; the admin; the broker's address."""
    async with open_house(folder, broker_url=rabbitmq_url) as opened:
        yield opened, await opened.register(), rabbitmq_url


async def letters(visitor: Visitor, query: str = "") -> Any:
    """The dead letters."""
    answer = await visitor.get(f"/api/dead-letters{query}")
    assert answer.status == 200, answer.text
    return answer.json


async def decide(visitor: Visitor, wish: str, *letter_ids: str) -> list[str]:
    """What the answer says of each letter."""
    answer = await visitor.post(f"/api/dead-letters/{wish}", {"letterIds": letter_ids})
    assert answer.status == 200, answer.text
    return [one["answer"] for one in answer.json["letters"]]


async def test_dead_letters_are_listed_replayed_and_discarded(bells: tuple[House, Visitor, str]) -> None:
    house, ada, url = bells
    assert await letters(ada) == {"letters": [], "more": False}
    bell = make_bell("blue\x1bsky")
    await send(url, "dlx_exchange", "dead", b"no \x1b[2Jbell", headers={"x-reason": "it is \x07no bell"})
    message = write_bell(bell)
    await send(url, "dlx_exchange", "dead", message.body, message_id=message.message_id)
    told = await letters(ada)
    broken, readable = told["letters"]
    assert (broken["body"], broken["reason"], broken["bell"]) == ("no �[2Jbell", "it is �no bell", None)
    assert readable["bell"] == {
        "postId": str(bell.post_id), "targetId": str(bell.target_id), "userId": str(bell.user_id), "platform": "blue�sky"
    }  # fmt: skip
    assert [len(one["letters"]) for one in (await letters(ada, "?limit=1"), told)] == [1, 2]
    assert (await letters(ada, "?limit=1"))["more"] is True

    ids = [broken["letterId"], readable["letterId"], "nonsense"]
    assert await decide(ada, "replay", *ids) == ["not_rung", "rung", "not_rung"]
    assert [one["letterId"] for one in (await letters(ada))["letters"]] == ids[:1]
    assert await decide(ada, "discard", *ids) == ["discarded", "not_there", "not_there"]
    assert (await letters(ada))["letters"] == []
    # no probe is among them: those who only ask leave nothing for workers
    assert [one.message_id for one in await take_all(url, "hayon_social_posts")] == [message.message_id]
    assert house.hayon.broker.links == 0


async def test_pages_alone_keep_no_connection(bells: tuple[House, Visitor, str], rabbitmq: RabbitAddress) -> None:
    _, ada, _ = bells
    await asyncio.gather(*(letters(ada) for _ in range(4)))
    ours = psutil.Process().net_connections("tcp")
    assert [one for one in ours if one.status == psutil.CONN_ESTABLISHED and one.raddr.port == rabbitmq.port] == []


async def test_dead_letters_are_the_admins(bells: tuple[House, Visitor, str]) -> None:
    house, _, _ = bells
    bob = await house.register("bob@example.org")
    assert (await bob.get("/api/dead-letters")).status == 403
    for wish in ("replay", "discard"):
        assert (await bob.post(f"/api/dead-letters/{wish}", {"letterIds": ["a"]})).status == 403


async def test_the_whole_house_asks_over_its_own_link(bells: tuple[House, Visitor, str]) -> None:
    house, ada, url = bells

    async def links() -> int:
        return house.hayon.broker.links

    async def told() -> Any:
        return (await letters(ada))["letters"]

    async with at_work(house.hayon):
        assert await until(links, bool) == 1
        assert await told() == []
        await send(url, "post_exchange", "post.create.bluesky", b"broken")
        (letter,) = await until(told, bool)
        assert letter["body"] == "broken"
        assert letter["reason"].startswith("it is no bell")
        assert await links() == 1


@pytest.mark.parametrize("how", ["away", "password", "otherwise"])
async def test_a_broker_that_is_of_no_use(folder: Path, rabbitmq_url: str, how: str) -> None:
    url, words = {
        "away": (f"amqp://somebody:hidden@127.0.0.1:{free_port()}/", "cannot be reached"),
        "password": (rabbitmq_url.replace("guest:guest", "guest:hidden"), "refuses the user or password"),
        "otherwise": (rabbitmq_url, "hayon broker migrate"),
    }[how]
    if how == "otherwise":
        async with plain_channel(rabbitmq_url) as channel:
            await channel.declare_queue("hayon_social_posts", durable=True, arguments={"x-queue-type": "classic"})
    async with open_house(folder, broker_url=url) as house:
        ada = await house.register()
        await house.account(ada)
        for answer in (
            await ada.get("/api/dead-letters"),
            await ada.post("/api/dead-letters/replay", {"letterIds": ["a"]}),
            await ada.post("/api/dead-letters/discard", {"letterIds": ["a"]}),
        ):
            assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
            assert words in answer.json["detail"]
            assert "No post is lost by it" in answer.json["detail"]
            assert "hidden" not in answer.text
            assert int(answer.headers["Retry-After"]) > 0
        _, target_id = await park(house, ada)  # the parking lot is in the database
        assert await settle(ada, "replay", target_id) == ["retrying"]
