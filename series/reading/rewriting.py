"""Rewrite cells that are written in one of several ways in the plain way."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Rewriting:
    """Patterns and what replaces them, for `re` and for RE2.

    Parameters
    ----------
    odd : str
        A pattern that each cell to rewrite contains: most columns have none.
    rules : tuple of (str, str)
        Patterns and replacements, applied in this order.
    """

    odd: str
    rules: tuple[tuple[str, str], ...]

    def cell(self, cell: str) -> str:
        """Return a cell in the plain way."""
        if re.search(self.odd, cell) is None:
            return cell
        for pattern, replacement in self.rules:
            cell = re.sub(pattern, replacement, cell)
        return cell

    def any_odd(self, text: pa.ChunkedArray) -> bool:
        """Whether cells of a column may have to be rewritten."""
        return bool(pc.any(pc.match_substring_regex(text, self.odd)).as_py())

    def column(self, text: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the cells of a column in the plain way."""
        for pattern, replacement in self.rules:
            text = pc.replace_substring_regex(text, pattern, replacement)
        return text
