"""Time zones of an account over time. After a change of the zone, past days keep their former zone."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from cdr_pipeline.core.time.business_day import day_bounds

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class EarlierZone:
    """The zone of the days before a date.

    Attributes:
        time_zone: IANA zone.
        until: first date that no longer has this zone.
    """

    time_zone: str
    until: date


@dataclass(frozen=True, slots=True)
class AccountZones:
    """The zone of every day of an account.

    A day lasts from its first instant in its own zone to the first instant of the next day in the zone of that day. The
    last day before a change of the zone is shorter or longer than usual, and no instant is in two days or in none.

    Attributes:
        time_zone: IANA zone of the days after all earlier zones.
        earlier: earlier zones, oldest first.
    """

    time_zone: str
    earlier: tuple[EarlierZone, ...] = ()

    def on(self, day: date) -> str:
        """IANA zone of a day."""
        return next((zone.time_zone for zone in self.earlier if day < zone.until), self.time_zone)

    def bounds(self, day: date) -> tuple[datetime, datetime]:
        """First instant of a day and of the next day, UTC."""
        following = day + timedelta(days=1)
        first, end = day_bounds(day, self.on(day))[0], day_bounds(following, self.on(following))[0]
        # An account that moves across the date line may skip a day; that day is empty.
        return first, max(first, end)

    def business_date(self, moment: "pl.Expr") -> "pl.Expr":
        """Business date of an instant."""
        import polars as pl  # noqa: PLC0415 - slow to import, and lists of accounts do not need it

        day = _date_in(moment, self.time_zone)
        for zone in reversed(self.earlier):
            changed_at, _ = day_bounds(zone.until, self.on(zone.until))
            last = pl.lit(zone.until - timedelta(days=1))
            day = (
                pl.when(moment < changed_at)
                .then(pl.min_horizontal(_date_in(moment, zone.time_zone), last))
                .otherwise(day)
            )
        return day


def _date_in(moment: "pl.Expr", time_zone: str) -> "pl.Expr":
    return moment.dt.convert_time_zone(time_zone).dt.date()
