"""The profile of a file that names none: told by its keys or its header."""

from pathlib import Path
from typing import Final, Literal

from cdr_pipeline.core.uploads.profile import Layout
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.documents import json_blocks
from cdr_pipeline.sources.uploads.opening import text_pieces

_JSON: Final = Layout(format="json")
# Keys that only detail documents of the switch have, and a key that only rows of its lists have.
_DETAIL_KEYS: Final = frozenset({"custom_channel_vars", "call_direction"})
_LIST_KEY: Final = "direction"
# Columns that a CSV list of Kazoo's API, and a daily file of this product, have and other files do not.
_LIST_COLUMNS: Final = frozenset({"unix_timestamp", "rfc_1036", "timestamp"})
_DAILY_COLUMNS: Final = frozenset({"record_id", "origin", "business_date", "started_at"})


def usual_profile(path: Path, form: Literal["csv", "json"]) -> str:
    """Name of the built-in profile for a file without a stated profile.

    Args:
        path: the file.
        form: form of its contents.

    Raises:
        UnreadableUpload: the file cannot be read, or is a copy for spreadsheets, whose cells are changed.
    """
    if form == "json":
        first = next(json_blocks(lambda: text_pieces(path, _JSON.encoding), _JSON), None)
        keys = frozenset(() if first is None else first.frame.columns)
        return "kazoo_detail" if keys & _DETAIL_KEYS and _LIST_KEY not in keys else "kazoo_json"
    header = next(text_pieces(path, "utf-8"), "").partition("\n")[0].strip()
    names = frozenset(name.strip().strip('"').lower() for name in header.split(","))
    if names >= _DAILY_COLUMNS:
        if header.startswith('"'):
            raise UnreadableUpload(
                "the file is the copy of a daily file for spreadsheets: its cells are changed",
                hint="send the daily file itself, in the dialect exact",
            )
        return "daily_file"
    return "kazoo_csv" if names >= _LIST_COLUMNS else "generic"
