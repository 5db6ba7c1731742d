"""The subspace voice: agreement with scikit-learn, and what it sees."""

from __future__ import annotations

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.decomposition import PCA

from ape.posttrain.discriminator.normal import Normal
from ape.posttrain.discriminator.subspace import EXPLAINED, LEAST, PATCH, Subspace
from ape.rules import build_context
from ape.series import from_array

TRAINED = 900


def two_sensors(length=1200, seed=0):
    """Two sensors of one wave with a slowly varying amplitude, [length, 2]."""
    rng = np.random.default_rng(seed)
    wave = np.sin(np.arange(length) / 6) * (2 + np.sin(np.arange(length) / 150))
    return (np.stack([wave, 3 - 2 * wave], 1) + 0.05 * rng.normal(size=(length, 2))).astype(np.float32)


def normal_of(values, suspicious=None):
    context = build_context(from_array(values, ["a", "b"]))
    return Normal.of(values, context, [(0, 400), (400, len(values))], suspicious)


def distances(values, normal):
    """The distance at each point and channel, [n, C]."""
    return Subspace.of(normal).distance(normal.standard(values)[None])[0].T.numpy()


def test_distances_are_those_of_principal_components():
    values = two_sensors()
    normal = normal_of(values[:TRAINED])
    standard = normal.standard(values).numpy()
    patches = sliding_window_view(standard, PATCH, axis=1).transpose(1, 0, 2)
    clean = np.r_[0 : 400 - PATCH + 1, 400 : TRAINED - PATCH + 1]  # none crosses the gap
    scale = patches[clean].std((0, 2), ddof=1)[:, None]
    rows = (patches / scale).reshape(len(patches), -1)
    pca = PCA(EXPLAINED).fit(rows[clean])
    rest = np.square(rows - pca.inverse_transform(pca.transform(rows))).reshape(patches.shape).mean(2)
    covering = [slice(max(0, t - PATCH + 1), t + 1) for t in range(len(values))]
    expected = np.log(np.array([rest[some].mean(0) for some in covering]) + LEAST)
    np.testing.assert_allclose(distances(values, normal), expected, atol=0.02)


def test_a_broken_relation_between_channels_is_seen_at_once_and_until_it_ends():
    values = two_sensors()
    values[1000:1100, 1] = 3 + 2 * (values[1000:1100, 0])  # the second sensor has the wrong sign: each is usual alone
    distance = distances(values, normal_of(values[:TRAINED])).max(1)
    usual = np.quantile(distance[:TRAINED], 0.999)
    assert (distance[1004:1096] > usual + 3).all()
    assert (distance[1100 + PATCH :] < usual + 1).all() and (distance[TRAINED : 1000 - PATCH] < usual + 1).all()


def test_suspicious_samples_have_no_part_in_the_subspace():
    values = two_sensors()[:TRAINED]
    suspicious = np.zeros(TRAINED, bool)
    suspicious[600:700] = True
    changed = values.copy()
    changed[600:700, 1] = 3 + 2 * changed[600:700, 0]
    one, other = (Subspace.of(normal_of(each, suspicious)) for each in (values, changed))
    torch.testing.assert_close(one.components, other.components)
    assert not torch.allclose(Subspace.of(normal_of(changed)).deviation, one.deviation, rtol=1e-3)


def test_a_sensor_that_was_constant_has_finite_distances():
    values = two_sensors()
    values[:, 1] = 4.0
    changed = values.copy()
    changed[1000:, 1] = 5.0
    context = build_context(from_array(two_sensors(), ["a", "b"]))
    normal = Normal.of(values[:TRAINED], context)
    assert np.isfinite(distances(values, normal)).all()
    assert (distances(changed, normal)[1016:, 1] > distances(values, normal)[1016:, 1]).all()


def test_the_same_values_give_the_same_subspace():
    values = two_sensors()[:TRAINED]
    torch.manual_seed(5)
    first = Subspace.of(normal_of(values))
    assert torch.equal(first.components, Subspace.of(normal_of(values)).components)
