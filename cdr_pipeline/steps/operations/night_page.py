"""The report of a night as Markdown with charts, for the Dagster UI and as a file."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from cdr_pipeline.core.charts.plot import ChartSeries, columns_svg
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.exports.atomic import new_file, sole_writer
from cdr_pipeline.steps.operations.health import Problem
from cdr_pipeline.steps.operations.night_report import NightReport, OriginTotals
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import NightAccount

# Maximum number of accounts on a page; those that need attention come first.
_LISTED: Final = 50


def write_night_page(report: NightReport, ctx: RunContext) -> Path:
    """Writes ``reports/night_{date}.md`` atomically.

    Raises:
        ExportError: the file cannot be written.
    """
    target = ctx.settings.report_dir / f"night_{report.business_date}.md"
    with sole_writer(target.parent), new_file(target) as writing:
        writing.write(night_markdown(report).encode())
        writing.place()
    return target


def night_markdown(report: NightReport) -> str:
    """The page: verdict, problems with their commands, rows, money, charts, and accounts."""
    counts = report.counts
    return "\n\n".join(
        [
            f"# Night of {report.business_date}",
            f"**{report.verdict}**",
            f"As of {report.written_at:%Y-%m-%d %H:%M} UTC.",
            broken_markdown(report.broken),
            "## Rows of the switch",
            markdown_table(
                ("read", "merged", "unchanged", "duplicate", "rejected", "filtered"),
                [
                    (
                        counts.read,
                        counts.merged,
                        counts.unchanged,
                        counts.duplicate,
                        counts.rejected,
                        counts.filtered,
                    )
                ],
            ),
            "## Totals by origin",
            totals_markdown(report.totals),
            traffic_image(report.traffic, report.business_date),
            trend_image(report.trend, report.business_date),
            "## Accounts",
            _accounts(report.accounts, report.names),
        ]
    )


def broken_markdown(broken: Sequence[Problem]) -> str:
    """Table of problems, their start and the commands that fix them."""
    if not broken:
        return "Nothing is broken."
    rows = [(item.what, f"`{item.code}`", f"{item.since:%Y-%m-%d %H:%M}", _commands(item)) for item in broken]
    listed = markdown_table(("what is broken", "code", "since (UTC)", "command that fixes it"), rows[:_LISTED])
    return f"## Broken now: {len(rows)}\n\n{listed}"


def _commands(problem: Problem) -> str:
    """The command that fixes a problem, and the one for where it cannot."""
    return f"`{problem.command}`" + (f" or else `{problem.otherwise}`" if problem.otherwise else "")


def totals_markdown(totals: Sequence[OriginTotals]) -> str:
    """Table of rows, minutes and money by origin, without a sum over origins."""
    rows = [
        (
            item.origin,
            item.rows,
            f"{item.minutes:,}",
            ", ".join(f"{amount:,.8f} {currency}" for currency, amount in sorted(item.money.items())) or "none",
        )
        for item in totals
    ]
    return markdown_table(("origin", "rows", "billed minutes", "money"), rows) if rows else "No records."


def traffic_image(traffic: dict[str, tuple[int, ...]], period: object) -> str:
    """Chart of rows by hour."""
    series = [ChartSeries(origin, tuple(map(float, hours))) for origin, hours in traffic.items()]
    title = f"Rows by hour of start (UTC), {period}"
    return _image(title, columns_svg(title, [f"{hour:02}" for hour in range(24)], series or [_NOTHING_BY_HOUR]))


def trend_image(trend: dict[date, int], last: date, days: int = 28) -> str:
    """Chart of rows in the daily files of several weeks. A day without a file is a gap."""
    shown = [last - timedelta(days=number) for number in reversed(range(days))]
    title = f"Rows in the daily files, {days} days to {last}; gap: no file"
    values = tuple(float(trend[day]) if day in trend else None for day in shown)
    return _image(title, columns_svg(title, [f"{day:%d.%m.}" for day in shown], [ChartSeries("rows", values)]))


def chart_image(title: str, labels: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> str:
    """A chart of stacked columns as a Markdown image.

    Args:
        title: title of the chart, with the unit.
        labels: labels below the columns.
        series: for each name in the legend, one value for each label.
    """
    return _image(
        title, columns_svg(title, labels, [ChartSeries(name, tuple(values)) for name, values in series.items()])
    )


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table. Vertical bars in cells are escaped."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


_NOTHING_BY_HOUR: Final = ChartSeries("no records", (0.0,) * 24)


def _image(title: str, svg: str) -> str:
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _completeness(account: NightAccount) -> str:
    if account.failed_windows:
        return f"no: {count_of(account.failed_windows, 'window')} failed"
    return f"{account.complete_through:%Y-%m-%d %H:%M}" if account.complete_through else "no"


def _accounts(accounts: Sequence[NightAccount], names: Mapping[str, str]) -> str:
    def needs_attention(account: NightAccount) -> bool:
        return not account.whole or account.path is None or account.volume in ("thin", "empty")

    ordered = sorted(accounts, key=lambda account: (not needs_attention(account), account.account_id))
    rows = [
        (
            names.get(account.account_id) or account.account_id,
            account.state or "nothing yet",
            _completeness(account),
            account.volume or "",
            "none" if account.path is None else account.path,
            account.row_count or 0,
        )
        for account in ordered[:_LISTED]
    ]
    listed = markdown_table(("account", "state", "complete through (UTC)", "volume", "file", "rows"), rows)
    more = len(ordered) - _LISTED
    return f"{listed}\n\n{more} more are listed by `cdr-pipeline status`." if more > 0 else listed
