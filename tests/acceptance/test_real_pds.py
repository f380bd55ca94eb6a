"""Through the API onto a real AT Protocol server, and read back from it: text, facets by bytes, pictures, and the time it went out."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from PIL import Image

from tests.servers.pds.server import PdsAccount, SharedPds
from tests.servers.processes import Process

HAYON = Path(sys.executable).with_name("hayon")
TEXT = "Read https://example.com/räume 👨‍👩‍👧‍👦 with @{handle} about #Grüße"


@dataclass(frozen=True)
class Served:
    """A running `hayon serve`, spoken to with an API key."""

    process: Process
    url: str
    key: str = ""

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        sent = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, sent, headers, method=method)) as answer:  # noqa: S310 - our own
            return json.loads(answer.read() or b"null"), answer.headers

    def upload(self, colour: str, size: tuple[int, int]) -> str:
        drawn = io.BytesIO()
        Image.new("RGB", size, colour).save(drawn, "PNG")
        grant, _ = self.ask("/api/media/uploads", {"mimeType": "image/png", "size": len(drawn.getvalue())})
        put = Request(grant["url"], drawn.getvalue(), grant["headers"], method=grant["method"])  # noqa: S310 - our own
        with urlopen(put):  # noqa: S310 - our own
            pass
        self.ask(f"/api/media/{grant['mediaId']}/complete", {})
        return str(grant["mediaId"])

    def wait_for(self, post_id: str, status: str) -> Any:
        self.process.wait_until(lambda: self.ask(f"/api/posts/{post_id}/status")[0]["status"] == status, status)
        return self.ask(f"/api/posts/{post_id}")[0]


@pytest.fixture(params=["sqlite", "postgres"])
def served(
    request: pytest.FixtureRequest, start_process: Callable[..., Process], tmp_path: Path, pds: SharedPds
) -> Served:
    database = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    process = start_process(HAYON, "serve", env={
        "HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_DATABASE_URL": database, "HAYON_PORT": "0", "HAYON_LOG": "json",
        "HAYON_BLUESKY_URL": pds.url,
    })  # fmt: skip
    first = Served(process, process.ready["url"])
    given = {"email": "ann@example.test", "password": "a long enough password"}
    _, headers = first.ask("/api/auth/register", given)
    cookie = headers["set-cookie"].split(";")[0]
    signed_in = {"Content-Type": "application/json", "Cookie": cookie, "Origin": first.url}
    keep = Request(f"{first.url}/api/keys", b'{"name":"test"}', signed_in)  # noqa: S310 - our own
    with urlopen(keep) as answer:  # noqa: S310 - our own
        return Served(process, first.url, json.loads(answer.read())["key"])


def connect(served: Served, account: PdsAccount) -> None:
    made, _ = served.ask("/api/accounts/bluesky", {"identifier": account.handle, "appPassword": account.app_password})
    assert made["health"]["status"] == "active"


def read_back(pds: SharedPds, account: PdsAccount, url: str) -> Any:
    rkey = url.rsplit("/", 1)[-1]
    query = f"repo={account.did}&collection=app.bsky.feed.post&rkey={rkey}"
    return pds.call(f"com.atproto.repo.getRecord?{query}")["value"]


def test_a_rich_post_is_read_back_with_its_byte_ranges(served: Served, pds: SharedPds, pds_account: PdsAccount) -> None:
    connect(served, pds_account)
    friend = pds.accounts[0]
    text = TEXT.format(handle=friend.handle)
    pictures = [served.upload("teal", (40, 30)), served.upload("orange", (10, 20))]
    made, _ = served.ask("/api/posts", {
        "content": {"text": text, "mediaItems": [
            {"mediaId": pictures[0], "altText": "a teal field"}, {"mediaId": pictures[1], "altText": "an orange door"},
        ]},
        "selectedPlatforms": ["bluesky"],
    })  # fmt: skip
    post = served.wait_for(made["postId"], "COMPLETED")
    record = read_back(pds, pds_account, post["platformStatuses"][0]["platformPostUrl"])
    assert record["text"] == text
    found = {}
    for facet in record["facets"]:
        start, end = facet["index"]["byteStart"], facet["index"]["byteEnd"]
        feature = facet["features"][0]
        found[text.encode()[start:end].decode()] = feature.get("uri") or feature.get("did") or feature.get("tag")
    assert found == {
        "https://example.com/räume": "https://example.com/räume", f"@{friend.handle}": friend.did, "#Grüße": "Grüße",
    }  # fmt: skip
    images = record["embed"]["images"]
    assert [(one["alt"], one["aspectRatio"]) for one in images] == [
        ("a teal field", {"width": 40, "height": 30}), ("an orange door", {"width": 10, "height": 20}),
    ]  # fmt: skip
    listed = pds.call(f"com.atproto.repo.listRecords?repo={pds_account.did}&collection=app.bsky.feed.post")
    assert len(listed["records"]) == 1


def test_a_scheduled_post_is_dated_when_it_goes_out(served: Served, pds: SharedPds, pds_account: PdsAccount) -> None:
    connect(served, pds_account)
    written_at = datetime.now(UTC)
    due_at = written_at + timedelta(seconds=4)
    made, _ = served.ask("/api/posts", {
        "content": {"text": "for later"}, "selectedPlatforms": ["bluesky"], "scheduledAt": due_at.isoformat(),
    })  # fmt: skip
    assert made["status"] == "SCHEDULED"
    post = served.wait_for(made["postId"], "COMPLETED")
    record = read_back(pds, pds_account, post["platformStatuses"][0]["platformPostUrl"])
    created_at = datetime.fromisoformat(record["createdAt"])
    assert due_at.replace(microsecond=0) <= created_at <= datetime.now(UTC)
