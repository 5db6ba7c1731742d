"""Score the rows of one request, like ``ape score``: nothing is kept."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
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
from ape.monitor.event_schema import EventRecord
from ape.series import Series, from_dataframe, load
from ape.series.reading.columnar_file import columnar_format
from ape.series.reading.compression import is_compressed
from ape.series.requirements import UNKNOWN

BODY = "body"  # what errors name instead of a file
OPTION = re.compile(r"(, or )?(say|give|use) --.*|wait for one")  # in a hint
TOO_LARGE = "a whole number of more than 64 bits: write it as 1.5e20"


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
        where = ".".join([BODY, *map(str, first["loc"][:3])])[:200]  # after row and channel come names of Python types
        what = TOO_LARGE if first["type"] in ("less_than", "greater_than_equal") else first["msg"]
        raise InputError(what, where, 'send {"rows": [{"time": "...", "channel": 1.5}, ...]}') from error
    return [*sent.rows]


def read_rows(served: Served, body: bytes) -> Series:
    """Read the rows of a JSON body."""
    rows = pd.DataFrame(rows_of(body))
    try:
        return known_only(served, from_dataframe(rows, required=served.required, scoring=True))
    except InputError as error:
        raise about_body(error, "DataFrame") from error


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
            return known_only(served, load(path, options=served.reading, required=served.required, scoring=True))
        except InputError as error:
            raise about_body(error, str(path)) from error


def about_body(error: InputError, name: str) -> InputError:
    """Return an error as one about the body of a request, which has no options: ``name`` is what it names instead."""
    hint = OPTION.sub("", error.hint) or "write times as 2024-01-31 12:00:00, and numbers as 1.5"
    return InputError(*(part.replace(name, BODY) for part in (error.what, error.where, hint)))


def known_only(served: Served, series: Series) -> Series:
    """Return a series; refuse one with channels that the detector does not know.

    A detector of some columns of its training file gets files with the others.
    """
    other = next((note for note in series.notes if note.startswith(UNKNOWN)), None)
    if other is not None and not (served.request and served.request.column):
        raise unknown_channels(served, other.removeprefix(UNKNOWN).removesuffix(": left out"))
    return series


def unknown_channels(served: Served, names: str) -> InputError:
    """Return the refusal of rows with channels that the detector does not know."""
    known = ", ".join(() if served.required is None else served.required.channels)[:200]
    return InputError(f"the detector does not know {names}", BODY, f"send its channels only: {known}")


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
        event=ranks(file.events, len(score)),
        provisional=min(served.latency, len(score)),
        events=file.events,
        quiet=file.quiet,
    )


def ranks(events: Sequence[EventRecord], rows: int) -> list[int]:
    """Return the rank of the event that each row belongs to; 0 stands for none."""
    found = [0] * rows
    for event in reversed(events):  # the worst one counts where two meet
        found[event.start : event.end] = [event.rank] * (min(event.end, rows) - event.start)
    return found


def listed(scores: np.ndarray) -> list[float | None]:
    """Return scores as JSON has them: rounded, and None where they are not known."""
    rounded = scores.astype(float).round(4)
    return [each if np.isfinite(each) else None for each in rounded.tolist()]
