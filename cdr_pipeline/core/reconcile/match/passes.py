"""Codes of the matching passes."""

from enum import IntEnum


class Pass(IntEnum):
    """Passes of ``matching``. ``ZONE`` to ``NUMBER`` run together and differ in why the times of a pair differ."""

    CALL_ID = 0
    WINDOW = 1
    FALLBACK = 2
    ANSWER = 3
    ZONE = 4
    START_OR_END = 5
    NUMBER = 6
    RINGING = 7
    CALLED = 8
