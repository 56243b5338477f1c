"""A number is erased on request: gone from the warehouse, totals as they were, the files that show it named."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from psycopg import sql
from typer.testing import CliRunner

from cdr_pipeline.cli.operations.warehouse import warehouse_app
from cdr_pipeline.core.fields.schemas import REJECT_SCHEMA
from cdr_pipeline.errors import AccountNotFound, ConfigurationError
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.retention.erase_number import ErasedAccount, EraseRequest, erase_number
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.retention.erasures import ShownFile
from cdr_pipeline.warehouse.server.engine import connect
from tests.support.days import ACCOUNT, collected, deliver, export, files, later, manifest, restate, seal, state

NUMBER = "+49 30 123456"
NEXT = date(2026, 4, 1)
SHOWN = {"caller_id_number": "030 123456", "caller_e164": "+4930123456", "caller_id_name": "Someone"}
USD = {"cost": Decimal("0.5"), "cost_currency": "USD"}
EVERYTHING = "SELECT row_to_json(found)::text FROM {} AS found"
TOTALS = """
    SELECT business_date, origin, call_direction, cost_currency, count(*), sum(duration_seconds), sum(billing_seconds),
        sum(cost)
    FROM cdr_merged GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
FILE = "acct/2026/03/cdrs_acct_2026-03-02_v1.csv"


def query(ctx: RunContext, text: str) -> list[tuple[Any, ...]]:
    with connect(ctx.url) as connection:
        return connection.execute(sql.SQL(text)).fetchall()  # type: ignore[arg-type]


def erase(ctx: RunContext, number: str = NUMBER, **more: Any) -> list[ErasedAccount]:
    return erase_number(EraseRequest(number, "A. Controller", "request 17 of 2026", **more), ctx)


def shown(ctx: RunContext, text: str = "123456") -> list[str]:
    """Tables in which a text stands."""
    tables = ("cdr", "cdr_history", "cdr_stage", "rejects", "erasures", "erased_records")
    return [table for table in tables if any(text in row[0] for row in query(ctx, EVERYTHING.format(table)))]


def callers(ctx: RunContext) -> dict[str, str]:
    return dict(query(ctx, "SELECT record_id, caller_id_number FROM cdr ORDER BY 1"))


def reject(ctx: RunContext, raw: str) -> None:
    header = BatchHeader(ACCOUNT, uuid4(), "upload", f"source-{uuid4()}", ctx.clock())
    row = {"line": 9, "field": "started_at", "reason": "bad_time", "raw": raw}
    with ctx.ledger() as ledger, batch_load(ledger.connection, header) as load:
        load.reject(pl.DataFrame([row], schema=REJECT_SCHEMA))
        load.finish(read=1)


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """March, sealed: the number in one record, its earlier version and the other record of its leg; April, open."""
    collected(ctx)
    deliver(ctx, {"record_id": "a", "call_id": "x", "callee_id_name": "old"} | SHOWN | USD, {"record_id": "b"})
    deliver(ctx, {"record_id": "a", "call_id": "x"} | SHOWN | USD)
    deliver(ctx, {"record_id": "file", "call_id": "x", "caller_id_number": "0301234567"}, kind="upload")
    deliver(ctx, {"record_id": "open", "business_date": NEXT, "callee_id_number": "004930123456"})
    seal(ctx)
    export(ctx, NEXT)
    return ctx


@pytest.mark.fault("D29")
def test_an_erased_number_leaves_all_records_and_history_but_no_total(
    place: RunContext,
) -> None:
    before = query(place, TOTALS)
    assert shown(place) == ["cdr", "cdr_history"]
    (found,) = erase(place)
    assert (found.account_id, found.records) == (ACCOUNT, 3)
    assert shown(place) == []
    assert shown(place, "Someone") == []
    assert callers(place) == {"a": "030 12****", "b": None, "file": "030123****", "open": None}
    assert query(place, TOTALS) == before
    assert query(place, "SELECT actor, reason, records FROM erasures") == [("A. Controller", "request 17 of 2026", 3)]


@pytest.mark.fault("D29")
def test_sealed_files_are_unchanged_and_those_with_the_number_are_named(place: RunContext, tmp_path: Any) -> None:
    place.settings.targets_file.write_text(f'[finance]\nurl = "{tmp_path}/fetched"\n')
    deliver_files(DeliverRequest(), place)
    before = files(place)
    (found,) = erase(place)
    assert files(place) == before
    assert state(place) == "sealed"
    listed = [file for file in found.files if file.kind != "landing"]
    assert listed == [
        ShownFile("daily file", FILE, "sealed"),
        ShownFile("daily file", "acct/2026/04/cdrs_acct_2026-04-01_v1.csv", "open"),
        ShownFile("delivered", FILE, "finance"),
    ]


@pytest.mark.fault("D29")
def test_an_open_day_is_written_again_without_the_number(place: RunContext) -> None:
    old = export(place, NEXT).file
    assert b"004930123456" in old.path.read_bytes()
    assert [item.days for item in erase(place)] == [1]
    with place.ledger() as ledger:
        assert ledger.days.to_export([ACCOUNT]) == [(ACCOUNT, NEXT)]
    fresh = export(place, NEXT).file
    assert b"123456" not in fresh.path.read_bytes()
    assert fresh.manifest.totals == old.manifest.totals


@pytest.mark.fault("D29")
def test_a_reissue_is_a_new_version_with_equal_totals_that_verifies(place: RunContext) -> None:
    erase(place, reissue=True)
    assert state(place) == "late_pending"
    again = restate(later(place, hours=1))
    assert (again.outcome, again.version) == ("restated", 2)
    first = manifest(place.settings.export_dir / FILE)
    assert again.files[0].manifest.totals == first.totals
    assert b"123456" not in again.files[0].path.read_bytes()
    assert again.files[0].manifest.supersedes == first.sha256
    assert not any(verify_tree(place.settings.export_dir).values())


@pytest.mark.fault("D29")
def test_erased_values_stay_erased_when_the_record_returns(place: RunContext) -> None:
    erase(place)
    deliver(place, {"record_id": "a", "call_id": "x"} | SHOWN | USD)
    deliver(place, {"record_id": "a", "call_id": "x", "rate_name": "rated later"} | SHOWN | USD)
    assert query(place, "SELECT rate_name FROM cdr WHERE record_id = 'a'") == [("rated later",)]
    assert shown(place) == []


@pytest.mark.fault("D29")
def test_the_raw_text_of_refused_rows_is_emptied_and_their_reason_stays(place: RunContext) -> None:
    reject(place, "+49 (0)30 12-34-56;bad time")
    reject(place, "+49 30 1234567;bad time")
    (found,) = erase(place)
    assert found.rejects == 1
    assert query(place, "SELECT reason, raw FROM rejects ORDER BY raw") == [
        ("bad_time", ""), ("bad_time", "+49 30 1234567;bad time"),
    ]  # fmt: skip


@pytest.mark.fault("D29")
def test_a_dry_run_says_what_would_be_erased_and_changes_nothing(place: RunContext) -> None:
    before = [query(place, EVERYTHING.format(table)) for table in ("cdr", "cdr_history", "days", "rejects")]
    (found,) = erase(place, dry_run=True)
    assert (found.records, len(found.files) > 0) == (3, True)
    assert [query(place, EVERYTHING.format(table)) for table in ("cdr", "cdr_history", "days", "rejects")] == before
    assert query(place, "SELECT FROM erasures") == []


@pytest.mark.fault("D29")
def test_erasing_again_finds_nothing(place: RunContext) -> None:
    erase(place)
    assert erase(place) == []
    assert query(place, "SELECT records FROM erasures") == [(3,)]


@pytest.mark.fault("D29")
def test_other_accounts_are_searched_unless_one_is_named(place: RunContext) -> None:
    with place.ledger() as ledger:
        ledger.accounts.add(Account("other", active=False), now=place.clock())
    assert [item.account_id for item in erase(place, accounts=["other"])] == []
    assert shown(place) == ["cdr", "cdr_history"]
    with pytest.raises(AccountNotFound):
        erase(place, accounts=["nobody"])
    assert [item.account_id for item in erase(place)] == [ACCOUNT]


@pytest.mark.fault("D29")
@pytest.mark.parametrize("number", ["101", "030123456", "+49", "someone", ""])
def test_what_is_no_international_number_is_refused_and_not_repeated(ctx: RunContext, number: str) -> None:
    collected(ctx)
    with pytest.raises(ConfigurationError) as refused:
        erase(ctx, number)
    assert not number or number not in str(refused.value)


@pytest.mark.fault("D29")
def test_an_erasure_without_a_name_or_a_reason_is_refused(ctx: RunContext) -> None:
    with pytest.raises(ConfigurationError, match="a reason"):
        erase_number(EraseRequest(NUMBER, "A. Controller", " "), ctx)


@pytest.mark.fault("D29")
def test_the_number_can_come_from_standard_input_and_is_not_shown(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDR_WAREHOUSE_URL", place.url)
    monkeypatch.setenv("CDR_DATA_DIR", str(place.settings.data_dir))
    done = CliRunner().invoke(warehouse_app, ["erase", "-", "--by", "A. Controller", "--reason", "r"], input=NUMBER)
    assert done.exit_code == 0
    assert "3 records and 0 rejected rows masked" in done.output
    assert "123456" not in done.output
    assert shown(place) == []
