"""Contexts and events without a detector: a wave with noise, of which the first part is normal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ape.series
from ape.monitor import AlertRate, Event, Threshold
from ape.monitor.context import Context

PERIOD, TRAIN_END, LENGTH = 50, 2000, 3000
EVENT = (2400, 2460)


@pytest.fixture
def wave():
    """A series of one channel: a sine of amplitude 1 around 10, with noise of 0.05."""
    rng = np.random.default_rng(0)
    return 10 + np.sin(2 * np.pi * np.arange(LENGTH) / PERIOD) + 0.05 * rng.standard_normal(LENGTH)


@pytest.fixture
def context_of():
    """Return the context of a series [T] or [T, C] whose first 2,000 points are normal and which has one event."""

    def make(values, begin=EVENT[0], end=EVENT[1], *, bank=None, channels=None, **fields):
        values = np.asarray(values, dtype=float).reshape(len(values), -1)
        series = ape.series.from_array(values, train_end=TRAIN_END, channels=channels)
        series = replace(series, **fields)
        abnormal = np.zeros(series.length, dtype=bool)
        abnormal[begin:end] = True
        usable = np.ones(TRAIN_END, dtype=bool)
        threshold = Threshold(3.3, AlertRate(1, "training part"), None, TRAIN_END)
        return Context(series, abnormal, series.train, usable, [(0, TRAIN_END)], threshold, bank, "notes.txt")

    return make


@pytest.fixture
def event_of():
    """Return an event of a context; all channels are at fault unless some are named."""

    def make(context, begin=EVENT[0], end=EVENT[1], *, channels=None, rules=(), score=5.0, ongoing=False):
        names = channels or context.series.channels
        shares = tuple((name, 1 / len(names)) for name in names)
        return Event(begin, end, (begin + end) // 2, score, shares, rules, ongoing)

    return make
