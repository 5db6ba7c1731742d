"""Decimal marks, separators of thousands, currencies, and separators of cells beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.series import ReadOptions, load

from .conftest import join_columns, put, read

T = 300
WAVE = np.round(20 + 5 * np.sin(np.arange(T) / 7), 2)
OTHER = np.round(100 + 20 * np.sin(np.arange(T) / 9), 2)
TIMES = pd.date_range("2024-03-04", periods=T, freq="10min")


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
    series = read(tmp_path, join_columns(["Zeit;Menge"], GERMAN, DOTS, separator=";"))
    np.testing.assert_array_equal(series.exact[:, 0], COUNTS)
    assert "column 'Menge': the dot is the separator of thousands" in series.notes


def test_decimal_commas_elsewhere_tell_that_dots_separate_thousands(tmp_path):
    commas = [f"{v:.2f}".replace(".", ",") for v in WAVE]
    series = read(tmp_path, join_columns(["Zeit;Menge;T"], GERMAN, LARGE_DOTS, commas, separator=";"))
    np.testing.assert_array_equal(series.exact[:, 0], COUNTS + 5000)


def test_three_digits_after_each_dot_are_refused_beside_semicolons(tmp_path):
    content = join_columns(["Zeit;Menge"], GERMAN, LARGE_DOTS, separator=";")
    with pytest.raises(InputError, match=r"a dot may be .*column 'Menge'\): say --decimal"):
        read(tmp_path, content)
    np.testing.assert_array_equal(read(tmp_path, content, decimal=",").exact[:, 0], COUNTS + 5000)
    np.testing.assert_allclose(read(tmp_path, content, decimal=".").exact[:, 0], (COUNTS + 5000) / 1000, atol=1e-6)


@pytest.mark.parametrize("others", [WAVE, ["0.250"] * (T - 1) + ["1.250"]])
def test_decimals_elsewhere_tell_that_dots_are_decimal_marks(tmp_path, others):
    content = join_columns(["Zeit;Menge;T"], GERMAN, LARGE_DOTS, others, separator=";")
    np.testing.assert_allclose(read(tmp_path, content).exact[:, 0], (COUNTS + 5000) / 1000, atol=1e-6)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_three_decimals_and_a_word_for_missing_values_are_decimals(tmp_path, separator):
    cells = put([f"{v / 10:.3f}" for v in WAVE], 40, "999")
    content = join_columns([f"t{separator}v"], TIMES, cells, separator=separator)
    values = read(tmp_path, content, missing=("999",)).exact[:, 0]
    np.testing.assert_allclose(np.delete(values, 40), np.delete(WAVE / 10, 40), atol=1e-6)


def test_dates_with_slashes_beside_semicolons_leave_decimals(tmp_path):
    content = join_columns(
        ["Date;Voltage"], TIMES.strftime("%d/%m/%Y %H:%M"), [f"{v:.3f}" for v in OTHER], separator=";"
    )
    series = read(tmp_path, content)
    np.testing.assert_allclose(series.exact[:, 0], OTHER, atol=1e-5)
    assert any("if it separates thousands, say --decimal ," in note for note in series.notes)


def test_both_decimal_marks_in_a_column_are_refused(tmp_path):
    cells = put([f"{v:.2f}" for v in WAVE], 40, "20,86")
    with pytest.raises(InputError, match=r"both decimal marks: 1 with a comma, 299 with a dot .*column 'v'"):
        read(tmp_path, join_columns(["t;v"], TIMES, cells, separator=";"))


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


@pytest.mark.parametrize("word", ["#DIV/0!", "", "-", '="#N/A"'])
def test_formulas_of_text_beside_missing_values(tmp_path, word):
    cells = put([f'="{v}"' for v in WAVE], 40, word)
    series = read(tmp_path, join_columns(["t;v"], TIMES, cells, separator=";"))
    np.testing.assert_allclose(np.delete(series.exact[:, 0], 40), np.delete(WAVE, 40), atol=1e-5)
    assert series.exact[40, 0] == pytest.approx((WAVE[39] + WAVE[41]) / 2, abs=1e-5)


def european(value):
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


MONEY = np.round(150_000 + 90_000 * np.sin(np.arange(T) / 7), 2)
CURRENCIES = {
    "R$ before thousands with dots": (lambda v: f"R$ {european(v)}", MONEY),
    "R$ and a minus": (lambda v: f"{'-' if v < 0 else ''}R$ {european(abs(v))}", MONEY - 150_000),
    "euro before thousands": (lambda v: f"€ {european(v)}", MONEY),
    "euro after thousands": (lambda v: f"{european(v)} €", MONEY),
    "euro after whole thousands": (lambda v: f"{v:,.0f} €".replace(",", "."), np.round(MONEY) * 10),
    "euro after spaces": (lambda v: f"{european(v)} €".replace(".", "\u202f"), MONEY),
    "rupee, groups of two digits": (
        lambda v: f'"₹ {int(v) // 100_000},{v % 100_000:09,.2f}"',  # 2,50,000.00
        MONEY + 200_000,
    ),
    "US$": (lambda v: f'"US${v:,.2f}"', MONEY),
    "francs": (lambda v: f"CHF {v:,.2f}".replace(",", "'"), MONEY),
    "brackets": (lambda v: f'"$({-v:,.2f})"' if v < 0 else f'"${v:,.2f}"', MONEY - 150_000),
    "currency in brackets": (lambda v: f'"(€ {-v:,.2f})"' if v < 0 else f'"€ {v:,.2f}"', MONEY - 150_000),
}


@pytest.mark.parametrize("case", CURRENCIES)
def test_currencies_around_numbers(tmp_path, case):
    cell, values = CURRENCIES[case]
    series = read(tmp_path, join_columns(["t;v"], TIMES, map(cell, values), separator=";"))
    np.testing.assert_allclose(series.exact[:, 0], values, atol=0.006)


def test_apostrophes_before_each_cell(tmp_path):
    series = read(tmp_path, join_columns(["t,v"], [f"'{time}" for time in TIMES], [f"'{v}" for v in WAVE]))
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)
    assert (series.timestamps == TIMES.to_numpy()).all()


def test_a_word_with_a_dot_is_no_second_decimal_mark(tmp_path):
    cells = put([f"{v:.2f}".replace(".", ",") for v in WAVE], 40, "05.Mrz")
    with pytest.raises(InputError, match=r"text '05\.Mrz' in a number column .*row 42"):
        read(tmp_path, join_columns(["t;v"], TIMES, cells, separator=";"))


def test_names_between_spaces_above_tabs(tmp_path):
    series = read(tmp_path, join_columns(["time pressure"], TIMES, WAVE, separator="\t"))
    assert series.channels == ("pressure",) and not series.notes
    titled = read(tmp_path, join_columns(["Logger seven"], TIMES, WAVE, separator="\t"))
    assert titled.channels == ("channel1",) and "1 line before the table was left out: 'Logger seven'" in titled.notes


def test_a_number_below_1000_decides_for_thousands_in_comma_files_too(tmp_path):
    path = tmp_path / "series.csv"
    values = [1250 + k % 7 if k % 2 else 950 + k % 11 for k in range(200)]
    path.write_text("a,b\n" + "".join(f"{v // 1000}.{v % 1000},{v}\n" if v > 999 else f"{v},{v}\n" for v in values))
    series = load(path)
    np.testing.assert_array_equal(series.values[:, 0], series.values[:, 1])
    assert "column 'a': the dot is the separator of thousands" in series.notes


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("above", [["Plant, hall 5"], ["Device,Logger", "Serial,123"]])
@pytest.mark.parametrize("header", [True, False])
def test_a_comma_above_the_table_does_not_make_decimal_commas_separate(tmp_path, separator, above, header):
    names = [separator.join(["Zeit", "Druck"])] * header
    content = join_columns([*above, *names], TIMES, [str(v).replace(".", ",") for v in WAVE], separator=separator)
    series = read(tmp_path, content)
    assert (series.timestamps == TIMES.to_numpy()).all() and series.exact.shape == (T, 1)
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)


@pytest.mark.parametrize("spaces", [1, 4])
@pytest.mark.parametrize("times", ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M"])
@pytest.mark.parametrize("names", ["Zeit Druck Temp", None])
def test_spaces_separate_dates_with_a_clock_and_decimal_commas(tmp_path, spaces, times, names):
    columns = ([str(v).replace(".", ",") for v in values] for values in (WAVE, OTHER))
    series = read(
        tmp_path, join_columns([names] * bool(names), TIMES.strftime(times), *columns, separator=" " * spaces)
    )
    assert (series.timestamps == TIMES.to_numpy()).all()
    np.testing.assert_allclose(series.exact, np.column_stack([WAVE, OTHER]), atol=1e-4)


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f"])
@pytest.mark.parametrize("mark", ["", ".", ","])
@pytest.mark.parametrize("low", [1000, 600])
def test_spaces_between_thousands_do_not_separate_one_column(tmp_path, space, mark, low):
    values = low + np.arange(T) * 2 + (0.25 if mark else 0)
    cells = [f"{v:_.2f}".replace(".", mark) if mark else f"{v:_.0f}" for v in values]
    series = read(tmp_path, join_columns(["cpu"], [cell.replace("_", space) for cell in cells]))
    assert series.channels == ("cpu",)
    assert series.exact[:, 0].tolist() == values.tolist()


@pytest.mark.parametrize("end", ["", ".25"])
def test_spaces_that_separate_columns_or_thousands_are_refused(tmp_path, end):
    cells = [f"{v:_d}{end}".replace("_", " ") for v in 1500 + np.arange(T) * 2 % 977]
    with pytest.raises(InputError, match="may be 2 numbers or one with separators of thousands"):
        read(tmp_path, join_columns([], cells))
    series = read(tmp_path, join_columns(["a b"], cells))
    assert series.exact[0, -1] == 500 + float(end or 0)


def test_spaces_within_decimal_commas_without_a_header(tmp_path):
    content = join_columns([], [f"{v:_d},25".replace("_", "\u202f") for v in 1500 + np.arange(T) * 2])
    with pytest.raises(InputError, match="say --decimal"):
        read(tmp_path, content)
    assert read(tmp_path, content, decimal=",").exact[:2, 0].tolist() == [1500.25, 1502.25]


def test_a_time_and_a_decimal_comma_without_a_header(tmp_path):
    path = tmp_path / "series.csv"
    values = np.sin(np.arange(300) / 20).round(4)
    times = pd.date_range("2023-10-28", periods=300, freq="5min")
    path.write_text("".join(f"{t},{str(v).replace('.', ',')}\n" for t, v in zip(times, values, strict=True)))
    with pytest.raises(InputError, match=r"may be 2 numbers or 1 with decimal commas.*say --decimal"):
        load(path)
    series = load(path, options=ReadOptions(decimal=","))
    np.testing.assert_allclose(series.exact[:, 0], values, atol=1e-7)
    assert series.timestamps[1] == times[1]
