"""`python -m tests.matrix`: the crash matrix, all of it or a part; `--write` puts it into docs/crash-matrix.md."""

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.matrix import forks, page, places, playing
from tests.matrix.forks import Child, ChildFailedError
from tests.matrix.group import Ground
from tests.matrix.kinds import FEW, KINDS, Kind
from tests.servers.postgres import PostgresAddress
from tests.servers.shared import TestRun

DATABASES = ("sqlite", "postgres")


def main() -> int:
    """0 where every cell is right."""
    asked = _asked()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    chosen = _choose(asked)
    forks.freeze()
    folder = Path(tempfile.mkdtemp(prefix="hayon-matrix-"))
    run = TestRun.open()
    try:
        told, versions = _play(chosen, asked, folder, run)
    finally:
        run.close()
        if asked.keep:
            _say(f"kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - started
    if asked.write:
        _write(told, None if asked.into else seconds, versions, asked)
    if asked.told:
        asked.told.write_text(json.dumps(_as_json(told)), encoding="utf-8")
    return _sum_up(told, seconds)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.matrix", description=__doc__)
    parser.add_argument("--platform")
    parser.add_argument("--kind")
    parser.add_argument("--database", choices=DATABASES)
    parser.add_argument("--few", action="store_true", help="a representative part of the cells")
    parser.add_argument("--without", choices=("intent", "reconcile"), default="", help="take it out: cells turn red")
    parser.add_argument("--at-once", type=int, default=4, help="groups side by side")
    parser.add_argument("--write", action="store_true", help="put the table into docs/crash-matrix.md")
    parser.add_argument("--told", type=Path, help="a file for what was told, as JSON")
    parser.add_argument(
        "--into", type=Path, help="a folder for what each group told; groups that stand there are not played again"
    )
    parser.add_argument("--keep", action="store_true", help="leave the logs of all children where they are")
    return parser.parse_args()


def _write(
    told: list[dict[str, Any]], seconds: float | None, versions: dict[str, str], asked: argparse.Namespace
) -> None:
    """The page shows a whole run in which all is right; `seconds` None: it was played in more than one go."""
    if asked.platform or asked.kind or asked.database or asked.few or asked.without:
        _say("Nothing is written down: this was a part.")
    elif any("failed" in one or not all(cell["right"] for cell in one["cells"]) for one in told):
        _say("Nothing is written down: not all is right.")
    else:
        page.write(told, seconds, versions)


def _choose(asked: argparse.Namespace) -> list[tuple[Kind, str]]:
    """The groups: those asked for; of a quick run that asks for none, one of each platform."""
    whole = asked.platform is asked.kind is asked.database is None
    return [
        (kind, database) for kind in KINDS for database in DATABASES
        if asked.platform in (None, kind.platform) and asked.kind in (None, kind.name) and asked.database in (None, database)
        if not (asked.few and whole) or (kind.platform, kind.name, database) in FEW
    ]  # fmt: skip


def _play(chosen: list[Any], asked: argparse.Namespace, folder: Path, run: TestRun) -> tuple[list[Any], dict[str, str]]:
    files, media = folder / "given", folder / "media"
    files.mkdir()
    media.mkdir()
    forks.fork(lambda: places.draw_files(files), folder / "draw").wait(60)
    files_url, server = places.start_files(files, media)
    postgres = None
    if any(database == "postgres" for _, database in chosen):
        address = run.get_shared("postgres")
        postgres = PostgresAddress(port=address["port"], password=address["password"])
    made = {
        name: places.Databases.prepare(name, folder, postgres if name == "postgres" else None)
        for name in sorted({database for _, database in chosen})
    }
    try:
        told = _play_groups(chosen, asked, lambda database: Ground(
            folder, files, media, files_url, made[database], asked.few, asked.without
        ))  # fmt: skip
        return told, {name: one.version for name, one in made.items()}
    finally:
        server.kill()


def _play_groups(chosen: list[Any], asked: argparse.Namespace, ground: Any) -> list[dict[str, Any]]:
    """A few groups side by side, each in a process of its own: most of the time of each is waiting."""
    waiting, running, told = list(chosen), {}, []
    while waiting or running:
        while waiting and len(running) < asked.at_once:
            kind, database = waiting.pop(0)
            if (known := _known(asked.into, kind, database)) is not None:
                told.append(known)
                continue
            here = ground(database)
            name = here.folder / f"group-{kind.platform}-{kind.name}-{database}".replace(" ", "-")
            child = forks.fork(lambda kind=kind, here=here: playing.play(kind, here), name)
            running[child.pid] = (child, kind, database)
        ended = next((child for child, *_ in running.values() if _has_ended(child)), None)
        if ended is None and not running:
            continue
        if ended is None:
            time.sleep(0.05)
            continue
        _, kind, database = running.pop(ended.pid)
        try:
            told.append(ended.wait(0))
        except ChildFailedError as error:
            told.append({"platform": kind.platform, "kind": kind.name, "database": database, "cells": [], "played": 0, "seconds": 0.0,
                         "parts": {}, "failed": str(error)})  # fmt: skip
        else:
            if asked.into:
                _file_of(asked.into, kind, database).write_text(json.dumps(told[-1]), encoding="utf-8")
        _report(told[-1], len(told), len(chosen))
    return told


def _file_of(into: Path, kind: Kind, database: str) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    return into / f"{kind.platform}-{kind.name}-{database}.json".replace(" ", "-")


def _known(into: Path | None, kind: Kind, database: str) -> dict[str, Any] | None:
    """What an earlier run, that was stopped before its end, has told of this group."""
    if into is None or not (path := _file_of(into, kind, database)).is_file():
        return None
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return known


def _has_ended(child: Child) -> bool:
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if pid:
        child.status = status
    return bool(pid)


def _report(one: dict[str, Any], number: int, of: int) -> None:
    red = [cell for cell in one["cells"] if not cell["right"]]
    parts = ", ".join(
        f"{name} {seconds:.0f} s ({used:.0f} s at work)" for name, (seconds, used) in one["parts"].items()
    )
    _say(
        f"{number}/{of} {one['platform']} {one['kind']} on {one['database']}: {len(one['cells'])} cells ({one['played']} played), "
        f"{len(red)} red, {one['seconds']:.0f} s ({parts})"
    )
    for why in dict.fromkeys(cell["why"] for cell in red):
        _say(why)
    if "failed" in one:
        _say(f"FAILED: {one['failed']}")


def _sum_up(told: list[dict[str, Any]], seconds: float) -> int:
    cells = [cell for one in told for cell in one["cells"]]
    red = [cell for cell in cells if not cell["right"]]
    failed = [one for one in told if "failed" in one]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    _say(
        f"{len(cells)} cells ({sum(one['played'] for one in told)} played) in {len(told)} groups, {len(red)} red, "
        f"{len(failed)} groups failed, {seconds:.0f} s; a processor worked {used.ru_utime + used.ru_stime:.0f} s, "
        "PostgreSQL's own work not counted"
    )
    _say(json.dumps(_counted(cells)))
    return 1 if red or failed else 0


def _as_json(told: list[dict[str, Any]]) -> dict[str, Any]:
    named = ("platform", "kind", "database")
    return {
        "cells": [cell | {name: one[name] for name in named} for one in told for cell in one["cells"]],
        "failed": [one["failed"] for one in told if "failed" in one],
    }


def _counted(cells: list[dict[str, Any]]) -> dict[str, int]:
    signs = sorted({cell["sign"] for cell in cells})
    return {sign: sum(cell["sign"] == sign for cell in cells) for sign in signs}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
