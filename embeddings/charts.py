"""Line charts as plain numbers for an SVG: scales, ticks and paths. Pure functions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 400, 160
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 10, 24
_STEPS = (1, 2, 2.5, 5, 10)
_TIME_STEPS = [
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(days=1),
    timedelta(days=2),
    timedelta(days=7),
]

Value = float | None


@dataclass(frozen=True)
class Tick:
    """A line of the grid, with its place in the SVG."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """One line over time, ready for a template."""

    path: str
    area: str
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def line_chart(
    points: Sequence[tuple[datetime, Value]],
    start: datetime,
    end: datetime,
    step: timedelta,
    label: Callable[[float], str],
    tops: Sequence[float] = (),
) -> Chart:
    """Chart values from `start` to `end`; None is drawn as 0, and a step without a point is a gap in the line.

    The axis ends at the first of `tops` that is high enough, or else at a round number.
    """
    highest = max((value or 0.0 for _, value in points), default=0.0)
    top = next((top for top in tops if top >= highest), None) or nice_top(highest)
    span = (end - start).total_seconds()

    def x(at: datetime) -> float:
        share = (at - start).total_seconds() / span
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: Value) -> float:
        return round(HEIGHT - BOTTOM - (value or 0.0) / top * (HEIGHT - TOP - BOTTOM), 1)

    runs = [[(x(at), y(value)) for at, value in run] for run in _runs(points, step)]
    return Chart(
        path=" ".join(_line(run) for run in runs),
        area=" ".join(f"{_line(run)} V{y(0)} H{run[0][0]} Z" for run in runs),
        y_ticks=[Tick(y(top * part / 4), label(top * part / 4)) for part in (0, 2, 4)],
        x_ticks=[Tick(x(at), at.strftime(_time_format(end - start))) for at in _times(start, end)],
    )


def nice_top(highest: float) -> float:
    """The least round number that is not below `highest`, at least 4."""
    if highest <= 4:
        return 4.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in _STEPS if step * power >= highest)


def _runs(points: Sequence[tuple[datetime, Value]], step: timedelta) -> list[list[tuple[datetime, Value]]]:
    """The points in groups without a gap."""
    runs: list[list[tuple[datetime, Value]]] = []
    for at, value in points:
        if runs and at - runs[-1][-1][0] <= 1.5 * step:
            runs[-1].append((at, value))
        else:
            runs.append([(at, value)])
    return runs


def _line(run: list[tuple[float, float]]) -> str:
    if len(run) == 1:  # a dot: a line of no length is drawn with round ends
        return f"M{run[0][0]} {run[0][1]} h0.1"
    return "M" + " L".join(f"{x} {y}" for x, y in run)


def _times(start: datetime, end: datetime) -> list[datetime]:
    """Round times between the two: at most eight times of day or five dates, which are wider."""
    most = 8 if _shows_hours(end - start) else 5
    step = next((step for step in _TIME_STEPS if (end - start) / step <= most), _TIME_STEPS[-1])
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + math.ceil((start - midnight) / step) * step
    return [first + number * step for number in range(int((end - first) / step) + 1)]


def _time_format(span: timedelta) -> str:
    return "%H:%M" if _shows_hours(span) else "%d %b"


def _shows_hours(span: timedelta) -> bool:
    return span <= timedelta(days=2)
