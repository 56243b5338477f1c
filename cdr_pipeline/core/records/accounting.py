"""Row accounting: every row that is read falls into exactly one class, or the batch is not merged (promise P3)."""

from dataclasses import dataclass

from cdr_pipeline.errors import UnbalancedBatch


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Rows of one batch by class: ``read = merged + unchanged + duplicate + rejected + filtered``.

    Attributes:
        read: rows (API) or logical lines (files) in the batch.
        inserted: records that are new to the warehouse.
        updated: records that the warehouse has with other values.
        unchanged: records that the warehouse has with the same values.
        duplicate: surplus rows of records that occur more than once in the batch.
        rejected: rows that are rejected with a reason code.
        filtered: lines that are not records (header, type row, blank).
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    rejected: int = 0
    filtered: int = 0

    @property
    def merged(self) -> int:
        """Records that the batch inserts or updates."""
        return self.inserted + self.updated

    @property
    def accounted(self) -> int:
        """Sum of all classes; equals ``read`` when the batch balances."""
        return self.merged + self.unchanged + self.duplicate + self.rejected + self.filtered

    def __add__(self, other: "BatchCounts") -> "BatchCounts":
        return BatchCounts(
            self.read + other.read,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
            self.filtered + other.filtered,
        )

    def require_balance(self, batch: str) -> None:
        """Checks that every row read is accounted for.

        Args:
            batch: name of the batch in the error text.

        Raises:
            UnbalancedBatch: rows read and rows accounted for differ.
        """
        if self.read != self.accounted:
            raise UnbalancedBatch(
                f"{batch}: {self.read} rows read but {self.accounted} accounted for; nothing was merged",
                hint="this is a bug in cdr-pipeline: report it with the input file",
            )
