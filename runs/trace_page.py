"""A run's trace as one self-contained page: timeline, what each agent asked and was told, why each rule is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ape.core.errors import InputError
from ape.core.files import write_text
from ape.runs.pages import data_uri, render
from ape.runs.trace import Span, explained, read_trace
from ape.tools.artefacts import Artefacts

PAGE = "trace.html"


def write_trace_page(folder: Path) -> Path:
    """Write ``trace.html`` into a run folder; returns its path."""
    spans = read_trace(folder)
    artefacts = Artefacts(folder / "artefacts")
    page = render(
        PAGE,
        name=folder.resolve().name,
        spans=spans,
        bars=[_bars(span) for span in spans],
        rules=explained(folder),
        picture=lambda span: _picture(span, artefacts),
        drawn=lambda identifier: _drawn(identifier, artefacts),
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
    return _drawn(drawn, artefacts) if drawn.endswith(".png") else ""


def _drawn(identifier: str, artefacts: Artefacts) -> str:
    try:
        return data_uri(artefacts.get_bytes(identifier))
    except InputError:
        return ""


def _pretty(text: str) -> str:
    """JSON with line breaks, for reading; what was cut off stays as it is."""
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except ValueError:
        return text
