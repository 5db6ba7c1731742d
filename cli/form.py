"""The form of the page for a new conversation. It has the options of ``ape chat``, and gives the same request."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import Any

import gradio as gr

from ape.cli.commands import request_of
from ape.core.alert_rates import AlertRate
from ape.core.errors import InputError
from ape.detectors.registry import BACKBONES
from ape.runs.folder import Request
from ape.series.loaders import SUFFIXES
from ape.series.reading.compression import COMPRESSED

INFERRED = "inferred"
MAX_SEED = 2**31 - 1
YES_OR_NO = {"yes": True, "no": False}
Values = dict[str, Any]  # of the components, by option


def add_form(defaults: Request) -> dict[str, gr.components.Component]:
    """Add the fields to the page, with the values of ``defaults``, and return them by option."""
    values = values_of(defaults)
    fields: dict[str, gr.components.Component] = {}

    def text(name: str, label: str, placeholder: str = "", **options: Any) -> None:
        fields[name] = gr.Textbox(values[name], label=label, placeholder=placeholder, **options)

    def several(name: str, label: str) -> None:
        fields[name] = gr.Dropdown(
            values[name], value=values[name], label=label, multiselect=True, allow_custom_value=True
        )

    def choice(name: str, label: str, choices: list[str]) -> None:
        fields[name] = gr.Dropdown(choices, value=values[name], label=label)

    with gr.Row():
        fields["data"] = gr.File(
            label="series: CSV, Parquet, Feather, NPZ or UCR text", file_types=[*SUFFIXES, *COMPRESSED], scale=2
        )
        with gr.Column(scale=1, min_width=200):
            several("column", "channels to use (none: all)")
            text("train_end", "end of the training part, taken as normal", "row, date, or 60% (empty: all)")
        text("text", "what is known about possible failures", lines=3, scale=2)
    with gr.Accordion("reading the file (by default everything is inferred)", open=False):
        with gr.Row():
            choice("decimal", "decimal mark", [INFERRED, ".", ","])
            several("missing", "cells that mean a missing value")
            choice("header", "the first row names the columns", [INFERRED, *YES_OR_NO])
        with gr.Row():
            text("time_format", "time format", "%d.%m.%Y %H:%M; or s, ms, us, ns; or excel")
            choice("dayfirst", "01/02/2024 is 1 February", [INFERRED, *YES_OR_NO])
            text("timezone", "zone of times without an offset", "Europe/Berlin")
            text("series_column", "column that names the series of a long table", "sensor, or sensor=pump 1")
            fields["difference"] = gr.Checkbox(
                values["difference"], label="read the increments of counters", min_width=240
            )
    with gr.Accordion("mining and training", open=False), gr.Row():
        choice("backbone", "backbone", list(BACKBONES))
        fields["seed"] = gr.Number(values["seed"], label="seed", precision=0, minimum=0, maximum=MAX_SEED)
        text("brain", "model of the agents", "embedded, or the address of a server")
        text("alerts_per", "false alarms to accept", "day, week or training, or a number such as day=3")
        fields["log"] = gr.File(label="log file")
        fields["image"] = gr.File(label="pictures", file_count="multiple", file_types=["image"])
    return fields


def values_of(request: Request) -> Values:
    """Return the values of the form that give a request; the files are those of the request."""
    reading = asdict(request.reading)
    words = {True: "yes", False: "no", None: INFERRED}
    return {
        "data": request.data or None,
        "train_end": "" if request.train_end is None else str(request.train_end),
        "text": request.text or "",
        "column": list(request.column),
        "decimal": reading["decimal"] or INFERRED,
        "missing": list(reading["missing"]),
        "header": words[reading["header"]],
        "time_format": reading["time_format"] or "",
        "dayfirst": words[reading["dayfirst"]],
        "timezone": reading["timezone"] or "",
        "series_column": reading["series_column"] or "",
        "difference": reading["difference"],
        "backbone": request.backbone,
        "seed": request.seed,
        "brain": request.brain,
        "alerts_per": "" if request.alerts is None else request.alerts.typed,
        "log": request.log,
        "image": list(request.image) or None,
    }


def request_of_form(values: Values) -> Request:
    """Return the request that the values of the form describe.

    Raises
    ------
    InputError
        A value, a file or the server cannot be used.
    """

    def word(name: str) -> str | None:
        return (values[name] or "").strip() or None

    arguments = argparse.Namespace(
        data=values["data"],
        train_end=word("train_end"),
        text=None,  # a file of the command
        column=values["column"],
        decimal=None if values["decimal"] == INFERRED else values["decimal"],
        missing=values["missing"],
        header=YES_OR_NO.get(values["header"]),
        time_format=word("time_format"),
        dayfirst=YES_OR_NO.get(values["dayfirst"]),
        timezone=word("timezone"),
        series_column=word("series_column"),
        difference=values["difference"],
        backbone=values["backbone"],
        seed=int(values["seed"] or 0),
        brain=word("brain"),
        alerts_per=_alerts(word("alerts_per")),
        log=values["log"],
        image=values["image"],
    )
    return replace(request_of(arguments, "chat"), text=word("text"))


def _alerts(word: str | None) -> AlertRate | None:
    try:
        return None if word is None else AlertRate.parse(word)
    except InputError as error:
        raise InputError(error.what, "false alarms to accept", "leave it empty for the default") from error
