"""The asset ``uploads``: registers the files of the drop folder."""

from collections import Counter
from collections.abc import Mapping, Sequence

import dagster as dg

from cdr_pipeline.defs.day_asset import DayAsset, DayCheck, DayResult, DayRun
from cdr_pipeline.defs.metadata import AccountTitles, console_link, plot, table
from cdr_pipeline.steps.uploads.decide_uploads import count_held_uploads
from cdr_pipeline.steps.uploads.register_uploads import RegisteredFiles, register_dropped_files
from cdr_pipeline.steps.uploads.upload_series import FileSeries, upload_series

CHECK = "every_file_has_a_place"
HELD_CHECK = "no_file_is_held"
SERIES_CHECK = "no_file_is_missing"


def uploads_asset(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset ``uploads``."""

    def uploads(run: DayRun) -> DayResult:
        """Files of carriers and other systems, imported from the drop folder.

        A file in ``uploads/{account_id}/{profile}/`` is copied to landing byte for byte, registered under its sha256,
        and removed from the drop folder.
        """
        registered = register_dropped_files(run.ctx, run.accounts)
        series = upload_series(run.ctx, run.accounts)
        return _result(registered, series, count_held_uploads(run.ctx, run.accounts), AccountTitles.of(run.ctx))

    return DayAsset(
        days,
        "landing",
        {"csv", "file"},
        deps=("inbound_files",),
        checks=(
            DayCheck(CHECK, "Every waiting file is in a folder of a registered account and profile and can be opened."),
            DayCheck(
                HELD_CHECK, "No file that repeats records of another file waits for 'cdr-pipeline uploads release'."
            ),
            DayCheck(SERIES_CHECK, "No day and no number is missing in the file series that profiles describe."),
        ),
    ).of(uploads)


def _result(registered: RegisteredFiles, series: Sequence[FileSeries], held: int, titles: AccountTitles) -> DayResult:
    files = [
        (item.file_name, titles.name(item.account_id), item.profile, item.size, item.sha256[:12])
        for item in registered.files
    ]
    refused = [(item.place, item.code, item.message) for item in registered.refused]
    gaps = [
        (
            titles.name(item.account_id),
            item.profile,
            item.fault or ", ".join(map(str, [*item.missing_days, *item.missing_numbers])),
        )
        for item in series
        if not item.whole
    ]
    return DayResult(
        metadata={
            "files_taken_in": len(registered.files),
            "files_known_before": sum(item.known for item in registered.files),
            "files_refused": len(refused),
            "files_held": held,
            "files_late": sum(len(item.late_files) for item in series),
            "bytes": sum(item.size for item in registered.files),
            **console_link(titles.settings, "/uploads"),
            **plot("Files by profile", _by_profile(registered)),
            **({"files": table(("file", "account", "profile", "bytes", "sha256"), files)} if files else {}),
            **({"refused": table(("place", "code", "what happened"), refused)} if refused else {}),
            **({"missing": table(("account", "profile", "missing days and numbers"), gaps)} if gaps else {}),
        },
        checks=lambda _dates: [
            # The records of a refused file are missing from their days, so the check is an ERROR.
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not refused,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "files_refused": len(refused),
                    **({"refused": table(("place", "code", "what happened"), refused)} if refused else {}),
                    **({"what_to_do": "cdr-pipeline uploads list"} if refused else {}),
                },
            ),
            _warning(HELD_CHECK, passed=not held, files_held=held),
            _warning(SERIES_CHECK, passed=not gaps, series_with_gaps=len(gaps)),
        ],
    )


def _by_profile(registered: RegisteredFiles) -> list[tuple[str, Mapping[str, float | None]]]:
    new = Counter(item.profile for item in registered.files if not item.known)
    known = Counter(item.profile for item in registered.files if item.known)
    return [
        (profile, {"new": float(new[profile]), "known before": float(known[profile])})
        for profile in sorted(new.keys() | known.keys())
    ]


def _warning(name: str, *, passed: bool, **metadata: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name, passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=dict(metadata)
    )
