"""Outcomes, causes, directions and unique ids, by their words."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cdr_pipeline.sources.uploads.drafting.columns.contents import Contents
from cdr_pipeline.sources.uploads.drafting.columns.known_words import INBOUND, OUTBOUND, OUTCOMES
from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_CAUSE: Final = re.compile(r"[A-Z]{2,}(?:_[A-Z0-9]+)+")


def take_words(
    names: Sequence[str], contents: Mapping[str, Contents], choices: dict[str, Choice], take: Callable[..., None]
) -> None:
    """Outcomes, causes, directions and unique ids are told by their words."""
    for name in names:
        values = contents[name].distinct
        if "disposition" not in choices and contents[name].words and all(value.lower() in OUTCOMES for value in values):
            take("disposition", name, "outcomes of calls", "certain")
        elif "hangup_cause" not in choices and all(_CAUSE.fullmatch(value) for value in values):
            take("hangup_cause", name, "causes of hang-up", "certain")
        elif (
            "call_direction" not in choices
            and contents[name].words
            and len(values) > 1
            and all(value.lower() in INBOUND | OUTBOUND for value in values)
        ):
            take("call_direction", name, "words of directions", "certain")
        elif (
            "call_id" not in choices and contents[name].is_identity and all(_UUID.fullmatch(value) for value in values)
        ):
            take("call_id", name, "unique ids", "certain")
