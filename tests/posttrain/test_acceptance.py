"""The decision whether a post-trained detector is kept."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ape.posttrain.acceptance import average_precisions, decide

GAIN, DOUBT, LOSS = ({"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "n": 64} for mean in (0.2, 0.0, -0.2))


@pytest.mark.parametrize(
    ("enhanced", "training_free", "training", "ratio", "kept", "reason"),
    [
        (GAIN, GAIN, GAIN, 1.0, "post-trained", "gains on held-out implants"),
        (GAIN, DOUBT, DOUBT, 1.05, "post-trained", "gains on held-out implants"),
        (DOUBT, GAIN, GAIN, 1.0, "original", "no clear gain on held-out implants"),
        (GAIN, GAIN, LOSS, 1.0, "training-free", "detected better without training"),
        (GAIN, DOUBT, LOSS, 1.0, "original", "without training: no clear gain"),
        (GAIN, GAIN, GAIN, 1.06, "training-free", "reconstruction of held-out normal windows is worse"),
        (GAIN, LOSS, GAIN, float("nan"), "original", "reconstruction of held-out normal windows is worse"),
    ],
)
def test_decision_needs_a_gain_and_no_harm(enhanced, training_free, training, ratio, kept, reason):
    one_kind = [{"bank": gain, "all": gain} for gain in (enhanced, training_free, training)]
    choice, text = decide(*one_kind, ratio)
    assert choice == kept and reason in text


def test_clear_loss_on_one_kind_of_implant_is_rejected():
    assert decide({"bank": GAIN, "foreign": DOUBT, "all": GAIN}, {}, {}, 1.0)[0] == "post-trained"
    choice, text = decide({"bank": GAIN, "foreign": LOSS, "all": GAIN}, {}, {}, 1.0)
    assert choice == "original" and "a clear loss on foreign implants" in text


def test_average_precision_by_hand():
    labels = np.array([[True, False, True], [False, True, False]])
    scores = np.array([[0.9, 0.99, 0.5], [0.1, 0.2, 0.3]])
    # one normal point is above the first hit of the first row, two are above the second; a tie counts as above
    result = average_precisions(labels, scores, np.array([0.95, 0.7, 0.2]))
    np.testing.assert_allclose(result, [(1 / 2 + 2 / 4) / 2, 1 / 4])


def test_average_precision_agrees_with_sklearn():

    generator = np.random.default_rng(0)
    labels = np.ones((20, 10), bool)
    scores, normal = (generator.integers(0, 12, shape).astype(float) for shape in ((20, 10), 40))
    truth = np.repeat([1, 0], [10, 40])
    expected = [average_precision_score(truth, np.concatenate([row, normal])) for row in scores]
    np.testing.assert_allclose(average_precisions(labels, scores, normal), expected)
