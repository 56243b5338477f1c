"""Asset jobs: the nightly run, the import of uploads and the hourly check-up."""

from typing import TYPE_CHECKING, Final

import dagster as dg

if TYPE_CHECKING:
    from cdr_pipeline.defs.dagster_private import AssetJob

NIGHTLY: Final = "nightly"
STANDING_CHECK: Final = "nothing_is_broken"


def nightly_job() -> "AssetJob":
    """Collects, imports, merges, reconciles and exports one business date; the same code runs every backfill."""
    return dg.define_asset_job(
        NIGHTLY,
        selection=dg.AssetSelection.all(),
        description="One business date: collect from the switch, import uploads, merge, reconcile, export, report.",
    )


def upload_job() -> "AssetJob":
    """Imports the files of the drop folder, merges their records and exports the days that they change."""
    return dg.define_asset_job(
        "import_uploads",
        selection=dg.AssetSelection.assets("uploads", "cdr", "rejects", "daily_files"),
        description="Waiting uploads: import, merge, export the days that changed.",
    )


def inbound_job() -> "AssetJob":
    """Fetches new files from the places of inbound.toml and imports them."""
    return dg.define_asset_job(
        "fetch_inbound",
        selection=dg.AssetSelection.assets("inbound_files", "uploads", "cdr", "rejects", "daily_files"),
        description="New files at carriers' places: fetch, import, merge, export the days that changed.",
    )


def check_up_job() -> "AssetJob":
    """Evaluates only the check ``nothing_is_broken``."""
    return dg.define_asset_job(
        "check_up",
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("night_report"), STANDING_CHECK)),
        description="Current problems, since when they exist, and the command that fixes each.",
    )
