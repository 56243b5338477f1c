"""Several files of one side as one: each record once, although files may overlap, and corrections in later files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE
from cdr_pipeline.steps.reconciliation.read_loose_file import LooseFile

_FILE: Final = "__file"
_CALL: Final = ("record_id", "started_at", "callee_id_number", "caller_id_number")
_CONTENT: Final = (*_CALL, "billing_seconds", "cost")


@dataclass(frozen=True, slots=True)
class JoinedFiles:
    """Files of one side.

    Attributes:
        whole: their records, rejects and rejected charges; lines are counted over all files.
        places: ``line, place``, name of the file and line of every rejected line.
        findings: what a person should know about files that overlap.
    """

    whole: LooseFile
    places: pl.DataFrame
    findings: tuple[str, ...]


def read_joined(paths: Sequence[Path], read: Callable[[Path], LooseFile], side: str) -> JoinedFiles:
    """Reads files in order and joins them. A record that a later file has again counts as the later file has it.

    Args:
        paths: the files, the oldest first.
        read: reads one file.
        side: ``switch`` or ``carrier``, for the findings.

    Raises:
        UnreadableUpload: a file cannot be read.
    """
    rows: list[pl.DataFrame] = []
    rejects: list[pl.DataFrame] = []
    charges: list[pl.DataFrame] = []
    places: list[pl.DataFrame] = []
    lines = 0
    for number, path in enumerate(paths):
        file = read(path)
        name = f"{path.name}, line " if len(paths) > 1 else "line "
        places.append(
            file.rejects.select((pl.col(LINE) + lines).alias(LINE), place=pl.lit(name) + pl.col(LINE).cast(pl.String))
        )
        rows.append(file.rows.with_columns(pl.col(LINE) + lines, pl.lit(number).alias(_FILE)))
        rejects.append(file.rejects.with_columns(pl.col(LINE) + lines))
        charges.append(file.rejected_charges.with_columns(pl.col(LINE) + lines))
        lines = max(lines, *(part[-1][LINE].max() or 0 for part in (rows, rejects)))  # type: ignore[type-var]
    every = pl.concat(rows)
    if len(paths) == 1:
        whole = LooseFile(every.drop(_FILE), rejects[0], charges[0])
        return JoinedFiles(whole, places[0].unique(LINE), ())
    newest = every.with_columns((pl.col(_FILE) == pl.col(_FILE).max().over(_CALL)).alias("__newest"))
    older = newest.filter(~pl.col("__newest")).drop("__newest")
    kept = newest.filter("__newest").drop("__newest")
    same = older.join(kept, on=_CONTENT, how="semi", nulls_equal=True).height
    texts = {
        f"{same} records are in several files of the {side} and count once": same,
        f"{older.height - same} records of the {side} are corrected by a later file": older.height - same,
    }
    return JoinedFiles(
        LooseFile(kept.drop(_FILE), pl.concat(rejects), pl.concat(charges)),
        pl.concat(places).unique(LINE),
        tuple(text for text, count in texts.items() if count),
    )
