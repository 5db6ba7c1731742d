"""Compare the steps of ``ape run`` with what the machine could do: ``python -m ape.evals.speed.floors FILE --out DIR``.

The command runs twice in this process. The first time, multiplications are counted from the shapes of all matrix
products and convolutions, and bytes from what a step must read and write once. The second time, the steps are timed.
The floor of a step is the larger of multiplications / peak of a large matrix product, and bytes / bandwidth of a copy;
both are measured in between. What lies between a step and its floor is overhead, small matrices and work that is no
product; a ratio near 1 cannot be improved without doing less.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ape.core.files import write_text
from ape.evals.speed.side_by_side_table import markdown

SIDE, COPIED, TRIES = 2048, 1 << 26, 5  # of a square matrix; float32 values of an array; runs, of which the best counts
# Of a cell of the matrix profile: two for the covariance, two for the correlation. They are of float64, of which half
# as many fit into a register.
CELL_MULTIPLICATIONS = 4 * 2
PIXEL = 4  # bytes


@dataclass(frozen=True)
class Machine:
    """Multiplications (with an addition each) and bytes per second."""

    multiplications: float
    bandwidth: float

    @classmethod
    def measured(cls) -> Machine:
        """Measure a large product and a large copy, with all threads of this process."""
        a, b, source = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE), torch.rand(COPIED)
        target = torch.empty_like(source)
        product, copy = best(lambda: a @ b), best(lambda: target.copy_(source))
        return cls(SIDE**3 / product, 2 * source.nbytes / copy)


@dataclass
class Work:
    """What a step did: calls, seconds, multiplications, and bytes that it must move."""

    calls: int = 0
    seconds: float = 0.0
    multiplications: float = 0.0
    moved: float = 0.0

    def floor(self, machine: Machine) -> float:
        """Return the fewest seconds in which a machine could do it."""
        return max(self.multiplications / machine.multiplications, self.moved / machine.bandwidth)


@dataclass
class Meter:
    """Counts or times the calls of functions, by step."""

    counting: bool = True
    steps: dict[str, Work] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wrap(
        self,
        step: str,
        function: Callable[..., Any],
        products: Callable[..., float] | None,
        moved: Callable[..., float],
    ) -> Callable[..., Any]:
        """Return a function that does the same and notes its work.

        Parameters
        ----------
        step : str
        function : callable
        products, moved : callable
            From its result and arguments: multiplications and bytes. None: the multiplications of PyTorch.
        """
        work = self.steps.setdefault(step, Work())

        @wraps(function)
        def metered(*arguments: Any, **named: Any) -> Any:
            counter = FlopCounterMode(display=False) if self.counting and products is None else None
            began = time.perf_counter()
            with counter or nullcontext():
                result = function(*arguments, **named)
            seconds = time.perf_counter() - began
            with self._lock:
                if not self.counting:
                    work.calls, work.seconds = work.calls + 1, work.seconds + seconds
                    return result
                if counter is not None:
                    work.multiplications += counter.get_total_flops() / 2
                elif products is not None:
                    work.multiplications += products(result, *arguments)
                work.moved += moved(result, *arguments)
            return result

        return metered


def profile_multiplications(points: int, window: int) -> float:
    """Return those of the self-join of a series: half of all pairs of subsequences."""
    return CELL_MULTIPLICATIONS * (points - window + 1) ** 2 / 2


def size(*objects: Any) -> float:
    """Return the bytes of tensors, arrays, modules (their weights), files and strings, in tuples and lists as well."""
    total = 0.0
    for each in objects:
        if isinstance(each, (Tensor, np.ndarray)):
            total += each.nbytes
        elif isinstance(each, nn.Module):
            total += sum(weight.nbytes for weight in each.parameters())
        elif isinstance(each, Path):
            total += each.stat().st_size
        elif isinstance(each, (bytes, str)):
            total += len(each)
        elif isinstance(each, (tuple, list)):
            total += size(*each)
    return total


# Step, module, function or class.method, and what returns multiplications and bytes from its result and its arguments;
# None: the multiplications of PyTorch.
Target = tuple[str, str, str, Callable[..., float] | None, Callable[..., float]]


def none(*_: Any) -> float:
    """Return 0, for steps without products."""
    return 0.0


TARGETS: tuple[Target, ...] = (
    ("read the file", "ape.series.loaders", "load", none, lambda made, path, *_: size(Path(path), made.values)),
    (
        "matrix profile",
        "ape.series.matrix_profile",
        "matrix_profile",
        lambda _, x, window, *__: profile_multiplications(len(x), window),
        lambda made, x, *_: size(x, made.distance, made.index),
    ),
    ("train the backbone", "ape.detectors.training", "train", None, lambda _, *given: size(*given)),
    (
        "score with the backbone",
        "ape.detectors.detector",
        "WindowedDetector.score",
        None,
        lambda made, detector, series, *_: size(made, series.values, detector.module),
    ),
    (
        "nearest neighbours",
        "ape.posttrain.discriminator.search",
        "Search.nearest",
        None,
        lambda made, search, *given: size(made, search.cells[:, : search.length], *given),
    ),
    (
        "discriminator network",
        "ape.posttrain.discriminator.evidence",
        "Reader.read",
        None,
        lambda made, reader, *given: size(made, reader.generic, reader.bank, *given),
    ),
    (
        "post-training steps",
        "ape.posttrain.discriminator.training",
        "PostTraining.run",
        None,
        lambda _, training, *__: training.total * size(training.model),
    ),
    (
        "draw pictures",
        "matplotlib.backends.backend_agg",
        "FigureCanvasAgg.print_png",
        none,
        lambda _, canvas, *__: PIXEL * canvas.figure.bbox.width * canvas.figure.bbox.height,
    ),
    ("write files", "ape.core.files", "write_bytes", none, lambda _, path, data: size(data)),
)


@contextmanager
def metered(meter: Meter, targets: tuple[Target, ...] = TARGETS) -> Iterator[None]:
    """Put the wrappers of a meter in place of functions, also where modules have imported them by name."""
    with ExitStack() as stack:
        for step, module, name, products, moved in targets:
            owner: Any = import_module(module)
            *classes, attribute = name.split(".")
            for each in classes:
                owner = getattr(owner, each)
            function = getattr(owner, attribute)
            wrapper = meter.wrap(step, function, products, moved)
            modules = [] if classes else [other for key, other in list(sys.modules.items()) if key.startswith("ape.")]
            for place in (owner, *modules):
                if vars(place).get(attribute) is function:
                    stack.enter_context(mock.patch.object(place, attribute, wrapper))
        yield


def best(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of some calls."""
    taken = []
    for _ in range(TRIES):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)


def table(steps: dict[str, Work], total: float, machine: Machine) -> str:
    """Return a Markdown table of the steps, the slowest first, and what is left of the total."""
    titles = ["step", "calls", "s", "10⁹ multiplications", "MB", "floor s", "times the floor"]
    rows = []
    for name, work in sorted(steps.items(), key=lambda item: -item[1].seconds):
        floor = work.floor(machine)
        rows.append([
            name, str(work.calls), f"{work.seconds:.2f}", f"{work.multiplications / 1e9:.2f}",
            f"{work.moved / 1e6:.1f}", f"{floor:.4f}", f"{work.seconds / floor:.0f}" if floor else "–",
        ])  # fmt: skip
    rest = total - sum(work.seconds for work in steps.values())
    return markdown(
        titles, [*rows, ["all else", "", f"{rest:.2f}", "", "", "", ""], ["total", "", f"{total:.2f}"] + [""] * 4]
    )


def main() -> int:
    """Run the command twice, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.floors", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, metavar="FILE", help="series, as of ape run")
    parser.add_argument("--train-end", metavar="WHERE", help="as of ape run")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    command = ["run", str(arguments.file), "--quiet"]
    command += ["--train-end", arguments.train_end] if arguments.train_end else []
    main_of_ape, meter = import_module("ape.cli.main").main, Meter()
    with tempfile.TemporaryDirectory() as folder, metered(meter):
        for times in range(2):
            meter.counting = times == 0
            began = time.perf_counter()
            if code := main_of_ape([*command, "--out", f"{folder}/{times}"]):
                return int(code)
            total = time.perf_counter() - began
            machine = Machine.measured()
    speed, copied = machine.multiplications / 1e9, machine.bandwidth / 1e9
    text = (
        f"# Floors of `ape run` on {arguments.file.name}\n\n"
        f"With {torch.get_num_threads()} threads, this machine does {speed:.0f} · 10⁹ multiplications per second in a "
        f"large matrix product, and moves {copied:.1f} GB per second in a large copy. Imports are not in the total.\n\n"
        f"{table(meter.steps, total, machine)}"
    )
    write_text(arguments.out / "floors.md", text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
