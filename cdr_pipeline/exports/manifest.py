"""Manifest of a daily file: a JSON file in the same folder, written last, that proves the file complete."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from cdr_pipeline.errors import ExportError

SCHEMA: Final = 1
# Keys about the creation of the manifest; all others follow from the file and the day.
_VOLATILE: Final = ("created_utc", "producer")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of one daily file.

    Attributes:
        manifest_schema: version of this schema.
        file: name of the file, in the same folder.
        sha256, bytes, rows: hash, size and number of rows of the file; the header is not counted.
        content_sha256: hash of header and rows in the exact dialect, uncompressed; equal in all dialects of a version
            except the redacted one.
        columns: names of the columns, in order.
        dialect, compression: dialect and compression of the file.
        rule: rule that changed the cells (``apostrophe-v1``, ``keyed-hash-v1``); null if they are unchanged.
        account_id, business_date, time_zone: account, day and time zone of the day.
        next_time_zone: time zone of the next day if the account changed its zone in between, otherwise null.
        window_start_utc, window_end_utc: the day's bounds, half-open; 23 to 25 hours apart, unless the zone changes.
        watermark_utc: save time up to which the switch was queried; null while a window of the day is missing.
        version, state: open (may change), sealed (final), restated (a later version of a sealed day, final too).
        supersedes: sha256 of the same file of the previous version; null for the first version.
        reasons: number of records of an adjustment by reason; empty in other dialects.
        totals: totals by origin and of all rows; of an adjustment by change and side.
        rejected_rows, corrected_rows: rejected rows of the day's windows, and how many of them were corrected since.
            Rejected lines of uploads belong to no day, because their start may be what cannot be read: they are not
            counted here. ``cdr-pipeline rejects list`` lists them by file.
        late_rows: records added, changed or withdrawn since the previous version.
        reconciliation: status, breaks and exposure of the day when the file was written.
        producer: name and version of the program, and id of the run.
        created_utc: time at which the manifest was written.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    manifest_schema: Literal[1]
    file: str
    sha256: str
    bytes: int
    rows: int
    content_sha256: str
    columns: list[str]
    dialect: str
    compression: Literal["none", "gzip", "zstd"]
    rule: str | None
    account_id: str
    business_date: str
    time_zone: str
    next_time_zone: str | None
    window_start_utc: str
    window_end_utc: str
    watermark_utc: str | None
    version: int
    state: Literal["open", "sealed", "restated"]
    supersedes: str | None
    totals: dict[str, Any]
    rejected_rows: int
    corrected_rows: int
    late_rows: int
    reconciliation: dict[str, str | int]
    producer: dict[str, str | None]
    created_utc: str
    reasons: dict[str, int] = field(default_factory=dict[str, int])

    def equal_content(self, other: "Manifest") -> bool:
        """Whether both describe the same file and day; creation time and run may differ."""
        own, others = _as_dict(self), _as_dict(other)
        return all(own[key] == others[key] for key in own if key not in _VOLATILE)


_STRICT: Final = TypeAdapter(Manifest)


def utc_text(moment: datetime) -> str:
    """An instant in the format of manifests, rounded down to seconds so that a watermark is never too late."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def encode_manifest(manifest: Manifest) -> bytes:
    """JSON with sorted keys, indented, with a final newline."""
    return orjson.dumps(_as_dict(manifest), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"


def _as_dict(manifest: Manifest) -> dict[str, Any]:
    """Keys and values of a manifest, without copying the values: a night writes many manifests."""
    return {item.name: getattr(manifest, item.name) for item in fields(manifest)}


def decode_manifest(text: bytes | str, name: str = "the text") -> Manifest:
    """Parses a manifest.

    Args:
        text: JSON text.
        name: name of the text in error messages.

    Raises:
        ExportError: the text is not JSON, has another schema, or a key is missing, unknown or of another type.
    """
    try:
        return _STRICT.validate_json(text)
    except ValidationError as error:
        # The error's own text is not used: it contains the values.
        invalid = sorted({".".join(map(str, item["loc"])) or item["type"] for item in error.errors()})
        raise ExportError(f"{name} is not a manifest of schema {SCHEMA}: {', '.join(invalid)}") from None


def read_manifest(path: Path) -> Manifest:
    """Reads the manifest in a file.

    Raises:
        ExportError: the file is missing, unreadable or not a manifest.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path.name} cannot be read: {error.strerror}") from None
    return decode_manifest(text, path.name)
