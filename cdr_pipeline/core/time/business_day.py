"""Business days: calendar days of an account's time zone, 23, 24 or 25 hours long."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_bounds(business_date: date, time_zone: str) -> tuple[datetime, datetime]:
    """First instant of a local day and of the next day, UTC: a half-open interval. Days follow each other without gap.

    If clocks are put forward over midnight, the day begins at the first instant that local clocks show for it. A day
    that a zone skipped (Samoa, 30 December 2011) is empty. If clocks went back over midnight (Newfoundland until 2010),
    the repeated hour is part of the new day; no zone has done so since.

    Raises:
        ZoneInfoNotFoundError: the time zone does not exist.
    """
    return _first_instant(business_date, time_zone), _first_instant(business_date + timedelta(days=1), time_zone)


def _first_instant(day: date, time_zone: str) -> datetime:
    zone = ZoneInfo(time_zone)
    midnight = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    if midnight.astimezone(zone).date() == day and midnight.astimezone(zone).time() == time():
        return midnight
    # Midnight is in a gap: fold=0 applies the offset before the change, which results in an instant after the gap.
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
