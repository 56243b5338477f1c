"""Sizes of a sample, and lines that only rule it."""

import re
from typing import Final

SAMPLE_LINES: Final = 1_000
COMMON: Final = 0.6
FEW: Final = 3
MOST_TITLES: Final = 30
RULER: Final = re.compile(r"\s*[-=_*+| ]{5,}\s*")
