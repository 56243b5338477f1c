"""Converts Kazoo's list rows and detail documents to canonical rows.

Every field is optional and may be a text, a number, "" or missing. ``extra_source`` keeps the keys that are not in the
field dictionary. The ``timestamp`` of a list row is the start of the leg; that of a detail document is the end.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import FIELDS, KNOWN_LIST_KEYS, LIST_KEYS, Field, Kind
from cdr_pipeline.core.fields.schemas import EXTRA, LINE, RAW, CheckedRows, no_rejects, working_schema
from cdr_pipeline.core.normalize import sip
from cdr_pipeline.core.normalize.numbers import NumberPlan, e164
from cdr_pipeline.core.records.money import is_too_precise
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.rejection import RowFault, split_rejects
from cdr_pipeline.core.time.account_zones import AccountZones, EarlierZone
from cdr_pipeline.core.time.durations import duration_of
from cdr_pipeline.core.time.timestamps import instant_of

DETAIL_SOURCE: Final = "detail_source"
HAS_DETAIL: Final = "has_detail"
_CCV: Final = "custom_channel_vars"
_ACCOUNT_KEY: Final = "account_id"
# The page reader sets this key in a row whose text it had to repair. Only that row is rejected, not the whole page.
INVALID_TEXT: Final = "__invalid_text"
_UNREADABLE: Final = "unread"
_DETAIL_ACCOUNT: Final = "__detail_account"
_OWNER: Final = "__owner"
# Kazoo's cost is in units of 1/10000 dollar. The rate in the same row is in dollars.
_DOLLARS_PER_UNIT: Final = Decimal("0.0001")
_UNIT_DECIMALS: Final = 4
_IN_UNITS: Final = ("cost", "reseller_cost")
_CURRENCY: Final = "USD"


@dataclass(frozen=True, slots=True)
class Rows:
    """JSON objects, one per line, as the source delivered them.

    Attributes:
        ndjson: lines, separated by a newline.
        keys: union of the objects' keys.
    """

    ndjson: bytes
    keys: frozenset[str]


def normalize_list(
    rows: Rows,
    *,
    account_id: str | pl.Series,
    time_zone: str,
    plan: NumberPlan,
    first_line: int = 1,
    details: Rows | None = None,
    earlier_zones: Sequence[EarlierZone] = (),
    currency: str = _CURRENCY,
) -> CheckedRows:
    """Converts list rows to canonical rows, with fields from detail documents if these were fetched.

    Args:
        rows: list rows.
        account_id: account that the request was for; a series with the account of each row if there were several.
        time_zone: IANA zone of the account; decides the business date.
        plan: number plan of the account.
        first_line: number of the first row within its window.
        details: detail documents of some or all of the rows, joined by id; None for none.
        earlier_zones: earlier zones of the account, oldest first.
        currency: ISO 4217 code of the switch's costs.

    Returns:
        Rows in ``working_schema()`` plus ``has_detail`` and ``detail_source``, and rejects.
    """
    texts = _texts(rows, LIST_KEYS | {"call_direction", INVALID_TEXT, _ACCOUNT_KEY})
    if texts.is_empty():
        return CheckedRows(pl.DataFrame(schema=checked_schema()), no_rejects())
    extra_keys = rows.keys - KNOWN_LIST_KEYS
    frame = texts.with_row_index(LINE, offset=first_line).with_columns(
        pl.col(LINE).cast(pl.Int64),
        direction=pl.coalesce("direction", "call_direction"),
        **{
            EXTRA: pl.col(RAW) if extra_keys else pl.lit(None, pl.String),
            _OWNER: pl.lit(account_id) if isinstance(account_id, str) else account_id,
        },
    )
    list_rows = frame.select(
        LINE,
        RAW,
        EXTRA,
        INVALID_TEXT,
        _ACCOUNT_KEY,
        _OWNER,
        *(pl.col(field.list_key).alias(field.name) for field in FIELDS if field.list_key),
    )
    joined = list_rows.join(_documents(details), on="record_id", how="left", maintain_order="left")
    typed, faults = _with_typed_columns(joined)
    split = split_rejects(typed, faults)
    zones = AccountZones(time_zone, tuple(earlier_zones))
    return CheckedRows(_with_derived_columns(split.rows, zones, plan, currency), split.rejects)


def checked_schema() -> dict[str, pl.DataType]:
    """Columns and types of the rows that ``normalize_list`` returns."""
    return working_schema() | {HAS_DETAIL: pl.Boolean(), DETAIL_SOURCE: pl.String()}


def _texts(rows: Rows, selected: Iterable[str]) -> pl.DataFrame:
    """The given keys as text (null when "" or missing), and the row itself as ``raw``."""
    keys = sorted(selected)
    if not rows.ndjson:
        return pl.DataFrame(schema=dict.fromkeys([*keys, RAW], pl.String))
    schema = dict.fromkeys(keys, pl.String)
    try:
        values = pl.read_ndjson(rows.ndjson, schema=schema)
    except pl.exceptions.PolarsError:
        values = pl.concat(_readable(rows.ndjson.split(b"\n"), schema))
    # Split as bytes: one wide character would make a Python text of all lines four times as large.
    lines = pl.Series(RAW, rows.ndjson.split(b"\n"), dtype=pl.Binary).cast(pl.String)
    return values.with_columns(pl.when(pl.col(keys).str.strip_chars() != "").then(pl.col(keys)).name.keep(), lines)


def _readable(lines: list[bytes], schema: dict[str, type[pl.String]]) -> Iterator[pl.DataFrame]:
    """Frames of the readable lines. An unreadable line, such as one with a huge number, becomes a marked row."""
    try:
        yield pl.read_ndjson(b"\n".join(lines), schema=schema)
    except pl.exceptions.PolarsError:
        if len(lines) == 1:
            row = dict.fromkeys(schema, None) | ({INVALID_TEXT: _UNREADABLE} if INVALID_TEXT in schema else {})
            yield pl.DataFrame([row], schema=schema)
            return
        middle = len(lines) // 2
        yield from _readable(lines[:middle], schema)
        yield from _readable(lines[middle:], schema)


def _documents(details: Rows | None) -> pl.DataFrame:
    """Detail-only fields as text, one row per document, with ``record_id``; ``detail_source`` is the document."""
    detail_fields = [field for field in FIELDS if field.detail_only and field.detail_path]
    top_level = sorted({field.detail_path.split(".")[0] for field in detail_fields} | {"id", _CCV})
    texts = _texts(details or Rows(b"", frozenset()), top_level)
    return texts.select(
        pl.col("id").alias("record_id"),
        pl.col(RAW).alias(DETAIL_SOURCE),
        pl.lit(value=True).alias(HAS_DETAIL),
        pl.col(_CCV).str.json_path_match("$.account_id").alias(_DETAIL_ACCOUNT),
        *(_at_path(field).alias(field.name) for field in detail_fields),
    ).unique("record_id", keep="last", maintain_order=True)


def _at_path(field: Field) -> pl.Expr:
    parent, _, child = field.detail_path.partition(".")
    if not child:
        return pl.col(parent)
    value = pl.col(parent).str.json_path_match(f"$.{child}")
    return pl.when(value != "").then(value)


def _with_typed_columns(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[RowFault]]:
    """Typed columns, and the conditions of rejects. A value that cannot be cast rejects its row."""
    faults = [
        RowFault("record_id", Reject.INVALID_JSON, pl.col(INVALID_TEXT) == _UNREADABLE),
        RowFault("record_id", Reject.INVALID_TEXT, pl.col(INVALID_TEXT).is_not_null()),
        RowFault("record_id", Reject.NUL_CHARACTER, _contains_nul(frame)),
        RowFault("account_id", Reject.OTHER_ACCOUNT, pl.col(_DETAIL_ACCOUNT) != pl.col(_OWNER)),
        RowFault("account_id", Reject.OTHER_ACCOUNT, pl.col(_ACCOUNT_KEY) != pl.col(_OWNER)),
        RowFault("started_at", Reject.MISSING_VALUE, pl.col("__started_at").is_null()),
        RowFault("started_at", Reject.NOT_A_NUMBER, pl.col("__ticks").is_null()),
        RowFault("started_at", Reject.TIME_EPOCH, pl.col("started_at").is_null()),
    ]
    texts: list[pl.Expr] = []
    casts: list[pl.Expr] = []
    for field in FIELDS:
        if field.kind not in (Kind.SECONDS, Kind.MONEY) or field.name not in frame.columns:
            continue
        text = f"__{field.name}"
        texts.append(pl.col(field.name).alias(text))
        casts.append(pl.col(field.name).str.strip_chars().cast(field.kind.dtype, strict=False))
        faults.append(
            RowFault(field.name, Reject.NOT_A_NUMBER, pl.col(text).is_not_null() & pl.col(field.name).is_null())
        )
        if field.kind is Kind.MONEY:
            shift = _UNIT_DECIMALS if field.name in _IN_UNITS else 0
            faults.append(RowFault(field.name, Reject.TOO_PRECISE, is_too_precise(pl.col(text), shift)))
    ticks = pl.col("started_at").str.strip_chars().str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
    typed = (
        frame.with_columns(*texts, pl.col("started_at").alias("__started_at"), ticks.alias("__ticks"))
        .with_columns(*casts)
        .with_columns(instant_of(pl.col("__ticks")).alias("started_at"))
    )
    return typed, faults


def _contains_nul(frame: pl.DataFrame) -> pl.Expr:
    """Rows with an escaped NUL. The exact pattern is slow, so it only runs if the simple text occurs in the frame."""
    if not frame[RAW].str.contains("\\u0000", literal=True).any():
        return pl.lit(value=False)
    return pl.col(RAW).str.contains(r"(^|[^\\])(\\\\)*\\u0000")


def _with_derived_columns(frame: pl.DataFrame, zones: AccountZones, plan: NumberPlan, currency: str) -> pl.DataFrame:
    """Adds the derived fields, and returns all columns in the order and types of the dictionary."""
    is_billed = pl.col("billing_seconds") > 0
    in_dollars = [
        (pl.col(name).cast(pl.Decimal(38, 8)) * pl.lit(_DOLLARS_PER_UNIT, pl.Decimal(38, 8))).cast(Kind.MONEY.dtype)
        for name in _IN_UNITS
    ]
    return (
        frame.with_columns(
            pl.col(_OWNER).alias("account_id"),
            pl.lit("api").alias("origin"),
            (pl.col("started_at") + duration_of(pl.col("duration_seconds"))).alias("ended_at"),
            *in_dollars,
            pl.when(pl.col("media_recordings") != "[]").then(pl.col("media_recordings")).name.keep(),
            pl.col(HAS_DETAIL).fill_null(value=False),
            pl.lit(currency).alias("cost_currency"),
            is_billed.alias("answered"),
            sip.host(pl.col("to_uri")).alias("to_host"),
            sip.host(pl.col("from_uri")).alias("from_host"),
            sip.rtp_address(pl.col("remote_sdp")).alias("remote_rtp_address"),
            sip.rtp_port(pl.col("remote_sdp")).alias("remote_rtp_port"),
            sip.rtp_address(pl.col("local_sdp")).alias("local_rtp_address"),
            sip.rtp_port(pl.col("local_sdp")).alias("local_rtp_port"),
            e164(pl.col("caller_id_number"), plan).alias("caller_e164"),
            e164(pl.coalesce("dialed_number", "callee_id_number"), plan).alias("callee_e164"),
        )
        .with_columns(
            pl.when(is_billed).then(pl.col("ended_at") - duration_of(pl.col("billing_seconds"))).alias("answered_at"),
            zones.business_date(pl.col("started_at")).alias("business_date"),
        )
        .pipe(_with_all_columns)
    )


def _with_all_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """All columns of the schema. Fields that Kazoo does not deliver are null."""
    return frame.select(
        pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in checked_schema().items()
    )
