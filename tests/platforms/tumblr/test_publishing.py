"""Publishing: what is sent, once, what each way an answer can go wrong proves, and what comes after the receipt."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.errors import (
    CredentialExpired,
    Disconnected,
    NotYet,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from hayon.outgoing import Request
from hayon.platforms.contract import Parcel
from hayon.platforms.tumblr import Tumblr
from tests.platforms.parcels import NOW, Checkpoints, OneSend, fixed_send
from tests.platforms.tumblr.scripted import (
    ADAPTER,
    CREATE,
    DELETE,
    DIRECT,
    EDIT,
    FETCH,
    HOST,
    LISTING,
    LOST,
    OAUTH1,
    OAUTH2,
    PAGE,
    UUID,
    Blog,
    Fault,
    account_of,
    answered,
    parcel_of,
    refused,
    unreachable,
)

HANDLES = {"way": "draft", "blog": UUID, "draftId": "7", "draftIds": ["6", "7"], "draftedAt": NOW.isoformat(),
           "slug": "hayon-0", "fields": {"content": [], "state": "published"}}  # fmt: skip
BY_HAND = {"way": "direct", "blog": UUID, "slug": "hayon-0", "fields": {"content": [], "state": "published"}}


async def sent_by(adapter: Tumblr, handles: Mapping[str, Any], parcel: Parcel) -> Request:
    """The one request that publish() makes of these handles."""
    sent: list[Request] = []

    async def send(request: Request) -> Any:
        sent.append(request)
        return answered({"id": "8"})

    await adapter.publish(parcel, handles, send)
    (request,) = sent
    return request


async def test_what_is_sent_is_what_the_handles_say_whatever_the_parcel_says() -> None:
    fields = {"content": [{"type": "text", "text": "Hello"}], "state": "private", "tags": "a", "slug": "s"}
    request = await sent_by(ADAPTER, {**HANDLES, "fields": fields}, parcel_of("other words", options={"tags": ["b"]}))
    assert (request.method, request.url) == ("PUT", f"{HOST}/v2/blog/{UUID}/posts/7")
    assert (request.json, request.parts) == (fields, None)


async def test_the_direct_way_posts_once() -> None:
    request = await sent_by(DIRECT, BY_HAND, parcel_of("other words"))
    assert (request.method, request.url, request.json) == ("POST", f"{HOST}/v2/blog/{UUID}/posts", BY_HAND["fields"])


async def test_the_receipt_is_tumblrs_number_and_no_address_yet() -> None:
    receipt = await ADAPTER.publish(parcel_of(), HANDLES, fixed_send(answered({"id": "712345678912345678"})))
    assert (receipt.remote_id, receipt.url, receipt.published_at) == ("712345678912345678", None, NOW)


@pytest.mark.parametrize(("handles", "adapter"), [(HANDLES, ADAPTER), (BY_HAND, DIRECT)])
@pytest.mark.parametrize(
    ("answer", "error", "proof"),
    [
        (refused(400, 8001), Rejected, True),
        (refused(401, 1016), Disconnected, True),
        (refused(403), Rejected, True),
        (refused(403, 8010), NotYet, True),
        (refused(403, 8023), RateLimited, True),
        (refused(429), RateLimited, True),
        (refused(500), Unconfirmed, False),
        (refused(500, 8006), Unconfirmed, False),
        (refused(500, 8009), Unconfirmed, False),
        (refused(503), Unconfirmed, False),
        (refused(504), Unconfirmed, False),
        (PAGE, Unconfirmed, False),
        (answered("<html>", 403), Unconfirmed, False),
        (answered("<html>", 200), Unconfirmed, False),
        (answered({"id": None}), Unconfirmed, False),
        (answered({"id": True}), Unconfirmed, False),
        (answered({"id": "../x"}), Unconfirmed, False),
        (answered("[" * 50_000), Unconfirmed, False),
        (LOST, Unconfirmed, False),
        (unreachable(), Unreachable, True),
    ],
)
async def test_each_way_it_can_go_wrong(
    answer: Fault, error: type[PlatformError], proof: bool, handles: dict[str, Any], adapter: Tumblr
) -> None:
    for first_sent_at in (None, NOW - timedelta(minutes=5)):
        with pytest.raises(error) as raised:
            await adapter.publish(parcel_of(first_sent_at=first_sent_at), handles, fixed_send(answer))
        assert type(raised.value) is error
        assert raised.value.proves_absence is (proof and (first_sent_at is None or error is Unreachable))


async def test_a_draft_that_is_gone_may_be_live() -> None:
    with pytest.raises(Unconfirmed):
        await ADAPTER.publish(parcel_of(), HANDLES, fixed_send(refused(404)))
    with pytest.raises(Disconnected) as raised:  # a blog that is gone is not
        await DIRECT.publish(parcel_of(), BY_HAND, fixed_send(refused(404)))
    assert raised.value.proves_absence


async def test_an_expired_token_asks_for_a_fresh_one_and_proves_that_nothing_happened() -> None:
    with pytest.raises(CredentialExpired) as raised:
        await ADAPTER.publish(parcel_of(credential=OAUTH2), HANDLES, fixed_send(refused(401)))
    assert raised.value.proves_absence


@pytest.mark.parametrize("adapter", [ADAPTER, DIRECT])
@pytest.mark.parametrize("fault", [LOST, PAGE, refused(504)])
async def test_a_repeat_under_the_same_handles_by_a_draft_makes_no_second_post(adapter: Tumblr, fault: Fault) -> None:
    """The direct way is known to double: that is why an absence never settles it."""
    blog, parcel = Blog(), parcel_of("Hello")
    handles = await adapter.prepare(parcel, Checkpoints(), blog.outgoing)
    blog.after[CREATE if adapter is DIRECT else EDIT] = [fault]
    with pytest.raises(Unconfirmed):
        await adapter.publish(parcel, handles, OneSend(blog.outgoing))
    again = replace(parcel, first_sent_at=NOW)
    if adapter is DIRECT:
        await adapter.publish(again, handles, OneSend(blog.outgoing))
    else:
        with pytest.raises(Unconfirmed):
            await adapter.publish(again, handles, OneSend(blog.outgoing))
    assert len(blog.live) == (2 if adapter is DIRECT else 1)


async def test_handles_survive_storing() -> None:
    handles = await ADAPTER.prepare(parcel_of(), Checkpoints(), Blog().outgoing)
    assert json.loads(json.dumps(handles)) == handles


# addresses


@pytest.mark.parametrize(
    ("url", "number"),
    [
        ("https://alice.tumblr.com/post/712", "712"),
        ("https://ALICE.tumblr.com/post/712/", "712"),
        ("http://alice.tumblr.com/post/712/a-slug?source=share#x", "712"),
        (" https://www.tumblr.com/alice/712 ", "712"),
        ("https://www.tumblr.com/alice/712/a-slug", "712"),
        ("https://www.tumblr.com/@alice/712", "712"),
        ("https://tumblr.com/alice/712", "712"),
        ("https://www.tumblr.com/blog/view/alice/712", "712"),
        ("https://blog.example/post/712/a-slug", "712"),
        ("https://api.tumblr.example/alice/712", "712"),
        ("https://bob.tumblr.com/post/712", None),
        ("https://www.tumblr.com/bob/712", None),
        ("https://other.example/post/712", None),
        ("https://alice.tumblr.com/post/abc", None),
        ("https://alice.tumblr.com/712", None),
        ("https://www.tumblr.com/post/712", None),
        ("https://www.tumblr.com/alice/712/a/b", None),
        ("https://alice.tumblr.com.evil.example/post/712", None),
        ("ftp://alice.tumblr.com/post/712", None),
        ("https://[::1", None),
        ("", None),
    ],
)
def test_the_number_in_an_address(url: str, number: str | None) -> None:
    account = account_of(facts={"blogUrl": "https://blog.example/"})
    assert ADAPTER.remote_id_in(url, account) == number


def test_an_account_at_a_path_has_posts_below_it() -> None:
    account = account_of(
        host="http://127.0.0.1:8000/tumblr", facts={"blogUrl": "http://127.0.0.1:8000/tumblr/blogs/alice"}
    )
    for path in ("/tumblr/alice/712/slug", "/tumblr/blogs/alice/post/712"):
        assert ADAPTER.remote_id_in(f"http://127.0.0.1:8000{path}", account) == "712"
    assert ADAPTER.remote_id_in("http://127.0.0.1:8000/tumblr/bob/712", account) is None
    assert ADAPTER.remote_id_in("http://127.0.0.1:8001/tumblr/alice/712", account) is None


async def test_the_address_is_read_after_the_receipt_whichever_number_it_names() -> None:
    blog = Blog()
    draft, post = "600", blog.add("published", genesis_post_id="600")
    for number, calls in ((post["id_string"], [FETCH]), (draft, [FETCH, LISTING])):
        blog.calls.clear()
        assert await ADAPTER.locate(account_of(), OAUTH1, number, blog.outgoing) == post["post_url"]
        assert blog.calls == calls
    assert await ADAPTER.locate(account_of(), OAUTH1, "601", blog.outgoing) is None
    for state in ("draft", "transcoding", "queued"):
        assert await ADAPTER.locate(account_of(), OAUTH1, blog.add(state)["id_string"], blog.outgoing) is None
    blog.after[FETCH] = [answered({"id": "1", "state": "published", "post_url": "javascript:alert(1)"})]
    assert await ADAPTER.locate(account_of(), OAUTH1, post["id_string"], blog.outgoing) is None


# removing


async def test_a_post_is_removed_whichever_number_its_receipt_names() -> None:
    blog = Blog()
    other = blog.add()
    post = blog.add()
    assert await ADAPTER.remove(account_of(), OAUTH1, post["id_string"], blog.outgoing)
    assert (blog.calls, blog.posts) == ([DELETE], [other])
    assert blog.asked[0].json == {"id": post["id"]}
    blog.add("published", genesis_post_id="600")
    assert await ADAPTER.remove(account_of(), OAUTH1, "600", blog.outgoing)
    assert blog.posts == [other]
    assert await ADAPTER.remove(account_of(), OAUTH1, "601", blog.outgoing)
    assert blog.posts == [other]


@pytest.mark.parametrize(
    ("answer", "error"),
    [(answered("<html>", 404), Unavailable), (answered("<html>", 200), Unavailable), (refused(500), Unavailable),
     (refused(401), Disconnected), (LOST, Unavailable)],
)  # fmt: skip
async def test_a_removal_that_is_not_sure_is_told(answer: Fault, error: type[PlatformError]) -> None:
    blog = Blog(before={DELETE: [answer]})
    post = blog.add()
    with pytest.raises(error):
        await ADAPTER.remove(account_of(), OAUTH1, post["id_string"], blog.outgoing)
    assert blog.posts == [post]
