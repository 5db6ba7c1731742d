"""Training: losses that are not finite, kills, checkpoints, and too little memory."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import ape.detectors
import ape.posttrain
import ape.series
from ape.core.errors import InputError
from ape.detectors.training import seeded
from ape.posttrain import enhance
from ape.posttrain.engine import outputs, train
from ape.posttrain.state import NotFiniteError
from ape.rules import broad_bank

from .conftest import Killed, killed_at, quiet

WINDOW = 32


class Faulty(torch.nn.Module):
    """An autoencoder whose output or gradient is not finite after some passes in training mode."""

    def __init__(self, fault, sound):
        super().__init__()
        self.encoder, self.decoder = torch.nn.Linear(WINDOW, 8), torch.nn.Linear(8, WINDOW)
        self.fault, self.sound = fault, sound

    def forward(self, x):
        x = self.decoder(self.encoder(x))
        self.sound -= self.training
        if self.sound >= 0:
            return x
        return {"nan": x * torch.nan, "infinite": x * torch.inf, "gradient": x + 0 * (x - x.detach()).sqrt()}[
            self.fault
        ]


def faulty(fault, sound):
    torch.manual_seed(0)
    return ape.detectors.wrap(
        Faulty(fault, sound),
        encoder="encoder",
        reconstruct=lambda module, x: module(x),
        window=WINDOW,
        scale=(0.0, 0.7),
        device="cpu",
    )


def state(model):
    modules = {"backbone": model.module, "head": model.representation}
    return {f"{part}.{name}": x.clone() for part, m in modules.items() for name, x in m.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.fixture
def joint(quick):
    return replace(quick, head_steps=0, joint_steps=40)


@pytest.mark.parametrize("fault", ["nan", "infinite", "gradient"])
@pytest.mark.parametrize("sound", [0, 1, 13])
def test_not_finite_loss_restores_the_weights_of_the_last_check(joint, fault, sound, prepared):
    model, pool, generator = prepared(faulty(fault, sound), joint)
    checks = {0: state(model)}

    def progress(step, done, total, note=""):
        checks[done] = state(model)

    with pytest.raises(NotFiniteError) as caught:
        train(model, pool, joint, generator, progress)
    assert f"at step {sound + 1}" in caught.value.what and "\n" not in str(caught.value)
    assert list(checks) == [done for done in (0, 1, 2, 4, 6, 8, 10, 12) if done <= sound]
    assert_same(state(model), checks[max(checks)])


def test_not_finite_loss_returns_the_original_with_the_reason(bank, series, joint):
    detector = faulty("nan", 9)
    before = {name: x.clone() for name, x in detector.module.state_dict().items()}
    result = enhance(detector, bank, series, recipe=joint)
    assert result.detector is detector and not result.accepted and result.candidate is None
    assert result.report["accepted"] is False and "not finite at step 10" in result.report["reason"]
    assert_same(before, dict(detector.module.state_dict()))


@pytest.fixture
def short(quick):
    return replace(quick, head_steps=20, joint_steps=10, pool=128, joint_batch=8)


@pytest.mark.parametrize(("name", "checks"), [("vae", [1, 9, 17]), ("crossad", [23]), ("donut", [20, 5])])
def test_resumed_training_gives_the_same_weights(series, short, tmp_path, name, checks, prepared):
    detector = ape.detectors.create(name, window=WINDOW, device="cpu")
    detector.budget = replace(detector.budget, steps=5)
    detector.fit(series)
    with seeded(0):
        fresh, pool, _ = prepared(detector, short)

    def trained(progress, file=None):
        model = copy.deepcopy(fresh)
        generator = torch.Generator().manual_seed(5)
        with seeded(0):
            return model, train(model, pool, short, generator, progress, file)["curve"]

    whole, curve = trained(quiet)
    for check in checks:
        with pytest.raises(Killed):
            trained(killed_at(check), tmp_path / "state")
    resumed, same_curve = trained(quiet, tmp_path / "state")
    assert_same(state(whole), state(resumed))
    assert curve == same_curve


def test_resumed_training_gives_the_same_files(detector, bank, series, short, tmp_path):
    with pytest.raises(Killed):
        enhance(detector, bank, series, recipe=short, progress=killed_at(7), checkpoint=tmp_path / "state")
    for name, checkpoint in (("whole", None), ("resumed", tmp_path / "state")):
        enhance(detector, bank, series, recipe=short, checkpoint=checkpoint).candidate.save(tmp_path / name)
    files = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    assert len(files) == 4
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "resumed" / file).read_bytes(), file


def test_finished_training_is_not_repeated(detector, bank, series, quick, tmp_path):
    steps = []

    def progress(step, done, total, note=""):
        if step == "accepting":
            raise Killed
        steps.append(step)

    for _ in range(2):
        with pytest.raises(Killed):
            enhance(detector, bank, series, recipe=quick, progress=progress, checkpoint=tmp_path / "state")
    first = steps.index("profiling", 1)
    assert "post-training" in steps[:first] and "post-training" not in steps[first:]


@pytest.mark.parametrize("other", ["seed", "recipe", "bank", "series", "detector"])
def test_checkpoint_of_another_post_training_is_refused(detector, bank, series, short, tmp_path, other):

    file = tmp_path / "state"
    with pytest.raises(Killed):
        enhance(detector, bank, series, recipe=short, progress=killed_at(1), checkpoint=file)
    given = {"detector": detector, "bank": bank, "series": series, "seed": 0, "recipe": short}
    changed = detector.clone()
    with torch.no_grad():
        next(changed.module.parameters()).mul_(1.01)
    values = series.values + np.linspace(0, 0.01, series.length, dtype=np.float32)[:, None]
    given[other] = {
        "seed": 1,
        "recipe": replace(short, weight=0.2),
        "bank": broad_bank(bank.context, ["time_reverse"]),
        "series": ape.series.from_array(values, channels=series.channels, train_end=series.train_end),
        "detector": changed,
    }[other]
    with pytest.raises(InputError, match="belongs to another") as caught:
        enhance(**given, checkpoint=file)
    assert caught.value.where == str(file)


@pytest.mark.parametrize("length", [0, 1000])
def test_damaged_checkpoint_is_refused(detector, bank, series, short, tmp_path, length):
    file = tmp_path / "state"
    with pytest.raises(Killed):
        enhance(detector, bank, series, recipe=short, progress=killed_at(1), checkpoint=file)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(InputError, match="cannot read the training checkpoint"):
        enhance(detector, bank, series, recipe=short, checkpoint=file)


def limit_memory(monkeypatch, detector, name, most):
    """Let a method of the detector run out of memory on more than ``most`` windows; return the sizes of all calls."""
    method, sizes = getattr(type(detector), name), []

    def limited(self, x, *rest):
        sizes.append(len(x))
        if len(x) > most:
            raise torch.OutOfMemoryError("injected")
        return method(self, x, *rest)

    monkeypatch.setattr(type(detector), name, limited)
    return sizes


def test_outputs_and_scores_are_computed_in_smaller_batches(detector, series, quick, monkeypatch, prepared):
    model, pool, _ = prepared(detector, quick)
    flat, near = pool.windows.flatten(0, 1), pool.nearest.flatten(0, 1)
    expected, scores = outputs(model, flat, near), detector.score(series)
    for name in ("reconstruct", "point_scores"):
        limit_memory(monkeypatch, detector, name, most=70)
    torch.testing.assert_close(outputs(model, flat, near), expected)
    np.testing.assert_allclose(detector.score(series), scores, rtol=1e-4)


def test_training_continues_in_smaller_batches_when_memory_runs_out(detector, joint, monkeypatch, prepared):
    joint = replace(joint, joint_steps=5)
    model, pool, generator = prepared(detector, joint)
    sizes = limit_memory(monkeypatch, detector, "one_pass", most=0)
    limit_memory(monkeypatch, detector, "reconstruct", most=30)
    train(model, pool, joint, generator, quiet)
    assert sizes == [96]  # tried once
    assert all(x.isfinite().all() for x in state(model).values())


def test_too_little_memory_for_one_window_is_refused(detector, joint, monkeypatch, prepared):
    model, pool, generator = prepared(detector, joint)
    limit_memory(monkeypatch, detector, "one_pass", most=0)
    limit_memory(monkeypatch, detector, "reconstruct", most=0)
    with pytest.raises(InputError, match="not enough GPU memory for a single window"):
        train(model, pool, joint, generator, quiet)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_detector_post_trained_on_a_gpu_scores_on_a_cpu(detector, bank, series, quick, tmp_path, monkeypatch):
    detector.save(tmp_path / "detector")
    there = ape.detectors.load(tmp_path / "detector", device="cuda")
    with pytest.raises(Killed):
        enhance(there, bank, series, recipe=quick, progress=killed_at(7), checkpoint=tmp_path / "state")
    result = enhance(there, bank, series, recipe=quick, checkpoint=tmp_path / "state")
    assert result.report["device"].startswith("cuda")
    result.candidate.save(tmp_path / "enhanced")
    there = result.candidate.score(series)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    here = ape.posttrain.load(tmp_path / "enhanced")
    assert here.shift_and_scale[0].device.type == "cpu"
    np.testing.assert_allclose(here.score(series), there, rtol=0.05, atol=0.05)
