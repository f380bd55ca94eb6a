"""The OpenAPI document against the server behind it: schemathesis makes up requests, good and bad, and holds each answer to it."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from tests.web.house import SAME_ORIGIN, House, Visitor
from tests.web.test_media import picture, upload
from tests.web.test_posts import later, make

CONFIG = """
request-timeout = 20.0
max-stream-events = 1
continue-on-failure = true
color = false
warnings = false

[generation]
deterministic = true
max-examples = {examples}
with-security-parameters = false

[headers]
{headers}

[checks]
# rules of platforms, accounts that are not there and words that are too long are refused although they are well-formed
positive_data_acceptance.enabled = false

[phases.stateful]
max-steps = {steps}
"""
PINNED = """
[[operations]]
include-path-regex = "{where}"
{without}
parameters = {{ {parameters} }}
"""
IN_PERSON = {"post /api/keys", "delete /api/keys/{keyId}"}
A_POST = "^/api/posts/.postId.(/(status|attempts|cancel|retry|confirm|resolve|submit))?$"


async def test_no_answer_breaks_the_contract(house: House, ada: Visitor, tmp_path: Path) -> None:
    await keep_contract(house, ada, tmp_path, "examples,fuzzing", examples=3)


@pytest.mark.long
async def test_no_answer_breaks_the_contract_in_many_tries(house: House, ada: Visitor, tmp_path: Path) -> None:
    await keep_contract(house, ada, tmp_path, "examples,coverage,fuzzing", examples=100)


async def test_what_was_made_is_there_until_it_is_deleted(house: House, ada: Visitor, tmp_path: Path) -> None:
    await follow_links(house, ada, tmp_path, examples=20, steps=8)


@pytest.mark.long
async def test_what_was_made_is_there_until_it_is_deleted_in_many_tries(
    house: House, ada: Visitor, tmp_path: Path
) -> None:
    await follow_links(house, ada, tmp_path, examples=200, steps=12)


async def keep_contract(house: House, ada: Visitor, folder: Path, phases: str, *, examples: int) -> None:
    """Every operation on its own, about things that are there."""
    ended = await make(ada, scheduledAt=later())
    await ada.post(f"/api/posts/{ended}/cancel")
    draft = await make(ada, draft=True)
    pinned = PINNED.format(where=A_POST, without='exclude-method = "DELETE"', parameters=f'"path.postId" = "{draft}"')
    pinned += PINNED.format(where="/events$", without="", parameters=f'"path.postId" = "{ended}"')
    program = await house.program(ada)
    told = await _run(house, program.headers, folder, phases, pinned, examples=examples)
    operations = await _operations(house)
    assert f"{len(operations)} selected / {len(operations)} total" in told


async def follow_links(house: House, ada: Visitor, folder: Path, *, examples: int, steps: int) -> None:
    """Operations one after another, along the links of the document: what was made is asked for, changed, deleted, asked for."""
    cookies = ada.http.cookie_jar.filter_cookies(URL(house.url))
    browser = {"Cookie": "; ".join(f"{one.key}={one.value}" for one in cookies.values())} | SAME_ORIGIN
    alone = await _alone(house)  # what no link leads to or from is tried on its own
    without = f"/events$|/auth/|^({'|'.join(map(re.escape, alone))})$"
    told = await _run(house, browser, folder, "stateful", "", examples=examples, steps=steps, without=without)
    found = re.search(r"API Links:\s+(\d+) covered", told)
    assert found, told
    assert int(found[1]) >= 10, told
    answered = set((folder / "told").read_text().splitlines())
    makers = {"posts", "{platform}/post", "keys", "media/uploads", "webhooks"}
    assert len([made for made in makers if f"POST /api/{made} 201 False" in answered]) >= 3, (told, answered)
    assert any(line.startswith("GET /api/posts/{postId}") and " 200 " in line for line in answered), told


async def test_a_stranger_is_told_nothing_however_they_ask(house: House, ada: Visitor, tmp_path: Path) -> None:
    """Somebody with a key of their own asks for Ada's things in all the ways that the document knows."""
    ids = {
        "postId": await make(ada, content={"text": "Ada's own words"}, scheduledAt=later()),
        "mediaId": await upload(ada, picture()),
        "which": (await ada.get("/api/accounts")).json["accounts"][0]["accountId"],
        "keyId": (await ada.post("/api/keys", {"name": "Ada's own key"})).json["id"],
        "webhookId": (await ada.post("/api/webhooks", {"url": "https://hook.example/adas-own"})).json["webhookId"],
    }
    ids["accountId"] = ids["which"]
    before = [(await ada.get(f"/api/{what}")).text for what in ("posts", "media", "accounts", "keys", "webhooks")]
    owned = {"ids": [*ids.values()], "words": ["Ada's own", "adas-own", "ada.test"]}
    bob = await house.register("bob@example.org")
    pinned = "".join(
        PINNED.format(where=rf"\\{{{name}\\}}", without="", parameters=f'"path.{name}" = "{one}"')
        for name, one in ids.items()
    )
    program = await house.program(bob)
    await _run(house, program.headers, tmp_path, "examples,fuzzing", pinned, examples=2, owned=owned)
    told = (tmp_path / "told").read_text().splitlines()
    refused = {line.rsplit(" ", 2)[0] for line in told if line.endswith((" 404 True", " 403 True"))}
    about = {
        f"{method} {path}" for method, path in await _operations(house)
        if (named := re.findall(r"\{(\w+)\}", path)) and set(named) <= set(ids)
    }  # fmt: skip
    assert len(about) > 20
    assert about - refused == {"POST /api/accounts/{which}"}  # whose `which` is a platform's name
    after = [(await ada.get(f"/api/{what}")).text for what in ("posts", "media", "accounts", "keys", "webhooks")]
    assert after == before


async def _alone(house: House) -> list[str]:
    """Paths that no link begins at or leads to."""
    paths = (await house.visitor().get("/api/openapi.json")).json["paths"]
    links = {
        path: {
            one
            for operation in item.values()
            for answer in operation["responses"].values()
            for one in answer.get("links", ())
        }
        for path, item in paths.items()
    }
    led_to = set().union(*links.values())
    return [
        path for path, item in paths.items()
        if not links[path] and not led_to & {operation["operationId"] for operation in item.values()}
    ]  # fmt: skip


async def _operations(house: House) -> list[tuple[str, str]]:
    document = (await house.visitor().get("/api/openapi.json")).json
    return [(method.upper(), path) for path, item in document["paths"].items() for method in item]


async def _run(
    house: House, headers: Mapping[str, str], folder: Path, phases: str, pinned: str, *, examples: int, steps: int = 6,
    without: str = "", owned: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """What schemathesis tells of a run with these headers. Fails with it where it found anything."""
    config, file = folder / "schemathesis.toml", folder / "owned.json"
    file.write_text(json.dumps(owned or {"ids": [], "words": []}))
    said = "\n".join(f"{name} = {json.dumps(value)}" for name, value in headers.items())
    config.write_text(CONFIG.format(examples=examples, headers=said, steps=steps) + pinned, encoding="utf-8")
    left_out = ["--exclude-path-regex", without, "--mode", "positive"] if without else []
    told = {"HAYON_TEST_OWNED": str(file), "HAYON_TEST_TOLD": str(folder / "told")}
    hooks = {"SCHEMATHESIS_HOOKS": "tests.web.contract_hooks", "PYTHONPATH": str(Path(__file__).parents[2])} | told
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run",
        f"{house.url}/api/openapi.json", "--phases", phases, *left_out, cwd=folder,
        env=os.environ | (hooks if owned is not None or phases == "stateful" else {}),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_every_operation_says_what_it_may_answer(house: House) -> None:
    document = (await house.visitor().get("/api/openapi.json")).json
    assert document["info"]["title"] == "Hayon"
    for path, operations in document["paths"].items():
        assert not path.startswith(("/media", "/compose")), path
        for method, operation in operations.items():
            about = f"{method} {path}"
            assert operation["summary"], about
            assert operation["description"], about
            refused = [answer for status, answer in operation["responses"].items() if int(status) >= 400]
            assert all(list(answer["content"]) == ["application/problem+json"] for answer in refused), about
            if path.startswith("/api") and "/auth/" not in path:
                assert "401" in operation["responses"], about
                assert ({"key": []} in operation["security"]) == (about not in IN_PERSON), about
                assert {"session": []} in operation["security"], about


async def test_every_link_leads_to_an_operation_that_takes_it(house: House) -> None:
    document = (await house.visitor().get("/api/openapi.json")).json
    taken = {
        operation["operationId"]: {one["name"] for one in operation.get("parameters", ())}
        for path in document["paths"].values() for operation in path.values()
    }  # fmt: skip
    makers = set()
    for path, item in document["paths"].items():
        for answer in item.get("post", {}).get("responses", {}).values():
            for link in answer.get("links", {}).values():
                makers.add(path)
                assert set(link["parameters"]) <= taken[link["operationId"]]
    assert {"/api/posts", "/api/{platform}/post", "/api/keys", "/api/media/uploads", "/api/accounts/{which}"} <= makers
    assert {"/api/webhooks", "/api/accounts/{platform}/connect"} <= makers


MADE: dict[str, Any] = {
    "/api/posts": {"content": {"text": "made"}, "selectedPlatforms": ["bluesky"], "draft": True},
    "/api/{platform}/post": {"text": "made", "scheduledAt": "2030-01-01T00:00:00Z"},
    "/api/keys": {"name": "made"},
    "/api/media/uploads": {"mimeType": "image/png", "size": 100},
    "/api/webhooks": {"url": "https://hook.example/made"},
}
NOT_YET = {"/api/media/{mediaId}/content", "/api/media/{mediaId}/thumbnail"}
"""Nothing has been uploaded yet."""


@pytest.mark.parametrize("maker", MADE)
async def test_what_a_link_leads_to_is_there_until_it_is_deleted(house: House, ada: Visitor, maker: str) -> None:
    """The links in their order, once: all that can be read is there, all that can be deleted is gone for every other."""
    document = (await house.visitor().get("/api/openapi.json")).json
    where = {
        operation["operationId"]: (method.upper(), path)
        for path, item in document["paths"].items() for method, operation in item.items()
    }  # fmt: skip
    made = await ada.post(maker.replace("{platform}", "bluesky"), MADE[maker])
    assert made.status == 201, made.text
    leads = {}
    for link in document["paths"][maker]["post"]["responses"]["201"]["links"].values():
        ((name, pointer),) = link["parameters"].items()
        method, path = where[link["operationId"]]
        leads[method, path] = path.replace(f"{{{name}}}", made.json[pointer.removeprefix("$response.body#/")])
    readable = {path: one for (method, path), one in leads.items() if method == "GET" and not path.endswith("/events")}
    for path, one in readable.items():
        assert (await ada.get(one)).status == (404 if path in NOT_YET else 200), path
    (deleting,) = [one for (method, _), one in leads.items() if method == "DELETE"]
    deleted = await ada.ask("DELETE", deleting)
    assert deleted.status in {200, 204}, deleted.text
    for path, one in readable.items():
        assert (await ada.get(one)).status == 404, path
    assert (await ada.ask("DELETE", deleting)).status == 404
    for (method, path), one in leads.items():
        if method in {"POST", "PATCH"}:
            answer = await ada.ask(method, one, {})
            assert answer.status in {404, 422}, f"{method} {path} {answer.text}"


async def test_a_key_whose_webhook_is_deleted_makes_no_other(ada: Visitor) -> None:
    key = {"Idempotency-Key": "one"}
    made = await ada.post("/api/webhooks", MADE["/api/webhooks"], headers=key)
    assert (await ada.post("/api/webhooks", MADE["/api/webhooks"], headers=key)).json == made.json
    await ada.ask("DELETE", f"/api/webhooks/{made.json['webhookId']}")
    again = await ada.post("/api/webhooks", MADE["/api/webhooks"], headers=key)
    assert (again.status, "deleted since" in again.json["detail"]) == (409, True)
