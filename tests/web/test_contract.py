"""The OpenAPI document against the server behind it: schemathesis makes up requests, good and bad, and holds each answer to it."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.web.house import House, Visitor
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
Authorization = "{key}"

[checks]
# rules of platforms, accounts that are not there and words that are too long are refused although they are well-formed
positive_data_acceptance.enabled = false

[phases.stateful]
enabled = false

[[operations]]
include-path-regex = "^/api/posts/.postId.(/(status|attempts|cancel|retry|resolve|submit))?$"
exclude-method = "DELETE"
parameters = {{ "path.postId" = "{draft}" }}

[[operations]]
include-path = "/api/posts/{{postId}}/events"
parameters = {{ "path.postId" = "{ended}" }}
"""


async def test_no_answer_breaks_the_contract(house: House, ada: Visitor, tmp_path: Path) -> None:
    await keep_contract(house, ada, tmp_path, "examples,fuzzing", examples=8)


@pytest.mark.long
async def test_no_answer_breaks_the_contract_in_many_tries(house: House, ada: Visitor, tmp_path: Path) -> None:
    await keep_contract(house, ada, tmp_path, "examples,coverage,fuzzing", examples=100)


async def keep_contract(house: House, ada: Visitor, folder: Path, phases: str, *, examples: int) -> None:
    """Fails with what schemathesis tells."""
    program = await house.program(ada)
    ended = await make(ada, scheduledAt=later())
    await ada.post(f"/api/posts/{ended}/cancel")
    draft = await make(ada, draft=True)
    config = folder / "schemathesis.toml"
    key = program.headers["Authorization"]
    config.write_text(CONFIG.format(examples=examples, key=key, draft=draft, ended=ended), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run",
        f"{house.url}/api/openapi.json", "--phases", phases, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
    assert "44 selected / 44 total" in told.decode()


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
                assert {"key": []} in operation["security"], about
                assert {"session": []} in operation["security"], about
