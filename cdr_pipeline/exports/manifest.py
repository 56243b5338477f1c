"""What proves a daily file whole: written last, beside the file, as JSON."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from cdr_pipeline.errors import ExportError

SCHEMA: Final = 1
# What a manifest says of its own making; everything else follows from the file and the day.
_OF_ITS_MAKING: Final = ("created_utc", "producer")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of one daily file.

    Attributes:
        manifest_schema: version of this list.
        file: name of the file beside it.
        sha256, bytes, rows: of the file, rows without the header.
        content_sha256: of the rows as the exact dialect writes them, header included, unpacked: equal in all dialects
            of a version but the redacted one.
        columns: in order.
        dialect, compression: how the file is written and packed.
        rule: how its cells were changed (``apostrophe-v1``, ``keyed-hash-v1``); null where they stand as they are.
        account_id, business_date, time_zone: whose day, in which zone.
        next_time_zone: zone of the next day where the account changed its zone in between, else null.
        window_start_utc, window_end_utc: the day's bounds, half-open; 23, 24 or 25 hours apart but for a zone change.
        watermark_utc: save time up to which the switch was asked; null while a window of the day is missing.
        version, state: open (may change), sealed (final), restated (a later version of a sealed day, final too).
        supersedes: sha256 of the same file of the version before; null for the first.
        reasons: an adjustment's rows by reason; empty elsewhere.
        totals: by origin and of all; an adjustment's by change.
        rejected_rows, corrected_rows: of the day's windows, refused, and of those mended since.
        late_rows: rows that this version has, changed or lost against the one before.
        reconciliation: status, breaks and exposure of the day when the file was made.
        producer: name, version and run.
        created_utc: when the manifest was written.
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
        """Whether both describe the same file and day, whenever and by whichever run they were made."""
        mine, theirs = _stated(self), _stated(other)
        return all(mine[key] == theirs[key] for key in mine if key not in _OF_ITS_MAKING)


_STRICT: Final = TypeAdapter(Manifest)


def utc_text(moment: datetime) -> str:
    """An instant as manifests write it, whole seconds (rounded down, so that a watermark never promises more)."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def encode_manifest(manifest: Manifest) -> bytes:
    """JSON with sorted keys, indented, with a final line end."""
    return orjson.dumps(_stated(manifest), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"


def _stated(manifest: Manifest) -> dict[str, Any]:
    """Every key with its value, which is not copied: there is one manifest a file, and many files a night."""
    return {item.name: getattr(manifest, item.name) for item in fields(manifest)}


def decode_manifest(text: bytes | str, name: str = "the text") -> Manifest:
    """The manifest that a text is.

    Args:
        text: JSON.
        name: what to call it when it is none.

    Raises:
        ExportError: it is no JSON, is of another schema, or has a key that is missing, one too many or of another type.
    """
    try:
        return _STRICT.validate_json(text)
    except ValidationError as error:
        # Not the error's own text: that quotes the values.
        wrong = sorted({".".join(map(str, found["loc"])) or found["type"] for found in error.errors()})
        raise ExportError(f"{name} is not a manifest of schema {SCHEMA}: {', '.join(wrong)}") from None


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        ExportError: it is missing or unreadable, or is no manifest.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path.name} cannot be read: {error.strerror}") from None
    return decode_manifest(text, path.name)
