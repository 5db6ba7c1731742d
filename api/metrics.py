"""Prometheus metrics of the service, of all its worker processes together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where worker processes share their values; read by prometheus-client
PREFIX = "ape_api"
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds


class Metrics:
    """Counts of requests, rows and events."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(f"{PREFIX}_requests", "answered requests", ("path", "status"), registry=registry)
        self.seconds = Histogram(
            f"{PREFIX}_seconds", "from request to answer", ("path",), buckets=BUCKETS, registry=registry
        )
        self.rows = Counter(f"{PREFIX}_rows", "scored rows", ("detector",), registry=registry)
        text = "events in answers; a score above the threshold is no event by itself"
        self.events = Counter(f"{PREFIX}_events", text, ("detector",), registry=registry)
        self.busy = Gauge(
            f"{PREFIX}_busy", "requests that wait or are scored", registry=registry, multiprocess_mode="livesum"
        )

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        registry = self._registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            registry.register(_AllWorkers())
        return generate_latest(registry)


class _AllWorkers(Collector):
    """The metrics of the service that any worker has written; streams write those of a watch, too."""

    def collect(self) -> Iterable[Metric]:
        return (metric for metric in MultiProcessCollector(None).collect() if metric.name.startswith(PREFIX))


class Measured:
    """Middleware that counts and times all requests.

    Parameters
    ----------
    app : ASGI application
    metrics : Metrics
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "other")  # the template: names in it would be many
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - begun)
