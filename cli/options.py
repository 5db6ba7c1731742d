"""Load the series that the arguments of a command describe, and refuse options that a command would ignore."""

from __future__ import annotations

import argparse

from ape.core.errors import InputError
from ape.series import ReadOptions, Requirements, Series, load

OUTPUT = ("json", "quiet", "fail_on_events")  # options that no run records


def read_options(arguments: argparse.Namespace) -> ReadOptions:
    """Return how the arguments say to read the file; a command without such options infers everything."""
    if not hasattr(arguments, "decimal"):
        return ReadOptions()
    if (arguments.series_column or "").endswith("=*") and arguments.command not in ("batch", "score"):
        name = arguments.series_column.removesuffix("=*")
        hint = f"give --series-column {name} to read its series as channels, or {name}=NAME for one of them"
        raise InputError(
            f"'{arguments.series_column}' takes each series on its own: that is for ape batch and ape score",
            f"ape {arguments.command}",
            hint,
        )
    return ReadOptions(
        decimal=arguments.decimal,
        time_format=arguments.time_format,
        dayfirst=arguments.dayfirst,
        timezone=arguments.timezone,
        series_column=arguments.series_column,
        missing=tuple(arguments.missing or ()),
        header=arguments.header,
        difference=getattr(arguments, "difference", False),  # a trained detector knows its counters
    )


def load_series(
    arguments: argparse.Namespace, required: Requirements | None = None, *, scoring: bool = False
) -> Series:
    """Load the series of a command, for a trained detector or to be scored if so; see `ape.series.load`."""
    return load(
        arguments.data,
        column=arguments.column,
        train_end=getattr(arguments, "train_end", None),  # a series that is only scored has no training part
        options=read_options(arguments),
        required=required,
        scoring=scoring,
    )


def refuse_fixed_options(arguments: argparse.Namespace, *free: str, option: str = "resume") -> None:
    """Refuse all options but ``free`` with ``--resume``, or with another: ``run.json`` has the values of the others."""
    from ape.cli.arguments import build_parser

    defaults = vars(build_parser().parse_args([arguments.command]))
    for name, default in defaults.items():
        if getattr(arguments, name) != default and name not in (*OUTPUT, option.replace("-", "_"), *free):
            what = f"with --{option}, the options stay as they are"
            raise InputError(what, f"--{name.replace('_', '-')}", "leave it out, or start a new run")
