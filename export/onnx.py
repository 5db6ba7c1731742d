"""Modules as ONNX graphs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ape.core.errors import InputError
from ape.core.extras import require_extra

NEEDED = ("onnx", "onnxscript", "onnxruntime")
OPSET = 20


def require_onnx() -> None:
    """Raise `InputError` unless the packages can be imported."""
    require_extra("export", NEEDED, "an export", "ape export")


def as_onnx(
    module: nn.Module, inputs: Mapping[str, Tensor], open_axes: Mapping[str, Mapping[int, Any]], output: str
) -> bytes:
    """Return a module as an ONNX model.

    Parameters
    ----------
    module : Module
    inputs : mapping of str to Tensor
        Examples, by the names of the parameters of ``forward``.
    open_axes : mapping of str to mapping of int to `torch.export.Dim`
        Axes whose length is not that of the examples.
    output : str
        Name of the output.

    Raises
    ------
    InputError
        The module has something that ONNX has not.
    """
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                kwargs=dict(inputs),
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes={name: open_axes.get(name) for name in inputs},
                input_names=[*inputs],
                output_names=[output],
                verbose=False,
            )
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        what = _last_line(error)
        raise InputError(f"the detector cannot be exported: {what}", "ape export", "serve it with 'ape api'") from error
    assert program is not None
    for node in program.model.graph.all_nodes():  # they name files of this machine
        node.metadata_props.clear()
        node.doc_string = None
    return bytes(program.model_proto.SerializeToString())


def _last_line(error: BaseException) -> str:
    """Return what the first cause says, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines: Sequence[str] = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence notes of the exporter on what it leaves out."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
