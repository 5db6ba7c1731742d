"""Puzzles: pictures of windows some of which a rule generated."""

from __future__ import annotations

import numpy as np
import pytest

from ape.rules import broad_rule, build_context
from ape.rules.hosts import draw_hosts
from ape.series import from_array
from ape.tools.spot_the_difference import draw_puzzle, hit_rate


@pytest.fixture(scope="module")
def scene():
    steps = np.arange(3000)
    series = from_array(
        np.sin(2 * np.pi * steps / 50) + 0.05 * np.random.default_rng(0).normal(size=3000), train_end=2500
    )
    context = build_context(series)
    return context, draw_hosts(series, context, seed=0)


def test_hit_rate_by_hand():
    assert hit_rate({2, 5}, {2, 5}) == 1.0
    assert hit_rate(set(), {2, 5}) == 0.0
    assert hit_rate({1, 2}, {2, 5}) == pytest.approx(1 / 2 - 1 / 6)
    assert hit_rate({1, 3, 4, 6, 7, 8}, {2, 5}) == -1.0


def test_seed_determines_the_puzzle(scene):
    rule = broad_rule("level_shift")
    assert draw_puzzle(rule, *scene, 1) == draw_puzzle(rule, *scene, 1)
    answers = {tuple(draw_puzzle(rule, *scene, seed)[1]) for seed in range(8)}
    assert len(answers) > 3 and {len(answer) for answer in answers} == {2, 3}
