"""The form of the page: it has the options of ``ape chat``, and each of them reaches the request."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("gradio")
import gradio as gr
from PIL import Image

from ape.cli.arguments import build_parser
from ape.cli.conversations import look, start
from ape.cli.form import add_form, request_of_form, values_of
from ape.core.errors import InputError
from ape.monitor import AlertRate
from ape.runs import Request
from ape.series import ReadOptions

NOT_IN_THE_FORM = {"out", "resume", "thread", "json", "quiet"}  # the page has its own folder, fields and output
OPTIONS = {
    "decimal": ",",
    "time_format": "%d.%m.%Y %H:%M",
    "dayfirst": True,
    "timezone": "Europe/Berlin",
    "series_column": "sensor=a",
    "missing": ("x", "-9"),
    "header": False,
    "difference": True,
}
REQUESTS = [
    Request("chat", "", reading=ReadOptions()),
    *(Request("chat", "", reading=ReadOptions(**{name: value})) for name, value in OPTIONS.items()),
    Request("chat", "", reading=ReadOptions(dayfirst=False, header=True, decimal=".")),
    Request("chat", "", alerts=AlertRate(3, "day")),
    Request("chat", "", alerts=AlertRate(1, "training part")),
    Request("chat", "", column=("flow, in", "p"), train_end="60%", text="It sticks.", backbone="lstm-ae", seed=7),
]


@pytest.fixture
def european(tmp_path):
    """A file that needs options: 01/02/2024 is 1 February, and 1.200 is 1200."""
    times = pd.date_range("2024-02-01", periods=400, freq="5min").strftime("%d/%m/%Y %H:%M")
    rows = [f"{t};{1 + k % 7}.{k % 10}00" for k, t in enumerate(times)]
    path = tmp_path / "boiler.csv"
    path.write_text("\n".join(["Zeit;Druck", *rows]) + "\n")
    return path


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: str(request)[-60:])
def test_every_option_reaches_the_request(request_):
    assert request_of_form(values_of(request_)) == request_


def test_files_reach_the_request(tmp_path, european):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (tmp_path / "a.log").write_text("2024-02-01 00:00:00 start\n")
    request = Request("chat", str(european), log=str(tmp_path / "a.log"), image=(str(tmp_path / "a.png"),))
    assert request_of_form(values_of(request)) == request


def test_the_form_has_every_option_of_the_command():
    subparsers = next(action for action in build_parser()._actions if action.dest == "command")
    options = {action.dest for action in subparsers.choices["chat"]._actions} - {"help"} - NOT_IN_THE_FORM
    with gr.Blocks():
        fields = add_form(Request("chat", "", train_end="60%", reading=ReadOptions(decimal=",")))
    assert set(fields) == options == set(values_of(Request("chat", "")))
    assert fields["train_end"].value == "60%" and fields["decimal"].value == ","


def test_an_emptied_field_means_that_it_is_inferred():
    values = values_of(Request("chat", "", train_end="60%", reading=ReadOptions(**OPTIONS)))
    empty = values | {
        "train_end": " ", "decimal": "inferred", "time_format": "", "dayfirst": "inferred", "timezone": "",
        "series_column": "", "missing": None, "header": "inferred", "difference": False, "column": None,
    }  # fmt: skip
    assert request_of_form(empty) == Request("chat", "")


def test_the_page_shows_the_block_of_the_command_before_and_after_the_start(ape, european, tmp_path):
    request = Request(
        "chat", str(european), train_end="2024-02-01 20:00", reading=ReadOptions(decimal=",", dayfirst=True)
    )
    found = look(tmp_path, request)
    block, picture = found.lines, found.picture
    command = ("--decimal", ",", "--dayfirst", "--train-end", "2024-02-01 20:00")
    assert block == ape("check", european, *command).out.rstrip("\n")
    assert "day first" in block and "2024-02-01 00:00:00" in block and picture.endswith(".png")
    name = start(tmp_path / "chats", request)
    record = json.loads((tmp_path / "chats" / name / "run.json").read_text())
    assert (
        "\n".join(
            [*(f"{topic}: {text}" for topic, text in record["reading"].items()), *(f"  {n}" for n in record["notes"])]
        )
        == block
    )
    assert record["arguments"]["reading"]["decimal"] == ","


def test_a_refused_start_leaves_no_copy(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("a,b\nx,y\n")
    with pytest.raises(InputError, match="numbers"):
        start(tmp_path / "chats", Request("chat", str(path)))
    with pytest.raises(InputError, match="choose a file"):
        start(tmp_path / "chats", Request("chat", ""))
    assert list((tmp_path / "chats").rglob("*.csv")) == []


def test_a_file_named_like_the_folder_of_copies_can_be_used(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("value\n" + "\n".join(f"{value:.4f}" for value in np.sin(np.arange(300) / 7)))
    assert start(tmp_path / "chats", Request("chat", str(path))) == "series-2"
