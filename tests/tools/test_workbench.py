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


def test_positions_have_times_with_the_zone(tmp_path, wave):
    stamps = np.datetime64("2024-05-01T23:00", "ns") + np.arange(1500) * np.timedelta64(1, "m")
    hour = np.full(1500, 3600, dtype=np.int32)
    series = Series(
        wave.astype(np.float32)[:, None], ("c0",), 1000, stamps, zone="+01:00", clock_offset=hour, step=60.0
    )
    bench = Workbench(series, Artefacts(tmp_path))
    assert bench.time(10) == "2024-05-02 00:10:00+01:00"
    assert bench.span(0, 61) == {"first_time": "2024-05-02 00:00:00+01:00", "last_time": "2024-05-02 01:00:00+01:00"}
    assert bench.with_times([{"position": 60}]) == [{"position": 60, "time": "2024-05-02 01:00:00+01:00"}]
    assert bench.clock_text(np.datetime64("2024-05-01T23:30", "s")) == "2024-05-02T00:30:00+01:00"


def test_without_times_nothing_is_added(tmp_path, wave):
    bench = Workbench(Series(wave.astype(np.float32)[:, None], ("c0",)), Artefacts(tmp_path))
    assert bench.time(3) is None and bench.span(0, 5) == {}
    assert bench.with_times([{"position": 3}]) == [{"position": 3}]
