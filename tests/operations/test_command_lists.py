"""Lists of commands: names of accounts, widths, JSON, dates and completion."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from rich.cells import cell_len

from cdr_pipeline.cli.account_options import complete_account
from cdr_pipeline.cli.dates import complete_day, parse_any_day, parse_day, parse_month
from cdr_pipeline.cli.listing_json import json_rows
from cdr_pipeline.cli.listing_layout import rendered
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import SCHEMA, listings_of
from cdr_pipeline.cli.uploads.profiles import complete_profile
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.accounts.account_names import account_named
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from tests.support.commands import run_command
from tests.support.reference_pages import commands

ID = "0b3206da52b942d68c30555a148a0049"
NAMES = {ID: "Sample Clinic", "acct": "Short"}
DAYS = listing("days", "Days", "account", "day", "rows", "why", numbers=("rows",), sentences=("why",))
ROW = (ID, date(2026, 3, 2), 12, "the file has other bytes than were sealed, and the manifest is missing as well")
# Commands that start something, decide, write or send, and print no list of it.
SILENT = {
    "demo", "up", "ui", "serve", "simulate", "fields", "accounts add", "uploads release", "uploads discard",
    "rejects export", "rejects replay", "rejects dismiss", "breaks decide", "breaks note", "breaks credit",
    "breaks export", "breaks rules add", "breaks rules end", "invoices add", "profiles show", "profiles check",
    "profiles schema", "profiles new", "tokens create", "tokens revoke", "users invite", "users link", "users change",
    "webhooks add", "webhooks replay", "webhooks remove", "webhooks send",
    "alerts test", "alerts retry", "deployment write", "warehouse start", "warehouse stop", "warehouse url",
    "warehouse migrate", "warehouse backup", "warehouse link", "warehouse distribute", "warehouse retention set",
    "data move", "backup", "restore",
}  # fmt: skip


def account(account_id: str, name: str) -> Account:
    return Account(account_id, name, None, "UTC", None, None, active=True)


def test_every_command_that_lists_or_reports_prints_json() -> None:
    without = {words for words, command in commands().items() if not listings_of(command.callback or print)}
    assert without == SILENT


def test_keys_of_one_document_differ_and_their_fields_are_named_once() -> None:
    for command in commands().values():
        listings = listings_of(command.callback or print) or ()
        assert len({item.key for item in listings}) == len(listings)
        assert not {item.key for item in listings} & {"schema", "error"}
        assert all(len(set(item.fields())) == len(item.fields()) for item in listings)


def test_json_has_exact_values_and_names_of_accounts() -> None:
    shown = listing("x", "X", "account", "at", "amount", "age", "none", "coloured")
    moment = datetime(2026, 3, 2, 1, 2, 3, tzinfo=UTC)
    row = (ID, moment, Decimal("0.1000000000000000000001"), timedelta(seconds=90), None, Cell(3, "three", "red"))
    assert json_rows(shown, [row], NAMES) == [
        {
            "account_id": ID, "account_name": "Sample Clinic", "at": "2026-03-02T01:02:03Z",
            "amount": "0.1000000000000000000001", "age": 90.0, "none": None, "coloured": 3,
        }
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(width: int) -> None:
    text = rendered(DAYS, [ROW, ("acct", date(2026, 3, 3), 1, "")], NAMES, width).plain
    assert max(map(cell_len, text.splitlines())) <= width
    assert ROW[3].split() == [word for word in text.split() if word in ROW[3].split()][: len(ROW[3].split())]
    assert "Sample Clinic (0b3206da" in text
    assert not set(text) & set("│┃|")


def test_accounts_are_lines_above_their_rows_where_the_table_is_too_wide() -> None:
    wide = listing("days", "Days", "account", "day", "a_header_that_is_rather_long", "another_long_header")
    rows = [(ID, date(2026, 3, number), "x", "y") for number in range(1, 5)]
    lines = rendered(wide, rows, NAMES, 70).plain.splitlines()
    assert lines.count(f"Sample Clinic ({ID})") == 1
    assert sum(line.startswith("2026-03-0") for line in lines) == 4


def test_commands_to_copy_are_on_one_line() -> None:
    problems = listing("problems", "Problems", "what", "fix", blocks=True)
    command = "cdr-pipeline breaks decide --from 2026-03-02 --to 2026-03-02 --as DECISION --by NAME --reason TEXT"
    assert f"fix   {command}" in rendered(problems, [("red", command)], {}, 80).plain


@pytest.mark.parametrize("text", [ID, "sample clinic", "SAMPLE CLINIC", ID[:8]])
def test_an_account_is_found_by_id_name_or_beginning_of_its_id(text: str) -> None:
    assert account_named(text, [account(ID, "Sample Clinic"), account("acct", "Other")]) == ID


def test_an_id_wins_over_a_name_and_unknown_text_stays() -> None:
    accounts = [account("acct", "Other"), account("b", "acct")]
    assert account_named("acct", accounts) == "acct"
    assert account_named("nobody", accounts) == "nobody"


def test_a_name_of_several_accounts_lists_their_ids() -> None:
    with pytest.raises(ConfigurationError, match="first, second"):
        account_named("twice", [account("first", "Twice"), account("second", "TWICE"), account("third", "Once")])


def test_commands_take_names_and_print_them(ctx: RunContext) -> None:
    with ctx.ledger() as ledger:
        ledger.accounts.add(account(ID, "Sample Clinic"), now=ctx.clock())
        ledger.accounts.add(account("acct", "Other"), now=ctx.clock())
    environment = {"CDR_DATA_DIR": str(ctx.settings.data_dir), "CDR_WAREHOUSE_URL": ctx.url}
    done = run_command("accounts", "dialect", "sample clinic", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["schema"], document["error"]) == (SCHEMA, None)
    assert [(item["account_id"], item["account_name"]) for item in document["dialects"]] == [(ID, "Sample Clinic")]
    assert f"Sample Clinic ({ID})" in run_command("accounts", "dialect", environment=environment).stdout
    unknown = run_command("status", "--account", "nobody", "--json", environment=environment)
    assert unknown.returncode == 6
    assert json.loads(unknown.stdout)["error"]["code"] == "account_not_found"
    assert json.loads(unknown.stdout)["days"] == []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        assert list(complete_account("sam")) == [("Sample Clinic", ID)]
        assert list(complete_account("0b32")) == [(ID, "Sample Clinic")]
        assert list(complete_profile("aster")) == ["asterisk", "asterisk_custom"]


def test_completion_of_accounts_starts_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CDR_WAREHOUSE_URL", raising=False)
    monkeypatch.setenv("CDR_DATA_DIR", str(tmp_path / "data"))
    began = time.monotonic()
    assert list(complete_account("a")) == []
    assert not (tmp_path / "data").exists()
    assert time.monotonic() - began < 5


def options_with_days() -> Iterator[tuple[str, str]]:
    for words, command in commands().items():
        for option in command.params:
            if option.metavar == "DAY":
                yield words, option.opts[0]


def test_every_option_that_takes_a_day_completes_and_explains_the_words() -> None:
    found = dict.fromkeys(options_with_days())
    assert len(found) > 20
    for words, name in found:
        option = next(item for item in commands()[words].params if item.opts[0] == name)
        assert "YYYY-MM-DD, today, yesterday or -N" in (getattr(option, "help", "") or ""), (words, name)
    assert list(complete_day("y")) == ["yesterday"]
    assert len(list(complete_day("2"))) == 14


@pytest.mark.parametrize("word", ["tomorrow", "2026-13-01", "2026-3", "last week", ""])
def test_unknown_words_for_a_day_name_the_forms(word: str) -> None:
    with pytest.raises(typer.BadParameter, match="YYYY-MM-DD, today, yesterday, or -N"):
        parse_day(word)


def test_a_day_in_the_future_is_refused_with_the_forms() -> None:
    future = datetime.now(UTC).date() + timedelta(days=3)
    with pytest.raises(typer.BadParameter, match="is in the future: give a day that has begun"):
        parse_day(str(future))
    assert parse_any_day(str(future)).date() == future


def test_months_may_be_counted_back() -> None:
    today = datetime.now(UTC).date().replace(day=1)
    assert parse_month("2026-02").date() == date(2026, 2, 1)
    assert parse_month("-12").date() == today.replace(year=today.year - 1)
    with pytest.raises(typer.BadParameter, match="YYYY-MM"):
        parse_month("February")
