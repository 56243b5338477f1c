"""Reads an uploaded file to raw rows, block by block, so that a file may be larger than memory."""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import polars as pl

from cdr_pipeline.core.records.reasons import Filtered
from cdr_pipeline.core.uploads.profile import FILE_NAME, Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.files.reused_memory import reused_memory
from cdr_pipeline.sources.uploads.documents import json_blocks
from cdr_pipeline.sources.uploads.lines import BLOCK, line_blocks
from cdr_pipeline.sources.uploads.opening import text_pieces
from cdr_pipeline.sources.uploads.records import LineRecords, RawRecords, filtered_lines
from cdr_pipeline.sources.uploads.xml_documents import xml_blocks


def read_upload(path: Path, profile: Profile, *, block: int = BLOCK) -> Iterator[RawRecords]:
    """Reads a file and yields its records, rejects and filtered lines, a block at a time, in order.

    Args:
        path: the file.
        profile: import profile of its source.
        block: number of characters processed at once; the result does not depend on it.

    Raises:
        UnreadableUpload: the file cannot be opened, unpacked or decoded with the profile, or its header lacks a
            required column or a column for the start of a call. In that case it comes from another source, or its
            first line is a record. Or its name lacks what the profile takes from it.
    """
    _require_name(profile)
    layout = profile.layout
    if layout.format == "json":
        blocks = json_blocks(lambda: text_pieces(path, layout.encoding), layout, profile.columns, block=block)
        parts = (_without_excluded(part, profile, path) for part in blocks)
    elif layout.format == "xml":
        parts = xml_blocks(text_pieces(path, layout.encoding), layout, profile.columns, block=block)
    else:
        parts = _line_blocks(path, profile, block)
    if profile.not_calls:
        parts = (_without_others(part, profile) for part in parts)
    # The rows of one call may be in two blocks.
    yield from [_joined(parts)] if profile.segments.key else parts


def read_ahead(path: Path, profile: Profile) -> Iterator[RawRecords]:
    """Yields what ``read_upload`` yields; a thread reads the next block while the caller works on the current one."""
    blocks = read_upload(path, profile)
    # Objects of Python need much memory that is free again after a block; columns are in memory of Polars.
    reuses = reused_memory() if profile.layout.format in ("json", "xml") else nullcontext()
    with reuses, ThreadPoolExecutor(1, thread_name_prefix="read_upload") as reader:
        following = reader.submit(next, blocks, None)
        while (records := following.result()) is not None:
            following = reader.submit(next, blocks, None)
            yield records


def _without_excluded(records: RawRecords, profile: Profile, path: Path) -> RawRecords:
    """The records. Raises UnreadableUpload if they have the form of another profile."""
    found = sorted(set(profile.layout.excluded) & set(records.frame.columns))
    if found:
        raise UnreadableUpload(
            f"{path.name} is not a {profile.name} file: its records have {' and '.join(found)}",
            hint="choose the profile of that form: 'cdr-pipeline profiles list' describes them",
        )
    return records


def _without_others(records: RawRecords, profile: Profile) -> RawRecords:
    """Sets rows aside that are no calls, by their type."""
    patterns = {name: text for name, text in profile.not_calls.items() if name in records.frame.columns}
    if not patterns or records.frame.is_empty():
        return records
    matches = records.frame.select(
        pl.any_horizontal(pl.col(name).str.contains(text) for name, text in patterns.items()).fill_null(value=False)
    ).to_series()
    aside = filtered_lines(records.frame.filter(matches), Filtered.RECORD_TYPE)
    return replace(records, frame=records.frame.filter(~matches), aside=pl.concat([records.aside, aside]))


def _line_blocks(path: Path, profile: Profile, block: int) -> Iterator[RawRecords]:
    reader = LineRecords(profile.layout, profile.control.line)
    for lines in line_blocks(text_pieces(path, profile.layout.encoding), profile.layout, block=block):
        records = reader.block(lines)
        if reader.names is not None:
            _require_columns(reader.names, profile, path)
        yield records


def _joined(parts: Iterable[RawRecords]) -> RawRecords:
    blocks = list(parts)
    return RawRecords(
        pl.concat([part.frame for part in blocks], how="diagonal"),
        pl.concat([part.rejects for part in blocks]),
        pl.concat([part.aside for part in blocks]),
        sum(part.read for part in blocks),
        {name: text for part in blocks for name, text in part.stated.items()},
    )


def _require_name(profile: Profile) -> None:
    """Checks that the name of the file has what derived columns take from it, such as the date of its calls."""
    if not profile.file_name:
        return
    for column, derived in profile.derive.items():
        is_taken = derived.source == (FILE_NAME,) and derived.match and not derived.default
        if is_taken and not re.search(derived.match, profile.file_name):
            raise UnreadableUpload(
                f"{profile.file_name} has a name without {derived.match}, from which profile {profile.name} "
                f"takes {column}",
                hint="rename the file, such as calls_20260302.txt, and import it again",
            )


def _require_columns(names: tuple[str, ...], profile: Profile, path: Path) -> None:
    starts = profile.fields.get("started_at", ()) or profile.fields.get("ended_at", ())
    expected = {
        part for start in starts for column in profile.combine.get(start, (start,)) for part in _parts(column, profile)
    }
    if not expected & set(names):
        raise UnreadableUpload(
            f"{path.name} is not a {profile.name} file: its first line names no column {' or '.join(sorted(expected))}",
            hint="choose the profile of the system that wrote the file, or draft one: cdr-pipeline profiles new FILE",
        )
    absent = [column for column in profile.layout.required if column not in names]
    if absent:
        raise UnreadableUpload(
            f"{path.name} lacks columns that the profile {profile.name} requires: {', '.join(absent)}",
            hint="if the source renamed them, add the new names to your own copy of the profile",
        )


def _parts(column: str, profile: Profile) -> tuple[str, ...]:
    """Columns of the file from which a column is made."""
    column = {**profile.segments.from_answer, **profile.segments.from_end}.get(column, column)
    return profile.derive[column].source if column in profile.derive else (column,)
