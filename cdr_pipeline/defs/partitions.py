"""Partitions and run tags. There is one partition per business date; a step loops over the accounts.

Partitions by date and account are too expensive: with 1,000 accounts they cost minutes and tens of megabytes of events
a night, daily partitions cost a second. To run one account, set the run tag ``cdr/accounts`` or the run's config.
"""

from typing import Final

import dagster as dg

from cdr_pipeline.settings import Settings

ACCOUNTS_TAG: Final = "cdr/accounts"
REPLAY_TAG: Final = "cdr/replay"
# Trigger of an automatic run: schedule, upload, missed_night, late_data, check_up.
TRIGGER_TAG: Final = "cdr/trigger"
# Business date that a run of the sensor missed_nights repeats.
DUE_TAG: Final = "cdr/due"
PARTITION_TAG: Final = "dagster/partition"


def business_days(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days from ``CDR_FIRST_DATE`` to yesterday in the operator's time zone."""
    return dg.DailyPartitionsDefinition(start_date=settings.first_date, timezone=settings.time_zone)
