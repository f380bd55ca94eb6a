"""The pages: what a person sees of what has landed, and that nothing of it can do harm."""

import re
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from tests.sandbox.conftest import Bluesky, Http, Mastodon

from hayon.sandbox import portraits
from hayon.sandbox.bluesky.cards import segments_of
from hayon.sandbox.bluesky.pds import pds_of
from hayon.sandbox.cards import Segment
from hayon.sandbox.sites import SITES
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

FACET = "app.bsky.richtext.facet"


def facet(text: str, part: str, kind: str, **feature: str) -> dict[str, Any]:
    start = text.encode().index(part.encode())
    index = {"byteStart": start, "byteEnd": start + len(part.encode())}
    return {"index": index, "features": [{"$type": f"{FACET}#{kind}", **feature}]}


async def test_newest_first_by_platform_and_person(mastodon: Mastodon, bluesky: Bluesky, http: Http) -> None:
    assert "Nothing has landed yet" in (await http("GET", "/")).body
    await mastodon.post("older toot")
    await bluesky.put("newer sky")
    page = (await http("GET", "/")).body
    assert 0 < page.index("newer sky") < page.index("older toot")
    tabs = [(f"/?platform={site.platform}", site.platform.capitalize()) for site in SITES]
    assert re.findall(r'<a href="([^"]+)">(\w+)</a>', page.split("</nav>")[0].split("<nav")[1]) == tabs
    only = (await http("GET", "/", params={"platform": "mastodon"})).body
    assert ("older toot" in only, "newer sky" in only) == (True, False)
    person = (await http("GET", "/", params={"account": bluesky.account.account_id})).body
    assert ("older toot" in person, "newer sky" in person) == (False, True)
    assert 'http-equiv="refresh"' in (await http("GET", "/", params={"live": "1"})).body


async def test_older_posts_are_a_page_away(mastodon: Mastodon, http: Http) -> None:
    for n in range(32):
        await mastodon.post(f"post number {n:03}")
    first = (await http("GET", "/")).body
    assert first.count("<article") == 30
    assert "/?before=2" in first
    second = (await http("GET", "/", params={"before": "2"})).body
    assert second.count("<article") == 2
    assert "post number 001" in second
    assert "Older posts" not in second


async def test_the_posts_own_addresses_show_them(mastodon: Mastodon, bluesky: Bluesky, http: Http) -> None:
    status = (await mastodon.post("toot alone")).body
    assert status["url"].startswith(http.url)
    page = await http("GET", status["url"].removeprefix(http.url))
    assert (page.status, "toot alone" in page.body) == (200, True)
    await bluesky.put("sky alone", rkey="3kabcdefgh222")
    path = f"/bluesky/profile/{bluesky.account.account_id}/post/3kabcdefgh222"
    assert "sky alone" in (await http("GET", path)).body
    assert "sky alone" in (await http("GET", "/bluesky/profile/alice.test/post/3kabcdefgh222")).body
    assert (await http("GET", "/bluesky/profile/alice.test/post/3kabcdefgh223")).status == 404
    assert (await http("GET", f"/mastodon/@bob/{status['id']}")).status == 404
    await mastodon.call("DELETE", f"/api/v1/statuses/{status['id']}")
    assert (await http("GET", status["url"].removeprefix(http.url))).status == 404


async def test_words_of_users_stay_words(mastodon: Mastodon, bluesky: Bluesky, http: Http, world: World) -> None:
    evil = "<script>alert(1)</script>\"'&"
    world.add_account("mastodon", "eve", f"{evil} name")
    eve = Mastodon(http, world, world.get_account("mastodon", "eve"))
    await eve.post(f"{evil} text", spoiler_text=f"{evil} warning")
    facets = [facet(evil, "alert", "link", uri="javascript:alert(1)")]
    card = {"uri": "javascript:alert(1)", "title": f"{evil} title", "description": evil}
    external = {"$type": "app.bsky.embed.external", "external": card}
    await bluesky.put(evil, facets=facets, embed=external)
    page = await http("GET", "/")
    assert "<script" not in page.body
    assert page.body.count("&lt;script&gt;") >= 5
    assert 'href="javascript' not in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in (await http("GET", "/", params={"account": evil, "platform": evil})).body


async def test_facets_pictures_labels_and_cards(bluesky: Bluesky, http: Http, picture: Any) -> None:
    text = "Grüße 🏔️ @alice.test example.com #tag"
    facets = [
        facet(text, "#tag", "tag", tag="tag"),
        facet(text, "@alice.test", "mention", did=bluesky.account.account_id),
        facet(text, "example.com", "link", uri="https://example.com/x"),
    ]
    blob = (await bluesky.upload(picture())).body["blob"]
    images = {"$type": "app.bsky.embed.images", "images": [{"image": blob, "alt": "Teal <field>"}]}
    labels = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "nudity"}]}
    await bluesky.put(text, facets=facets, embed=images, labels=labels)
    page = (await http("GET", "/")).body
    assert 'href="https://example.com/x" rel="nofollow noopener noreferrer">example.com</a>' in page
    assert '<span class="tag">#tag</span>' in page
    assert ">@alice.test</a>" in page
    assert 'alt="Teal &lt;field&gt;"' in page
    assert "<summary><span>Nudity</span>" in page
    source = page.split('<img src="/media/')[1].split('"')[0]
    async with http.session.get(f"{http.url}/media/{source}") as answer:
        assert (answer.status, await answer.read()) == (200, picture())
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_files_that_are_no_pictures_are_downloads(bluesky: Bluesky, http: Http, world: World) -> None:
    await bluesky.upload(b"<script>alert(1)</script>", "text/html")
    digest = next(iter(pds_of(world).blobs.values())).digest
    answer = await http("GET", f"/media/{digest}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "attachment" in answer.headers["content-disposition"]
    assert (await http("GET", "/media/0123")).status == 404


async def test_segments_keep_the_whole_text_whatever_the_facets() -> None:
    text = "naïve 🏔️ text"
    facets: list[Any] = [
        {"index": {"byteStart": 3, "byteEnd": 5}, "features": [{"$type": f"{FACET}#tag", "tag": "x"}]},
        {"index": {"byteStart": 0, "byteEnd": 99}, "features": [{"$type": f"{FACET}#tag", "tag": "x"}]},
        facet(text, "🏔️", "tag", tag="mountain"),
        facet(text, "️ t", "tag", tag="overlaps"),
        "nonsense",
        {"index": 3},
    ]
    found = segments_of(text, facets)
    assert "".join(segment.text for segment in found) == text
    assert [segment for segment in found if segment.kind == "tag"] == [Segment("tag", "🏔️")]
    assert segments_of("plain", None) == [Segment("text", "plain")]


async def test_styles_are_served(http: Http) -> None:
    for path, kind in (("sandbox.css", "text/css"), ("icon.svg", "image/svg+xml"), ("avatar.svg", "image/svg+xml")):
        answer = await http("GET", f"/static/{path}")
        assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, kind)


async def test_people_show_pictures_of_themselves() -> None:
    ada, grace = portraits.draw("Ada"), portraits.draw("Grace 🐘")
    assert ada != grace
    with Image.open(BytesIO(grace)) as picture:
        assert (picture.format, picture.size) == ("PNG", (256, 256))


async def test_pictures_of_people_are_served(http: Http) -> None:
    answer = await http("GET", "/portraits/Grace%20%F0%9F%90%98.png")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
