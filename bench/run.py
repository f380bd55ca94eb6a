"""`make bench`: prints what was measured on this machine. Asserts nothing: tests assert, figures are shown."""

import asyncio
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.load import ACCOUNTS, LATENCY_SECONDS, run

POSTS, RUNS = 1000, 3


def main() -> None:
    """Runs the load a few times and prints a table."""
    console = Console()
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.platform()}")
    table = Table(title=f"{POSTS} posts, each on Bluesky and Mastodon, {ACCOUNTS} accounts on each, platforms answer after {LATENCY_SECONDS:g} s, one process, SQLite")  # fmt: skip
    for heading in (
        "run",
        "completed",
        "lost",
        "doubled",
        "accepted in",
        "all out in",
        "targets/s",
        "idle MB",
        "peak MB",
    ):
        table.add_column(heading, justify="right")
    for number in range(1, RUNS + 1):
        one = asyncio.run(run(POSTS))
        table.add_row(
            str(number), str(one.completed), str(one.lost), str(one.doubled), f"{one.submit_seconds:.1f} s",
            f"{one.total_seconds:.1f} s", f"{2 * one.posts / one.total_seconds:.0f}", f"{one.idle_mb:.0f}",
            f"{one.peak_mb:.0f}",
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
