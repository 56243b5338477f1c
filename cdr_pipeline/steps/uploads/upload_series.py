"""File series by the dates and numbers in file names: missing days, missing numbers, late files."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from cdr_pipeline.core.uploads.series import expected_names, missing_days, missing_numbers
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.uploads.uploads import UploadName


@dataclass(frozen=True, slots=True)
class FileSeries:
    """Files of one account and profile.

    Attributes:
        account_id, profile: account and profile of the series.
        files: number of received files.
        last_date: newest date in a file name.
        missing_days: expected days without a file.
        missing_numbers: missing sequence numbers.
        late_files: names of files that arrived after their grace period.
        fault: why the series cannot be judged: its profile is not valid; empty otherwise.
        expected: names of the files of the missing days; empty if names have no date.
    """

    account_id: str
    profile: str
    files: int
    last_date: date | None
    missing_days: tuple[date, ...]
    missing_numbers: tuple[int, ...]
    late_files: tuple[str, ...]
    fault: str = ""
    expected: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is known that no day and no number is missing."""
        return not (self.missing_days or self.missing_numbers or self.fault)


def upload_series(ctx: RunContext, accounts: Sequence[str] | None = None) -> list[FileSeries]:
    """Every series with at least one received file, by account and profile. Discarded files do not count.

    The dated or numbered files of an invalid profile are a series too, of which only its files and fault are known.
    """
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active(accounts)]
        dated = ledger.uploads.series_exist(account_ids)
    # Profiles are slow to import, and many installations have no series: no built-in profile has one.
    if not dated and not any(map(_may_have_a_series, ctx.settings.profile_dir.glob("*.toml"))):
        return []
    from cdr_pipeline.sources.uploads.profiles import broken_profiles, list_profiles  # noqa: PLC0415

    profiles = {
        name: profile for name, profile in list_profiles(ctx.settings.profile_dir).items() if profile.control.name
    }
    broken = broken_profiles(ctx.settings.profile_dir)
    with ctx.ledger() as ledger:
        names = ledger.uploads.names(account_ids, [*profiles, *broken])
    groups = defaultdict[tuple[str, str], list[UploadName]](list)
    for name in names:
        groups[name.account_id, name.profile].append(name)
    series: list[FileSeries] = []
    for (account_id, name), files in sorted(groups.items()):
        if name in broken:
            if all(file.file_date is None and file.file_sequence is None for file in files):
                continue
            last = max((file.file_date for file in files if file.file_date is not None), default=None)
            series.append(FileSeries(account_id, name, len(files), last, (), (), (), broken[name].error.message))
            continue
        control = profiles[name].control
        grace = timedelta(days=control.grace_days)
        dates = {file.file_date for file in files if file.file_date is not None}
        numbers = [file.file_sequence for file in files if file.file_sequence is not None]
        expected = ctx.clock().date() - timedelta(days=1) - grace
        days = missing_days(dates, through=expected) if control.every == "day" else []
        skipped = missing_numbers(numbers)
        series.append(
            FileSeries(
                account_id,
                name,
                len(files),
                max(dates, default=None),
                tuple(days),
                tuple(skipped),
                tuple(
                    file.file_name
                    for file in files
                    if file.file_date is not None and file.received_at.date() > file.file_date + timedelta(1) + grace
                ),
                expected=tuple(expected_names(files[-1].file_name, control, days, skipped)),
            )
        )
    return series


def _may_have_a_series(profile: Path) -> bool:
    """Whether a profile has a table ``control``, or cannot be read."""
    try:
        return b"control" in profile.read_bytes()
    except OSError:
        return True
