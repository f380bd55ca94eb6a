"""`make bench`: measures, prints tables, writes raw data and docs/benchmarks.md. `python bench/run.py [part …] [--full]`.

A long form that was interrupted goes on where it was; `--anew` forgets what it had.
"""

import argparse
import asyncio
import importlib
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from rich.console import Console

sys.path.remove(str(Path(__file__).resolve().parent))  # its files are no modules of their own
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import machine, report
from bench.contestants import all_contestants
from bench.pages import run_pages
from bench.rounds import Bench, Form
from bench.servers import Servers, running_servers

PAGES = "pages"
"""A part of its own kind: what one page of the site takes, on the screen alone."""
NAMED = ("million",)
"""Measured only where it is named: it is large in each form, and the long form of `schedule` has it too."""


def main() -> None:
    """Measures the parts that are named, or all."""
    parts = [name for name in report.ORDER if find_spec(f"bench.{name}")]
    reader = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    reader.add_argument(
        "parts",
        nargs="*",
        metavar="part",
        help=f"{', '.join([*parts, PAGES])}; all but {' and '.join([PAGES, *NAMED])} where none is named",
    )
    reader.add_argument("--full", action="store_true", help="the long form: hours")
    reader.add_argument("--anew", action="store_true", help="forget the runs of an interrupted form")
    reader.add_argument("--only", metavar="WORD", help="only contestants in whose name this is; nothing is written")
    asked = reader.parse_args()
    if unknown := set(asked.parts) - {*parts, PAGES}:
        reader.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join([*parts, PAGES])}")
    console = Console(width=None if sys.stdout.isatty() else 180)  # a table in a file is not broken
    wanted = asked.parts or [name for name in parts if name not in NAMED]
    if rest := [name for name in wanted if name != PAGES]:
        with running_servers() as servers:
            for name in rest:
                _measure(
                    name, Form.FULL if asked.full else Form.SHORT, servers, console, only=asked.only, anew=asked.anew
                )
    if PAGES in wanted:
        run_pages(console)


def _measure(name: str, form: Form, servers: Servers, console: Console, *, only: str | None, anew: bool) -> None:
    scenario: ModuleType = importlib.import_module(f"bench.{name}")
    contestants = [one for one in all_contestants(servers) if only is None or only.lower() in one.name.lower()]
    kept = None if only else report.RESULTS / "under-way" / f"{name}-{form}.jsonl"
    if kept is not None and (anew or form is not Form.FULL):
        kept.unlink(missing_ok=True)
    began = time.monotonic()
    console.print(f"[bold]{name}[/], {form} form")
    bench = Bench(
        form,
        contestants,
        servers,
        tell=lambda line: console.print(f"  {line}", highlight=False, markup=False),
        kept=kept,
    )
    result = asyncio.run(scenario.run(bench))
    report.show(console, result)
    console.print(f"{name} took {time.monotonic() - began:.0f} s")
    if only is None:
        report.keep(result, machine.describe())
        report.write_page()
        if kept is not None:
            kept.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
