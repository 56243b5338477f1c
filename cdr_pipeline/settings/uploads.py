"""Settings of imported files."""

from pydantic import Field

from cdr_pipeline.settings.section import SettingsSection


class UploadSettings(SettingsSection):
    """Settings of imported files."""

    upload_settle_seconds: float = Field(
        default=5.0,
        ge=0,
        le=86_400,
        description="a file in the drop folder is complete when it has not changed for this many seconds",
    )
