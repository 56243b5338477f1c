"""One call from a file to its raw rows."""

from pathlib import Path

from cdr_pipeline.core.profile import Profile
from cdr_pipeline.sources.uploads.documents import json_records
from cdr_pipeline.sources.uploads.opening import read_text
from cdr_pipeline.sources.uploads.records import RawRecords, delimited_records


def read_upload(path: Path, profile: Profile) -> RawRecords:
    """A file's lines by what became of them.

    Raises:
        UnreadableUpload: it cannot be opened, unpacked or decoded as the profile says.
    """
    text = read_text(path, profile.layout.encoding)
    parse = json_records if profile.layout.format == "json" else delimited_records
    return parse(text, profile.layout)
