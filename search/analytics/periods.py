"""How far back a report looks, and the steps of its charts. In the shop's time zone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils import timezone


@dataclass(frozen=True)
class Period:
    """The present hour or day, and those before it."""

    key: str
    label: str
    unit: Literal["hour", "day"]
    steps: int

    @property
    def step(self) -> timedelta:
        """Length of one step; a day on which clocks are changed is an hour off."""
        return timedelta(hours=1) if self.unit == "hour" else timedelta(days=1)

    def times(self) -> list[datetime]:
        """When each step begins, oldest first; the last one is not over yet."""
        now = timezone.localtime()
        if self.unit == "hour":
            last = now.replace(minute=0, second=0, microsecond=0)
            return [timezone.localtime(last - ago * self.step) for ago in range(self.steps - 1, -1, -1)]
        days = [now.date() - ago * self.step for ago in range(self.steps - 1, -1, -1)]
        return [timezone.make_aware(datetime(day.year, day.month, day.day)) for day in days]

    def start(self) -> datetime:
        """When the first step begins."""
        return self.times()[0]


PERIODS = {
    period.key: period
    for period in (
        Period("24h", "24 hours", "hour", 24),
        Period("7d", "7 days", "day", 7),
        Period("30d", "30 days", "day", 30),
    )
}
DEFAULT_PERIOD = PERIODS["7d"]
