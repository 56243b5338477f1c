"""Rejected rows of a batch: stores them, closes those of earlier loads, and finds the days that count them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.core.fields.schemas import DAY, DETAIL, LINE, RAW
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.statement_runner import StatementRunner

# Bytes of a rejected row's raw text that are stored; the landing file has all of it.
LONGEST_RAW: Final = 64 * 1024
_CHARGE_TEXTS = ("cost_currency", "carrier")
# A currency or carrier that has another form is not believed, and may not be storable.
_CURRENCY = r"^[A-Z0-9]{1,8}$"
_CARRIER = r"^[^\x00]{1,200}$"


@dataclass(slots=True)
class BatchRejects:
    """Rejected rows of one batch.

    Attributes:
        header: origin and identity of the batch.
        count: number of rows that the batch has rejected.
    """

    header: BatchHeader
    _statements: StatementRunner
    count: int = 0
    _closed: int = 0
    _rows_by_day: Counter[date] = field(default_factory=Counter[date])
    _rows_by_carrier: Counter[str] = field(default_factory=Counter[str])

    def count_valid(self, rows: pl.DataFrame) -> None:
        """Counts valid rows of a file by day and carrier; rejected lines without these are placed where most are."""
        if self.header.kind == "upload":
            self._rows_by_day.update(dict(rows[DAY].value_counts().iter_rows()))
            self._rows_by_carrier.update(dict(rows["carrier"].fill_null("").value_counts().iter_rows()))

    def add(self, rejects: pl.DataFrame, charges: pl.DataFrame | None = None) -> None:
        """Stores rejected rows with file or window, line, field, reason, raw text, and the amount if it is readable.

        Args:
            rejects: ``REJECT_SCHEMA``.
            charges: ``line, cost, cost_currency, carrier`` of these lines, as far as they can be read.
        """
        if rejects.is_empty():
            return
        charged = _readable_charges(rejects, charges)
        per_line = pl.lit("") if self.header.kind == "window" else pl.col(LINE).cast(pl.String)
        # Overlapping windows deliver the same bad row again, so its id does not depend on the window. The id of a bad
        # line of a file does depend on file and line.
        source = pl.lit("" if self.header.kind == "window" else self.header.source)
        rows = rejects.with_columns(
            pl.concat_str(source, per_line, "reason", "field", RAW, separator="\x1f").alias("__key"),
            _shortened(pl.col(RAW)).str.replace_all("\x00", "\\0", literal=True),
        ).with_columns(plh.col("__key").chash.sha2_256().str.head(32).alias("reject_id"))
        self._statements.execute(
            "uploads/insert_rejects",
            reject_ids=rows["reject_id"].to_list(),
            lines=rows[LINE].to_list(),
            fields=rows["field"].to_list(),
            reasons=rows["reason"].to_list(),
            raws=rows[RAW].to_list(),
            details=rows[DETAIL].to_list(),
            dates=[self.header.business_date] * rows.height if self.header.kind == "window" else rows[DAY].to_list(),
            amounts=charged["cost"].to_list(),
            currencies=charged["cost_currency"].to_list(),
            carriers=charged["carrier"].to_list(),
        )
        self.count += rejects.height

    def close_corrected(self, corrects: str, lines: Sequence[int]) -> None:
        """Closes the rejects of an earlier upload for the lines that this upload corrects.

        Args:
            corrects: id of the earlier upload.
            lines: corrected lines of the earlier upload.
        """
        self._closed += self._statements.execute(
            "uploads/close_corrected_rejects", corrects=corrects, lines=list(lines)
        )

    def close_fixed(self, dates: Sequence[date]) -> None:
        """Closes the rejects of a replayed upload whose lines are now valid records.

        Args:
            dates: days of the batch's records that were inserted without the stage.
        """
        self._closed += self._statements.execute("uploads/close_fixed_rejects")
        if dates:
            self._closed += self._statements.execute("uploads/close_rejects_of_copied", dates=list(dates))

    def close_withdrawn(self, uploads: Sequence[str], decided_by: str | None) -> None:
        """Closes the open rejects of uploads that are withdrawn; opens those of other files that they completed.

        Args:
            uploads: ids of the uploads.
            decided_by: person responsible.
        """
        self._closed += self._statements.execute(
            "uploads/close_withdrawn_rejects", uploads=list(uploads), decided_by=decided_by
        )
        self._closed += self._statements.execute("uploads/reopen_broken_calls", uploads=list(uploads))

    def broken_calls(self, profile: str, since: datetime) -> pl.DataFrame:
        """Rejected rows of calls that other uploads of a profile begin or end.

        Args:
            profile: name of the import profile.
            since: instant from which they were rejected.

        Returns:
            ``source, line, raw, landing_path``.
        """
        rows = self._statements.tuples("uploads/broken_calls", profile=profile, since=since)
        schema = {"source": pl.String, LINE: pl.Int64, RAW: pl.String, "landing_path": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def close_broken_calls(self, rows: pl.DataFrame) -> None:
        """Closes rejected rows, given as ``source, line``, whose calls this load completes."""
        self._closed += self._statements.execute(
            "uploads/close_broken_calls", sources=rows["source"].to_list(), lines=rows[LINE].to_list()
        )

    def touch_days(self) -> frozenset[date]:
        """Open days whose manifests must count other rejected lines of files than before; marks them as changed.

        A line without a readable start counts on the day of most records of its file, and so does one without carrier.
        """
        if self.header.kind == "window" or not (self.count or self._closed):
            return frozenset()
        if self._rows_by_day:
            main_day = min(self._rows_by_day, key=lambda day: (-self._rows_by_day[day], day))
            main_carrier = min(self._rows_by_carrier, key=lambda name: (-self._rows_by_carrier[name], name))
            self._statements.execute("uploads/place_rejects", main_day=main_day, main_carrier=main_carrier or None)
        return frozenset(day for (day,) in self._statements.tuples("uploads/touch_days_of_rejects"))


def _readable_charges(rejects: pl.DataFrame, charges: pl.DataFrame | None) -> pl.DataFrame:
    """``cost, cost_currency, carrier`` of rejects, in their order; null if unknown or the reason of the reject."""
    if charges is None:
        charges = pl.DataFrame(
            schema={LINE: pl.Int64, "cost": pl.Decimal(38, 8)} | dict.fromkeys(_CHARGE_TEXTS, pl.String)
        )
    of_rows = rejects.select(LINE, "field").join(charges.unique(LINE), on=LINE, how="left", maintain_order="left")
    doubted = pl.col("field").is_in(["cost", "cost_currency"]) | ~pl.col("cost_currency").str.contains(_CURRENCY)
    known = pl.col("cost").is_not_null() & ~doubted.fill_null(value=False)
    return of_rows.select(
        pl.when(known).then("cost"),
        pl.when(known).then("cost_currency"),
        pl.when(pl.col("carrier").str.contains(_CARRIER)).then(pl.col("carrier")),
    )


def _shortened(raw: pl.Expr) -> pl.Expr:
    """Raw text of a rejected row; a long text is cut, with a note of its length."""
    length = raw.str.len_bytes()
    # A character has at most four bytes, so a quarter of the limit in characters always fits.
    note = pl.concat_str(pl.lit(" ... cut: "), length.cast(pl.String), pl.lit(" bytes, whole in landing"))
    return pl.when(length > LONGEST_RAW).then(pl.concat_str(raw.str.head(LONGEST_RAW // 4), note)).otherwise(raw)
