"""One call from a file to its raw rows, block by block, so that a file may be longer than memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from cdr_pipeline.core.profile import Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.documents import json_blocks
from cdr_pipeline.sources.uploads.opening import read_text, text_pieces
from cdr_pipeline.sources.uploads.records import LineRecords, RawRecords, blocks


def read_upload(path: Path, profile: Profile) -> Iterator[RawRecords]:
    """A file's lines by what became of them, some thousands at a time, in order.

    Raises:
        UnreadableUpload: it cannot be opened, unpacked or decoded as the profile says, or its header names no column
            for the start of a call: then it is another source's file, or its first line is a record.
    """
    layout = profile.layout
    pieces: Iterable[str] = text_pieces(path, layout.encoding)
    if layout.format == "json":
        keys = frozenset({*profile.native_id, *profile.fields.get("call_id", ())})
        yield from json_blocks(lambda: text_pieces(path, layout.encoding), layout, keys)
        return
    if profile.segments.key:
        # A call's rows may lie on both sides of a block's end; such files are small.
        pieces = [read_text(path, layout.encoding)]
    reader = LineRecords(layout, profile.control.line)
    for number, (text, first_line) in enumerate(blocks(pieces, quoted=layout.quoted)):
        records = reader.block(text, first_line)
        if number == 0:
            _require_start(records, profile, path)
        yield records


def _require_start(records: RawRecords, profile: Profile, path: Path) -> None:
    if profile.layout.format != "delimited" or not profile.layout.header or not records.read:
        return
    starts = profile.fields.get("started_at", ()) or profile.fields.get("ended_at", ())
    made = {column for start in starts for column in profile.combine.get(start, (start,))}
    if not made & set(records.frame.columns):
        raise UnreadableUpload(
            f"{path.name} is no {profile.name} file: its first line names no column {' or '.join(sorted(made))}",
            hint="choose the profile of the system that wrote it, or write one: cdr-pipeline profiles new FILE",
        )
