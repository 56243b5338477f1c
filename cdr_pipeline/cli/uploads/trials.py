"""What a drafted profile makes of its files, and how rows of a file look as records."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

    from cdr_pipeline.sources.uploads.drafting.trial import Trial

_LONGEST_RAW = 60
_NUMBERS = ("line", "seconds", "billed", "cost")
# Width of the table in a file or another program.
_PIPED_WIDTH = 200


def print_trial(trial: "Trial", assumed: Mapping[str, str]) -> None:
    """Prints the first rows next to their text, lines by class, and reasons, on standard error."""
    from rich.console import Console

    from cdr_pipeline.cli.terminal import err

    if trial.error:
        err.print(f"the draft cannot read the file: {trial.error}", markup=False)
        return
    known = {key: answer for key, answer in assumed.items() if answer}
    title = "As they would be merged"
    if known:
        title += ", assuming " + ", ".join(f"{key} {answer}" for key, answer in known.items())
    screen = err if err.is_terminal else Console(stderr=True, highlight=False, width=_PIPED_WIDTH)
    screen.print(value_table(title, trial.rows, screen.width), markup=False)
    counts = ", ".join(f"{number} {name}" for name, number in trial.counts.items())
    filtered = ", ".join(f"{number} {name}" for name, number in trial.filtered.items())
    err.print(f"lines: {counts}" + (f" ({filtered})" if filtered else ""), markup=False)
    for reason in trial.reasons:
        err.print(f"  rejected: {reason.text}", markup=False)


def value_table(title: str, rows: Sequence[Mapping[str, Any]], width: int) -> "Text":
    """Rows with line and text, and the values with which they would be merged."""
    from cdr_pipeline.cli.listing_layout import rendered
    from cdr_pipeline.cli.listings import listing

    shown = listing(
        "rows", title, "line", "text", "start", "seconds", "billed", "answered", "from", "to", "direction", "result",
        "cost", numbers=_NUMBERS, titles={"start": "start (UTC)"}, sentences=("text",),
    )  # fmt: skip
    cells = list[tuple[str, ...]]()
    for row in rows:
        raw = str(row["raw"]).replace("\n", " / ")
        start = row["started_at"]
        cost = "" if row["cost"] is None else f"{row['cost'].normalize():f} {row['cost_currency'] or ''}".strip()
        answered = {True: "yes", False: "no", None: ""}[row["answered"]]
        cells.append(
            (
                str(row["line"]),
                raw if len(raw) <= _LONGEST_RAW else f"{raw[: _LONGEST_RAW - 3]}...",
                f"{start:%Y-%m-%d %H:%M:%S}",
                _number(row["duration_seconds"]),
                _number(row["billing_seconds"]),
                answered,
                _number_text(row, "caller"),
                _number_text(row, "callee"),
                row["call_direction"] or "",
                row["disposition"] or row["hangup_cause"] or "",
                cost,
            )
        )
    return rendered(shown, cells, {}, width)


def _number(value: Any) -> str:  # noqa: ANN401 - a Decimal or None
    return "" if value is None else f"{value.normalize():f}"


def _number_text(row: Mapping[str, Any], side: str) -> str:
    number = row[f"{side}_e164"] or row[f"{side}_id_number"] or ""
    name = row[f"{side}_id_name"] or ""
    return f"{number} {name}".strip()
