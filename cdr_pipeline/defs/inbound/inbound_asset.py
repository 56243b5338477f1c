"""The asset ``inbound_files``: fetches files from the places of inbound.toml before a run imports."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import dagster as dg

from cdr_pipeline.defs.day_asset import DayAsset, DayCheck, DayResult, DayRun
from cdr_pipeline.defs.metadata import table
from cdr_pipeline.defs.pools import INBOUND
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.inbound.expected_files import LateFile, late_files
from cdr_pipeline.steps.inbound.fetch_files import FetchRequest, fetch_files
from cdr_pipeline.steps.inbound.place_results import PlaceResult

CHECK: Final = "every_place_was_fetched"
LATE_CHECK: Final = "no_expected_file_is_late"
_LISTED: Final = 200


def inbound_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``inbound_files``."""

    def inbound_files(run: DayRun) -> DayResult:
        """Files fetched from the places of `inbound.toml`: SFTP and other servers, folders.

        Each version of a file is fetched once and registered. A place that cannot be reached, or a file that is
        refused, fails a check and stops neither other places nor the imports of the run.
        """
        try:
            places, late = fetch_files(FetchRequest(), run.ctx), late_files(run.ctx, run.accounts)
        except ConfigurationError as error:
            invalid = PlaceResult("inbound.toml", "", code=error.code, message=error.message, hint=error.hint)
            places, late = [invalid], []
        return _result(places, late)

    return DayAsset(
        days,
        "landing",
        {"file"},
        checks=(
            DayCheck(CHECK, "Every place of inbound.toml was reached, and no file there was refused."),
            DayCheck(LATE_CHECK, 'Every file that inbound.toml expects (every = "day") has arrived in time.'),
        ),
        pool=INBOUND,
    ).of(inbound_files)


def _result(places: Sequence[PlaceResult], late: Sequence[LateFile]) -> DayResult:
    files = [file for place in places for file in place.files]
    outcomes = Counter(file.outcome for file in files)
    fetched = [
        (file.place, file.path, ", ".join(file.account_ids), file.profile, file.size or 0)
        for file in files
        if file.outcome == "fetched"
    ]
    bad = [(place.place, "", place.code, place.message, place.hint) for place in places if place.code]
    bad += [
        (file.place, file.path, file.code, file.message, file.hint)
        for file in files
        if file.outcome in ("refused", "failed")
    ]
    missing = [
        (item.account_id, item.place, item.pattern, str(item.day), f"{item.due_at:%Y-%m-%d %H:%M}") for item in late
    ]
    metadata: dict[str, Any] = {
        "places": len(places),
        "files_fetched": outcomes["fetched"],
        "files_known_before": outcomes["known"],
        "files_not_whole_yet": sum(outcomes[name] for name in ("growing", "no_marker", "no_manifest")),
        "files_refused": outcomes["refused"] + outcomes["failed"],
        "files_without_a_pattern": outcomes["unmatched"],
        "files_late": len(late),
        "bytes": sum(row[-1] for row in fetched),
    }
    if fetched:
        metadata["files"] = table(("place", "file", "account", "profile", "bytes"), fetched[:_LISTED])
    if bad:
        metadata["refused"] = table(("place", "file", "code", "what happened", "what to do"), bad[:_LISTED])
    if missing:
        metadata["late"] = table(("account", "place", "pattern", "day", "due (UTC)"), missing[:_LISTED])
    return DayResult(
        metadata,
        checks=lambda _dates: [
            # Records of a file that was not fetched are missing from their days, so the check is an ERROR.
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not bad,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"failures": len(bad), **({"what_to_do": "cdr-pipeline inbound check"} if bad else {})},
            ),
            dg.AssetCheckResult(
                check_name=LATE_CHECK,
                passed=not missing,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"files_late": len(missing)},
            ),
        ],
    )
