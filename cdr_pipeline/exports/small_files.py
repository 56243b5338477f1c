"""Counts the lines of the daily files of several small accounts together.

A frame of a few hundred rows takes longer to prepare than its rows take. The totals and the order of each account's
lines are checked as for a file of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.content import Content
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, manifest_of, write_file
from cdr_pipeline.exports.dialects.registry import EXACT
from cdr_pipeline.exports.exact_csv import header
from cdr_pipeline.exports.manifest import Manifest
from cdr_pipeline.exports.totals import COUNTED, FileTotals, ordered_by_account, with_typed_values


@dataclass(frozen=True, slots=True)
class CountedLines:
    """Lines of an account's day.

    Attributes:
        content: lines of the exact dialect, without the header.
        rows: number of lines.
        totals: totals of the lines, as in the manifest.
    """

    content: bytes
    rows: int
    totals: dict[str, Any]


def counted_lines(contents: Mapping[str, bytes]) -> dict[str, CountedLines]:
    """Counts the lines of several accounts.

    Args:
        contents: lines of each account's day in the exact dialect, by account id; may be empty.

    Raises:
        ExportError: lines are out of order, belong to another account, or are not lines of a daily file.
    """
    columns = names(exported_only=True)
    content = b"".join(contents.values())
    lengths, totals = dict[str, int](), dict[str, FileTotals]()
    if content:
        wanted = {"account_id", "started_at", "record_id", "origin", *COUNTED}
        try:
            scan = pl.scan_csv(content, has_header=False, infer_schema=False, new_columns=list(columns))
            texts = scan.select(name for name in columns if name in wanted).collect()
            totals = FileTotals.by_account(with_typed_values(texts))
        except pl.exceptions.PolarsError:
            raise ExportError("the warehouse returned invalid lines for a daily file; nothing was written") from None
        # Each account has one run of lines, in the order of the accounts.
        runs = texts["account_id"].rle().struct.unnest()
        lengths = dict(zip(runs["value"], runs["len"], strict=True))
        expected = [account_id for account_id, lines in contents.items() if lines]
        if runs["value"].to_list() != expected or not ordered_by_account(texts):
            raise ExportError("records of a daily file are out of order; nothing was written")
    return {
        account_id: CountedLines(lines, lengths.get(account_id, 0), totals.get(account_id, FileTotals()).as_json())
        for account_id, lines in contents.items()
    }


def write_counted_file(lines: CountedLines, *, day: DailyFile, export_dir: Path) -> WrittenFile:
    """Writes the exact file of a day and its manifest, as ``write_daily_file`` does.

    Raises:
        SealedFileExists: a final file of this version, or of a later one, is on disk.
        ExportError: the file cannot be written.
    """

    def produce(writing: AtomicFile) -> Manifest:
        content = Content(writing, day.compression)
        content.write(header())
        content.write(lines.content)
        return replace(manifest_of(day, EXACT, writing, content.finish()), rows=lines.rows, totals=lines.totals)

    return write_file(day.path(export_dir), produce, day=day)
