"""Help is quick because it loads little, and the command line keeps its manners: exit codes, versions, no tracebacks."""

import subprocess
import sys

import pytest

from hayon import __version__
from tests.cli.conftest import Run

HEAVY = {
    "sqlalchemy",
    "alembic",
    "fastapi",
    "starlette",
    "uvicorn",
    "aiohttp",
    "aio_pika",
    "PIL",
    "cryptography",
    "jinja2",
}
WHAT_IS_LOADED = """
import sys
from hayon.cli import main
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
sys.stderr.write(" ".join(sys.modules))
"""


def _loaded(script: str, *arguments: str) -> set[str]:
    ended = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return set(ended.stderr.split())


@pytest.mark.parametrize(
    "asked",
    [["--help"], ["--version"], ["serve", "--help"], ["posts", "create", "--help"], ["broker", "setup", "--help"]],
)
def test_asking_for_help_loads_neither_database_nor_web(asked: list[str]) -> None:
    assert not {name.partition(".")[0] for name in _loaded(WHAT_IS_LOADED, *asked)} & HEAVY


def test_help_loads_but_a_part_of_what_serving_loads() -> None:
    help_loads = len(_loaded(WHAT_IS_LOADED, "--help"))
    serving_loads = len(_loaded("import sys, hayon.web.app; sys.stderr.write(' '.join(sys.modules))"))
    assert help_loads < serving_loads / 2


def test_help_names_every_command(hayon: Run) -> None:
    said = hayon("--help")
    assert said.code == 0
    for command in (
        "serve",
        "demo",
        "sandbox",
        "migrate",
        "doctor",
        "posts",
        "parking",
        "dead-letters",
        "broker",
        "media",
    ):
        assert f" {command} " in said.out
    for command in ("create", "list", "show", "cancel", "retry"):
        assert f" {command} " in hayon("posts", "--help").out
    for group in ("parking", "dead-letters"):
        assert all(f" {command} " in hayon(group, "--help").out for command in ("list", "replay", "discard"))
    assert all(f" {command} " in hayon("broker", "--help").out for command in ("setup", "verify", "migrate"))


def test_the_exit_codes_of_waiting_are_documented(hayon: Run) -> None:
    words = " ".join(hayon("posts", "create", "--help").out.split())
    assert "0 published everywhere; 3 on some accounts only; 4 on none; 5 not known yet" in words


def test_the_version_is_told(hayon: Run) -> None:
    assert hayon("--version").out == f"hayon {__version__}\n"


@pytest.mark.parametrize(
    "asked", [["publish"], ["serve", "--colour"], ["serve", "--port", "many"], ["sandbox", "--limits", "some"]]
)
def test_what_is_asked_in_a_wrong_way_ends_with_2(hayon: Run, asked: list[str]) -> None:
    said = hayon(*asked)
    assert said.code == 2
    assert "Usage" in said.err


@pytest.mark.parametrize("command", [["serve"], ["demo"], ["sandbox"], ["migrate"], ["posts", "list"]])
def test_a_setting_that_cannot_be_read_is_named(hayon: Run, command: list[str]) -> None:
    said = hayon(*command, LEASE="soon")
    assert said.code == 1
    assert said.err.startswith("HAYON_LEASE does not work with 'soon'")
    assert said.err.count("\n") == 1
