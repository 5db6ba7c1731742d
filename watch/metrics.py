"""Figures of a watch for Prometheus, at ``http://HOST:PORT/metrics``."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from ape.core.errors import InputError

HOST = "127.0.0.1"  # only this machine
PREFIX = "ape_watch"
NO_ALARM = "a score above the threshold is no alarm, as scores stay high around a fault: use open_events"


class Metrics:
    """What is measured; nothing is served before `serve`.

    Parameters
    ----------
    threshold : float
        Score at which an event is reported.
    """

    def __init__(self, threshold: float) -> None:
        self.registry = CollectorRegistry()
        self.arrived = time.time()  # the last rows
        self.score = self._gauge("score", f"Score of the newest row; {NO_ALARM}")
        self._gauge("threshold", f"Score from which on an event may open; {NO_ALARM}").set(threshold)
        self.open_events = self._gauge("open_events", "Events that last now: above 0 is an alarm")
        self._gauge("lag_seconds", "Seconds since rows arrived").set_function(lambda: time.time() - self.arrived)
        self.poll = self._gauge("poll_seconds", "Seconds from reading the last rows until they were stored")
        self.rows = self._counter("rows", "Rows that were scored")
        self.notes = self._counter("notes", "What was unusual in the input", "kind")
        self.records = self._counter("records", "Records of events", "state")
        self.webhook = self._counter("webhook", "Tries of the webhook", "outcome")
        self.waiting = self._gauge("waiting_records", "Records that a sink has not delivered", "sink")

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def serve(self, address: str) -> int:
        """Serve the figures in a thread, and return the port.

        Parameters
        ----------
        address : str
            ``PORT`` for this machine only, or ``HOST:PORT``; port 0 takes a free one.

        Raises
        ------
        InputError
            The address is wrong or in use.
        """
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or int(port) > 65_535:
            raise InputError("not a port", f"--metrics {address}", "give PORT or HOST:PORT, such as 9464")
        try:
            server, _ = start_http_server(int(port), host.strip("[]") or HOST, self.registry)
        except OSError as error:
            what = f"cannot serve metrics: {error.strerror or error}"
            raise InputError(what, f"--metrics {address}", "give another port") from error
        return int(server.server_port)
