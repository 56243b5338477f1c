"""Row accounting: every row that was read ends in exactly one class, or nothing is merged (promise P3)."""

from dataclasses import dataclass

from cdr_pipeline.errors import UnbalancedBatch


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Rows of one batch by class: ``read = merged + unchanged + duplicate + rejected + filtered``.

    Attributes:
        read: rows (API) or logical lines (files) that came in.
        inserted: records new to the warehouse.
        updated: records that were there and now differ.
        unchanged: records that were there and are equal.
        duplicate: rows whose record stands in the same batch already.
        rejected: rows refused with a reason.
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
        """Records that the batch put into the warehouse, new or changed."""
        return self.inserted + self.updated

    @property
    def accounted(self) -> int:
        """Rows that ended in a class."""
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

    def require_balance(self, what: str) -> None:
        """Raises UnbalancedBatch when rows read and rows accounted for differ. ``what`` names the batch."""
        if self.read != self.accounted:
            raise UnbalancedBatch(
                f"{what}: {self.read} rows read but {self.accounted} accounted for; nothing was merged",
                hint="this is a fault of the program: please report it with the input file",
            )
