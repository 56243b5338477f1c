"""Base class of the sections of the settings."""

from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CDR_"


class SettingsSection(BaseSettings):
    """Settings of one topic: environment variables ``CDR_*`` and lines of ``.env``."""

    # Only the class of all sections is used; building the others would slow every command down.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        defer_build=True,
    )
