"""Draw the packages and the state machines from the code, as SVG files in ``docs/pictures``.

Run ``python docs/draw.py`` after a change of imports between packages or of a graph. The files are committed, so that
the pictures show on any viewer without JavaScript or network access; ``tests/test_docs.py`` fails when they are stale.
The drawing uses no plotting library: its text would change with the library's version.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import ape

ROOT = Path(ape.__file__).parent
PICTURES = Path(__file__).parent / "pictures"
GRAPHS = {"run": ("ape.graphs.run", "build_run"), "conversation": ("ape.graphs.conversation", "build_conversation")}
CHARACTER = 6.7  # width of one character of the 12 px font
HEIGHT, GAP_X, GAP_Y, MARGIN, LANE = 34, 28, 34, 24, 16
COLOURS = {"line": "#5b6770", "fill": "#eef3f8", "border": "#2f5d8a", "cluster": "#b9c6d2", "text": "#1c2733"}


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another; a choice between targets is dashed."""

    source: str
    target: str
    choice: bool = False


@dataclass(frozen=True)
class Diagram:
    """Nodes with their labels, the edges between them, and named groups of nodes."""

    title: str
    labels: dict[str, str]
    edges: tuple[Edge, ...]
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)


def pictures() -> dict[str, str]:
    """Return all pictures as SVG text, by file name."""
    diagrams = {"packages": packages(), **{name: state_machine(name) for name in GRAPHS}}
    return {f"{name}.svg": svg(diagram) for name, diagram in diagrams.items()}


def packages() -> Diagram:
    """Read which package imports which; leave out imports that follow from others."""
    names = sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name in ape.__dir__())
    imports = {name: {other for other in _imported(ROOT / name) if other in names} - {name} for name in names}

    def reached(name: str) -> set[str]:
        return imports[name].union(*(reached(other) for other in imports[name]))

    edges = [
        Edge(name, other)
        for name in names
        for other in sorted(imports[name])
        if not any(other in reached(between) for between in imports[name] - {other})
    ]
    return Diagram("Packages: an arrow means 'imports'", {name: f"{name}/" for name in names}, tuple(edges))


def state_machine(name: str) -> Diagram:
    """Read nodes and edges of a compiled LangGraph graph; the nodes of a subgraph form a group."""
    module, builder = GRAPHS[name]
    graph = getattr(importlib.import_module(module), builder)().compile().get_graph(xray=True)
    labels = {each: each.split(":")[-1].strip("_").replace("_", " ") for each in graph.nodes}
    edges = sorted({Edge(each.source, each.target, bool(each.conditional)) for each in graph.edges}, key=str)
    groups: dict[str, tuple[str, ...]] = {}
    for each in graph.nodes:
        if ":" in each:
            group = each.split(":")[0]
            groups[group] = (*groups.get(group, ()), each)
    return Diagram(f"Graph: {name}", labels, tuple(edges), groups)


def svg(diagram: Diagram) -> str:
    """Lay the nodes out in rows, top to bottom, and draw them.

    An edge to the next row is a straight line. Edges that skip rows or point back run in lanes on the right.
    """
    rows = _rows(diagram)
    row_of = {name: index for index, row in enumerate(rows) for name in row}
    width = {name: CHARACTER * len(label) + 24 for name, label in diagram.labels.items()}
    spans = [sum(width[name] for name in row) + GAP_X * (len(row) - 1) for row in rows]
    inner = max(spans)
    place: dict[str, tuple[float, float]] = {}  # centre of each node
    for index, row in enumerate(rows):
        x = MARGIN + (inner - spans[index]) / 2
        for name in row:
            place[name] = (x + width[name] / 2, MARGIN + index * (HEIGHT + GAP_Y) + HEIGHT / 2)
            x += width[name] + GAP_X
    lanes: list[str] = []
    lines: list[str] = []
    for edge in diagram.edges:
        dash = ' stroke-dasharray="5 3"' if edge.choice else ""
        (x1, y1), (x2, y2) = place[edge.source], place[edge.target]
        if row_of[edge.target] == row_of[edge.source] + 1:
            lines.append(f'<path d="M{x1:.0f} {y1 + HEIGHT / 2:.0f} L{x2:.0f} {y2 - HEIGHT / 2 - 2:.0f}"{dash}/>')
            continue
        side = MARGIN + inner + LANE * (len(lanes) + 1)
        left, right = x1 + width[edge.source] / 2, x2 + width[edge.target] / 2 + 2
        lanes.append(
            f'<path d="M{left:.0f} {y1:.0f} H{side - 8:.0f} Q{side:.0f} {y1:.0f} {side:.0f} {(y1 + y2) / 2:.0f}'
            f' Q{side:.0f} {y2:.0f} {side - 8:.0f} {y2:.0f} H{right:.0f}"{dash}/>'
        )
    total = 2 * MARGIN + inner + LANE * (len(lanes) + 1), 2 * MARGIN + len(rows) * (HEIGHT + GAP_Y) - GAP_Y
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]:.0f} {total[1]:.0f}" '
            f'width="{total[0]:.0f}" role="img" font-family="sans-serif" font-size="12">',
            f"<title>{escape(diagram.title)}</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0 L8 4 L0 8 z" fill="{COLOURS["line"]}"/></marker></defs>',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *_groups(diagram, place, width),
            f'<g fill="none" stroke="{COLOURS["line"]}" stroke-width="1.2">',
            *(line.replace("/>", ' marker-end="url(#tip)"/>') for line in (*lines, *lanes)),
            "</g>",
            *_boxes(diagram, place, width),
            "</svg>",
            "",
        ]
    )


def _imported(folder: Path) -> set[str]:
    """Return the packages of ape that the modules of a folder import."""
    names: set[str] = set()
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "ape":
                modules = [f"ape.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            else:
                continue
            names |= {module.split(".")[1] for module in modules if module.startswith("ape.")}
    return names


def _rows(diagram: Diagram) -> list[list[str]]:
    """Return rows of nodes: each node below all nodes that lead to it, edges back to an earlier node aside."""
    after: dict[str, list[str]] = {name: [] for name in diagram.labels}
    for edge in diagram.edges:
        after[edge.source].append(edge.target)
    back: set[tuple[str, str]] = set()
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        for target in after[name]:
            if target in path or target == name:
                back.add((name, target))
            elif target not in done:
                visit(target, (*path, name))
        done.add(name)

    for name in diagram.labels:
        if name not in done:
            visit(name, ())
    forward = [edge for edge in diagram.edges if (edge.source, edge.target) not in back]
    depth = dict.fromkeys(diagram.labels, 0)
    for _ in diagram.labels:
        for edge in forward:
            depth[edge.target] = max(depth[edge.target], depth[edge.source] + 1)
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in diagram.labels:
        rows[depth[name]].append(name)
    return [_ordered(row, rows[index - 1] if index else [], forward) for index, row in enumerate(rows)]


def _ordered(row: list[str], above: list[str], edges: Iterable[Edge]) -> list[str]:
    """Sort a row by the mean place of the nodes above that lead to it."""
    places: dict[str, list[int]] = {name: [] for name in row}
    for edge in edges:
        if edge.target in places and edge.source in above:
            places[edge.target].append(above.index(edge.source))
    return sorted(row, key=lambda name: (sum(places[name]) / len(places[name]) if places[name] else 0.0, name))


def _groups(diagram: Diagram, place: dict[str, tuple[float, float]], width: dict[str, float]) -> list[str]:
    drawn = []
    for group, names in diagram.groups.items():
        left = min(place[name][0] - width[name] / 2 for name in names) - 12
        right = max(place[name][0] + width[name] / 2 for name in names) + 12
        top = min(place[name][1] for name in names) - HEIGHT / 2 - 12
        bottom = max(place[name][1] for name in names) + HEIGHT / 2 + 12
        drawn.append(
            f'<rect x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" height="{bottom - top:.0f}" rx="8" '
            f'fill="none" stroke="{COLOURS["cluster"]}"/>'
            f'<text x="{left + 8:.0f}" y="{top + 15:.0f}" fill="{COLOURS["line"]}">{escape(group)}</text>'
        )
    return drawn


def _boxes(diagram: Diagram, place: dict[str, tuple[float, float]], width: dict[str, float]) -> list[str]:
    return [
        f'<rect x="{place[name][0] - width[name] / 2:.0f}" y="{place[name][1] - HEIGHT / 2:.0f}" '
        f'width="{width[name]:.0f}" height="{HEIGHT}" rx="6" fill="{COLOURS["fill"]}" stroke="{COLOURS["border"]}"/>'
        f'<text x="{place[name][0]:.0f}" y="{place[name][1] + 4:.0f}" text-anchor="middle" '
        f'fill="{COLOURS["text"]}">{escape(label)}</text>'
        for name, label in diagram.labels.items()
    ]


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, text in pictures().items():
        (PICTURES / name).write_text(text, encoding="utf-8")
