"""Taking in and growth, in their smallest form: what was accepted is there once. No time is asserted."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from bench.rounds import Bench, Form
from bench.servers import Servers

from bench import accept, growth
from tests.servers.postgres import PostgresAddress
from tests.servers.rabbitmq import RabbitAddress


@pytest.fixture
def servers(postgres: PostgresAddress, rabbitmq: RabbitAddress) -> Iterator[Servers]:
    shared = Servers(postgres, rabbitmq)
    with shared.lasting:
        yield shared


@dataclass(frozen=True)
class Named:
    """All that is asked of a contestant here."""

    name: str


@pytest.mark.parametrize("setup", accept.SETUPS)
async def test_what_was_accepted_is_there_once(setup: str, servers: Servers) -> None:
    told: list[str] = []
    result = await accept.run(Bench(Form.SMOKE, [Named(f"Hayon, {setup}")], servers, tell=told.append))
    assert [table.title for table in result.tables] == [setup]
    runs = {(row.labels["who"], row.labels["load"]): run for row in result.tables[0].rows for run in row.runs}
    assert len(runs) == len(told) == sum(map(len, accept.LOADS.values()))
    assert [run["refused"] for run in runs.values()] == [0] * len(runs)
    judged = [run for (who, _), run in runs.items() if who != accept.SILENT]
    assert [(run["lost"], run["doubled"]) for run in judged] == [(0, 0)] * len(judged)
    assert all(run["accepted"] for run in judged)


async def test_growth_asks_everything_of_every_size(servers: Servers) -> None:
    result = await growth.run(Bench(Form.SMOKE, [], servers, tell=lambda _: None))
    rows = [(row.labels["database"], row.labels["what"]) for row in result.tables[0].rows]
    assert rows == [(kind, part) for kind in ("SQLite", "PostgreSQL") for part in growth.PARTS]
    assert all(row.values("growth") for row in result.tables[0].rows)
