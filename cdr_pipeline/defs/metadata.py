"""Results of steps as Dagster metadata. Metadata never contains phone numbers, names of callers or tokens."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import dagster as dg

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.night_page import chart_image, markdown_table
from cdr_pipeline.steps.run_context import RunContext

# Ids of the failed accounts, for programs.
FAILED_IDS: Final = "failed_account_ids"
# Number of accounts by cause, for alerts and tags of runs.
CAUSES: Final = "causes"
_LISTED: Final = 200
# A chart with more columns than this cannot be read.
_COLUMNS: Final = 31


def counts_metadata(counts: BatchCounts) -> dict[str, dg.MetadataValue]:
    """Rows by class, one number each, so that the UI can plot them over time."""
    return {
        "rows_read": dg.MetadataValue.int(counts.read),
        "rows_merged": dg.MetadataValue.int(counts.merged),
        "rows_inserted": dg.MetadataValue.int(counts.inserted),
        "rows_updated": dg.MetadataValue.int(counts.updated),
        "rows_unchanged": dg.MetadataValue.int(counts.unchanged),
        "rows_duplicate": dg.MetadataValue.int(counts.duplicate),
        "rows_rejected": dg.MetadataValue.int(counts.rejected),
        "rows_filtered": dg.MetadataValue.int(counts.filtered),
    }


def scope_metadata(accounts: list[str] | None) -> dict[str, dg.MetadataValue]:
    """Accounts of the run: a day can be green although only one account was run."""
    return {"scope": dg.MetadataValue.text("all accounts" if accounts is None else ", ".join(accounts))}


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> dg.MetadataValue:
    """A Markdown table."""
    return dg.MetadataValue.md(markdown_table(header, rows))


def plot(
    title: str, rows: Sequence[tuple[str, Mapping[str, float | None]]], most: int = _COLUMNS
) -> dict[str, dg.MetadataValue]:
    """The key ``plot``: a chart of stacked columns; empty without data.

    Dagster plots numeric metadata by partition itself; this chart shows what one materialization consists of.

    Args:
        title: title of the chart, with the unit.
        rows: label of each column and its value in each series.
        most: number of columns that are shown; the chart names how many more there are.
    """
    if not rows:
        return {}
    names = list(dict.fromkeys(name for _, values in rows for name in values))
    more = f" ({most} of {len(rows)})" if len(rows) > most else ""
    series = {name: [values.get(name, 0.0) for _, values in rows[:most]] for name in names}
    return {"plot": dg.MetadataValue.md(chart_image(title + more, [label for label, _ in rows[:most]], series))}


@dataclass(frozen=True, slots=True)
class AccountTitles:
    """Accounts in tables: by name, with links to the console if ``CDR_PUBLIC_URL`` is set.

    Attributes:
        names: display names by account id.
        settings: settings, for the address of the console.
    """

    names: Mapping[str, str]
    settings: Settings

    @classmethod
    def of(cls, ctx: RunContext) -> "AccountTitles":
        """The accounts of the warehouse."""
        return cls(account_names(ctx), ctx.settings)

    def name(self, account_id: str) -> str:
        """Name of an account; its id if it has none."""
        return self.names.get(account_id) or account_id

    def day(self, account_id: str, business_date: date) -> str:
        """Name of an account, linked to its day."""
        return linked_account(account_id, self.names.get(account_id, ""), business_date, self.settings)

    def link(self, title: object, path: str) -> str:
        """A title, linked to a page of the console."""
        return linked(str(title), path, self.settings)


def reasons_metadata(reasons: Mapping[str, int]) -> dict[str, dg.MetadataValue]:
    """Rejected rows by reason code; empty if no row was rejected."""
    return {"rejects_by_reason": table(("reason", "rows"), reasons.items())} if reasons else {}


def failures_metadata(
    failures: Iterable[AccountFailure], names: Mapping[str, str] | None = None
) -> dict[str, dg.MetadataValue]:
    """Accounts that failed, with name, code and cause; empty if none failed.

    Args:
        failures: failures of accounts.
        names: display names by account id.
    """
    failures = list(failures)
    if not failures:
        return {}
    rows = [
        (item.account_id, (names or {}).get(item.account_id, ""), item.code, "yes" if item.retryable else "no",
         item.message)
        for item in failures
    ]  # fmt: skip
    return {
        "failed_accounts": table(("account", "name", "code", "retry", "what happened"), rows[:_LISTED]),
        CAUSES: dg.MetadataValue.text(grouped_causes(failures)),
        FAILED_IDS: dg.MetadataValue.text(", ".join(sorted({item.account_id for item in failures}))),
    }


def grouped_causes(failures: Iterable[AccountFailure]) -> str:
    """Accounts by cause, the most frequent cause first, such as ``12 accounts: connection refused by host``."""
    by_cause: dict[str, set[str]] = {}
    for item in failures:
        # A message that names its account is the same cause for each account.
        cause = item.message.removeprefix(f"account {item.account_id}: ")
        by_cause.setdefault(cause, set()).add(item.account_id)
    parts = sorted(by_cause.items(), key=lambda part: -len(part[1]))
    return "; ".join(f"{len(ids)} account{'s' if len(ids) > 1 else ''}: {cause}" for cause, ids in parts)


def console_link(settings: Settings, path: str) -> dict[str, dg.MetadataValue]:
    """A link to a page of the console; empty without ``CDR_PUBLIC_URL``."""
    if settings.public_url is None:
        return {}
    return {"console": dg.MetadataValue.url(f"{settings.public_url}{path}")}


def linked_account(account_id: str, name: str, business_date: date, settings: Settings) -> str:
    """Name of an account, as a link to its day in the console if ``CDR_PUBLIC_URL`` is set."""
    return linked(name or account_id, f"/days/{account_id}/{business_date}", settings)


def linked(title: str, path: str, settings: Settings) -> str:
    """A title, as a Markdown link to a page of the console if ``CDR_PUBLIC_URL`` is set."""
    return title if settings.public_url is None else f"[{title}]({settings.public_url}{path})"


def folder_metadata(settings: Settings, path: str, folder: str) -> dict[str, dg.MetadataValue]:
    """Where the files of an asset are: a page of the console if ``CDR_PUBLIC_URL`` is set, and the folder."""
    return {**console_link(settings, path), "folder": dg.MetadataValue.path(folder)}


def account_names(ctx: RunContext) -> dict[str, str]:
    """Display names of all accounts by id."""
    with ctx.ledger() as ledger:
        return {account.account_id: account.name for account in ledger.accounts.all()}
