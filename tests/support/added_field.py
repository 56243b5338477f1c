"""Uses a copy of the product whose dictionary has one more field; ``tests/records/test_added_field.py`` runs it.

Prints, as JSON, what each part of the product makes of the field. Arguments: URL of a warehouse of the revision before,
and a folder for data.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import psycopg

from cdr_pipeline.core.records.document import document_of
from cdr_pipeline.core.records.search import Compare, Operator, Search
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.retention.erase_number import EraseRequest, erase_number
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.warehouse.accounts.tenancy import scoped_async
from cdr_pipeline.warehouse.records.search import find_page, find_record
from cdr_pipeline.warehouse.server.migrate import upgrade
from tests.support.days import ACCOUNT, DAY, deliver, export
from tests.support.nights import warehouse
from tests.support.own_clock import by_own_clock
from tests.support.uploads import own_profile

EMAIL = "4930123456@payer.example"
FILE = f"id,call,caller,callee,start,payer\n7,call-1,+4930123456,+442055500001,2026-03-02T09:30:01Z,{EMAIL}\n"
PROFILE = """
description = "a file with the added field"
native_id = ["id"]

[time]
notation = "any"

[fields]
call_id = "call"
caller_id_number = "caller"
callee_id_number = "callee"
started_at = "start"
added_email = "payer"

[constants]
call_direction = "inbound"
"""


def settings_of(url: str, folder: Path) -> Settings:
    """Settings of one data folder that write the exact and the redacted dialect."""
    made = Settings(
        data_dir=folder / "data",
        warehouse_url=url,
        upload_settle_seconds=0,
        export_dialects="exact,redacted",
        redaction_key="a key of the test",
    )
    return by_own_clock(made)


def context(url: str, folder: Path) -> RunContext:
    """A context long after the calls."""
    return RunContext.open(settings_of(url, folder), clock=lambda: datetime(2026, 3, 20, 12, tzinfo=UTC))


async def searched(url: str) -> tuple[list[str], dict[str, Any]]:
    """Rows of a search for the value, and the detail document of the leg."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SET timezone = 'UTC'")
        async with scoped_async(connection, ACCOUNT):
            wanted = Compare(("added_email",), Operator.EQUALS, (EMAIL,))
            page = await find_page(connection, Search((ACCOUNT,), (wanted,)), size=10, start=None)
            record = await find_record(connection, ACCOUNT, "r1")
    assert record is not None
    return [json.loads(row)["id"] for row in page.rows], document_of(record)


def changes(ctx: RunContext) -> int:
    """Change counter of the day."""
    ((count,),) = warehouse(ctx, f"SELECT changes FROM days WHERE business_date = '{DAY}'")
    return count


def main(url: str, folder: Path) -> dict[str, Any]:
    """Uses the field in every part of the product."""
    upgrade(url)
    ctx = context(url, folder)
    before = changes(ctx)
    deliver(ctx, {"call_id": "call-1"})
    answers: dict[str, Any] = {"changes of a reload": changes(ctx) - before}
    own_profile(ctx, "payers", PROFILE)
    (folder / "payers.csv").write_text(FILE)
    import_upload(UploadRequest(folder / "payers.csv", ACCOUNT, "payers"), ctx)
    answers["stored"] = warehouse(ctx, "SELECT origin, added_email FROM cdr ORDER BY 1")
    answers["merged"] = warehouse(ctx, "SELECT origin, added_email FROM cdr_merged")
    file = export(ctx).file
    assert file is not None
    exported = file.path
    rows = pl.read_csv(exported, infer_schema=False)
    answers["exported"] = [rows.columns[-1], rows["added_email"].to_list()]
    (redacted,) = exported.parent.glob("*redacted*.csv")
    answers["redacted"] = pl.read_csv(redacted, infer_schema=False)["added_email"].to_list()
    answers["found"], document = asyncio.run(searched(url))
    answers["document"] = document["cdr_pipeline"]["added_email"]
    erase_number(EraseRequest("+4930123456", "A. Controller", "request 17"), ctx)
    answers["erased"] = warehouse(ctx, "SELECT added_email FROM cdr_merged")
    return answers


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
