"""Which field each column of a sample is, by its name and its values."""

from collections.abc import Mapping

from cdr_pipeline.sources.uploads.drafting.columns.by_contents import by_contents
from cdr_pipeline.sources.uploads.drafting.columns.by_length import settle_lengths
from cdr_pipeline.sources.uploads.drafting.columns.by_name import by_names, unreadable_start
from cdr_pipeline.sources.uploads.drafting.columns.column_words import DATE, words_of
from cdr_pipeline.sources.uploads.drafting.columns.contents import Contents
from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet


def choose(sheet: Sheet, contents: Mapping[str, Contents]) -> dict[str, Choice]:
    """Chooses the columns of each role. No column has two roles."""
    words = {name: words_of(title or "") for name, title in zip(sheet.names, sheet.titles, strict=True)}
    choices = by_names(sheet, contents, words) if sheet.has_header else {}
    by_contents(sheet, contents, choices)
    if sheet.has_header and "started_at" not in choices and DATE not in choices:
        unreadable_start(sheet, words, choices)
    settle_lengths(contents, choices)
    return choices
