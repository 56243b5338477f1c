"""Real files that no one here wrote: every line is loaded or rejected with a reason."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.warehouse.ledger import Account

# file, profile, lines read, merged, rejected, filtered
FILES = [
    ("asterisk_pjsip_Master.csv", "asterisk_custom", 14, 14, 0, 0),
    ("freepbx_cdr_report_download.csv", "freepbx", 101, 100, 0, 1),
    ("freeswitch_docs_Master.csv", "freeswitch", 5, 5, 0, 0),
    ("pbxware_asterisk_cdr_NULL_strings.csv", "pbxware", 8, 7, 0, 1),
    ("cisco_cucm_cdr_typed_header.txt", "cucm", 5, 3, 0, 2),
    ("generic_epoch_e164_cdrs.csv", "generic", 13, 10, 0, 3),
    ("kazoo_couch_fixture_cdr.json", "kazoo_detail", 1, 0, 1, 0),
    ("kazoo_error_401.json", "kazoo_json", 13, 0, 13, 0),
    ("kazoo_list_page_3.21.txt", "kazoo_json", 76, 0, 76, 0),
]


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account("acct", time_zone="Europe/Berlin", country_code="34"), now=ctx.clock())
    return ctx


@pytest.mark.parametrize(
    ("name", "profile", "read", "merged", "rejected", "filtered"), FILES, ids=[f[0] for f in FILES]
)
def test_every_line_is_accounted_for(
    samples: Path, place: RunContext, name: str, profile: str, read: int, merged: int, rejected: int, filtered: int
) -> None:
    loaded = import_upload(UploadRequest(samples / name, "acct", profile), place)
    counts = loaded.counts
    assert (counts.read, counts.merged, counts.rejected, counts.filtered) == (read, merged, rejected, filtered)
    again = import_upload(UploadRequest(samples / name, "acct", profile), place)
    assert again.known
    assert again.counts == counts


def test_one_number_in_four_notations_is_one_number(samples: Path, place: RunContext) -> None:
    import_upload(UploadRequest(samples / "freeswitch_docs_Master.csv", "acct", "freeswitch"), place)
    with place.ledger() as ledger:
        found = ledger.connection.execute("SELECT DISTINCT callee_e164, answered FROM cdr").fetchall()
    assert found == [("+34688886392", False)]


def test_a_row_of_types_is_no_call_and_zero_is_no_answer(samples: Path, place: RunContext) -> None:
    import_upload(UploadRequest(samples / "cisco_cucm_cdr_typed_header.txt", "acct", "cucm"), place)
    with place.ledger() as ledger:
        found = ledger.connection.execute(
            "SELECT answered_at IS NULL, answered, count(*) FROM cdr GROUP BY 1, 2"
        ).fetchall()
    assert sorted(found) == [(False, True, 1), (True, False, 2)]


def test_the_real_document_comes_over_http_and_into_a_file(samples: Path, ctx: RunContext) -> None:
    switch = SimulatedSwitch.build(documents=samples / "kazoo_couch_fixture_cdr.json")
    (account,) = switch.accounts
    day = date(2013, 7, 29)
    with run_switch(switch) as running:
        place = replace(
            ctx,
            settings=ctx.settings.model_copy(
                update={"api_url": running.url, "api_token": SecretStr(switch.token), "api_details": True}
            ),
        )
        with place.ledger() as ledger:
            ledger.accounts.add(Account(account.account_id), now=ctx.clock())
        collect_day(CollectRequest(day), place)
        load_day(LoadRequest(day), place)
    exported = export_days(ExportRequest([day]), place)
    with place.ledger() as ledger:
        found = ledger.connection.execute(
            "SELECT business_date, username, realm, handling_server_name, extra -> 'msg_id' IS NOT NULL FROM cdr"
        ).fetchall()
    assert len(found) == 1
    assert found[0][1:] == ("account_username", "account_realm", "kazoo.local", True)
    assert sum(item.file.rows for item in exported) == 1
