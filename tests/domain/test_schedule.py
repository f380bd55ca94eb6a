"""Wall-clock times: offsets, zones, the hours that are skipped or doubled."""

from datetime import UTC, datetime

import pytest

from hayon.domain.schedule import read_schedule
from hayon.errors import Problem

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-03-02T10:00:00Z", "Europe/Berlin", datetime(2026, 3, 2, 10, 0, tzinfo=UTC)),
        ("2026-03-02T10:00", "Europe/Berlin", datetime(2026, 3, 2, 9, 0, tzinfo=UTC)),
        ("2026-03-02T10:00", "Asia/Kolkata", datetime(2026, 3, 2, 4, 30, tzinfo=UTC)),
        ("2026-03-29T03:00", "Europe/Berlin", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        ("2026-10-25T02:30+01:00", "Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-03-01T11:59:30Z", "UTC", None),
        (None, "UTC", None),
    ],
)
def test_read(text: str | None, zone: str, expected: datetime | None) -> None:
    assert read_schedule(text, zone, NOW) == expected


@pytest.mark.parametrize(
    ("text", "zone", "rule", "says"),
    [
        ("2026-03-29T02:30", "Europe/Berlin", "skipped_hour", "does not exist in Europe/Berlin"),
        (
            "2026-10-25T02:30",
            "Europe/Berlin",
            "doubled_hour",
            "2026-10-25T02:30+02:00 (00:30 UTC) or 2026-10-25T02:30+01:00 (01:30 UTC)",
        ),
        ("2026-03-01T11:58:59Z", "UTC", "past", "is past"),
        ("2033-01-01T00:00Z", "UTC", "too_far", "five years"),
        ("next Tuesday", "UTC", "not_a_time", "is no time"),
        ("9999-12-31T23:59", "America/Los_Angeles", "too_far", "beyond any calendar"),
        ("2026-03-02T10:00", "Mars/Olympus", "unknown_timezone", "Mars/Olympus"),
        ("2026-03-02T10:00", "../../etc/passwd", "unknown_timezone", "no time zone"),
        ("2026-03-02T10:00", "", "unknown_timezone", "no time zone"),
    ],
)
def test_refused_in_words(text: str, zone: str, rule: str, says: str) -> None:
    found = read_schedule(text, zone, NOW)
    assert isinstance(found, Problem)
    assert found.rule == rule
    assert says in found.message
