"""How a pair was found, from the surest to the least sure."""

from enum import IntEnum


class Pass(IntEnum):
    """The passes of ``matching``; the last three are found at once, and told apart by why the times differ."""

    CALL_ID = 0
    WINDOW = 1
    FALLBACK = 2
    ANSWER = 3
    ZONE = 4
    START_OR_END = 5
    NUMBER = 6
