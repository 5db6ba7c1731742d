"""Training checkpoints: resumed training gives bit-identical weights; other checkpoints are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ape.core.checkpoint import delete_checkpoint
from ape.core.errors import InputError
from ape.series import from_array

NAMES = ["vae", "lstm-ae", "donut", "fcvae", "omni-anomaly", "transformer", "tranad", "timesnet", "crossad"]


class Killed(Exception):
    pass


def interrupt(detector, series, file, report=1):
    """Train until the given progress report, which comes after its checkpoint is written."""
    reports = iter(range(1, 100))

    def progress(step, done, total, note=""):
        if next(reports) == report:
            raise Killed

    with pytest.raises(Killed):
        detector.fit(series, seed=3, progress=progress, checkpoint=file)
    assert file.is_file()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ("vae", "lstm-ae") else pytest.mark.extended) for name in NAMES]
)
def test_training_interrupted_twice_gives_the_same_weights(make, series, file, name):
    uninterrupted = make(name, steps=60).fit(series, seed=3)
    for _ in range(2):
        interrupt(make(name, steps=60), series, file)
    resumed = make(name, steps=60).fit(series, seed=3, checkpoint=file)
    expected, weights = uninterrupted.module.state_dict(), resumed.module.state_dict()
    assert expected.keys() == weights.keys()
    for key in expected:
        assert torch.equal(expected[key], weights[key]), key


def test_finished_steps_are_not_repeated(make, series, file):
    interrupt(make("vae", steps=200), series, file, report=2)
    steps = []
    make("vae", steps=200).fit(
        series, seed=3, checkpoint=file, progress=lambda step, done, total, note="": steps.append(done)
    )
    assert steps == [150, 200]


def test_resuming_does_not_change_the_global_random_state(make, series, file):
    interrupt(make("donut", steps=120), series, file)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    make("donut", steps=120).fit(series, seed=3, checkpoint=file)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("other", ["series", "seed", "backbone", "window", "budget"])
def test_checkpoint_of_another_training_is_refused(make, series, file, other):
    interrupt(make("vae", steps=100), series, file)
    changed = from_array(series.values[:, 0] + np.eye(1, series.length, 5)[0], train_end=series.train_end)
    detector = {
        "backbone": make("donut", steps=100),
        "window": make("vae", steps=100, window=30),
        "budget": make("vae", steps=150),
    }.get(other, make("vae", steps=100))
    with pytest.raises(InputError, match="another series, backbone or seed") as caught:
        detector.fit(changed if other == "series" else series, seed=4 if other == "seed" else 3, checkpoint=file)
    assert caught.value.where == str(file) and "delete it" in caught.value.hint


@pytest.mark.parametrize("damage", ["cut off", "empty", "no state"])
def test_damaged_checkpoint_is_refused(make, series, tmp_path, file, damage):
    interrupt(make("vae", steps=100), series, file)
    if damage == "no state":
        make("vae", steps=1).fit(series).save(tmp_path / "model")
        data = (tmp_path / "model/weights.safetensors").read_bytes()
    else:
        data = file.read_bytes()[: 1000 if damage == "cut off" else 0]
    file.write_bytes(data)
    with pytest.raises(InputError, match="cannot read the training checkpoint"):
        make("vae", steps=100).fit(series, seed=3, checkpoint=file)


def test_deleting_a_checkpoint_also_deletes_interrupted_writes(file):
    for path in (file, file.with_name(".state.abc"), file.with_name("state2")):
        path.write_bytes(b"")
    delete_checkpoint(file)
    assert [path.name for path in file.parent.iterdir()] == ["state2"]
    delete_checkpoint(file)
