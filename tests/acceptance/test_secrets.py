"""Nothing secret in anything that Hayon says: a full run with all six platforms and whatever goes wrong on them, searched whole."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

import sqlalchemy as sa

from hayon.sandbox.tumblr import CONSUMER_SECRET
from hayon.store.schema import accounts
from hayon.vault import Vault
from tests.acceptance.shape import HAYON, SECRET
from tests.acceptance.six import PLATFORMS, Six, handle_on
from tests.servers.ports import free_port

PASSWORD = "a password of the tests"
PREVIOUS = "the key before that one, long enough"
WRONG = "wrong-credential-that-nobody-may-read-0123456789"
SHORTEST = 8
"""Of what is searched for: a shorter one would be found by chance."""


class Ear:
    """Everything that came out: by door, so that a find says where."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def note(self, door: str, words: str) -> None:
        self.heard.append((door, words))

    def find(self, secrets: dict[str, set[str]]) -> list[tuple[str, str]]:
        """Which secret stands in which output."""
        return sorted({
            (kind, door) for door, words in self.heard for kind, values in secrets.items() for value in values
            if any(form in words for form in {value, quote(value, safe="")})
        })  # fmt: skip


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Pages send elsewhere; their own answer is looked at."""


def visit(
    six: Six, ear: Ear, path: str, body: Any = None, *, secret: bool = False, **headers: str
) -> tuple[int, str, Any]:
    """One answer of ours, whatever it is. `secret`: it is meant to show one to whoever asked, so its body is not searched."""
    given = {"Content-Type": "application/json"} | headers
    sent = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    try:
        answer = build_opener(_Stay).open(Request(f"{six.url}{path}", sent, given), timeout=40)  # noqa: S310 - our own
    except HTTPError as refused:
        answer = refused
    words = answer.read().decode("utf-8", "replace")
    if not secret:
        kept = [f"{name}: {value}" for name, value in answer.headers.items() if name.lower() != "set-cookie"]
        ear.note(f"{'POST' if sent else 'GET'} {path}", "\n".join([words, *kept]))
    return int(answer.status), words, answer.headers


@contextlib.contextmanager
def collector(ear: Ear) -> Iterator[str]:
    """Takes spans as a collector of traces does, and keeps their bytes."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            ear.note("traces", self.rfile.read(int(self.headers["Content-Length"])).decode("utf-8", "replace"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Not a word."""

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_nothing_secret_is_said(six: Six, tmp_path: Path) -> None:
    ear, secrets = Ear(), Secrets(six)
    with collector(ear) as traces:
        six.env |= {
            "HAYON_PREVIOUS_SECRET_KEY": PREVIOUS, "HAYON_TRACES_URL": traces, "HAYON_SETTLES_WITHIN": "500ms",
            "HAYON_COMMIT_DEADLINE": "3s", "HAYON_LOOK_STEPS": "300ms,1s,2s,2s,2s",
            "HAYON_RETRY_STEPS": "300ms,300ms,500ms,500ms,1s,1s,1s",
        }  # fmt: skip
        _live(six, ear, secrets)
        assert six.parts["serve"].stop(within_seconds=60) == 0
    for command in (("doctor", "--json"), ("doctor",), ("secrets", "reseal")):
        said = six.start_process(HAYON, *command, env=six.env, ready_within_seconds=None)
        said.wait(within_seconds=60)
        ear.note(f"hayon {' '.join(command)}", said.output())
    for file in sorted(tmp_path.glob("process-*")):
        ear.note(f"standard output and error: {file.name}", file.read_text(errors="replace"))
    doors = {door.split()[0] for door, _ in ear.heard}
    assert doors >= {"GET", "POST", "traces", "hayon", "standard"}
    assert secrets.kinds() >= {
        "app password", "accessJwt", "refreshJwt", "accessToken", "refreshToken", "token", "tokenSecret", "secret key",
        "previous secret key", "app secret", "API key", "session", "password", "refused",
    }  # fmt: skip
    assert ear.find(secrets.found) == []
    # the search itself sees: what is no secret, and was said, it finds behind each door
    words = {"no secret": {"post.accepted"}, "platform": {"mastodon"}}
    assert {door.split()[0] for _, door in ear.find(words)} >= {"GET", "standard"}


class Secrets:
    """Every secret that is used, by its kind."""

    def __init__(self, six: Six) -> None:
        self._six = six
        self.found: dict[str, set[str]] = {}
        self.add("secret key", SECRET)
        self.add("previous secret key", PREVIOUS)
        self.add("password", PASSWORD)
        self.add("refused", WRONG)
        self.add("app secret", CONSUMER_SECRET)
        password = re.search(r":([^:@/]+)@", six.env["HAYON_DATABASE_URL"])
        assert password is not None
        self.add("database password", password[1])

    def add(self, kind: str, value: str) -> None:
        assert len(value) >= SHORTEST, kind
        self.found.setdefault(kind, set()).add(value)

    def kinds(self) -> set[str]:
        return set(self.found)

    def read_kept(self) -> None:
        """What is sealed in the database at this moment: tokens by the names that adapters give them."""
        vault = Vault([SECRET])
        for row in self._six.in_database(lambda tx: tx.all(sa.select(accounts))):
            for name, value in vault.open(row.credential, str(row.id)).items() if row.credential else ():
                if isinstance(value, str) and re.search(r"token|jwt|secret|password", name, re.IGNORECASE):
                    self.add(name, value)

    def read_shown(self) -> None:
        """What the platforms know: app passwords and main passwords, tokens and secrets of apps."""
        names = {"appPassword": "app password", "password": "main password", "appSecret": "app secret"}
        for account in self._six.sandbox.control("accounts")["accounts"]:
            for name, value in account.items():
                if re.search(r"token|secret|password", name, re.IGNORECASE) and isinstance(value, str) and value:
                    self.add(names.get(name, name), value)


def _live(six: Six, ear: Ear, secrets: Secrets) -> None:
    """Signs in, connects, publishes, and has everything go wrong that can."""
    six.url = six.start("serve", HAYON_PORT="0").ready["url"]
    person = {"email": "ann@example.test", "password": PASSWORD, "name": "Ann"}
    headers = visit(six, ear, "/api/auth/register", person)[2]
    cookie = headers["Set-Cookie"].split(";")[0]
    secrets.add("session", cookie.partition("=")[2])
    browser = {"Cookie": cookie, "Origin": six.url}
    six.key = json.loads(visit(six, ear, "/api/keys", {"name": "tests"}, secret=True, **browser)[1])["key"]
    secrets.add("API key", six.key)
    program = {"Authorization": f"Bearer {six.key}"}
    ids = {platform: six.connect_to(platform, "ann") for platform in PLATFORMS}
    ids["tumblr2"] = six.connect_by_oauth2("bob")
    secrets.read_shown()
    secrets.read_kept()

    def post(text: str, status: str, *account_ids: str) -> None:
        media = [{"mediaId": six.upload(), "altText": "teal"}]
        body = {"content": {"text": text, "mediaItems": media}, "accountIds": list(account_ids)}
        six.wait_for(json.loads(visit(six, ear, "/api/posts", body, **program)[1])["postId"], status)

    post("all is well", "COMPLETED", *ids.values())
    for platform in PLATFORMS:
        for wrong in _wrong(six, platform):
            visit(six, ear, f"/api/accounts/{platform}", wrong, **program)
            visit(six, ear, f"/api/accounts/{platform}/connect", {**wrong, "redirectUri": f"{six.url}/back"}, **program)
        six.sandbox.control("faults", {"platform": platform, "kind": "refuse", "status": 500, "count": 2})
    post("it stumbles", "COMPLETED", ids["mastodon"], ids["bluesky"])
    six.sandbox.control("faults", {"platform": "bluesky", "kind": "expire_token", "operation": "putRecord"})
    six.change("tumblr", "bob", "expire")
    post("it is refreshed", "COMPLETED", ids["bluesky"], ids["tumblr2"])
    secrets.read_kept()
    for platform in PLATFORMS:
        six.change(platform, "ann", "revoke")
    six.change("bluesky", "ann", "expire")
    post("it is revoked", "FAILED", *(ids[platform] for platform in PLATFORMS))
    for platform in PLATFORMS:
        visit(six, ear, f"/api/accounts/{ids[platform]}/check", {}, **program)
    visit(six, ear, "/api/auth/login", person | {"password": WRONG})
    visit(six, ear, "/api/accounts", None, Authorization=f"Bearer {WRONG}")
    visit(six, ear, f"/api/posts?cursor={WRONG}", None, **program)
    for path in _paths(six, ear, program):
        visit(six, ear, path, None, **program)
        visit(six, ear, path, None, **browser)


def _wrong(six: Six, platform: str) -> list[dict[str, str]]:
    """Credentials that are refused: all of them, of another shape, half of them."""
    shown = six.sandbox.add_account(platform, handle_on(platform, "eve"))
    right = {name: value for name, value in shown.items() if isinstance(value, str)}
    secret = re.compile(r"token|secret|password", re.IGNORECASE)
    wrong = {name: WRONG if secret.search(name) else value for name, value in right.items()}
    return [
        wrong,
        {name: value for name, value in wrong.items() if secret.search(name)},
        wrong | {"appPassword": "abcd-efgh-ijkl-mnop"},
    ]


def _paths(six: Six, ear: Ear, program: dict[str, str]) -> list[str]:
    """Every address of the API and of the pages that can be looked at, with the ids that there are."""
    described = json.loads(visit(six, ear, "/api/openapi.json", None, **program)[1] or "{}").get("paths", {})
    posts = [one["postId"] for one in six.ask("posts")["posts"]]
    account = six.ask("accounts")["accounts"][0]["accountId"]
    paths = {
        path.replace("{postId}", posts[0]).replace("{post_id}", posts[0]).replace("{which}", account)
        for path, calls in described.items() if "get" in calls and "/events" not in path
    }  # fmt: skip
    pages = [
        "/",
        "/accounts",
        "/posts",
        "/settings",
        "/login",
        "/parking",
        "/metrics",
        "/healthz",
        "/readyz",
        "/nowhere",
    ]
    return sorted({*paths, *pages, "/api/accounts", "/api/notices", "/api/keys", *(f"/posts/{one}" for one in posts),
                   *(f"/api/posts/{one}/attempts" for one in posts)})  # fmt: skip
