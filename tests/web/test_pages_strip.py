"""The files of a post in the writing form: in order, described, taken out, and what a script needs to do it all better."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from aiohttp import FormData

from tests.web.house import Visitor
from tests.web.test_media import picture, upload
from tests.web.test_pages import HOSTILE, read
from tests.web.test_posts import make

LABEL = "Description (alt text) for those who cannot see it"


class Files(HTMLParser):
    """The attached files of a page: id, description, what each part says of its number, and which buttons can be pressed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Gathers."""
        facts = dict(attrs)
        if tag == "li" and facts.get("data-attached"):
            self.found.append({"id": facts["data-attached"], "buttons": {}})
        elif not self.found:
            return
        elif tag == "input" and str(facts.get("name")).startswith("alt-"):
            assert facts["name"] == f"alt-{self.found[-1]['id']}"
            self.found[-1]["alt"] = facts["value"]
        elif tag == "img" and facts.get("class") == "thumb":
            assert facts["src"] == f"/api/media/{self.found[-1]['id']}/thumbnail"
            self.found[-1]["shown"] = facts["alt"]
        elif tag == "button" and "data-says" in facts and "aria-label" in facts:
            assert facts["type"] == "button"
            self.found[-1]["buttons"][facts["aria-label"]] = "disabled" not in facts


async def drafted(visitor: Visitor, alts: list[str]) -> tuple[str, list[str]]:
    """A draft with so many pictures, described so: where it is edited, and their ids."""
    media = [await upload(visitor, picture(size=(40 + number, 30))) for number in range(len(alts))]
    uses = [{"mediaId": one, "altText": alt} for one, alt in zip(media, alts, strict=True)]
    post_id = await make(visitor, draft=True, content={"text": "Words", "mediaItems": uses})
    return f"/posts/{post_id}/edit", media


async def kept(visitor: Visitor, path: str) -> list[tuple[str, str]]:
    """The draft's files and their descriptions, in order."""
    post = (await visitor.get(path.replace("/posts", "/api/posts").removesuffix("/edit"))).json
    return [(one["mediaId"], one["altText"]) for one in post["content"]["mediaItems"]]


async def test_files_stand_in_their_order_with_all_that_moves_them(ada: Visitor) -> None:
    path, (first, second, third) = await drafted(ada, ["The sea", HOSTILE, ""])
    page = (await ada.get(path)).text
    await read(ada, path)
    assert HOSTILE not in page
    assert Files(page).found == [
        {"id": first, "alt": "The sea", "shown": "File 1",
         "buttons": {"Earlier: file 1": False, "Later: file 1": True, "Remove: file 1": True}},
        {"id": second, "alt": HOSTILE, "shown": "File 2",
         "buttons": {"Earlier: file 2": True, "Later: file 2": True, "Remove: file 2": True}},
        {"id": third, "alt": "", "shown": "File 3",
         "buttons": {"Earlier: file 3": True, "Later: file 3": False, "Remove: file 3": True}},
    ]  # fmt: skip
    assert len(re.findall(rf'<label for="alt-[^"]+">{re.escape(LABEL)}<', page)) == 3


async def test_the_order_of_the_form_is_the_order_of_the_post(ada: Visitor) -> None:
    path, (first, second, third) = await drafted(ada, ["a", "b", "c"])
    fields = (await read(ada, path)).form(path)
    form = FormData({name: value for name, value in fields.items() if name != "mediaId"} | {"do": "draft"})
    for media_id in (third, first, second):
        form.add_field("mediaId", media_id)
    assert (await ada.post(path, data=form)).status == 303
    assert await kept(ada, path) == [(third, "c"), (first, "a"), (second, "b")]
    assert [one["id"] for one in Files((await ada.get(path)).text).found] == [third, first, second]


async def test_a_file_is_left_out_without_a_script(ada: Visitor) -> None:
    path, (first, second) = await drafted(ada, ["a", "b"])
    page = (await ada.get(path)).text
    assert page.count("Leave this file out") == 2
    fields = (await read(ada, path)).form(path)
    form = FormData({name: value for name, value in fields.items() if name != "mediaId"} | {"do": "draft", "leaveOut": first})  # fmt: skip
    for media_id in (first, second):
        form.add_field("mediaId", media_id)
    assert (await ada.post(path, data=form)).status == 303
    assert await kept(ada, path) == [(second, "b")]


async def test_what_a_script_fetches_is_what_the_page_shows(ada: Visitor) -> None:
    """One template: else a file that was just added would look otherwise after the page is loaded again."""
    path, (only,) = await drafted(ada, [""])
    (listed,) = re.findall(r"<li class=\"attached-file.*?</li>", (await ada.get(path)).text, re.DOTALL)
    fetched = (await ada.get(f"/media/{only}/tile?for=compose")).text
    assert re.sub(r"\s+", " ", listed) == re.sub(r"\s+", " ", fetched.strip())


@pytest.mark.parametrize("alt", ["", "A field"])
async def test_a_description_that_was_typed_stays_to_be_seen(ada: Visitor, alt: str) -> None:
    """The field is for those without scripts; but whoever has typed into it must see what hinders their post."""
    path, _ = await drafted(ada, [""])
    fields = (await read(ada, path)).form(path)
    answer = await ada.post(path, data=fields | {"altText": alt, "do": "draft"})
    if alt:
        assert answer.status == 422
        assert re.search(r'<div class="fields">\s*<label for="alt">', answer.text)
    else:
        assert re.search(r'<div class="fields without-scripts">\s*<label for="alt">', (await ada.get(path)).text)
