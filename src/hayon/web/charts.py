"""The charts of the last day as inline SVG: numbers become rectangles and words. Nothing is read or decided here.

Each bar says its numbers to whoever points at it, and the same stands in a table beneath: no colour tells anything alone.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from hayon.store.last_day import Hour

WIDTH, HEIGHT = 480, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 6, 10, 26
STEP = (WIDTH - LEFT - RIGHT) / 24
BAR = STEP - 4
FLOOR = HEIGHT - BOTTOM
LABELLED = 6
"""Every so many hours the axis says the time."""
CALM_SECONDS = 0.1
"""Nothing is drawn below this: whoever is taken in hand so soon was not late."""
GRADES = (
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (600.0, "10 min"),
    (3_600.0, "1 h"),
    (36_000.0, "10 h"),
    (360_000.0, "100 h"),
)


def draw_outcomes(hours: Sequence[Hour], zone: ZoneInfo) -> Markup:
    """Stacked bars: published, failed, unknown."""
    most = max((one.completed + one.failed + one.unconfirmed for one in hours), default=0)
    top = _round_up(most)

    def height(count: int) -> float:
        return (FLOOR - TOP) * count / top

    drawn: list[Markup] = [_line(FLOOR - height(count), f"{count:,}") for count in sorted({0, top // 2, top})]
    for number, hour in enumerate(hours):
        y, parts = float(FLOOR), []
        for kind, count in (("completed", hour.completed), ("failed", hour.failed), ("unconfirmed", hour.unconfirmed)):
            y -= height(count)
            if count:
                parts.append(_rect(_x(number), y, BAR, height(count), kind))
        drawn.append(_group(number, _span(hour, zone) + ": " + say_outcomes(hour), parts))
    drawn.append(_times(hours, zone))
    return _chart("outcomes", "What came of it, by the hour", _sum_up_outcomes(hours), drawn)


def draw_lateness(hours: Sequence[Hour], zone: ZoneInfo) -> Markup:
    """For each hour a line from the median to the latest, on a scale where every step is ten times the one before."""
    latest = max((one.latest or 0.0 for one in hours), default=0.0)
    top = next((seconds for seconds, _ in GRADES if seconds >= latest), latest)

    def y(seconds: float) -> float:
        share = math.log(max(seconds, CALM_SECONDS) / CALM_SECONDS) / math.log(top / CALM_SECONDS)
        return FLOOR - (FLOOR - TOP) * min(1.0, share)

    drawn: list[Markup] = [_line(FLOOR, "0.1 s"), *(_line(y(at), word) for at, word in GRADES if at <= top)]
    for number, hour in enumerate(hours):
        parts = []
        if hour.median is not None and hour.most is not None and hour.latest is not None:
            x, middle = _x(number), _x(number) + BAR / 2
            parts = [
                _rect(middle - 1, y(hour.latest), 2, max(1.0, y(hour.median) - y(hour.latest)), "span"),
                Markup('<path class="most" d="M{} {}l5 5l-5 5l-5-5z"/>').format(_n(middle), _n(y(hour.most) - 5)),
                Markup('<circle class="median" cx="{}" cy="{}" r="3.5"/>').format(_n(middle), _n(y(hour.median))),
                _rect(x, y(hour.latest) - 1, BAR, 2, "latest"),
            ]
        drawn.append(_group(number, _span(hour, zone) + ": " + say_lateness(hour), parts))
    drawn.append(_times(hours, zone))
    return _chart("lateness", "How late workers took targets in hand, by the hour", _sum_up_lateness(hours), drawn)


def say_outcomes(hour: Hour) -> str:
    """The numbers of one hour in words."""
    return f"{hour.completed:,} published, {hour.failed:,} not published, {hour.unconfirmed:,} unknown"


def say_lateness(hour: Hour) -> str:
    """The lateness of one hour in words."""
    if hour.median is None or hour.most is None or hour.latest is None:
        return "nothing was taken in hand"
    return f"half within {lasting(hour.median)}, 19 of 20 within {lasting(hour.most)}, the latest after {lasting(hour.latest)}"


def lasting(seconds: float | None) -> str:
    """A length of time in the unit that fits it."""
    if seconds is None:
        return "none"
    for unit, word, below in ((1, "s", 100.0), (60, "min", 100 * 60.0), (3_600, "h", 72 * 3_600.0)):
        if seconds < below:
            shown = seconds / unit
            return f"{shown:.1f} {word}" if shown < 10 else f"{shown:.0f} {word}"
    return f"{seconds / 86_400:.1f} days"


def _chart(name: str, title: str, told: str, drawn: Iterable[Markup]) -> Markup:
    hatch = Markup(
        '<defs><pattern id="{0}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="hatch" width="2.5" height="5"/></pattern></defs>'
    ).format(name)
    return Markup(
        '<svg class="chart {0}" viewBox="0 0 {1} {2}" role="img" aria-labelledby="{0}-title {0}-told">'
        '<title id="{0}-title">{3}</title><desc id="{0}-told">{4}</desc>{5}{6}</svg>'
    ).format(name, WIDTH, HEIGHT, title, told, hatch if name == "outcomes" else "", Markup("").join(drawn))


def _group(number: int, words: str, parts: Iterable[Markup]) -> Markup:
    """The marks of an hour, with a field over its whole height that says its numbers to a pointer."""
    field = _rect(LEFT + number * STEP, TOP, STEP, FLOOR - TOP, "field")
    return Markup("<g><title>{}</title>{}{}</g>").format(words, field, Markup("").join(parts))


def _rect(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    fill = Markup(' fill="url(#outcomes-hatch)"') if kind == "failed" else ""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"{}/>').format(
        kind, _n(x), _n(y), _n(width), _n(height), fill
    )


def _line(y: float, word: str) -> Markup:
    return Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text x="{3}" y="{4}" text-anchor="end">{5}</text>').format(
        LEFT, WIDTH - RIGHT, _n(y), LEFT - 6, _n(y + 4), word
    )  # fmt: skip


def _times(hours: Sequence[Hour], zone: ZoneInfo) -> Markup:
    labelled = [(number, hour) for number, hour in enumerate(hours) if (len(hours) - 1 - number) % LABELLED == 0]
    say: Callable[[datetime], str] = lambda at: f"{at.astimezone(zone):%H:%M}"  # noqa: E731 - a word for one line
    return Markup("").join(
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            _n(min(_x(number) + BAR / 2, WIDTH - 22)), HEIGHT - 8, say(hour.begins_at)
        )
        for number, hour in labelled
    )


def _span(hour: Hour, zone: ZoneInfo) -> str:
    return f"From {hour.begins_at.astimezone(zone):%H:%M}"


def _sum_up_outcomes(hours: Sequence[Hour]) -> str:
    whole = Hour(
        hours[0].begins_at, sum(one.completed for one in hours), sum(one.failed for one in hours),
        sum(one.unconfirmed for one in hours),
    )  # fmt: skip
    return f"In the last 24 hours: {say_outcomes(whole)}."


def _sum_up_lateness(hours: Sequence[Hour]) -> str:
    taken = [one for one in hours if one.latest is not None]
    if not taken:
        return "Nothing was taken in hand in the last 24 hours."
    worst = max(taken, key=lambda one: one.latest or 0.0)
    return (
        f"In {len(taken)} of {len(hours)} hours something was taken in hand; the latest after {lasting(worst.latest)}."
    )


def _round_up(count: int) -> int:
    """The top of the scale: an even number that is easily read."""
    if count <= 4:
        return 4
    grade = int(10 ** (len(str(count)) - 1))
    return next(grade * tenths // 10 for tenths in (10, 20, 40, 60, 80, 100) if grade * tenths // 10 >= count)


def _x(number: int) -> float:
    return LEFT + number * STEP + (STEP - BAR) / 2


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
