"""``cdr-pipeline import``: a carrier's file in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Owner
from cdr_pipeline.cli.listings import listing
from cdr_pipeline.cli.reports import is_json, reports, show
from cdr_pipeline.cli.uploads.profiles import complete_profile
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from cdr_pipeline.core.records.accounting import BatchCounts
    from cdr_pipeline.sources.uploads.reject_reasons import RejectReason

_LINES_SHOWN = 100
_CLASSES: Final = ("read", "merged", "unchanged", "duplicate", "rejected", "filtered")
_COUNTS: Final = listing("counts", "Counts", "file", "profile", *_CLASSES, numbers=_CLASSES, single=True)
_LINES: Final = listing("lines", "Lines", "line", "class", "reason", "field", "detail", numbers=("line",))
_REASONS: Final = listing("reasons", "Reasons", "class", "reason", "rows", numbers=("rows",))


@reports(_COUNTS, _REASONS, _LINES)
def import_file(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The carrier's file.")],
    *,
    account: Owner,
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            help="Profile that describes the file's format, such as asterisk or generic.",
            autocompletion=complete_profile,
        ),
    ],
    time_zone: Annotated[
        str | None, typer.Option(help="IANA time zone of the file's local times; default: the account's.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the first rows as they would be merged and the class of each line; change nothing."
        ),
    ] = False,
    classes: Annotated[
        Path | None,
        typer.Option(help="With --dry-run: write the class of every line to this CSV file instead of the screen."),
    ] = None,
) -> None:
    """Import one file: every line ends up merged, unchanged, duplicate, rejected or filtered.

    Its records are tagged 'imported'. A file that repeats records of another file, or carries ids of other calls, is
    held until 'uploads release' or 'uploads discard'. Exits with 5 if the file is held or cannot be read, and with 13
    if rows were rejected. --dry-run exits with the same codes.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.cli.uploads.results import finish_upload
    from cdr_pipeline.cli.uploads.trials import value_table
    from cdr_pipeline.errors import RowsRejected, UploadHeld
    from cdr_pipeline.steps.uploads.exported_upload import export_upload
    from cdr_pipeline.steps.uploads.load_uploads import import_upload
    from cdr_pipeline.steps.uploads.preview_upload import preview_upload
    from cdr_pipeline.steps.uploads.register_uploads import UploadRequest

    request = UploadRequest(file, account, profile, time_zone)
    if dry_run:
        with run_context("looking") as ctx:
            preview = preview_upload(request, ctx)
        out.print("nothing changed; this is what an import would do")
        _show_counts(file.name, profile, preview.counts)
        if preview.first_rows:
            out.print(value_table("First rows as they would be merged", preview.first_rows, out.width), soft_wrap=True)
        _print_reasons(preview.reject_reasons, preview.filtered_reasons, preview.details)
        _print_lines(preview.lines, classes)
        if preview.refusal is not None:
            held = "held" if isinstance(preview.refusal, UploadHeld) else "refused"
            out.print(f"it would be {held}: {preview.refusal.message}", markup=False)
            raise preview.refusal
        if preview.counts.rejected:
            raise RowsRejected(
                f"{count_of(preview.counts.rejected, 'row')} of {file.name} would be rejected; "
                "the others would be stored",
                hint="correct the file, or import it and correct its rejects",
            )
        return
    with run_context("importing") as ctx:
        loaded = import_upload(request, ctx)
        exported = export_upload(loaded, ctx)
    _show_counts(loaded.file_name, profile, loaded.counts)
    if loaded.known:
        out.print("these bytes were imported before; the counts are those of the first import")
    elif loaded.counts.updated:
        out.print(f"{count_of(loaded.counts.updated, 'record')} changed since an earlier file; their history is kept")
    _print_reasons(loaded.reject_reasons, loaded.filtered_reasons, loaded.details)
    if loaded.reject_reasons:
        out.print(f"to correct them: cdr-pipeline rejects export {loaded.sha256[:12]} --out FILE")
    finish_upload(loaded, exported, ctx)


def _print_lines(lines: "pl.DataFrame", classes: Path | None) -> None:
    """The class of every line, into a file or on the screen; there, of the first ones."""
    from cdr_pipeline.cli.terminal import out

    if classes is not None:
        lines.write_csv(classes)
        out.print(f"class of every line: {classes}", markup=False)
        return
    show(_LINES, (lines if is_json() else lines.head(_LINES_SHOWN)).rows())
    if lines.height > _LINES_SHOWN:
        out.print(f"and {lines.height - _LINES_SHOWN} more lines: --classes FILE writes them all")


def _show_counts(file: str, profile: str, counts: "BatchCounts") -> None:
    show(_COUNTS, [(file, profile, *(getattr(counts, name) for name in _CLASSES))])


def _print_reasons(rejected: dict[str, int], filtered: dict[str, int], details: "Sequence[RejectReason]") -> None:
    from cdr_pipeline.cli.terminal import out

    if is_json():
        for kind, reasons in (("rejected", rejected), ("filtered", filtered)):
            show(_REASONS, ((kind, reason, number) for reason, number in reasons.items()))
    texts = [detail.text for detail in details] or [f"{number} {reason}" for reason, number in rejected.items()]
    for text in texts:
        out.print(f"  rejected: {text}", markup=False)
    for reason, number in filtered.items():
        out.print(f"  filtered: {number} {reason}")
