"""``cdr-pipeline reconcile-files``: loose files of two sides compared, without a warehouse."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.dates import day_option
from cdr_pipeline.cli.listings import listing
from cdr_pipeline.cli.reports import is_json, reports, show

if TYPE_CHECKING:
    from cdr_pipeline.steps.reconciliation.reconcile_files import ReconciledFiles

_DIRECTIONS = ("outbound", "inbound", "any")

_NUMBERS: Final = ("rows", "seconds", "amount", "exposure")
_CLASSES: Final = listing("classes", "Reconciled", "side", "class", *_NUMBERS, "currency", numbers=_NUMBERS)
_MONEY: Final = listing("money", "Money", "currency", "totals", blocks=True)
_RESULT: Final = listing(
    "result", "Result", "light", "pairs", "offset_ms", "offset_status", "not_compared", "findings", "folder",
    single=True, blocks=True,
)  # fmt: skip


@reports(_RESULT, _CLASSES, _MONEY)
def reconcile_files(
    *,
    switch: Annotated[
        list[str],
        typer.Option(
            metavar="FILES",
            help="The switch's legs: our exports, or Kazoo's documents. A file, a folder or a pattern such as"
            " 'day-*.csv'; repeat for several.",
        ),
    ],
    carrier: Annotated[
        list[str],
        typer.Option(
            metavar="FILES",
            help="The carrier's files, as --switch. A record that several files have counts once, as in the last one.",
        ),
    ],
    profile: Annotated[str, typer.Option("--profile", help="Profile that describes the carrier's files.")],
    target: Annotated[Path, typer.Option("--out", help="Folder for pairs.csv, classes.csv and totals.json.")],
    time_zone: Annotated[
        str, typer.Option(help="IANA time zone of local times that neither file nor profile states.")
    ] = "UTC",
    country_code: Annotated[str | None, typer.Option(help="Country code of national numbers, such as 49.")] = None,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code of amounts of both files, unless a record names one.")
    ] = None,
    direction: Annotated[
        str | None, typer.Option(help="Legs that the carrier bills: outbound, inbound or any.")
    ] = None,
    duration_tolerance: Annotated[
        int | None, typer.Option(min=0, help="Seconds by which durations may differ; default: the profile's.")
    ] = None,
    amount_tolerance: Annotated[
        str | None, typer.Option(help="Amount by which prices may differ; default: the profile's.")
    ] = None,
    rate_card: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="CSV file with the carrier's prices.")
    ] = None,
    day: Annotated[
        datetime | None,
        day_option("Day whose prices apply to every call; default: each call's own day", "--date"),
    ] = None,
) -> None:
    """Compare the switch's legs with a carrier's records: pairs, a class for every record, and totals that balance."""
    from cdr_pipeline.cli.terminal import ready_settings
    from cdr_pipeline.core.time.local_time import is_zone
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.steps.reconciliation.reconcile_files import ReconcileFilesRequest, reconcile_files

    if direction not in (None, *_DIRECTIONS):
        raise ConfigurationError("--direction is outbound, inbound or any")
    if not is_zone(time_zone):
        raise ConfigurationError("--time-zone is no IANA time zone", hint="such as Europe/Berlin")
    request = ReconcileFilesRequest(
        _files("--switch", switch),
        _files("--carrier", carrier),
        profile,
        target,
        profiles=ready_settings().profile_dir,
        time_zone=time_zone,
        country_code=country_code,
        currency=currency,
        direction=direction,
        duration_tolerance_seconds=duration_tolerance,
        amount_tolerance=_amount(amount_tolerance),
        rate_card=rate_card,
        business_date=None if day is None else day.date(),
    )
    _print(reconcile_files(request))


def _files(option: str, names: list[str]) -> list[Path]:
    """The files of an option in order: files, files of folders, and files that patterns match, those by name."""
    from cdr_pipeline.errors import ConfigurationError

    files: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = sorted(item for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
        else:
            matching = sorted(item for item in path.parent.glob(path.name) if item.is_file())
            found = [path] if path.is_file() else matching
        if not found:
            raise ConfigurationError(f"{option}: no file {name}", hint="give a file, a folder with files or a pattern")
        files += found
    return list(dict.fromkeys(files))


def _amount(text: str | None) -> Decimal | None:
    from cdr_pipeline.errors import ConfigurationError

    try:
        amount = None if text is None else Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if amount is not None and not (amount.is_finite() and amount >= 0):
        raise ConfigurationError("--amount-tolerance is an amount, such as 0.0001")
    return amount


def _print(reconciled: "ReconciledFiles") -> None:
    import polars as pl

    from cdr_pipeline.cli.terminal import err, out

    result = reconciled.result
    by_class = result.totals.group_by("side", "class", "currency").agg(
        pl.col("rows", "seconds", "amount", "exposure").sum()
    )
    columns = ("side", "class", *_NUMBERS, "currency")
    rows = by_class.sort("side", "class", "currency").iter_rows(named=True)
    show(_CLASSES, ([row[name] for name in columns] for row in rows))
    from cdr_pipeline.core.reconcile.result.money_totals import MONEY_TOTALS, money_totals

    for row in money_totals(result.rows, result.accruals).iter_rows(named=True):
        if is_json():
            show(_MONEY, [(row["currency"], {name: row[name] for name in MONEY_TOTALS})])
        parts = ", ".join(f"{name.replace('_', ' ')} {row[name]:.4f}" for name in MONEY_TOTALS if row[name])
        out.print(f"{row['currency']}: {parts}", markup=False)
    offset = result.offset.row(0, named=True)
    findings, folder = list(reconciled.verdict.findings), reconciled.files[0].parent
    if is_json():
        of_clocks = (offset["offset_ms"], offset["status"])
        light = reconciled.verdict.light
        show(_RESULT, [(light, result.pairs.height, *of_clocks, reconciled.not_compared, findings, folder)])
    out.print(
        f"{result.pairs.height} pairs; clocks differ by {offset['offset_ms']} ms ({offset['status']},"
        f" {offset['pairs']} calls)"
    )
    for finding in findings:
        err.print(finding, markup=False)
    out.print(f"light: {reconciled.verdict.light}")
    if reconciled.not_compared:
        out.print(f"{reconciled.not_compared} legs that the carrier does not bill count as unbillable")
    out.print(f"written to {folder}", markup=False)
