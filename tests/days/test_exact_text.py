"""The exact dialect twice: as PostgreSQL writes a day, and as Polars encodes the same records. Equal to the byte."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdr_pipeline.core.fields.dictionary import BY_NAME, FIELDS, Kind, names
from cdr_pipeline.exports.exact_csv import encode
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.records.reading import day_lines
from cdr_pipeline.warehouse.statements import on_table
from tests.support.examples import examples
from tests.support.records import rows

COLUMNS = list(names(exported_only=True))
KEYS = ("account_id", "origin", "record_id", "business_date")
DAY = date(2026, 3, 2)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
# PostgreSQL holds neither NUL nor half surrogates, so neither can come here.
PLAIN = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
AWKWARD = st.text(st.sampled_from([*'",;\r\n\t =+-@\\', "é", "🌙", "\u202e", "\ufeff", "\u2028"]), max_size=6)
WORDS = st.sampled_from(["", '"', '""', "\\.", "\\N", "NULL", "\n", "\r\n", ",", " ", '","', "a\rb"])
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: PLAIN | AWKWARD | WORDS,
    Kind.SECONDS: st.decimals(0, Decimal("999999999.999"), places=3),
    Kind.MONEY: st.decimals(Decimal("-9999999999.99999999"), Decimal("9999999999.99999999"), places=8),
    Kind.INSTANT: st.datetimes(datetime(1990, 1, 1), datetime(2149, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    Kind.FLAG: st.booleans(),
    Kind.PORT: st.integers(0, 65_535),
}
CELLS = {field.name: st.none() | VALUES[field.kind] for field in FIELDS if field.exported and field.name not in KEYS}
RECORDS = st.fixed_dictionaries(
    {"started_at": st.timedeltas(timedelta(0), timedelta(hours=20)).map(lambda since: MIDNIGHT + since)},
    optional={name: cell for name, cell in CELLS.items() if name != "started_at"},
)
NUMBER = count()


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20], ids=["row by row", "in one chunk"])
@given(changes=st.lists(RECORDS, min_size=1, max_size=6), imported=st.booleans())
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_postgresql_and_polars_write_the_same_bytes(
    ctx: RunContext, chunk_bytes: int, changes: list[dict[str, Any]], *, imported: bool
) -> None:
    account = f"acct{next(NUMBER)}"
    origin = "imported" if imported else "api"
    made = rows(*({"account_id": account, "origin": origin} | change for change in changes))
    header = BatchHeader(account, uuid4(), "upload" if imported else "window", "made", ctx.clock(), DAY)
    with ctx.ledger() as ledger:
        with batch_load(ledger.connection, header) as load:
            load.stage(made)
            load.finish(read=made.height)
        written = b"".join(day_lines(ledger.connection, account, DAY, chunk_bytes=chunk_bytes))
    assert written == encode(made.select(COLUMNS).sort("started_at", "origin", "record_id"))


def test_lines_without_links_are_those_of_the_merged_view(ctx: RunContext) -> None:
    account = f"acct{next(NUMBER)}"
    header = BatchHeader(account, uuid4(), "window", "made", ctx.clock(), DAY)
    made = rows(*({"account_id": account, "record_id": f"r{number:02d}"} for number in range(20)))
    with ctx.ledger() as ledger:
        with batch_load(ledger.connection, header) as load:
            load.stage(made)
            load.finish(read=made.height)
        unlinked = b"".join(day_lines(ledger.connection, account, DAY))
        query = on_table("days/day_lines", "legs", "cdr_merged")
        with ledger.connection.cursor().copy(query, {"account_id": account, "business_date": DAY}) as merged:
            viewed = b"".join(map(bytes, merged))
    assert unlinked.count(b"\r\n") == 20
    assert unlinked == viewed.replace(b"\n", b"\r\n")


def test_every_column_of_a_daily_file_is_compared() -> None:
    assert {*CELLS, *KEYS} == set(COLUMNS)
    assert {BY_NAME[name].kind for name in CELLS} == set(VALUES)
    assert pl.Date() == BY_NAME["business_date"].kind.dtype
