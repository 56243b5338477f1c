"""A night in which an account failed is a failed run, a failed partition and a red check of its own day."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cdr_pipeline import cli
from cdr_pipeline.defs.collect import api_pages
from cdr_pipeline.defs.dagster_private import asset_partitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.metadata import failures_metadata
from cdr_pipeline.defs.operations import night
from cdr_pipeline.defs.operations.doctor import failed_nights
from cdr_pipeline.defs.operations.night import run_night
from cdr_pipeline.defs.outcome import CAUSE_TAG, DONE_TAG, FAILED_TAG, REJECTED_TAG, VERDICT_TAG
from cdr_pipeline.defs.partitions import PARTITION_TAG, business_days
from cdr_pipeline.errors import ConfigurationError, UploadHeld
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect.collect_day import CollectedDay, CollectRequest, collect_day
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.operations.remedies import remedy_of
from cdr_pipeline.steps.run_context import RunContext, utc_now
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.warehouse.ledger import Account
from tests.support.played import playing, run_job

DAY = (datetime.now(UTC) - timedelta(days=3)).date()
NEXT = DAY + timedelta(days=1)
REPORT, FILES = dg.AssetKey("night_report"), dg.AssetKey("daily_files")
ANSWERED = dg.AssetCheckKey(dg.AssetKey("api_pages"), "every_account_answered")
GOOD = dg.AssetCheckKey(REPORT, "night_is_good")


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=5)


@pytest.fixture
def played(settings: Settings, switch: SimulatedSwitch) -> Iterator[Settings]:
    with playing(settings, switch, collect_reread_days=0) as made:
        yield made


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> set[tuple[date, str]]:
    """Days and accounts that the switch refuses to answer for."""
    pairs: set[tuple[date, str]] = set()

    def refusing(request: CollectRequest, ctx: RunContext) -> CollectedDay:
        day = collect_day(request, ctx)
        failures = {
            account_id: AccountFailure(account_id, "upstream_transient", retryable=True, message="HTTP 503")
            for business_date, account_id in pairs
            if business_date == request.business_date
        }
        parts = [replace(part, failure=failures.get(part.account_id, part.failure)) for part in day.accounts]
        return replace(day, accounts=tuple(parts))

    monkeypatch.setattr(api_pages, "collect_day", refusing)
    return pairs


def evaluation_of(
    instance: dg.DagsterInstance, day: date, check: dg.AssetCheckKey = ANSWERED
) -> dg.AssetCheckEvaluation:
    records = instance.event_log_storage.get_asset_check_execution_history(check, limit=20)
    record = next(record for record in records if record.partition == str(day))
    assert record.evaluation is not None
    return record.evaluation


@pytest.mark.slow
def test_a_failed_account_fails_its_run_and_its_partition(
    played: Settings, switch: SimulatedSwitch, refused: set[tuple[date, str]]
) -> None:
    broken = switch.accounts[0].account_id
    with open_instance(played) as instance:
        refused.add((DAY, broken))
        result = run_job(played, instance, DAY)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert not result.success
        assert (run.tags[DONE_TAG], run.tags[FAILED_TAG]) == (str(len(switch.accounts) - 1), "1")
        assert asset_partitions(instance, REPORT, business_days(played)) == (set(), {str(DAY)})
        assert asset_partitions(instance, FILES, business_days(played)) == ({str(DAY)}, set())

        assert run_job(played, instance, NEXT).success
        evaluation = evaluation_of(instance, DAY)
        assert not evaluation.passed
        assert f"| {broken} |" in str(evaluation.metadata["failed_accounts"].value)
        assert evaluation.metadata["what_to_do"].value == f"cdr-pipeline nightly --date {DAY} --account {broken}"

        refused.clear()
        again = run_job(played, instance, DAY)
        assert again.success, [event.message for event in again.all_events if event.is_failure]
        assert asset_partitions(instance, REPORT, business_days(played)) == ({str(DAY), str(NEXT)}, set())


@pytest.mark.slow
def test_one_failed_day_of_a_backfill_is_the_only_failed_partition(
    played: Settings, switch: SimulatedSwitch, refused: set[tuple[date, str]]
) -> None:
    refused.add((DAY, switch.accounts[0].account_id))
    days = {"dagster/asset_partition_range_start": str(DAY), "dagster/asset_partition_range_end": str(NEXT)}
    with open_instance(played) as instance:
        assert not run_job(played, instance, None, days).success
        assert asset_partitions(instance, REPORT, business_days(played)) == ({str(NEXT)}, {str(DAY)})
        assert [evaluation_of(instance, day).passed for day in (DAY, NEXT)] == [False, True]
        good = evaluation_of(instance, DAY, GOOD)
    # Also where the ledger has nothing against the day, as at a time when no other night is missing.
    assert not good.passed
    assert str(good.description).startswith("Not good: ")


def test_a_night_with_rejected_rows_succeeds_and_is_shown_as_not_good(
    played: Settings, switch: SimulatedSwitch
) -> None:
    folder = played.upload_dir / switch.accounts[0].account_id / "generic"
    folder.mkdir(parents=True)
    (folder / "calls.csv").write_text(f"id,start_time,caller,callee,duration\nx,{DAY} 12:00:00,a,b,long\n")
    with open_instance(played) as instance:
        result = run_job(played, instance, DAY)
        run = instance.get_run_by_id(result.run_id)
        shown = evaluation_of(instance, DAY, GOOD)
    assert result.success
    assert run is not None
    assert (run.tags[VERDICT_TAG], run.tags[REJECTED_TAG]) == ("not good", "1")
    assert "1 row rejected and in no file" in run.tags[CAUSE_TAG]
    assert not shown.passed
    assert shown.description == shown.metadata[str(DAY)].value


def test_a_failed_account_is_listed_with_its_name_and_cause() -> None:
    failure = AccountFailure("acc1", "upstream_transient", retryable=True, message="connection refused by host:443")
    listed = str(failures_metadata([failure], {"acc1": "Example Logistics"})["failed_accounts"].value)
    assert "| acc1 | Example Logistics | upstream_transient | yes | connection refused by host:443 |" in listed


def test_a_wrong_key_is_corrected_before_the_night_is_repeated() -> None:
    failure = AccountFailure("acc1", "upstream_auth", retryable=False, message="HTTP 401")
    remedy = remedy_of([failure], [date(2026, 3, 7)])
    assert remedy.startswith("correct CDR_API_KEY")
    assert remedy.endswith("cdr-pipeline nightly --date 2026-03-07 --account acc1")


def test_a_night_without_a_switch_names_the_setting_and_starts_no_run(settings: Settings) -> None:
    without = settings.model_copy(update={"api_url": None})
    with pytest.raises(ConfigurationError, match="CDR_API_URL"):
        run_night(DAY, without)
    with open_instance(without) as instance:
        assert instance.get_runs_count() == 0


def test_a_night_without_accounts_is_refused_and_starts_no_run(ctx: RunContext) -> None:
    made = ctx.settings.model_copy(update={"api_url": "http://127.0.0.1:9"})
    with pytest.raises(ConfigurationError, match="no account is registered") as refused:
        run_night(DAY, made)
    assert "accounts sync" in (refused.value.hint or "")
    with open_instance(made) as instance:
        assert instance.get_runs_count() == 0


@pytest.mark.parametrize(
    ("code", "failing", "first"),
    [
        ("upstream_transient", 2, "first start the switch, or correct CDR_API_URL"),
        ("upstream_account_not_found", 1, "stop collecting it: 'cdr-pipeline accounts add a0 --inactive'"),
        ("upstream_account_not_found", 2, "first correct CDR_API_URL or the ids of the accounts"),
        ("upstream_auth", 1, "let the switch's operator give these credentials access"),
    ],
)
def test_a_failed_day_says_what_to_do_before_its_command(ctx: RunContext, code: str, failing: int, first: str) -> None:
    with ctx.ledger() as ledger:
        for number in range(2):
            ledger.accounts.add(Account(f"a{number}", f"Name {number}", time_zone="UTC"), now=ctx.clock())
        for number in range(failing):
            ledger.connection.execute(
                "INSERT INTO windows (account_id, business_date, starts_at, ends_at, state, attempted_at, error_code)"
                " VALUES (%s, %s, %s::date, %s::date + 1, 'failed', now(), %s)",
                [f"a{number}", DAY, DAY, DAY, code],
            )
    (found,) = [item for item in find_problems(ctx) if item.code == code]
    assert first in found.what
    assert "Name 0 (a0)" in found.what


def test_a_night_that_was_cut_off_is_named_until_its_day_is_collected(ctx: RunContext) -> None:
    @dg.job(name=NIGHTLY)
    def job() -> None:
        """A night that ends before it collects anything."""

    with ctx.ledger() as ledger, dg.DagsterInstance.ephemeral() as instance:
        ledger.accounts.add(Account("acc1", "Bakery", time_zone="UTC"), now=ctx.clock())
        tags = {PARTITION_TAG: "2026-02-10"}
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=tags)
        (problem,) = failed_nights(instance, replace(ctx, clock=utc_now))
        assert problem.command == "cdr-pipeline nightly --date 2026-02-10"
        assert "1 account is not collected" in problem.what
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS, tags=tags)
        assert list(failed_nights(instance, replace(ctx, clock=utc_now))) == []


def test_a_night_with_a_held_file_is_not_good_and_exits_with_11(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account("acc1", "Bakery", time_zone="UTC"), now=ctx.clock())
    for name, end in (("first.csv", ""), ("again.csv", "\n")):
        file = tmp_path / name
        file.write_text(f"id,start_time,caller,callee,duration\nx1,2026-11-10 10:00:00,a,b,5\n{end}")
        with suppress(UploadHeld):
            import_upload(UploadRequest(file, "acc1", "generic", "UTC"), ctx)
    assert "upload_held" in {item.code for item in find_problems(ctx)}
    monkeypatch.setenv("CDR_DATA_DIR", str(ctx.settings.data_dir))
    monkeypatch.setenv("CDR_WAREHOUSE_URL", ctx.url)
    monkeypatch.setattr(night, "run_night", lambda *_, **__: night.Night("run1", True, (), 1.0, {}, {}))
    monkeypatch.setattr(sys, "argv", ["cdr-pipeline", "nightly", "--date", str(DAY)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 11
    assert "not good: upload" in capsys.readouterr().err
