"""Spellings of times that are rewritten in a plain one: other scripts, intervals, and those of programs."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.number_cells import SPACES
from ape.series.reading.rewriting import Rewriting

CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?"
DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
# What is written in several ways, and the plain way.
REWRITING = Rewriting(
    odd=(
        f"[{SPACES}年년时時시点午전후@(]|  "
        rf"|\dt\d|\dz$|^{CLOCK},? \d|:\d\d.*(?: - | – |/)\d|^\d{{14}}[.,]\d|^\d{{4}}-\d\d-\d\d-\d|^\d+h ?\d+m$"
    ),
    rules=(
        (f"[{SPACES}]", " "),
        # Years, months, days, hours and minutes in Chinese, Japanese and Korean, and their morning and afternoon.
        (r"(\d{2,4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일号號]\s*", r"\1-\2-\3 "),
        (r"(\d{1,2})\s*[时時시点]\s*(\d{1,2})\s*[分분]\s*(\d{1,2})\s*[秒초]", r"\1:\2:\3"),
        (r"(\d{1,2})\s*[时時시点]\s*(\d{1,2})\s*[分분]", r"\1:\2"),
        (rf"(?:上午|午前|오전)\s*({CLOCK})", r" \1 AM"),
        (rf"(?:下午|午後|오후)\s*({CLOCK})", r" \1 PM"),
        (r"\s+", " "),
        (r" @ ", " "),  # Mar 4, 2024 @ 00:00
        (r"((?:GMT|UTC)[+-]\d{2}:?\d{2}) \(.*\)$", r"\1"),  # GMT+0100 (CET)
        (r" \(([A-Z]{3,5})\)", r" \1"),
        (r"^(\d{4}(?:0[1-9]|1[0-2])[0-3]\d)([0-2]\d[0-5]\d[0-5]\d)[.,](\d{1,9})$", r"\1T\2.\3"),  # 20240131235900.250
        (r"^(\d{4}-\d{2}-\d{2})-(\d{2})-(\d{2})-(\d{2})$", r"\1 \2:\3:\4"),
        (r"^(\d+)h ?(\d)m$", r"\1:0\2"),
        (r"^(\d+)h ?(\d{2})m$", r"\1:\2"),
        (r"^/Date\((\d+)\)/$", r"\1"),
        (r"(\d)t(\d)", r"\1T\2"),
        (r"(:\d{2}(?:\.\d+)?)z$", r"\1Z"),
        (rf"^({CLOCK}),? ({DATE})$", r"\2 \1"),
        (rf"^({DATE}[T ]{CLOCK}(?: [A-Z]{{3,5}}|Z|[+-]\d{{2}}:?\d{{2}})?)(?: - | – |/){DATE}[T ]{CLOCK}.*$", r"\1"),
    ),
)


def plain_time(cell: str) -> str:
    """Return a cell with a time in a plain spelling."""
    return REWRITING.cell(cell.strip()).strip()


def plain_times(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cells with times in a plain spelling."""
    text = pc.utf8_trim_whitespace(text)
    return pc.utf8_trim_whitespace(REWRITING.column(text)) if REWRITING.any_odd(text) else text
