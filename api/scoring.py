"""Score the rows of one request, like ``ape score``: nothing is kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from ape.api.messages import RowsIn, Scored
from ape.api.served import Served
from ape.core.errors import InputError
from ape.detectors.inputs import require_window
from ape.monitor import answer
from ape.monitor.event_files import event_file
from ape.series import Series, from_dataframe, load
from ape.series.reading.columnar_file import columnar_format
from ape.series.reading.compression import is_compressed

BODY = "body"  # what errors name instead of a file


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """Return the rows of a JSON body.

    Raises
    ------
    InputError
        It is no such body.
    """
    try:
        sent = RowsIn.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join([BODY, *map(str, first["loc"])])
        raise InputError(first["msg"], where, 'send {"rows": [{"time": "...", "channel": 1.5}, ...]}') from error
    return [*sent.rows]


def read_rows(served: Served, body: bytes) -> Series:
    """Read the rows of a JSON body."""
    return from_dataframe(pd.DataFrame(rows_of(body)), required=served.required, scoring=True)


def read_csv(served: Served, body: bytes) -> Series:
    """Read a body with the text of a CSV file, as the run read its file."""
    if is_compressed(body) or columnar_format(body):  # a small body may be a huge table
        raise InputError("the body is not text", BODY, "send the text of a CSV file, not compressed")
    if not body.strip():
        raise InputError("the body is empty", BODY, "send the text of a CSV file")
    with tempfile.TemporaryDirectory(prefix="ape-api-") as folder:
        path = Path(folder) / f"{BODY}.csv"
        path.write_bytes(body)
        try:
            return load(path, options=served.reading, required=served.required, scoring=True)
        except InputError as error:
            parts = (part.replace(str(path), BODY) for part in (error.what, error.where, error.hint))
            raise InputError(*parts) from error


def scored(served: Served, series: Series) -> Scored:
    """Score a series and find its events."""
    require_window(served.detector, series, BODY)
    found = answer(served.detector, series, served.threshold, text=served.text)
    file = event_file(found)
    score = found.score[found.series.row_points]
    return Scored(
        detector=served.name,
        rows=len(score),
        threshold=file.threshold,
        notes=list(found.series.notes),
        scores=listed(score),
        provisional=min(served.latency, len(score)),
        events=file.events,
        quiet=file.quiet,
    )


def listed(scores: np.ndarray) -> list[float | None]:
    """Return scores as JSON has them: rounded, and None where they are not known."""
    rounded = scores.astype(float).round(4)
    return [each if np.isfinite(each) else None for each in rounded.tolist()]
