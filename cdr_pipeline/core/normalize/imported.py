"""Converts raw rows of a file to canonical rows, as its profile defines. Unreadable values reject their row."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import FIELDS, Kind
from cdr_pipeline.core.fields.schemas import EXTRA, LINE, RAW, CheckedRows, working_schema
from cdr_pipeline.core.normalize import sip
from cdr_pipeline.core.normalize.amounts import duration, money_text
from cdr_pipeline.core.normalize.causes import cause_names
from cdr_pipeline.core.normalize.numbers import e164
from cdr_pipeline.core.records.money import is_too_precise
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.rejection import RowFault, split_rejects
from cdr_pipeline.core.time.account_zones import AccountZones, EarlierZone
from cdr_pipeline.core.time.durations import duration_of
from cdr_pipeline.core.time.local_time import instant, is_count, is_time, is_zone
from cdr_pipeline.core.uploads.profile import ACCOUNT_ZONE, FILE_NAME, Profile, TimeNotation

_TIMES: Final = ("started_at", "answered_at", "ended_at")
_IDENTIFIERS: Final = (
    "record_id",
    "call_id",
    "other_leg_call_id",
    "caller_id_number",
    "callee_id_number",
    "dialed_number",
)
_NUMBERS: Final = (Kind.SECONDS, Kind.MONEY, Kind.PORT)
_MINUTES: Final = re.compile(r"-?[0-9]{1,3}")
# 1.23E+15. The sign is required, because 1E15 may be a hexadecimal id.
_SPREADSHEET: Final = r"^[0-9](?:[.,][0-9]+)?[eE]\+[0-9]+$"
_MONEY: Final = ("cost", "rate", "reseller_cost")
# Characters that JSON escapes in a text.
_ESCAPED: Final = re.compile(r'["\\\x00-\x1f]')
_ZONE: Final = "__zone"
_ACCOUNT: Final = "__account"


def normalize_imported(
    records: pl.DataFrame,
    profile: Profile,
    *,
    account_id: str,
    account_time_zone: str,
    account_country_code: str | None = None,
    earlier_zones: Sequence[EarlierZone] = (),
) -> CheckedRows:
    """Converts raw rows of a file to canonical rows.

    Args:
        records: ``line``, ``raw`` and one text column per source column, lower-case names.
        profile: format of the file.
        account_id: account that owns the records.
        account_time_zone: IANA zone of the account. It decides the business date, and it is the zone of local times if
            the profile uses the account's zone.
        account_country_code: E.164 country code of national numbers if the profile has none.
        earlier_zones: earlier zones of the account, oldest first.

    Returns:
        Rows in ``working_schema()`` with origin imported, and rejects. ``record_id`` is null when the profile has no
        native id. ``extra_source`` contains the source columns that no field uses.
    """
    records = combined(records, profile)
    account_zones = AccountZones(account_time_zone, tuple(earlier_zones))
    local = account_zones if profile.time_zone == ACCOUNT_ZONE else AccountZones(profile.time_zone)
    plan = profile.plan
    if plan.country_code is None and account_country_code is not None:
        plan = replace(plan, country_code=account_country_code)
    texts = _texts(records, profile)
    zones = _zones_by_value(texts, profile)
    typed = _with_typed_columns(texts, profile, local, zones)
    has_identity = bool(profile.native_id) and set(profile.native_id) <= set(records.columns)
    # Rejects have no derived start; the end of a call is almost always on the same day.
    start_or_end = pl.coalesce("started_at", "answered_at", "ended_at")
    split = split_rejects(
        typed,
        _faults(profile, zones, account_id, has_identity=has_identity),
        day=account_zones.business_date(start_or_end),
    )
    is_billed = pl.col("billing_seconds") > 0
    # If the file has a column for the answer time, a call without a value in it was not answered.
    has_answer_times = any(column in records.columns for column in profile.fields.get("answered_at", ()))
    not_answered = pl.when(pl.lit(has_answer_times) & pl.col("answered_at").is_null()).then(pl.lit(value=False))
    rows = (
        split.rows.pipe(_with_missing_times)
        .with_columns(
            pl.lit(account_id).alias("account_id"),
            pl.lit("imported").alias("origin"),
            pl.coalesce(is_billed | pl.col("answered_at").is_not_null(), is_billed, not_answered).alias("answered"),
            e164(pl.col("caller_id_number"), plan).alias("caller_e164"),
            e164(pl.coalesce("dialed_number", "callee_id_number"), plan).alias("callee_e164"),
            sip.host(pl.col("to_uri")).alias("to_host"),
            sip.host(pl.col("from_uri")).alias("from_host"),
            account_zones.business_date(pl.col("started_at")).alias("business_date"),
        )
        .select(working_schema().keys())
    )
    return CheckedRows(rows, split.rejects)


def charges(records: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Amounts of raw rows, also of rows that are rejected for another value.

    Args:
        records: ``line``, ``raw`` and one text column per source column.
        profile: format of the file.

    Returns:
        ``line, cost, cost_currency, carrier``; a cost that cannot be read is null, and so are the others if the row and
        the profile state none.
    """
    texts = _texts(combined(records, profile), profile)
    currency = pl.col("cost_currency").str.to_uppercase().fill_null(pl.lit(profile.currency or None))
    return texts.select(LINE, _money("cost", profile), currency, "carrier")


def combined(records: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Adds the columns that a profile derives, and those that it joins from several.

    A joined column is null if one of its parts is null.
    """
    if profile.derive:
        added = [pl.lit(profile.file_name).alias(FILE_NAME)] if FILE_NAME not in records.columns else []
        named = records.with_columns(added)
        records = named.with_columns(
            column.value(named.columns).alias(name)
            for name, column in profile.derive.items()
            if column.default or column.columns & set(named.columns)
        ).drop([FILE_NAME] if added else [])
    parts = {
        name: [pl.col(column).str.strip_chars() for column in columns]
        for name, columns in profile.combine.items()
        if set(columns) <= set(records.columns)
    }
    return records.with_columns(pl.concat_str(texts, separator=" ").alias(name) for name, texts in parts.items())


def _zones_by_value(texts: pl.DataFrame, profile: Profile) -> dict[str, str]:
    """Values of the file's zone column to IANA names or offsets. Values that name no zone are left out."""
    if not profile.zone_column:
        return {}
    values = texts[_ZONE].drop_nulls().unique(maintain_order=True).to_list()
    if profile.zone_notation == "minutes_west":
        names = {value: _offset(-int(value)) for value in values if _MINUTES.fullmatch(value)}
    else:
        names = {value: profile.zones.get(value.lower(), value) for value in values}
    return {value: zone for value, zone in names.items() if is_zone(zone)}


def _offset(minutes_east: int) -> str:
    return f"{'-' if minutes_east < 0 else '+'}{abs(minutes_east) // 60:02d}:{abs(minutes_east) % 60:02d}"


def _texts(records: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Every canonical field as text under its name, and the other source columns as JSON."""
    source_columns = {
        name: [column for column in columns if column in records.columns] for name, columns in profile.fields.items()
    }
    used = {columns[0] for columns in source_columns.values() if columns} | set(profile.native_id)
    used |= {part for name in used & profile.combine.keys() for part in profile.combine[name]}
    used |= {part for name in used & profile.derive.keys() for part in profile.derive[name].source}
    used |= profile.derive.keys()
    native = [column for column in profile.native_id if column in records.columns]
    texts = {
        name: pl.coalesce(columns) if columns else pl.lit(None, pl.String) for name, columns in source_columns.items()
    }
    texts |= {name: pl.lit(value) for name, value in profile.constants.items()}
    translations = dict(profile.values)
    if profile.cause_codes:
        translations["hangup_cause"] = {**cause_names(profile.cause_codes), **translations.get("hangup_cause", {})}
    texts |= {name: _translate(texts[name], words) for name, words in translations.items() if name in texts}
    if native and native == list(profile.native_id):
        texts["record_id"] = pl.concat_str(native, separator="/")
    missing = {field.name: pl.lit(None, pl.String) for field in FIELDS if field.name not in texts}
    rest = [column for column in records.columns if column not in used and column not in (LINE, RAW)]
    helpers = {_ZONE: profile.zone_column, _ACCOUNT: profile.account_column}
    helper_columns = {
        name: pl.col(column).str.strip_chars() if column in records.columns else pl.lit(None, pl.String)
        for name, column in helpers.items()
    }
    return records.select(LINE, RAW, _extra(records, rest).alias(EXTRA), **texts, **missing, **helper_columns)


def _extra(records: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """JSON object of the columns that have a value; null when no column has one."""
    columns = [column for column in columns if records[column].null_count() < records.height]
    if not columns:
        return pl.Series([None], dtype=pl.String).new_from_index(0, records.height)
    if any(_ESCAPED.search(column) for column in columns):
        return records.select(_by_members(columns)).to_series()
    texts = records.select(pl.struct(records[column] for column in columns).struct.json_encode()).to_series()
    absent = [column for column in columns if records[column].null_count()]
    if not absent:
        return texts
    # Quotes within values are escaped, so a name between quotes before a colon is a name.
    members = {f'"{column}":null,': "" for column in absent} | {f'"{column}":null}}': "}" for column in absent[-1:]}
    texts = texts.str.replace_many(members).str.replace(r",\}$", "}")
    return texts.to_frame("x").select(pl.when(pl.col("x") != "{}").then("x")).to_series()


def _by_members(columns: Sequence[str]) -> pl.Expr:
    """As ``_extra``, for any names: slower, because each member is written alone."""
    # Polars writes {"name":"value"} for a struct of one column. Without the braces it is a member of the object.
    members = [pl.struct(column).struct.json_encode().str.slice(1).str.head(-1) for column in columns]
    present = [
        pl.when(pl.col(column).is_not_null()).then(member) for column, member in zip(columns, members, strict=True)
    ]
    joined = pl.concat_str(present, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}")))


def _translate(text: pl.Expr, words: Mapping[str, str]) -> pl.Expr:
    translated = text.str.to_lowercase().replace_strict(dict(words), default=text, return_dtype=pl.String)
    return pl.when(translated != "").then(translated) if "" in words.values() else translated


def _with_typed_columns(
    texts: pl.DataFrame, profile: Profile, local: AccountZones, zones: Mapping[str, str]
) -> pl.DataFrame:
    """Typed columns, and their texts as ``__name`` for the conditions of rejects."""
    times = {name: _time_text(name, profile) for name in _TIMES}
    originals = [text.alias(f"__{name}") for name, text in times.items()]
    originals += [pl.col(field.name).alias(f"__{field.name}") for field in FIELDS if field.kind in _NUMBERS]
    casts = [_instant(text, profile, local, zones).alias(name) for name, text in times.items()]
    casts += [duration(name, profile) for name in ("duration_seconds", "billing_seconds", "ringing_seconds")]
    casts += [_money(name, profile) for name in _MONEY]
    casts += [
        pl.col(field.name).str.strip_chars().cast(field.kind.dtype, strict=False)
        for field in FIELDS
        if field.kind is Kind.PORT
    ]
    currency = pl.col("cost_currency").str.to_uppercase()
    if profile.currency:
        currency = currency.fill_null(pl.lit(profile.currency or None))
    casts += [
        pl.lit(None, field.kind.dtype).alias(field.name) for field in FIELDS if field.kind in (Kind.FLAG, Kind.DATE)
    ]
    return texts.with_columns(*originals).with_columns(*casts, currency.alias("cost_currency"))


def _instant(text: pl.Expr, profile: Profile, local: AccountZones, zones: Mapping[str, str]) -> pl.Expr:
    """Instants of local times in the zone of the row if the file has one, otherwise in the zone of the file."""
    notation, formats = profile.time_notation, profile.time_formats
    if not profile.zone_column:
        return _local_instant(text, notation, formats, local)
    by_zone = [
        pl.when(pl.col(_ZONE) == value).then(instant(text, notation, formats, zone)) for value, zone in zones.items()
    ]
    return pl.coalesce(
        [*by_zone, pl.when(pl.col(_ZONE).is_null()).then(_local_instant(text, notation, formats, local))]
    )


def _local_instant(text: pl.Expr, notation: TimeNotation, formats: Sequence[str], local: AccountZones) -> pl.Expr:
    """Instants of local times in the zone of their day. Other times are the same instant in any zone."""
    result = instant(text, notation, formats, local.time_zone)
    local_date = instant(text, notation, formats, "UTC").dt.date()
    for zone in reversed(local.earlier):
        result = (
            pl.when(local_date < zone.until).then(instant(text, notation, formats, zone.time_zone)).otherwise(result)
        )
    return result


def _time_text(name: str, profile: Profile) -> pl.Expr:
    text = pl.col(name)
    return pl.when(text != "0").then(text) if profile.zero_is_no_time else text


def _money(name: str, profile: Profile) -> pl.Expr:
    value = money_text(name, profile).cast(pl.Decimal(38, 8), strict=False)
    if profile.charges_are_negative and name != "rate":
        value = -value
    if shift := _shift(name, profile):
        value = value * pl.lit(Decimal(1).scaleb(-shift), pl.Decimal(38, 8))
    return value.cast(Kind.MONEY.dtype, strict=False).alias(name)


def _shift(name: str, profile: Profile) -> int:
    """Decimal places by which an amount is shifted; 0 for a rate."""
    return 0 if name == "rate" else profile.cost_scale


def _faults(profile: Profile, zones: Mapping[str, str], account_id: str, *, has_identity: bool) -> list[RowFault]:
    numbers = [
        RowFault(
            field.name, Reject.NOT_A_NUMBER, pl.col(f"__{field.name}").is_not_null() & pl.col(field.name).is_null()
        )
        for field in FIELDS
        if field.kind in _NUMBERS
    ]
    # The typed column has at most eight decimals. Only the text still has all of them.
    too_precise = [
        RowFault(name, Reject.TOO_PRECISE, is_too_precise(money_text(f"__{name}", profile), _shift(name, profile)))
        for name in _MONEY
    ]
    damaged = [
        RowFault(name, Reject.SCIENTIFIC_NOTATION, pl.col(name).str.contains(_SPREADSHEET)) for name in _IDENTIFIERS
    ]
    times: list[RowFault] = []
    for name in _TIMES:
        text = pl.col(f"__{name}")
        is_unreadable = text.is_not_null() & pl.col(name).is_null()
        is_real_time = is_time(pl.when(is_unreadable).then(text), profile.time_notation, profile.time_formats)
        times += [
            RowFault(name, Reject.TIME_GAP, is_real_time),
            RowFault(name, Reject.TIME_EPOCH, is_unreadable & is_count(text, profile.time_notation)),
            RowFault(name, Reject.NOT_A_TIME, is_unreadable),
        ]
    has_start = pl.col("__started_at").is_not_null()
    if "started_at" not in profile.fields:
        has_start = pl.col("__ended_at").is_not_null() & pl.col("__duration_seconds").is_not_null()
    missing = [RowFault("started_at", Reject.MISSING_VALUE, ~has_start)]
    if profile.account_column:
        row_account = pl.col(_ACCOUNT).replace(dict(profile.account_names))
        missing.append(RowFault("account_id", Reject.OTHER_ACCOUNT, row_account != account_id))
    if profile.zone_column:
        has_zone = pl.col(_ZONE).is_null() | pl.col(_ZONE).is_in(list(zones))
        missing.append(RowFault("started_at", Reject.UNKNOWN_ZONE, ~has_zone))
    if has_identity:
        missing.append(RowFault("record_id", Reject.MISSING_VALUE, pl.col("record_id").is_null()))
    return [*missing, *times, *numbers, *too_precise, *damaged]


def _with_missing_times(rows: pl.DataFrame) -> pl.DataFrame:
    """Fills missing times and durations: start, end, duration, answer time and billed seconds from each other."""
    if rows["started_at"].null_count():
        rows = rows.with_columns(
            pl.coalesce("started_at", pl.col("ended_at") - duration_of(pl.col("duration_seconds")))
        )
    if rows["ended_at"].null_count():
        rows = rows.with_columns(
            pl.coalesce("ended_at", pl.col("started_at") + duration_of(pl.col("duration_seconds")))
        )
    if rows["duration_seconds"].null_count():
        rows = rows.with_columns(pl.coalesce("duration_seconds", _seconds_between("started_at", "ended_at")))
    if rows["answered_at"].null_count():
        answered = pl.when(pl.col("billing_seconds") > 0).then(
            pl.col("ended_at") - duration_of(pl.col("billing_seconds"))
        )
        rows = rows.with_columns(pl.coalesce("answered_at", answered))
    if rows["billing_seconds"].null_count():
        rows = rows.with_columns(pl.coalesce("billing_seconds", _seconds_between("answered_at", "ended_at")))
    return rows


def _seconds_between(first: str, last: str) -> pl.Expr:
    length = (pl.col(last) - pl.col(first)).dt.total_milliseconds().cast(pl.Decimal(38, 6))
    return (length * pl.lit(Decimal("0.001"), pl.Decimal(38, 6))).cast(Kind.SECONDS.dtype, strict=False)
