"""Compares the number of records of a day with the usual number for the account.

A Kazoo switch may return no rows when its database has failed. A day with far fewer records than usual is the only
sign of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

Verdict = Literal["usual", "thin", "empty", "unknown"]
_WEEKS: Final = 4
# A day with less than this share of the usual number of records is thin. Accounts with fewer usual records than the
# second number are not judged, because their days differ by chance.
_THIN_SHARE: Final = 0.3
_BUSY_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class Volume:
    """Number of records of a day, compared with the usual number.

    Attributes:
        rows: number of the switch's records of the day.
        usual_rows: median number of records of the same weekday in the four weeks before; None when none of these days
            was collected.
        verdict: ``usual``; ``thin`` or ``empty`` if far more records are usual; ``unknown`` without earlier days.
    """

    rows: int
    usual_rows: int | None
    verdict: Verdict

    @property
    def suspicious(self) -> bool:
        """Whether a person should look before the day is trusted."""
        return self.verdict in ("thin", "empty")


def compared_days(business_date: date) -> list[date]:
    """Dates of the same weekday in the four weeks before."""
    return [business_date - timedelta(weeks=number) for number in range(1, _WEEKS + 1)]


def judge_volume(rows: int, earlier: Sequence[int]) -> Volume:
    """Compares the number of records of a day with those of earlier days.

    Args:
        rows: number of records of the day.
        earlier: number of records of each compared day that was collected completely.
    """
    from statistics import median  # noqa: PLC0415 - slow to import, and most users of this module judge nothing

    if not earlier:
        return Volume(rows, None, "unknown")
    usual = round(median(earlier))
    if usual < _BUSY_ROWS or rows >= usual * _THIN_SHARE:
        return Volume(rows, usual, "usual")
    return Volume(rows, usual, "thin" if rows else "empty")
