"""The data that tools may use."""

from __future__ import annotations

import numpy as np

from ape.series import Series
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench


def test_values_after_train_end_and_the_name_are_removed(tmp_path, wave):
    stamps = np.arange(1500).astype("datetime64[s]").astype("datetime64[ns]")
    column = wave.astype(np.float32)[:, None]
    series = Series(column, ("c0",), 1000, stamps, "some text", "secret_name", ("a note",))
    bench = Workbench(series, Artefacts(tmp_path))
    assert len(bench.series.values) == len(bench.series.timestamps) == len(bench.column("c0")) == 1000
    assert "secret" not in repr(bench)
    assert bench.series.text == "some text"
    assert bench.column("c0").dtype == np.float64
    np.testing.assert_array_equal(bench.column("c0"), column[:1000, 0])
