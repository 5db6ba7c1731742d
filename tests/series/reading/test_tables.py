"""Tables: quotes, decimal marks, headers and encodings, as files have them when something is unusual."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from ape.core.errors import InputError
from ape.series import ReadOptions, from_dataframe, load

T = 300
WAVE = np.round(20 + 5 * np.sin(np.arange(T) / 7), 2)
OTHER = np.round(100 + 20 * np.sin(np.arange(T) / 9), 2)
TIMES = pd.date_range("2024-03-04", periods=T, freq="10min")


def read(tmp_path, content, name="series.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load(path, options=ReadOptions(**options))


def table(header, *columns, separator=","):
    rows = (separator.join(map(str, cells)) for cells in zip(*columns, strict=True))
    return "\n".join([*header, *rows]) + "\n"


def put(cells, row, cell):
    return [cell if k == row else each for k, each in enumerate(cells)]


QUOTES = {
    "in a remark": (["ok"] * T, '"see log'),
    "in the last column of numbers": (WAVE, '"20.1'),
}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("row", [0, 150, T - 1])
@pytest.mark.parametrize("case", QUOTES)
def test_a_quote_that_does_not_close_is_refused_with_its_line(tmp_path, case, row, separator):
    cells, damaged = QUOTES[case]
    content = table([f"time{separator}v{separator}w"], TIMES, WAVE, put(cells, row, damaged), separator=separator)
    with pytest.raises(InputError, match=rf"the quote of {damaged} does not close .*line {row + 2}\)"):
        read(tmp_path, content)


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_a_quote_that_closes_some_rows_later_is_refused(tmp_path, rows):
    notes = put(put(["ok"] * T, 150, '"from'), 150 + rows, 'to"')
    with pytest.raises(InputError, match=r"does not close .*line 152\)"):
        read(tmp_path, table(["time,v,note"], TIMES, WAVE, notes))


def test_quotes_within_words_and_remarks_of_several_lines_are_cells(tmp_path):
    notes = put(put(["ok"] * T, 100, 'pipe 3" steel'), 200, '"first, line\nsecond, line"')
    series = read(tmp_path, table(["time,v,note"], TIMES, WAVE, notes))
    assert series.channels == ("v",) and series.length == T
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)


@pytest.mark.parametrize("quoted", [False, True])
def test_cells_and_lines_may_be_long(tmp_path, quoted):
    remark = "x" * 300_000
    notes = put(["ok"] * T, 3, f'"{remark}"' if quoted else remark)
    series = read(tmp_path, table(["time,v,note"], TIMES, WAVE, notes))
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)
    assert series.channels == ("v",) and (series.timestamps == TIMES.to_numpy()).all()


@pytest.mark.parametrize("kind", [pa.string(), pa.string_view(), pa.large_string()])
@pytest.mark.parametrize("from_file", [False, True])
def test_columns_of_categories(tmp_path, kind, from_file):
    codes = pa.array(np.arange(T) % 2, pa.int32())
    words = pa.DictionaryArray.from_arrays(codes, pa.array(["on", "off"], kind))
    frame = pa.table({"time": pa.array(TIMES), "mode": words, "v": WAVE})
    if from_file:
        pyarrow.feather.write_feather(frame, tmp_path / "series.feather", compression="uncompressed")
        series = load(tmp_path / "series.feather")
    else:
        series = from_dataframe(frame)
    assert series.channels == ("v",) and series.reading.left_out == ("mode (text)",)
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)


def test_blank_cells_between_spaces_are_refused(tmp_path):
    rows = [f"{t:%Y-%m-%dT%H:%M} {v:6.2f} {w:7.2f}" for t, v, w in zip(TIMES, WAVE, OTHER, strict=True)]
    rows[50] = rows[50][:16] + " " * 8 + rows[50][-7:]
    with pytest.raises(InputError, match=r"2 cells for 3 columns, and spaces do not tell which is blank.*line 52\)"):
        read(tmp_path, "\n".join(["time flow press", *rows]))


GERMAN = TIMES.strftime("%d.%m.%Y %H:%M")
COUNTS = np.round(1500 + 900 * np.sin(np.arange(T) / 7)).astype(int)  # from 600 to 2400
DOTS = [f"{n:,d}".replace(",", ".") for n in COUNTS]
LARGE_DOTS = [f"{n + 5000:,d}".replace(",", ".") for n in COUNTS]


def test_small_numbers_beside_dots_tell_that_dots_separate_thousands(tmp_path):
    series = read(tmp_path, table(["Zeit;Menge"], GERMAN, DOTS, separator=";"))
    np.testing.assert_array_equal(series.exact[:, 0], COUNTS)
    assert "column 'Menge': the dot is the separator of thousands" in series.notes


def test_decimal_commas_elsewhere_tell_that_dots_separate_thousands(tmp_path):
    commas = [f"{v:.2f}".replace(".", ",") for v in WAVE]
    series = read(tmp_path, table(["Zeit;Menge;T"], GERMAN, LARGE_DOTS, commas, separator=";"))
    np.testing.assert_array_equal(series.exact[:, 0], COUNTS + 5000)


def test_three_digits_after_each_dot_are_refused_beside_semicolons(tmp_path):
    content = table(["Zeit;Menge"], GERMAN, LARGE_DOTS, separator=";")
    with pytest.raises(InputError, match=r"a dot may be .*column 'Menge'\): say --decimal"):
        read(tmp_path, content)
    np.testing.assert_array_equal(read(tmp_path, content, decimal=",").exact[:, 0], COUNTS + 5000)
    np.testing.assert_allclose(read(tmp_path, content, decimal=".").exact[:, 0], (COUNTS + 5000) / 1000, atol=1e-6)


def test_decimals_elsewhere_tell_that_dots_are_decimal_marks(tmp_path):
    content = table(["Zeit;Menge;T"], GERMAN, LARGE_DOTS, WAVE, separator=";")
    np.testing.assert_allclose(read(tmp_path, content).exact[:, 0], (COUNTS + 5000) / 1000, atol=1e-6)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_three_decimals_and_a_word_for_missing_values_are_decimals(tmp_path, separator):
    cells = put([f"{v / 10:.3f}" for v in WAVE], 40, "999")
    content = table([f"t{separator}v"], TIMES, cells, separator=separator)
    values = read(tmp_path, content, missing=("999",)).exact[:, 0]
    np.testing.assert_allclose(np.delete(values, 40), np.delete(WAVE / 10, 40), atol=1e-6)


def test_both_decimal_marks_in_a_column_are_refused(tmp_path):
    cells = put([f"{v:.2f}" for v in WAVE], 40, "20,86")
    with pytest.raises(InputError, match=r"both decimal marks: 1 with a comma, 299 with a dot .*column 'v'"):
        read(tmp_path, table(["t;v"], TIMES, cells, separator=";"))


@pytest.mark.parametrize("separator", [" ", "\n"])
def test_decimal_commas_in_text_files_of_numbers(tmp_path, separator):
    content = separator.join(f"{v:.2f}".replace(".", ",") for v in WAVE)
    if separator == "\n":
        series = read(tmp_path, content, name="one.txt", decimal=",")
        np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)
    else:
        with pytest.raises(InputError, match="'20,00' may be one number or several"):
            read(tmp_path, content, name="one.txt")


@pytest.mark.parametrize("separator", [", ", ",", " ", ",\n"])
def test_commas_and_spaces_separate_the_numbers_of_a_text_file(tmp_path, separator):
    series = read(tmp_path, separator.join(map(str, WAVE)), name="one.txt")
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)
