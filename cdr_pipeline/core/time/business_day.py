"""Business days: calendar days of an account's time zone, 23, 24 or 25 hours long."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_bounds(business_date: date, time_zone: str) -> tuple[datetime, datetime]:
    """First instant of a local day and of the next one, UTC: a half-open interval; days tile time without gap.

    Where midnight does not exist because clocks are put forward over it, the day begins when the clock first shows it;
    a day that a zone left out (Samoa, 30 December 2011) is empty. Where clocks went back over midnight and the date
    with them (Newfoundland until 2010), the day that had begun keeps the hour; no zone has done so since.

    Raises:
        ZoneInfoNotFoundError: no such time zone.
    """
    return _first_instant(business_date, time_zone), _first_instant(business_date + timedelta(days=1), time_zone)


def _first_instant(day: date, time_zone: str) -> datetime:
    zone = ZoneInfo(time_zone)
    midnight = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    if midnight.astimezone(zone).date() == day and midnight.astimezone(zone).time() == time():
        return midnight
    # Midnight falls into a gap: fold=0 reads it with the offset before the change, which lands after the gap's end.
    before = datetime.combine(day, time(), tzinfo=zone).replace(fold=1).astimezone(UTC)
    return _change_between(min(before, midnight), max(before, midnight), zone)


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The instant in (low, high] at which the zone's offset changes."""
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high
