"""Detectors of other libraries in experiments: trained by their library, wrapped, scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ape.core.errors import InputError
from ape.evals.datasets import load_case
from ape.evals.experiment import Experiment
from ape.evals.third_party import THIRD_PARTY
from ape.series import from_array


@pytest.mark.parametrize(
    "name", [name if "PyOD" in name else pytest.param(name, marks=pytest.mark.extended) for name in THIRD_PARTY]
)
def test_the_wrapped_detector_learns_the_wave(name, ucr_names):
    case = load_case("ucr", ucr_names[0])
    experiment = Experiment("Waves", ["ucr"], third_party=[name])
    detector = experiment.train(name, case.series, seed=3)
    score = detector.score(case.series)
    assert 650 < score.argmax() < 770  # the event is at [700, 720); windows reach over it
    window = torch.from_numpy(case.series.values[: detector.window].T[None].copy())
    assert detector.encode(window).ndim == 2


def test_equal_seeds_give_equal_scores(ucr_names):
    case, experiment = load_case("ucr", ucr_names[0]), Experiment("Waves", ["ucr"], third_party=["PyOD autoencoder"])
    first, again = (experiment.train("PyOD autoencoder", case.series, seed=3).score(case.series) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", THIRD_PARTY)
def test_several_channels_are_refused(name):
    experiment = Experiment("Waves", ["ucr"], third_party=[name])
    with pytest.raises(InputError, match="takes one channel, not 2"):
        experiment.train(name, from_array(np.random.default_rng(0).normal(size=(900, 2)), train_end=500), seed=0)
