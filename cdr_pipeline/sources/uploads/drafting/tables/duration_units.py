"""Units of durations that an answer may name."""

from typing import Final

from cdr_pipeline.errors import UnreadableUpload

DURATIONS: Final = {"m:ss": "hh:mm:ss", "h:mm": "hh:mm"}
_UNITS: Final = ("seconds", "centiseconds", "milliseconds", "minutes", "hh:mm:ss", "hh:mm", "text")


def unit_of(answer: str) -> str:
    """Unit that an answer names.

    Raises:
        UnreadableUpload: it is not a unit.
    """
    unit = DURATIONS.get(answer, answer)
    if unit not in _UNITS:
        raise UnreadableUpload(
            f"answer duration: {answer!r} is not a unit", hint=f"choose from: {', '.join((*DURATIONS, *_UNITS))}"
        )
    return unit
