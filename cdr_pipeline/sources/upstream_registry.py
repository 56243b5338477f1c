"""Registry of the upstreams that an installation can collect from. ``CDR_UPSTREAM`` selects one of them."""

from collections.abc import Callable
from typing import Final

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.kazoo.upstream import KazooUpstream
from cdr_pipeline.sources.upstream import Upstream

# Name in CDR_UPSTREAM and in landing files -> implementation.
UPSTREAMS: Final[dict[str, Callable[[Settings], Upstream]]] = {
    "kazoo": KazooUpstream,
}
_DETECTED: Final = "auto"


def upstream_of(settings: Settings) -> Upstream:
    """The upstream that the settings select.

    Raises:
        ConfigurationError: the upstream is unknown, or does not have the dialect.
    """
    upstream = upstream_named(settings.upstream, settings)
    if settings.api_dialect not in (_DETECTED, *upstream.dialects):
        raise ConfigurationError(
            f"CDR_API_DIALECT is not a dialect of {upstream.name}",
            hint=f"set it to one of: {', '.join((_DETECTED, *upstream.dialects))}",
        )
    return upstream


def upstream_named(name: str, settings: Settings) -> Upstream:
    """The upstream of a name, such as the one that a landing file was collected from.

    Raises:
        ConfigurationError: the upstream is unknown.
    """
    if name not in UPSTREAMS:
        raise ConfigurationError(
            f"there is no upstream {name}", hint=f"set CDR_UPSTREAM to one of: {', '.join(sorted(UPSTREAMS))}"
        )
    return UPSTREAMS[name](settings)
