"""Problems of files that came in: uploads, rejected rows, profiles, series, the drop folder."""

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta

from cdr_pipeline.core.charts.composed_text import ComposedText, counted
from cdr_pipeline.errors import (
    RowsRejected,
)
from cdr_pipeline.sources.uploads.profiles import broken_profiles
from cdr_pipeline.steps.operations.health.problem import (
    A_NIGHT,
    A_WEEK,
    FORGOTTEN,
    LIST_UPLOADS,
    Problem,
    Subject,
    some,
    titled,
)
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
from cdr_pipeline.steps.uploads.upload_series import upload_series
from cdr_pipeline.warehouse.ledger import Ledger, OpenRejects

# A file that is missing in its series is reported for five weeks, until the month has been invoiced.
_EXPECTED = timedelta(days=35)
# Code of problems with rejected rows.
ROWS_REJECTED = RowsRejected.code


def upload_problems(ledger: Ledger, names: Mapping[str, str]) -> Iterator[Problem]:
    """Uploads that wait for a decision or could not be read."""
    for upload in ledger.health.stuck_uploads(list(names)):
        short = upload.sha256[:12]
        held = upload.state == "held"
        yield Problem(
            ComposedText(
                "upload {upload} of account {account} repeats another file and waits for a decision"
                if held
                else "upload {upload} of account {account} could not be read",
                upload=short,
                account=titled(upload.account_id, names),
            ),
            upload.error_code or upload.state,
            upload.since,
            f"cdr-pipeline uploads release {short} --by NAME" if held else LIST_UPLOADS,
            subject=Subject("upload", upload.account_id, name="held" if held else "unreadable"),
            otherwise=f"cdr-pipeline uploads discard {short} --by NAME",
        )


def reject_problems(ledger: Ledger, names: Mapping[str, str], now: datetime) -> Iterator[Problem]:
    """Rows that were rejected within a week and are neither corrected nor dismissed."""
    by_source: dict[tuple[str, str, str], list[OpenRejects]] = {}
    for rejects in ledger.health.open_rejects(list(names), since=now - A_WEEK):
        source = rejects.sha256 or f"{rejects.business_date or 'unknown'}"
        by_source.setdefault((rejects.account_id, rejects.origin, source), []).append(rejects)
    for (account_id, origin, source), parts in by_source.items():
        rows, reasons = sum(part.row_count for part in parts), sorted({code for part in parts for code in part.reasons})
        of_file = origin == "imported" and parts[0].sha256 is not None
        yield Problem(
            ComposedText(
                "{rows} of upload {source}, account {account}, rejected: {reasons}"
                if of_file
                else "{rows} of the switch's records of {source}, account {account}, rejected: {reasons}",
                rows=counted(rows, "{count} row", "{count} rows"),
                source=source[:12],
                account=titled(account_id, names),
                reasons=", ".join(reasons),
            ),
            ROWS_REJECTED,
            min(part.since for part in parts),
            _correction(source[:12], account_id)
            if of_file
            else f"cdr-pipeline rejects dismiss --date {source} --account {account_id} --by NAME --reason WHY",
            f"{account_id} {source}",
            max(part.since for part in parts) + A_WEEK,
            Subject("rejects", account_id, parts[0].business_date, parts[0].sha256 or "" if of_file else ""),
            f"cdr-pipeline rejects dismiss {source[:12]} --account {account_id} --by NAME --reason WHY"
            if of_file
            else "",
        )


def _correction(upload: str, account_id: str) -> str:
    """Writes the rejected lines to a file, opens it in an editor, and imports the corrected lines."""
    file = f"rejects_{upload}"
    return (
        f"cdr-pipeline rejects export {upload} --account {account_id} --out {file} && ${{EDITOR:-vi}} {file} && "
        f"cdr-pipeline rejects replay {file} --account {account_id}"
    )


def profile_problems(ctx: RunContext) -> Iterator[Problem]:
    """Profiles of the operator that are not valid. Other profiles and their files are not affected."""
    for name, profile in broken_profiles(ctx.settings.profile_dir).items():
        path = ctx.settings.profile_dir / f"{name}.toml"
        command = f"cdr-pipeline profiles check {shlex.quote(str(path))}"
        yield Problem(
            profile.error.message,
            profile.error.code,
            profile.changed_at,
            command,
            subject=Subject("profile", name=name),
        )


def series_problems(ctx: RunContext, names: Mapping[str, str]) -> Iterator[Problem]:
    """Days of the last weeks for which a file is missing in a series of files."""
    now = ctx.clock()
    for series in upload_series(ctx, list(names)):
        days = [day for day in series.missing_days if day >= (now - _EXPECTED).date()]
        if days:
            # In the order of the missing days, of which the oldest may be left out.
            expected = series.expected[-len(days) :]
            yield Problem(
                ComposedText(
                    "account {account}: no file of profile {profile} for {days}{expected}; "
                    "import an empty file of that name if there were no calls",
                    account=titled(series.account_id, names),
                    profile=series.profile,
                    days=some([str(day) for day in days]),
                    expected=ComposedText(", expected: {files}", files=some(expected)) if expected else "",
                ),
                "file_missing",
                datetime.combine(days[0] + timedelta(days=1), time(), tzinfo=UTC),
                f"cdr-pipeline import FILE --account {series.account_id} --profile {series.profile}",
                f"{series.account_id} {series.profile}",
                datetime.combine(days[-1], time(), tzinfo=UTC) + _EXPECTED,
                Subject("series", series.account_id),
            )


def drop_problems(ledger: Ledger, account_ids: list[str], ctx: RunContext) -> Iterator[Problem]:
    """Files in the drop folder that cannot be registered, and files that should have been registered earlier."""
    for drop in waiting_drops(ledger, ctx, account_ids):
        template = None
        if drop.state == "refused":
            template = "dropped file {place} cannot be imported: {cause}"
        elif drop.state == "arriving" and ctx.clock() - drop.since > FORGOTTEN:
            template = "dropped file {place} has been unfinished since it last changed"
        elif drop.state == "waiting" and ctx.clock() - drop.since > A_NIGHT:
            template = "dropped file {place} still waits for its import"
        if template is not None:
            text = ComposedText(template, place=drop.place, cause=drop.message)
            yield Problem(
                text,
                drop.code,
                drop.since,
                LIST_UPLOADS,
                subject=Subject("drop", drop.account_id or "", name=drop.state),
            )
