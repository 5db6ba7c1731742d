"""Training many series together equals single training up to rounding; errors name the series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support import with_gaps
from torch import nn

import ape.detectors
from ape.core.errors import InputError
from ape.detectors import PartlyTrainedError, fit_together
from ape.series import from_array
from ape.series.windows import sliding

TOLERANCE = 1e-4  # of reconstructions in standard deviations, after the steps below
STEPS = {
    "vae": 20, "donut": 20, "fcvae": 15, "transformer": 6, "tranad": 5, "crossad": 6,
    "lstm-ae": 5, "omni-anomaly": 3, "timesnet": 3,
}  # fmt: skip
STACKABLE = ["vae", "donut", "fcvae", "transformer", "tranad", "crossad"]
SLOW = {"fcvae", "tranad", "crossad", "timesnet", "omni-anomaly"}


def extended_if_slow(names):
    return [pytest.param(name, marks=pytest.mark.extended if name in SLOW else ()) for name in names]


def wave(number, length=700, period=24, channels=1):
    random, t = np.random.default_rng(number), np.arange(length)[:, None]
    values = np.sin(2 * np.pi * t / period + number + np.arange(channels)) + 0.1 * random.normal(
        size=(length, channels)
    )
    return from_array(10.0**number * values, name=f"wave {number}")


@pytest.fixture
def untrained(make):
    """Function that creates an untrained detector on CPU with a given budget."""

    def create(name="vae", steps=None, options=(), **budget):
        detector = make(name, steps=steps or STEPS[name], device="cpu", **dict(options))
        detector.budget = replace(detector.budget, **{"check_every": 10, **budget})
        return detector

    return create


def residuals(detector, series):
    """Residuals of all windows, in standard deviations."""
    x = torch.from_numpy(np.ascontiguousarray(sliding(series.values, detector.window)))
    with torch.no_grad():
        return (detector.reconstruct(x) - x) / detector.shift_and_scale[1][:, None]


def assert_alike(first, second, series, tolerance=TOLERANCE):
    assert first.window == second.window
    assert float((residuals(first, series) - residuals(second, series)).abs().max()) <= tolerance


def assert_same(first, second):
    for one, other in zip(first.module.state_dict().values(), second.module.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", extended_if_slow(STACKABLE))
def test_stacked_training_equals_single_training_for_series_of_different_lengths(untrained, name):
    series = [wave(0), wave(1, length=913), wave(2, length=400)]
    for one, detector in zip(series, fit_together(untrained(name), series, seed=3), strict=True):
        assert_alike(detector, untrained(name).fit(one, seed=3), one)
        assert not any(part.training for part in detector.module.modules())


@pytest.mark.extended
def test_stacked_training_with_association_equals_single_training(untrained):
    series, options = [wave(0), wave(1)], {"association": True}
    detectors = fit_together(untrained("transformer", steps=5, options=options), series)
    for one, detector in zip(series, detectors, strict=True):
        assert_alike(detector, untrained("transformer", steps=5, options=options).fit(one), one)


@pytest.mark.parametrize("name", extended_if_slow(sorted(set(STEPS) - set(STACKABLE))))
def test_backbones_that_cannot_be_stacked_are_identical_to_single_training(untrained, name):
    series = [wave(0, length=300), wave(1, length=350)]
    for one, detector in zip(series, fit_together(untrained(name), series, seed=3), strict=True):
        assert_same(detector, untrained(name).fit(one, seed=3))


def test_order_of_the_series_does_not_matter(untrained):
    series = [wave(number, length=500 + 50 * number) for number in range(4)]
    forward, backward = fit_together(untrained(), series), fit_together(untrained(), series[::-1])
    for one, first, second in zip(series, forward, backward[::-1], strict=True):
        assert_alike(first, second, one)


def test_early_stop_of_one_series_keeps_its_best_weights_and_does_not_stop_the_others(untrained):
    original = wave(0)
    values = original.values.copy()
    values[-110:] = 5 * original.values.std() * np.random.default_rng(5).choice([-1, 1], size=(110, 1))
    series = [wave(1), from_array(values), wave(2)]
    budget = {"steps": 80, "patience": 2, "rate": 3e-3}
    reports, evaluations = [], []
    detectors = fit_together(
        untrained(**budget), series, progress=lambda step, done, total, note="": reports.append((done, note))
    )
    for one, detector in zip(series, detectors, strict=True):
        calls = []
        single = untrained(**budget).fit(one, progress=lambda *call, calls=calls: calls.append(call))
        evaluations.append(len(calls))
        assert_alike(detector, single, one)
    assert evaluations[1] < evaluations[0] == evaluations[2] == 8  # the second series stops early
    assert [note for _, note in reports].count("1 of 3 series") == 8 - evaluations[1]
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    assert reports[-1] == (240, "3 of 3 series")


def test_windows_and_channels_may_differ(untrained):
    series = [wave(0, period=32), wave(1, period=48), wave(2, period=32), wave(3, channels=2), wave(1, period=32)]
    pattern = untrained(steps=20, options={"window": None})
    detectors = fit_together(pattern, series)
    assert len({detector.window for detector in detectors}) > 1
    for one, detector in zip(series, detectors, strict=True):
        assert_alike(detector, untrained(steps=20, options={"window": None}).fit(one), one)


def test_series_with_fewer_windows_than_a_batch_equal_single_training(untrained):
    series = [wave(0, length=130), wave(1), wave(2, length=130), wave(0)]
    for one, detector in zip(series, fit_together(untrained(), series), strict=True):
        assert_alike(detector, untrained().fit(one), one)


def test_large_stack_is_split(untrained, monkeypatch):
    series = [wave(number) for number in range(5)]
    whole = fit_together(untrained(steps=20), series)
    monkeypatch.setattr("ape.detectors.stacked_training.STACK_BYTES_CPU", 1 << 20)
    notes = []
    split = fit_together(untrained(steps=20), series, progress=lambda step, done, total, note="": notes.append(note))
    assert {"0 of 5 series", "5 of 5 series"} < set(notes)
    for one, first, second in zip(series, whole, split, strict=True):
        assert_alike(first, second, one)


def test_one_series_is_identical_to_single_training(untrained, series):
    assert_same(fit_together(untrained(), [series], seed=2)[0], untrained().fit(series, seed=2))


def test_no_series_gives_no_detectors(untrained):
    assert fit_together(untrained(), []) == []


def test_weights_do_not_depend_on_the_global_random_state(untrained):
    series, results = [wave(0), wave(1)], []
    for state in (1, 2):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        results.append(fit_together(untrained(steps=10), series, seed=4))
        assert torch.equal(before, torch.get_rng_state())
    for first, second in zip(*results, strict=True):
        assert_same(first, second)


def test_given_detector_is_not_changed_and_new_ones_are_independent(untrained):
    pattern = untrained(steps=5)
    first, second = fit_together(pattern, [wave(0), wave(0)])
    with pytest.raises(InputError, match="not trained"):
        _ = pattern.module
    before = second.score(wave(0))
    with torch.no_grad():
        for parameter in first.module.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(before, second.score(wave(0)))


def test_detectors_can_be_saved_and_loaded(untrained, tmp_path):
    detector = fit_together(untrained(steps=5), [wave(0), wave(1)])[1]
    detector.save(tmp_path / "model")
    np.testing.assert_array_equal(
        detector.score(wave(1)), ape.detectors.load(tmp_path / "model", device="cpu").score(wave(1))
    )


def test_short_series_is_named_before_any_training(untrained):
    reports = []
    with pytest.raises(InputError, match="130 training points are too few") as caught:
        fit_together(
            untrained(options={"window": 40}),
            [wave(0), wave(1, length=130)],
            progress=lambda *call: reports.append(call),
        )
    assert caught.value.where == "series[1] 'wave 1'"
    assert reports == []


@pytest.mark.parametrize("name", ["vae", "lstm-ae"])
def test_series_with_infinite_loss_is_named_and_does_not_affect_the_others(untrained, name, monkeypatch):
    backbone = type(untrained(name, steps=1).fit(wave(0)).module)
    loss = backbone.loss
    monkeypatch.setattr(
        backbone, "loss", lambda self, x: loss(self, x) * torch.where(x.abs().amax() > 9, torch.nan, torch.ones(()))
    )
    values = wave(1).values.copy()
    values[100] *= 1e3
    series = [wave(0), from_array(values, name="spiked"), wave(2)]
    with pytest.raises(InputError) as single:
        untrained(name, steps=20).fit(series[1])
    with pytest.raises(PartlyTrainedError, match="1 of 3 series") as caught:
        fit_together(untrained(name, steps=20), series)
    assert caught.value.where == f"series[1] 'spiked': {single.value.what}"
    first, failed, last = caught.value.detectors
    assert failed is None
    for one, detector in zip(series[::2], (first, last), strict=True):
        assert_alike(detector, untrained(name, steps=20).fit(one), one)


def test_wrapped_module_is_refused(series):
    wrapped = ape.detectors.wrap(
        nn.Sequential(nn.Linear(24, 4), nn.Linear(4, 24)), "0", lambda module, x: module(x), window=24
    )
    with pytest.raises(InputError, match="wrapped"):
        fit_together(wrapped, [series])


def test_long_training_has_nearly_the_same_error_as_single_training(untrained):
    """Rounding differences grow with the steps; the errors stay within 5 %."""
    series = [wave(number, length=400) for number in range(2)]
    for one, detector in zip(series, fit_together(untrained(steps=100, check_every=50), series), strict=True):
        single = untrained(steps=100, check_every=50).fit(one)
        errors = [float(residuals(each, one).square().mean()) for each in (detector, single)]
        assert errors[0] == pytest.approx(errors[1], rel=0.05)


def test_series_with_gaps_are_trained_together(untrained):
    series = [wave(0), with_gaps(wave(1), 200, 215, 500), with_gaps(wave(2), 350)]
    together = fit_together(untrained(), series)
    for one, joint in zip(series, together, strict=True):
        assert_alike(untrained().fit(one), joint, one)
