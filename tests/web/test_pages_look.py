"""The live look of the composer over HTTP: lengths, findings at their places, previews, words cut to fit. Nothing is written."""

import re
import time
from html import unescape
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.web.house import SAME_ORIGIN, Answer, House, Visitor
from tests.web.test_media import picture, upload
from tests.web.test_pages import read

PLATFORMS = ("bluesky", "threads", "instagram", "facebook", "mastodon", "tumblr")
FOX = "The quick brown fox jumps over the lazy dog. "


class Looked(HTMLParser):
    """An answer to a look: the words of each part that has an id, and of each preview by its name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: dict[str, str] = {"look": ""}
        self.previews: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._at: list[dict[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        self.tags.append((tag, facts))
        if facts.get("hx-swap-oob"):
            self.parts[facts["id"]] = ""
        if tag == "article":
            self.previews[facts["aria-label"]] = ""
        if tag not in {"img", "input", "br", "path", "circle", "rect", "line", "polyline"}:
            self._at.append(facts)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"img", "input", "br", "path", "circle", "rect", "line", "polyline"}:
            self._at.pop()

    def handle_data(self, data: str) -> None:
        for facts in self._at:
            if facts.get("hx-swap-oob"):
                self.parts[facts["id"]] += data
            if facts.get("aria-label") in self.previews:
                self.previews[facts["aria-label"]] += data

    def part(self, name: str) -> str:
        """The words of one part, on one line."""
        return " ".join(self.parts[name].split())

    def preview(self, name: str) -> str:
        """The words of one preview, on one line."""
        return " ".join(self.previews[name].split())


async def composed(visitor: Visitor) -> dict[str, Any]:
    """The fields of an empty composer, with no account chosen."""
    fields: dict[str, Any] = (await read(visitor, "/compose")).form("/compose")
    for name in ("picture", "accountIds", "do"):
        fields.pop(name, None)
    return fields


async def send(visitor: Visitor, path: str, fields: dict[str, Any]) -> Answer:
    form = aiohttp.FormData()
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            form.add_field(name, str(one))
    return await visitor.post(path, data=form)


async def look(visitor: Visitor, **fields: Any) -> Looked:
    answer = await send(visitor, "/compose/look", await composed(visitor) | fields)
    assert answer.status == 200, answer.text
    return Looked(answer.text)


async def everywhere(house: House, visitor: Visitor) -> list[str]:
    """One account on each platform, beside Ada's own on Bluesky."""
    mine = (await visitor.get("/api/accounts")).json["accounts"]
    made = [str(await house.account(visitor, one, f"{one}.ada")) for one in PLATFORMS if one != "bluesky"]
    return [mine[0]["accountId"], *made]


async def ids_of(visitor: Visitor) -> list[str]:
    return [one["accountId"] for one in (await visitor.get("/api/accounts")).json["accounts"]]


async def test_each_account_has_a_counter_by_its_platforms_own_count(house: House, ada: Visitor) -> None:
    chosen = await everywhere(house, ada)
    link = "https://example.com/" + "x" * 80
    seen = await look(ada, accountIds=chosen, text=f"👨‍👩‍👧‍👦 {link}")
    counted = re.findall(r"([\w.]+) (\d+)/([\d,]+)", seen.part("counters"))
    assert counted == [
        ("ada.test", "102", "300"), ("threads.ada", "126", "500"), ("instagram.ada", "108", "2,200"),
        ("facebook.ada", "108", "63,206"), ("mastodon.ada", "25", "500"), ("tumblr.ada", "108", "100,000"),
    ]  # fmt: skip
    assert ("ul", {"class": "counters", "aria-label": "Length on each account"}) in seen.tags
    assert "too many" not in seen.part("counters")


async def test_what_is_too_long_says_so_in_words_beside_the_text(house: House, ada: Visitor) -> None:
    chosen = await everywhere(house, ada)
    seen = await look(ada, accountIds=chosen, text="x" * 312)
    assert "ada.test 312/300 12 too many Shorten for Bluesky" in seen.part("counters")
    assert seen.part("counters").count("too many") == 1
    assert seen.part("findings-text") == "Bluesky takes 300 characters; this text has 312, 12 too many."
    assert seen.preview("On Bluesky, ada.test").count("(too long from here)") == 1
    assert [facts for tag, facts in seen.tags if tag == "mark"] == [{"class": "over"}]


async def test_too_many_bytes_is_too_long_as_well(ada: Visitor) -> None:
    seen = await look(ada, accountIds=await ids_of(ada), text="👨‍👩‍👧‍👦" * 130)
    assert "130/300 too many bytes Shorten for Bluesky" in seen.part("counters")
    assert "3000 bytes" in seen.part("findings-text")


@pytest.mark.parametrize("text", ["", "   \n"])
async def test_a_form_in_which_nothing_is_said_is_not_shouted_at(house: House, ada: Visitor, text: str) -> None:
    chosen = await everywhere(house, ada)
    for accounts in ([], chosen):
        seen = await look(ada, accountIds=accounts, text=text)
        for place in ("text", "media", "schedule", "accounts"):
            assert seen.part(f"findings-{place}") == ""
        assert seen.previews == {}


async def test_once_something_is_said_it_is_told_what_is_missing(house: House, ada: Visitor) -> None:
    chosen = await everywhere(house, ada)
    assert (await look(ada, text="Hi")).part("findings-accounts") == "Choose at least one account to publish on."
    seen = await look(ada, accountIds=chosen, text="Hi")
    assert seen.part("findings-media") == "Instagram wants at least one picture or video."
    assert "A picture or a video goes here" in seen.preview("On Instagram, instagram.ada")
    # said on Bluesky only: the others have nothing
    seen = await look(ada, accountIds=chosen, differs="bluesky", **{"text-bluesky": "Hi"})
    assert "nothing to publish on Mastodon" in seen.part("findings-text")
    assert "nothing to publish on Bluesky" not in seen.part("findings-text")


async def test_each_finding_stands_where_it_is_mended(house: House, ada: Visitor) -> None:
    chosen = await everywhere(house, ada)
    files = [await upload(ada, picture()), await upload(ada, picture("GIF"), "image/gif")]
    seen = await look(
        ada, accountIds=[*chosen, uuid4()], text="x" * 301, mediaId=files, scheduledAt="2020-01-01T10:00", timezone="UTC",
        **{"option-bluesky-tags": "a,,b" * 40, "option-mastodon-language": "deu"[:2].upper()},
    )  # fmt: skip
    assert seen.part("findings-text").startswith("Bluesky takes 300 characters")
    assert "File 2: Bluesky does not take image/gif here" in seen.part("findings-media")
    assert "There is no such account" in seen.part("findings-accounts")
    assert "wants the language as two small letters" in seen.part("findings-options-mastodon")
    assert "may have 8 entries" in seen.part("findings-options-bluesky")
    # the time is told beside the time, and not twice
    assert "2020-01-01 10:00 is past" in seen.part("zones")
    assert seen.part("findings-schedule") == ""


async def test_what_fits_nowhere_is_not_lost(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", "mastodon.ada")
    fields = await composed(ada)
    fields.pop("option-mastodon-present")
    draft = await ada.post("/api/posts", {
        "content": {"text": "Hi"}, "selectedPlatforms": ["mastodon"], "draft": True,
        "platformSpecificContent": {"mastodon": {"options": {"language": "DE"}}},
    })  # fmt: skip
    mine = {one["platform"]: one["accountId"] for one in (await ada.get("/api/accounts")).json["accounts"]}
    answer = await send(ada, "/compose/look", fields | {"postId": draft.json["postId"], "accountIds": [mine["mastodon"]], "text": "Hi"})  # fmt: skip
    seen = Looked(answer.text)
    assert "findings-options-mastodon" not in seen.parts
    assert "language as two small letters" in seen.part("findings-accounts")


async def test_misshapen_fields_are_told_at_their_places(ada: Visitor) -> None:
    seen = await look(ada, accountIds=["nonsense"], text="x" * 100_001, timezone="x" * 70)
    assert "100,000" in seen.part("findings-text")
    assert "id" in seen.part("findings-accounts")
    assert "64" in seen.part("findings-schedule")
    assert seen.previews == {}


async def test_the_same_finding_for_two_accounts_is_told_once(house: House, ada: Visitor) -> None:
    await house.account(ada, "bluesky", "second.test")
    seen = await look(ada, accountIds=await ids_of(ada), text="x" * 312)
    assert seen.part("findings-text").count("12 too many") == 1
    assert seen.part("counters").count("12 too many") == 2
    assert seen.part("counters").count("Shorten for Bluesky") == 1
    assert list(seen.previews) == ["On Bluesky, ada.test", "On Bluesky, second.test"]


async def test_a_zone_that_is_none_is_told_beside_it(ada: Visitor) -> None:
    seen = await look(ada, accountIds=await ids_of(ada), text="Hi", timezone="Mars/Olympus")
    assert "no time zone" in seen.part("findings-schedule")
    seen = await look(
        ada, accountIds=await ids_of(ada), text="Hi", timezone="Europe/Berlin", scheduledAt="2027-10-31T02:30"
    )
    assert "exists twice" in seen.part("zones")
    assert seen.part("findings-schedule") == ""


async def test_previews_show_what_each_platform_will(house: House, ada: Visitor) -> None:
    chosen = await everywhere(house, ada)
    text = "Hello @bob.test!\nSee https://www.example.com/a/rather/long/address #Fox"
    answer = await send(ada, "/compose/look", await composed(ada) | {
        "accountIds": chosen, "text": text, "differs": "threads", "text-threads": "For Threads",
        "option-mastodon-warning": "Foxes", "option-tumblr-title": "A heading", "option-tumblr-tags": "fox, dog",
        "option-threads-topicTag": "Animals", "option-facebook-link": "https://example.org/page",
    })  # fmt: skip
    seen = Looked(answer.text)
    assert list(seen.previews) == [
        "On Bluesky, ada.test", "On Threads, threads.ada", "On Instagram, instagram.ada", "On Facebook, facebook.ada",
        "On Mastodon, mastodon.ada", "On Tumblr, tumblr.ada",
    ]  # fmt: skip
    pieces = re.findall(r'<span class="marked">([^<]*)</span>', answer.text)
    assert pieces == [
        "@bob.test", "www.example.com/a/rather/lon...", "#Fox",
        "@bob.test", "#Fox",
        "https://www.example.com/a/rather/long/address", "#Fox",
        "@bob.test", "example.com/a/rather/long/addr…", "#Fox",
        "https://www.example.com/a/rather/long/address",
    ]  # fmt: skip
    assert seen.preview("On Threads, threads.ada").endswith("For Threads")
    assert "about Animals" in seen.preview("On Threads, threads.ada")
    assert "example.orgA card" in seen.preview("On Facebook, facebook.ada")
    assert "A card" not in seen.preview("On Bluesky, ada.test")  # this Hayon fetches no pages
    assert "A heading" in seen.preview("On Tumblr, tumblr.ada")
    assert seen.preview("On Tumblr, tumblr.ada").endswith("#fox #dog")
    assert "example.comA card" in seen.preview("On Tumblr, tumblr.ada")
    assert re.search(r"<summary>.*?Foxes</span></summary>\s*<p class=\"said\"", answer.text, re.DOTALL)
    assert "Hello <span" in answer.text  # the line end is kept, and shown by the style
    assert "!\nSee" in answer.text


async def test_files_stand_as_each_platform_arranges_them(house: House, ada: Visitor) -> None:
    chosen = await everywhere(house, ada)
    files = [await upload(ada, picture()) for _ in range(5)]
    answer = await send(ada, "/compose/look", await composed(ada) | {
        "accountIds": chosen, "text": "Hi", "mediaId": files, f"alt-{files[0]}": "A green field",
    })  # fmt: skip
    arranged = re.findall(r'class="files (\w+) of-(\d+)"', answer.text)
    assert arranged == [("strip", "5"), ("strip", "5"), ("carousel", "5"), ("grid", "4"), ("grid", "4"), ("rows", "5")]
    assert answer.text.count(f'src="/api/media/{files[0]}/thumbnail" alt="A green field"') == 6
    assert 'alt="Picture without a description"' in answer.text
    assert answer.text.count(">no ALT<") == 4 * 4 + 2 * 3
    assert answer.text.count(">+1<") == 2
    story = await send(ada, "/compose/look", await composed(ada) | {
        "accountIds": chosen, "text": "Hi", "mediaId": files[:1], "option-instagram-kind": "story",
    })  # fmt: skip
    assert 'class="files tall of-1"' in story.text
    assert Looked(story.text).preview("On Instagram, instagram.ada").endswith("no ALT")
    assert "A story shows no text" in Looked(story.text).part("findings-text")


async def test_a_foreign_file_shows_nothing_of_it(house: House, ada: Visitor) -> None:
    eve = await house.register("eve@example.org")
    theirs = await upload(eve, picture())
    seen = await look(ada, accountIds=await ids_of(ada), text="Hi", mediaId=[theirs])
    assert "There is no such media" in seen.part("findings-media")
    (image,) = [facts for tag, facts in seen.tags if tag == "img"]
    assert "width" not in image


HOSTILE = [
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>', "\u202e" * 50_000, "https://a.de/b " * 6_600, "#a @b.test " * 9_000, "🇩🇪" * 25_000, "e\u0301" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
async def test_hostile_words_are_escaped_and_looked_at_in_bounded_time(house: House, ada: Visitor, text: str) -> None:
    chosen = await everywhere(house, ada)
    fields = await composed(ada) | {"accountIds": chosen, "text": text, "option-mastodon-warning": text[:5_000]}
    started = time.process_time()
    answer = await send(ada, "/compose/look", fields)
    assert answer.status == 200
    assert time.process_time() - started < 5
    assert len(answer.body) < 1_500_000
    for tag, facts in Looked(answer.text).tags:
        assert tag not in {"script", "style", "iframe"}
        assert not any(name.startswith("on") or name == "style" for name in facts)
    if "<script>" in text:
        assert "&lt;script&gt;" in answer.text


async def test_a_look_writes_nothing_and_is_for_forms_of_ours(house: House, ada: Visitor) -> None:
    fields = await composed(ada) | {"text": "Hi", "accountIds": await ids_of(ada)}
    for path in ("/compose/look", "/compose/shorten"):
        assert (await send(ada, path, fields | {"csrf": "other"})).status == 403
        elsewhere = await ada.post(
            path, data=fields | {"accountIds": fields["accountIds"][0]}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert elsewhere.status == 403
        stranger = house.visitor(**SAME_ORIGIN)
        assert (await send(stranger, path, fields)).headers["Location"] == "/"
    await look(ada, **fields)
    assert (await ada.get("/api/posts")).json["posts"] == []


async def test_accounts_of_somebody_else_are_not_looked_at(house: House, ada: Visitor) -> None:
    eve = await house.register("eve@example.org")
    await house.account(eve, "bluesky", "eve.test")
    seen = await look(ada, accountIds=await ids_of(eve), text="Hi")
    assert "There is no such account" in seen.part("findings-accounts")
    assert seen.previews == {}
    theirs = (await eve.post("/api/posts", {"content": {"text": "Secret"}, "draft": True})).json["postId"]
    assert (
        "Secret" not in (await send(ada, "/compose/look", await composed(ada) | {"postId": theirs, "text": "Hi"})).text
    )


async def test_a_platform_that_fetches_is_not_made_to_by_a_look(house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    chosen = await everywhere(house, ada)

    async def fetched(*_: Any, **__: Any) -> str:
        raise AssertionError("the file was fetched")

    monkeypatch.setattr("hayon.media.reach.Reach.try_out", fetched)
    seen = await look(ada, accountIds=chosen, text="Hi", mediaId=[await upload(ada, picture())])
    assert seen.part("findings-media") == ""


async def test_words_are_cut_for_one_platform(house: House, ada: Visitor) -> None:
    chosen = await everywhere(house, ada)
    fields = await composed(ada) | {"accountIds": chosen, "text": FOX * 8 + "\n\nhttps://example.com/fox #fox"}
    cut = await send(ada, "/compose/shorten", fields | {"platform": "bluesky"})
    assert (cut.status, cut.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert cut.text == (FOX * 5).strip() + " …\n\nhttps://example.com/fox #fox"
    # as it stands where it fits
    fits = await send(ada, "/compose/shorten", fields | {"platform": "mastodon"})
    assert fits.text == fields["text"]
    seen = await look(ada, **fields | {"differs": "bluesky", "text-bluesky": cut.text})
    assert "too many" not in seen.part("counters")
    # the words for that platform are what is cut
    differ = {"differs": "bluesky", "text-bluesky": "y" * 400, "platform": "bluesky"}
    assert (await send(ada, "/compose/shorten", fields | differ)).text == "y" * 299 + "…"


async def test_words_that_cannot_be_cut_are_left_alone(ada: Visitor) -> None:
    fields = await composed(ada) | {"text": "https://example.com/" + "x" * 400, "platform": "bluesky"}
    answer = await send(ada, "/compose/shorten", fields | {"accountIds": await ids_of(ada)})
    assert (answer.status, answer.text) == (422, "What it begins with is too long for Bluesky already. Write something shorter for it.")  # fmt: skip
    assert (await send(ada, "/compose/shorten", fields)).text == "Choose an account there first."


async def test_the_composer_shows_the_look_of_what_was_refused_without_scripts(ada: Visitor) -> None:
    fields = await composed(ada) | {"accountIds": await ids_of(ada), "text": "x" * 312, "do": "publish"}
    answer = await send(ada, "/compose", fields)
    assert answer.status == 422
    assert 'aria-label="On Bluesky, ada.test"' in answer.text
    assert "312</b>/300" in answer.text
    assert unescape(answer.text).count("this text has 312, 12 too many") == 2  # on top, and beside the words
    page = await ada.get("/compose")
    assert "Nothing to see yet" in page.text
