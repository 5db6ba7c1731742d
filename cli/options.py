"""Load the series that the arguments of a command describe."""

from __future__ import annotations

import argparse

from ape.series import ReadOptions, Requirements, Series, load


def read_options(arguments: argparse.Namespace) -> ReadOptions:
    """Return how the arguments say to read the file; a command without such options infers everything."""
    if not hasattr(arguments, "decimal"):
        return ReadOptions()
    return ReadOptions(
        decimal=arguments.decimal,
        time_format=arguments.time_format,
        dayfirst=arguments.dayfirst,
        timezone=arguments.timezone,
        series_column=arguments.series_column,
        missing=tuple(arguments.missing or ()),
        header=arguments.header,
        difference=arguments.difference,
    )


def load_series(
    arguments: argparse.Namespace, required: Requirements | None = None, *, scoring: bool = False
) -> Series:
    """Load the series of a command, for a trained detector or to be scored if so; see `ape.series.load`."""
    return load(
        arguments.data,
        column=arguments.column,
        train_end=arguments.train_end,
        options=read_options(arguments),
        required=required,
        scoring=scoring,
    )
