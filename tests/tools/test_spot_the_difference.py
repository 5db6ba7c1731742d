"""Spot the difference: pictures of windows, some of which a rule made."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from ape.agents import Brain
from ape.agents.consult import consult
from ape.agents.expert.model import ExpertChatModel
from ape.agents.records import Spotting
from ape.rules import build_context, generic_rule
from ape.rules.check import draw_hosts
from ape.rules.schema import ScalePrior
from ape.series import from_array
from ape.tools import spotter_tools
from ape.tools.artefacts import Artefacts
from ape.tools.spot_the_difference import draw_puzzle, hit_rate


@pytest.fixture(scope="module")
def scene():
    steps = np.arange(3000)
    series = from_array(
        np.sin(2 * np.pi * steps / 50) + 0.05 * np.random.default_rng(0).normal(size=3000), train_end=2500
    )
    context = build_context(series)
    return context, draw_hosts(series, context, seed=0)


def spot(rule, scene, folder, seed: int, room: float = float("inf")) -> tuple[Spotting, set[int]]:
    picture, answer = draw_puzzle(rule, *scene, seed)
    artefacts = Artefacts(folder)
    puzzles = {rule.id: artefacts.put_bytes(picture, ".png")}
    task = {"task": "spot", "rules": [rule.id]}
    brain = Brain(ExpertChatModel(), room=room)
    outcome = asyncio.run(consult(brain, "visual inspector", task, spotter_tools(puzzles), Spotting, artefacts))
    return outcome.answer, set(answer)


def test_the_hit_rate_by_hand():
    assert hit_rate({2, 5}, {2, 5}) == 1.0
    assert hit_rate(set(), {2, 5}) == 0.0
    assert hit_rate({1, 2}, {2, 5}) == pytest.approx(1 / 2 - 1 / 6)
    assert hit_rate({1, 3, 4, 6, 7, 8}, {2, 5}) == -1.0


def test_the_same_seed_gives_the_same_picture_and_another_gives_another(scene):
    rule = generic_rule("level_shift")
    assert draw_puzzle(rule, *scene, 1) == draw_puzzle(rule, *scene, 1)
    answers = {tuple(draw_puzzle(rule, *scene, seed)[1]) for seed in range(8)}
    assert len(answers) > 3 and {len(answer) for answer in answers} == {2, 3}


def test_the_embedded_inspector_finds_what_is_large_from_the_pixels(scene, tmp_path):
    rule = generic_rule("level_shift").model_copy(update={"scale": ScalePrior(low=4, high=6, unit="series_sd")})
    rates = []
    for seed in range(6):
        answer, made = spot(rule, scene, tmp_path, seed)
        assert answer.sees_pictures and {odd.rule_id for odd in answer.odd} == {rule.id}
        rates.append(hit_rate({odd.panel for odd in answer.odd}, made))
    assert np.mean(rates) > 0.8


def test_what_was_not_shown_was_not_seen(scene, tmp_path):
    answer, _ = spot(generic_rule("level_shift"), scene, tmp_path, seed=0, room=0)
    assert not answer.sees_pictures and answer.odd == []
