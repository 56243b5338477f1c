"""Reject files: rejected lines in the format of their source, with three columns more, to be corrected and fed again.

The columns say which upload, which line of it, and why it was rejected. They are the last ones, so that a person can
see them and a program can take them away.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import orjson
import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.documents import json_records
from cdr_pipeline.sources.uploads.lines import logical_lines
from cdr_pipeline.sources.uploads.opening import read_text, text_pieces
from cdr_pipeline.sources.uploads.records import RawRecords, delimited_records

# Of every reject file, whatever its source's is.
ENCODING: Final = "utf-8"
COLUMNS: Final = ("reject_upload", "reject_line", "reject_reason")
_UPLOAD_DIGITS: Final = 16
_REASON: Final = r'"?[a-z_]+(?::[a-z_0-9]*)?"?\s*$'


@dataclass(frozen=True, slots=True)
class Correction:
    """A reject file that has come back.

    Attributes:
        upload: beginning of the sha256 of the upload that it corrects.
        records: its lines, numbered as in that upload and without the three columns.
        lines: the upload's lines that are fed again.
    """

    upload: str
    records: RawRecords
    lines: tuple[int, ...]


def reject_file(source: Path, profile: Profile, sha256: str, rejects: pl.DataFrame) -> Iterator[str]:
    """The text of a reject file, line by line.

    Args:
        source: the upload in landing, whose header is repeated.
        profile: how it is written.
        sha256: of the upload.
        rejects: ``line, field, reason, raw`` of its rejected lines.
    """
    mark = _mark(profile)
    if profile.layout.format == "delimited" and profile.layout.header:
        yield mark.join((_header(source, profile), *COLUMNS)) + "\n"
    for line, field, reason, raw in rejects.select(LINE, "field", "reason", RAW).iter_rows():
        why = f"{reason}:{field}" if field else reason
        if profile.layout.format == "json":
            yield _json_line(raw, sha256[:_UPLOAD_DIGITS], line, why) + "\n"
            continue
        # A call of several rows was rejected as a whole: each row is corrected on its own.
        for row in raw.split("\n") if profile.segments.key else (raw,):
            yield mark.join((row, sha256[:_UPLOAD_DIGITS], str(line), why)) + "\n"


def read_correction(path: Path, profile: Profile) -> Correction:
    """A reject file that was corrected by hand.

    Raises:
        UnreadableUpload: its lines lack the three columns or are of several uploads, or it cannot be read.
    """
    text = read_text(path, ENCODING)
    return _read_json(text, profile) if profile.layout.format == "json" else _read_lines(text, profile)


def _read_lines(text: str, profile: Profile) -> Correction:
    layout = replace(profile.layout, preamble=0, type_rows=0, footer=(), skip=())
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
    found = lines.with_columns(
        pl.col(RAW).str.extract(ending, 1).alias("__raw"),
        pl.col(RAW).str.extract(ending, 2).alias("__upload"),
        pl.col(RAW).str.extract(ending, 3).cast(pl.Int64, strict=False).alias("__line"),
    )
    _require_marked(found)
    body = pl.concat([header.select(RAW), found.select(pl.col("__raw").alias(RAW))])[RAW]
    records = delimited_records("\n".join(body.to_list()) + "\n", layout)
    starts = (1 + body.str.count_matches("\n", literal=True).cast(pl.Int64)).cum_sum().shift(1, fill_value=0) + 1
    places = pl.DataFrame({LINE: starts.slice(header.height), "__line": found["__line"]})
    return _correction(found["__upload"][0], records, places)


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
    records = json_records(body + "\n", profile.layout, frozenset(profile.native_id))
    places = marks.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(LINE), "__line")
    return _correction(marks["__upload"][0], records, places)


def _document(line: str) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise UnreadableUpload("a line is no JSON object", hint="one document a line, as it was exported")
    return cast("dict[str, Any]", found)


def _require_marked(found: pl.DataFrame) -> None:
    marked = found["__upload"].is_not_null() & found["__line"].is_not_null()
    if found.is_empty() or not marked.all() or found["__upload"].n_unique() != 1:
        raise UnreadableUpload(
            f"a line lacks its last columns {', '.join(COLUMNS)}, or the lines are of several uploads",
            hint="correct what 'cdr-pipeline rejects export' wrote, and leave those columns as they are",
        )


def _correction(upload: str, records: RawRecords, places: pl.DataFrame) -> Correction:
    """The records with the lines of the first upload in place of their own."""

    def placed(frame: pl.DataFrame) -> pl.DataFrame:
        columns = frame.columns
        moved = frame.join(places, on=LINE, how="left", maintain_order="left")
        return moved.with_columns(pl.coalesce("__line", LINE).alias(LINE)).select(columns)

    moved = replace(records, frame=placed(records.frame), rejects=placed(records.rejects))
    return Correction(upload, moved, tuple(places["__line"].to_list()))


def _header(source: Path, profile: Profile) -> str:
    """The header line of the upload, as it stands."""
    for piece in text_pieces(source, profile.layout.encoding):
        lines = logical_lines(piece, profile.layout)
        written = lines.filter(pl.col(RAW).str.strip_chars() != "")
        return str(written[RAW][profile.layout.preamble])
    return ""


def _mark(profile: Profile) -> str:
    """What stands before each of the three columns: the delimiter, or a tab after fixed-width text."""
    return profile.layout.delimiter if profile.layout.format == "delimited" else "\t"


def _json_line(raw: str, upload: str, line: int, why: str) -> str:
    marks = dict(zip(COLUMNS, (upload, line, why), strict=True))
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        document = None
    held = document if isinstance(document, dict) else {"reject_raw": raw}
    return orjson.dumps(held | marks).decode()
