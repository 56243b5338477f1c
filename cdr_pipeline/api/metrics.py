"""Prometheus metrics of requests and webhooks. Labels are from closed lists: patterns of routes, methods, statuses."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from cdr_pipeline.steps.operations.figures import Figure

_METHODS: Final = frozenset(("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"))
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Requests by route, method and status class with their duration, and attempts to send to webhooks by result.

    Args:
        shared: whether several workers share their counts, in files of the folder PROMETHEUS_MULTIPROC_DIR.
    """

    def __init__(self, *, shared: bool) -> None:
        self._registry = CollectorRegistry()
        own = None if shared else self._registry
        self._requests = Counter("cdr_api_requests_total", "requests", ["route", "method", "status"], registry=own)
        self._seconds = Histogram(
            "cdr_api_request_seconds", "seconds of a request", ["route"], buckets=_BUCKETS, registry=own
        )
        self._webhooks = Counter(
            "cdr_api_webhook_attempts_total", "changes that were sent to webhooks", ["result"], registry=own
        )
        for result in ("accepted", "failed"):
            self._webhooks.labels(result)
        if shared:
            MultiProcessCollector(self._registry)

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts one request; status 0 means that no response was sent."""
        kind = f"{status // 100}xx" if status else "none"
        self._requests.labels(route, method if method in _METHODS else "other", kind).inc()
        self._seconds.labels(route).observe(seconds)

    def note_webhooks(self, accepted: int, failed: int) -> None:
        """Counts changes that webhooks have accepted, and attempts that failed."""
        self._webhooks.labels("accepted").inc(accepted)
        self._webhooks.labels("failed").inc(failed)

    def text(self) -> bytes:
        """The metrics of all workers in the text format of Prometheus."""
        return generate_latest(self._registry)


def figures_text(figures: Iterable[Figure]) -> bytes:
    """Figures of the installation in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Gauges(figures))
    return generate_latest(registry)


class _Gauges(Collector):
    """Gauges that were computed for one response."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = tuple(figures)

    def collect(self) -> Iterator[Metric]:
        """One family for each figure."""
        for figure in self._figures:
            family = GaugeMetricFamily(figure.name, figure.text, labels=[figure.label] if figure.label else [])
            for label, value in figure.values.items():
                family.add_metric([label] if figure.label else [], value)
            yield family
