"""A detector in scikit-learn's manner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ape import detectors
from ape.core.alert_rates import AlertRate
from ape.detectors.inputs import prepared, required_by
from ape.monitor import Answer, answer, events_frame, threshold_for
from ape.posttrain import assess
from ape.runs.detect import as_rate, as_series, train
from ape.series import Series
from ape.series.checks import MIN_LENGTH


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """An enhanced detector in scikit-learn's manner.

    Rows are points in the order of time. A DataFrame may have its times as a datetime index or as a column; then
    missing rows are found, rates such as one alarm a week are known, and rows that are not in order are sorted. Values
    may be missing.

    Parameters
    ----------
    text : str, optional
        What is known about the ways in which the series fails.
    backbone : str
        One of `ape.detectors.names`.
    post_train : bool
        False: no rules are mined, and the score is the reconstruction error of the backbone. Quicker, less accurate.
    alerts_per : str or AlertRate, optional
        Accepted false alarms: one in each ``day``, ``week`` or ``training`` part of normal data, or a number of them,
        such as ``week=2``. Default: ``week``, or ``training`` if the training part is shorter or has no times.
    random_state : int, RandomState or None
        On CPU, equal data and numbers give equal results.

    Attributes
    ----------
    detector_ : Detector or EnhancedDetector
    bank_ : RuleBank or None
        The mined rules.
    decision_ : str
        What post-training kept, and why.
    threshold_ : Threshold
    offset_ : float
        Minus the score at which an alarm is raised.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If the columns have names.

    Notes
    -----
    Windows are compared in the order of the rows. So the score of a row depends on the rows around it, and a part of
    the data has other scores alone than within the whole.

    Examples
    --------
    >>> detector = ape.AnomalyDetector(text="The valve sticks now and then.").fit(normal)
    >>> detector.predict(new)  # -1 at anomalies
    >>> detector.events(new)[["start", "end", "rule", "reason"]]
    """

    def __init__(
        self,
        *,
        text: str | None = None,
        backbone: str = "vae",
        post_train: bool = True,
        alerts_per: str | AlertRate | None = None,
        random_state: Any = 0,
    ) -> None:
        self.text = text
        self.backbone = backbone
        self.post_train = post_train
        self.alerts_per = alerts_per
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on normal data.

        Parameters
        ----------
        X : array_like or DataFrame, [n, n_features] or [n]
            Taken as normal, at least 128 rows. For the few anomalies that it may have, windows that are unlike all
            others are left out.
        y : None
            Ignored.

        Raises
        ------
        InputError
            A `ValueError`: the data or a parameter cannot be used.
        """
        untrained, series = detectors.create(self.backbone), as_series(self._checked(X, reset=True))
        rate = as_rate(self.alerts_per, series)
        if self.text is not None:
            series = replace(series, text=self.text)
        self.detector_, self.bank_, self.decision_ = train(untrained, series, self.post_train, self._seed())
        self.threshold_ = threshold_for(self.detector_, series, rate)
        self.offset_ = -self.threshold_.level
        self._normal = prepared(self.detector_, series).values
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Return minus the calibrated score of each row, float [n]: the lower, the rarer.

        It is log10 of the share of normal points that score as high. NaN in stretches between gaps that are shorter
        than a window.
        """
        series = self._series(X)
        score = self.threshold_.score(assess(self.detector_, series))
        return -score[series.row_points].astype(float)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return ``score_samples(X) - offset_``, float [n]: negative at anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return -1 for rows whose score is above the threshold, +1 for the others, int [n]."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def events(self, X: Any) -> pd.DataFrame:
        """Return the events, the worst first, with the columns of ``events.csv``.

        An event is a span. It includes rows between high scores, and leaves out the newest rows, whose scores are
        provisional. If X begins with the rows of `fit` and continues, events are those after them.
        """
        return events_frame(self.answer(X))

    def answer(self, X: Any) -> Answer:
        """Return events and scores as objects, see `ape.monitor.answer`."""
        series, trained = prepared(self.detector_, self._series(X)), len(self._normal)
        if series.length > trained and np.array_equal(series.values[:trained], self._normal):
            series = replace(series, train_end=trained)
        return answer(self.detector_, series, self.threshold_, self.bank_)

    def _series(self, X: Any) -> Series:
        check_is_fitted(self)
        return as_series(self._checked(X, reset=False), required=required_by(self.detector_), scoring=True)

    def _checked(self, X: Any, reset: bool) -> Any:
        """Return what `as_series` takes; count the features, and compare their names and number with those of `fit`."""
        if hasattr(X, "to_frame"):  # a column
            X = X.to_frame()
        if hasattr(X, "columns"):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        X = np.asarray(X) if isinstance(X, list | tuple) else X
        X = X.reshape(-1, 1) if getattr(X, "ndim", 2) == 1 else X
        least = MIN_LENGTH if reset else 1
        return validate_data(self, X, reset=reset, ensure_all_finite=False, ensure_min_samples=least)

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
