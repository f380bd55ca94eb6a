"""`make bench`: prints what was measured on this machine. Asserts nothing: tests assert, figures are shown.

`ARGS=pages` measures the pages alone.
"""

import asyncio
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.servers.postgres import running_postgres

from bench.load import ACCOUNTS, LATENCY_SECONDS, run
from bench.pages import run_pages

POSTS, RUNS = 1000, 2


def main() -> None:
    """Measures the load and the pages on each database, in turn, and prints tables."""
    console = Console(width=None if sys.stdout.isatty() else 140)  # a table in a file is not broken
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.platform()}")
    if sys.argv[1:] != ["pages"]:
        _measure_load(console)
    run_pages(console)


def _measure_load(console: Console) -> None:
    title = f"{POSTS} posts, each on Bluesky and Mastodon ({ACCOUNTS} accounts on each; they answer after {LATENCY_SECONDS:g} s); one process"
    table = Table(title=title)
    headings = (
        "database",
        "completed",
        "lost",
        "doubled",
        "accepted in",
        "all out in",
        "targets/s",
        "idle MB",
        "peak MB",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    with running_postgres() as server:
        for _ in range(RUNS):
            for name, url in (("SQLite", ""), ("PostgreSQL", server.url())):
                one = asyncio.run(run(POSTS, database_url=url))
                table.add_row(
                    name, str(one.completed), str(one.lost), str(one.doubled), f"{one.submit_seconds:.1f} s",
                    f"{one.total_seconds:.1f} s", f"{2 * one.posts / one.total_seconds:.0f}", f"{one.idle_mb:.0f}",
                    f"{one.peak_mb:.0f}",
                )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
