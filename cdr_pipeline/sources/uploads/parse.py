"""One call from a file to its raw rows."""

from pathlib import Path

from cdr_pipeline.core.profile import Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.documents import json_records
from cdr_pipeline.sources.uploads.opening import read_text
from cdr_pipeline.sources.uploads.records import RawRecords, delimited_records


def read_upload(path: Path, profile: Profile) -> RawRecords:
    """A file's lines by what became of them.

    Raises:
        UnreadableUpload: it cannot be opened, unpacked or decoded as the profile says, or its header names no column
            for the start of a call: then it is another source's file, or its first line is a record.
    """
    text = read_text(path, profile.layout.encoding)
    if profile.layout.format == "json":
        return json_records(text, profile.layout, frozenset({*profile.native_id, *profile.fields.get("call_id", ())}))
    records = delimited_records(text, profile.layout)
    starts = profile.fields.get("started_at", ())
    if profile.layout.header and records.read and not set(starts) & set(records.frame.columns):
        raise UnreadableUpload(
            f"{path.name} is no {profile.name} file: its first line names no column {' or '.join(starts)}",
            hint="choose the profile of the system that wrote it; a profile of the file's own can name other columns",
        )
    return records
