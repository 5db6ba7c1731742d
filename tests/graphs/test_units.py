"""The unit of the data, end to end: mined rules, trained scores and post-trained scores stay the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

import ape.detectors
from ape.detectors import Detector
from ape.graphs import mine, review
from ape.posttrain import DEFAULT, acceptance, enhance
from ape.rules import RuleBank
from ape.rules.schema import ChannelContext
from ape.series import Series, from_array

T, TRAIN_END = 1400, 1000
RECIPE = replace(DEFAULT, steps=10, joint_steps=3)


def series_values() -> np.ndarray:
    """Two related channels with cycles, a slow wave and noise, and an anomaly in each."""
    steps, rng = np.arange(T), np.random.default_rng(0)
    wave = np.sin(2 * np.pi * steps / 40) + 0.3 * np.cos(4 * np.pi * steps / 40) + 0.05 * rng.normal(size=T)
    wave += 0.4 * np.sin(2 * np.pi * steps / 400)
    other = 3 * np.roll(wave, 7) + 0.1 * rng.normal(size=T)
    wave[1100:1130] = wave[1100:1130][::-1].copy()
    other[1250:1260] += 3
    return np.stack([wave, other], axis=1)


def trained(series: Series) -> Detector:
    detector = ape.detectors.create("vae", device="cpu")
    detector.budget = replace(detector.budget, steps=80, patience=80)  # rounding may decide an early stop
    return detector.fit(series, seed=0)


def post_trained_score(detector: Detector, bank: RuleBank, series: Series) -> np.ndarray:
    candidate = enhance(detector, bank, series, seed=0, recipe=RECIPE).candidate
    assert candidate is not None
    return candidate.score(series)


def numbers_of(channel: ChannelContext) -> np.ndarray:
    """Return all numbers of a channel's context."""
    return np.hstack([value for value in channel.model_dump(exclude={"name", "responses"}).values()])


def with_unit(bank: RuleBank, factor: float) -> RuleBank:
    """Return the bank of a series times a factor, with all digits."""
    bank = bank.model_copy(deep=True)
    for channel in bank.context.channels:
        for name, value in channel.model_dump(exclude={"name", "responses"}).items():
            setattr(channel, name, tuple(factor * x for x in value) if isinstance(value, tuple) else factor * value)
    return bank


def rules_of(bank: RuleBank) -> dict[str, dict]:
    """Return rules by id, without the ids of evidence, which contain levels and pictures, and without figures."""
    return {rule.id: rule.model_dump(exclude={"evidence", "history", "scale"}) for rule in bank.rules}


@pytest.fixture(scope="module", autouse=True)
def _blank_pictures_and_few_implants():
    """Nothing that is compared here depends on pictures or on the decision of post-training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(review, "draw_examples", lambda *_: b"picture")
        patch.setattr(acceptance, "MOST_COPIES", 2)
        yield


@pytest.fixture(scope="module")
def plain() -> tuple[RuleBank, np.ndarray, np.ndarray]:
    """Bank, score and post-trained score of the series as it is."""
    series = from_array(series_values(), train_end=TRAIN_END)
    bank, detector = mine(series, seed=0), trained(series)
    return bank, detector.score(series), post_trained_score(detector, bank, series)


@pytest.mark.extended
@pytest.mark.parametrize("power", [-40, 40])
def test_a_power_of_two_changes_nothing(plain, power):
    series = from_array(2.0**power * series_values(), train_end=TRAIN_END)
    bank, detector = mine(series, seed=0), trained(series)
    assert rules_of(bank) == rules_of(plain[0])
    assert [rule.scale for rule in bank.rules] == [rule.scale for rule in plain[0].rules]
    np.testing.assert_array_equal(detector.score(series), plain[1])
    # A mined bank keeps six digits of its context, and rounding may decide which of two windows is nearer.
    exact = with_unit(plain[0], 2.0**power)
    for mined, scaled in zip(bank.context.channels, exact.context.channels, strict=True):
        np.testing.assert_allclose(numbers_of(mined), numbers_of(scaled), rtol=1e-5)
    np.testing.assert_array_equal(post_trained_score(detector, exact, series), plain[2])


@pytest.mark.extended
@pytest.mark.parametrize(("factor", "level"), [(1, 1e9), (0.01, 101325), (1000, "integers")])
def test_units_and_levels_change_no_more_than_rounding_does(plain, factor, level):
    values = factor * series_values()
    values = 2**62 + np.round(1e3 * values).astype(np.int64) if level == "integers" else level + values
    series = from_array(values, train_end=TRAIN_END)
    bank, detector = mine(series, seed=0), trained(series)
    rules, expected = rules_of(bank), rules_of(plain[0])
    assert len(rules.keys() ^ expected.keys()) <= 1, "rounding may decide on a rule whose figure is at its threshold"
    for name in rules.keys() & expected.keys():
        assert rules[name]["program"] == expected[name]["program"]
        assert rules[name]["context"] == expected[name]["context"]
    assert spearmanr(detector.score(series), plain[1])[0] > 0.999
    same_rules = bank.model_copy(update={"rules": plain[0].rules})
    assert spearmanr(post_trained_score(detector, same_rules, series), plain[2])[0] > 0.999
