"""The command line as people use it, through its door `main()`, with an environment that holds only what is given."""

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hayon.cli import main

COMMAND = (sys.executable, "-m", "hayon.cli")


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def hayon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one command to its end. The data folder is `tmp_path / "data"`; further settings by name: `hayon("doctor", PORT=1)`."""
    # tables as wide as they need: what is tested is what they say
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HAYON_")} | {"COLUMNS": "200"}

    def run(*arguments: object, stdin: str = "", **settings: object) -> Said:
        given = {"DATA_DIR": tmp_path / "data", "BLUESKY_URL": "http://127.0.0.1:9"} | settings
        surroundings = plain | {f"HAYON_{name}": str(value) for name, value in given.items()}
        said: list[Said] = []
        with monkeypatch.context() as patch:
            patch.setattr(os, "environ", surroundings)
            patch.setattr(sys, "argv", ["hayon", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            # a thread of its own: a command makes an event loop, and tests may run in one
            thread = threading.Thread(target=lambda: said.append(_ended()))
            thread.start()
            thread.join()
        return said[0]

    return run


def _ended() -> Said:
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as left:
            code = left.code
    return Said(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, as HAYON_DATABASE_URL takes it."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'data' / 'hayon.db'}"
