"""Creates and opens the Dagster instance in ``DAGSTER_HOME``."""

import shutil
from typing import Final

import dagster as dg

from cdr_pipeline.defs.pools import create_pools
from cdr_pipeline.errors import DagsterStorageError
from cdr_pipeline.files.lock import file_lock
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.settings import Settings, bundled

_HINT: Final = (
    "if it is locked or away, try again when it is back; if it is damaged, stop 'cdr-pipeline up' and move the "
    "folders history and schedules out of DAGSTER_HOME: Dagster creates them again, and the warehouse keeps all days"
)


def prepare_home(settings: Settings) -> None:
    """Creates ``dagster.yaml`` and the storage in DAGSTER_HOME, if they do not exist."""
    open_instance(settings).dispose()


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME, which the UI shows as well; missing parts of it are created.

    A file lock admits one process at a time: two processes that create Dagster's tables at once leave a storage that
    cannot be opened.

    Raises:
        DagsterStorageError: the storage is damaged, locked or away.
    """
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    with file_lock(settings.dagster_home / ".lock"):
        config = settings.dagster_home / "dagster.yaml"
        if not config.exists():
            shutil.copyfile(bundled("dagster_home") / "dagster.yaml", config)
        try:
            instance = dg.DagsterInstance.from_config(str(settings.dagster_home))
            # Reads each part once, because a damaged file is opened without an error.
            instance.get_runs_count()
            instance.event_log_storage.has_asset_key(dg.AssetKey("night_report"))
            instance.all_instigator_state()
            create_pools(instance, settings)
        except Exception as error:  # noqa: BLE001 - each kind of storage raises errors of its own
            raise DagsterStorageError(
                f"Dagster's storage in {settings.dagster_home} cannot be used: {_storage_cause(error)}", hint=_HINT
            ) from None
        return instance


def _storage_cause(error: BaseException) -> str:
    """First line of the database's message, without its statement; else the type of the error."""
    found: BaseException | None = error
    while found is not None:
        database_error = getattr(found, "orig", None)
        if database_error is not None:
            return redact(str(database_error).strip().split("\n", 1)[0])
        found = found.__cause__ or found.__context__
    return type(error).__name__
