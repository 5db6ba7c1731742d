"""Motifs and discords."""

from __future__ import annotations

import io

import numpy as np

from ape.tools.artefacts import Artefacts
from ape.tools.matrix_profile import recurrence

from .conftest import NOISE, sine


def test_motifs_and_discords_by_hand():
    distance = np.array([4.0, 1.0, 4.0, 2.0, 8.0, 7.0, 4.0, 0.5])  # of windows of 4 samples: the largest is 4
    index = np.array([3, 7, 6, 0, 0, 0, 2, 1])
    result = recurrence(distance, index, window=4)
    assert result.median_distance == 1.0
    assert result.discords[0] == {"position": 4, "distance": 2.0, "over_median": 2.0}
    assert result.discords[1]["position"] == 0  # 1 to 7 lie within a window of the first
    assert result.motifs[0] == {"position": 7, "twin": 1, "distance": 0.125}
    assert len(result.motifs) == 1  # nothing is left apart from both twins


def test_planted_discord_is_located_and_the_profile_stored(ask, tmp_path):
    values = np.tile(sine(50, 50), 30) + 0.02 * NOISE[:1500]
    values[700:725] = values[700:725][::-1] + 0.5
    answer = ask(values, "matrix_profile", window=50)
    assert 650 <= answer["discords"][0]["position"] <= 725
    assert answer["discords"][0]["over_median"] > 3
    assert answer["median_distance"] < 0.1
    profile = np.load(io.BytesIO(Artefacts(tmp_path).get_bytes(answer["artefact"])))
    assert len(profile) == 1451
    assert 650 <= profile.argmax() <= 725
