"""Reject files: rejected lines in the format of their source plus three columns, to be corrected and imported again.

The three columns are the last ones: upload, line of the upload, and reason of the reject. ``read_correction`` removes
them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import orjson
import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.uploads.profile import Layout, Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.documents import json_records
from cdr_pipeline.sources.uploads.lines import logical_lines
from cdr_pipeline.sources.uploads.opening import read_text, text_pieces
from cdr_pipeline.sources.uploads.records import RawRecords, delimited_records

# Encoding of every reject file, independent of the source's encoding.
ENCODING: Final = "utf-8"
COLUMNS: Final = ("reject_upload", "reject_line", "reject_reason")
_UPLOAD_DIGITS: Final = 16

# Formats whose records are exported as JSON, one a line.
_DOCUMENTS: Final = ("json", "xml")


@dataclass(frozen=True, slots=True)
class Correction:
    """A corrected reject file.

    Attributes:
        upload: beginning of the sha256 of the upload that it corrects.
        records: its lines without the three columns, with the line numbers of the upload.
        lines: numbers of the upload's lines that are imported again.
    """

    upload: str
    records: RawRecords
    lines: tuple[int, ...]


def reject_file(source: Path, profile: Profile, sha256: str, rejects: pl.DataFrame) -> Iterator[str]:
    """Yields the text of a reject file line by line.

    Args:
        source: the upload in landing; its header line is copied.
        profile: import profile of the upload.
        sha256: hash of the upload.
        rejects: ``line, field, reason, raw`` of the rejected lines.
    """
    mark = _mark(profile)
    if profile.layout.format == "delimited" and profile.layout.header:
        yield mark.join((_header(source, profile), *COLUMNS)) + "\n"
    for line, field, reason, raw in rejects.select(LINE, "field", "reason", RAW).iter_rows():
        why = f"{reason}:{field}" if field else reason
        if profile.layout.format in _DOCUMENTS:
            yield _json_line(raw, sha256[:_UPLOAD_DIGITS], line, why) + "\n"
            continue
        # A call of several rows is rejected with all of its rows. Each row gets a line of its own here.
        for row in raw.split("\n") if profile.segments.key else (raw,):
            yield mark.join((row, sha256[:_UPLOAD_DIGITS], str(line), why)) + "\n"


def read_correction(path: Path, profile: Profile) -> Correction:
    """Reads a reject file that was corrected by hand.

    Raises:
        UnreadableUpload: the file cannot be read, a line lacks the three columns, or its lines are from several
            uploads.
    """
    text = read_text(path, ENCODING)
    return _read_json(text, profile) if profile.layout.format in _DOCUMENTS else _read_lines(text, profile)


def rows_of_lines(source: Path, profile: Profile, lines: Sequence[str]) -> pl.DataFrame:
    """Rows of some lines of an upload, with ``line``, ``raw`` and one text column per source column.

    Args:
        source: the upload in landing, whose header names the columns.
        profile: import profile of the upload.
        lines: their texts as they were rejected.

    Raises:
        UnreadableUpload: the upload cannot be read.
    """
    if profile.layout.format in _DOCUMENTS:
        return json_records("\n".join(lines) + "\n", replace(profile.layout, records=""), profile.columns).frame
    named = profile.layout.format == "delimited" and profile.layout.header
    text = "\n".join([*([_header(source, profile)] if named else []), *lines]) + "\n"
    return delimited_records(text, _without_titles(profile)).frame


def _without_titles(profile: Profile) -> Layout:
    return replace(profile.layout, preamble=0, type_rows=0, footer=(), skip=())


def _read_lines(text: str, profile: Profile) -> Correction:
    layout = _without_titles(profile)
    mark = re.escape(_mark(profile))
    ending = (
        rf'(?s)^(.*?){mark}"?([0-9a-f]{{{_UPLOAD_DIGITS}}})"?{mark}"?([0-9]+)"?{mark}"?[a-z_]+(?::[a-z_0-9]*)?"?\s*$'
    )
    lines = logical_lines(text, layout)
    header = pl.DataFrame(schema=lines.schema)
    if layout.format == "delimited" and layout.header:
        header = lines.head(1).with_columns(
            pl.col(RAW).str.replace(rf'{mark}"?{COLUMNS[0]}"?{mark}"?{COLUMNS[1]}"?{mark}"?{COLUMNS[2]}"?\s*$', "")
        )
        lines = lines.slice(1)
    lines = lines.filter(pl.col(RAW).str.strip_chars() != "")
    rows = lines.with_columns(
        pl.col(RAW).str.extract(ending, 1).alias("__raw"),
        pl.col(RAW).str.extract(ending, 2).alias("__upload"),
        pl.col(RAW).str.extract(ending, 3).cast(pl.Int64, strict=False).alias("__line"),
    )
    _require_marked(rows)
    body = pl.concat([header.select(RAW), rows.select(pl.col("__raw").alias(RAW))])[RAW]
    records = delimited_records("\n".join(body.to_list()) + "\n", layout)
    starts = (1 + body.str.count_matches("\n", literal=True).cast(pl.Int64)).cum_sum().shift(1, fill_value=0) + 1
    numbers = pl.DataFrame({LINE: starts.slice(header.height), "__line": rows["__line"]})
    return _correction(rows["__upload"][0], records, numbers)


def _read_json(text: str, profile: Profile) -> Correction:
    items = [_document(line) for line in text.splitlines() if line.strip()]
    marks = pl.DataFrame(
        {
            "__upload": [str(item.pop(COLUMNS[0], "")) or None for item in items],
            "__line": [item.pop(COLUMNS[1], None) for item in items],
        },
        schema={"__upload": pl.String, "__line": pl.Int64},
    )
    for item in items:
        item.pop(COLUMNS[2], None)
    _require_marked(marks)
    body = "\n".join(item.get("reject_raw") or orjson.dumps(item).decode() for item in items)
    records = json_records(body + "\n", replace(profile.layout, records=""), profile.columns)
    numbers = marks.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(LINE), "__line")
    return _correction(marks["__upload"][0], records, numbers)


def _document(line: str) -> dict[str, Any]:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise UnreadableUpload("a line is not a JSON object", hint="keep one document a line, as in the exported file")
    return cast("dict[str, Any]", document)


def _require_marked(rows: pl.DataFrame) -> None:
    marked = rows["__upload"].is_not_null() & rows["__line"].is_not_null()
    if rows.is_empty() or not marked.all() or rows["__upload"].n_unique() != 1:
        raise UnreadableUpload(
            f"a line lacks its last columns {', '.join(COLUMNS)}, or the lines are from several uploads",
            hint="correct a file that 'cdr-pipeline rejects export' wrote, and do not change those columns",
        )


def _correction(upload: str, records: RawRecords, numbers: pl.DataFrame) -> Correction:
    """A correction whose records have the line numbers of the upload instead of their own."""

    def renumbered(frame: pl.DataFrame) -> pl.DataFrame:
        columns = frame.columns
        joined = frame.join(numbers, on=LINE, how="left", maintain_order="left")
        return joined.with_columns(pl.coalesce("__line", LINE).alias(LINE)).select(columns)

    corrected = replace(records, frame=renumbered(records.frame), rejects=renumbered(records.rejects))
    return Correction(upload, corrected, tuple(numbers["__line"].to_list()))


def _header(source: Path, profile: Profile) -> str:
    """The header line of the upload, unchanged."""
    for piece in text_pieces(source, profile.layout.encoding):
        lines = logical_lines(piece, profile.layout)
        written = lines.filter(pl.col(RAW).str.strip_chars() != "")
        return str(written[RAW][profile.layout.preamble])
    return ""


def _mark(profile: Profile) -> str:
    """Separator before each of the three columns: the delimiter, or a tab for fixed-width text."""
    return profile.layout.delimiter if profile.layout.format == "delimited" else "\t"


def _json_line(raw: str, upload: str, line: int, why: str) -> str:
    marks = dict(zip(COLUMNS, (upload, line, why), strict=True))
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        document = None
    content = document if isinstance(document, dict) else {"reject_raw": raw}
    return orjson.dumps(content | marks).decode()
