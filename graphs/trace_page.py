"""A run's trace as one self-contained page: timeline, what each agent asked and was told, why each rule is there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import jinja2

from ape.graphs.ledger import Ledger
from ape.graphs.trace import Span, read_trace, why
from ape.series import InputError
from ape.series.files import write_text
from ape.tools.artefacts import Artefacts

PAGE = "trace.html"


def write_trace_page(folder: Path) -> Path:
    """Write ``trace.html`` into a run folder; returns its path."""
    spans = read_trace(folder)
    rules = dict.fromkeys(entry["rule"] for entry in Ledger(folder / "ledger.jsonl") if entry["rule"])
    artefacts = Artefacts(folder / "artefacts")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ape.graphs", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template(PAGE).render(
        name=folder.resolve().name,
        spans=spans,
        bars=[_bars(span) for span in spans],
        rules=[why(folder, rule) for rule in rules],
        picture=lambda span: _picture(span, artefacts),
        drawn=lambda identifier: _data_uri(identifier, artefacts),
        pretty=_pretty,
    )
    write_text(folder / PAGE, page)
    return folder / PAGE


def _bars(root: Span) -> list[tuple[Span, int, float, float]]:
    """Nodes, agents and tool calls with depth, and begin and width in percent of the whole."""

    def walk(span: Span, depth: int) -> Iterator[tuple[Span, int, float, float]]:
        if span.kind != "LLM":
            yield span, depth, 100 * (span.begin - begin) / length, 100 * span.seconds / length
            for child in span.inner:
                yield from walk(child, depth + 1)

    begin, length = root.begin, max(root.seconds, 1e-9)
    return [bar for bar in walk(root, 0) if bar[1] > 0]


def _picture(span: Span, artefacts: Artefacts) -> str:
    """The picture that a tool drew, for the page; empty where it drew none."""
    try:
        drawn = str(json.loads(span.said or "{}").get("artefact", ""))
    except (ValueError, AttributeError):
        return ""
    return _data_uri(drawn, artefacts) if drawn.endswith(".png") else ""


def _data_uri(identifier: str, artefacts: Artefacts) -> str:
    try:
        return f"data:image/png;base64,{base64.b64encode(artefacts.get_bytes(identifier)).decode()}"
    except InputError:
        return ""


def _pretty(text: str) -> str:
    """JSON with line breaks, for reading; what was cut off stays as it is."""
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except ValueError:
        return text
