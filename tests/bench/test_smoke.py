"""The benchmark itself, in its smallest form: ledgers and counts agree. No time is asserted, and none is worth anything here."""

import asyncio
import importlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from bench.contest import Contestant
from bench.contestants import all_contestants
from bench.report import keep, write_page
from bench.result import Result
from bench.rounds import Bench, Form
from bench.servers import Servers

from tests.servers.postgres import PostgresAddress
from tests.servers.rabbitmq import RabbitAddress

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("drain", "latency", "schedule", "million", "neighbour", "memory")
OURS = ("SQLite", "PostgreSQL", "PostgreSQL + RabbitMQ")


@pytest.fixture
def servers(postgres: PostgresAddress, rabbitmq: RabbitAddress) -> Iterator[Servers]:
    shared = Servers(postgres, rabbitmq)
    with shared.lasting:
        yield shared


@pytest.mark.parametrize("setup", OURS)
@pytest.mark.parametrize("part", PARTS)
async def test_every_job_is_done_once_and_its_outcome_stored(
    part: str, setup: str, servers: Servers, tmp_path: Path
) -> None:
    one = next(one for one in all_contestants(servers) if one.name.startswith("Hayon") and one.name.endswith(setup))
    result = await _run(part, [one], servers, tmp_path)
    assert _counts(result, one.name), "it took part"
    assert all(_agrees(run) for run in _counts(result, one.name))


async def test_messages_with_a_time_to_live_all_arrive(servers: Servers, tmp_path: Path) -> None:
    one = next(one for one in all_contestants(servers) if one.name.startswith("RabbitMQ"))
    runs = _counts(await _run("schedule", [one], servers, tmp_path), one.name)
    assert [(run["done"], run["lost"], run["doubled"]) for run in runs] == [(run["jobs"], 0, 0) for run in runs] != []


@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
async def test_so_it_is_with_every_peer(part: str, servers: Servers, tmp_path: Path) -> None:
    await asyncio.to_thread(subprocess.run, [ROOT / "requirements" / "install", "bench"], check=True, cwd=ROOT)
    peers = [one for one in all_contestants(servers) if not one.name.startswith(("Hayon", "RabbitMQ"))]
    assert peers
    result = await _run(part, peers, servers, tmp_path)
    assert all(_agrees(run) for one in peers for run in _counts(result, one.name))


async def _run(part: str, contestants: Sequence[Contestant], servers: Servers, folder: Path) -> Result:
    bench = Bench(Form.SMOKE, contestants, servers, tell=lambda _: None)
    result: Result = await importlib.import_module(f"bench.{part}").run(bench)
    written = keep(result, {"measured": "now", "commit": "this", "disk": "some"}, folder)
    assert written.exists()
    write_page(
        folder, folder / "page.md"
    )  # a form as small as this one is on no page, and the page is made all the same
    return result


def _counts(result: Result, name: str) -> list[Mapping[str, float]]:
    rows = [row for table in result.tables for row in table.rows if row.labels.get("who") == name]
    return [run for row in rows for run in row.runs]


def _agrees(run: Mapping[str, float]) -> bool:
    return run["jobs"] == run["done"] == run["outcomes"] > 0 == run["lost"] == run["doubled"] == run["strange"]
