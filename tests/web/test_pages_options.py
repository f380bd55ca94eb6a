"""Options in the form: each that the rules describe has a field, and comes back as its rules want it. None is named twice."""

from typing import Any

import pytest
from markupsafe import escape
from starlette.datastructures import FormData

from hayon.domain.rules import Option
from hayon.web.pages_form import Form
from hayon.web.pages_options import can_show, fields_of, read_options
from tests.web.house import House, Visitor
from tests.web.test_pages_compose import composer, latest
from tests.web.test_pages_drafts import stored

WORDS = Option({"type": "string", "maxLength": 20}, "Some words.")
ONE_OF = Option({"type": "string", "enum": ["everyone", "accounts_you_follow"]}, "Who may.")
FLAG = Option({"type": "boolean"}, "Whether.")
NUMBER = Option({"type": "integer"}, "Which second.")
SEVERAL = Option({"type": "array", "items": {"type": "string", "enum": ["nudity", "graphic-media"]}}, "Warnings.")
LIST = Option({"type": "array", "items": {"type": "string"}}, "Tags.")


@pytest.mark.parametrize(
    ("option", "sent", "read"),
    [
        (WORDS, [" a, b "], "a, b"), (WORDS, ["  "], None), (WORDS, [], None),
        (ONE_OF, ["everyone"], "everyone"), (ONE_OF, [""], None), (ONE_OF, ["nobody"], "nobody"),
        (FLAG, ["true"], True), (FLAG, ["false"], False), (FLAG, [""], None), (FLAG, ["perhaps"], None),
        (NUMBER, ["12"], 12), (NUMBER, ["-3"], -3), (NUMBER, ["0"], 0), (NUMBER, ["many"], "many"), (NUMBER, ["9" * 99], "9" * 99),
        (SEVERAL, ["nudity", "graphic-media"], ["nudity", "graphic-media"]), (SEVERAL, [], None),
        (LIST, ["en, pt-BR ,,"], ["en", "pt-BR"]), (LIST, [" , "], None),
    ],
)  # fmt: skip
def test_an_option_is_read_in_the_type_its_rules_want(option: Option, sent: list[str], read: Any) -> None:
    form = Form(FormData([("option-any-x", one) for one in sent]))
    given = read_options(form, "any", {"x": option})
    assert given == ({} if read is None else {"x": read})
    assert all(type(one) is type(read) for one in given.values())
    if read is not None:  # what was read is shown again as it was sent
        (field,) = fields_of("any", {"x": option}, given)
        assert can_show(read, option)
        shown = [one.value for one in field.choices if one.chosen] if field.choices else [field.value]
        again = read_options(Form(FormData([("option-any-x", one) for one in shown])), "any", {"x": option})
        assert again == given


@pytest.mark.parametrize(
    ("option", "value"),
    [(WORDS, 7), (WORDS, ["a"]), (ONE_OF, None), (FLAG, "true"), (NUMBER, 1.5), (NUMBER, True), (SEVERAL, ["other"]),
     (SEVERAL, "nudity"), (LIST, ["a, b"]), (LIST, [7]), (LIST, {"a": 1})],
)  # fmt: skip
def test_a_value_that_a_field_cannot_hold_is_not_put_in_it(option: Option, value: Any) -> None:
    assert not can_show(value, option)
    (field,) = fields_of("any", {"x": option}, {"x": value})
    assert not field.value
    assert not any(one.chosen for one in field.choices)


def test_names_are_written_as_people_write_them() -> None:
    table = {"replyControl": ONE_OF, "sourceUrl": WORDS, "linkCard": FLAG, "labels": SEVERAL}
    fields = {one.name.rpartition("-")[2]: one for one in fields_of("any", table, {})}
    assert [one.label for one in fields.values()] == ["Reply control", "Source URL", "Link card", "Labels"]
    assert [one.words for one in fields["replyControl"].choices] == ["Everyone", "Accounts you follow"]
    assert [one.words for one in fields["labels"].choices] == ["Nudity", "Graphic media"]


async def test_every_option_of_every_platform_has_a_field(house: House, ada: Visitor) -> None:
    platforms = (await ada.get("/api/platforms")).json["platforms"]
    for one in platforms:
        await house.account(ada, one["platform"], f"ada-{one['platform']}")
    page = (await ada.get("/compose")).text
    for one in platforms:
        assert f'data-options="{one["platform"]}"' in page
        for name, option in one["options"].items():
            assert f'name="option-{one["platform"]}-{name}"' in page
            assert str(escape(option["meaning"])) in page


async def test_options_are_said_where_they_belong_and_taken_away_again(house: House, ada: Visitor) -> None:
    await house.account(ada, "mastodon", "ada@social.test")
    chosen = {
        "option-mastodon-warning": "Spoilers", "option-mastodon-sensitive": "true", "option-mastodon-visibility": "unlisted",
        "option-bluesky-linkCard": "false", "option-bluesky-tags": "kites, wind",
    }  # fmt: skip
    given = await composer(ada) | {"text": "Words", "do": "draft"} | chosen
    assert (await ada.post("/compose", data=given)).status == 303
    post = await latest(ada)
    assert post["content"]["options"] == {}
    said = post["platformSpecificContent"]
    assert said["mastodon"]["options"] == {"warning": "Spoilers", "sensitive": True, "visibility": "unlisted"}
    assert said["bluesky"]["options"] == {"linkCard": False, "tags": ["kites", "wind"]}
    path = f"/posts/{post['postId']}/edit"
    again = await composer(ada, path)
    assert {name: again[name] for name in chosen} == chosen
    page = (await ada.get(path)).text
    assert "3 set" in page
    again |= {"option-mastodon-sensitive": "", "option-bluesky-linkCard": "", "option-bluesky-tags": ""}
    assert (await ada.post(path, data=again | {"do": "draft"})).status == 303
    said = (await stored(ada, post["postId"]))["platformSpecificContent"]
    assert said == {
        "mastodon": {"text": None, "mediaItems": None, "options": {"warning": "Spoilers", "visibility": "unlisted"}}
    }
    # a form without a platform's fields says nothing of its options
    bare = {name: value for name, value in (await composer(ada, path)).items() if not name.startswith("option-")}
    assert (await ada.post(path, data=bare | {"do": "draft"})).status == 303
    assert (await stored(ada, post["postId"]))["platformSpecificContent"] == said


async def test_an_option_that_does_not_fit_stays_in_the_form(house: House, ada: Visitor) -> None:
    await house.account(ada, "instagram", "ada.gram")
    (account,) = [one for one in (await ada.get("/api/accounts")).json["accounts"] if one["platform"] == "instagram"]
    given = await composer(ada) | {
        "text": "a",
        "accountIds": account["accountId"],
        "option-instagram-coverAtSeconds": "soon",
    }
    refused = await ada.post("/compose", data=given | {"do": "publish"})
    assert (refused.status, "must be a whole number" in refused.text) == (422, True)
    assert 'name="option-instagram-coverAtSeconds" value="soon"' in refused.text
