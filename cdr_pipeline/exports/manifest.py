"""What proves a daily file whole: written last, beside the file, as JSON."""

from dataclasses import asdict, dataclass
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
        file: name of the CSV beside it.
        sha256, bytes, rows: of the CSV, rows without the header.
        columns: in order.
        dialect: of the CSV.
        account_id, business_date, time_zone: whose day, in which zone.
        window_start_utc, window_end_utc: the day's bounds, half-open; 23, 24 or 25 hours apart.
        watermark_utc: save time up to which the switch was asked; null while a window of the day is missing.
        version, state, supersedes: 1, open and null until the day is sealed.
        totals: by origin, never added up over origins.
        rejected_rows: rows of the day's windows that were refused.
        late_rows: rows that came after the day was sealed.
        producer: name, version and run.
        created_utc: when the manifest was written.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    manifest_schema: Literal[1]
    file: str
    sha256: str
    bytes: int
    rows: int
    columns: list[str]
    dialect: str
    account_id: str
    business_date: str
    time_zone: str
    window_start_utc: str
    window_end_utc: str
    watermark_utc: str | None
    version: int
    state: Literal["open", "sealed", "restated"]
    supersedes: str | None
    totals: dict[str, Any]
    rejected_rows: int
    late_rows: int
    producer: dict[str, str | None]
    created_utc: str

    def says_the_same_as(self, other: "Manifest") -> bool:
        """Whether both describe the same file and day, whenever and by whichever run they were made."""
        mine, theirs = asdict(self), asdict(other)
        return all(mine[key] == theirs[key] for key in mine if key not in _OF_ITS_MAKING)


_STRICT: Final = TypeAdapter(Manifest)


def file_name(account_id: str, business_date: str, version: int) -> str:
    """Name of a daily file: ``cdrs_{account_id}_{yyyy-mm-dd}_v{n}.csv``."""
    return f"cdrs_{account_id}_{business_date}_v{version}.csv"


def utc_text(moment: datetime) -> str:
    """An instant as manifests write it, whole seconds (rounded down, so that a watermark never promises more)."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def encode_manifest(manifest: Manifest) -> bytes:
    """JSON with sorted keys, indented, with a final line end."""
    return orjson.dumps(asdict(manifest), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"


def manifest_path(csv: Path) -> Path:
    """Where the manifest of a daily file lies."""
    return csv.with_name(csv.name + ".manifest.json")


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        ExportError: it is missing or unreadable, is no JSON, is of another schema, or has a key that is missing, one
            too many or of another type.
    """
    try:
        return _STRICT.validate_json(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path.name} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        # Not the error's own text: that quotes the values.
        wrong = sorted({".".join(map(str, found["loc"])) or found["type"] for found in error.errors()})
        raise ExportError(f"{path.name} is not a manifest of schema {SCHEMA}: {', '.join(wrong)}") from None
