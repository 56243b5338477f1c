"""Evidence for the zone of local times: epochs in another column of the same rows, such as a unique id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cdr_pipeline.sources.uploads.drafting.columns.time_formats import epoch_in, read_times

# Zones that are proposed if they fit, most usual first.
_PROPOSED: Final = (
    "UTC", "Europe/London", "Europe/Berlin", "Europe/Helsinki", "Europe/Moscow", "America/New_York", "America/Chicago",
    "America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Sao_Paulo", "America/Bogota",
    "Africa/Johannesburg", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata", "Asia/Dhaka", "Asia/Bangkok",
    "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip
_QUARTER: Final = timedelta(minutes=15)
_MOST_HOURS: Final = 14
_ENOUGH: Final = 0.9


@dataclass(frozen=True, slots=True)
class ZoneEvidence:
    """Local times and the instants that the same rows state.

    Attributes:
        column: column with the epochs.
        times: local times with their distance from UTC, in quarters of an hour.
    """

    column: str
    times: tuple[tuple[datetime, timedelta], ...]

    @property
    def text(self) -> str:
        """The evidence as the end of a sentence."""
        hours = sorted({offset.total_seconds() / 3600 for _, offset in self.times})
        listed = " or ".join(f"{hour:+g} h" for hour in hours)
        return f"compared with the epochs in {self.column}, the times are at UTC {listed}"

    @property
    def zones(self) -> tuple[str, ...]:
        """Usual zones that fit."""
        return tuple(zone for zone in _PROPOSED if self.fits(zone))

    def fits(self, zone: str) -> bool:
        """Whether a zone has this distance from UTC at each of the times."""
        place = ZoneInfo(zone)
        return all(time.replace(tzinfo=place).utcoffset() == offset for time, offset in self.times)


def zone_evidence(layout: str, texts: Sequence[str], others: Mapping[str, Sequence[str]]) -> ZoneEvidence | None:
    """The first column whose epochs differ from the local times by one offset, or by two with summer time.

    Args:
        layout: format of the local times.
        texts: local times.
        others: other columns of the same rows.
    """
    for name, values in others.items():
        rows = [(text, epoch_in(value)) for text, value in zip(texts, values, strict=True) if text]
        known = [(text, epoch) for text, epoch in rows if epoch is not None]
        if not known or len(known) < len(rows) * _ENOUGH:
            continue
        times = tuple(
            (time, round((time - epoch) / _QUARTER) * _QUARTER)
            for time, (_, epoch) in zip(read_times([text for text, _ in known], "", [layout]), known, strict=True)
            if time is not None
        )
        offsets = {offset for _, offset in times}
        if offsets and len(offsets) <= 2 and all(abs(offset) <= timedelta(hours=_MOST_HOURS) for offset in offsets):  # noqa: PLR2004 - with summer time
            return ZoneEvidence(name, times)
    return None
