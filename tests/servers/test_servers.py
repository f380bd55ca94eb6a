"""The real servers do what other tests rely on; nothing of them outlives a run."""

import dataclasses
import json
import urllib.request
from pathlib import Path

import asyncpg
import pytest

from tests.servers.pds.server import PdsAccount, SharedPds, XrpcError
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.sandbox import Sandbox


def plain(url: str) -> str:
    """asyncpg takes the URL without SQLAlchemy's driver name."""
    return url.replace("postgresql+asyncpg://", "postgresql://")


def shared_memory_segments() -> set[str]:
    """Ids of all System V segments on this machine: proc(5), /proc/sysvipc/shm."""
    return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


async def test_postgres_keeps_what_was_committed_through_kill9(own_postgres: PostgresServer) -> None:
    url = plain(own_postgres.url())
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept (n integer)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    unfinished = connection.transaction()
    await unfinished.start()
    await connection.execute("INSERT INTO kept VALUES (2)")

    own_postgres.kill9()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await connection.execute("SELECT 1")
    own_postgres.start()

    connection = await asyncpg.connect(url)
    assert [row["n"] for row in await connection.fetch("SELECT n FROM kept")] == [1]
    await connection.close()
    assert "database system was not properly shut down" in own_postgres.log


def test_a_killed_postgres_leaves_no_shared_memory_and_no_folder() -> None:
    with running_postgres() as server:
        folder = server.folder
        segment = (folder / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]
        assert segment in shared_memory_segments()
        server.kill9()
    assert segment not in shared_memory_segments()
    assert not folder.exists()


async def test_postgres_restarts_on_the_same_port(own_postgres: PostgresServer) -> None:
    url = own_postgres.url()
    own_postgres.restart()
    connection = await asyncpg.connect(plain(url))
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_a_postgres_database_is_empty_ours_and_durable(postgres_url: str) -> None:
    connection = await asyncpg.connect(plain(postgres_url))
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.execute("CREATE TABLE public.ours (n integer)")
    assert await connection.fetchval("SELECT usesuper FROM pg_user WHERE usename = current_user") is False
    for promise in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await connection.fetchval(f"SHOW {promise}") == "on"
    await connection.close()


def test_the_pds_repeats_a_put_record_harmlessly(pds: SharedPds, pds_account: PdsAccount) -> None:
    token = pds.log_in(pds_account)
    record = {"$type": "app.bsky.feed.post", "text": "once", "createdAt": "2026-01-01T00:00:00.000Z"}
    put = {
        "repo": pds_account.did,
        "collection": "app.bsky.feed.post",
        "rkey": "3jzfcijpj2z2a",
        "swapRecord": None,
        "record": record,
    }
    first, second = (pds.call("com.atproto.repo.putRecord", put, token=token) for _ in range(2))
    assert first["cid"] == second["cid"]
    assert "commit" in first
    assert "commit" not in second

    with pytest.raises(XrpcError) as refused:
        pds.call("com.atproto.repo.putRecord", put | {"record": record | {"text": "twice"}}, token=token)
    assert (refused.value.status, refused.value.name) == (400, "InvalidSwap")
    kept = pds.call(f"com.atproto.repo.listRecords?repo={pds_account.did}&collection=app.bsky.feed.post", token=token)
    assert [entry["value"]["text"] for entry in kept["records"]] == ["once"]


def test_the_pds_takes_no_wrong_password(pds: SharedPds, pds_account: PdsAccount) -> None:
    with pytest.raises(XrpcError) as refused:
        pds.log_in(dataclasses.replace(pds_account, app_password="aaaa-bbbb-cccc-dddd"))
    assert (refused.value.status, refused.value.name) == (401, "AuthenticationRequired")


def test_the_directory_names_the_pds_for_an_account(pds: SharedPds) -> None:
    with urllib.request.urlopen(f"{pds.plc_url}/{pds.accounts[0].did}", timeout=10) as answer:  # noqa: S310 - our own server
        document = json.loads(answer.read())
    assert document["alsoKnownAs"] == [f"at://{pds.accounts[0].handle}"]
    port = pds.url.rpartition(":")[2]
    assert document["service"][0]["serviceEndpoint"] == f"http://localhost:{port}"


@pytest.mark.parametrize("sandbox", ["real", "none"], indirect=True)
def test_the_sandbox_answers_in_a_process_of_its_own(sandbox: Sandbox) -> None:
    with urllib.request.urlopen(f"{sandbox.url}/control/ledger", timeout=10) as answer:  # noqa: S310 - our own
        assert answer.status == 200
    assert sandbox.process.ready["pid"] == sandbox.process.pid
