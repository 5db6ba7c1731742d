"""``ape run --continue-from RUN``: a new run for which events that a person calls false alarms are normal."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ape.cli.options import refuse_fixed_options
from ape.runs import Run
from ape.runs.continuing import create
from ape.runs.folder import read_request
from ape.watch.labels import false_alarms


def new_run(arguments: argparse.Namespace) -> Run:
    """Make the folder of the new run; it has the request of the earlier one, for other data if DATA is given."""
    refuse_fixed_options(arguments, "data", "train_end", "out", option="continue-from")
    earlier = Path(arguments.continue_from)
    request = replace(read_request(earlier), command="run", approve=False)
    if arguments.data is not None:
        request = replace(request, data=arguments.data)
    if arguments.train_end is not None:
        request = replace(request, train_end=arguments.train_end)
    series = request.load()
    out = Path(arguments.out) if arguments.out else earlier.with_name(f"{earlier.name}-continued")
    return create(out, request, series, earlier, false_alarms(earlier, series))
