"""Posts of the simulated Tumblr: their states and ids, edits, lists, what stands in the ledger, and the pages."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http
from tests.sandbox.graph import film
from tests.sandbox.tumblelog import Tumblelog, code, image, tumblr_client, video

from hayon.sandbox.app import running
from hayon.sandbox.limits import Limits
from hayon.sandbox.tumblr import CONSUMER_KEY
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

GONE = (404, 0)


@pytest_asyncio.fixture(loop_scope="module")
async def tumblr(http: Http, world: World) -> Tumblelog:
    """alice."""
    return tumblr_client(http, world)


async def listed(tumblr: Tumblelog, query: str = "") -> list[str]:
    """The texts of a list of published posts."""
    reply = await tumblr.call("GET", f"blog/alice/posts?npf=true{query}")
    assert reply.status == 200, reply.body
    return [one["summary"] for one in reply.body["response"]["posts"]]


async def test_a_post_and_what_is_told_of_it(tumblr: Tumblelog, http: Http, world: World) -> None:
    made = await tumblr.post("Hello", "there", tags="a,b")
    told = made.body["response"]
    assert (made.status, made.body["meta"]) == (201, {"status": 201, "msg": "Created"})
    assert (told["state"], told["display_text"]) == ("published", "Posted to alice")
    assert isinstance(told["id"], str)
    assert int(told["id"]) > 2**53
    post = (await tumblr.get(told["id"])).body["response"]
    assert (post["id"], post["id_string"], post["state"]) == (told["id"], told["id"], "published")
    assert post["timestamp"] == pytest.approx(world.now(), abs=5)
    assert (await http("GET", post["post_url"].removeprefix(http.url))).status == 200
    (line,) = world.ledger
    assert (line.operation, line.remote_id, line.text, line.repeat) == (
        "createPost",
        told["id"],
        "Hello\n\nthere",
        False,
    )
    assert world.copies("tumblr") == {"Hello\n\nthere": 1}


async def test_the_default_is_to_publish(tumblr: Tumblelog) -> None:
    await tumblr.post("At once")
    draft = await tumblr.draft("A draft")
    await tumblr.put(draft, "A draft no more")
    assert await listed(tumblr) == ["A draft no more", "At once"]


async def test_a_draft_that_is_published_has_another_id(tumblr: Tumblelog, world: World) -> None:
    draft = await tumblr.draft("Words", slug="marker-1")
    assert world.ledger == []
    assert (await listed(tumblr), await tumblr.listed("/draft")) == ([], [draft])
    assert (await tumblr.get(draft)).body["response"]["state"] == "draft"
    done = await tumblr.put(draft, "Words", state="published")
    assert (done.status, done.body["meta"]["msg"], done.body["response"]["state"]) == (200, "OK", "published")
    final = done.body["response"]["id"]
    assert final != draft
    assert code(await tumblr.get(draft)) == GONE
    assert (await tumblr.listed(), await tumblr.listed("/draft")) == ([final], [])
    post = (await tumblr.get(final)).body["response"]
    assert (post["genesis_post_id"], post["slug"]) == (draft, "marker-1")
    assert code(await tumblr.put(draft, "Words", state="published")) == GONE
    assert [(one.operation, one.remote_id) for one in world.ledger] == [("editPost", final)]
    assert world.copies("tumblr") == {"Words": 1}


async def test_only_the_owner_learns_the_earlier_id(tumblr: Tumblelog, world: World) -> None:
    draft = await tumblr.draft("Words")
    final = (await tumblr.put(draft, "Words", state="published")).body["response"]["id"]
    bob = tumblr_client(tumblr.http, world, "bob")
    keyed = await tumblr.http(
        "GET", f"/tumblr/v2/blog/alice/posts?npf=true&api_key={CONSUMER_KEY}", headers=tumblr.agent
    )
    signed = await bob.call("GET", "blog/alice/posts?npf=true")
    single = await bob.call("GET", f"blog/alice/posts/{final}")
    own = await tumblr.call("GET", "blog/alice/posts?npf=true")
    told = [*keyed.body["response"]["posts"], *signed.body["response"]["posts"], single.body["response"]]
    assert [one["id_string"] for one in told] == [final] * 3
    assert not any("genesis_post_id" in one for one in told)
    assert own.body["response"]["posts"][0]["genesis_post_id"] == draft


async def test_an_edit_of_a_draft_keeps_its_id(tumblr: Tumblelog, world: World) -> None:
    draft = await tumblr.draft("One", tags="a", slug="kept")
    edited = await tumblr.put(draft, "Two", state="draft")
    assert edited.body["response"]["id"] == draft
    post = (await tumblr.get(draft)).body["response"]
    assert (post["content"], post["tags"], post["slug"]) == ([{"type": "text", "text": "Two"}], [], "kept")
    assert await tumblr.listed("/draft") == [draft]
    assert world.ledger == []


async def test_an_edit_of_what_is_visible_is_no_new_post(tumblr: Tumblelog, world: World) -> None:
    first = (await tumblr.post("One")).body["response"]["id"]
    assert (await tumblr.put(first, "Two")).body["response"]["id"] == first
    assert (await tumblr.put(first, "Two", state="private")).body["response"] == {
        "id": first,
        "state": "private",
        "display_text": "Posted to alice",
    }
    assert [(one.operation, one.overwrote) for one in world.ledger] == [
        ("createPost", False),
        ("editPost", True),
        ("editPost", True),
    ]
    assert world.copies("tumblr") == {"One": 1}
    assert await listed(tumblr) == ["Two"]
    for state in ("draft", "queue"):
        assert code(await tumblr.put(first, "Two", state=state)) == (400, 8001)


async def test_private_posts_are_the_owners(tumblr: Tumblelog, world: World, http: Http) -> None:
    draft = await tumblr.draft("Secret")
    private = (await tumblr.put(draft, "Secret", state="private")).body["response"]
    assert private["state"] == "private"
    assert (await tumblr.get(private["id"])).body["response"]["genesis_post_id"] == draft
    assert await tumblr.listed() == [private["id"]]
    bob = tumblr_client(tumblr.http, world, "bob")
    assert code(await bob.call("GET", f"blog/alice/posts/{private['id']}")) == GONE
    assert (await bob.call("GET", "blog/alice/posts?npf=true")).body["response"]["posts"] == []
    assert world.copies("tumblr") == {"Secret": 1}
    assert "<span>private</span>" in (await http("GET", "/")).body


async def test_the_queue(tumblr: Tumblelog, world: World) -> None:
    world.impose(Limits().having(TumblrLimits(queued_posts=2)))
    made = await tumblr.post("First", state="queue")
    first = made.body["response"]["id"]
    assert made.body["response"]["state"] == "queued"
    post = (await tumblr.get(first)).body["response"]
    assert (post["state"], post["queued_state"]) == ("queued", "queued")
    draft = await tumblr.draft("Second")
    second = (await tumblr.put(draft, "Second", state="queue")).body["response"]["id"]
    assert second != draft
    assert await tumblr.listed("/queue") == [first, second]
    assert code(await tumblr.post("Third", state="queue")) == (403, 8022)
    assert (await tumblr.put(first, "First edited", state="queue")).body["response"]["id"] == first
    assert world.ledger == []
    final = (await tumblr.put(second, "Second", state="published")).body["response"]["id"]
    assert (await tumblr.get(final)).body["response"]["genesis_post_id"] == draft
    page = await tumblr.call("GET", "blog/alice/posts/queue?offset=0&limit=1")
    assert [one["id_string"] for one in page.body["response"]["posts"]] == [first]


async def test_deletion(tumblr: Tumblelog, world: World, http: Http) -> None:
    draft, path = await tumblr.draft("Draft"), "blog/alice/post/delete"
    final = (await tumblr.post("Post")).body["response"]["id"]
    for post_id in (draft, int(final)):
        assert (await tumblr.call("POST", path, json={"id": post_id})).status == 200
        assert code(await tumblr.call("POST", path, json={"id": post_id})) == GONE
        assert code(await tumblr.get(str(post_id))) == GONE
    assert code(await tumblr.call("POST", path, json={})) == GONE
    assert (await tumblr.listed(), await tumblr.listed("/draft")) == ([], [])
    assert [one.operation for one in world.ledger] == ["createPost", "deletePost"]
    assert world.copies("tumblr") == {"Post": 1}
    assert "Nothing has landed yet" in (await http("GET", "/")).body


async def test_a_deleted_post_leaves_its_drafts_id_pointing_nowhere(tumblr: Tumblelog) -> None:
    draft = await tumblr.draft("Words")
    final = (await tumblr.put(draft, "Words")).body["response"]["id"]
    await tumblr.call("POST", "blog/alice/post/delete", json={"id": final})
    assert code(await tumblr.put(draft, "Words")) == GONE


# -- lists ----------------------------------------------------------------------------------------------------------


async def test_lists_of_what_is_published(tumblr: Tumblelog, world: World) -> None:
    moments = []
    for n in range(3):
        moments.append(int(world.now()))
        assert (await tumblr.post(f"{n}", tags="Cats,odd" if n % 2 else "cats")).status == 201
        world.advance(60)
    ids = await tumblr.listed()
    assert await listed(tumblr) == ["2", "1", "0"]
    assert await listed(tumblr, "&sort=asc") == ["0", "1", "2"]
    assert await listed(tumblr, "&limit=2") == ["2", "1"]
    assert await listed(tumblr, "&limit=0") == ["2"]
    assert await listed(tumblr, "&offset=2") == ["0"]
    assert await listed(tumblr, f"&before={moments[2]}") == ["1", "0"]
    assert await listed(tumblr, f"&after={moments[1] + 30}") == ["2"]
    assert await listed(tumblr, "&tag=CATS") == ["2", "1", "0"]
    assert await listed(tumblr, "&tag[0]=cats&tag[1]=odd") == ["1"]
    assert await listed(tumblr, f"&id={ids[1]}") == ["1"]
    assert code(await tumblr.call("GET", "blog/alice/posts?id=1")) == GONE
    assert code(await tumblr.call("GET", "blog/alice/posts?before=1&offset=1")) == (400, 0)
    assert code(await tumblr.call("GET", "blog/alice/posts?limit=many")) == (400, 0)
    whole = (await tumblr.call("GET", "blog/alice/posts?npf=true&limit=1")).body["response"]
    assert (whole["total_posts"], whole["blog"]["posts"], whole["blog"]["name"]) == (3, 3, "alice")
    assert whole["posts"][0]["id"] == int(ids[0])
    assert whole["posts"][0]["id_string"] == ids[0]


async def test_a_page_has_twenty_posts(tumblr: Tumblelog, world: World) -> None:
    world.impose(Limits.named("none"))
    drafts = [await tumblr.draft(f"Draft {n}") for n in range(23)]
    for n in range(23):
        await tumblr.post(f"Post {n}")
    assert len(await listed(tumblr, "&limit=50")) == 20
    assert await listed(tumblr, "&offset=20") == ["Post 2", "Post 1", "Post 0"]
    first = await tumblr.listed("/draft")
    assert first == drafts[:2:-1]
    rest = await tumblr.call("GET", f"blog/alice/posts/draft?before_id={first[-1]}")
    assert [one["id_string"] for one in rest.body["response"]["posts"]] == drafts[2::-1]


async def test_posts_in_the_legacy_format(tumblr: Tumblelog, picture: Callable[..., bytes]) -> None:
    content = [
        {"type": "text", "text": "<b>"},
        image("a", alt_text='"'),
        {"type": "link", "url": "https://example.com/"},
    ]
    await tumblr.post(content=content, files=[("a", picture(), "image/jpeg")], state="draft", slug="marker")
    (post,) = (await tumblr.call("GET", "blog/alice/posts/draft")).body["response"]["posts"]
    assert (post["type"], post["slug"], "content" in post) == ("text", "marker", False)
    assert post["body"].startswith("<p>&lt;b&gt;</p><figure><img src=")
    assert 'alt="&quot;"' in post["body"]
    only = await tumblr.call("GET", f"blog/alice/posts/{post['id']}?post_format=legacy")
    assert code(only) == (400, 8001)


async def test_paths_that_do_not_exist(tumblr: Tumblelog) -> None:
    for method, path in (("GET", "user/nothing"), ("POST", "blog/alice/post"), ("DELETE", "blog/alice/posts/1")):
        assert code(await tumblr.call(method, path)) == GONE
    assert code(await tumblr.get("words")) == GONE


# -- what people see ------------------------------------------------------------------------------------------------


async def test_the_page_of_a_post_shows_its_text_as_it_is_styled(
    tumblr: Tumblelog, world: World, http: Http, picture: Callable[..., bytes]
) -> None:
    bob = world.add_account("tumblr", "bob", "Bob")

    def part(kind: str, start: int, end: int, **more: Any) -> dict[str, Any]:
        return {"type": kind, "start": start, "end": end, **more}

    words = "👨‍👩‍👧 bold italic @bob link"
    ranges = [
        part("bold", 6, 17),
        part("italic", 11, 17),
        part("mention", 18, 22, blog={"uuid": bob.account_id}),
        part("link", 23, 27, url="https://example.com/?a=1&b=2"),
        part("strikethrough", 25, 27),
    ]
    content = [
        {"type": "text", "text": "Title & more", "subtype": "heading1"},
        {"type": "text", "text": words, "formatting": ranges},
        {"type": "text", "text": "one", "subtype": "ordered-list-item"},
        {"type": "text", "text": "two", "subtype": "ordered-list-item"},
        {"type": "text", "text": "dot", "subtype": "unordered-list-item", "indent_level": 1},
        {"type": "text", "text": "Quoted", "subtype": "quote"},
        image("a", alt_text="Teal <field>"),
        {"type": "link", "url": "https://example.com/card", "title": "A card"},
        {"type": "link", "url": "https://example.com/second"},
        {"type": "video", "url": "https://video.example.com/1"},
    ]
    made = await tumblr.post(content=content, files=[("a", picture(), "image/jpeg")], tags="one,two words")
    page = (await http("GET", f"/tumblr/alice/{made.body['response']['id']}")).body
    anchor = 'href="https://example.com/?a=1&amp;b=2" rel="nofollow noopener noreferrer">'
    shown = (
        '<span class="text heading">Title &amp; more</span>\n\n'
        '👨‍👩‍👧 <span class="text bold">bold </span><span class="text bold italic">italic</span> '
        f'<a class="mention" href="/?account={bob.account_id}" rel="nofollow noopener noreferrer">@bob</a> '
        f'<a class="link" {anchor}li</a><a class="link strike" {anchor}nk</a>\n\n'
        "1. one\n2. two\n  • dot\n\n"
        '<span class="text quote">Quoted</span>\n\n'
    )
    assert shown in page
    assert '<img src="/media/' in page
    assert "<b>Alt</b> Teal &lt;field&gt;" in page
    assert '<span class="tag">#one</span> <span class="tag">#two words</span>' in page
    assert '<p class="title"><a href="https://example.com/card" rel="nofollow noopener noreferrer">A card</a>' in page
    for address in ("https://example.com/second", "https://video.example.com/1"):
        assert f'href="{address}" rel="nofollow noopener noreferrer">{address}</a>' in page
    assert (await http("GET", f"/tumblr/bob/{made.body['response']['id']}")).status == 404
    assert (await http("GET", "/tumblr/alice/1/slug")).status == 404


async def test_drafts_have_no_page(tumblr: Tumblelog, http: Http) -> None:
    draft = await tumblr.draft("Not yet")
    assert (await http("GET", f"/tumblr/alice/{draft}")).status == 404
    assert "Not yet" not in (await http("GET", "/")).body


async def test_a_world_comes_back_as_it_was(tmp_path: Path) -> None:
    import aiohttp

    first = World("none", path=tmp_path)
    async with running(first) as url, aiohttp.ClientSession() as session:
        tumblr = tumblr_client(Http(session, url), first)
        kept, draft = (await tumblr.post("Kept")).body["response"]["id"], await tumblr.draft("Words")
        final = (await tumblr.put(draft, "Words")).body["response"]["id"]
        clip = [("v", film(1.0, size=(64, 64)), "video/mp4")]
        early = (await tumblr.post(content=[video("v")], files=clip, state="draft")).body["response"]["id"]
        await tumblr.call("POST", "blog/alice/post/delete", json={"id": kept})
    first.close()
    again = World("none", path=tmp_path)
    async with running(again) as url, aiohttp.ClientSession() as session:
        tumblr = Tumblelog(Http(session, url), again, again.get_account("tumblr", "alice"))
        assert await tumblr.listed() == [final]
        assert code(await tumblr.put(draft, "Words")) == GONE
        assert (await tumblr.get(final)).body["response"]["genesis_post_id"] == draft
        assert (await tumblr.get(early)).body["response"]["state"] == "transcoding"
        again.advance(10)
        (video_draft,) = await tumblr.listed("/draft")
        (block,) = (await tumblr.get(video_draft)).body["response"]["content"]
        async with session.get(block["media"]["url"]) as answer:
            assert await answer.read() == clip[0][1]
        newer = (await tumblr.post("Newer")).body["response"]["id"]
        assert int(newer) > int(video_draft)
        assert [one.operation for one in again.ledger] == ["createPost", "editPost", "deletePost", "createPost"]
    again.close()


async def test_the_control_api_shows_what_hayon_is_given(http: Http, world: World) -> None:
    given = {"platform": "tumblr", "handle": "alice", "displayName": "Alice"}
    shown = (await http("POST", "/control/accounts", data=json.dumps(given))).body
    account = world.get_account("tumblr", "alice")
    assert (shown["blog"], shown["token"], shown["tokenSecret"]) == (
        "alice",
        account.secret,
        account.more["tokenSecret"],
    )
    assert shown["consumerKey"] == CONSUMER_KEY
    assert shown["apiUrl"] == f"{http.url}/tumblr"
    for handle in ("-a", "a-", "a_b", "a.b", "v2", "x" * 33, ""):
        refused = await http("POST", "/control/accounts", data=json.dumps({**given, "handle": handle}))
        assert refused.status == 422
