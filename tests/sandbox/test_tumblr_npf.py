"""The Neue Post Format as the simulated Tumblr takes it: every limit, from both sides, and what is kept of a post."""

from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given as given_any
from hypothesis import strategies as some
from tests.sandbox.conftest import Http
from tests.sandbox.tumblelog import Tumblelog, code, tumblr_client

from hayon.sandbox.gate import Refused
from hayon.sandbox.limits import Limits
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.tumblr.npf import Surroundings, content_of, layout_of, trimmed
from hayon.sandbox.world import World

LINK = "https://example.com/"
FAMILY = "👨‍👨‍👦"
INVALID = (400, 8001)
around = Surroundings(TumblrLimits(), lambda uuid: uuid == "t:known", lambda given, _: given)


def text(words: str = "Hello there", **more: Any) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words, **more}


def styled(*ranges: tuple[str, int, int], words: str = "Hello there", **more: Any) -> dict[str, Any]:
    """A text block with ranges, all of which have what is in `more`."""
    return text(words, formatting=[{"type": kind, "start": a, "end": b, **more} for kind, a, b in ranges])


def picture(**more: Any) -> dict[str, Any]:
    """A picture that is there."""
    return {"type": "image", "media": [{"media_key": "k"}], **more}


def film(**more: Any) -> dict[str, Any]:
    """A video elsewhere."""
    return {"type": "video", "url": LINK, **more}


def refusal(content: Any, layout: Any = None) -> tuple[int, int]:
    """Status and subcode; (0, 0) if it is taken."""
    try:
        layout_of(layout or [], content_of(content, around))
    except Refused as refused:
        return refused.answer.status, refused.answer.body["errors"][0]["code"]
    return 0, 0


@pytest.mark.parametrize(
    "content",
    [
        [text("a" * 4_096)],
        [text(FAMILY * 819)],
        [text()] * 1_000,
        [picture(alt_text="a" * 4_096, caption="c" * 4_096)] * 30,
        [{"type": "link", "url": LINK, "title": "T", "description": "D", "author": "A", "site_name": "S"}] * 10,
        [film()] * 10,
        [film()] * 9 + [{"type": "video", "media": {"media_key": "k"}, "provider": "tumblr", "alt_text": "A"}],
        [styled(("link", 0, 5), url=LINK)] * 100,
        [styled(("mention", 0, 5), blog={"uuid": "t:known"})] * 50,
        [styled(*((kind, 0, 11) for kind in ("bold", "italic", "strikethrough", "small")))],
        [styled(("bold", 0, 5), ("bold", 5, 11))],
        [styled(("bold", 4, 5), words=FAMILY)],
        [styled(("color", 0, 5), hex="#ff492f")],
        [text(subtype=one) for one in ("heading1", "heading2", "quirky", "quote", "indented", "chat")],
        [text(subtype=one, indent_level=7) for one in ("ordered-list-item", "unordered-list-item", "indented")],
    ],
)
def test_what_is_taken_at_the_edges(content: Any) -> None:
    assert refusal(content) == (0, 0)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "words",
        {"type": "text", "text": "no list"},
        ["words"],
        [{}],
        [{"text": "no type"}],
        [{"type": ["text"], "text": "x"}],
        [{"type": "poem", "text": "x"}],
        [{"type": "text"}],
        [text(None)],
        [text("a" * 4_097)],
        [text(FAMILY * 820)],
        [text()] * 1_001,
        [text(subtyp="quote")],
        [text(subtype="poem")],
        [text(subtype=["quote"])],
        [text(indent_level=1)],
        [text(subtype="quote", indent_level=1)],
        [text(subtype="indented", indent_level=8)],
        [text(subtype="indented", indent_level=-1)],
        [text(subtype="indented", indent_level=True)],
        [text(formatting={})],
        [text(formatting=[{"type": "bold"}])],
        [styled(("bold", 0, 12))],
        [styled(("bold", -1, 2))],
        [styled(("bold", 3, 3))],
        [styled(("bold", 5, 6), words=FAMILY)],
        [styled(("bold", 0, 6), ("bold", 5, 11))],
        [styled(("bold", 0, 5), url=LINK)],
        [styled(("underline", 0, 5))],
        [styled(("link", 0, 5))],
        [styled(("link", 0, 5), url="example.com")],
        [styled(("link", 0, 5), url="javascript:alert(1)")],
        [styled(("link", 0, 5), url="http://[")],
        [styled(("link", 0, 5), url=LINK)] * 101,
        [styled(("mention", 0, 5), blog={"uuid": "t:unknown"})],
        [styled(("mention", 0, 5), blog="t:known")],
        [styled(("mention", 0, 5), blog={"uuid": "t:known"})] * 51,
        [styled(("color", 0, 5), hex="red")],
        [picture()] * 31,
        [picture(alt_text="a" * 4_097)],
        [picture(alt_text=1)],
        [picture(caption="a" * 4_097)],
        [picture(altText="x")],
        [{"type": "image", "media": {"media_key": "k"}}],
        [{"type": "image", "media": []}],
        [{"type": "image", "media": ["k"]}],
        [{"type": "image", "media": [{"media_key": "k", "width": 0}]}],
        [{"type": "image", "media": [{"media_key": "k", "width": "40"}]}],
        [{"type": "image", "media": [{"media_key": 1}]}],
        [{"type": "image", "media": [{"media_key": "k", "original_dimensions_missing": True}]}],
        [{"type": "video"}],
        [{"type": "video", "media": [{"media_key": "k"}]}],
        [{"type": "video", "media": {"media_key": "k"}, "provider": "youtube"}],
        [{"type": "video", "media": {"media_key": "k"}}] * 2,
        [film()] * 11,
        [{"type": "link"}],
        [{"type": "link", "url": "example.com"}],
        [{"type": "link", "url": LINK, "title": 1}],
        [{"type": "link", "url": LINK}] * 11,
    ],
)
def test_contents_that_are_refused(content: Any) -> None:
    assert refusal(content) == INVALID


@pytest.mark.parametrize("kind", ["audio", "paywall"])
def test_blocks_that_are_not_simulated(kind: str) -> None:
    assert refusal([{"type": kind}]) == (501, 0)


def rows(*blocks: Any, **more: Any) -> list[dict[str, Any]]:
    """A layout of rows."""
    return [{"type": "rows", "display": [{"blocks": one} for one in blocks], **more}]


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (rows([0], [1, 2]), (0, 0)),
        (rows([2, 1], [0], truncate_after=1), (0, 0)),
        ({"type": "rows"}, INVALID),
        (["rows"], INVALID),
        ([{"type": "rows"}], INVALID),
        ([{"type": "ask", "blocks": [0]}], INVALID),
        (rows([0], [1, 2]) * 2, INVALID),
        (rows([0], [1]), INVALID),
        (rows([0], [1, 2, 3]), INVALID),
        (rows([0], [1, 2], [2]), INVALID),
        (rows([0, 1], [2]), INVALID),
        (rows([0], [], [1, 2]), INVALID),
        (rows([0], ["1", 2]), INVALID),
        (rows([0], [1, 2], columns=2), INVALID),
        ([{"type": "rows", "display": [{"blocks": [0]}, {"blocks": [1, 2], "mode": {"type": "grid"}}]}], INVALID),
        ([{"type": "rows", "display": [{"blocks": [0]}, {"blocks": [1, 2], "mode": {"type": "carousel"}}]}], (403, 0)),
    ],
)
def test_layouts(layout: Any, expected: tuple[int, int]) -> None:
    assert refusal([text(), picture(), picture()], layout) == expected


@pytest.mark.parametrize(("after", "kept"), [(-1, True), (0, True), (1, False), (2, False), (9, False), ("0", False)])
def test_a_read_more_that_makes_no_sense_is_ignored(after: Any, kept: bool) -> None:
    content = content_of([text(), picture(), picture()], around)
    (layout,) = layout_of(rows([0], [1, 2], truncate_after=after), content)
    assert layout.get("truncate_after") == (after if kept else None)


def test_empty_texts_at_both_ends_go_and_the_layout_with_them() -> None:
    given = [text(""), text(""), text("a"), text(""), picture(), text("b"), text("")]
    content = content_of(given, around)
    layout = layout_of(rows(*([n] for n in range(7)), truncate_after=3), content)
    kept, moved = trimmed(content, layout)
    assert [one.get("text") for one in kept] == ["a", "", None, "b"]
    assert moved == rows([0], [1], [2], [3], truncate_after=1)
    assert trimmed(content_of([text(""), text("")], around), []) == ([], [])
    assert trimmed(kept, moved) == (kept, moved)


anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5) | some.sampled_from(["text", "image", "rows"]),
    lambda one: some.lists(one, max_size=4)
    | some.dictionaries(
        some.sampled_from(["type", "text", "media", "formatting", "start", "end", "url", "blog", "subtype", "display", "blocks"]),
        one,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given_any(anything, anything)
def test_nothing_else_than_a_refusal_comes_of_any_json(content: Any, layout: Any) -> None:
    for given in (content, [content], [{"type": "text", "text": "x", "formatting": [content]}], [film(media=content)]):
        assert refusal(given)[0] in (0, 400, 403, 501)
    assert refusal([text(), picture()], layout)[0] in (0, 400, 403, 501)
    assert refusal([text()], [{"type": "rows", "display": layout}])[0] in (0, 400, 403, 501)


# -- over HTTP ------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def tumblr(http: Http, world: World) -> Tumblelog:
    """alice."""
    return tumblr_client(http, world)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"content": []}, INVALID),
        ({"content": [text(""), text("")]}, INVALID),
        ({"content": [text("a" * 4_097)]}, INVALID),
        ({"state": "queued"}, INVALID),
        ({"state": "live"}, INVALID),
        ({"state": ["draft"]}, INVALID),
        ({"state": "unapproved"}, (501, 0)),
        ({"tags": ["a", "b"]}, INVALID),
        ({"tags": ",".join("abcdefghijklmnopqrstuvwxyzäöüß1")}, INVALID),
        ({"tags": "x" * 141}, INVALID),
        ({"slug": 1}, INVALID),
        ({"source_url": "example.com"}, INVALID),
        ({"interactability_reblog": "friends"}, INVALID),
        ({"publish_on": "2030-01-01T00:00:00Z", "state": "queue"}, (501, 0)),
        ({"date": "2020-01-01T00:00:00Z"}, (501, 0)),
        ({"parent_post_id": 1, "parent_tumblelog_uuid": "t:x", "reblog_key": "k"}, (501, 0)),
        ({"sourceUrl": LINK}, (501, 0)),
    ],
)
async def test_posts_that_are_refused(tumblr: Tumblelog, world: World, given: Any, expected: tuple[int, int]) -> None:
    assert code(await tumblr.post(**{"content": [text()], **given})) == expected
    post_id = await tumblr.draft("A draft")
    assert code(await tumblr.put(post_id, **{"content": [text()], **given})) == expected
    assert (await tumblr.get(post_id)).body["response"]["content"] == [text("A draft")]
    assert world.ledger == []


@pytest.mark.asyncio(loop_scope="module")
async def test_bodies_that_say_nothing(tumblr: Tumblelog, world: World) -> None:
    path, json_type = "blog/alice/posts", {"content-type": "application/json"}
    for body in (b"", b"{", b"[1]", b'{"content": "\\ud800"}', b'"words"', b"[" * 100_000):
        assert code(await tumblr.call("POST", path, data=body, headers=json_type)) == INVALID
    signed = tumblr.signer.header("POST", f"{tumblr.http.url}/tumblr/v2/{path}", {"content": "words"})
    assert (
        code(await tumblr.call("POST", path, data={"content": "words"}, headers={"authorization": signed})) == INVALID
    )
    parts = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x\r\n\r\n", b"no boundary", b'--x\r\nContent-Disposition: form-data; name="json"\r\n\r\n{'):
        assert code(await tumblr.call("POST", path, data=body, headers=parts)) == INVALID
    assert code(await tumblr.call("POST", path, data=b"x", headers={"content-type": "multipart/form-data"})) == INVALID
    assert world.ledger == []


@pytest.mark.asyncio(loop_scope="module")
async def test_a_post_may_only_be_so_large(tumblr: Tumblelog, world: World) -> None:
    assert (await tumblr.post(*["a" * 4_000] * 245)).status == 201
    assert code(await tumblr.post(*["a" * 4_000] * 249)) == INVALID
    world.impose(Limits().having(TumblrLimits(stored_size=2_000)))
    assert code(await tumblr.post("ä" * 1_000)) == INVALID
    assert (await tumblr.post("ä" * 950)).status == 201


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_kept_of_a_post(tumblr: Tumblelog, world: World) -> None:
    bob = world.add_account("tumblr", "bob", "Bob")
    mention = {"type": "mention", "start": 0, "end": 4, "blog": {"uuid": bob.account_id}}
    content = [text("@bob hello", formatting=[mention], subtype="heading1"), text(""), {"type": "link", "url": LINK}]
    made = await tumblr.post(
        content=[*content, text("")],
        layout=rows([0], [1], [2], [3]),
        tags=" cats , ,two words,#hash",
        slug="My Slug: one",
        source_url=LINK,
        interactability_reblog="noone",
    )
    post = (await tumblr.get(made.body["response"]["id"])).body["response"]
    assert post["content"][:2] == content[:2]
    assert post["content"][2]["site_name"] == "example.com"
    assert post["layout"] == rows([0], [1], [2])
    assert (post["tags"], post["slug"]) == (["cats", "two words", "#hash"], "my-slug-one")
    assert (post["source_url"], post["interactability_reblog"]) == (LINK, "noone")
    assert (post["type"], post["object_type"], post["trail"]) == ("blocks", "post", [])
    unnamed = await tumblr.post("What is it, then? A slug")
    assert (await tumblr.get(unnamed.body["response"]["id"])).body["response"]["slug"] == "what-is-it-then-a-slug"
