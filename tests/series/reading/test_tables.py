"""Tables: quotes, headers and encodings, as files have them when something is unusual."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from ape.core.errors import InputError
from ape.series import from_dataframe, load

from .conftest import join_columns, put, read

T = 300
WAVE = np.round(20 + 5 * np.sin(np.arange(T) / 7), 2)
OTHER = np.round(100 + 20 * np.sin(np.arange(T) / 9), 2)
TIMES = pd.date_range("2024-03-04", periods=T, freq="10min")


QUOTES = {
    "in a remark": (["ok"] * T, '"see log'),
    "in the last column of numbers": (WAVE, '"20.1'),
}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("row", [0, 150, T - 1])
@pytest.mark.parametrize("case", QUOTES)
def test_a_quote_that_does_not_close_is_refused_with_its_line(tmp_path, case, row, separator):
    cells, damaged = QUOTES[case]
    content = join_columns(
        [f"time{separator}v{separator}w"], TIMES, WAVE, put(cells, row, damaged), separator=separator
    )
    with pytest.raises(InputError, match=rf"the quote of {damaged} does not close .*line {row + 2}\)"):
        read(tmp_path, content)


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_a_quote_that_closes_some_rows_later_is_refused(tmp_path, rows):
    notes = put(put(["ok"] * T, 150, '"from'), 150 + rows, 'to"')
    with pytest.raises(InputError, match=r"does not close .*line 152\)"):
        read(tmp_path, join_columns(["time,v,note"], TIMES, WAVE, notes))


def test_quotes_within_words_and_remarks_of_several_lines_are_cells(tmp_path):
    notes = put(put(["ok"] * T, 100, 'pipe 3" steel'), 200, '"first, line\nsecond, line"')
    series = read(tmp_path, join_columns(["time,v,note"], TIMES, WAVE, notes))
    assert series.channels == ("v",) and series.length == T
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)


@pytest.mark.parametrize("quoted", [False, True])
def test_cells_and_lines_may_be_long(tmp_path, quoted):
    remark = "x" * 300_000
    notes = put(["ok"] * T, 3, f'"{remark}"' if quoted else remark)
    series = read(tmp_path, join_columns(["time,v,note"], TIMES, WAVE, notes))
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


PAGE = "<html>\n<table><tr><td>time</td><td>v</td></tr>\n<tr><td>1</td><td>20.09</td></tr></table></html>\n"
OTHER_FORMATS = {
    "a JSON file": [
        '[{"time": "2024-03-04 00:00", "v": 20.09}]',
        '{"time": "2024-03-04 00:00", "v": 20.09}\n{"time": "2024-03-04 00:10", "v": 20.86}\n',
        "[[1, 20.09],\n [2, 20.86]]",
        "[20.09, 20.86, 21.11]",
        '\ufeff{\n  "values": [1, 2]\n}',
    ],
    "an HTML page": [PAGE, "<!DOCTYPE html>\n<title>404</title>", f"\n\n{PAGE}"],
    "an XML file": ['<?xml version="1.0"?>\n<rows><row v="1"/></rows>'],
    "a PDF document": ["%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"],
    "lines of text and no table, such as 'please find attached": [
        "Dear colleague,\nplease find attached the data.\nplease find attached the data.\n"
    ],
    "lines of text and no table, such as '2024-03-04 00:20:00 INFO pump": [
        "\n".join(f"2024-03-04 00:{k:02d}:00 INFO pump started id={k}" for k in range(41))
    ],
    "one line of 3 cells": ["20.09;21.11;22.5", "20.09\t21.11\t22.5\n"],
}


@pytest.mark.parametrize("name", ["series.csv", "series.txt"])
@pytest.mark.parametrize("reason", OTHER_FORMATS)
def test_other_formats_are_named(tmp_path, reason, name):
    for content in OTHER_FORMATS[reason]:
        with pytest.raises(InputError) as error:
            read(tmp_path, content, name=name)
        assert str(error.value).startswith(reason) and "\n" not in str(error.value)


def test_names_in_brackets_are_no_markup(tmp_path):
    series = read(tmp_path, join_columns(["<DATE>,<CLOSE>"], TIMES, WAVE))
    assert series.channels == ("<CLOSE>",) and (series.timestamps == TIMES.to_numpy()).all()


DECIMALS = np.round(100.5 + 20 * np.sin(np.arange(T) / 9), 2) + 0.001  # three decimals each, from 80 to 121
FAR_NUMBERS = {
    "101,102": (WAVE / 100 + 0.0001, WAVE / 100 + 0.0001),  # integers above decimals near 0.2
    "2019,2020": (np.round(WAVE).astype(int), np.round(OTHER).astype(int)),  # years above counts
    "0.5,1.5": (DECIMALS + 500, DECIMALS + 500),  # depths
    "7000": (DECIMALS,),
}


@pytest.mark.parametrize("header", FAR_NUMBERS)
def test_numbers_far_from_all_values_are_names(tmp_path, header):
    columns = FAR_NUMBERS[header]
    series = read(tmp_path, join_columns([header], *([f"{v:.10g}" for v in column] for column in columns)))
    assert series.channels == tuple(header.split(",")) and series.length == T
    np.testing.assert_allclose(series.exact[:, 0], columns[0], atol=1e-5)


@pytest.mark.parametrize("first", ["101,102", "90,100", "99.5,101.5"])
def test_numbers_that_are_written_as_no_value_is_may_be_names(tmp_path, first):
    content = join_columns([first], *[[f"{v:.3f}" for v in DECIMALS]] * 2)
    with pytest.raises(InputError, match=f"the first row {first} may be names or values .*say --header or --no-header"):
        read(tmp_path, content)
    assert read(tmp_path, content, header=True).channels == tuple(first.split(","))
    assert read(tmp_path, content, header=False).length == T + 1


@pytest.mark.parametrize("first", ["101.5,102.5", "-999,-999"])
def test_numbers_that_are_written_as_the_values_are_a_row(tmp_path, first):
    series = read(tmp_path, join_columns([first], WAVE, [f"{v:.1f}" for v in OTHER]))
    assert series.length == T + 1


def test_numbers_beside_an_empty_cell_for_the_times_are_names(tmp_path):
    series = read(tmp_path, join_columns([",101,102"], TIMES, np.round(OTHER).astype(int), np.round(OTHER).astype(int)))
    assert series.channels == ("101", "102") and (series.timestamps == TIMES.to_numpy()).all()


def test_a_line_on_the_file_above_the_names(tmp_path):
    facts = '723650,"ALBUQUERQUE",NM,-7.0,35.033,-106.617,1619'
    content = join_columns(
        [facts, "Date,Time,ETR,GHI"], TIMES.strftime("%m/%d/%Y"), TIMES.strftime("%H:%M"), WAVE, OTHER
    )
    series = read(tmp_path, content)
    assert series.channels == ("ETR", "GHI") and (series.timestamps == TIMES.to_numpy()).all()
    assert any(note.startswith("1 line before the table was left out: '723650 ALB") for note in series.notes)


def test_lines_on_the_file_units_and_kinds_around_the_names(tmp_path):
    header = [
        '"TOA5","CR1000","CR1000","1234","CR1000.Std.27","CPU:prog.CR1","5521","Ten_min"',
        '"TIMESTAMP","RECORD","AirTC_Avg","RH"',
        '"TS","RN","Deg C","%"',
        '"","","Avg","Smp"',
    ]
    series = read(tmp_path, join_columns(header, TIMES, range(T), WAVE, OTHER))
    assert series.channels == ("AirTC_Avg", "RH") and (series.timestamps == TIMES.to_numpy()).all()


@pytest.mark.parametrize("units", ["# s bar m/s", "# - [bar] °C"])
def test_names_in_a_comment_above_units_in_a_comment(tmp_path, units):
    header = ["# written by the logger", "# sequence pressure speed", units]
    series = read(tmp_path, join_columns(header, range(5, T + 5), WAVE, OTHER, separator=" "))
    assert series.channels[-2:] == ("pressure", "speed")
    assert [note for note in series.notes if "left out" in note] == ["1 line before the table was left out"]


def test_a_header_in_a_comment_is_not_left_out(tmp_path):
    series = read(tmp_path, join_columns(["# time,v"], TIMES, WAVE))
    assert series.channels == ("v",) and not series.notes


def test_one_row_a_day_with_a_column_an_hour_is_refused(tmp_path):
    header = "Date," + ",".join(f"{hour:02d}:00" for hour in range(24))
    days = [f"2024-03-{day:02d}," + ",".join(map(str, WAVE[:24])) for day in range(1, 32)]
    with pytest.raises(InputError, match=r"each column is a time, from '00:00' to '23:00' .*write one row a time step"):
        read(tmp_path, "\n".join([header, *days]))
    transposed = ["sensor," + ",".join(map(str, TIMES)), "flow," + ",".join(map(str, WAVE))]
    with pytest.raises(InputError, match="each column is a time, from '2024-03-04 00:00:00' to"):
        read(tmp_path, "\n".join(transposed))


def test_groups_above_names_are_joined_and_not_left_out(tmp_path):
    series = read(tmp_path, join_columns(["time,pump,pump,tank", ",flow,press,flow"], TIMES, WAVE, OTHER, WAVE))
    assert series.channels == ("pump flow", "pump press", "tank flow")
    assert not any("left out" in note for note in series.notes)


def test_a_second_column_without_a_name_is_a_channel(tmp_path):
    series = read(tmp_path, join_columns(["time,,value"], TIMES, WAVE, OTHER))
    assert series.channels == ("#2", "value") and not series.notes
    np.testing.assert_allclose(series.exact, np.column_stack([WAVE, OTHER]), atol=1e-5)


@pytest.mark.parametrize("header", ["time,,v", "time,Unnamed: 0,v", "time,Unnamed: 0.1,v"])
def test_a_column_without_a_name_that_counts_rows_is_left_out(tmp_path, header):
    series = read(tmp_path, join_columns([header], TIMES, range(T), WAVE))
    assert series.channels == ("v",) and any("is a step counter and was left out" in note for note in series.notes)


def test_a_stream_of_arrow(tmp_path):
    frame = pa.table({"time": pa.array(TIMES), "v": WAVE})
    with pa.ipc.new_stream(tmp_path / "series.arrow", frame.schema) as writer:
        writer.write_table(frame, max_chunksize=100)
    series = load(tmp_path / "series.arrow")
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-5)
    assert (series.timestamps == TIMES.to_numpy()).all() and series.reading.format.startswith("Arrow stream")
    cut = (tmp_path / "series.arrow").read_bytes()[:-1500]
    (tmp_path / "cut.arrow").write_bytes(cut)
    with pytest.raises(InputError, match="damaged Arrow stream"):
        load(tmp_path / "cut.arrow")


SECONDS = TIMES.to_numpy().astype("datetime64[s]").astype(np.int64)
TIMESTAMPS = {
    "seconds": SECONDS,
    "milliseconds": SECONDS * 1000,
    "seconds with a fraction": SECONDS.astype(np.float64),
    "text": np.array(TIMES.strftime("%Y-%m-%dT%H:%M:%S"), dtype="U19"),
    "text of bytes": np.array(TIMES.strftime("%Y-%m-%dT%H:%M:%S"), dtype="S19"),
    "compact dates": np.array(TIMES.strftime("%Y%m%d%H%M%S"), dtype=np.int64),
    "dates": TIMES.to_numpy(),
    "minutes": TIMES.to_numpy().astype("datetime64[m]"),
}


@pytest.mark.parametrize("case", TIMESTAMPS)
def test_timestamps_of_array_files_are_read_as_a_column_of_times(tmp_path, case):
    np.savez(tmp_path / "series.npz", values=WAVE, timestamps=TIMESTAMPS[case])
    series = load(tmp_path / "series.npz")
    assert (series.timestamps == TIMES.to_numpy()).all()


def test_timestamps_that_are_no_times_are_refused(tmp_path):
    np.savez(tmp_path / "series.npz", values=WAVE, timestamps=WAVE)
    with pytest.raises(InputError, match="timestamps are not dates but double"):
        load(tmp_path / "series.npz")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("times", [{}, {"t": TIMES}])
def test_half_precision_frames(times):
    values = np.float16(WAVE)
    values[40] = np.nan
    series = from_dataframe(pd.DataFrame({**times, "v": values}))
    np.testing.assert_array_equal(np.delete(series.exact[:, 0], 40), np.delete(values, 40).astype(np.float64))


def in_bytes(text, encoding="utf-8"):
    return text.encode(encoding)


def test_a_byte_that_is_not_utf8_leaves_the_other_names(tmp_path):
    content = in_bytes(
        join_columns(["time,Temperatur (°C),Größe,note"], TIMES, WAVE, OTHER, put(["ok"] * T, 150, "caf?"))
    )
    series = read(tmp_path, content.replace(b"caf?", b"caf\xe9"))
    assert series.channels == ("Temperatur (°C)", "Größe")
    assert series.notes[0] == "line 152 has bytes that are not UTF-8; they were replaced"


def test_many_bytes_that_are_not_utf8(tmp_path):
    content = in_bytes(join_columns(["time,v (°C),note"], TIMES, WAVE, ["caf?"] * T))
    series = read(tmp_path, content.replace(b"caf?", b"\xc2\xb0 caf\xe9"))
    assert series.channels == ("v (°C)",)
    assert series.notes[0] == "300 lines, the first of them 2, have bytes that are not UTF-8; they were replaced"


@pytest.mark.parametrize(
    "header", ["Zeit;Temperatur (°C);Größe", "Horodatage;Débit m³/h;Pression à vide", "Aika;Lämpötila;Määrä"]
)
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_western_files_are_read(tmp_path, header, encoding):
    series = read(tmp_path, in_bytes(join_columns([header], TIMES, WAVE, OTHER, separator=";"), encoding))
    assert series.channels == tuple(header.split(";")[1:])
    assert series.notes[0] == "the file is not UTF-8 and is read as Windows-1252"


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("Время,Температура", "cp1251"),
        ("Время,Температура", "koi8-r"),
        ("日時,温度", "shift-jis"),
        ("タイムスタンプ,センサー", "shift-jis"),
        ("时间,温度", "gbk"),
        ("時間,溫度", "big5"),
        ("시간,온도", "euc-kr"),
        ("Χρόνος,Θερμοκρασία", "cp1253"),
    ],
)
def test_other_encodings_are_refused_and_read_as_utf8(tmp_path, header, encoding):
    content = join_columns([header], TIMES, WAVE)
    with pytest.raises(InputError, match=r"neither UTF-8 nor Western European text .*line 1\): write it as UTF-8"):
        read(tmp_path, in_bytes(content, encoding))
    assert read(tmp_path, in_bytes(content)).channels == (header.split(",")[1],)


def test_widths_of_columns_below_the_names_are_no_values(tmp_path):
    header = ["# an RDB table", "agency\tdatetime\tflow\tflow_cd", "5s\t20d\t14n\t10s"]
    series = read(tmp_path, join_columns(header, ["A"] * T, TIMES, WAVE, ["P"] * T, separator="\t"))
    assert series.channels == ("flow",) and (series.timestamps == TIMES.to_numpy()).all()


def test_names_are_without_characters_that_nobody_sees(tmp_path):
    assert read(tmp_path, join_columns(["\u200btime,v\u200b"], TIMES, WAVE)).channels == ("v",)


def test_missing_values_in_the_first_row_without_a_header_are_a_row(tmp_path):
    series = read(tmp_path, join_columns(["NaN,NaN"], WAVE, OTHER))
    assert series.length == T + 1 and not any("left out" in note for note in series.notes)


def test_text_with_commas_is_no_table(tmp_path):
    with pytest.raises(InputError, match="lines of text and no table"):
        read(tmp_path, "Dear colleague,\nplease find attached the data.\n" * 100)


def test_notes_count_one_row(tmp_path):
    lines = join_columns(["t,v,w"], TIMES, WAVE, OTHER).splitlines()
    lines[151] = lines[151].rsplit(",", 1)[0]
    lines.insert(100, lines[0])
    notes = read(tmp_path, "\n".join(lines)).notes
    assert "1 row has fewer cells than columns: the cells at the end are missing values" in notes
    assert "the header is repeated within the table once, and was left out there" in notes


def test_adjacent_bytes_that_are_not_utf8_are_one_damage(tmp_path):
    content = in_bytes(join_columns(["time,T °C,note"], TIMES, WAVE, put(["ok"] * T, 5, "??"))).replace(
        b"??", b"\xff\xfe"
    )
    assert read(tmp_path, content).channels == ("T °C",)


def test_blocks_of_settings_above_the_names(tmp_path):
    header = ["Logger Measurement\t", "Version\t2", "Separator\tTab", "***End***\t", "Channels\t1\t", "***End***\t\t"]
    content = join_columns([*header, "X_Value\tPressure\tComment"], np.arange(T) / 1000, WAVE, separator="\t")
    series = read(tmp_path, content)
    assert series.channels[-1] == "Pressure" and series.length == T
    np.testing.assert_allclose(series.exact[:, -1], WAVE, atol=1e-5)
