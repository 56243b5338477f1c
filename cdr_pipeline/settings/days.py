"""Settings of the daily files."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from cdr_pipeline.exports.dialects.registry import EXACT, SELECTABLE
from cdr_pipeline.settings.section import SettingsSection


def _known_dialects(listed: str) -> str:
    names = [name.strip() for name in listed.split(",") if name.strip()]
    unknown = sorted(set(names) - set(SELECTABLE))
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not among {', '.join(SELECTABLE)}")
    # The exact file is always written: it is sealed, and the other files are made from it.
    return ",".join(name for name in SELECTABLE if name in {EXACT, *names})


class DaySettings(SettingsSection):
    """Settings of the daily files."""

    export_dialects: Annotated[str, AfterValidator(_known_dialects)] = Field(
        default=EXACT,
        description=f"dialects of the daily files, separated by commas: {', '.join(SELECTABLE)}",
    )
    export_compression: Literal["none", "gzip", "zstd"] = Field(
        default="none", description="compression of the daily CSV files: none, gzip or zstd"
    )
    seal_after_days: int = Field(
        default=3, ge=0, le=366, description="days after its end that a day stays open for late records"
    )
    redaction_key: SecretStr | None = Field(
        default=None, description="key of the hashes that replace numbers in redacted files; never delivered"
    )
