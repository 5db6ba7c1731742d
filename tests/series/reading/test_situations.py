"""Situations that real files come in: the values and times as a person reads them, or one line that refuses."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ape.core.errors import InputError
from ape.series import from_array, from_dataframe, load

from .conftest import TIMES, WAVE, T, comma, point, read, table


def european(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def every(step, word, cell=point):
    """Cells of which every ``step``-th is a word."""
    count = iter(range(10**6))
    return lambda value: word if next(count) % step == 7 else cell(value)


def filled(step, values=WAVE):
    holes = np.where(np.arange(len(values)) % step == 7, np.nan, values)
    return pd.Series(holes).interpolate(limit_direction="both").to_numpy()


BIG = 5000 + 1000 * WAVE
DIALECTS = {
    "trailing separator": (table(["t,v,"], point, end=","), WAVE),
    "trailing separator in rows only": (table(["t,v"], point, end=","), WAVE),
    "semicolons and decimal commas": (table(["Zeit;Druck"], comma, ";"), WAVE),
    "trailing semicolons": (table(["t;v;"], comma, ";", end=";"), WAVE),
    "one column of decimal commas": ("value\n" + "\n".join(map(comma, WAVE)), WAVE),
    "unquoted decimal commas after a time": (table(["time,v"], comma), WAVE),
    "sep= line": (table(["sep=;", "t;v"], comma, ";"), WAVE),
    "tabs": (table(["t\tv"], point, "\t"), WAVE),
    "bars": (table(["t|v"], point, "|"), WAVE),
    "spaces, date and time of two words": (table(["time v"], point, " "), WAVE),
    "comments above": (table(["# logger", "# bar", "t,v"], point), WAVE),
    "commented header": (table(["# my file", "# time,v"], point), WAVE),
    "lines above without a mark": (table(["Device: X12", "Exported: today", "", "time,v"], point), WAVE),
    "row of units": (table(["time,v,u", ",bar,m"], lambda v: f"{point(v)},{point(v)}"), WAVE),
    "comment within": (table(["t,v"], point).replace("2024-02-01 03:00", "# pause\n2024-02-01 03:00"), WAVE),
    "UTF-16": (table(["t,v"], point).encode("utf-16"), WAVE),
    "UTF-16 without a mark": (table(["t,v"], point).encode("utf-16-le"), WAVE),
    "Latin-1": (table(["Zeit;Drück"], comma, ";").encode("latin-1"), WAVE),
    "byte order mark and Windows line ends": (("\ufeff" + table(["t,v"], point)).replace("\n", "\r\n").encode(), WAVE),
    "old Mac line ends": (table(["t,v"], point).replace("\n", "\r"), WAVE),
    "no header, with times": (table([], point), WAVE),
    "numbers as header, with index": ("\n".join([",0,1", *(f"{i},{v},{-v}" for i, v in enumerate(WAVE))]), WAVE),
    "numbers as header, without index": ("\n".join(["0,1", *(f"{point(v)},{point(-v)}" for v in WAVE)]), WAVE),
    "one number as header": ("\n".join(["0", *map(point, WAVE)]), WAVE),
    "names of rows, as R writes": ("\n".join(["v,u", *(f"{i + 1},{v},{-v}" for i, v in enumerate(WAVE))]), WAVE),
    "index and times": (
        ",time,v\n" + "\n".join(f"{i},{TIMES[i]},{v}" for i, v in enumerate(WAVE)),
        WAVE,
    ),
    "everything quoted": (table(['"t","v"'], lambda v: f'"{point(v)}"', time=lambda t: f'"{t}"'), WAVE),
    "last row cut off": (table(["t,v"], point) + "2024-02-0", WAVE),
    "quoted thousands": (table(["t,v"], lambda v: f'"{v:,.2f}"', values=BIG), np.round(BIG, 2)),
    "European thousands": (table(["t;v"], european, ";", values=BIG), np.round(BIG, 2)),
    "thin spaces as thousands": (
        table(["t;v"], lambda v: f"{v:,.2f}".replace(",", "\u202f").replace(".", ","), ";", values=BIG),
        np.round(BIG, 2),
    ),
    "Swiss thousands": (table(["t;v"], lambda v: f"{v:,.2f}".replace(",", "'"), ";", values=BIG), np.round(BIG, 2)),
    "thousands in some cells only": (
        table(["t,v"], lambda v: f'"{v:,.0f}"', values=1000 + 500 * WAVE),
        np.round(1000 + 500 * WAVE),
    ),
    "unicode minus": (table(["t,v"], lambda v: point(v).replace("-", "\u2212")), WAVE),
    "percent": (table(["t,v"], lambda v: f"{point(v)} %"), WAVE),
    "degrees": (table(["t,v"], lambda v: f"{point(v)}°C"), WAVE),
    "cubic metres": (table(["t;v"], lambda v: f"{comma(v)} m3/h", ";"), WAVE),
    "currency": (table(["t,v"], lambda v: f"${point(v)}", values=WAVE + 3), WAVE + 3),
    "dashes": (table(["t,v"], every(50, "-")), filled(50)),
    "NULL": (table(["t,v"], every(50, "NULL")), filled(50)),
    "error words of Excel": (table(["t;v"], every(50, "#DIV/0!", comma), ";"), filled(50)),
    "text and remarks": (table(["t,v,status,remark"], lambda v: f"{point(v)},RUN,"), WAVE),
    "Excel in German": (
        ("\ufeff" + table(["Datum;Wert;Notiz"], comma, ";", end=";", time=lambda t: f"{t:%d.%m.%Y %H:%M}"))
        .replace("\n", "\r\n")
        .encode(),
        WAVE,
    ),
    "quoted sep= line after a mark": (("\ufeff" + table(['"sep=,"', "t,v"], point)).encode(), WAVE),
    "UTF-16 with tabs": (table(["Zeit\tTemp °C"], comma, "\t").encode("utf-16-be"), WAVE),
    "trailing tab in rows only": (table(["t\tv"], point, "\t", end="\t"), WAVE),
    "remarks over several lines": (table(["t,v,remark"], lambda v: f'{point(v)},"a, b\nc"'), WAVE),
    "Indian thousands": (
        table(["t,v"], lambda v: f'"1,{round(50_000 + 20_000 * v):,.2f}"', values=WAVE),
        100_000 + np.round(50_000 + 20_000 * WAVE),
    ),
    "currency and thousands": (table(["t,v"], lambda v: f'"${v:,.2f}"', values=BIG), np.round(BIG, 2)),
    "exponents with decimal commas": (table(["t;v"], lambda v: f"{v:.4e}".replace(".", ","), ";"), WAVE),
    "-3.5e8": (table(["t,v"], lambda v: f"{v - 3.5e8:.4f}"), WAVE - 3.5e8),
    "tiny above a small level": (table(["t,v"], lambda v: f"{1e-9 + 1e-12 * v:.18f}"), 1e-9 + 1e-12 * WAVE),
    "2e7": (table(["t,v"], lambda v: f"{2e7 + v:.4f}"), 2e7 + WAVE),
    "1e9": (table(["t,v"], lambda v: f"{1e9 + v:.4f}"), 1e9 + WAVE),
    "101325": (table(["t,v"], lambda v: f"{101325 + 0.01 * v:.6f}"), 101325 + 0.01 * WAVE),
    "tiny": (table(["t,v"], lambda v: f"{1e-12 * v:.6e}"), 1e-12 * WAVE),
    "int64": (table(["t,v"], lambda v: str(2**60 + round(v * 10000))), 2.0**60 + np.round(WAVE * 10000)),
}


@pytest.mark.parametrize("case", DIALECTS)
def test_values_are_read_as_a_person_reads_them(tmp_path, case):
    content, expected = DIALECTS[case]
    series = read(tmp_path, content)
    assert series.length == len(expected)
    level = np.median(expected)
    spread = np.std(expected - level)
    np.testing.assert_allclose(
        series.exact[:, 0] - level, expected - level, atol=6e-6 * spread + 6e-8 * abs(level) * (series.offset is None)
    )


# Gaps, order, duplicates


# Columns


@pytest.mark.parametrize(
    "name",
    [
        "Normal/Attack",
        "is_anomaly",
        "AttackLabel",
        "y",
        "Label",
        "anomaly_flag",
        "ATT_FLAG attack",
        "isOutlier",
        "Anomaly",
    ],
)
def test_label_columns_are_left_out_and_can_be_named(tmp_path, name):
    text = table([f"t,v,{name}"], lambda v: f"{point(v)},{int(v > 0.9)}")
    series = read(tmp_path, text)
    assert series.channels == ("v",) and any("looks like labels" in note for note in series.notes)
    assert read(tmp_path, text, column=[name]).channels == (name,)


@pytest.mark.parametrize(
    ("name", "normal", "abnormal"),
    [
        ("Normal/Attack", "Normal", "Attack"),
        ("is_anomaly", "False", "True"),
        ("Label", "BENIGN", "DDoS"),
        ('"Attack LABLE (1:No Attack, -1:Attack)"', "1", "-1"),
        ("label", "0", "0"),
    ],
)
def test_labels_are_left_out_whatever_their_values(tmp_path, name, normal, abnormal):
    text = table([f"t,{name},v"], lambda v: f"{abnormal if v > 0.9 else normal},{point(v)}")
    series = read(tmp_path, text)
    assert series.channels == ("v",) and series.reading.left_out == (f"{name.strip(chr(34))} (labels)",)


def test_y_is_a_channel_if_it_has_measurements(tmp_path):
    assert read(tmp_path, table(["t,x,y"], lambda v: f"{point(v)},{point(-v)}")).channels == ("x", "y")


def test_columns_are_chosen_before_anything_is_checked(tmp_path):
    text = table(["t,v,u,s"], lambda v: f"{point(v)},{'oops' if v > 1 else point(v)},RUN")
    assert read(tmp_path, text, column=["v"]).channels == ("v",)
    with pytest.raises(InputError, match="text 'oops' in a number column"):
        read(tmp_path, text)
    assert read(tmp_path, text, missing=("oops",)).channels == ("v", "u")
    with pytest.raises(InputError, match="text 'RUN'"):
        read(tmp_path, text, column=["s"])


def test_long_tables(tmp_path):
    both = [(t, k) for k in (1, 2) for t in range(T)]
    text = "\n".join(["sensor,timestamp,value", *(f"s{k},{TIMES[t]},{k * WAVE[t]:.4f}" for t, k in both)])
    series = read(tmp_path, text)
    assert series.channels == ("s1", "s2") and (series.timestamps == TIMES.to_numpy()).all()
    np.testing.assert_allclose(series.values, np.column_stack([WAVE, 2 * WAVE]), atol=1e-4)
    assert read(tmp_path, text, series_column="sensor").channels == ("s1", "s2")
    one = read(tmp_path, text, series_column="sensor=s2")
    assert one.channels == ("value",) and np.allclose(one.values[:, 0], 2 * WAVE, atol=1e-4)
    assert read(tmp_path, text, column=["s2"]).channels == ("s2",)


def test_long_tables_with_several_measures_and_labels(tmp_path):
    cells = [(t, k, v) for t, v in zip(TIMES, WAVE, strict=True) for k in (1, 2)]
    rows = (f"d{k},{t},{k * v:.4f},{-k * v:.4f},{int(v > 0.9)}" for t, k, v in cells)
    series = read(tmp_path, "\n".join(["device,ts,temp,hum,is_anomaly", *rows]))
    assert series.channels == ("d1 temp", "d1 hum", "d2 temp", "d2 hum")
    np.testing.assert_allclose(series.values, np.outer(WAVE, [1, -1, 2, -2]), atol=1e-4)


def test_missing_rows_of_one_series_of_a_long_table_are_filled(tmp_path):
    rows = [f"{k},{TIMES[i]},{WAVE[i]}" for k in "ab" for i in range(T) if k == "a" or i % 50 != 7]
    series = read(tmp_path, "\n".join(["id,t,v", *rows]))
    np.testing.assert_allclose(series.values, np.column_stack([WAVE, filled(50)]), atol=1e-6)


def test_series_with_different_times_are_not_joined(tmp_path):
    both = [(t + pd.Timedelta(days=9 * k), k, v) for k in (1, 2) for t, v in zip(TIMES, WAVE, strict=True)]
    text = "\n".join(["sensor,timestamp,value", *(f"s{k},{t},{v}" for t, k, v in both)])
    with pytest.raises(InputError, match="--series-column sensor=s1"):
        read(tmp_path, text)


def test_counters_are_recognised_and_differenced(tmp_path):
    steps = np.round(20 + 10 * WAVE)
    text = table(["t,v"], lambda v: f"{v:.0f}", values=np.cumsum(steps))
    assert any("--difference" in note for note in read(tmp_path, text).notes)
    np.testing.assert_array_equal(read(tmp_path, text, difference=True).values[1:, 0], steps[1:].astype(np.float32))


# Files and frames


def test_several_parts_of_a_compressed_file(tmp_path):
    content = table(["t,v"], point).encode()
    for name, compress in (
        ("s.csv.gz", gzip.compress),
        ("s.csv.zst", lambda part: pa.compress(part, "zstd", asbytes=True)),
    ):
        series = read(tmp_path, compress(content[:5000]) + compress(content[5000:]), name)
        np.testing.assert_allclose(series.values[:, 0], WAVE, atol=1e-6)
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path, gzip.compress(content)[:-500], "s.csv.gz")


def as_zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("series.csv", content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("s.csv.gz", gzip.compress),
        ("s.csv.bz2", bz2.compress),
        ("s.csv.xz", lzma.compress),
        ("s.csv.zst", lambda content: pa.compress(content, "zstd", asbytes=True)),
        ("s.csv.zip", as_zip),
        ("s.csv", gzip.compress),
    ],
)
def test_compressed_files(tmp_path, name, compress):
    series = read(tmp_path, compress(table(["t,v"], point).encode()), name)
    assert series.name == "s" and np.allclose(series.values[:, 0], WAVE, atol=1e-6)


FRAME = pd.DataFrame({"time": TIMES, "v": WAVE, "state": "x", "label": 0})


@pytest.mark.parametrize("index", [False, True])
def test_parquet_and_feather(tmp_path, index):
    frame = FRAME.set_index("time") if index else FRAME
    frame.to_parquet(tmp_path / "a.parquet")
    frame.reset_index().to_feather(tmp_path / "a.feather")
    for name in ("a.parquet", "a.feather"):
        series = load(tmp_path / name)
        assert series.channels == ("v",) and (series.timestamps == TIMES.to_numpy()).all()
        assert np.array_equal(series.values[:, 0], WAVE.astype(np.float32))


def test_zones_of_parquet(tmp_path):
    FRAME.assign(time=TIMES.tz_localize("Europe/Berlin")).to_parquet(tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").time_text(0) == "2024-02-01 00:00:00+01:00"


class Interchange:
    """A frame that has only the dataframe interchange protocol."""

    def __init__(self, frame):
        self._frame = frame

    def __dataframe__(self, **options):
        return self._frame.__dataframe__(**options)


@pytest.mark.parametrize("frame", [FRAME, FRAME.set_index("time"), pa.table(FRAME), Interchange(pa.table(FRAME))])
def test_frames(frame):
    series = from_dataframe(frame)
    assert series.channels == ("v",) and (series.timestamps == TIMES.to_numpy()).all()
    assert np.array_equal(series.values[:, 0], WAVE.astype(np.float32))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (WAVE, WAVE),
        (
            np.asfortranarray(np.round(1e4 * np.outer(WAVE, [1, 2])).astype("int32")),
            np.round(1e4 * np.outer(WAVE, [1, 2])),
        ),
        (np.ma.masked_array(WAVE, mask=np.arange(T) % 50 == 7), filled(50)),
        (2e7 + WAVE, 2e7 + WAVE),
    ],
)
def test_arrays(values, expected):
    series = from_array(values, timestamps=TIMES.to_numpy().astype("datetime64[s]"))
    np.testing.assert_allclose(series.exact, expected.reshape(T, -1), rtol=1e-7, atol=1e-6)
    assert (series.timestamps == TIMES.to_numpy()).all()


# The end of the training part


@pytest.mark.parametrize("train_end", [200, "200", "66.67%", "2024-02-01 16:40", "01.02.2024 16:40"])
def test_train_end_is_a_row_a_percentage_or_a_date(tmp_path, train_end):
    assert read(tmp_path, table(["t,v"], point), train_end=train_end).train_end == 200


def test_dates_of_the_train_end_are_on_the_clock_of_the_file(tmp_path):
    text = table(["t,v"], point, time=lambda t: f"{t.isoformat()}+01:00")
    for train_end in ("2024-02-01 16:40", "2024-02-01T16:40:00+01:00", "2024-02-01T15:40:00Z"):
        assert read(tmp_path, text, train_end=train_end).train_end == 200


REFUSED = {
    "thousands or decimals": (table(["t,v"], lambda v: f'"{v + 5:.3f}"'.replace(".", ",")), {}, "--decimal"),
    "several columns of unquoted decimal commas": (
        table(["t,v,u"], lambda v: f"{comma(v)},{comma(v)}"), {}, "5 cells for 3 columns"
    ),
    "decimal commas without a header": ("\n".join(map(comma, WAVE)), {}, "--decimal"),
    "numbers that may be a header": ("\n".join(["0,1", *(f"{i % 7},{i % 5}" for i in range(T))]), {}, "--header"),
    "units that differ": (table(["t,v"], every(10, "5 MB", lambda v: f"{v:.2f} kB")), {}, "different units"),
    "beyond float32": (table(["t,v"], lambda v: f"{v:.4f}e-40"), {}, "below 1e-30, where float32 has no digits"),
    "no measurement": (table(["t,v"], lambda v: f"{v + 2:.4f}e300"), {}, "values beyond 1e.32"),
    "beyond float64": (table(["t,v"], lambda v: f"{10**17}.{int(1000 * (v + 2))}"), {}, "less than float64"),
    "a date outside": (table(["t,v"], point), {"train_end": "2030-01-01"}, "outside the series"),
    "a word as train_end": (table(["t,v"], point), {"train_end": "soon"}, "no position, date or percentage"),
    "a date without times": ("\n".join(["v", *map(point, WAVE)]), {"train_end": "2024-02-01"}, "series with dates"),
    "a row too long": (table(["t,v"], every(100, "1,2,3")), {}, "line 9"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 20, {}, "not a text file"),
    "an unknown zone": (table(["t,v"], point), {"timezone": "Mars/Base"}, "no time zone"),
    "an unknown series": (
        "\n".join(["id,t,v", *(f"{k},{t},{v}" for k in (1, 2) for t, v in zip(TIMES, WAVE, strict=True))]),
        {"series_column": "id=3"}, "give one of 1, 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_ambiguous_files_are_refused_in_one_line(tmp_path, case):
    content, options, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, content, **options)
    assert "\n" not in str(caught.value)


def test_decimal_option_resolves_the_comma(tmp_path):
    text = table(["t,v"], lambda v: f'"{v + 5:.3f}"'.replace(".", ","))
    assert read(tmp_path, text, decimal=",").values.max() < 10
    assert read(tmp_path, text, decimal=".").values.max() > 1000
    plain = read(tmp_path, "\n".join(map(comma, WAVE)), decimal=",")
    np.testing.assert_allclose(plain.values[:, 0], WAVE, atol=1e-6)


def test_header_option_resolves_numbers(tmp_path):
    text = "\n".join(["0,1", *(f"{i % 7},{i % 5}" for i in range(T))])
    assert read(tmp_path, text, header=True).length == T
    assert read(tmp_path, text, header=False, decimal=".").length == T + 1


def test_recurring_extreme_is_noted_and_can_be_named_missing(tmp_path):
    text = table(["t,v"], every(50, "-999"))
    assert any("--missing=-999" in note for note in read(tmp_path, text).notes)
    np.testing.assert_allclose(read(tmp_path, text, missing=("-999",)).values[:, 0], filled(50), atol=1e-6)
