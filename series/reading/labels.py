"""Recognise columns of labels by their name and values."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.names import key_of
from ape.series.reading.number_cells import looks_like_number

# Labels, whatever their values are.
LABELS = {
    "abnormal", "anomalies", "anomalous", "anomaly", "anomalyflag", "anomalylabel", "attack", "attackflag",
    "attacklabel", "changepoint", "class", "faultlabel", "groundtruth", "gt", "isabnormal", "isanomalous",
    "isanomaly", "isattack", "isfault", "isoutlier", "label", "labelanomaly", "labels", "normalattack", "outlier",
    "outliers", "targetlabel", "ytrue",
}  # fmt: skip
# Labels if they have two values.
LABELS_IF_BINARY = {
    "alarm", "alarms", "ausfall", "defect", "defekt", "error", "event", "events", "failure", "failures", "fault",
    "faults", "faulty", "fehler", "flag", "incident", "incidents", "isevent", "isnormal", "machinestatus", "normal",
    "panne", "störung", "target", "truth", "y",
}  # fmt: skip
# Parts of the names of labels that have two values.
LABEL_WORDS = ("anomal", "attack", "outlier", "label", "abnormal")
BINARY = {"0", "1", "0.0", "1.0", "-1", "true", "false"}


def is_label(name: str, cells: pa.ChunkedArray) -> bool:
    """Whether a column is named like labels and, if a measurement may have the name too, has two values."""
    key = key_of(name)
    if key in LABELS:
        return True
    if key not in LABELS_IF_BINARY and not any(word in key for word in LABEL_WORDS):
        return False
    few = pc.unique(cells.slice(0, 1000)).drop_null()
    return len(few) <= 3 and len(pc.unique(cells).drop_null()) <= 3 and _binary(few.to_pylist())


def _binary(values: Sequence[object]) -> bool:
    words = {str(value).strip().lower() for value in values} - {""}
    return words <= BINARY or not any(looks_like_number(word) for word in words)
