"""Options of the commands for detectors in operation: watch, alerts, api and export."""

from __future__ import annotations

from ape.cli.parser import Parser, port_number, positive_number


def add_watch(watch: Parser) -> None:
    """Add the arguments of ``ape watch``."""
    watch.set_defaults(module="ape.cli.watch")
    watch.add_argument("run", metavar="RUN", help="run folder, or folder of a detector; the state is kept in RUN/watch")
    watch.add_argument(
        "--input", required=True, metavar="WHERE", help="CSV or JSON lines: a growing file, a folder of files, or -"
    )
    watch.add_argument("--out", metavar="FILE", help="append events to FILE, each exactly once; default: print them")
    watch.add_argument("--webhook", metavar="URL", help="also POST each event to URL; default: APE_WEBHOOK, or none")
    watch.add_argument(
        "--metrics", metavar="PORT", help="serve figures for Prometheus on this machine; HOST:PORT for others"
    )
    watch.add_argument(
        "--every", type=positive_number, metavar="N", help="judge the newest rows each N rows; default: by their step"
    )
    watch.add_argument("--once", action="store_true", help="read what is there, and end")
    watch.add_argument("--name", metavar="NAME", help="of this watch, if RUN has several; default: by the input")


def add_alerts(alerts: Parser) -> None:
    """Add the arguments of ``ape alerts``."""
    alerts.set_defaults(module="ape.cli.watch")
    alerts.add_argument("run", metavar="RUN", help="folder that 'ape watch' was given")
    alerts.add_argument("event", nargs="?", metavar="ID", help="event to acknowledge or to label")
    label = alerts.add_mutually_exclusive_group()
    label.add_argument("--acknowledge", action="store_true", help="somebody knows about ID; detection does not change")
    label.add_argument(
        "--false", action="store_true", help="ID was a false alarm: normal for 'ape run --continue-from RUN'"
    )
    alerts.add_argument("--note", default="", metavar="TEXT", help="with a label: why")


def add_api(api: Parser) -> None:
    """Add the arguments of ``ape api``."""
    api.set_defaults(module="ape.cli.api")
    api.add_argument("runs", nargs="+", metavar="RUN", help="run folder, or folder of a detector; its name is served")
    api.add_argument("--host", default="127.0.0.1", metavar="NAME", help="address to listen on; default: 127.0.0.1")
    api.add_argument("--port", type=port_number, default=8400, metavar="N", help="default: 8400")
    api.add_argument("--workers", type=positive_number, default=1, metavar="N", help="number of processes; default: 1")
    api.add_argument(
        "--token-file", metavar="FILE", help="token that requests must have; default: APE_API_TOKEN, or none"
    )
    api.add_argument(
        "--allow-host", action="append", metavar="NAME", help="name by which others address the service; repeatable"
    )


def add_export(export: Parser) -> None:
    """Add the arguments of ``ape export``."""
    export.set_defaults(module="ape.cli.export")
    export.add_argument("run", metavar="RUN", help="run folder with an enhanced detector, or folder of one")
    export.add_argument("--out", metavar="DIR", required=True, help="folder for graphs, manifest.json and scorer.py")
    export.add_argument(
        "--check", metavar="FILE", help="data file on which the scores are compared; default: that of the run"
    )
