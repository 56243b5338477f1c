"""What is the same for all assets: owner, tags, freshness, links to the code."""

from datetime import timedelta
from typing import Final

import dagster as dg

from cdr_pipeline.settings import Settings

OWNER: Final = "team:cdr_operations"
_TAGS: Final = {"cdr/data": "call_detail_records", "cdr/personal_data": "in_the_data_not_in_the_metadata"}
# The longest that an ordinary night takes.
_NIGHT: Final = timedelta(hours=1)


def finished(assets: list[dg.AssetsDefinition], settings: Settings) -> list[dg.AssetsDefinition]:
    """The assets with owner, tags and freshness, and with links to the code that makes them."""
    freshness = nightly_freshness(settings)

    def complete(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(
            owners=[OWNER], tags={**spec.tags, **_TAGS}, freshness_policy=freshness
        )  # fmt: skip

    linked = dg.with_source_code_references([asset.map_asset_specs(complete) for asset in assets])
    return [asset for asset in linked if isinstance(asset, dg.AssetsDefinition)]


def nightly_freshness(settings: Settings) -> dg.FreshnessPolicy:
    """Red when no night has been since ``nightly_at``, looked at when the grace and an hour have passed."""
    hour, minute = map(int, settings.nightly_at.split(":"))
    grace = timedelta(minutes=settings.nightly_grace_minutes) + _NIGHT
    minutes = hour * 60 + minute + grace // timedelta(minutes=1)
    # A deadline after midnight is still the deadline of the night that began before it.
    deadline = f"{minutes % 60} {minutes // 60 % 24} * * *"
    return dg.FreshnessPolicy.cron(deadline_cron=deadline, lower_bound_delta=grace, timezone=settings.time_zone)
