"""The charts of the last day: well-formed, within their frame, without styles, and every number said in words."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from hayon.store.last_day import HOURS, Hour
from hayon.web.charts import HEIGHT, WIDTH, draw_lateness, draw_outcomes, lasting

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
UTC_ZONE, KOLKATA = ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")


def day(**of: Hour) -> list[Hour]:
    """24 hours, of which those named by "h<hours after the first>" are as given."""
    return [of.get(f"h{number}", Hour(START + timedelta(hours=number))) for number in range(HOURS)]


def busy(**numbers: float) -> Hour:
    return Hour(START, **numbers)  # type: ignore[arg-type]  # the fields by their names


DAYS = {
    "nothing": day(),
    "one": day(h3=busy(completed=1, taken=1, median=0.0, most=0.0, latest=0.0)),
    "many": day(
        h0=busy(completed=50_000), h5=busy(failed=7, unconfirmed=1, taken=40, median=1.5, most=70.0, latest=86_400.0 * 9),
        h23=busy(completed=999, failed=1, taken=3, median=0.01, most=0.2, latest=1.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", DAYS)
@pytest.mark.parametrize("draw", [draw_outcomes, draw_lateness])
def test_a_chart_is_a_drawing_within_its_frame(which: str, draw: object) -> None:
    drawn = str(draw(DAYS[which], KOLKATA))  # type: ignore[operator]  # either of two drawings
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own words
    assert root.get("role") == "img"
    named = {one.get("id"): one.text for one in root.iter() if one.get("id")}
    assert all(named[one] for one in str(root.get("aria-labelledby")).split(" "))
    assert not {"style", "onload"} & {name for one in root.iter() for name in one.attrib}
    for one in root.iter("rect"):
        if one.get("class") == "hatch":
            continue
        x, y, width, height = (float(str(one.get(name))) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + width <= WIDTH
        assert 0 <= y <= y + height <= HEIGHT + 0.1
        assert height >= 0
    assert len(root.findall("g")) == HOURS


def test_bars_stand_on_one_another_and_say_their_numbers() -> None:
    drawn = str(draw_outcomes(day(h5=busy(completed=6, failed=3, unconfirmed=1)), UTC_ZONE))
    bars = re.findall(
        r'<rect class="(completed|failed|unconfirmed)" x="([\d.]+)" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"',
        drawn,
    )
    assert [kind for kind, *_ in bars] == ["completed", "failed", "unconfirmed"]
    assert len({x for _, x, *_ in bars}) == 1
    tops, heights = [float(one[2]) for one in bars], [float(one[3]) for one in bars]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert tops[0] == pytest.approx(tops[1] + heights[1], abs=0.2)
    assert "6 published, 3 not published, 1 unknown" in drawn
    assert "In the last 24 hours: 6 published, 3 not published, 1 unknown." in drawn


def test_later_is_higher_whatever_the_scale() -> None:
    drawn = str(draw_lateness(day(h1=busy(taken=9, median=2.0, most=30.0, latest=4_000.0)), UTC_ZONE))
    (median,) = re.findall(r'<circle class="median" cx="[\d.]+" cy="([\d.]+)"', drawn)
    (most,) = re.findall(r'<path class="most" d="M[\d.]+ ([\d.]+)l', drawn)
    (latest,) = re.findall(r'<rect class="latest" x="[\d.]+" y="([\d.]+)"', drawn)
    assert float(median) > float(most) > float(latest)
    assert "half within 2.0 s, 19 of 20 within 30 s, the latest after 67 min" in drawn
    assert "nothing was taken in hand" in drawn


def test_times_are_those_of_the_readers_zone() -> None:
    assert "From 12:00" in draw_outcomes(day(), UTC_ZONE)
    assert "From 17:30" in draw_outcomes(day(), KOLKATA)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "none"), (0, "0.0 s"), (0.25, "0.2 s"), (9.96, "10.0 s"), (42, "42 s"), (99.4, "99 s"), (150, "2.5 min"),
     (5_900, "98 min"), (7_200, "2.0 h"), (200_000, "56 h"), (864_000, "10.0 days")],
)  # fmt: skip
def test_a_length_of_time_has_the_unit_that_fits(seconds: float | None, words: str) -> None:
    assert lasting(seconds) == words
