"""The jobs: the night, and what happens between nights."""

from typing import TYPE_CHECKING, Final

import dagster as dg

if TYPE_CHECKING:
    # Dagster exports the function that makes it, not the type.
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

NIGHTLY: Final = "nightly"
STANDING_CHECK: Final = "nothing_is_broken"


def nightly_job() -> "AssetJob":
    """Collects, imports, merges, reconciles and exports one business date; the same code runs every backfill."""
    return dg.define_asset_job(
        NIGHTLY,
        selection=dg.AssetSelection.all(),
        description="One business date: collect from the switch, take in uploads, merge, reconcile, export, report.",
    )


def upload_job() -> "AssetJob":
    """Takes in what lies in the drop folder, merges it, and remakes the files of the days that it changed."""
    return dg.define_asset_job(
        "import_uploads",
        selection=dg.AssetSelection.assets("uploads", "cdr", "rejects", "daily_files"),
        description="Waiting uploads: take in, merge, export the days that changed.",
    )


def check_up_job() -> "AssetJob":
    """Evaluates the standing check by itself."""
    return dg.define_asset_job(
        "check_up",
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("night_report"), STANDING_CHECK)),
        description="What is broken now, since when, and the command that mends it.",
    )
