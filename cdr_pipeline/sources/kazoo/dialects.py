"""The versions of the API, and the facts in which they differ."""

from enum import StrEnum
from typing import Final

# Longest span that a stock server answers: 31 days and an hour (crossbar.maximum_range).
MAX_RANGE_SECONDS: Final = 2_682_000
# Keys of the envelope that only servers of 4.3 and later send.
VERSION_KEYS: Final = frozenset({"node", "version", "timestamp"})
_NAMES_ITSELF: Final = frozenset({"node", "version"})


class SwitchDialect(StrEnum):
    """A way of speaking of the switch.

    seed_v1 is API v1 of 3.22 and 4.0, the seed's own; v2_k3 is v2 of the same servers; v2_k43 is v2 of 4.3;
    k5 is the open-sourced 5.x, which has no v1 any more.
    """

    SEED_V1 = "seed_v1"
    V2_K3 = "v2_k3"
    V2_K43 = "v2_k43"
    K5 = "k5"

    @property
    def version(self) -> str:
        """Path component of the API."""
        return "v1" if self is SwitchDialect.SEED_V1 else "v2"

    @property
    def paginated(self) -> bool:
        """Whether a window comes in pages; v1 streams it whole."""
        return self is not SwitchDialect.SEED_V1

    @property
    def hides_month_edges(self) -> bool:
        """Whether a call over a month's end is found only by a window that reaches as far as the call is long.

        Since 4.3 a record is filed under the month in which the call began, but asked for by when it was saved.
        Before, it is filed under the month in which the call ended: only one that ended in the last seconds of a month
        and was saved after it needs a window over the edge, as long as saves are late.
        """
        return self in (SwitchDialect.V2_K43, SwitchDialect.K5)

    def contradicted_by(self, envelope: frozenset[str], next_start_key: str | None) -> bool:
        """Whether a page shows that the switch is of another version than this dialect.

        Since 4.3 every envelope names the switch's node and version. A white label may leave them out, so their
        absence alone proves nothing; a key of digits is one of 3.x and 4.0.

        Args:
            envelope: keys of the page's envelope.
            next_start_key: where the next page begins, None on the last one.
        """
        names_version = envelope >= _NAMES_ITSELF
        if self.hides_month_edges:
            return not names_version and next_start_key is not None and next_start_key.isdigit()
        return names_version

    @property
    def repeats_seconds(self) -> bool:
        """Whether the next page begins again with the whole second on which the last one ended."""
        return self is SwitchDialect.V2_K3
