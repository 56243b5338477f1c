"""Codes of the matching passes, the most certain first."""

from enum import IntEnum


class Pass(IntEnum):
    """Passes of ``matching``; the last three run together and differ in why the times of a pair differ."""

    CALL_ID = 0
    WINDOW = 1
    FALLBACK = 2
    ANSWER = 3
    ZONE = 4
    START_OR_END = 5
    NUMBER = 6
