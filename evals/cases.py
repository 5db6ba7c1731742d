"""A labelled series, and what its name says about its recording."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ape.rules import Context, RuleBank
from ape.series import Series

# UCR recordings on which the default recipe was chosen. The other recordings confirm it.
TUNING = ("ECG", "InternalBleeding", "CIMIS44AirTemperature", "TkeepFifthMARS", "resperation", "qtdbSel1005V")

Oracle = Callable[[Context], RuleBank]


@dataclass(frozen=True)
class Case:
    """A series with its labels.

    Parameters
    ----------
    name : str
    family : str
        The kind of recording, for tables.
    series : Series
    labels : ndarray, bool [T]
        Where the series is anomalous.
    oracle : callable, optional
        Return a Rule Bank written from the true fault. Only simulated series have one.
    oracle_of_all : callable, optional
        The same, from all faults that the scenario can have.
    other_text : str, optional
        The text of the series with the manual of another plant in place of its own, where there are manuals.
    at_fault : ndarray, bool [T, C], optional
        Where each channel shows the anomaly, where that is known.
    """

    name: str
    family: str
    series: Series
    labels: np.ndarray
    oracle: Oracle | None = None
    oracle_of_all: Oracle | None = None
    other_text: str | None = None
    at_fault: np.ndarray | None = None


def recording(name: str) -> str:
    """Return the recording that a series was cut from.

    This is the name without its number, the mark of added noise or distortion, and the running number. In
    TimeAnomaly-Bench it is the scenario, because all faults of a scenario share one process.
    """
    return _unmarked(name.partition(".")[0]).rstrip("0123456789")


def is_tuning(name: str) -> bool:
    """Return whether the default recipe was chosen on the UCR recording of this series."""
    return _unmarked(name).startswith(TUNING)


def _unmarked(name: str) -> str:
    return re.sub(r"^\d+_(DISTORTED|NOISE)?", "", name)
