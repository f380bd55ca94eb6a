"""The pages of webhooks, used as a browser without scripts uses them: made, tested, changed, off and on, replayed, deleted."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from hayon.store import leaving
from hayon.web import pages_webhooks
from tests.notifying.office import Receiver, open_receiver
from tests.web.house import Answer, House, Visitor
from tests.web.test_pages import HOSTILE, Fields, read

LIST = "/settings/webhooks"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


async def send(visitor: Visitor, path: str, *pairs: tuple[str, str], **fields: str) -> Answer:
    """Sends a form with the token of the session."""
    token = (await read(visitor, LIST)).form("/logout")["csrf"]
    return await visitor.post(path, data=[("csrf", token), *pairs, *fields.items()])


async def make(visitor: Visitor, url: str, *kinds: str) -> tuple[str, str]:
    """Makes one by the form: its page, and its secret."""
    answer = await send(visitor, LIST, *[("kinds", kind) for kind in kinds], url=url)
    assert answer.status == 200, answer.text
    (secret,) = re.findall(r'id="once-secret" readonly value="(whsec_[^"]+)"', answer.text)
    (newest,) = (await visitor.get("/api/webhooks")).json["webhooks"][-1:]
    return f"{LIST}/{newest['webhookId']}", secret


async def known(visitor: Visitor) -> Any:
    return (await visitor.get("/api/webhooks")).json["webhooks"]


async def test_one_is_made_and_its_secret_shown_once(ada: Visitor, receiver: Receiver) -> None:
    assert "No webhook yet" in (await ada.get(LIST)).text
    path, secret = await make(ada, receiver.url, "post.failed", "post.completed")
    (one,) = await known(ada)
    assert (one["url"], one["kinds"], one["enabled"]) == (receiver.url, ["post.failed", "post.completed"], True)
    for page in (path, LIST):
        text = (await ada.get(page)).text
        assert secret not in text
        assert receiver.url in text
        assert '<span class="badge">post.failed</span>' in text
    await send(ada, f"{path}/decide", do="test")
    assert receiver.verify(0, secret)["type"] == "webhook.test"


async def test_the_button_pressed_twice_makes_one(ada: Visitor, receiver: Receiver) -> None:
    form = (await read(ada, LIST)).form(LIST)
    given = {"csrf": form["csrf"], "key": form["key"], "url": receiver.url}
    first, second = [await ada.post(LIST, data=given) for _ in "12"]
    assert (first.status, second.status) == (200, 200)
    assert len({re.search(r"whsec_[^\"]+", one.text)[0] for one in (first, second)}) == 1  # type: ignore[index]  # found, or the test is red
    assert len(await known(ada)) == 1
    other = await ada.post(LIST, data=given | {"url": f"{receiver.url}/other"})
    assert (other.status, 'role="alert"' in other.text) == (409, True)


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://example.org/", f"https://[{HOSTILE}"])
async def test_an_address_that_is_none_stays_in_the_form(ada: Visitor, url: str) -> None:
    answer = await send(ada, LIST, ("kinds", "post.failed"), url=url)
    assert (answer.status, 'role="alert"' in answer.text) == (422, True)
    assert HOSTILE not in answer.text
    assert Fields(answer.text).form(LIST)["url"] == url
    assert re.findall(r'name="kinds" value="([^"]+)" checked', answer.text) == ["post.failed"]
    assert await known(ada) == []


async def test_a_test_says_what_the_receiver_answered(ada: Visitor, receiver: Receiver) -> None:
    path, _ = await make(ada, receiver.url)
    good = (await send(ada, f"{path}/decide", do="test")).text
    assert "The test arrived" in good
    receiver.says = [418]
    bad = (await send(ada, f"{path}/decide", do="test")).text
    assert "The test did not arrive" in bad
    assert "It answered 418." in bad
    assert bad.count('<b class="handle">webhook.test</b>') == 2
    assert '<span class="badge">418</span>' in bad


async def test_it_is_changed(ada: Visitor, receiver: Receiver) -> None:
    path, _ = await make(ada, "http://127.0.0.1:9009/", "post.failed")
    answer = await send(ada, path, ("kinds", "post.completed"), url=receiver.url)
    assert answer.headers["Location"] == f"{path}?told=webhook"
    (one,) = await known(ada)
    assert (one["url"], one["kinds"]) == (receiver.url, ["post.completed"])
    assert (await send(ada, path, url=receiver.url)).status == 303
    assert (await known(ada))[0]["kinds"] == [], "nothing ticked is every kind"
    wrong = await send(ada, path, url="nonsense")
    assert (wrong.status, 'value="nonsense"' in wrong.text) == (422, True)
    assert (await send(ada, path, ("kinds", "no.kind"), url=receiver.url)).status == 422


async def test_off_and_on_again(ada: Visitor, receiver: Receiver) -> None:
    path, _ = await make(ada, receiver.url)
    assert (await send(ada, f"{path}/decide", do="pause")).headers["Location"] == f"{path}?told=webhook-pause"
    off = (await ada.get(path)).text
    assert "</span> Off</span>" in off
    assert "You turned it off." in off
    assert "Turn it on" in off
    assert (await send(ada, f"{path}/decide", do="resume")).headers["Location"] == f"{path}?told=webhook-resume"
    assert "</span> On</span>" in (await ada.get(path)).text
    assert (await send(ada, f"{path}/decide", do="dance")).status == 422


async def test_a_new_secret_is_shown_once(ada: Visitor, receiver: Receiver) -> None:
    path, secret = await make(ada, receiver.url)
    answer = (await send(ada, f"{path}/decide", do="secret")).text
    (fresh,) = re.findall(r'id="once-secret" readonly value="(whsec_[^"]+)"', answer)
    assert fresh != secret
    assert fresh not in (await ada.get(path)).text
    await send(ada, f"{path}/decide", do="test")
    assert receiver.verify(0, fresh) == receiver.verify(0, secret)


async def test_events_are_shown_in_pages_and_sent_again(
    house: House, ada: Visitor, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_webhooks, "EVENTS", 2)
    path, secret = await make(ada, receiver.url)
    webhook_id = UUID(path.rpartition("/")[2])
    ids = [
        str(await house.hayon.database.write(
            leaving.insert_event, webhook_id, "post.failed", {"words": f"{HOSTILE} {number}"}, due_at=None))
        for number in range(3)
    ]  # fmt: skip
    first = (await ada.get(path)).text
    assert HOSTILE not in first
    assert Fields(first).inline == []
    (older,) = re.findall(rf'href="({path}\?cursor=[^"]+)"', first)
    replays = re.findall(rf'action="({path}/events/[^"]+/replay)"', first + (await ada.get(older)).text)
    assert sorted(replays) == sorted(f"{path}/events/{one}/replay" for one in ids)
    assert (await send(ada, replays[0])).headers["Location"] == f"{path}?told=webhook-replay"
    assert "Waiting" in (await ada.get(path)).text
    await house.hayon.leaving.send_once()
    assert len(receiver.ids) == 1
    assert receiver.verify(0, secret)["words"].startswith(HOSTILE)
    assert "</span> Delivered</span>" in (await ada.get(path)).text
    await send(ada, f"{path}/decide", do="pause")
    assert "/replay" not in (await ada.get(path)).text, "what is off cannot send"
    late = await send(ada, replays[0])
    assert (late.status, 'role="alert"' in late.text) == (409, True)
    assert (await send(ada, f"{path}/events/{uuid4()}/replay")).status == 409


async def test_a_failing_one_says_since_when_and_why(house: House, ada: Visitor, receiver: Receiver) -> None:
    path, _ = await make(ada, receiver.url)
    await house.hayon.database.write(
        lambda tx: leaving.insert_event(tx, UUID(path.rpartition("/")[2]), "post.failed", {"a": 1}, due_at=tx.now())
    )
    receiver.says = [503]
    await house.hayon.leaving.send_once()
    for page in (LIST, path):
        text = (await ada.get(page)).text
        assert "</span> Failing</span>" in text
        assert "It answered 503." in text
    assert "Trying again" in (await ada.get(path)).text


async def test_it_is_deleted(ada: Visitor, receiver: Receiver) -> None:
    path, _ = await make(ada, receiver.url)
    gone = await send(ada, f"{path}/decide", do="delete")
    assert gone.headers["Location"] == f"{LIST}?told=webhook-delete"
    assert await known(ada) == []
    assert (await ada.get(path)).status == 404


async def test_it_is_its_owners_alone_and_needs_their_form(house: House, ada: Visitor, receiver: Receiver) -> None:
    path, _ = await make(ada, receiver.url)
    bob = await house.register("bob@example.org")
    assert receiver.url not in (await bob.get(LIST)).text
    before = await known(ada)
    for to, wish in ((path, ""), *((f"{path}/decide", one) for one in ("test", "secret", "pause", "delete"))):
        assert (await send(bob, to, do=wish, url="http://127.0.0.1:1/")).status == 404
        for csrf in ("", (await read(bob, LIST)).form("/logout")["csrf"]):
            assert (await ada.post(to, data={"csrf": csrf, "do": wish, "url": receiver.url})).status == 403
    assert (await bob.get(path)).status == 404
    assert (await ada.post(LIST, data={"url": receiver.url})).status == 403
    assert (await known(ada), receiver.bodies) == (before, [])
