"""Names of columns: an index without a name, rows above the table, and columns that only number the rows."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.series import load

T = 300
WAVE = np.round(np.sin(np.arange(T) / 7) * 40 + 100, 2)
SEPARATORS = [",", ";", "\t", "|", " "]


def read(tmp_path, lines):
    path = tmp_path / "series.csv"
    path.write_text("\n".join(lines) + "\n")
    return load(path)


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("names", [["", "value"], ['""', '"value"'], ["value"]])
def test_a_header_that_begins_with_the_separator_belongs_to_an_index(tmp_path, separator, names):
    rows = [f"{k}{separator}{value}" for k, value in enumerate(WAVE)]
    series = read(tmp_path, [separator.join(names), *rows])
    assert series.channels == ("value",)
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)


@pytest.mark.parametrize("separator", SEPARATORS[:-1])
def test_one_name_beside_times_without_a_name(tmp_path, separator):
    times = np.datetime64("2024-01-20T00:00:00") + np.arange(T) * np.timedelta64(60, "s")
    series = read(tmp_path, [f"{separator}value", *(f"{t}{separator}{v}" for t, v in zip(times, WAVE, strict=True))])
    assert series.channels == ("value",) and (series.clock == times).all()


@pytest.mark.parametrize("order", [np.r_[0:50, 90:T], np.arange(T)[::-1], np.r_[0, 2, 1, 3:T], np.r_[0:60, 55:T]])
def test_a_named_index_is_left_out_though_rows_are_missing_or_moved(tmp_path, order):
    series = read(tmp_path, ["index,value", *(f"{k},{WAVE[k]}" for k in order)])
    assert series.channels == ("value",)
    np.testing.assert_allclose(series.exact[:, 0], WAVE[order], atol=1e-5)


def test_a_measured_count_is_a_channel(tmp_path):
    counts = np.round(20 + 10 * np.sin(np.arange(T) / 9)).astype(int)
    assert read(tmp_path, ["count,value", *(f"{n},{v}" for n, v in zip(counts, WAVE, strict=True))]).n_channels == 2


def test_a_title_with_as_many_words_as_columns_is_no_header(tmp_path):
    series = read(tmp_path, ["Logger 7", "exported today", "index value", *(f"{k} {v}" for k, v in enumerate(WAVE))])
    assert series.channels == ("value",)


def test_one_damaged_row_does_not_make_decimal_commas_separators(tmp_path):
    rows = [f"{value:.2f}".replace(".", ",") for value in WAVE]
    rows[40] = "1x4,20"
    with pytest.raises(InputError, match=r"text '1x4,20' in a number column .*row 42"):
        read(tmp_path, ["value", *rows])


def test_thousands_without_a_header_are_refused(tmp_path):
    with pytest.raises(InputError, match="2 numbers or one with separators of thousands"):
        read(tmp_path, [f"{value:,.2f}" for value in 5000 + WAVE])


def test_a_damaged_time_does_not_turn_times_into_a_counter(tmp_path):
    rows = [f"{20240120000000 + k // 60 * 10000 + k % 60 * 100},{value}" for k, value in enumerate(WAVE)]
    rows[40] = f"2024,{WAVE[40]}"
    with pytest.raises(InputError, match="not all dates or times"):
        read(tmp_path, ["time,value", *rows])


def test_missing_values_may_have_a_unit(tmp_path):
    cells = [f"{value} °C" for value in WAVE]
    cells[40] = "NaN °C"
    series = read(tmp_path, ["index;value", *(f"{k};{cell}" for k, cell in enumerate(cells))])
    assert series.exact[40, 0] == pytest.approx((WAVE[39] + WAVE[41]) / 2, abs=1e-4)


def test_words_are_cells_of_their_own_between_spaces(tmp_path):
    series = read(tmp_path, ["load state value", *(f"{-v} RUN {v}" for v in WAVE)])
    assert series.channels == ("load", "value")


def test_a_missing_first_value_is_no_name(tmp_path):
    series = read(tmp_path, ["value", "-", *(f'"{v:.2f}"'.replace(".", ",") for v in WAVE)])
    assert series.channels == ("value",) and series.length == T + 1


def test_blank_lines_are_no_rows_though_no_header_names_the_times(tmp_path):
    rows = [f"{1705708800 + 60 * k};{v}" for k, v in enumerate(WAVE)]
    series = read(tmp_path, [*rows[:90], "", *rows[90:]])
    assert series.n_channels == 1 and series.step == 60


def test_a_damaged_first_row_does_not_make_decimal_commas_separators(tmp_path):
    rows = [f"{value:.2f}".replace(".", ",") for value in WAVE]
    with pytest.raises(InputError, match="'99,10;17' in a number column"):
        read(tmp_path, ["value", "99,10;17", *rows])
