"""The plain pages without a script: set up, sign in, write, decide, connect; everything escaped, every form our own."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hayon.sandbox.world import World
from tests.delivery.scripted import Scripted
from tests.web.house import PASSWORD, House, Visitor, at_work, open_house
from tests.web.test_deciding import doubt, stage, wait_for
from tests.web.test_posts import make

__all__ = ["stage"]
HOSTILE = "<script>alert('x')</script>\"' onload=\"x"


class Fields(HTMLParser):
    """The forms of a page with what their fields hold, and what must not be there."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.labelled: set[str] = set()
        self.ids: set[str] = set()
        self.inline: list[str] = []
        self._writing: str | None = None
        self._choosing: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Gathers."""
        facts = dict(attrs)
        self.inline += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag in {"script", "style"} and not (facts.get("src") or "").startswith("/static/"):
            self.inline.append(tag)
        if tag == "label" and facts.get("for"):
            self.labelled.add(str(facts["for"]))
        if tag == "form":
            self.forms.append({"action": facts.get("action"), "fields": {}})
        if tag == "select":
            self._choosing = str(facts.get("name"))
            self.ids.add(str(facts.get("id")))
        if tag == "option" and self.forms and self._choosing and "selected" in facts:
            self.forms[-1]["fields"][self._choosing] = facts.get("value") or ""
        if tag in {"input", "textarea"}:
            if facts.get("type") not in {"hidden", "checkbox"}:
                self.ids.add(str(facts.get("id")))
            # as a browser: what is not ticked is not sent
            ticked = facts.get("type") not in {"checkbox", "radio"} or "checked" in facts
            if self.forms and facts.get("name") and ticked:
                self.forms[-1]["fields"][facts["name"]] = facts.get("value") or ""
                self._writing = facts["name"] if tag == "textarea" else None

    def handle_data(self, data: str) -> None:
        """What stands in a textarea, without the line end that it begins with."""
        if self._writing is not None:
            self.forms[-1]["fields"][self._writing] += data

    def handle_endtag(self, tag: str) -> None:
        """Ends a field."""
        if tag == "textarea" and self._writing is not None:
            fields = self.forms[-1]["fields"]
            fields[self._writing] = fields[self._writing].removeprefix("\n")
            self._writing = None
        if tag == "select":
            self._choosing = None

    def form(self, action: str) -> dict[str, str]:
        """The fields of the form that is sent there."""
        return dict(next(form["fields"] for form in self.forms if re.fullmatch(action, form["action"])))


async def read(visitor: Visitor, path: str = "/") -> Fields:
    """A page, fit for everybody: no inline scripts, a label for each field."""
    answer = await visitor.get(path)
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    fields = Fields(answer.text)
    assert fields.inline == []
    assert fields.ids <= fields.labelled
    return fields


async def test_the_first_visit_sets_up(folder: Path) -> None:
    async with open_house(folder, registration="first") as house:
        browser = house.visitor(Origin=house.url)
        assert "Nobody has registered here yet" in (await browser.get("/")).text
        fields = (await read(browser)).form("/register")
        given = fields | {"email": "ada@example.org", "password": PASSWORD, "timezone": "Europe/Berlin"}
        assert (await browser.post("/register", data=given)).headers["Location"] == "/"
        assert "Connect an account" in (await browser.get("/")).text
        stranger = house.visitor(Origin=house.url)
        assert (await read(stranger)).forms[0]["action"] == "/login"
        assert (await read(stranger, "/register")).forms[0]["action"] == "/login"
        closed = await stranger.post("/register", data=given | {"email": "b@example.org"})
        assert (closed.status, "Registration is closed" in closed.text) == (403, True)


async def test_signing_in_with_the_form(house: House, ada: Visitor) -> None:
    browser = house.visitor(Origin=house.url)
    wrong = await browser.post("/login", data={"email": HOSTILE, "password": "nothing"})
    assert (wrong.status, HOSTILE in wrong.text) == (401, False)
    given = {"email": "ada@example.org", "password": PASSWORD}
    assert (await browser.post("/login", data=given)).status == 303
    fields = (await read(browser)).form("/logout")
    out = await browser.post("/logout", data=fields)
    assert (out.status, out.headers["Location"]) == (303, "/")
    assert (await read(browser)).forms[0]["action"] == "/login"
    assert (await browser.get("/accounts")).headers["Location"] == "/"


async def test_a_post_by_the_form(house: House, ada: Visitor) -> None:
    fields = (await read(ada, "/compose")).form("/compose")
    given = fields | {"text": "Two\r\nlines", "do": "publish"}
    assert (await ada.post("/compose", data=given)).headers["Location"] == "/?told=made"
    assert (await ada.post("/compose", data=given)).headers["Location"] == "/?told=made"
    (post,) = (await ada.get("/api/posts")).json["posts"]
    assert post["content"]["text"] == "Two\nlines"
    page = await ada.get("/?told=made")
    assert "Your post is taken in" in page.text
    assert "Waiting" in page.text
    assert (await ada.get("/?told=<b>")).status == 200
    changed = await ada.post("/compose", data=given | {"text": "Other words"})
    assert (changed.status, "You have sent this form before" in changed.text) == (409, True)
    fresh = Fields(changed.text).form("/compose")
    assert (await ada.post("/compose", data=given | {"text": "Other words", "key": fresh["key"]})).status == 303


async def test_what_does_not_fit_stays_in_the_form(ada: Visitor) -> None:
    fields = (await read(ada, "/compose")).form("/compose")
    given = fields | {
        "text": "x" * 305 + HOSTILE, "scheduledAt": "2027-03-28T02:30", "timezone": "Europe/Berlin", "altText": HOSTILE,
        "do": "schedule",
    }  # fmt: skip
    answer = await ada.post("/compose", data=given)
    assert answer.status == 422
    assert "does not exist in Europe/Berlin" in answer.text
    assert "too many" in answer.text
    assert HOSTILE not in answer.text
    assert "x" * 305 in answer.text
    assert Fields(answer.text).form("/compose")["scheduledAt"] == "2027-03-28T02:30"
    assert (await ada.get("/api/posts")).json["posts"] == []


async def test_a_draft_by_the_form_goes_out_later(ada: Visitor) -> None:
    fields = (await read(ada, "/compose")).form("/compose")
    assert (await ada.post("/compose", data=fields | {"text": "a", "do": "draft"})).status == 303
    (post,) = (await ada.get("/api/posts")).json["posts"]
    assert post["status"] == "DRAFT"
    form = (await read(ada)).form(f"/posts/{post['postId']}/decide")
    assert (await ada.post(f"/posts/{post['postId']}/decide", data=form | {"do": "submit"})).status == 303
    assert (await ada.get("/api/posts")).json["posts"][0]["status"] == "PENDING"
    assert (await ada.post(f"/posts/{post['postId']}/decide", data=form | {"do": "cancel"})).status == 303
    assert (await ada.get("/api/posts")).json["posts"][0]["status"] == "CANCELLED"
    assert (await ada.post(f"/posts/{post['postId']}/decide", data=form | {"do": "dance"})).status == 422
    assert (await ada.post(f"/posts/{post['postId']}/decide", data=form | {"do": "delete"})).status == 303
    assert (await ada.get("/api/posts")).json["posts"] == []


async def test_words_from_outside_are_escaped(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", HOSTILE)
    await make(ada, content={"text": HOSTILE}, selectedPlatforms=["mastodon"])
    for path in ("/", "/accounts"):
        page = (await ada.get(path)).text
        assert HOSTILE not in page
        assert "&lt;script&gt;" in page
        assert Fields(page).inline == []


async def test_a_form_that_was_not_made_for_this_session_is_refused(house: House, ada: Visitor) -> None:
    post_id = await make(ada)
    bob = await house.register("bob@example.org")
    theirs = (await read(bob)).form("/logout")["csrf"]
    for csrf in ("", theirs, "é"):
        for path in ("/logout", "/compose", f"/posts/{post_id}/decide", "/accounts"):
            answer = await ada.post(path, data={"csrf": csrf, "do": "delete", "text": "a"})
            assert (answer.status, answer.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    good = (await read(ada)).form("/logout")["csrf"]
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert (await ada.post("/logout", data={"csrf": good}, headers=foreign)).status == 403
    assert (await ada.post("/login", data={"email": "a@b.c", "password": "x"}, headers=foreign)).status == 403
    assert len((await ada.get("/api/posts")).json["posts"]) == 1


async def test_a_key_opens_no_pages(house: House, ada: Visitor) -> None:
    program = await house.program(ada)
    assert (await program.get("/accounts")).headers["Location"] == "/"
    assert "Sign in" in (await program.get("/")).text


async def test_a_person_answers_on_the_page(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, _ = stage
    post_id, _ = await doubt(stage)
    page = (await ada.get("/")).text
    assert "Unknown: please look" in page
    assert "Needs you" in page
    form = (await read(ada, f"/posts/{post_id}")).form(f"/posts/{post_id}/resolve")
    said = await ada.post(
        f"/posts/{post_id}/resolve", data=form | {"do": "published", "url": "http://bluesky.invalid/r1"}
    )
    assert said.headers["Location"] == f"/posts/{post_id}?told=resolve"
    assert "See it there" in (await ada.get("/")).text
    late = await ada.post(f"/posts/{post_id}/resolve", data=form | {"do": "absent"})
    assert (late.status, "no longer open" in late.text) == (409, True)


async def test_the_answer_it_is_not_there_on_the_page(stage: tuple[House, Visitor, Scripted]) -> None:
    _, ada, _ = stage
    post_id, _ = await doubt(stage)
    form = (await read(ada, f"/posts/{post_id}")).form(f"/posts/{post_id}/resolve")
    assert (await ada.post(f"/posts/{post_id}/resolve", data=form | {"do": "maybe"})).status == 422
    assert (await ada.post(f"/posts/{post_id}/resolve", data=form | {"do": "absent"})).status == 303
    page = (await ada.get("/")).text
    assert "Not published" in page
    assert "Try again now" in page


async def test_connecting_and_publishing_on_the_pages(published: House, world: tuple[World, str]) -> None:
    ada = await published.register()
    account = world[0].add_account("bluesky", "ada.test", HOSTILE[:20])
    form = (await read(ada, "/accounts")).form("/accounts")
    given = form | {"platform": "bluesky", "identifier": "ada.test", "appPassword": "aaaa-bbbb-cccc-dddd"}
    refused = await ada.post("/accounts", data=given)
    assert (refused.status, "aaaa-bbbb" in refused.text) == (422, False)
    assert Fields(refused.text).forms
    connected = await ada.post("/accounts", data=given | {"appPassword": account.secret})
    assert connected.headers["Location"] == "/accounts?told=connect"
    fields = (await read(ada, "/compose")).form("/compose")
    await ada.post("/compose", data=fields | {"text": "From the page", "do": "publish"})
    async with at_work(published.hayon):
        await wait_for(ada, (await ada.get("/api/posts")).json["posts"][0]["postId"], "completed")
    page = (await ada.get("/")).text
    assert "Published" in page
    assert (await ada.get("/api/posts")).json["posts"][0]["platformStatuses"][0]["platformPostUrl"] in page
    decide = next(form["action"] for form in (await read(ada, "/accounts")).forms if "decide" in form["action"])
    csrf = (await read(ada)).form("/logout")["csrf"]
    for wish in ("check", "default", "disconnect"):
        assert (await ada.post(decide, data={"csrf": csrf, "do": wish})).headers["Location"] == f"/accounts?told={wish}"
    assert "No account is connected yet" in (await ada.get("/accounts")).text


async def test_a_card_alone_for_the_script(house: House, ada: Visitor) -> None:
    post_id = await make(ada)
    card = await ada.get(f"/posts/{post_id}/card")
    assert card.text.lstrip().startswith(f'<article class="sheet post" id="post-{post_id}"')
    bob = await house.register("bob@example.org")
    assert (await bob.get(f"/posts/{post_id}/card")).status == 404
    assert (await ada.get("/posts/no-id/card")).status == 404


@pytest.mark.parametrize("path", ["/static/frame.css", "/static/live.js", "/static/icon.svg"])
async def test_what_pages_need_is_served(house: House, path: str) -> None:
    assert (await house.visitor().get(path)).status == 200
