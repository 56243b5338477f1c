"""One call from a file to its raw rows, block by block, so that a file may be longer than memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.documents import json_blocks
from cdr_pipeline.sources.uploads.lines import BLOCK, line_blocks
from cdr_pipeline.sources.uploads.opening import text_pieces
from cdr_pipeline.sources.uploads.records import LineRecords, RawRecords


def read_upload(path: Path, profile: Profile, *, block: int = BLOCK) -> Iterator[RawRecords]:
    """A file's lines by what became of them, some thousands at a time, in order.

    Args:
        path: the file.
        profile: how it is written.
        block: characters worked on at once; the result does not depend on it.

    Raises:
        UnreadableUpload: it cannot be opened, unpacked or decoded as the profile says, or its header lacks a column
            that the profile requires or any for the start of a call: then it is another source's file, or its first
            line is a record.
    """
    layout = profile.layout
    if layout.format == "json":
        keys = frozenset({*profile.native_id, *(name for names in profile.fields.values() for name in names)})
        parts = json_blocks(lambda: text_pieces(path, layout.encoding), layout, keys, block=block)
    else:
        parts = _line_blocks(path, profile, block)
    # A call's rows may lie on both sides of a block's end.
    yield from [_joined(parts)] if profile.segments.key else parts


def _line_blocks(path: Path, profile: Profile, block: int) -> Iterator[RawRecords]:
    reader = LineRecords(profile.layout, profile.control.line)
    for lines in line_blocks(text_pieces(path, profile.layout.encoding), profile.layout, block=block):
        records = reader.block(lines)
        if reader.names is not None:
            _require_columns(reader.names, profile, path)
        yield records


def _joined(parts: Iterable[RawRecords]) -> RawRecords:
    every = list(parts)
    return RawRecords(
        pl.concat([part.frame for part in every], how="diagonal"),
        pl.concat([part.rejects for part in every]),
        pl.concat([part.aside for part in every]),
        sum(part.read for part in every),
        {name: text for part in every for name, text in part.stated.items()},
    )


def _require_columns(names: tuple[str, ...], profile: Profile, path: Path) -> None:
    starts = profile.fields.get("started_at", ()) or profile.fields.get("ended_at", ())
    made = {column for start in starts for column in profile.combine.get(start, (start,))}
    if not made & set(names):
        raise UnreadableUpload(
            f"{path.name} is no {profile.name} file: its first line names no column {' or '.join(sorted(made))}",
            hint="choose the profile of the system that wrote it, or write one: cdr-pipeline profiles new FILE",
        )
    absent = [column for column in profile.layout.required if column not in names]
    if absent:
        raise UnreadableUpload(
            f"{path.name} lacks columns that the profile {profile.name} requires: {', '.join(absent)}",
            hint="the source may have renamed them: put the new names into a profile of your own",
        )
