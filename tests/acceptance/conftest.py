"""The full shape as a fixture."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.shape import HAYON, SECRET, Shape
from tests.acceptance.six import PACE, Six, settings_of
from tests.servers.processes import Process
from tests.servers.sandbox import Sandbox


@pytest.fixture
def shape(
    start_process: Callable[..., Process], postgres_url: str, rabbitmq_url: str, sandbox: Sandbox, tmp_path: Path
) -> Shape:  # fmt: skip
    env = {
        "HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_DATABASE_URL": postgres_url, "HAYON_BROKER_URL": rabbitmq_url,
        "HAYON_SECRET_KEY": SECRET, "HAYON_LOG": "json", "HAYON_ALLOW_PRIVATE_ADDRESSES": "true",
        "HAYON_RETRY_STEPS": "1s,2s", "HAYON_MASTODON_URL": f"{sandbox.url}/mastodon",
    }  # fmt: skip
    start_process(HAYON, "migrate", env=env, ready_within_seconds=None).wait(within_seconds=30)
    return Shape(start_process, env, sandbox)


@pytest.fixture
def six(start_process: Callable[..., Process], migrated_postgres_url: str, sandbox: Sandbox, tmp_path: Path) -> Six:
    """Nothing is started yet."""
    env = {
        "HAYON_DATA_DIR": str(tmp_path / "data"), "HAYON_DATABASE_URL": migrated_postgres_url,
        "HAYON_SECRET_KEY": SECRET, **PACE, **settings_of(sandbox),
    }  # fmt: skip
    return Six(start_process, env, sandbox)
