"""The detector in scikit-learn's manner; most of scikit-learn's own checks hold."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from support import short_training

import ape
import ape.runs.estimator
from ape.core.errors import InputError
from ape.monitor import AlertRate
from ape.monitor.event_files import COLUMNS

FAULT = slice(150, 180)


def readings(begin: int, end: int) -> pd.DataFrame:
    rng, time = np.random.default_rng(0), np.arange(1100)
    values = np.stack([np.sin(time / 8), 20 + np.cos(time / 8)], axis=1) + 0.05 * rng.normal(size=(1100, 2))
    times = pd.date_range("2026-03-01", periods=1100, freq="10min")
    return pd.DataFrame(values, times, ["flow", "pressure"])[begin:end]


NORMAL = readings(0, 700)
NEW = readings(700, 1100)
NEW.iloc[FAULT, 0] += 1.5


@pytest.fixture(scope="module")
def fitted():
    with short_training(150):
        return ape.AnomalyDetector(post_train=False).fit(NORMAL)


def test_the_fault_is_predicted_and_is_an_event(fitted):
    prediction = fitted.predict(NEW)
    assert prediction.shape == (400,) and set(prediction) == {-1, 1}
    assert (prediction[FAULT] == -1).mean() > 0.9 and (prediction[:100] == -1).mean() < 0.05
    worst = fitted.events(NEW).iloc[0]
    assert abs(worst["start"] - FAULT.start) <= 8 and abs(worst["end"] - FAULT.stop) <= 8
    assert worst["channels"] == "flow"
    assert tuple(fitted.events(NEW).columns) == COLUMNS


def test_decisions_are_scores_relative_to_the_threshold(fitted):
    decision, score = fitted.decision_function(NEW), fitted.score_samples(NEW)
    np.testing.assert_allclose(decision, score - fitted.offset_)
    assert fitted.offset_ == -fitted.threshold_.level
    np.testing.assert_array_equal(fitted.predict(NEW), np.where(decision < 0, -1, 1))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_names_and_number_of_features_are_kept_and_required(fitted):
    assert fitted.n_features_in_ == 2 and list(fitted.feature_names_in_) == ["flow", "pressure"]
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(NEW.rename(columns={"flow": "level"}))
    with pytest.raises(ValueError, match="1 features"):
        fitted.predict(NEW.to_numpy()[:, :1])


def test_every_row_gets_its_score_in_any_order_of_the_rows(fitted):
    mixed = NEW.sample(frac=1, random_state=0)
    sorted_again = pd.Series(fitted.score_samples(mixed), mixed.index).sort_index()
    np.testing.assert_array_equal(sorted_again, fitted.score_samples(NEW))


def test_missing_values_are_scored(fitted):
    new = NEW.copy()
    new.iloc[200:260, 1] = np.nan
    events = fitted.events(new)
    assert (fitted.predict(new)[212:250] == -1).all()
    assert any(row.start <= 212 and row.end >= 250 and "pressure" in row.channels for row in events.itertuples())


def test_events_in_the_rows_of_fit_are_left_out_if_more_follow(fitted):
    whole = pd.concat([NORMAL, NEW])
    events = fitted.events(whole)
    assert (events["start"] >= 700).all() and abs(events["start"].iloc[0] - 850) <= 8


def test_a_pickled_detector_gives_the_same_scores(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(NEW), fitted.score_samples(NEW))


def test_parameters_are_kept_and_cloned():
    detector = ape.AnomalyDetector(text="The valve sticks.", alerts_per="week=2", random_state=3)
    assert clone(detector).get_params() == detector.get_params()
    assert detector.set_params(backbone="donut").backbone == "donut"


@pytest.mark.extended
def test_one_dimensional_data_are_one_feature():
    with short_training(150):
        detector = ape.AnomalyDetector(post_train=False, alerts_per="day").fit(NORMAL["flow"])
    assert detector.n_features_in_ == 1 and detector.offset_ == pytest.approx(-np.log10(144))
    assert (detector.predict(NEW["flow"])[FAULT] == -1).mean() > 0.9


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"backbone": "gru"}, "no backbone"),
        ({"alerts_per": "year"}, "no rate of alarms"),
        ({"alerts_per": "week=0"}, "no rate of alarms"),
    ],
)
def test_wrong_parameters_are_refused_by_fit(parameters, message):
    with pytest.raises(InputError, match=message):
        ape.AnomalyDetector(**parameters).fit(NORMAL)


def test_few_rows_are_refused():
    with pytest.raises(ValueError, match="minimum of 128"):
        ape.AnomalyDetector().fit(NORMAL.to_numpy()[:100])


class Repeated(ape.AnomalyDetector):
    """The detector on repeated rows: the data of scikit-learn's checks have fewer rows than a series needs."""

    def _checked(self, X, reset):
        X = super()._checked(X, reset)
        self._rows = len(X)
        return np.tile(X, (-(-160 // len(X)), 1))

    def score_samples(self, X):
        return super().score_samples(X)[-self._rows :]


ORDER = "rows are points in the order of time: the score of one depends on the rows around it"
ONE_CHANNEL = "one-dimensional data are a series of one channel"
NOT_HELD = {
    "check_methods_sample_order_invariance": ORDER,
    "check_methods_subset_invariance": ORDER,
    "check_fit1d": ONE_CHANNEL,
    "check_fit2d_predict1d": ONE_CHANNEL,
}


@pytest.mark.extended
@parametrize_with_checks(
    [Repeated(post_train=False, alerts_per=AlertRate(5, "training part"))],
    expected_failed_checks=lambda _: NOT_HELD,
)
def test_checks_of_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setattr(ape.runs.estimator, "MIN_LENGTH", 2)
    with short_training(20):
        check(estimator)
