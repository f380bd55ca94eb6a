"""One post followed through the log of `hayon serve`, from the request to the platform's answer; and no secret in all of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.cli.conftest import COMMAND
from tests.servers.ports import free_port
from tests.servers.processes import Process
from tests.servers.sandbox import Sandbox

PASSWORD = "a password that stands nowhere"
GIVEN = {"bluesky": ("identifier", "appPassword"), "mastodon": ("instanceUrl", "accessToken")}
WORDS = "words that are nobody else's business"
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def ask(method: str, url: str, body: Any = None, **headers: str) -> Any:
    """The JSON that is answered, whatever the status."""
    sent = None if body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urlopen(Request(url, sent, given, method=method), timeout=20) as answer:  # noqa: S310 - our own
            return json.loads(answer.read() or b"{}")
    except HTTPError as error:
        return json.loads(error.read())


@pytest.mark.parametrize("sandbox", ["none"], indirect=True)
def test_every_line_from_the_request_to_the_platforms_answer_carries_one_correlation_id(
    start_process: Callable[..., Process], tmp_path: Path, sandbox: Sandbox
) -> None:
    settings = {
        "DATA_DIR": tmp_path / "data", "PORT": free_port(), "LOG": "json", "ALLOW_PRIVATE_ADDRESSES": "true",
        "BLUESKY_URL": f"{sandbox.url}/bluesky", "MASTODON_URL": f"{sandbox.url}/mastodon", "POLL": "100ms",
    }  # fmt: skip
    process = start_process(*COMMAND, "serve", env={f"HAYON_{name}": str(one) for name, one in settings.items()})
    api, secrets = f"{process.ready['url']}/api", [PASSWORD, WORDS]
    person = {"email": "ada@example.org", "password": PASSWORD}
    ask("POST", f"{api}/auth/register", person)
    key = _key(api, person)
    me = {"Authorization": f"Bearer {key}"}
    secrets.append(key)
    for platform, handle in (("bluesky", "ada.test"), ("mastodon", "ada")):
        account = sandbox.add_account(platform, handle)
        secrets.append(account["appPassword"] if platform == "bluesky" else account["accessToken"])
        given = {name: account[name] for name in GIVEN[platform]}
        made = ask("POST", f"{api}/accounts/{platform}", given, **me)
        assert "accountId" in made, made
    post = {"content": {"text": WORDS}, "selectedPlatforms": ["bluesky", "mastodon"]}
    made = ask("POST", f"{api}/posts", post, X_Correlation_Id="order-4711", traceparent=CALLER, **me)
    process.wait_until(lambda: process.output().count('"target.settled"') == 2, "that both are published")
    assert process.stop() == 0

    err = (tmp_path / "process-0.err").read_text()
    lines = [json.loads(line) for line in err.splitlines()]  # each is JSON
    mine = [line for line in lines if line.get("correlation_id") == "order-4711"]
    by_request = [line for line in mine if line["trace_id"] == CALLER.split("-")[1]]
    assert [line["event"] for line in by_request] == ["post.accepted", "request.answered"]
    tries = {line["trace_id"]: line["platform"] for line in mine if line not in by_request}
    assert sorted(tries.values()) == ["bluesky", "mastodon"]  # each try is a trace of its own
    for trace_id, platform in tries.items():
        story = [line for line in mine if line["trace_id"] == trace_id]
        events = [line["event"] for line in story]
        assert events[0] == "target.claimed"
        assert events[-3:] == ["target.intended", "call.answered", "target.settled"]
        assert {line["platform"] for line in story} == {platform}
        assert {line["post_id"] for line in story} == {made["postId"]}
        call = story[-2]
        assert (call["host"], call["status"]) == ("127.0.0.1", 200)
        assert call["path"].startswith(f"/{platform}/")
        assert call["milliseconds"] > 0
        assert story[-1]["status"] == "completed"
    strangers = [line for line in lines if line.get("post_id") == made["postId"] and line not in mine]
    assert strangers == []
    shown = process.output()
    for secret in secrets:
        assert secret not in shown


def test_a_key_to_a_file_stands_in_no_line(start_process: Callable[..., Process], tmp_path: Path) -> None:
    """Addresses of files are keys themselves: they are signed."""
    settings = {"DATA_DIR": tmp_path / "data", "PORT": 0, "LOG": "json"}
    process = start_process(*COMMAND, "serve", env={f"HAYON_{name}": str(one) for name, one in settings.items()})
    url = process.ready["url"]
    ask("GET", f"{url}/media/files/eyJrZXkiOiJ0ZW1wIn0.c2lnbmF0dXJl?more=geheim")
    process.wait_until(lambda: "request.answered" in process.output(), "its line")
    assert process.stop() == 0
    assert "/media/files/{token}" in process.output()
    for secret in ("eyJrZXkiOiJ0ZW1wIn0", "geheim"):
        assert secret not in process.output()


def _key(api: str, person: dict[str, str]) -> str:
    sent = json.dumps(person).encode()
    with urlopen(Request(f"{api}/auth/login", sent, {"Content-Type": "application/json"})) as answer:  # noqa: S310 - our own
        cookie = answer.headers["Set-Cookie"].split(";")[0]
    return str(ask("POST", f"{api}/keys", {"name": "a program"}, Cookie=cookie, Sec_Fetch_Site="same-origin")["key"])
