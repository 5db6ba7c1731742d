"""Training that is killed and goes on: the same weights, bit for bit; another training's file is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ape.core.errors import InputError
from ape.series import from_array

NAMES = ["vae", "lstm-ae", "donut", "fcvae", "omni-anomaly", "transformer", "tranad", "timesnet", "crossad"]


class Killed(Exception):
    pass


def killed_at_look(number):
    looks = iter(range(1, 100))

    def progress(step, done, total, note=""):
        if next(looks) == number:
            raise Killed

    return progress


def begun(detector, series, file, look=1):
    with pytest.raises(Killed):
        detector.fit(series, seed=3, progress=killed_at_look(look), checkpoint=file)
    assert file.is_file()


@pytest.mark.parametrize("name", NAMES)
def test_killed_twice_and_resumed_gives_the_same_weights(make, series, tmp_path, name):
    def fresh():
        return make(name, steps=60, device="cpu")

    whole = fresh().fit(series, seed=3)
    for look in (1, 1):
        begun(fresh(), series, tmp_path / "state", look)
    resumed = fresh().fit(series, seed=3, checkpoint=tmp_path / "state")
    expected, found = whole.module.state_dict(), resumed.module.state_dict()
    assert expected.keys() == found.keys()
    for key in expected:
        assert torch.equal(expected[key], found[key]), key


def test_what_was_done_is_not_done_again(make, series, tmp_path):
    begun(make("vae", steps=200, device="cpu"), series, tmp_path / "state", look=2)
    told = []
    make("vae", steps=200, device="cpu").fit(
        series, seed=3, checkpoint=tmp_path / "state", progress=lambda step, done, total, note="": told.append(done)
    )
    assert told == [150, 200]


def test_resuming_leaves_the_global_random_state(make, series, tmp_path):
    begun(make("donut", steps=120, device="cpu"), series, tmp_path / "state")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    make("donut", steps=120, device="cpu").fit(series, seed=3, checkpoint=tmp_path / "state")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("other", ["series", "seed", "backbone", "window", "budget"])
def test_state_of_another_training_is_refused(make, series, tmp_path, other):
    begun(make("vae", steps=100, device="cpu"), series, tmp_path / "state")
    changed = from_array(series.values[:, 0] + np.eye(1, series.length, 5)[0], train_end=series.train_end)
    detector = {
        "backbone": make("donut", steps=100, device="cpu"),
        "window": make("vae", steps=100, device="cpu", window=30),
        "budget": make("vae", steps=150, device="cpu"),
    }.get(other, make("vae", steps=100, device="cpu"))
    with pytest.raises(InputError, match="another series, backbone or seed") as caught:
        detector.fit(
            changed if other == "series" else series, seed=4 if other == "seed" else 3, checkpoint=tmp_path / "state"
        )
    assert caught.value.where == str(tmp_path / "state") and "delete it" in caught.value.hint


@pytest.mark.parametrize("damage", ["cut off", "empty", "no state"])
def test_damaged_state_is_refused(make, series, tmp_path, damage):
    begun(make("vae", steps=100, device="cpu"), series, tmp_path / "state")
    if damage == "no state":
        make("vae", steps=1).fit(series).save(tmp_path / "model")
        data = (tmp_path / "model/weights.safetensors").read_bytes()
    else:
        data = (tmp_path / "state").read_bytes()[: 1000 if damage == "cut off" else 0]
    (tmp_path / "state").write_bytes(data)
    with pytest.raises(InputError, match="cannot read the training checkpoint"):
        make("vae", steps=100, device="cpu").fit(series, seed=3, checkpoint=tmp_path / "state")
