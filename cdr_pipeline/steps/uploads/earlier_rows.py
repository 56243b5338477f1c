"""Rows of calls that one file begins and another file ends: rejected with the first file, completed with the second."""

from datetime import timedelta
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.corrections import rows_of_lines
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.records.loading import BatchLoad

# A call is not longer than this, and a source may use its keys again.
_REACH: Final = timedelta(days=31)


class EarlierRows:
    """Rejected rows of other files of the same profile whose calls are not complete.

    Args:
        load: batch that the calls are loaded with.
        profile: import profile of the files.
        ctx: settings and clock.
    """

    def __init__(self, load: BatchLoad, profile: Profile, ctx: RunContext) -> None:
        self._load, self._profile, self._ctx = load, profile, ctx
        self._places = pl.DataFrame(schema={"source": pl.String, LINE: pl.Int64})

    def rows(self) -> pl.DataFrame:
        """The rows, with ``raw`` and one text column per source column. Rows without their file are left out."""
        broken = self._load.rejects.broken_calls(self._profile.name, self._ctx.clock() - _REACH)
        frames: list[pl.DataFrame] = []
        places: list[pl.DataFrame] = []
        for (path,), lines in broken.group_by("landing_path", maintain_order=True):
            try:
                frame = rows_of_lines(self._ctx.settings.landing_dir / str(path), self._profile, lines[RAW].to_list())
            except UnreadableUpload:
                continue
            known = lines.select(RAW, "source", pl.col(LINE).alias("__line")).unique(RAW, keep="first")
            found = frame.join(known, on=RAW, how="inner", maintain_order="left")
            places.append(found.select("source", pl.col("__line").alias(LINE)))
            frames.append(found.drop("source", "__line"))
        if not frames:
            return broken.select(RAW).clear()
        self._places = pl.concat(places)
        return pl.concat(frames, how="diagonal")

    def close(self, completed: tuple[int, ...]) -> None:
        """Closes the rejects of rows, given by their position, that are part of a call now."""
        if completed:
            self._load.rejects.close_broken_calls(self._places[list(completed)])
