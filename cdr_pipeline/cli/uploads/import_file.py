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
    from cdr_pipeline.errors import UploadError
    from cdr_pipeline.sources.uploads.reject_reasons import RejectReason
    from cdr_pipeline.steps.run_context import RunContext
    from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload
    from cdr_pipeline.steps.uploads.preview_upload import PreviewedUpload
    from cdr_pipeline.steps.uploads.register_uploads import UploadRequest

_LINES_SHOWN = 100
_CLASSES: Final = ("read", "merged", "unchanged", "duplicate", "rejected", "filtered")
_COUNTS: Final = listing("counts", "Counts", "file", "profile", *_CLASSES, numbers=_CLASSES, single=True)
_PARTS: Final = listing(
    "parts", "Counts by profile; each part of the file has its header", "profile", *_CLASSES, numbers=_CLASSES
)
_LINES: Final = listing("lines", "Lines", "line", "class", "reason", "field", "detail", numbers=("line",))
_REASONS: Final = listing("reasons", "Reasons", "class", "reason", "rows", numbers=("rows",))


@reports(_COUNTS, _PARTS, _REASONS, _LINES)
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
    held until 'uploads release' or 'uploads discard'. A profile with profile_column makes one upload for each profile
    of the rows. Exits with 5 if the file is held or cannot be read, and with 13 if rows were rejected. --dry-run exits
    with the same codes.
    """
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.cli.uploads.results import finish_upload
    from cdr_pipeline.errors import UploadError
    from cdr_pipeline.steps.uploads.exported_upload import export_upload
    from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
    from cdr_pipeline.steps.uploads.upload_parts import upload_parts

    request = UploadRequest(file, account, profile, time_zone)
    if dry_run:
        _look(request, classes)
        return
    with run_context("importing") as ctx, upload_parts(request, ctx) as parts:
        # A part that is held or refused must not keep the others from being loaded.
        results = [_loaded_or_error(part, ctx) for part in parts]
        loaded = [result for result in results if not isinstance(result, UploadError)]
        exported = export_upload(loaded[0], ctx) if loaded else []
    _show_all_counts(file.name, profile, [(item.profile, item.counts) for item in loaded])
    for item in loaded:
        _show_loaded(item)
    errors = [result for result in results if isinstance(result, UploadError)]
    if errors:
        raise errors[0]
    for number, item in enumerate(loaded, start=1):
        finish_upload(item, exported if number == 1 else (), ctx)


def _look(request: "UploadRequest", classes: Path | None) -> None:
    """Prints what an import would do, and raises the error that it would end with."""
    import polars as pl

    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import RowsRejected, UploadHeld
    from cdr_pipeline.steps.uploads.preview_upload import preview_upload
    from cdr_pipeline.steps.uploads.upload_parts import upload_parts

    with run_context("looking") as ctx, upload_parts(request, ctx) as parts:
        previews = [(part.profile, preview_upload(part, ctx)) for part in parts]
    out.print("nothing changed; this is what an import would do")
    _show_all_counts(request.path.name, request.profile, [(name, preview.counts) for name, preview in previews])
    for name, preview in previews:
        _show_preview(name, preview, out.width)
        if len(previews) > 1 and classes is None:
            out.print(f"lines of the part for profile {name}, counted within the part:")
        if len(previews) == 1 or classes is None:
            _print_lines(preview.lines, classes)
    if len(previews) > 1 and classes is not None:
        named = [preview.lines.with_columns(pl.lit(name).alias("profile")) for name, preview in previews]
        _print_lines(pl.concat(named), classes)
    for _, preview in previews:
        if preview.refusal is not None:
            held = "held" if isinstance(preview.refusal, UploadHeld) else "refused"
            out.print(f"it would be {held}: {preview.refusal.message}", markup=False)
            raise preview.refusal
    rejected = sum(preview.counts.rejected for _, preview in previews)
    if rejected:
        raise RowsRejected(
            f"{count_of(rejected, 'row')} of {request.path.name} would be rejected; the others would be stored",
            hint="correct the file, or import it and correct its rejects",
        )


def _loaded_or_error(part: "UploadRequest", ctx: "RunContext") -> "LoadedUpload | UploadError":
    from cdr_pipeline.errors import UploadError
    from cdr_pipeline.steps.uploads.load_uploads import import_upload

    try:
        return import_upload(part, ctx)
    except UploadError as error:
        return error


def _show_preview(profile: str, preview: "PreviewedUpload", width: int) -> None:
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.cli.uploads.trials import value_table

    if preview.first_rows:
        title = "First rows as they would be merged"
        out.print(value_table(f"{title}, {profile}", preview.first_rows, width), soft_wrap=True)
    _print_reasons(preview.reject_reasons, preview.filtered_reasons, preview.details)


def _show_loaded(loaded: "LoadedUpload") -> None:
    from cdr_pipeline.cli.terminal import out

    if loaded.known:
        out.print("these bytes were imported before; the counts are those of the first import")
    elif loaded.counts.updated:
        out.print(f"{count_of(loaded.counts.updated, 'record')} changed since an earlier file; their history is kept")
    _print_reasons(loaded.reject_reasons, loaded.filtered_reasons, loaded.details)
    if loaded.reject_reasons:
        out.print(f"to correct them: cdr-pipeline rejects export {loaded.sha256[:12]} --out FILE")


def _show_all_counts(file: str, profile: str, parts: "Sequence[tuple[str, BatchCounts]]") -> None:
    """Counts of the file, or of each part if its rows belong to several profiles. Each part has the header."""
    if [name for name, _ in parts] == [profile]:
        _show_counts(file, profile, parts[0][1])
    elif parts:
        show(_PARTS, [(name, *(getattr(counts, key) for key in _CLASSES)) for name, counts in parts])


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
