"""One partition per business date; accounts fan out inside the step.

Account-by-date partitions were measured and refused: 1,000 accounts cost minutes and tens of megabytes of events a
night where daily partitions cost a second. One account is run alone by the run tag ``cdr/accounts``, or by the run's
config.
"""

from typing import Final

import dagster as dg

from cdr_pipeline.settings import Settings

ACCOUNTS_TAG: Final = "cdr/accounts"
REPLAY_TAG: Final = "cdr/replay"
# What has started a run that nobody started by hand: schedule, upload, missed_night, late_data, check_up.
TRIGGER_TAG: Final = "cdr/trigger"
# The night that a run of the sensor missed_nights makes good.
DUE_TAG: Final = "cdr/due"
PARTITION_TAG: Final = "dagster/partition"


def business_days(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days from ``CDR_FIRST_DATE`` to yesterday, in the operator's zone."""
    return dg.DailyPartitionsDefinition(start_date=settings.first_date, timezone=settings.time_zone)
