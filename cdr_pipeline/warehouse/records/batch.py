"""Identity of a batch, and the result of loading it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

from cdr_pipeline.core.records.accounting import BatchCounts

BatchKind = Literal["window", "upload"]
_ORIGINS: Final[dict[BatchKind, str]] = {"window": "api", "upload": "imported"}


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """Origin and identity of a batch.

    Attributes:
        account_id: account that owns the records.
        batch_id: id of the load.
        kind: ``window`` of the switch's API, or ``upload`` of a file.
        source: landing path of a window, id of an upload.
        business_date: day for which the window was collected; None for an upload.
        run_id: run of the orchestrator, if any.
        now: time of the load, UTC; timestamp of every change it makes.
    """

    account_id: str
    batch_id: UUID
    kind: BatchKind
    source: str
    now: datetime
    business_date: date | None = None
    run_id: str | None = None

    @property
    def origin(self) -> str:
        """Origin of the batch's records."""
        return _ORIGINS[self.kind]


@dataclass(frozen=True, slots=True)
class LoadedBatch:
    """Result of a load.

    Attributes:
        counts: rows by class; they add up to the rows read.
        touched: business dates whose records changed.
    """

    counts: BatchCounts
    touched: frozenset[date]
