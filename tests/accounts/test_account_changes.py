"""Changes of accounts: only what is named changes, and no day that has records moves unnoticed."""

import re
import shlex
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdr_pipeline.cli.accounts.accounts import accounts_app
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.accounts.add_account import AccountRequest, add_account
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads import load_uploads as loading_step
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records import records
from tests.support.carriers import drop
from tests.support.commands import run_command
from tests.support.days import ACCOUNT, DAY, collected, deliver, export, seal
from tests.support.nights import warehouse

FULL = Account(ACCOUNT, "Reseller", "root", "Europe/Berlin", "49", active=False)
NEXT = DAY + timedelta(days=1)
LINES = "id,call_id,start_time,duration_seconds\nc1,,2026-03-02T20:00:00Z,60\n"


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """A day of one call of an account of which everything is set."""
    with ctx.ledger() as ledger:
        ledger.accounts.add(FULL, now=ctx.clock())
    collected(ctx)
    deliver(ctx, {"record_id": "a"})
    return ctx


def known(ctx: RunContext, account_id: str = ACCOUNT) -> Account:
    with ctx.ledger() as ledger:
        return ledger.accounts.active([account_id])[0]


@pytest.fixture
def run(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Result]:
    """Runs ``cdr-pipeline accounts`` with some arguments on the place."""
    assert place.settings.warehouse_url is not None
    monkeypatch.setenv("CDR_DATA_DIR", str(place.settings.data_dir))
    monkeypatch.setenv("CDR_WAREHOUSE_URL", place.settings.warehouse_url.get_secret_value())
    return lambda arguments: CliRunner().invoke(accounts_app, shlex.split(arguments))


@pytest.mark.fault("R205")
@pytest.mark.parametrize(
    ("option", "changed"),
    [
        ("", {}),
        ("--name Other", {"name": "Other"}),
        ("--parent other", {"parent_id": "other"}),
        ("--parent ''", {"parent_id": None}),
        ("--country-code 44", {"country_code": "44"}),
        ("--country-code ''", {"country_code": None}),
        ("--active", {"active": True}),
        ("--time-zone Europe/Berlin", {}),
    ],
)
def test_accounts_add_changes_only_what_is_named(
    run: Callable[[str], Result], place: RunContext, option: str, changed: dict[str, Any]
) -> None:
    result = run(f"add {ACCOUNT} {option}")
    assert result.exit_code == 0, result.output
    names = ("name", "parent_id", "time_zone", "country_code", "active", "earlier_zones")
    assert {name: getattr(known(place), name) for name in names} == {
        name: getattr(FULL, name) for name in names
    } | changed


@pytest.mark.fault("R205")
def test_a_new_zone_without_its_first_day_is_refused_with_a_command(
    run: Callable[[str], Result], place: RunContext
) -> None:
    refused = run_command("accounts", "add", ACCOUNT, "--time-zone", "Asia/Tokyo", "--name", "Other")
    assert refused.returncode == ConfigurationError.exit_code
    assert known(place) == FULL
    command = re.search(r"'cdr-pipeline accounts (add acct --time-zone Asia/Tokyo --zone-from \S+)'", refused.stderr)
    assert command is not None, refused.stderr
    assert run(command[1]).exit_code == 0
    assert known(place).time_zone == "Asia/Tokyo"
    assert known(place).zones.on(DAY) == "Europe/Berlin"
    assert isinstance(run(f"add {ACCOUNT} --zone-from 2030-01-01").exception, ConfigurationError)


@pytest.mark.fault("R205")
def test_a_zone_that_would_move_stored_records_is_refused(place: RunContext) -> None:
    deliver(place, {"record_id": "evening", "started_at": datetime(2026, 3, 2, 20, tzinfo=UTC)})
    tokyo = AccountRequest(ACCOUNT, time_zone="Asia/Tokyo")
    # In Tokyo 3 March begins at 15:00 UTC of 2 March, before the evening's call.
    with pytest.raises(ConfigurationError, match="calls that started after 2026-03-02 15:00 UTC"):
        add_account(tokyo, place, zone_from=NEXT)
    assert known(place) == FULL
    assert add_account(tokyo, place, zone_from=NEXT + timedelta(days=1)).moved == NEXT + timedelta(days=1)


@pytest.mark.fault("R205")
def test_a_zone_that_would_move_the_bounds_of_a_sealed_day_is_refused(place: RunContext) -> None:
    seal(place)
    new_york = AccountRequest(ACCOUNT, time_zone="America/New_York")
    with pytest.raises(ConfigurationError, match="2026-03-02 is sealed and would end at another time"):
        add_account(new_york, place, zone_from=NEXT)
    assert known(place) == FULL
    assert add_account(new_york, place, zone_from=NEXT + timedelta(days=1)).moved == NEXT + timedelta(days=1)
    assert export(place).file.manifest.window_end_utc == "2026-03-02T23:00:00Z"


@pytest.mark.fault("R206")
def test_a_load_that_waits_for_a_zone_change_uses_the_new_zone(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_account(AccountRequest("new", time_zone="UTC"), ctx)
    begin, read, moved = records.batch_load, threading.Event(), threading.Event()

    def waiting(*args: Any, **more: Any) -> Any:
        # The account was read, the load has not begun: now the zone changes.
        read.set()
        moved.wait(30)
        return begin(*args, **more)

    monkeypatch.setattr(records, "batch_load", waiting)

    def move() -> None:
        read.wait(30)
        add_account(AccountRequest("new", time_zone="Asia/Tokyo"), ctx)
        moved.set()

    mover = threading.Thread(target=move)
    mover.start()
    drop(ctx, "new", LINES)
    mover.join(30)
    assert warehouse(ctx, "SELECT business_date FROM cdr") == [(date(2026, 3, 3),)]
    assert warehouse(ctx, "SELECT business_date FROM days WHERE changes > 0") == [(date(2026, 3, 3),)]


@pytest.mark.fault("R206")
def test_a_zone_change_waits_for_a_running_load_and_sees_its_records(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_account(AccountRequest("new", time_zone="UTC"), ctx)
    refused: list[ConfigurationError] = []

    def move() -> None:
        try:
            add_account(AccountRequest("new", time_zone="Asia/Tokyo"), ctx)
        except ConfigurationError as error:
            refused.append(error)

    mover = threading.Thread(target=move)
    stage = loading_step.stage_upload

    def staged(*args: Any) -> None:
        mover.start()
        stage(*args)
        # The move has time to overtake the load, if it can.
        mover.join(1)

    monkeypatch.setattr(loading_step, "stage_upload", staged)
    drop(ctx, "new", LINES)
    mover.join(30)
    assert [error.message for error in refused] == [
        "account new has days in UTC, and a new zone would move their bounds"
    ]
    assert known(ctx, "new").zones.on(DAY) == "UTC"
    assert warehouse(ctx, "SELECT business_date FROM cdr") == [(DAY,)]
