"""Recognise columns of labels by the parts of their name and by their values."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.names import key_of, words_of
from ape.series.reading.number_cells import looks_like_number

# Names of labels; their values are not checked.
LABELS = {
    "abnormal", "anomalies", "anomalous", "anomaly", "anomalyflag", "anomalylabel", "attack", "attackflag",
    "attacklabel", "changepoint", "faultlabel", "groundtruth", "gt", "isabnormal", "isanomalous", "isanomaly",
    "isattack", "isfault", "isoutlier", "label", "labelanomaly", "labels", "normalattack", "outlier", "outliers",
    "targetlabel", "ytrue",
}  # fmt: skip
# Beginnings of words for what a detector looks for, in common languages. No measurement of two values has such a name.
ANOMALIES = (
    "anom", "abnorm", "abweich", "aberra", "afwijk", "atipic", "atypi", "attack", "attaqu", "ataqu", "attacc",
    "angriff", "annotat", "ausreis", "avvik", "etichett", "etikett", "etiquet", "fraud", "groundtruth", "intrus",
    "novelt", "outlier", "uitschiet", "étiquet", "аномал", "атак", "выброс", "метк", "异常", "異常", "攻击", "标签",
    "ラベル", "이상", "라벨",
)  # fmt: skip
# Beginnings of words for faults and labels. They are not the last word of other columns: fault_current, label_printer.
FAULTS = (
    "alarm", "ausfall", "avari", "broken", "class", "defaut", "défaut", "defect", "defekt", "error", "erreur",
    "event", "fail", "falha", "falla", "fallo", "fault", "fehler", "flag", "fout", "guasto", "incident", "label",
    "contamin", "leak", "normal", "panne", "stoer", "stör", "storing", "target", "truth",
    "авари", "сбой", "отказ", "故障", "고장",
)  # fmt: skip
# Words that may stand after them.
ENDINGS = {
    "binary", "bool", "category", "class", "code", "flag", "id", "indicator", "mark", "state", "status", "tag", "type",
}  # fmt: skip
MEASURED = {"air", "link", "power", "signal", "sleep", "water"}  # before "quality": what a sensor measures
QUALITY = ("calidad", "kvalit", "qc", "qualit")  # beginnings of words for codes such as 192, good, and 0, bad
# Names of labels that have no such part.
SHORT = {"machine status", "y"}
NUMBERED = ("category", "class", "label", "type")  # words of labels whose classes may be numbered
MOST_CLASSES = 20  # of labels that name the kind of an anomaly
BINARY = {"0", "1", "0.0", "1.0", "-1", "-1.0", "true", "false"}


def is_label(name: str, cells: pa.ChunkedArray) -> bool:
    """Whether a column is named like labels and, if a measurement may have the name too, has few values."""
    if key_of(name) in LABELS:
        return True
    parts = words_of(name)
    anomaly = any(part.startswith(ANOMALIES) for part in parts) or {"att", "flag"} <= set(parts)
    head = [part for k, part in enumerate(parts) if k == 0 or part not in ENDINGS][-1:]
    fault = any(part.startswith(FAULTS) for part in head)
    quality = any(part.startswith(QUALITY) for part in head) and not MEASURED & set(parts)
    if not anomaly and not fault and not quality and " ".join(parts) not in SHORT:
        return False
    most = MOST_CLASSES if anomaly or any(part.startswith(NUMBERED) for part in parts) else 3
    few = pc.unique(cells.slice(0, 1000)).drop_null()
    return len(few) <= most and _are_classes(
        pc.unique(cells).drop_null().to_pylist(), most, most == MOST_CLASSES or quality
    )


def _are_classes(values: Sequence[object], most: int, numbered: bool) -> bool:
    """Whether values are 0 and 1, at most ``most`` words or, if they may be ``numbered``, codes."""
    words = {str(value).strip().lower() for value in values} - {""}
    if len(words) > most:
        return False
    codes = numbered and all(re.fullmatch(r"-?\d{1,3}(?:\.0+)?", word) for word in words)
    return codes or words <= BINARY or not any(looks_like_number(word) for word in words)
