"""Dialects of the switch's API: its versions, and how they differ."""

from enum import StrEnum
from typing import Final

# Longest window that a stock server accepts: 31 days and an hour (crossbar.maximum_range).
MAX_RANGE_SECONDS: Final = 2_682_000
# Keys of the envelope that only servers of 4.3 and later send.
VERSION_KEYS: Final = frozenset({"node", "version", "timestamp"})
_NAMES_ITSELF: Final = frozenset({"node", "version"})


class SwitchDialect(StrEnum):
    """A dialect of the switch's API.

    seed_v1 is API v1 of 3.22 and 4.0, which the Kazoo CDR API (2017 page) describes; v2_k3 is v2 of the same servers;
    v2_k43 is v2 of 4.3; k5 is the open-source version 5.x, which has no v1.
    """

    SEED_V1 = "seed_v1"
    V2_K3 = "v2_k3"
    V2_K43 = "v2_k43"
    K5 = "k5"

    @property
    def version(self) -> str:
        """Path component of the API version."""
        return "v1" if self is SwitchDialect.SEED_V1 else "v2"

    @property
    def paginated(self) -> bool:
        """Whether the server returns a window in pages; v1 streams all rows in one response."""
        return self is not SwitchDialect.SEED_V1

    @property
    def hides_month_edges(self) -> bool:
        """Whether a call across a month's end is found only by a window that extends past the edge by its duration.

        Since 4.3 a record is in the database of the month in which the call began, but is selected by its save time.
        Before 4.3 it is in the database of the month in which the call ended. Then only a call that ended in the last
        seconds of a month and was saved after it needs a window across the edge, which must cover the save delay.
        """
        return self in (SwitchDialect.V2_K43, SwitchDialect.K5)

    def contradicted_by(self, envelope: frozenset[str], next_start_key: str | None) -> bool:
        """Whether a page shows that the switch has another version than this dialect.

        Since 4.3 every envelope names the switch's node and version. A white-label version may omit them, so their
        absence alone proves nothing. A start key of digits comes from 3.x or 4.0.

        Args:
            envelope: keys of the page's envelope.
            next_start_key: key at which the next page begins, None on the last page.
        """
        names_version = envelope >= _NAMES_ITSELF
        if self.hides_month_edges:
            return not names_version and next_start_key is not None and next_start_key.isdigit()
        return names_version

    @property
    def repeats_seconds(self) -> bool:
        """Whether the next page repeats all rows of the second with which the last page ended."""
        return self is SwitchDialect.V2_K3
