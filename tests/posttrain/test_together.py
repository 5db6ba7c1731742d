"""Many post-trainings together: what each gives alone, but for rounding; a refused one is nobody else's concern."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import ape.detectors
import ape.posttrain
from ape.core.errors import InputError
from ape.detectors.backbones.vae import VAE
from ape.detectors.training import seeded
from ape.posttrain import DEFAULT, enhance, enhance_together, from_bank
from ape.posttrain.candidates import profile
from ape.posttrain.engine import Course, draw_pool
from ape.posttrain.enhancement import untrained
from ape.posttrain.recipe import UNTRAINED
from ape.posttrain.stack import head_steps, joint_steps
from ape.rules import build_context, generic_bank
from ape.series import from_array

TOLERANCE = 1e-4  # of scores after the steps below
FEW = replace(DEFAULT, head_steps=12, joint_steps=6, pool=64, batch=24, joint_batch=12)
STACKED = ["vae", "donut", "fcvae", "transformer", "tranad", "crossad"]


def given(number, length=420, window=32, channels=1, name="vae"):
    """A noisy wave in units of its own, a detector that was trained a little, and a bank."""
    random, t = np.random.default_rng(number), np.arange(length)[:, None]
    wave = np.sin(2 * np.pi * t / 25 + number + np.arange(channels)) + 0.05 * random.normal(size=(length, channels))
    series = from_array(10.0**number * wave, name=f"wave {number}", train_end=length - 40)
    detector = ape.detectors.create(name, window=window, device="cpu")
    detector.budget = replace(detector.budget, steps=5)
    return detector.fit(series), generic_bank(build_context(series), ["time_reverse", "amplitude_scale"]), series


def together(cases, **options):
    return enhance_together(*map(list, zip(*cases, strict=True)), **{"recipe": FEW, **options})


def assert_alike(first, second, series):
    assert first.accepted == second.accepted
    curves = [result.report["training"]["curve"] for result in (first, second)]
    assert [point["step"] for point in curves[0]] == [point["step"] for point in curves[1]]
    scores = [result.candidate.score(series) for result in (first, second)]
    np.testing.assert_allclose(*scores, rtol=0, atol=TOLERANCE)


def assert_same(first, second, series):
    np.testing.assert_array_equal(first.candidate.score(series), second.candidate.score(series))
    for part in ("module", "representation"):
        states = [getattr(result.candidate, part).state_dict() for result in (first, second)]
        assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


@pytest.fixture(scope="module")
def cases():
    return [given(0), given(1, length=460)]


@pytest.fixture(scope="module")
def alone(cases):
    return [enhance(*case, recipe=FEW) for case in cases]


@pytest.fixture(scope="module")
def many(cases):
    return together(cases)


def course(case, recipe):
    detector, bank, series = case
    generator = torch.Generator().manual_seed(0)
    candidates = profile(series, detector.window, *detector.scale_shift)
    model = untrained(detector.clone(), candidates, recipe, generator)
    pool = draw_pool(model, bank, from_bank(bank), candidates, recipe, generator)
    return Course.begin(model, pool, recipe, generator)


@pytest.mark.parametrize(
    ("name", "negatives"), [*((name, "pseudo") for name in STACKED), ("vae", "batch"), ("vae", "none")]
)
def test_steps_in_a_stack_are_those_alone(name, negatives):
    recipe = replace(FEW, head_steps=6, joint_steps=3, pool=32, negatives=negatives, inputs=("latent", *FEW.inputs))
    pair = [given(number, length=360, name=name) for number in range(2)]
    stack, lonely = ([course(case, recipe) for case in pair] for _ in range(2))
    looks = []
    with seeded(5):
        assert head_steps(stack, looks.append) == {} == joint_steps(stack, looks.append)
    assert looks == list(range(1, 10))
    for many, one in zip(stack, lonely, strict=True):
        with seeded(5):
            one.go_on(lambda *_: None)
        assert many.state.done == one.state.done == 9
        for part in ("module", "representation"):
            expected = getattr(one.model, part).state_dict()
            for key, tensor in getattr(many.model, part).state_dict().items():
                torch.testing.assert_close(tensor, expected[key], rtol=1e-3, atol=1e-4, msg=key)
        curves = [[list(point.values()) for point in each.state.curve] for each in (many, one)]
        assert [points[2] is None for points in curves[0]] == 6 * [True] + 3 * [False]
        np.testing.assert_allclose(*(np.array(curve, dtype=float) for curve in curves), rtol=1e-4)


def test_a_course_goes_on_alone_after_steps_in_a_stack(cases):
    stack, lonely = ([course(case, FEW) for case in cases] for _ in range(2))
    with seeded(0):
        head_steps(stack, lambda _: None)
        noise = torch.get_rng_state()
    for many, one in zip(stack, lonely, strict=True):
        with seeded(0):
            one.go_on(lambda *_: None)
            torch.set_rng_state(noise)
            many.go_on(lambda *_: None)
        assert many.state.learning.schedule.state_dict() == one.state.learning.schedule.state_dict()
        for ours, its in zip(many.state.parameters, one.state.parameters, strict=True):
            torch.testing.assert_close(ours, its, rtol=1e-3, atol=1e-5)
            for name, moment in one.state.learning.optimiser.state[its].items():
                torch.testing.assert_close(
                    many.state.learning.optimiser.state[ours][name], moment, rtol=1e-2, atol=1e-5
                )


def test_together_is_as_alone(cases, many, alone):
    for (detector, _, series), result, one in zip(cases, many, alone, strict=True):
        assert_alike(result, one, series)
        assert set(result.report) == set(one.report) and set(result.report["seconds"]) == set(one.report["seconds"])
        given_back = {"post-trained": result.candidate, "original": detector}.get(result.report["kept"])
        assert given_back is None or result.detector is given_back
        assert not any(part.training for part in result.candidate.module.modules())


def test_other_windows_are_as_alone():
    mixed = [given(2, window=52), given(1, length=400, window=56)]
    for case, result in zip(mixed, together(mixed), strict=True):
        assert_alike(result, enhance(*case, recipe=FEW), case[2])


def test_wrapped_modules_are_as_alone(cases):
    def wrapped(series):
        module = torch.nn.Sequential(torch.nn.Linear(32, 8), torch.nn.Linear(8, 32))
        scale = 0.0, float(series.values.std())
        return ape.detectors.wrap(module, encoder="0", reconstruct=lambda m, x: m(x), window=32, scale=scale)

    mixed = [(wrapped(series), bank, series) for _, bank, series in cases]
    for case, result in zip(mixed, together(mixed), strict=True):
        assert_alike(result, enhance(*case, recipe=FEW), case[2])


@pytest.mark.parametrize("choice", [{"freeze": "projection-only"}, {"freeze": "decoder"}, {"head_steps": 0}])
def test_other_recipes_are_as_alone(cases, choice):
    recipe = replace(FEW, **choice)
    for case, many in zip(cases, together(cases, recipe=recipe), strict=True):
        assert_alike(many, enhance(*case, recipe=recipe), case[2])


def test_no_steps_are_bit_for_bit_as_alone(cases):
    recipe = replace(UNTRAINED, pool=64)
    result, one = together(cases[:1], recipe=recipe)[0], enhance(*cases[0], recipe=recipe)
    assert_same(result, one, cases[0][2])
    assert set(result.report["seconds"]) == set(one.report["seconds"])
    assert result.report["training"] == one.report["training"]


def test_order_does_not_matter(cases, many):
    for case, there, back in zip(cases, many, together(cases[::-1])[::-1], strict=True):
        assert_alike(there, back, case[2])


def test_one_is_bit_for_bit_as_alone(cases, alone):
    assert_same(together(cases[:1])[0], alone[0], cases[0][2])


def test_what_is_too_much_to_hold_goes_in_turns(cases, alone, monkeypatch):
    monkeypatch.setattr("ape.posttrain.together.HELD", 1)
    for case, many, one in zip(cases, together(cases), alone, strict=True):
        assert_same(many, one, case[2])


def test_backbones_too_large_for_a_stack_go_alone(cases, alone, monkeypatch):
    monkeypatch.setattr("ape.detectors.together.ON_CPU", 1)
    for case, many, one in zip(cases, together(cases), alone, strict=True):
        assert_alike(many, one, case[2])


def broken(case):
    detector = case[0].clone()
    with torch.no_grad():
        next(detector.module.parameters()).fill_(torch.nan)
    return detector, *case[1:]


def test_refused_ones_come_back_with_their_reasons_and_affect_no_other(cases, alone):
    (detector, bank, series), last = cases
    refused = {
        "too few to post-train": (detector, bank, from_array(series.values[:150])),
        "no usable rule": (detector, bank.model_copy(update={"rules": []}), series),
        "2 channels, the series 1": (detector, given(0, channels=2)[1], series),
        "not finite": broken(cases[0]),
        "not trained": (ape.detectors.create("vae", device="cpu"), bank, series),
    }
    results = together([cases[0], *refused.values(), last])
    for (reason, case), result in zip(refused.items(), results[1:-1], strict=True):
        assert result.detector is case[0] and not result.accepted and result.candidate is None
        assert result.report["accepted"] is False and reason in result.report["reason"]
    for case, many, one in zip(cases, (results[0], results[-1]), alone, strict=True):
        assert_alike(many, one, case[2])


def test_a_loss_that_is_not_finite_stops_one_alone(cases, alone, monkeypatch):
    detector, bank, series = cases[0]
    own = VAE.loss

    def faulty(self, x):
        return own(self, x) * torch.where(self.mean.bias[0] > 100, torch.nan, torch.ones(()))

    marked = copy.deepcopy(detector)
    with torch.no_grad():
        marked.module.mean.bias[0] += 200
    monkeypatch.setattr(VAE, "loss", faulty)
    first, lost, last = together([cases[0], (marked, bank, series), cases[1]])
    expected = enhance(marked, bank, series, recipe=FEW)
    assert lost.detector is marked and lost.candidate is None and not lost.accepted
    assert lost.report == expected.report and "not finite at step 13" in lost.report["reason"]
    for case, many, one in zip(cases, (first, last), alone, strict=True):
        assert_alike(many, one, case[2])


def test_none_gives_none():
    assert enhance_together([], [], []) == []


def test_lists_of_other_lengths_are_refused(cases):
    detector, bank, series = cases[0]
    with pytest.raises(InputError, match="2 detectors, 1 banks and 2 series"):
        enhance_together([detector] * 2, [bank], [series] * 2)


def test_what_was_given_and_the_global_random_state_stay(cases):
    before = [copy.deepcopy(case[0].module.state_dict()) for case in cases]
    random = torch.get_rng_state()
    first, second = together(cases)
    assert torch.equal(random, torch.get_rng_state())
    for (detector, *_), state in zip(cases, before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in detector.module.state_dict().items())
    score = second.candidate.score(cases[1][2])
    with torch.no_grad():
        for parameter in first.candidate.representation.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(score, second.candidate.score(cases[1][2]))


def test_what_was_made_together_can_be_saved_and_loaded(cases, many, tmp_path):
    many[1].candidate.save(tmp_path / "enhanced")
    loaded = ape.posttrain.load(tmp_path / "enhanced")
    np.testing.assert_array_equal(many[1].candidate.score(cases[1][2]), loaded.score(cases[1][2]))


def test_progress_counts_the_steps_of_all(cases):
    told = []
    detector, bank, series = cases[0]
    empty = detector, bank.model_copy(update={"rules": []}), series
    together([*cases, empty], progress=lambda step, done, total, note="": told.append((step, done, total)))
    done = [done for step, done, _ in told if step == "post-training"]
    assert done == sorted(done) and len(done) > 10
    assert ("post-training", 54, 54) in told and told[-1] == ("accepting", 3, 3)
