"""The sandbox as tests start it: a process of its own, with independent clients as judges."""

import gc
import json
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import atproto
import psutil
import pytest
import requests
from atproto_client import exceptions
from mastodon import Mastodon as MastodonClient
from mastodon.errors import MastodonAPIError, MastodonUnauthorizedError

SOURCE = Path(__file__).parents[2] / "src"


def start(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "hayon.sandbox", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(SOURCE)},
    )
    assert process.stdout
    return process, json.loads(process.stdout.readline())


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    """The judges keep their connections open until they are collected."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def control(url: str, method: str, path: str, body: Any = None) -> Any:
    return requests.request(method, f"{url}/control/{path}", json=body, timeout=10).json()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """The address of a sandbox in a process of its own."""
    process, told = start("--limits", "none")
    yield told["url"]
    process.terminate()
    assert process.wait(10) == 0
    assert process.stdout
    process.stdout.close()


def test_it_says_where_it_is_stays_small_and_ends_on_sigterm(tmp_path: Path) -> None:
    process, told = start("--path", str(tmp_path))
    assert told["pid"] == process.pid
    assert told["url"].startswith("http://127.0.0.1:")
    control(told["url"], "POST", "accounts", {"platform": "mastodon", "handle": "alice"})
    assert psutil.Process(process.pid).memory_info().rss < 100 * 2**20
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert process.stdout
    process.stdout.close()
    again, told = start("--path", str(tmp_path))
    assert [one["handle"] for one in control(told["url"], "GET", "accounts")["accounts"]] == ["alice"]
    again.kill()
    again.wait(10)
    assert again.stdout
    again.stdout.close()


def test_a_taken_port_is_told(sandbox: str) -> None:
    port = sandbox.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "hayon.sandbox", "--port", port],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SOURCE)},
        check=False,
        timeout=20,
    )
    assert (done.returncode, "cannot listen" in done.stderr) == (1, True)


def test_mastodon_py_logs_in_posts_and_reads_back(sandbox: str, picture: Any) -> None:
    made = control(sandbox, "POST", "accounts", {"platform": "mastodon", "handle": "oracle"})
    client = MastodonClient(access_token=made["accessToken"], api_base_url=made["instanceUrl"])
    assert client.me().acct == "oracle"
    assert client.instance_v2().configuration.statuses.max_characters == 500
    media = client.media_post(picture(), "image/jpeg", description="Teal", focus=(0.5, 0.0))
    assert media.description == "Teal"
    status = client.status_post(
        "Hello #tag", media_ids=[media.id], spoiler_text="careful", visibility="unlisted", idempotency_key="k"
    )
    repeated = client.status_post("Hello #tag", idempotency_key="k")
    assert status.id == repeated.id
    read = client.status(status.id)
    assert (read.spoiler_text, read.visibility, read.sensitive) == ("careful", "unlisted", True)
    assert read.media_attachments[0].id == media.id
    assert client.status_source(status.id).text == "Hello #tag"
    assert [one.id for one in client.account_statuses(made["id"], exclude_reblogs=True)] == [status.id]
    with pytest.raises(MastodonAPIError, match="character limit of 500 exceeded"):
        client.status_post("x" * 501)
    client.status_delete(status.id)
    control(sandbox, "POST", "accounts/mastodon/oracle/revoke")
    with pytest.raises(MastodonUnauthorizedError, match="revoked"):
        client.me()
    ledger = control(sandbox, "GET", f"ledger?account={made['id']}")["entries"]
    assert [(one["operation"], one["repeat"]) for one in ledger] == [
        ("createStatus", False),
        ("createStatus", True),
        ("deleteStatus", False),
    ]


def test_mastodon_py_registers_an_application(sandbox: str) -> None:
    client_id, secret = MastodonClient.create_app(
        "Oracle", scopes=["read", "write"], redirect_uris="http://127.0.0.1:9/", api_base_url=f"{sandbox}/mastodon"
    )
    assert min(len(client_id), len(secret)) >= 32


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_atproto_logs_in_posts_and_reads_back(sandbox: str, picture: Any) -> None:
    made = control(sandbox, "POST", "accounts", {"platform": "bluesky", "handle": "oracle.test"})
    client = atproto.Client(base_url=made["service"])
    profile = client.login(made["identifier"], made["appPassword"])
    assert profile.did == made["id"]
    text = atproto.client_utils.TextBuilder().text("Grüße ").link("hier", "https://example.com").tag(" #x", "x")
    post = client.send_image(text, picture(), "Teal")
    assert post.uri.startswith(f"at://{made['id']}/app.bsky.feed.post/")
    read = client.com.atproto.repo.get_record(
        {"repo": made["id"], "collection": "app.bsky.feed.post", "rkey": post.uri.rsplit("/", 1)[1]}
    )
    assert (read.cid, read.value.text) == (post.cid, "Grüße hier #x")
    assert read.value.embed.images[0].alt == "Teal"
    restored = atproto.Client(base_url=made["service"])
    restored.login(session_string=client.export_session_string())
    with pytest.raises(exceptions.BadRequestError, match="300 graphemes"):
        restored.send_post("x" * 301)
    assert restored.delete_post(post.uri)
    ledger = control(sandbox, "GET", f"ledger?account={made['id']}")["entries"]
    assert [one["operation"] for one in ledger] == ["createRecord", "deleteRecord"]
    assert ledger[0]["warnings"] == []


def test_a_wrong_password_is_told_apart(sandbox: str) -> None:
    client = atproto.Client(base_url=f"{sandbox}/bluesky")
    with pytest.raises(exceptions.UnauthorizedError, match="AuthenticationRequired"):
        client.login("oracle.test", "wrong")
