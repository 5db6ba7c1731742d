"""Say that a file, such as the bank of a run, was edited by hand."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ape.core.errors import EditedWarning


@contextmanager
def edits_printed() -> Iterator[None]:
    """Print each `EditedWarning` as one line on standard error, once; other warnings are shown as usual."""
    said: set[str] = set()
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, EditedWarning):
                usual(message, category, *where, **more)
            elif str(message) not in said:
                said.add(str(message))
                sys.stderr.write(f"ape: {message}\n")

        warnings.simplefilter("always", EditedWarning)
        warnings.showwarning = show
        yield
