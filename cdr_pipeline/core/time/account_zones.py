"""The zones in which an account's days lie, where it has moved from one to another: past days keep theirs."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from cdr_pipeline.core.time.business_day import day_bounds


@dataclass(frozen=True, slots=True)
class EarlierZone:
    """The zone of the days before a date."""

    time_zone: str
    until: date


@dataclass(frozen=True, slots=True)
class AccountZones:
    """The zone of every day of an account.

    A day lasts from its first instant in its own zone to that of the next day in the next day's zone: the last day
    before a move is shorter or longer, and days still tile time.

    Attributes:
        time_zone: of the days that no earlier one is for.
        earlier: by their dates, oldest first.
    """

    time_zone: str
    earlier: tuple[EarlierZone, ...] = ()

    def on(self, day: date) -> str:
        """The zone of a day."""
        return next((zone.time_zone for zone in self.earlier if day < zone.until), self.time_zone)

    def bounds(self, day: date) -> tuple[datetime, datetime]:
        """First instant of a day and of the next one, UTC."""
        following = day + timedelta(days=1)
        first, end = day_bounds(day, self.on(day))[0], day_bounds(following, self.on(following))[0]
        # Whoever moves over the date line may leave a day out.
        return first, max(first, end)

    def business_date(self, moment: pl.Expr) -> pl.Expr:
        """The day in whose bounds an instant lies."""
        found = _date_in(moment, self.time_zone)
        for zone in reversed(self.earlier):
            moved, _ = day_bounds(zone.until, self.on(zone.until))
            last = pl.lit(zone.until - timedelta(days=1))
            found = (
                pl.when(moment < moved).then(pl.min_horizontal(_date_in(moment, zone.time_zone), last)).otherwise(found)
            )
        return found


def _date_in(moment: pl.Expr, time_zone: str) -> pl.Expr:
    return moment.dt.convert_time_zone(time_zone).dt.date()
