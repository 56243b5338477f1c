"""Attributes that all assets share: owner, tags, freshness policy."""

from datetime import timedelta
from typing import Final

import dagster as dg

from cdr_pipeline.settings import Settings

OWNER: Final = "team:cdr_operations"
_TAGS: Final = {"cdr/data": "call_detail_records", "cdr/personal_data": "in_the_data_not_in_the_metadata"}
# Time allowed for a nightly run.
_NIGHT: Final = timedelta(hours=1)


def with_shared_attributes(assets: list[dg.AssetsDefinition], settings: Settings) -> list[dg.AssetsDefinition]:
    """The assets with owner, tags and freshness policy."""
    freshness = nightly_freshness(settings)

    def complete(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(
            owners=[OWNER], tags={**spec.tags, **_TAGS}, freshness_policy=freshness
        )  # fmt: skip

    return [asset.map_asset_specs(complete) for asset in assets]


def nightly_freshness(settings: Settings) -> dg.FreshnessPolicy:
    """Fails if no nightly run has finished since ``nightly_at``; evaluated one hour after the grace period."""
    hour, minute = map(int, settings.nightly_at.split(":"))
    grace = timedelta(minutes=settings.nightly_grace_minutes) + _NIGHT
    minutes = hour * 60 + minute + grace // timedelta(minutes=1)
    # A deadline after midnight belongs to the run that started before midnight.
    deadline = f"{minutes % 60} {minutes // 60 % 24} * * *"
    return dg.FreshnessPolicy.cron(deadline_cron=deadline, lower_bound_delta=grace, timezone=settings.time_zone)
