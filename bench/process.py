"""One process of ours, started for a measurement and stopped after it. Nothing is measured here."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@asynccontextmanager
async def run_process(arguments: list[str], more: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
    """A process of ours that says in one line of JSON where it is; stopped at the end, however that comes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HAYON_")}
    started = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment | more | {"PYTHONPATH": str(ROOT / "src")},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        if started.stdout is None:
            raise AssertionError("it has an output")
        line = await asyncio.wait_for(started.stdout.readline(), 30)
        yield json.loads(line)
    finally:
        if started.returncode is None:
            started.terminate()
        await started.wait()
