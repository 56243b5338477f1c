"""Dagster's own storage can be lost: commands name it, and everything else is still checked."""

import sqlite3

import pytest

from cdr_pipeline.cli import terminal
from cdr_pipeline.cli.operations.up import up
from cdr_pipeline.defs.instance import open_instance, prepare_home
from cdr_pipeline.defs.operations.doctor import check_up
from cdr_pipeline.errors import ConfigurationError, DagsterStorageError
from cdr_pipeline.files.lock import sole_lock
from cdr_pipeline.settings import Settings
from tests.support.listeners import free_port

DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def damaged(settings: Settings, name: str) -> None:
    prepare_home(settings)
    file = settings.dagster_home / name
    file.write_bytes(b"not a database " * 500)
    for rest in file.parent.glob(f"{file.name}-*"):
        rest.unlink()


@pytest.mark.parametrize("name", DATABASES)
def test_a_damaged_database_of_dagster_has_a_code_and_a_remedy(settings: Settings, name: str) -> None:
    damaged(settings, name)
    with pytest.raises(DagsterStorageError, match="not a database") as raised:
        open_instance(settings)
    assert "folders history and schedules" in raised.value.hint


def test_doctor_works_without_dagster(settings: Settings) -> None:
    damaged(settings, DATABASES[0])
    problems = check_up(settings, fix=True).problems
    assert {item.code for item in problems} == {"dagster_storage", "no_accounts"}


def test_dagster_starts_anew_when_the_damaged_folders_are_moved(settings: Settings) -> None:
    damaged(settings, DATABASES[0])
    for folder in ("history", "schedules"):
        (settings.dagster_home / folder).rename(settings.dagster_home / f"{folder}.damaged")
    with open_instance(settings) as instance:
        assert instance.get_runs_count() == 0


def test_a_second_up_on_one_home_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "ready_settings", lambda: settings)
    prepare_home(settings)
    with sole_lock(settings.dagster_home / ".up.lock") as alone:
        assert alone
        with pytest.raises(ConfigurationError, match="another 'cdr-pipeline up' runs"):
            up(port=free_port())


def test_a_locked_database_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_home(settings)
    connect = sqlite3.connect

    def impatient(*arguments: object, **options: object) -> sqlite3.Connection:
        return connect(*arguments, **options | {"timeout": 0.1})  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite3, "connect", impatient)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", impatient)
    holder = connect(settings.dagster_home / "history" / "runs.db")
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(DagsterStorageError, match="locked"):
            open_instance(settings)
    finally:
        holder.rollback()
        holder.close()
