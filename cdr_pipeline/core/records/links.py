"""Which two records are the same leg, and which record each value of the leg comes from: the rules in Polars.

Tests compare the SQL of ``records/stage_links`` and the view ``cdr_merged`` with this module.
"""

from datetime import timedelta
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import FIELDS

API: Final = "api"
IMPORTED: Final = "imported"
BOTH: Final = "api+imported"
# Largest difference between the starts of two records of one leg, even if a file's clock has the wrong time zone.
MOST_APART: Final = timedelta(days=1)
# Largest difference in days between the business dates of records that can affect each other's leg: a changed record
# affects the links of records within a day, those affect records within another day, and time zones add one more.
LEG_REACH_DAYS: Final = 3

# Fields that always come from the API record: its key, and those that every search of a leg begins with.
LEG_ONLY: Final = ("account_id", "record_id", "business_date", "call_id", "call_direction", "started_at")
_IMPORTED_COST: Final = (
    "the API's when its cost is there and not 0, or the file has no cost; else the file's, of all records of the call"
)
# A cost of 0 of the API counts as missing.
COST_LEAD: Final = "cost"
# Fields that only make sense together come from the same record. Lead field to the fields of its group.
TOGETHER: Final[dict[str, tuple[str, ...]]] = {
    "duration_seconds": ("ended_at", "duration_seconds"),
    "billing_seconds": ("answered_at", "billing_seconds", "answered"),
    "remote_rtp_address": ("remote_rtp_address", "remote_rtp_port"),
    "local_rtp_address": ("local_rtp_address", "local_rtp_port"),
    COST_LEAD: ("cost", "cost_currency", "rate"),
}


def pairs_by_call_id(records: pl.DataFrame) -> pl.DataFrame:
    """Pairs of records that are the same leg because they have the same call id.

    An API record and an imported record of one account with the same call id that start within a day of each other are
    a pair when each is the nearest to the other: by start, then by duration, then by id. The order of the rows does
    not matter.

    Args:
        records: canonical columns, one row per record, of both origins.

    Returns:
        ``account_id``, ``imported_record_id``, ``api_record_id``; each record at most once.
    """
    compared = records.select("account_id", "origin", "record_id", "call_id", "started_at", "duration_seconds")
    distance = (pl.col("started_at") - pl.col("started_at_imported")).abs()
    lengths = (pl.col("duration_seconds") - pl.col("duration_seconds_imported")).abs()
    candidates = (
        compared.filter(pl.col("origin") == API)
        .join(compared.filter(pl.col("origin") == IMPORTED), on=["account_id", "call_id"], suffix="_imported")
        .with_columns(distance.alias("__distance"), lengths.alias("__lengths"))
        .filter(pl.col("__distance") <= MOST_APART)
    )
    nearness = ("__distance", "__lengths")
    nearest_to_api = candidates.sort(*nearness, "record_id_imported", nulls_last=True).unique(
        ["account_id", "record_id"], keep="first", maintain_order=True
    )
    nearest_to_imported = candidates.sort(*nearness, "record_id", nulls_last=True).unique(
        ["account_id", "record_id_imported"], keep="first", maintain_order=True
    )
    key = ["account_id", "record_id", "record_id_imported"]
    return nearest_to_api.join(nearest_to_imported, on=key, how="semi").select(
        "account_id",
        pl.col("record_id_imported").alias("imported_record_id"),
        pl.col("record_id").alias("api_record_id"),
    )


def merged_legs(records: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """One row per leg. Empty fields of an API record are filled from the imported record that is linked to it.

    Args:
        records: canonical columns, one row per record, of both origins.
        links: ``account_id``, ``imported_record_id``, ``api_record_id``; with ``part_no`` and ``parts_cost`` if calls
            have several imported records. The first one, number 0, has the cost of all.

    Returns:
        Canonical columns plus ``linked_record_id``; ``origin`` is api, imported or api+imported.
    """
    api = records.filter(pl.col("origin") == API)
    imported = records.filter(pl.col("origin") == IMPORTED)
    if "part_no" not in links.columns:
        links = links.with_columns(part_no=0, parts_cost=pl.lit(None, records.schema["cost"]))
    first = links.filter(pl.col("part_no") == 0)
    legs = api.join(first, left_on=["account_id", "record_id"], right_on=["account_id", "api_record_id"], how="left")
    of_parts = first.select("account_id", "imported_record_id", whole=pl.col("parts_cost").cast(records.schema["cost"]))
    twins = (
        imported.with_columns(pl.col("record_id").alias("imported_record_id"))
        .join(of_parts, on=["account_id", "imported_record_id"], how="left")
        .with_columns(cost=pl.coalesce("whole", "cost"))
        .drop("whole")
    )
    both = legs.join(twins, on=["account_id", "imported_record_id"], how="left", suffix="__twin")
    linked = pl.col("imported_record_id").is_not_null()
    filled = both.select(
        "account_id",
        pl.when(linked).then(pl.lit(BOTH)).otherwise(pl.lit(API)).alias("origin"),
        *(_merged_value(field.name) for field in FIELDS[2:]),
        pl.col("imported_record_id").alias("linked_record_id"),
    )
    unlinked = imported.join(
        links, left_on=["account_id", "record_id"], right_on=["account_id", "imported_record_id"], how="anti"
    ).with_columns(pl.lit(None, pl.String).alias("linked_record_id"))
    return pl.concat([filled, unlinked.select(filled.columns)]).sort("account_id", "origin", "record_id")


def precedence_table() -> str:
    """Which record each value of a leg comes from, field by field, as a Markdown table."""
    lines = ["| column | of a leg that both have |", "| --- | --- |"]
    return "\n".join(lines + [f"| {field.name} | {precedence(field.name)} |" for field in FIELDS])


def precedence(name: str) -> str:
    """Which record the value of a field comes from when a leg has a record of each origin."""
    if name == "origin":
        return BOTH
    if name in LEG_ONLY:
        return "the API's"
    for lead, members in TOGETHER.items():
        if name in members:
            others = " with ".join(f"`{other}`" for other in members if other != name)
            rule = _IMPORTED_COST if lead == COST_LEAD else f"the API's unless only the file has `{lead}`"
            return f"{rule}; together with {others.replace(' with ', ' and ')}"
    return "the API's, else the file's"


def _merged_value(name: str) -> pl.Expr:
    if name in LEG_ONLY:
        return pl.col(name)
    for lead, members in TOGETHER.items():
        if name in members:
            return pl.when(_takes_imported(lead)).then(pl.col(f"{name}__twin")).otherwise(pl.col(name)).alias(name)
    return pl.coalesce(name, f"{name}__twin").alias(name)


def _takes_imported(lead: str) -> pl.Expr:
    if lead == COST_LEAD:
        return (pl.col("cost").fill_null(0) == 0) & pl.col("cost__twin").is_not_null()
    return pl.col(lead).is_null() & pl.col(f"{lead}__twin").is_not_null()
