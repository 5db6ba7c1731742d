"""The artefact store: ids by content, and no access outside its folder."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.tools.artefacts import Artefacts


def test_equal_content_has_one_id_and_one_file(tmp_path):
    store = Artefacts(tmp_path / "store")
    first, second = store.put_bytes(b"picture", ".png"), store.put_bytes(b"picture", ".png")
    assert first == second == hashlib.sha256(b"picture").hexdigest()[:16] + ".png"
    assert store.get_bytes(first) == b"picture"
    assert [path.name for path in (tmp_path / "store").iterdir()] == [first]


def test_arrays_round_trip_without_pickle(tmp_path):
    store = Artefacts(tmp_path)
    array = np.arange(6.0).reshape(2, 3)
    loaded = np.load(io.BytesIO(store.get_bytes(store.put_array(array.T))), allow_pickle=False)
    np.testing.assert_array_equal(loaded, array.T)
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        store.put_array(np.array([object()]))


@given(st.text(max_size=40))
def test_invalid_ids_are_refused(text):
    with pytest.raises(InputError):
        Artefacts("store").path(text)


@pytest.mark.parametrize(
    "identifier", ["../0123456789abcdef.png", "0123456789abcdef.png/..", "0123456789abcdef.", "\n"]
)
def test_ids_cannot_lead_out_of_the_folder(tmp_path, identifier):
    with pytest.raises(InputError):
        Artefacts(tmp_path).path(identifier)


def test_bad_suffix_and_unknown_id_are_refused(tmp_path):
    with pytest.raises(InputError):
        Artefacts(tmp_path).put_bytes(b"x", "/../x")
    with pytest.raises(InputError, match="no artefact"):
        Artefacts(tmp_path).get_bytes("0123456789abcdef.png")
    assert list(tmp_path.iterdir()) == []
