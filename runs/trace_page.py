"""The trace of a run as one self-contained HTML page: timeline, spans, and the evidence of each rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ape.core.errors import InputError
from ape.core.files import write_text
from ape.core.run_files import ARTEFACTS, TRACE_PAGE
from ape.runs.explanation import explain_rules
from ape.runs.pages import data_uri, render
from ape.runs.trace import Span, read_trace
from ape.tools.artefacts import Artefacts

Bar = tuple[Span, int, float, float]  # with depth, and left edge and width in percent


def write_trace_page(folder: Path) -> Path:
    """Write ``trace.html`` into a run folder and return its path."""
    spans = read_trace(folder)
    artefacts = Artefacts(folder / ARTEFACTS)
    page = render(
        TRACE_PAGE,
        name=folder.resolve().name,
        spans=spans,
        bars=[_bars(span) for span in spans],
        rules=explain_rules(folder),
        picture=lambda artefact: _picture(artefact, artefacts),
        span_picture=lambda span: _span_picture(span, artefacts),
        pretty=_pretty,
    )
    write_text(folder / TRACE_PAGE, page)
    return folder / TRACE_PAGE


def _bars(root: Span) -> list[Bar]:
    """Return the timeline of nodes, agents and tool calls."""
    start, length = root.start, max(root.seconds, 1e-9)

    def walk(span: Span, depth: int) -> Iterator[Bar]:
        if span.kind == "LLM":
            return
        if depth > 0:
            yield span, depth, 100 * (span.start - start) / length, 100 * span.seconds / length
        for child in span.children:
            yield from walk(child, depth + 1)

    return list(walk(root, 0))


def _span_picture(span: Span, artefacts: Artefacts) -> str:
    """Return the address of the picture that a tool drew; empty if there is none."""
    try:
        artefact = str(json.loads(span.output or "{}").get("artefact", ""))
    except (ValueError, AttributeError):
        return ""
    return _picture(artefact, artefacts) if artefact.endswith(".png") else ""


def _picture(artefact: str, artefacts: Artefacts) -> str:
    try:
        return data_uri(artefacts.get_bytes(artefact))
    except InputError:
        return ""


def _pretty(text: str) -> str:
    """Return JSON with line breaks; text that is no JSON, such as a shortened value, is unchanged."""
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except ValueError:
        return text
