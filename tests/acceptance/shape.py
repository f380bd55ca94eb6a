"""The full shape in a test's hands: processes on one PostgreSQL and one RabbitMQ, and a person who asks their API. No test is here."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.servers.processes import Process
from tests.servers.sandbox import Sandbox

HAYON = Path(sys.executable).with_name("hayon")
SECRET = "a secret key of the tests, long enough to be one"


@dataclass
class Shape:
    """Processes that meet in one database and one broker."""

    start_process: Callable[..., Process]
    env: dict[str, str]
    sandbox: Sandbox
    url: str = ""
    key: str = ""
    parts: dict[str, Process] = field(default_factory=dict)

    def start(self, part: str, name: str = "", **env: str) -> Process:
        process = self.start_process(HAYON, part, env=self.env | env)
        self.parts[name or part] = process
        return process

    def begin(self, part: str = "web") -> None:
        """The process that has the pages, a person and their key."""
        self.url = self.start(part, HAYON_PORT="0").ready["url"]
        person = {"email": "ann@example.test", "password": "a password of the tests", "name": "Ann"}
        cookie = self.send("auth/register", person)[1]["Set-Cookie"].split(";")[0]
        self.key = self.send("keys", {"name": "tests"}, Cookie=cookie, Origin=self.url)[0]["key"]

    def send(self, path: str, body: Any = None, method: str | None = None, **headers: str) -> tuple[Any, Any]:
        sent = None if body is None else json.dumps(body).encode()
        given = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        asked = Request(f"{self.url}/api/{path}", sent, given | headers, method=method)  # noqa: S310 - our own
        with urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own
            return json.loads(answer.read() or b"null"), answer.headers

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        return self.send(path, body, method)[0]

    def connect(self, handle: str) -> str:
        shown = self.sandbox.add_account("mastodon", handle)
        told = {"instanceUrl": shown["instanceUrl"], "accessToken": shown["accessToken"]}
        return str(self.ask("accounts/mastodon", told)["accountId"])

    def post(self, text: str, *account_ids: str, **more: Any) -> str:
        body = {"content": {"text": text}, "accountIds": list(account_ids)} | more
        return str(self.ask("posts", body)["postId"])

    def wait_for(self, post_id: str, status: str) -> None:
        alive = next(one for one in self.parts.values() if one.running)
        alive.wait_until(lambda: self.ask(f"posts/{post_id}/status")["status"] == status, status, within_seconds=40)
