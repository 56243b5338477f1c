"""Settings of the warehouse and of the folders."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from cdr_pipeline.files.spool import spool_folder
from cdr_pipeline.files.store import StorePath
from cdr_pipeline.settings.folders import AbsolutePath, DataFolder, home
from cdr_pipeline.settings.section import SettingsSection


def _warehouse_scheme(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://")
    return url


class WarehouseSettings(SettingsSection):
    """Settings of the warehouse and of the folders."""

    warehouse_url: Annotated[SecretStr | None, AfterValidator(_warehouse_scheme)] = Field(
        default=None, description="postgresql://user@host/database, PostgreSQL 15 or later; empty: the embedded server"
    )
    warehouse_replica_url: Annotated[SecretStr | None, AfterValidator(_warehouse_scheme)] = Field(
        default=None, description="streaming replica of CDR_WAREHOUSE_URL that the API reads records from; empty: none"
    )
    data_dir: DataFolder = Field(
        default_factory=lambda: home() / "cdr_data",
        description="landing files, uploads, exports and the embedded warehouse; or the URL of an object store, as "
        "s3://BUCKET/FOLDER",
    )
    dagster_home: AbsolutePath = Field(
        default_factory=lambda: home() / "dagster_home",
        validation_alias="DAGSTER_HOME",
        description="folder of Dagster's instance",
    )

    @field_validator("data_dir")
    @classmethod
    def _require_warehouse(cls, folder: Path, info: ValidationInfo) -> Path:
        """Rejects an object store without a warehouse server; an invalid URL of that server is reported by itself."""
        if isinstance(folder, StorePath) and "warehouse_url" in info.data and info.data["warehouse_url"] is None:
            raise ValueError(
                "is in an object store, and the embedded warehouse needs a local folder; set CDR_WAREHOUSE_URL to a "
                "PostgreSQL server, or CDR_DATA_DIR to a folder"
            )
        return folder

    @property
    def local_dir(self) -> Path:
        """Folder for local temporary files: the data folder, or the spool if the data is in an object store."""
        return spool_folder() if isinstance(self.data_dir, StorePath) else self.data_dir

    @property
    def session_dir(self) -> Path:
        """Tokens of the switch, shared by this machine's processes; readable by the owner only."""
        return self.data_dir / "session"

    @property
    def landing_dir(self) -> Path:
        """Untouched bytes that came in."""
        return self.data_dir / "landing"

    @property
    def upload_dir(self) -> Path:
        """Drop folder: ``uploads/{account_id}/{profile}/file``."""
        return self.data_dir / "uploads"

    @property
    def profile_dir(self) -> Path:
        """The operator's own import profiles, in addition to the built-in ones."""
        return self.data_dir / "profiles"

    @property
    def export_dir(self) -> Path:
        """Daily files and their manifests."""
        return self.data_dir / "exports"

    @property
    def extract_dir(self) -> Path:
        """Files of records that accounts requested over the API, until they expire."""
        return self.data_dir / "extracts"

    @property
    def archive_dir(self) -> Path:
        """Records that were removed from the warehouse, in Parquet."""
        return self.data_dir / "archive"

    @property
    def report_dir(self) -> Path:
        """One page per night."""
        return self.data_dir / "reports"

    @property
    def alert_dir(self) -> Path:
        """Alerts that were raised while the warehouse could not be reached; always on this machine's disk."""
        local = self.dagster_home if isinstance(self.data_dir, StorePath) else self.data_dir
        return local / "alerts"

    @property
    def targets_file(self) -> Path:
        """File with the delivery targets; readable by its owner only, because it may contain passwords."""
        return self.data_dir / "targets.toml"

    @property
    def inbound_file(self) -> Path:
        """File with the places where carriers put files; readable by its owner only, as it may contain passwords."""
        return self.data_dir / "inbound.toml"

    @property
    def reconciliation_dir(self) -> Path:
        """Pages of reconciled days."""
        return self.data_dir / "reconciliation"

    @property
    def warehouse_dir(self) -> Path:
        """The embedded server's own folder."""
        return self.data_dir / "warehouse"
