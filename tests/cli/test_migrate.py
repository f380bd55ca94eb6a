"""`hayon migrate` brings a database of either kind to its newest shape, and says from what to what."""

from pathlib import Path

from hayon.store.migrate import find_difference, newest
from tests.cli.conftest import Run
from tests.servers.ports import free_port


async def test_it_says_from_what_to_what(hayon: Run, database_url: str) -> None:
    first = hayon("migrate", DATABASE_URL=database_url)
    assert (first.code, first.out) == (0, f"The database had no tables. It has shape {newest()} now.\n")
    assert await find_difference(database_url) == []

    again = hayon("migrate", DATABASE_URL=database_url)
    assert (again.code, again.out) == (0, f"The database has shape {newest()}, the newest. Nothing had to change.\n")


def test_without_a_database_url_it_is_the_data_folders_own(hayon: Run, tmp_path: Path) -> None:
    assert hayon("migrate").code == 0
    assert (tmp_path / "data" / "hayon.db").exists()


def test_a_database_that_does_not_answer_is_a_sentence(hayon: Run) -> None:
    said = hayon("migrate", DATABASE_URL=f"postgresql://somebody:hidden@127.0.0.1:{free_port()}/hayon")
    assert said.code == 1
    assert said.err.startswith("The database did not answer")
    assert "hidden" not in said.err + said.out
