"""Compares files of two sides without a warehouse and writes pairs, classes and totals as files."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE
from cdr_pipeline.core.reconcile.classify.classes import CLASS_TYPE, SIDE_TYPE, MatchClass
from cdr_pipeline.core.reconcile.clock.clock_choice import choose_start_clock
from cdr_pipeline.core.reconcile.clock.repeated_hour import settle_repeated_hour
from cdr_pipeline.core.reconcile.inputs.carrier_rules import billing_steps, matching_rules, number_rules
from cdr_pipeline.core.reconcile.inputs.legs import Direction, LegRule, is_billable_leg
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.sides import currency_of
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.reconcile.result.money_totals import money_totals
from cdr_pipeline.core.reconcile.result.outcomes import outcomes_of
from cdr_pipeline.core.reconcile.result.reconciled import (
    CURRENCY_TYPE,
    DESTINATION_TYPE,
    MONEY,
    ROW_SCHEMA,
    SECONDS,
    Reconciled,
)
from cdr_pipeline.core.reconcile.result.totals import totals_of
from cdr_pipeline.core.reconcile.result.verdict import Verdict, judge
from cdr_pipeline.core.uploads.profile import ACCOUNT_ZONE, Profile
from cdr_pipeline.exports.atomic import new_file, sole_writer
from cdr_pipeline.files.durable import PRIVATE_FILE, PRIVATE_FOLDER
from cdr_pipeline.sources.rate_cards import read_rate_card
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.reconciliation.joined_files import JoinedFiles, read_joined
from cdr_pipeline.steps.reconciliation.read_loose_file import (
    ReadingDefaults,
    carrier_plan,
    read_carrier_file,
    read_switch_file,
)

if TYPE_CHECKING:
    from cdr_pipeline.core.reconcile.inputs.rates import RateCard

PAIRS: Final = "pairs.csv"
CLASSES: Final = "classes.csv"
TOTALS: Final = "totals.json"
_MONEY_COLUMNS: Final = (
    "currency", "agreed_rate", "expected_amount", "charged_amount", "amount_difference", "cause", "detail",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReconcileFilesRequest:
    """Files to compare.

    Attributes:
        switch: files with legs of the switch, the oldest first; see ``read_loose_file``.
        carrier: files with records of the carrier, the oldest first. Files of a side may overlap.
        profile: name of the carrier's import profile, with its reconciliation rules.
        out: folder of the results; created when missing.
        profiles: folder of the operator's profiles and rate cards.
        time_zone: IANA zone of local times if neither file nor profile has one.
        country_code: country code of national numbers if the profile has none.
        currency: currency of amounts that name none, of either file; that of the profile when None.
        direction: direction of the legs that the carrier bills; the profile's when None.
        duration_tolerance_seconds: tolerated difference in seconds; the profile's when None.
        amount_tolerance: tolerated difference in the currency; the profile's when None.
        rate_card: CSV file of the carrier's prices; the profile's when None.
        business_date: day whose prices apply to every call; each call's own day when None.
    """

    switch: Sequence[Path]
    carrier: Sequence[Path]
    profile: str
    out: Path
    profiles: Path
    time_zone: str = "UTC"
    country_code: str | None = None
    currency: str | None = None
    direction: Direction | None = None
    duration_tolerance_seconds: int | None = None
    amount_tolerance: Decimal | None = None
    rate_card: Path | None = None
    business_date: date | None = None


@dataclass(frozen=True, slots=True)
class ReconciledFiles:
    """Result of a comparison of files.

    Attributes:
        result: compared rows and totals, including rows that were excluded or rejected.
        verdict: light and findings, judged as a day of the warehouse.
        not_compared: number of legs of the switch that the carrier does not bill.
        rejected: number of lines that could not be read, by side.
        files: paths of the written files.
    """

    result: Reconciled
    verdict: Verdict
    not_compared: int
    rejected: Mapping[str, int]
    files: tuple[Path, ...]


def reconcile_files(request: ReconcileFilesRequest) -> ReconciledFiles:
    """Compares files and writes ``pairs.csv``, ``classes.csv`` and ``totals.json``. Equal inputs give equal bytes.

    ``classes.csv`` contains every record of both sides once. Legs that the carrier does not bill are unbillable, a
    record whose id is repeated further down is a duplicate, and lines that cannot be read are rejected.

    Raises:
        UnknownProfile, InvalidProfile, InvalidRateCard: the profile or rate card does not exist or is invalid.
        UnreadableUpload: a file cannot be read.
        ExportError: the results cannot be written.
    """
    profile = load_profile(request.profile, folder=request.profiles)
    reading = ReadingDefaults(request.time_zone, request.country_code, request.profiles, request.currency)
    our_files = read_joined(request.switch, lambda path: read_switch_file(path, reading), "switch")
    their_files = read_joined(request.carrier, lambda path: read_carrier_file(path, profile, reading), "carrier")
    ours, theirs = our_files.whole, their_files.whole
    direction = request.direction or ("any" if not profile.reconcile.trunks else profile.reconcile.direction)
    legs = ours.rows.with_columns(billed=is_billable_leg(LegRule(direction, frozenset(profile.reconcile.trunks))))
    compared, repeated_a = _last_of_each(legs.filter("billed"))
    own_records, repeating = _with_own_ids(theirs.rows)
    records, repeated_b = _last_of_each(own_records)
    rules = _rules(request, profile)
    planless = rules.rate_card is None and request.country_code is None and profile.plan.country_code is None
    section = profile.reconcile
    if request.rate_card is not None:
        section = replace(section, rate_card=request.rate_card.name)
    numbers = number_rules(profile.reconcile, carrier_plan(profile, reading))
    switch, carrier = choose_start_clock(
        compared, records, rules, by_last_digits=planless and not rules.digits, numbers=numbers
    )
    if profile.time_notation == "local" and not profile.zone_column:
        carrier = settle_repeated_hour(carrier, switch, _zone(request, profile))
    result = reconcile(switch, carrier, rules)
    unreadable = [
        f"{file.rejects.height} lines of the {side}'s file cannot be read; the amounts in them are"
        f" {file.rejected_charges['cost'].sum() or 0:.4f}"
        for side, file in (("switch", ours), ("carrier", theirs))
        if file.rejects.height
    ]
    verdict = judge(
        outcomes_of(result, compared, records),
        section,
        currency=rules.currency,
        complete=True,
        offset=result.offset.row(0, named=True),
        findings=[*result.findings, *our_files.findings, *their_files.findings, *filter(None, [repeating])],
        rejected=unreadable,
    )
    excluded = [
        _set_aside(legs.filter(~pl.col("billed")), "switch", MatchClass.UNBILLABLE, rules.currency),
        _set_aside(repeated_a, "switch", MatchClass.DUP_A, rules.currency),
        _set_aside(repeated_b, "carrier", MatchClass.DUP_B, rules.currency),
        _rejected(our_files, "switch", rules.currency),
        _rejected(their_files, "carrier", rules.currency),
    ]
    rows = pl.concat([result.rows, *excluded]).sort("side", "row_id", "class", maintain_order=True)
    everything = replace(result, rows=rows, totals=totals_of(rows))
    not_compared = legs.height - int(legs["billed"].sum())
    rejected = {"switch": ours.rejects.height, "carrier": theirs.rejects.height}
    contents = {
        PAIRS: _csv(_pair_lines(result)),
        CLASSES: _csv(_class_lines(result, excluded)),
        TOTALS: _totals(request, everything, verdict, not_compared, rejected),
    }
    for name, content in contents.items():
        with sole_writer(request.out, mode=PRIVATE_FOLDER), new_file(request.out / name, mode=PRIVATE_FILE) as writing:
            writing.write(content)
            writing.place()
    return ReconciledFiles(everything, verdict, not_compared, rejected, tuple(request.out / name for name in contents))


def _zone(request: ReconcileFilesRequest, profile: Profile) -> str:
    """Zone of the carrier's file and rate card."""
    return request.time_zone if profile.time_zone == ACCOUNT_ZONE else profile.time_zone


def _rules(request: ReconcileFilesRequest, profile: Profile) -> Rules:
    """The profile's rules with the overrides of the request."""
    section = profile.reconcile
    if request.duration_tolerance_seconds is not None:
        section = replace(section, duration_tolerance_seconds=request.duration_tolerance_seconds)
    if request.amount_tolerance is not None:
        section = replace(section, amount_tolerance=request.amount_tolerance)
    rating = profile.rating
    steps = billing_steps(section, increment_seconds=rating.increment_seconds, minimum_seconds=rating.minimum_seconds)
    currency = request.currency or profile.currency
    path = request.rate_card or (request.profiles / section.rate_card if section.rate_card else None)
    card: RateCard | None = None
    if path is not None:
        card = read_rate_card(
            path,
            request.business_date,
            steps=steps,
            currency=currency,
            places=section.places,
            rounding=section.rounding,
            zone=_zone(request, profile),
        )
    return matching_rules(section, increment=steps, currency=currency, precision=profile.time_precision, rate_card=card)


def _pair_lines(result: Reconciled) -> pl.DataFrame:
    charged = result.rows.filter(pl.col("side") == "carrier").select("row_id", "amount", "currency")
    # A call in several records is charged the sum of their amounts.
    whole = pl.coalesce(pl.col("expected_amount") + pl.col("amount_difference"), "amount")
    return (
        result.pairs.join(charged, left_on="carrier_row_id", right_on="row_id", how="left", maintain_order="left")
        .with_columns(amount=whole)
        .rename({"switch_row_id": "switch_id", "carrier_row_id": "carrier_record_id", "amount": "charged_amount"})
        .select("switch_id", "carrier_record_id", "class", "ambiguous", *_MONEY_COLUMNS)
    )


def _class_lines(result: Reconciled, excluded: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Every row of both sides, with the prices of its pair, or what we will owe for a call that is not charged yet."""
    explained = ("cause", "detail", "agreed_rate", "expected_amount", "amount_difference")
    priced = [
        result.pairs.select(
            pl.lit(side).cast(SIDE_TYPE).alias("side"), pl.col(f"{side}_row_id").alias("row_id"), *explained
        )
        for side in ("switch", "carrier")
    ]
    accrued = result.accruals.select(
        pl.lit("switch").cast(SIDE_TYPE).alias("side"),
        pl.col("switch_row_id").alias("row_id"),
        "agreed_rate",
        "expected_amount",
    )
    prices = pl.concat([*priced, accrued], how="diagonal")
    compared = result.rows.join(prices, on=["side", "row_id"], how="left", maintain_order="left")
    return (
        pl.concat([compared, *excluded], how="diagonal")
        .sort("side", "row_id", "class", maintain_order=True)
        .rename({"row_id": "id", "amount": "charged_amount"})
        .with_columns(amount="charged_amount")
        .with_columns(pl.when(pl.col("side") == "carrier").then(pl.col("charged_amount", "amount_difference")))
        .select("side", "id", "class", "seconds", "amount", "exposure", *_MONEY_COLUMNS, "ambiguous")
    )


def _with_own_ids(rows: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Gives rows that repeat an id with other content an id of their own, and the finding about it.

    A counter that begins again gives the same id to different calls; they are not charged twice.
    """
    content = ("started_at", "callee_id_number", "caller_id_number", "billing_seconds", "cost")
    nth = pl.struct(content).rank("dense").over("record_id")
    numbered = rows.with_columns(nth.alias("__nth"), pl.struct(content).n_unique().over("record_id").alias("__kinds"))
    repeated = numbered.filter(pl.col("__kinds") > 1)
    if repeated.is_empty():
        return rows, ""
    own = pl.concat_str("record_id", pl.lit("#"), pl.col("__nth").cast(pl.String))
    renamed = numbered.with_columns(record_id=pl.when(pl.col("__kinds") > 1).then(own).otherwise("record_id"))
    return renamed.drop("__nth", "__kinds"), (
        f"{repeated['record_id'].n_unique()} ids repeat with other content, on {repeated.height} records; each is"
        " compared as a call of its own"
    )


def _last_of_each(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Splits rows into the last row of each id, and the earlier rows with the same id."""
    last = pl.col(LINE) == pl.col(LINE).max().over("record_id")
    return rows.filter(last), rows.filter(~last)


def _set_aside(rows: pl.DataFrame, side: str, item: MatchClass, currency: str) -> pl.DataFrame:
    seconds = pl.coalesce("billing_seconds", "duration_seconds").fill_null(0)
    charged = pl.col("cost").fill_null(0) if item is not MatchClass.UNBILLABLE else pl.lit(0)
    return rows.select(
        pl.lit(side).cast(SIDE_TYPE).alias("side"),
        pl.col("record_id").alias("row_id"),
        pl.lit(item.value).cast(CLASS_TYPE).alias("class"),
        seconds.cast(SECONDS).alias("seconds"),
        pl.lit(0, pl.Int64).alias("billed_seconds"),
        pl.when(pl.col("cost").is_not_null())
        .then(currency_of(pl.col("cost_currency"), currency))
        .otherwise(pl.lit(currency))
        .cast(CURRENCY_TYPE)
        .alias("currency"),
        pl.col("cost").cast(MONEY).alias("amount"),
        charged.cast(MONEY).alias("exposure"),
        pl.lit("").cast(DESTINATION_TYPE).alias("destination"),
        pl.lit(value=False).alias("ambiguous"),
    )


def _rejected(files: JoinedFiles, side: str, currency: str) -> pl.DataFrame:
    placed = files.whole.rejects.join(files.places, on=LINE, how="left", maintain_order="left")
    rows = placed.join(files.whole.rejected_charges, on=LINE, how="left", maintain_order="left").select(
        pl.lit(side).alias("side"),
        pl.col("place").alias("row_id"),
        pl.lit(MatchClass.REJECTED.value).alias("class"),
        pl.col("cost").alias("amount"),
        pl.when(pl.col("cost").is_not_null())
        .then(currency_of(pl.col("cost_currency"), currency))
        .otherwise(pl.lit(currency))
        .alias("currency"),
    )
    missing = [name for name in ROW_SCHEMA if name not in rows.columns]
    plain = {"destination": "", "ambiguous": False}
    values = [pl.lit(plain.get(name, 0)).alias(name) for name in missing]
    return rows.with_columns(values).select(pl.col(name).cast(dtype) for name, dtype in ROW_SCHEMA.items())


def _csv(frame: pl.DataFrame) -> bytes:
    """CSV by RFC 4180 as in the daily files: CRLF, true and false, seconds without trailing zeros."""
    texts = [
        pl.col(name).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
        if name == "seconds"
        else pl.col(name).cast(pl.String)
        for name in frame.columns
    ]
    return frame.select(texts).write_csv(line_terminator="\r\n").encode()


def _totals(
    request: ReconcileFilesRequest,
    result: Reconciled,
    verdict: Verdict,
    not_compared: int,
    rejected: Mapping[str, int],
) -> bytes:
    (offset,) = result.offset.with_columns(pl.col("step_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_dicts()
    by_class = result.totals.group_by("class", "side", "currency").agg(
        pl.col("rows", "seconds", "billed_seconds", "amount", "exposure").sum()
    )
    everything: dict[str, Any] = {
        "profile": request.profile,
        "switch": {"files": _hashes(request.switch), "rejected": rejected["switch"], "not_compared": not_compared},
        "carrier": {"files": _hashes(request.carrier), "rejected": rejected["carrier"]},
        "pairs": result.pairs.height,
        "ambiguous_pairs": int(result.pairs["ambiguous"].sum()),
        "offset": offset,
        "light": verdict.light,
        "money": _plain(money_totals(result.rows, result.accruals)),
        "findings": list(verdict.findings),
        "classes": _plain(by_class.sort("class", "side", "currency")),
        "destinations": _plain(result.totals),
    }
    return (json.dumps(everything, indent=2, ensure_ascii=False) + "\n").encode()


def _plain(totals: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table for JSON. Money and seconds are text, so that readers do not convert them to floats."""
    exact = [name for name, dtype in totals.schema.items() if dtype.is_decimal()]
    return totals.with_columns(pl.col(exact).cast(pl.String)).to_dicts()


def _hashes(paths: Sequence[Path]) -> list[dict[str, str]]:
    hashes: list[dict[str, str]] = []
    for path in paths:
        with path.open("rb") as source:
            hashes.append({"name": path.name, "sha256": hashlib.file_digest(source, "sha256").hexdigest()})
    return hashes
