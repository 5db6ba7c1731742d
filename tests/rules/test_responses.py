"""How channels follow each other in normal data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ape.rules import RuleBank, build_context
from ape.rules.responses import MOST, find_responses
from ape.series import from_array


def driven(lag: int, slope: float, noise: float = 0.05, length: int = 2000):
    """A smooth random channel, one that follows it, and one of its own."""
    rng = np.random.default_rng(5)
    cause = np.convolve(rng.normal(size=length + 60), np.ones(8) / 8, mode="same")[:length]
    effect = slope * np.roll(cause, lag) + noise * rng.normal(size=length)
    return np.column_stack([cause, effect, rng.normal(size=length)])


def test_slope_and_lag_of_a_channel_that_follows():
    first, _, third = find_responses(driven(lag=4, slope=-2.5), ["a", "b", "c"], None, 40)
    (response,) = first
    assert response.channel == "b" and response.lag == 4
    assert response.slope == pytest.approx(-2.5, rel=0.05)
    assert third == []


def test_a_few_wild_values_do_not_change_the_slope():
    values = driven(lag=0, slope=2.0)
    values[::97, 1] += 500
    first, _, _ = find_responses(values, ["a", "b", "c"], None, 40)
    assert first[0].slope == pytest.approx(2.0, rel=0.25)


def test_a_common_cycle_is_no_relation():
    rng, t = np.random.default_rng(0), np.arange(3000)
    values = np.sin(2 * np.pi * t / 50)[:, None] * [1.0, 3.0] + 0.2 * rng.normal(size=(3000, 2))
    assert find_responses(values, ["a", "b"], 50, 12) == [[], []]


def test_constant_channels_and_short_parts_have_no_relation():
    constant = np.column_stack([np.zeros(500), np.arange(500.0), np.full(500, 7.0)])
    assert find_responses(constant, ["a", "b", "c"], None, 20)[0] == []
    assert find_responses(driven(0, 1.0)[:60], ["a", "b", "c"], None, 40) == [[], [], []]


def test_the_context_of_52_channels_stays_small(tmp_path):
    rng = np.random.default_rng(1)
    common = np.cumsum(rng.normal(size=1500))
    series = from_array(common[:, None] * rng.uniform(0.5, 2, size=52) + 0.05 * rng.normal(size=(1500, 52)))
    bank = RuleBank(context=build_context(series))
    assert all(len(channel.responses) == MOST for channel in bank.context.channels)
    assert len(bank.to_json()) < 90_000
    bank.save(tmp_path / "bank.json")
    assert RuleBank.load(tmp_path / "bank.json").to_json() == bank.to_json()


def test_responses_of_unknown_channels_are_refused():
    context = json.loads(build_context(from_array(driven(0, 1.0))).model_dump_json())
    context["channels"][0]["responses"] = [{"channel": "nobody", "slope": 1.0}]
    with pytest.raises(ValueError, match="nobody"):
        RuleBank.model_validate({"context": context})
