"""Reads files of calls without a warehouse: a carrier's file by its profile, a file of the switch in any known form."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME, Kind, canonical_schema
from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.normalize.imported import charges, normalize_imported
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.normalize.segments import join_segments
from cdr_pipeline.core.records.identity import with_fingerprints
from cdr_pipeline.core.time.local_time import instant
from cdr_pipeline.core.uploads.profile import Layout, Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.parse import read_upload
from cdr_pipeline.sources.uploads.profiles import load_profile

_ACCOUNT_ID: Final = "loose"
_DETAILS: Final = "custom_channel_vars"
_EXPORT: Final = ("started_at", "record_id")
_FLAGS: Final = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_JSON: Final = Profile("json", "records of our export as JSON", layout=Layout(format="json"), native_id=("record_id",))
_SUFFIXES: Final = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class LooseFile:
    """Records of a file.

    Attributes:
        rows: one row per record with the canonical columns and ``line``; ``record_id`` may repeat.
        rejects: lines that could not be read.
        rejected_charges: ``line, cost, cost_currency`` of these lines, where an amount could be read.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    rejected_charges: pl.DataFrame


@dataclass(frozen=True, slots=True)
class ReadingDefaults:
    """Defaults for files: zone of local times, country code of national numbers, folder of the profiles, currency."""

    time_zone: str
    country_code: str | None
    profiles: Path
    currency: str | None = None


def read_carrier_file(path: Path, profile: Profile, reading: ReadingDefaults) -> LooseFile:
    """Reads the records of a carrier's file.

    Raises:
        UnreadableUpload: the file cannot be opened, or decoded by its profile.
    """
    without_account = replace(profile, account_column="", plan=carrier_plan(profile, reading), file_name=path.name)
    rows: list[pl.DataFrame] = []
    rejects: list[pl.DataFrame] = []
    money: list[pl.DataFrame] = []
    for records in read_upload(path, without_account):
        joined = join_segments(records.frame, without_account)
        shape = (
            _shaped(joined.rows, without_account)
            if without_account.layout.format == "json"
            else [(joined.rows, without_account)]
        )
        rejects += [records.rejects, joined.rejects]
        money.append(charges(records.frame.join(joined.rejects.select(LINE), on=LINE, how="semi"), without_account))
        for frame, adapted in shape:
            normalized = normalize_imported(
                frame,
                adapted,
                account_id=_ACCOUNT_ID,
                account_time_zone=reading.time_zone,
                account_country_code=reading.country_code,
            )
            rows.append(normalized.rows)
            rejects.append(normalized.rejects)
            lines = normalized.rejects.select(LINE)
            money.append(charges(frame.join(lines, on=LINE, how="semi"), adapted))
    every = pl.concat(rows).sort(LINE)
    return LooseFile(with_fingerprints(every), pl.concat(rejects).sort(LINE), pl.concat(money).drop_nulls("cost"))


def read_switch_file(path: Path, reading: ReadingDefaults) -> LooseFile:
    """Reads legs of the switch: an export as CSV, JSON lines or Parquet; rows or documents of Kazoo as JSON or CSV.

    Raises:
        UnreadableUpload: the file has none of these forms.
    """
    kind = _SUFFIXES.get(path.suffix.lower(), "csv")
    columns = _columns(path, kind)
    if set(_EXPORT) <= columns:
        return _exported(path, kind)
    if kind == "parquet":
        raise UnreadableUpload(
            f"{path.name} is not an export: it has no columns {' and '.join(_EXPORT)}",
            hint="give a file of 'cdr-pipeline export', or Kazoo's documents as JSON",
        )
    kazoo = "timestamp" in columns and "id" in columns | {name.lstrip("_") for name in columns}
    name = {"json": "kazoo_json", "csv": "kazoo_csv"}[kind] if kazoo else "generic"
    profile = load_profile(name, folder=reading.profiles)
    if reading.currency:
        profile = replace(profile, currency=reading.currency)
    if kind == "json":
        # One file may hold rows of lists and documents.
        profile = replace(profile, layout=replace(profile.layout, format="json", excluded=()))
    return read_carrier_file(path, profile, reading)


def carrier_plan(profile: Profile, reading: ReadingDefaults) -> NumberPlan:
    """Number plan of a profile, with the default country code if it states none."""
    plan = profile.plan
    return plan if plan.country_code is not None else replace(plan, country_code=reading.country_code)


def _columns(path: Path, kind: str) -> frozenset[str]:
    """Names in the file's header or first record, lower case."""
    try:
        if kind == "parquet":
            return frozenset(name.lower() for name in pl.scan_parquet(path).collect_schema())
        if kind == "csv":
            return frozenset(name.strip().lower() for name in pl.read_csv(path, n_rows=0, infer_schema=False).columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnreadableUpload(f"{path.name} cannot be read: {type(error).__name__}", hint="look at its form") from None
    # The first documents are enough to recognise a JSON file.
    first = next(iter(read_upload(path, _JSON)), None)
    return frozenset(() if first is None else first.frame.columns)


def _exported(path: Path, kind: str) -> LooseFile:
    """Reads an export of this product: columns of the field dictionary, typed or as text. Missing columns are null."""
    if kind == "parquet":
        frame = pl.read_parquet(path)
    elif kind == "csv":
        frame = pl.read_csv(path, infer_schema=False)
    else:
        frame = pl.concat([records.frame for records in read_upload(path, _JSON)], how="diagonal")
    frame = frame.rename({name: name.strip().lower() for name in frame.columns}).drop(LINE, RAW, strict=False)
    schema = frame.schema
    typed = frame.select(
        _typed(name, schema.get(name)).alias(name) for name in canonical_schema() if BY_NAME[name].exported
    )
    missing = {name: pl.lit(None, dtype) for name, dtype in canonical_schema().items() if name not in typed.columns}
    rows = typed.with_columns(**missing).with_row_index(LINE, offset=1).with_columns(pl.col(LINE).cast(pl.Int64))
    faulty = rows.filter(pl.col("started_at").is_null() | pl.col("record_id").is_null())
    rejects = faulty.select(
        LINE,
        pl.lit("started_at").alias("field"),
        pl.lit("missing_value").alias("reason"),
        pl.lit("").alias(RAW),
    )
    money = faulty.select(LINE, "cost", "cost_currency").drop_nulls("cost")
    return LooseFile(rows.join(faulty, on=LINE, how="anti").sort(LINE), rejects, money)


def _typed(name: str, present: pl.DataType | None) -> pl.Expr:
    kind = BY_NAME[name].kind
    if present is None:
        return pl.lit(None, kind.dtype)
    if present != pl.String():
        return pl.col(name).cast(kind.dtype)
    text = pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name).str.strip_chars())
    read = {
        Kind.TEXT: text,
        Kind.INSTANT: instant(text, "any", (), "UTC"),
        Kind.DATE: text.str.to_date("%Y-%m-%d", strict=False),
        Kind.FLAG: text.str.to_lowercase().replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean),
    }
    return read.get(kind, text.cast(pl.Decimal(38, 8), strict=False).cast(kind.dtype, strict=False))


def _shaped(frame: pl.DataFrame, profile: Profile) -> list[tuple[pl.DataFrame, Profile]]:
    """Separates Kazoo's documents from its rows. Their timestamp is the end of the leg, and some names differ."""
    if profile.name != "kazoo_json" or not {_DETAILS, "call_direction"} & set(frame.columns):
        return [(frame, profile)]
    marks = [name for name in (_DETAILS, "call_direction") if name in frame.columns]
    listed = pl.col("direction").is_not_null() if "direction" in frame.columns else pl.lit(value=False)
    is_document = pl.any_horizontal(pl.col(name).is_not_null() for name in marks) & ~listed
    variables = pl.col(_DETAILS) if _DETAILS in frame.columns else pl.lit(None, pl.String)
    own_id = [pl.col(name) for name in ("id", "_id", "call_id") if name in frame.columns]
    documents = frame.filter(is_document).with_columns(
        id=pl.coalesce(own_id),
        resource_id=variables.str.json_path_match("$.resource_id"),
        bridge_id=variables.str.json_path_match("$.bridge_id"),
        authorizing_id=variables.str.json_path_match("$.authorizing_id"),
    )
    fields = {name: columns for name, columns in profile.fields.items() if name != "started_at"}
    adapted = replace(
        profile,
        fields=fields
        | {
            "ended_at": ("timestamp",),
            "call_direction": ("call_direction",),
            "resource_id": ("resource_id",),
            "bridge_id": ("bridge_id",),
            "authorizing_id": ("authorizing_id",),
        },
    )
    parts = [(frame.filter(~is_document), profile), (documents, adapted)]
    return [(rows, form) for rows, form in parts if rows.height]
