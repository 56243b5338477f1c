"""Whether a day has about as many records as the account's days usually have.

A switch of this family may answer "no rows" where its database failed; the only sign is a day that is emptier than
it should be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Final, Literal

Verdict = Literal["usual", "thin", "empty", "unknown"]
_WEEKS: Final = 4
# A day below this share of the usual one is thin; an account with fewer rows than this is never judged: chance rules.
_THIN_SHARE: Final = 0.3
_BUSY_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class Volume:
    """A day's records beside what is usual.

    Attributes:
        rows: the switch's records of the day.
        usual_rows: median of the same weekday in the four weeks before; None without any of them.
        verdict: ``usual``; ``thin`` or ``empty`` where far more is usual; ``unknown`` without comparison.
    """

    rows: int
    usual_rows: int | None
    verdict: Verdict

    @property
    def suspicious(self) -> bool:
        """Whether a person should look before the day is trusted."""
        return self.verdict in ("thin", "empty")


def compared_days(business_date: date) -> list[date]:
    """The same weekday in the four weeks before."""
    return [business_date - timedelta(weeks=number) for number in range(1, _WEEKS + 1)]


def judge_volume(rows: int, earlier: Sequence[int]) -> Volume:
    """A day's volume, judged by those of the days it is compared with.

    Args:
        rows: of the day.
        earlier: of each compared day that was collected whole.
    """
    if not earlier:
        return Volume(rows, None, "unknown")
    usual = round(median(earlier))
    if usual < _BUSY_ROWS or rows >= usual * _THIN_SHARE:
        return Volume(rows, usual, "usual")
    return Volume(rows, usual, "thin" if rows else "empty")
