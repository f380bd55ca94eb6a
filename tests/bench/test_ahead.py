"""Of whom the page says that Hayon is ahead of them. Nothing is measured here."""

from typing import Any, cast

from bench.result import Row
from bench.schedule import Case, _best_peer


class Named:
    """A contestant of which only the name counts."""

    def __init__(self, name: str) -> None:
        self.name = name


def rows(*told: tuple[str, int, float, int]) -> dict[Case, Row]:
    """Name, how many lie behind, p99 in milliseconds, how many were lost."""
    known = {name: cast("Any", Named(name)) for name, *_ in told}
    return {
        Case(known[name], behind): Row({}, [{"burst_p99": late, "lost": lost}]) for name, behind, late, lost in told
    }


def best(told: dict[Case, Row], behind: int) -> tuple[str, int, float] | None:
    found = _best_peer(told, behind)
    return None if found is None else (found[0].contestant.name, found[0].behind, found[1])


def test_who_can_have_none_behind_is_a_peer_all_the_same() -> None:
    assert best(rows(("Celery", 1000, 1955, 0), ("Taskiq", 0, 1589, 0)), 1000) == ("Taskiq", 0, 1.589)


def test_of_each_peer_the_nearest_case_counts_and_none_with_more_behind() -> None:
    told = rows(("Celery", 0, 100, 0), ("Celery", 1000, 900, 0), ("Celery", 9000, 50, 0), ("Dramatiq", 1000, 950, 0))
    assert best(told, 1000) == ("Celery", 1000, 0.9)
    assert best(told, 0) == ("Celery", 0, 0.1)


def test_who_lost_some_and_who_is_no_peer_are_not_counted() -> None:
    told = rows(("Celery", 0, 10, 1), ("Hayon 0.1.0, SQLite", 0, 5, 0), ("RabbitMQ, time to live", 0, 6, 0))
    assert best(told, 0) is None
